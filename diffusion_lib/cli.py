"""The command line: `python -m diffusion_lib train | sample | evaluate | models`.

Only what is asked and what is printed stands here; what a command does is a call into the library. Wrong input ends in one
sentence that says what was given and what would be right, and in exit code 2.
"""

import argparse
import json
import os
import shutil
import sys
import tomllib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from . import zoo
from .arguments import Parser, UsageError, number, setting, whole
from .checkpoints import read_about
from .conditioning import TextConditioner
from .data.pets import GRAMMARS, NAMES, Wish, hears_of_pets, wish_in_attributes, wish_in_words
from .denoisers import NeuralDenoiser
from .guidance import ClassifierFreeGuidance
from .judging import Protocol, judge, judge_classifier
from .networks.classifier import Classifier
from .pictures import enlargement, image_grid, save_gif, side_by_side, text_picture, to_image
from .random import CounterGenerator
from .recipes import read_recipe
from .runs import hardware, run_recipe
from .samplers import DPMSolverPP2M, State, static, trajectory
from .schedules import uniform_times
from .zoo.card import measurements, write_card

FRAMES = 60                                                  # of a GIF, at most
NARROWEST = 32                                               # characters a line of a picture in the terminal, at least


# Arguments -----------------------------------------------------------------------------------------------------------

