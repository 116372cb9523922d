"""What was measured once and took long: chapters read it here, and every file says which command wrote it.

    runs = records.read("unet_ablation")["runs"]
"""

import json
from pathlib import Path

from torch import Tensor

from .training_runs import FOLDER, RecordedRun, load_run, picture_in, run_names


def read(name: str) -> dict:
    """The record `name`. Raises ValueError where there is none of that name."""
    return json.loads(_file(name, ".json").read_text(encoding="utf-8"))


def pictures(name: str) -> Tensor:
    """The square pictures that lie side by side in the file `name`, (N, 3, H, H) in [-1, 1]. Raises ValueError as `read`."""
    x = picture_in(_file(name, ".webp"))                     # (3, H, N H)
    return x.unflatten(2, (-1, x.shape[1])).permute(2, 0, 1, 3)


def _file(name: str, ending: str) -> Path:
    file = FOLDER / f"{name}{ending}"
    if not file.is_file():
        known = ", ".join(sorted(f.stem for f in FOLDER.glob(f"*{ending}")))
        raise ValueError(f"name is {name!r}, but it has to be one of the records that come with the library: {known or 'none yet'}")
    return file
