"""A training run as a folder.

    recipe.toml               what was asked for
    checkpoint.safetensors    where the run is; it can go on from here
    record.json               the loss, when each strip was drawn, and from which commit of this library the run began
    strips/ema_003.webp       what the averaged weights drew after 3 minutes, from always the same noise
    strips/raw_003.webp       the same from the weights as they were
    NAME.safetensors          the finished model: averaged weights as float16, and how they came about

Chapters read the record; nobody needs the checkpoint once the run is over.
"""

import json
import math
import os
import subprocess
import time
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from tqdm import tqdm

from .checkpoints import load_training, save_checkpoint
from .comprehension import learn_to_read
from .data.pets import Captions, condition_of
from .denoisers import Denoiser
from .files import write_atomically
from .guidance import ClassifierFreeGuidance
from .hardware import processor_name
from .pictures import image_grid, to_image
from .random import CounterGenerator
from .recipes import Recipe
from .samplers import DPMSolverPP2M, sample
from .training import History, TrainStep, train

STRIP_STEPS, STRIP_GUIDANCE, STRIP_WITHOUT_PROMPTS = 12, 2.0, 8
# What a recipe may say otherwise when its run is resumed: how long it is, and what is written down meanwhile.
ON_THE_WAY = ("strip", "training.steps", "training.minutes", "training.checkpoint_every", "training.checkpoint_minutes")


def run_recipe(recipe: Recipe, folder: Path, resume: bool = False) -> Path | None:
    """Train what a recipe describes and return the file of the finished model.

    folder: where everything is written. resume: go on from the checkpoint that lies there. Of several processes only the
    first one writes; the others return None. Raises ValueError where there is nothing to go on from, where the run there
    was begun with another recipe, where a run would be overwritten, and as `train`.
    """
    checkpoint, finished = folder / "checkpoint.safetensors", folder / f"{recipe.name}.safetensors"
    if resume and not checkpoint.is_file():
        raise ValueError(f"--out is {str(folder)!r}, but --resume needs a folder with a checkpoint.safetensors")
    if not resume and checkpoint.exists():
        raise ValueError(f"--out is {str(folder)!r}, but a run lies there already: go on with --resume, or name another folder")
    if resume:
        _refuse_another_recipe(recipe, folder)
    before = _record_of(folder) if resume else {}
    origin = _origin(before, resume)
    (folder / "strips").mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "recipe.toml", recipe.text)
    accelerator = several_processes()
    device = accelerator.device if accelerator else torch.device("cuda" if torch.cuda.is_available() else "cpu")
    recipe.model.to(device)
    if recipe.captions and not resume:
        begun = time.monotonic()
        for _ in _shown(read_first(recipe, accelerator), "read", "captions"):
            pass
        origin["reading_minutes"] = round((time.monotonic() - begun) / 60, 1)
    steps = train(recipe.model, recipe.dataset, recipe.config, loss=recipe.loss, checkpoint=checkpoint,
                  resume=checkpoint if resume else None, accelerator=accelerator)
    if accelerator and not accelerator.is_main_process:      # it only computes; the first process writes
        for _ in steps:
            pass
        return None
    record = Record(recipe, folder, device, origin, before.get("strips", ()))
    step = None
    for step in _shown(steps, "train", "pictures"):
        record.note(step)
    if step is not None:
        record.write(step.history)                           # which by now has a row of the last few steps too
    return finish(recipe, checkpoint, finished, device, origin)


def _refuse_another_recipe(recipe: Recipe, folder: Path) -> None:
    """Raises ValueError where the run in `folder` was begun with a recipe that differs in more than `ON_THE_WAY`."""
    if not (folder / "recipe.toml").is_file():
        return
    before, now = (_settings(tomllib.loads(text)) for text in ((folder / "recipe.toml").read_text(encoding="utf-8"), recipe.text))
    for place in before | now:
        if before.get(place) != now.get(place):
            section, _, key = place.partition(".")
            here = repr(now[place]) if place in now else "not given"
            there = f"with {before[place]!r}" if place in before else "without it"
            raise ValueError(f"[{section}] {key} is {here}, but the run in {str(folder)!r} was begun {there}: "
                             "put that back to go on, or name another folder with --out")


