"""A pet dissolves in static: the smallest live figure, shown on the page "Write a figure"."""

from pathlib import Path

import traitlets
from torch import Tensor

from diffusion_lib.figures import LiveFigure, lossless, module_source, present, still_row


class Dissolve(LiveFigure):
    """The widget behind `dissolve`."""

    stem = "dissolve"
    room = (29.5, 33.5)                                      # rem, on a phone and on a wide page
    _esm = module_source(stem, Path(__file__).parent)
    pet = traitlets.Unicode().tag(sync=True)                 # data: address


def dissolve(pet: Tensor):
    """Drag time from t = 0 to 1000. pet: (3, H, H), in [-1, 1]."""
    return present(Dissolve, {"pet": lossless(pet)}, still_row([pet], ["t = 0"], ["the pet, without static"]))
