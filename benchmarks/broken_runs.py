"""Four short runs for chapter 12: a healthy one, and three in which the loss falls as it should and the pictures are bad.

    python benchmarks/broken_runs.py                         # writes diffusion_lib/records/broken_runs.json and .webp

All four have one small network, one seed and the same number of steps. Each broken one differs in one line:

    turned target    the loss compares the answer with x0 - eps, the sampler reads it as eps - x0. That run is the healthy
                     one's mirror image, number for number (chapter 12 asserts it), so it is not trained a second time here:
                     the healthy network's answers are turned round.
    long memory      pictures are drawn from a plain average with decay 0.9999 that began at the random weights
    pale data        the pictures go in as numbers from 0 to 1, not from -1 to 1
"""

import argparse
import copy
import json
import sys
from functools import partial
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import diffusion_lib as dl  # noqa: E402
from diffusion_lib.pictures import image_grid, to_image  # noqa: E402
from diffusion_lib.runs import hardware, rounded  # noqa: E402
from rows import write  # noqa: E402

RECORDS = ROOT / "diffusion_lib" / "records"
SIZE = 16
TURNED = dl.Parameterization("flow", lambda c: (-c.d_alpha, -c.d_sigma))
WISHES = ("a happy plain orange cat with a top hat on a blue background", "a sad plain white rabbit with a party hat on a green background",
          "a surprised plain green frog with glasses on a pink background", "a happy plain brown bear with a scarf on a yellow background",
          "a sleepy plain grey mouse with a crown on a purple background", "a happy plain yellow chick on a white background")


class Pale(dl.PartyPets):
    """The same pets, as numbers from 0 to 1."""

    def __getitems__(self, indices):
        return [((picture + 1) / 2, wish) for picture, wish in super().__getitems__(indices)]


def fresh() -> dl.NeuralDenoiser:
    torch.manual_seed(12)
    network = dl.UNet(dl.UNetConfig(widths=(32, 64), blocks=(1, 1), embedding=128), dl.AttributeConditioner(dl.pets.SIZES, width=128))
    return dl.NeuralDenoiser(network, dl.RectifiedFlowSchedule(), dl.FLOW, data_std=0.56)


class Turned(torch.nn.Module):
    """The network that the same run finds when the target's sign is turned round."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, *arguments):
        return -self.network(*arguments)


def run(config, dataset, loss):
    """The last step of a run, its raw model, and a plain average without warm-up."""
    model = fresh()
    long = copy.deepcopy(model).eval().requires_grad_(False)
    for step in dl.train(model, dataset, config, loss=loss):
        torch._foreach_lerp_(list(long.parameters()), list(model.parameters()), 1 - 0.9999)
        if step.index % 100 == 0:
            print(step.index, round(step.history.loss[-1], 4), flush=True)
    return step, model.eval(), long


@torch.no_grad()
def numbers(raw, drawn_from, dataset, loss, pictures) -> dict:
    """What the three questions of the chapter find."""
    x0, wish = zip(*dataset.__getitems__(range(10**6, 10**6 + 64)))
    x0, wish = torch.stack(x0), torch.stack(wish)
    ask = lambda model: float(loss(model, x0, wish, generator=dl.CounterGenerator(5)).mean)
    eps = dl.randn(x0.shape, dl.CounterGenerator(6))
    guess = drawn_from(dl.diffuse(x0, eps, 0.3, raw.schedule), 0.3, wish).x0
    return {"loss": ask(raw), "loss_of_the_model_that_draws": ask(drawn_from), "guess_error": float((guess - x0).square().mean().sqrt()),
            "data_range": [float(x0.min()), float(x0.max())], "data_std": float(x0.square().mean().sqrt()),
            "drawn_range": [float(pictures.quantile(q)) for q in (0.01, 0.99)]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1000)
    steps = parser.parse_args().steps
    config = dl.TrainConfig(steps=steps, batch_size=SIZE, lr=3e-3, warmup=100, ema_decay=0.99, seed=12)
    healthy_loss = partial(dl.diffusion_loss, times=dl.stratified_t, cond_dropout=0.1)
    wishes = torch.stack([dl.pets.parse_caption(wish) for wish in WISHES])
    static = dl.randn((len(WISHES), 3, SIZE, SIZE), dl.CounterGenerator(3))
    cases, drawn = [], []

    def turned_loss(model, x0, cond, *, generator):
        return healthy_loss(dl.NeuralDenoiser(model.network, model.schedule, TURNED, model.data_std), x0, cond, generator=generator)

    def note(name, step, raw, drawn_from, dataset, loss):
        guided = dl.ClassifierFreeGuidance(drawn_from, 2.0)
        *_, last = dl.trajectory(guided, static, dl.uniform_times(20), dl.DPMSolverPP2M(), wishes)
        pictures = last.x.nan_to_num()
        drawn.append(pictures.clamp(-1, 1))
        history = rounded(step.history)
        cases.append({"name": name, "step": history["step"], "loss": history["loss"],
                      "numbers": numbers(raw, drawn_from, dataset, loss, pictures)})
        print(json.dumps(cases[-1]["numbers"]), flush=True)

    pets = dl.PartyPets(size=SIZE)
    step, raw, long = run(config, pets, healthy_loss)
    note("healthy", step, raw, step.ema, pets, healthy_loss)
    note("long memory", step, raw, long, pets, healthy_loss)
    mirrored = [dl.NeuralDenoiser(Turned(model.network), model.schedule, model.parameterization, model.data_std) for model in (raw, step.ema)]
    note("turned target", step, *mirrored, pets, turned_loss)
    step, raw, _ = run(config, Pale(size=SIZE), healthy_loss)
    note("pale data", step, raw, step.ema, Pale(size=SIZE), healthy_loss)

    about = {"command": "python benchmarks/broken_runs.py", "hardware": hardware(torch.device("cpu")), "torch": torch.__version__,
             "steps": steps, "batch_size": config.batch_size, "wishes": WISHES, "sampler": "DPM-Solver++(2M), 20 steps, guidance 2"}
    write(RECORDS / "broken_runs.json", json.dumps(about | {"cases": cases}, indent=1))
    strip = image_grid(torch.cat(drawn), columns=len(cases) * len(WISHES), gap=0)
    to_image(strip).save(RECORDS / "broken_runs.webp", lossless=True, method=4)


if __name__ == "__main__":
    main()
