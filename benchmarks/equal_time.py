"""What benchmarks that compare trainings share: equal time for each run, one judge for all, one file of rows.

Equal means: the same CPU seconds of one thread, counted by the process itself, so that a busy machine changes nothing.
A variant that is cheaper a step takes more steps. All read the same pictures in the same order; the seed decides first
weights, times and noise. Several processes may add to one record, each with seeds of its own; what is in it is not run
again.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset
from tqdm import tqdm

from diffusion_lib import zoo
from diffusion_lib.judging import attribute_accuracy, draw, prompts
from diffusion_lib.networks.classifier import answers
from diffusion_lib.training import Loss, TrainConfig, train
from rows import alone, made_on, spread, write

ROOT = Path(__file__).resolve().parents[1]
RECORDS = ROOT / "diffusion_lib" / "records"
JUDGED, SAMPLER_STEPS, GUIDANCE, SEED = 128, 12, 2.0, 11
JUDGING = {"judged pictures": JUDGED, "sampler steps": SAMPLER_STEPS, "guidance": GUIDANCE}

Measure = Callable[[str, float, int], dict]                  # (variant, seconds, seed) -> what was found out about it


def learn(model: nn.Module, dataset: Dataset, config: TrainConfig, loss: Loss, seconds: float, name: str) -> tuple[nn.Module, int]:
    """Train for so many CPU seconds; the averaged model, and the steps taken. config: without steps, with minutes."""
    with tqdm(total=round(seconds), desc=f"{name}, seed {config.seed}", unit="CPU s", mininterval=1) as bar:
        for step in train(model, dataset, config, loss=loss, clock=time.process_time):
            bar.update(round(step.progress * seconds) - bar.n)
            bar.set_postfix(step=step.index, refresh=False)
    return step.ema, step.index


def judged(model: nn.Module, size: int) -> tuple[dict[str, float], Tensor]:
    """How often the judge finds what was asked ("all" attributes, and each), and the pictures it looked at."""
    asked = prompts(JUDGED, SEED)
    drawn = draw(model, asked, size, GUIDANCE, SAMPLER_STEPS, SEED)
    found = attribute_accuracy(answers(zoo.load("pets32-classifier"), drawn), asked)
    return {attribute: share.value for attribute, share in found.items()}, drawn


# The command ---------------------------------------------------------------------------------------------------------

def compare(about: str, record: Path, variants: list[str], measure: Measure, facts: dict, seconds: float) -> None:
    """The command line of a comparison: run what is not in its record yet, then print the table.

    about: its first line. record: the file. facts: written at the top of it. seconds: of a run, where none are given.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--seconds", type=float, default=seconds, help="CPU seconds of training for each run")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--variants", nargs="+", choices=variants, default=variants, metavar="NAME")
    parser.add_argument("--record", type=Path, default=record)
    parser.add_argument("--table", action="store_true", help="print the record and stop")
    options = parser.parse_args()
    if not options.table:
        torch.set_num_threads(1)
        there = read(options.record).get("seconds", options.seconds)
        if there != options.seconds:
            raise SystemExit(f"{options.record} holds runs of {there:g} s, which cannot be compared with {options.seconds:g} s: "
                             "give the same number, or remove the file")
        head = {"made by": f"benchmarks/{record.stem}.py --seconds {options.seconds:g}", "seconds": options.seconds, **JUDGING, **facts}
        for seed in options.seeds:                           # seeds outside, so that an interrupted bench has all variants
            for name in options.variants:
                if not any((run["variant"], run["seed"]) == (name, seed) for run in read(options.record)["runs"]):
                    row = {"variant": name, "seed": seed, **measure(name, options.seconds, seed), **made_on()}
                    add(options.record, head, row, variants)
    print(table(read(options.record)["runs"], variants))


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"runs": []}


def add(path: Path, head: dict, row: dict, variants: list[str]) -> None:
    """Write one more run down, whoever else is writing."""
    with alone():
        runs = sorted([*read(path)["runs"], row], key=lambda run: (variants.index(run["variant"]), run["seed"]))
        lines = ",\n".join(f"  {json.dumps(run)}" for run in runs)
        write(path, "{" + json.dumps(head)[1:-1] + ',\n "runs": [\n' + lines + "\n ]}\n")


def table(runs: list[dict], variants: list[str]) -> str:
    """One line a variant: mean and spread over its seeds."""
    lines = [f"{'variant':<26}{'seeds':>6}{'steps':>7}{'pictures':>10}{'M parameters':>14}{'MFLOP':>8}{'loss':>18}{'all found':>19}{'each found':>19}"]
    for name in variants:
        own = [run for run in runs if run["variant"] == name]
        if own:
            each = [fmean(v for key, v in run["found"].items() if key != "all") for run in own]
            lines.append(f"{name:<26}{len(own):>6}{fmean(run['steps'] for run in own):>7.0f}{fmean(run['pictures'] for run in own):>10.0f}"
                         f"{own[0]['parameters'] / 1e6:>14.2f}{own[0]['flops'] / 1e6:>8.0f}{spread([run['loss'] for run in own], 4):>18}"
                         f"{spread([run['found']['all'] for run in own], 3):>19}{spread(each, 3):>19}")
    return "\n".join(lines)
