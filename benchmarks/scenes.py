"""Which network for scenes? recipes/scenes64-text.toml, and the same with one choice changed, equally long.

    python benchmarks/scenes.py --seconds 300                # all variants, one seed; goes on where it was interrupted
    python benchmarks/scenes.py --seconds 0                  # only what each costs: parameters, operations, pictures a second
    python benchmarks/scenes.py --table                      # only prints what has been measured so far

Whether a network binds words to sides can be seen in its loss, long before its pictures are any good: it is asked about the same
static three times, told what is there, told the same with the sides exchanged, and told nothing. Binding is the share of what the
right words bring that is lost where the sides are wrong,

    binding = (loss(exchanged) - loss(right)) / (loss(nothing) - loss(right)),

0 for a network that hears only which words occur. Whether its pictures will be grainy can be seen early too: the upper corners of
every scene are of one flat colour, and grain is the standard deviation of a guess there, mean over all times.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from diffusion_lib.data.pets import GRAMMARS, PartyPets
from diffusion_lib.denoisers import NeuralDenoiser
from diffusion_lib.judging import in_words
from diffusion_lib.losses import as_velocity
from diffusion_lib.networks.layers import count_flops, count_parameters
from diffusion_lib.process import X0, Prediction, diffuse
from diffusion_lib.random import CounterGenerator, randn
from diffusion_lib.recipes import Recipe, parse_recipe
from diffusion_lib.runs import read_first
from diffusion_lib.training import train
from equal_time import ROOT, add, learn, read
from rows import made_on
from training_tricks import changed

VARIANTS: dict[str, dict[str, str]] = {                      # name: what stands in the recipe instead
    "recipe": {},
    "reads from pictures alone": {"captions": "0"},
    "not told of places": {"places": "false"},
    "narrow: 64 and 128": {"widths": "[64, 128]"},
    "wide: 96 and 160": {"widths": "[96, 160]", "blocks": "[1, 2]"},
    "more at 16x16": {"blocks": "[2, 2]"},
    "fold 2x2, three sizes": {"patch": "2", "widths": "[48, 96, 128]", "blocks": "[1, 1, 2]", "attention": "[false, false, false]",
                              "reads": "[1, 2]"},
    "thin at full size": {"stem": "8"},
    "predicts flow, not x0": {"parameterization": '"flow"', "weight": '{ name = "unit" }'},
    "reads only at 8x8": {"reads": "[1]"},
    "attention at 8x8": {"attention": "[false, true]"},
    "times nearer the middle": {"times": '{ name = "logit-normal", uniform_share = 0.1 }'},
    "batches of 32": {"batch_size": "32"},
    "AdamW, not Muon": {"optimizer": '"adamw"', "lr": "2e-3"},
}
SCENES, PACE, CORNER = 128, 3, 6                             # to be asked about; steps whose time is taken; side of a corner, in pixels
LIMITS = 1.5e9, 12e6                                         # operations of an answer, bytes of the file


def recipe_of(name: str, seed: int) -> Recipe:
    """The recipe of a variant; the seed decides its first weights too."""
    text = (ROOT / "recipes" / "scenes64-text.toml").read_text(encoding="utf-8")
    return parse_recipe(changed(text, {**VARIANTS[name], "seed": str(seed)}), "scenes64-text")


def guesses_of(model: NeuralDenoiser, pictures: Tensor, scenes: Tensor) -> dict[str, Prediction]:
    """What it takes noised scenes for, evenly over all times: told rightly, with the sides exchanged, and nothing. scenes: (n, 2, A)."""
    def told(pets: Tensor) -> list[str]:
        languages = [in_words(grammar)(pets) for grammar in GRAMMARS.values()]
        return [languages[number % len(languages)][number] for number in range(len(pets))]

    t = (torch.arange(len(pictures), dtype=torch.float64) + 0.5) / len(pictures)
    x_t = diffuse(pictures, randn(pictures.shape, CounterGenerator(5)), t, model.schedule)
    texts = {"right": told(scenes), "exchanged": told(scenes.flip(1)), "nothing": [""] * len(scenes)}
    with torch.no_grad():
        return {name: model(x_t, t, text) for name, text in texts.items()}


def loss(guess: Prediction, pictures: Tensor) -> float:
    """The mean squared error of the velocity, whatever was predicted."""
    return float((as_velocity(0.05, X0)(guess.at) * (guess.x0 - pictures) ** 2).mean())


def grain(guess: Prediction) -> float:
    """The standard deviation, over the pixels of a colour, in the two upper corners."""
    corners = torch.stack([guess.x0[..., :CORNER, :CORNER], guess.x0[..., :CORNER, -CORNER:]])
    return float(corners.std((-2, -1)).mean())


def cost(recipe: Recipe) -> dict[str, float]:
    """Parameters, operations of an answer about the longest wish, bytes of the file, and pictures learned from in a CPU second."""
    longest = torch.ones(1, recipe.dataset.vocabulary.length, dtype=torch.int64)
    parameters, times = count_parameters(recipe.model), []
    for step in train(recipe.model, recipe.dataset, recipe.config, loss=recipe.loss):
        times.append(time.process_time())
        if step.index > PACE:
            break
    pace = recipe.config.batch_size / min(b - a for a, b in zip(times, times[1:]))
    return {"parameters": parameters, "flops": count_flops(recipe.model.network, recipe.shape, longest), "bytes": 2 * parameters, "pace": pace}


def measure(name: str, seconds: float, seed: int) -> dict:
    """One run from beginning to end."""
    row = cost(recipe_of(name, seed))
    if seconds:
        recipe = recipe_of(name, seed)                       # with fresh weights
        if recipe.captions:
            for _ in read_first(recipe):
                pass
        config = replace(recipe.config, steps=None, minutes=seconds / 60, warmup=20, ema_decay=0.97, checkpoint_minutes=None)
        trained, steps = learn(recipe.model, recipe.dataset, config, recipe.loss, seconds, name)
        pictures, scenes = PartyPets(64, "validation", scene=True, seed=1).batch(range(SCENES))
        guesses = guesses_of(trained, pictures, scenes)
        losses = {name: loss(guess, pictures) for name, guess in guesses.items()}
        binding = (losses["exchanged"] - losses["right"]) / (losses["nothing"] - losses["right"])
        row |= {"steps": steps, "pictures": steps * config.batch_size, "losses": losses, "binding": binding, "grain": grain(guesses["right"])}
    return row


def table(runs: list[dict]) -> str:
    """One line a run; what breaks a limit is marked."""
    lines = [f"{'variant':<26}{'seed':>5}{'M parameters':>14}{'GFLOP':>8}{'MB':>7}{'pictures/s':>12}{'pictures':>10}{'loss':>9}{'binding':>9}{'grain':>9}"]
    for run in runs:
        over = "" if run["flops"] <= LIMITS[0] and run["bytes"] <= LIMITS[1] else "  over the limit"
        learned = f"{run['pictures']:>10}{run['losses']['right']:>9.4f}{run['binding']:>9.3f}{run['grain']:>9.4f}" if "losses" in run else ""
        lines.append(f"{run['variant']:<26}{run['seed']:>5}{run['parameters'] / 1e6:>14.2f}{run['flops'] / 1e9:>8.3f}{run['bytes'] / 1e6:>7.1f}"
                     f"{run['pace']:>12.1f}{learned}{over}")
    return "\n".join(lines)


def main() -> None:
    """Run what is not in the record yet, then print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=300, help="CPU seconds of training for each run")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS), metavar="NAME")
    parser.add_argument("--record", type=Path, help="where rows are kept (default: runs/scenes_SECONDS.json)")
    parser.add_argument("--table", action="store_true", help="print the record and stop")
    options = parser.parse_args()
    torch.set_num_threads(1)
    record = options.record or ROOT / "runs" / f"scenes_{options.seconds:g}.json"
    record.parent.mkdir(exist_ok=True)
    todo = [] if options.table else [(name, seed) for seed in options.seeds for name in options.variants]
    for name, seed in todo:
        if not any((run["variant"], run["seed"]) == (name, seed) for run in read(record)["runs"]):
            row = {"variant": name, "seed": seed, **measure(name, options.seconds, seed), **made_on()}
            add(record, {"made by": f"benchmarks/scenes.py --seconds {options.seconds:g}"}, row, list(VARIANTS))
    print(table(read(record)["runs"]))


if __name__ == "__main__":
    main()
