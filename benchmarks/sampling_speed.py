"""How good are the pictures after so many network calls? Our samplers and the schedulers of diffusers, on the same weights.

    python benchmarks/sampling_speed.py                      # all samplers, and what our loop costs; goes on where it was
    python benchmarks/sampling_speed.py --n 64 --calls 10 30 --record runs/sampling_try.json # a coarser look, into a record of its own
    python benchmarks/sampling_speed.py --table              # only prints what has been measured so far

A call asks the network about the whole batch, with the wish and without (guidance). All begin with the same static, so samplers
without luck of their own would all end in the same picture if they were allowed any number of calls. How far each is from it,

    error = sqrt(mean((picture - end)^2)),    end: Heun's method with 199 calls, pictures in [-1, 1],

says more than a judge does, who is content early. The record is diffusion_lib/records/sampling_speed.json, where chapters can read it.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

from diffusers import (DDIMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler, FlowMatchEulerDiscreteScheduler,  # noqa: E402
                       HeunDiscreteScheduler, SchedulerMixin, UniPCMultistepScheduler)

from diffusion_lib import zoo  # noqa: E402
from diffusion_lib.data.pets import GRAMMARS  # noqa: E402
from diffusion_lib.bridge import open_in_diffusers  # noqa: E402
from diffusion_lib.denoisers import NeuralDenoiser  # noqa: E402
from diffusion_lib.evaluation import frechet_distance  # noqa: E402
from diffusion_lib.guidance import ClassifierFreeGuidance  # noqa: E402
from diffusion_lib.judging import attribute_accuracy, in_words, prompts, real_pictures  # noqa: E402
from diffusion_lib.networks.classifier import answers  # noqa: E402
from diffusion_lib.networks.unet import UNet  # noqa: E402
from diffusion_lib.random import CounterGenerator, randn  # noqa: E402
from diffusion_lib.realism import features  # noqa: E402
from diffusion_lib.samplers import DDIM, Ancestral, DPMSolverPP2M, Heun, Sampler, sample, trajectory  # noqa: E402
from diffusion_lib.schedules import uniform_times  # noqa: E402
from rows import made_on, write  # noqa: E402
from scripts.quiet import refuse_when_busy  # noqa: E402

RECORD = ROOT / "diffusion_lib" / "records" / "sampling_speed.json"
MODEL, SIZE, GUIDANCE, SEED, BATCH, REAL = "pets32", 32, 2.0, 11, 64, 2000
CALLS, N, END = (5, 8, 10, 15, 20, 30, 50), 128, 100         # END: steps of Heun's method to the picture that all are compared with
# Of the measurement of the loop: models, and how each is asked; sizes of a batch, steps a walk, CPU seconds a size.
ASKED = {"pets32": lambda wishes: wishes, "pets32-text": in_words(GRAMMARS["en"])}
BATCHES, STEPS, SECONDS = (1, 16, 64), 20, 30.0

Draw = Callable[[NeuralDenoiser, Tensor, Tensor, int], Tensor]           # (model, static, wishes, steps) -> pictures


# Samplers ------------------------------------------------------------------------------------------------------------

def ours(sampler: Sampler) -> Draw:
    def draw(model, static, wishes, steps):
        guided, luck = ClassifierFreeGuidance(model, GUIDANCE), CounterGenerator(SEED + 1)
        *_, last = trajectory(guided, static * float(model.schedule.sigma(1)), uniform_times(steps), sampler, wishes, luck)
        return last.x
    return draw


def theirs(make: Callable[[], SchedulerMixin]) -> Draw:
    def draw(model, static, wishes, steps):
        pipe = open_in_diffusers(model, make(), SIZE)
        pipe.set_progress_bar_config(disable=True)
        images = pipe(wishes, latents=static, num_inference_steps=steps, guidance_scale=GUIDANCE).images
        return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2) / 127.5 - 1
    return draw


def of_betas(kind: type[SchedulerMixin], **more) -> Draw:
    """A scheduler made for the betas of DDPM, stopping where ours stop."""
    return theirs(lambda: kind(beta_schedule="linear", beta_start=1e-4, beta_end=0.02, timestep_spacing="trailing", **more))


def of_flows(kind: type[SchedulerMixin]) -> Draw:
    """A scheduler made for betas on the straight path, where ours walk and the network was taught."""
    return theirs(lambda: kind(use_flow_sigmas=True, prediction_type="flow_prediction"))


STOCHASTIC = ("ours: ancestral",)                            # has luck of its own, so its pictures are others
# name: (how it draws, how often it asks a step)
SAMPLERS: dict[str, tuple[Draw, int]] = {
    "ours: DDIM": (ours(DDIM()), 1),
    "ours: ancestral": (ours(Ancestral()), 1),
    "ours: Heun": (ours(Heun()), 2),
    "ours: DPM-Solver++(2M)": (ours(DPMSolverPP2M()), 1),
    "diffusers: FlowMatchEulerDiscrete": (theirs(FlowMatchEulerDiscreteScheduler), 1),
    "diffusers: DPMSolverMultistep, flow": (of_flows(DPMSolverMultistepScheduler), 1),
    "diffusers: UniPCMultistep, flow": (of_flows(UniPCMultistepScheduler), 1),
    "diffusers: DDIM": (of_betas(DDIMScheduler, clip_sample=False), 1),      # clipped, it would walk elsewhere
    "diffusers: EulerDiscrete": (of_betas(EulerDiscreteScheduler), 1),
    "diffusers: HeunDiscrete": (of_betas(HeunDiscreteScheduler), 2),
    "diffusers: DPMSolverMultistep": (of_betas(DPMSolverMultistepScheduler), 1),
    "diffusers: UniPCMultistep": (of_betas(UniPCMultistepScheduler), 1),
}


def steps_of(calls: int, a_step: int) -> int:
    """How many steps at most so many calls are: Heun asks twice a step, but once in the last one."""
    return calls if a_step == 1 else (calls + 1) // 2


class Calls:
    """Counts how often a U-Net is asked, whoever asks."""

    def __init__(self):
        self.count = 0
        torch.nn.modules.module.register_module_forward_hook(self.seen)

    def seen(self, module, given, answer) -> None:
        self.count += isinstance(module, UNet)


# Quality -------------------------------------------------------------------------------------------------------------

class Judge:
    def __init__(self, n: int, model: NeuralDenoiser):
        self.classifier, self.asked = zoo.load("pets32-classifier"), prompts(n, SEED)
        self.static = randn((n, 3, SIZE, SIZE), CounterGenerator(SEED))
        self.real = features(self.classifier, real_pictures(REAL, SIZE, SEED + 1)[0])
        self.end = self.drawn(ours(Heun()), model, END)

    def drawn(self, draw: Draw, model: NeuralDenoiser, steps: int) -> Tensor:
        batches = zip(self.static.split(BATCH), self.asked.split(BATCH))
        drawn = torch.cat([draw(model, x, wishes, steps) for x, wishes in tqdm(list(batches), f"{steps} steps", leave=False)])
        return (drawn.clamp(-1, 1).nan_to_num() * 127.5).round() / 127.5         # in the 256 levels of a file, as a pipeline's are

    def looks_at(self, draw: Draw, model: NeuralDenoiser, steps: int) -> dict:
        drawn = self.drawn(draw, model, steps)
        found = attribute_accuracy(answers(self.classifier, drawn), self.asked)["all"]
        return {"found": found.value, "standard_error": found.standard_error, "frechet": frechet_distance(features(self.classifier, drawn), self.real),
                "error": float((drawn - self.end).square().mean().sqrt())}

    def floor(self) -> float:
        """The Fréchet distance that as many fresh real pictures have."""
        return frechet_distance(features(self.classifier, real_pictures(len(self.asked), SIZE, SEED + 2)[0]), self.real)


def qualities(n: int, calls: list[int], names: list[str], record: Path, head: dict) -> None:
    """Measure what is not in the record yet."""
    there = {(row["budget"], row["sampler"]) for row in read(record)["rows"]}
    if not (todo := [row for row in product(calls, names) if row not in there]):
        return
    model, asked = zoo.load(MODEL), Calls()
    judge = Judge(n, model)
    head["frechet_floor"] = judge.floor()
    for budget, name in todo:
        draw, a_step = SAMPLERS[name]
        asked.count = 0
        row = {"sampler": name, "budget": budget, **judge.looks_at(draw, model, steps_of(budget, a_step))}
        row["calls"], row["error"] = asked.count / -(-n // BATCH), None if name in STOCHASTIC else row["error"]
        if row["calls"] > budget:
            raise RuntimeError(f"{name} asked the network {row['calls']:g} times, but {budget} times are allowed")
        keep(record, {**read(record), **head, "rows": [*read(record)["rows"], row]})
        print(json.dumps(row), flush=True)


# What the loop costs -------------------------------------------------------------------------------------------------

def overhead(name: str, batch: int) -> dict:
    """CPU seconds of a walk, over those of its network calls alone: turn by turn, the best of each."""
    model, wishes = zoo.load(name), ASKED[name](prompts(batch, SEED))
    x, static = randn((batch, 3, SIZE, SIZE), CounterGenerator(SEED)), CounterGenerator(SEED)
    log_snr = torch.zeros(batch)

    def bare():
        with torch.no_grad():
            for _ in range(STEPS):
                model.network(x, log_snr, wishes, None)

    def walk():
        sample(model, x.shape, steps=STEPS, sampler=DPMSolverPP2M(), cond=wishes, generator=static)

    best, until = {bare: float("inf"), walk: float("inf")}, time.process_time() + SECONDS
    while time.process_time() < until:
        for one in best:
            begun = time.process_time()
            one()
            best[one] = min(best[one], time.process_time() - begun)
    call, step = 1e3 * best[bare] / STEPS, 1e3 * best[walk] / STEPS
    return {"model": name, "batch": batch, "ms a call": call, "ms a step": step, "overhead": step / call - 1}


# The command ---------------------------------------------------------------------------------------------------------

def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"rows": [], "loop": []}


def keep(path: Path, record: dict) -> None:
    head = {name: value for name, value in record.items() if name not in ("rows", "loop")}
    parts = {name: ",\n".join(f"  {json.dumps(row)}" for row in record[name]) for name in ("loop", "rows")}
    write(path, json.dumps(head)[:-1] + f', "loop": [\n{parts["loop"]}\n ],\n "rows": [\n{parts["rows"]}\n ]}}\n')


def table(record: dict) -> str:
    budgets = sorted({row["budget"] for row in record["rows"]})
    out = [f"{'everything found, at so many calls':<36}" + "".join(f"{budget:>8}" for budget in budgets)]
    for quality, title in (("found", ""), ("frechet", f"\n{'Fréchet distance':<36}"), ("error", f"\n{'error':<36}")):
        out += [title] if title else []
        for name in SAMPLERS:
            own = {row["budget"]: row[quality] for row in record["rows"] if row["sampler"] == name and row.get(quality) is not None}
            if own:
                digits = {"found": 3, "frechet": 2, "error": 4}[quality]
                out.append(f"{name:<36}" + "".join(f"{own[budget]:>8.{digits}f}" if budget in own else f"{'-':>8}" for budget in budgets))
        if quality == "frechet" and "frechet_floor" in record:
            out.append(f"{'as many fresh real pictures':<36}{record['frechet_floor']:>8.2f}")
    for row in record["loop"]:
        out.append(f"{row['model']}, batch {row['batch']}: {row['ms a call']:.2f} ms a network call, {row['ms a step']:.2f} ms a step of the walk: "
                   f"{row['overhead']:+.1%}")
    return "\n".join(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=N, help="pictures for each row")
    parser.add_argument("--calls", type=int, nargs="+", default=list(CALLS))
    parser.add_argument("--only", nargs="+", choices=list(SAMPLERS), default=list(SAMPLERS), metavar="SAMPLER")
    parser.add_argument("--record", type=Path, default=RECORD)
    parser.add_argument("--overhead", action="store_true", help="only measure what the loop costs")
    parser.add_argument("--table", action="store_true", help="print the record and stop")
    parser.add_argument("--anyway", action="store_true", help="although other programs are running")
    options = parser.parse_args()
    if not options.table:
        torch.set_num_threads(1)
        if read(options.record).get("n", options.n) != options.n:
            raise SystemExit(f"{options.record} holds rows of {read(options.record)['n']} pictures each: give the same --n, or another --record")
        others = refuse_when_busy(options.anyway)
        head = {"made by": f"benchmarks/sampling_speed.py --n {options.n}", "model": MODEL, "n": options.n, "guidance": GUIDANCE,
                "end calls": 2 * END - 1, "torch": torch.__version__, **made_on()}
        loop = []
        for name, batch in product(ASKED, BATCHES):
            loop.append(overhead(name, batch))
            print(json.dumps(loop[-1]), flush=True)
        keep(options.record, {**read(options.record), **head, "others": round(others, 2), "loop": loop})
        if not options.overhead:
            qualities(options.n, options.calls, options.only, options.record, head)
    print(table(read(options.record)))


if __name__ == "__main__":
    main()
