"""A training run, minute by minute: what the model draws, what the loss says, and what a classifier finds."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isnan

import torch
import traitlets
from torch import Tensor

from ..data.pets import NAMES, UNSAID, parse_caption
from ..networks.classifier import Classifier, answers
from ..pictures import image_grid
from ..records import RecordedRun
from ..training import History
from ._base import LiveFigure, lossless, module_source, present, still_row
from ._languages import in_each_language

ROWS = 120                                                   # of the history, in the page
LEVELS = 22                                                  # of a channel, in the page: at most 6 of 255 off, and half the bytes
MINUTES = (1, 2, 3, 4, 5, 7, 10, 15, 25)                     # shown, where a run has them; its last one always is


class TrainingRun(LiveFigure):
    """The widget behind `training_run`."""

    stem = "training_run"
    room = (114, 69)
    _esm = module_source(stem)
    runs = traitlets.List().tag(sync=True)                   # each label and `_told`, or missing
    floor = traitlets.List().tag(sync=True)                  # of the loss, in each tenth of [0, 1]


def training_run(runs: Mapping[str, RecordedRun | None], classifier: Classifier, *, floor: Sequence[float] = ()):
    """Scrub through the minutes of recorded runs: strips of averaged and raw weights, loss, loss by t, what has appeared.

    runs: label -> `records.load_run`, or None where nobody has measured it; the first is shown first, and is measured. classifier: of pets, reads
    the strips. floor: of the loss in each tenth of [0, 1], below which no network can be; empty to draw none. Returns a
    widget, or HTML for the published book. Raises ValueError where the first run is not measured.
    """
    first = next(iter(runs.values()), None)
    if not isinstance(first, RecordedRun):
        raise ValueError(f"runs begins with {first!r}, but it has to begin with a recorded run")
    told = [{"label": in_each_language(label)} | (_told(run, classifier) if run else {"missing": True}) for label, run in runs.items()]
    return present(TrainingRun, {"runs": told, "floor": [float(value) for value in floor]}, _still(first))


def shown(run: RecordedRun) -> RecordedRun:
    """The run with those of its minutes that the page has room for."""
    kept = [k for k, minute in enumerate(run.minutes) if minute in MINUTES or k == len(run.minutes) - 1]
    return replace(run, ema=run.ema[kept], raw=run.raw[kept],
                   **{name: [getattr(run, name)[k] for k in kept] for name in ("minutes", "steps", "pictures")})


def coarse(x: Tensor) -> Tensor:
    """Pictures with `LEVELS` levels a channel, in [-1, 1]."""
    return ((x + 1) / 2 * (LEVELS - 1)).round() / (LEVELS - 1) * 2 - 1


def _told(run: RecordedRun, classifier: Classifier) -> dict:
    """A run as the module reads it."""
    run = shown(run)
    sheet = image_grid(coarse(torch.cat([run.ema, run.raw])).flatten(0, 1), columns=len(run.prompts), gap=0)
    return {"hardware": in_each_language(run.hardware), "duration": round(run.duration, 1), "sampler": in_each_language(run.sampler),
            "prompts": [in_each_language(prompt) for prompt in run.prompts],
            "minutes": run.minutes, "steps": run.steps, "pictures": run.pictures, "history": thinned(run.history),
            "sheet": lossless(sheet, effort=4), "found": found(run, classifier)}


def found(run: RecordedRun, classifier: Classifier) -> dict[str, list]:
    """What a classifier finds in the strips of the averaged weights: for each attribute that was asked for, how many of how
    many pictures show what was asked, minute by minute: {"hat": {"asked": 4, "right": [0, 1, ...]}}."""
    asked = torch.stack([parse_caption(prompt) for prompt in run.prompts])                          # (P, A)
    with torch.no_grad():
        read = answers(classifier, run.ema.flatten(0, 1)).unflatten(0, run.ema.shape[:2])           # (M, P, A)
    right, said = (read == asked) & (asked != UNSAID), asked != UNSAID
    return {name: {"asked": int(said[:, a].sum()), "right": right[..., a].sum(1).tolist()}
            for a, name in enumerate(NAMES) if said[:, a].any()}


def thinned(history: History, rows: int = ROWS) -> dict[str, list]:
    """About `rows` rows of a history, each the mean of several: step and minutes of its last, loss, loss_by_t, lr."""
    size = max(1, len(history.step) // rows)
    groups = [slice(max(0, end - size), end) for end in range(len(history.step), 0, -size)][::-1]
    loss, by_t = torch.tensor(history.loss), torch.tensor(history.loss_by_t)
    means = [by_t[group].nanmean(0).tolist() for group in groups]
    return {"step": [history.step[group][-1] for group in groups],
            "minutes": [round(history.seconds[group][-1] / 60, 3) for group in groups],
            "loss": [float(f"{loss[group].mean():.4g}") for group in groups], "lr": [history.lr[group][-1] for group in groups],
            "loss_by_t": [[None if isnan(value) else float(f"{value:.3g}") for value in row] for row in means]}


def _still(run: RecordedRun) -> str:
    run = shown(run)
    rows = [i * (len(run.minutes) - 1) // 4 for i in range(5)]

    def strip(pictures: Tensor, name: str) -> str:
        tiles = [image_grid(pictures[i, :4], columns=2) for i in rows]
        captions = [f"minute {run.minutes[i]}, {name}" for i in rows]
        return still_row(tiles, captions, [f"four pets at {caption}" for caption in captions])

    return strip(run.ema, "averaged weights") + strip(run.raw, "raw weights")
