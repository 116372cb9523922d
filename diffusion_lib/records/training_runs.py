"""A recorded training run, small enough to travel with the library: what chapters and figures show of it.

    NAME.json    recipe, hardware, prompts, the history of the loss, and which minutes were kept
    NAME.webp    what the model drew in those minutes: a row for each, first the averaged weights, then the raw ones

`runs.py` writes the whole run into a folder; `pack_run` makes these two files of it, `load_run` reads them.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..files import replacing, write_atomically
from ..pictures import GAP, image_grid, to_image
from ..training import History

FOLDER = Path(__file__).parent
KEPT = (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40)                      # minutes; the last one is always kept


@dataclass(frozen=True)
class RecordedRun:
    """What was written down while a model learned.

    name: of the record. recipe: its text, in TOML. hardware: in words. prompts: P wishes. sampler: how the strips were
    drawn. minutes, steps, pictures: M numbers each, where the run stood when it drew. ema, raw: (M, P, 3, H, W), in
    [-1, 1], what the averaged and the raw weights drew, always from the same noise. history: the loss.
    """

    name: str
    recipe: str
    hardware: str
    prompts: tuple[str, ...]
    sampler: str
    minutes: list[int]
    steps: list[int]
    pictures: list[int]
    ema: Tensor
    raw: Tensor
    history: History

    @property
    def duration(self) -> float:
        """Minutes of training, to the last row of the history."""
        return self.history.seconds[-1] / 60


def read_strip(file: Path) -> Tensor:
    """The square pictures of one strip that `runs.Record` wrote: (P, 3, H, H), in [-1, 1]."""
    strip = picture_in(file)                                 # (3, H, P (H + GAP) - GAP)
    side = strip.shape[1]
    return strip.unfold(2, side, side + GAP).permute(2, 0, 1, 3)


def picture_in(file: Path) -> Tensor:
    """What a picture file holds: (3, H, W), in [-1, 1]."""
    with Image.open(file) as image:
        return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1) / 127.5 - 1


def pack_run(folder: Path, recipe: str, destination: Path, kept: tuple[int, ...] = KEPT) -> None:
    """Make the two files of a run's folder.

    folder: holds record.json and strips/. recipe: its text. destination: NAME.json; NAME.webp is written beside it. kept:
    which minutes, where the run has them. Nobody finds either file half written. Raises FileNotFoundError where the folder holds no record.
    """
    record = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    strips = [strip for strip in record["strips"] if strip["minute"] in kept or strip is record["strips"][-1]]
    rows = torch.stack([read_strip(folder / strip[kind]) for kind in ("ema", "raw") for strip in strips])    # (2 M, P, 3, H, H)
    values = {key: record[key] for key in ("hardware", "prompts", "sampler")} | {"recipe": recipe} | {
        key: [strip[key] for strip in strips] for key in ("minute", "step", "pictures")} | {"history": record["history"]}
    write_atomically(destination, json.dumps(values, ensure_ascii=False))
    with replacing(destination.with_suffix(".webp")) as part:
        to_image(image_grid(rows.flatten(0, 1), columns=rows.shape[1], gap=0)).save(part, "WEBP", lossless=True, quality=100, method=4)


def load_run(name: str, folder: Path = FOLDER) -> RecordedRun:
    """The run NAME.json and NAME.webp in a folder, e.g. `load_run("pets32_two_cores")`. Raises ValueError where there is none."""
    if name not in run_names(folder):
        raise ValueError(f"name is {name!r}, but it has to be one of the recorded runs: {', '.join(run_names(folder)) or 'none yet'}")
    values = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    sheet, rows = picture_in(folder / f"{name}.webp"), 2 * len(values["minute"])
    side = sheet.shape[1] // rows
    pictures = sheet.unflatten(1, (rows, side)).unflatten(3, (-1, side)).permute(1, 3, 0, 2, 4)            # (2 M, P, 3, side, side)
    history = {column: _with_nan(numbers) for column, numbers in values["history"].items()}
    return RecordedRun(name, values["recipe"], values["hardware"], tuple(values["prompts"]), values["sampler"],
                       values["minute"], values["step"], values["pictures"], *pictures.chunk(2), History(**history))


def run_names(folder: Path = FOLDER) -> list[str]:
    """The training runs whose records lie in a folder; without one, those that come with the library."""
    return [file.stem for file in sorted(folder.glob("*.json")) if "minute" in json.loads(file.read_text(encoding="utf-8"))]


def _with_nan(value):
    """JSON has no NaN, so `runs.rounded` writes null."""
    return [_with_nan(item) for item in value] if isinstance(value, list) else math.nan if value is None else value