def _settings(sections: dict[str, Any]) -> dict[str, Any]:
    """The settings of a recipe that a run has from beginning to end, as {"section.key": value}."""
    places = {f"{section}.{key}": value for section, content in sections.items() for key, value in content.items()}
    return {place: value for place, value in places.items() if place not in ON_THE_WAY and place.split(".")[0] not in ON_THE_WAY}


def _record_of(folder: Path) -> dict[str, Any]:
    """What is written down of the run in a folder, by now."""
    file = folder / "record.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def _origin(before: dict[str, Any], resume: bool) -> dict[str, Any]:
    """How a run came about, for its record and its model: the commits at which it was begun and resumed, and how long reading took.

    before: the record of the part of the run that came before --resume.
    """
    now = commit()
    commits = before.get("commits", ["an unknown commit"] if resume else [])                 # older records do not say it
    origin = {"commits": commits if now in commits[-1:] else [*commits, now]}
    return origin | {name: before[name] for name in ("reading_minutes",) if name in before}


def several_processes():
    """An `accelerate.Accelerator` where the command was started with several processes (by `torchrun` or `accelerate launch`), else None."""
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        return None
    from accelerate import Accelerator                       # only needed here: extra `train`
    return Accelerator(cpu=not torch.cuda.is_available())


def read_first(recipe: Recipe, accelerator=None) -> Iterator[TrainStep]:
    """The lessons of a recipe's reader, before there are pictures."""
    return learn_to_read(recipe.model.network.conditioner.reader, Captions(recipe.dataset), recipe.captions, recipe.config.seed, accelerator)


def _shown(steps: Iterator[TrainStep], what: str, of: str) -> Iterator[TrainStep]:
    """The same steps, with a progress bar. of: what is learned from."""
    layout = "{l_bar}{bar}| {elapsed}, {remaining} to go{postfix}"
    with tqdm(total=1.0, desc=what, bar_format=layout, mininterval=1) as bar:
        for step in steps:
            if step.history.loss:                            # the last one written down: reading step.loss would wait for a GPU
                pace = step.history.pictures[-1] / max(step.history.seconds[-1], 1e-9)
                bar.set_postfix_str(f"step {step.index}, loss {step.history.loss[-1]:.4f}, {pace:.0f} {of}/s", refresh=False)
            bar.update(step.progress - bar.n)
            yield step


def finish(recipe: Recipe, checkpoint: Path, finished: Path, device: torch.device, origin: dict[str, Any]) -> Path:
    """Round the averaged weights of a checkpoint to float16 and write them with how they came about. origin: of the run, as in its record."""
    model, state = load_training(checkpoint)
    commits = ", resumed at ".join(filter(None, origin["commits"])) or None
    pictures = state.values["steps"] * state.values["config"]["batch_size"]
    about = {"name": recipe.name, "shape": list(recipe.shape), "recipe": recipe.text, "seed": recipe.config.seed,
             "commit": commits, "hardware": hardware(device), "torch": torch.__version__, "steps": state.values["steps"], "pictures": pictures,
             "minutes": round(state.values["seconds"] / 60, 1), "date": date.today().isoformat(), "licence": "Apache-2.0"}
    about |= {name: value for name, value in origin.items() if name != "commits"}
    save_checkpoint(finished, model, about=about, dtype=torch.float16)
    return finished