def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="diffusion-lib", description="Train, use and judge small diffusion models.", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)

    walk = argparse.ArgumentParser(add_help=False)
    walk.add_argument("model", metavar="MODEL", help="a shipped model (see `models`) or a .safetensors file")
    walk.add_argument("--steps", metavar="N", type=whole(1, 1000), default=30, help="steps from static to picture (default: 30)")
    walk.add_argument("--guidance", metavar="W", type=number(float, 0, 100, "a number from 0 (no prompt) to 100"), default=2.0,
                      help="how strongly the prompt counts; 1 is the model as trained (default: 2)")
    walk.add_argument("--seed", metavar="N", type=whole(0, 2**32 - 1), default=7, help="which static to begin with (default: 7)")

    train = commands.add_parser("train", help="train a model by a recipe")
    train.add_argument("recipe", metavar="RECIPE.toml", type=Path)
    train.add_argument("--out", metavar="DIR", type=Path, help="the run's folder (default: runs/NAME)")
    train.add_argument("--resume", action="store_true", help="go on from the checkpoint in that folder")
    train.set_defaults(run=run_train)

    sample = commands.add_parser("sample", parents=[walk], help="draw pictures",
                                 description="Draw pictures with DPM-Solver++(2M): one question to the model a step.")
    sample.add_argument("prompt", metavar="PROMPT", nargs="?", help='for example "a cat wearing a crown", or the same in Telugu; without: whatever comes')
    sample.add_argument("--attributes", metavar="NAME=VALUE", nargs="+", default=[], help="for example animal=cat hat=top-hat")
    sample.add_argument("--lang", metavar="LANG", choices=tuple(GRAMMARS),
                        help=f"the language of --attributes and of what is said about the prompt: {', '.join(GRAMMARS)} (default: the prompt's)")
    sample.add_argument("--count", metavar="N", type=whole(1, 400), help="how many pictures (default: 16; 1 if only the terminal shows it)")
    sample.add_argument("--out", metavar="FILE", type=Path, help="FILE.png: the pictures; FILE.gif: the walk, and beside it the model's guess")
    sample.add_argument("--ascii", action="store_true", help="draw the walk of the first picture in the terminal")
    sample.set_defaults(run=run_sample)

    evaluate = commands.add_parser("evaluate", parents=[walk], help="measure how good a model is")
    evaluate.add_argument("--n", metavar="N", type=whole(5, 100_000), default=Protocol.n, help=f"pictures a question (default: {Protocol.n})")
    evaluate.add_argument("--sweep", metavar="W:STEPS[:N]", type=setting, nargs="+",
                          default=[row._replace(n=0) for row in Protocol.sweep],
                          help="other settings at which obedience is measured, with N pictures a question, such as 1:30 2:8:2000")
    evaluate.add_argument("--sweep-n", metavar="N", type=whole(0, 100_000), default=100,
                          help="pictures a question for each of them that names no number; 0 leaves those out (default: 100)")
    evaluate.add_argument("--training-n", metavar="N", type=whole(1, 10_000_000), default=Protocol.training_n,
                          help=f"pictures that were trained on, to be looked at for copies (default: {Protocol.training_n})")
    evaluate.add_argument("--classifier", metavar="MODEL", help="who judges (default: pets32-classifier, or scenes64-classifier where there are two pets)")
    evaluate.add_argument("--json", action="store_true", help="print JSON, and nothing else")
    evaluate.add_argument("--card", action="store_true", help="write the results and the model's card beside its file")
    evaluate.set_defaults(run=run_evaluate)

    commands.add_parser("models", help="list the shipped models").set_defaults(run=run_models)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. arguments: as in `sys.argv[1:]`. Returns the exit code: 0; 2 for wrong input; 130 if it was interrupted, and
    141 if nobody reads any longer what it prints, as after `| head`."""
    try:
        options = _parser().parse_args(arguments)
        options.run(options)
        sys.stdout.flush()                                   # here, where a closed pipe can still be caught
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())                   # what is left is written nowhere, and without a complaint
        return 141
    except (ValueError, FloatingPointError, OSError) as error:
        print(f"diffusion-lib: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("diffusion-lib: interrupted", file=sys.stderr)
        return 130
    return 0


# Commands ------------------------------------------------------------------------------------------------------------

def run_train(options: argparse.Namespace) -> None:
    """Train by a recipe, in a folder of its own."""
    recipe = read_recipe(options.recipe)
    folder = options.out or Path("runs") / recipe.name
    if finished := run_recipe(recipe, folder, options.resume):
        print(f"The finished model is {finished}")


def run_sample(options: argparse.Namespace) -> None:
    """Draw pictures into a file or the terminal."""
    out, steps = options.out, options.steps
    if out is None and not options.ascii:
        raise UsageError("--out is missing, but it has to name a FILE.png or FILE.gif (or --ascii draws in the terminal)")
    if out is not None and (out.suffix.lower() not in (".png", ".gif") or not out.parent.is_dir()):
        raise UsageError(f"--out is {str(out)!r}, but it has to be a FILE.png (pictures) or FILE.gif (the walk) in a folder that exists")
    denoiser = _loaded(options.model)
    if not isinstance(denoiser, NeuralDenoiser):
        raise UsageError(f"MODEL is {options.model!r}, a {type(denoiser).__name__}, but it has to be one that draws pictures")
    options.count = options.count or (16 if out is not None else 1)
    wish = _wish(denoiser, options)
    cond = None if wish is None else wish.rows(options.count, next(denoiser.parameters()).device)
    if wish is not None:
        for notice in wish.notices:
            print(f"diffusion-lib: {notice}", file=sys.stderr)
        print(wish.heard)
    moments = _moments(steps, FRAMES) if out is not None and out.suffix.lower() == ".gif" else {steps}
    # In the terminal as in the oldest explanations of diffusion: of 50 steps, number 0, 10, 30 and 50.
    terminal = {0, round(steps / 5), round(3 * steps / 5), steps} if options.ascii else set()
    walk = _walk(denoiser, cond, options, moments | terminal)
    if options.ascii:
        columns = shutil.get_terminal_size().columns
        width = _width(walk[steps].x, columns)
        texts = [f"{f'Step {k}':<{width}}\n{text_picture(walk[k].x[0], width)}" for k in sorted(terminal)]
        print(side_by_side(texts, columns))
    if out is not None:
        _write([walk[k] for k in sorted(moments)], out)
        print(f"{options.count} pictures are in {out}" if options.count > 1 else f"The picture is in {out}")


def run_evaluate(options: argparse.Namespace) -> None:
    """Measure a model and print the result, or make its card."""
    model, file = _loaded(options.model).to(memory_format=torch.channels_last), zoo.file_of(options.model)
    about, sweep = read_about(file), tuple(row._replace(n=row.n or options.sweep_n) for row in options.sweep)
    protocol = Protocol(options.n, options.guidance, options.steps, options.seed, tuple(row for row in sweep if row.n),
                        training_n=min(options.training_n, about.get("pictures", options.training_n)))
    if isinstance(model, Classifier):
        results = judge_classifier(model.to("cpu"), protocol)
    else:
        data = tomllib.loads(about.get("recipe", "")).get("data", {})
        judging = options.classifier or ("scenes64-classifier" if data.get("scene") else "pets32-classifier")
        classifier = _loaded(judging, "--classifier")
        if not isinstance(classifier, Classifier):
            raise UsageError(f"--classifier is {judging!r}, a {type(classifier).__name__}, but it has to be a classifier")
        if not hears_of_pets(_conditioner(model)):
            raise UsageError(f"MODEL is {options.model!r}, but only models that take pets, as attributes or in words, can be judged")
        side, pets = classifier.config.side, len(classifier.config.sizes) // len(NAMES)
        drawn = about.get("shape", [side])[-1], 2 if data.get("scene") else 1
        if drawn != (side, pets):
            raise UsageError(f"--classifier is {judging!r}, which judges {pets} pets on {side} pixels, but {options.model!r} draws "
                             f"{drawn[1]} on {drawn[0]}")
        languages = GRAMMARS if isinstance(_conditioner(model), TextConditioner) else None
        results = judge(model, classifier.to("cpu"), protocol, languages, data.get("seed", 0))
    print(json.dumps(results) if options.json else measurements(results))
    if options.card:
        device = next(model.parameters()).device
        measured = {"date": date.today().isoformat(), "hardware": hardware(device), "torch": torch.__version__}
        written = write_card(file, results | {"measured": measured})
        print(f"The card is {written}", file=sys.stderr)


def run_models(options: argparse.Namespace) -> None:
    """List what is shipped."""
    for model in zoo.models():
        print(f"{model.name:20} {model.summary}")


# Parts of them -------------------------------------------------------------------------------------------------------

def _loaded(name: str, argument: str = "MODEL") -> nn.Module:
    """A model on the fastest device, with float32 arithmetic that is the same on each. argument: who named it, for messages."""
    torch.backends.cudnn.allow_tf32 = False
    try:
        return zoo.load(name).to("cuda" if torch.cuda.is_available() else "cpu")
    except ValueError as error:
        raise UsageError(f"{argument}: {error}") from error


def _conditioner(denoiser: nn.Module) -> nn.Module | None:
    return getattr(getattr(denoiser, "network", None), "conditioner", None)


def _wish(denoiser: NeuralDenoiser, options: argparse.Namespace) -> Wish | None:
    """What the model is asked for, or None where nothing is."""
    prompt, pairs = options.prompt, options.attributes
    if prompt is None and not pairs:
        return None
    if prompt is not None and pairs:
        raise UsageError(f"PROMPT is {prompt!r} and --attributes is {' '.join(pairs)!r}, but only one of them can be given")
    if not hears_of_pets(_conditioner(denoiser)):
        raise UsageError(f"MODEL is {options.model!r}, which takes no prompt, but PROMPT or --attributes was given")
    try:
        if prompt is not None:
            return wish_in_words(prompt, _conditioner(denoiser), options.lang)
        return wish_in_attributes(_pairs(pairs), _conditioner(denoiser), options.lang or "en")
    except ValueError as error:
        said = f"PROMPT is {prompt!r}" if prompt is not None else f"--attributes is {' '.join(pairs)!r}"
        raise UsageError(f"{said}: {error}") from error


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    """["animal=cat", "hat=top-hat"] as a dict; hyphens and underscores stand for spaces."""
    pairs = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or name in pairs:
            raise UsageError(f"{text!r} is not NAME=VALUE, with each name once, such as animal=cat hat=top-hat")
        pairs[name] = value.replace("-", " ").replace("_", " ")
    return pairs


def _moments(steps: int, most: int) -> set[int]:
    """At most so many of the states 0 ... steps, evenly spread, the first and the last among them."""
    count = min(steps, most - 1)
    return {round(k * steps / count) for k in range(count + 1)}


def _walk(denoiser: NeuralDenoiser, cond: Tensor | list[str] | None, options: argparse.Namespace, moments: Collection[int]) -> dict[int, State]:
    """From static to picture; returns the states at the wanted moments."""
    shape = read_about(zoo.file_of(options.model)).get("shape", [3, 32, 32])
    times, device = uniform_times(options.steps), next(denoiser.parameters()).device
    x = static((options.count, *shape), denoiser.schedule, times[0], CounterGenerator(options.seed), device)
    states = trajectory(ClassifierFreeGuidance(denoiser, options.guidance), x, times, DPMSolverPP2M(), cond)
    moving = options.ascii and sys.stdout.isatty()
    shown = _moving(states) if moving else tqdm(states, total=len(times), desc="sample", unit="step", leave=False)
    return {k: replace(state, previous=None) for k, state in enumerate(shown) if k in moments}


def _moving(states: Iterable[State]) -> Iterator[State]:
    """Draw each state's first picture in the terminal, over the last one; at the end nothing of it is left."""
    columns, lines = shutil.get_terminal_size()
    for k, state in enumerate(states):                       # all of a picture has to be seen: what has left at the top cannot be drawn over
        text = f"Step {k}\n{text_picture(state.x[0], _width(state.x, columns, 2 * (lines - 2)))}\n"
        print(text, end=f"\x1b[{text.count(chr(10))}F", flush=True)     # to the beginning of the line so many lines up
        yield state
    print(end="\x1b[J")                                       # clear what is below


def _width(x: Tensor, *fitting: int) -> int:
    """How many characters a line of a picture in the terminal has: one a pixel, as far as they fit, but not less than a small picture needs."""
    return max(NARROWEST, min(x.shape[-1], *fitting))


def _write(walk: Sequence[State], path: Path) -> None:
    """The last state as a PNG, or all of them as a GIF: x_t on the left, the guess of x0 on the right."""
    enlarge = enlargement(walk[-1].x.shape[-1])
    if path.suffix.lower() == ".png":
        to_image(_grid(walk[-1].x), enlarge).save(path)
        return
    frames = []
    for state in walk:
        left, right = _grid(state.x), _grid(state.x if state.prediction is None else state.prediction.x0)
        frames.append(to_image(torch.cat([left, torch.ones(3, left.shape[1], 8), right], dim=2), enlarge))
    save_gif(frames, path)


def _grid(x: Tensor) -> Tensor:
    return image_grid(x.clamp(-1, 1), columns=8 if len(x) > 8 else 4)
