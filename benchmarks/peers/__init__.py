"""The libraries that `learning_speed.py` compares, an adapter each. See README.md in the folder above.

`settings.toml` says what each library's environment holds and which settings it may be given. The adapter `NAME.py` runs
in that environment alone (`learner.py` is the process) and gives one class, `Taught`, a `common.Pupil`.
"""

import tomllib
from pathlib import Path

OURS = "ours"
FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
SETTINGS = tomllib.loads((FOLDER / "settings.toml").read_text(encoding="utf-8"))


def module_of(library: str) -> str:
    """The name of a library's adapter."""
    return library.replace("-", "_")


def declare_missing_operators() -> None:
    """Let torchvision be imported without its compiled half, which needs the torch that was built with CUDA.

    Three of the libraries import torchvision to read folders of pictures, which nobody does here.
    """
    import torch
    for name in ("nms", "qnms"):
        torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