class Record:
    """What is written down while a model learns: the loss whenever a minute is over, and what the model draws then.

    origin: how the run came about; it stands in the record as it is. strips: those that a record of the part of the run
    that came before --resume holds.
    """

    def __init__(self, recipe: Recipe, folder: Path, device: torch.device, origin: dict[str, Any], strips: Iterable[dict[str, Any]] = ()):
        self.recipe, self.folder, self.device, self.origin = recipe, folder, device, origin
        self.strips = {strip["minute"]: strip for strip in strips}

    def note(self, step: TrainStep) -> None:
        """Look at a step; draw the strips where a minute begins, and at the last step."""
        # What lies ahead of this step belongs to a run, or to a part of this one, that was lost.
        self.strips = {minute: strip for minute, strip in self.strips.items() if strip["step"] < step.index}
        minutes = step.history.seconds[-1] / 60 if step.history.seconds else 0.0
        if step.progress >= 1:
            self.draw(step, max(1, round(minutes)))
        elif int(minutes) not in self.strips:
            self.draw(step, int(minutes))

    def draw(self, step: TrainStep, minute: int) -> None:
        """Draw the strips of this minute and bring the record up to date."""
        models = {"ema": step.ema, "raw": self.recipe.model} if isinstance(step.ema, Denoiser) else {}
        files = {name: f"strips/{name}_{minute:03d}.webp" for name in models}
        for name, model in models.items():
            self.strip(model).save(self.folder / files[name], lossless=True, method=6)
        self.strips[minute] = {"minute": minute, "step": step.index, "pictures": step.index * self.recipe.config.batch_size} | files
        self.write(step.history)

    def write(self, history: History) -> None:
        """Write the record, all at once, for whoever is reading it meanwhile."""
        write_atomically(self.folder / "record.json", json.dumps({
            "recipe": self.recipe.name, "hardware": hardware(self.device), "prompts": self.recipe.prompts,
            "sampler": f"DPM-Solver++(2M), {STRIP_STEPS} steps, guidance {STRIP_GUIDANCE:g}",
            "strips": [self.strips[minute] for minute in sorted(self.strips)], "history": rounded(history)} | self.origin))

    def strip(self, model: Denoiser) -> Image.Image:
        """One picture a prompt, from the same noise as always."""
        prompts = self.recipe.prompts
        cond = condition_of(prompts, model.network.conditioner) if prompts else None
        shape = (len(prompts) or STRIP_WITHOUT_PROMPTS, *self.recipe.shape)
        x = sample(ClassifierFreeGuidance(model, STRIP_GUIDANCE), shape, steps=STRIP_STEPS, sampler=DPMSolverPP2M(), cond=cond,
                   generator=CounterGenerator(self.recipe.config.seed), device=self.device)
        return to_image(image_grid(x.nan_to_num().clamp(-1, 1), columns=len(x)))


def rounded(history: History) -> dict:
    """The history with 5 digits a number, as JSON that every reader takes: NaN becomes null."""
    def short(value):
        if isinstance(value, list):
            return [short(item) for item in value]
        return float(f"{value:.5g}") if isinstance(value, float) and math.isfinite(value) else None if isinstance(value, float) else value
    return {name: short(values) for name, values in asdict(history).items()}


def hardware(device: torch.device) -> str:
    """The processor that did the work, in words."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    cores = torch.get_num_threads() * int(os.environ.get("WORLD_SIZE", 1))           # of all processes
    return f"{cores} core{'s' * (cores > 1)} of {processor_name()}"


def commit() -> str | None:
    """The git commit of this library, where it is known, and whether the package or the recipes have changes that are in no commit."""
    here = Path(__file__).parent
    def git(*words: str) -> str:
        return subprocess.run(["git", "--no-optional-locks", "-C", str(here), *words], capture_output=True, text=True).stdout.strip()
    try:
        if not git("ls-files", "__init__.py"):               # this folder lies in somebody else's repository
            return None
        changes = " with changes" if git("status", "--porcelain", "--", ".", "../recipes") else ""
        return git("rev-parse", "HEAD") + changes or None
    except OSError:                                          # no git here
        return None
