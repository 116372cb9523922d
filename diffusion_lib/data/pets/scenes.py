"""Scenes: two pets side by side, each with attributes of its own, and a place behind them.

Both stand in one place, so they share their background. Where the hat lands, and on whom, is then a question that can be
asked of a picture.
"""

import torch
from torch import Tensor

from ...random import bits, uniform
from .attributes import UNSAID, column, is_held_out, sample_attributes
from .canvas import Layer, Sheet, frame, rows_of
from .drawing import LEAN, draw_pets, looks
from .palette import palette
from .shapes import both, box, circle, either, ellipse, outside, under, waves

HEADS = ((-0.48, 0.455, 0.38), (0.48, 0.455, 0.38))            # left and right: x, y, size, in picture coordinates
HALVES = ((0.0, 0.64), (0.36, 1.0))                          # the columns each of them may fill

SUN = Layer(circle(0.0, -0.66, 0.20), "#fff3b0", opacity=0.9)
CLOUDS = Layer(either(ellipse(-0.62, -0.70, 0.22, 0.09), circle(-0.62, -0.78, 0.11), ellipse(0.66, -0.58, 0.20, 0.08),
                      circle(0.70, -0.65, 0.10)), "#ffffff", opacity=0.85)
PLACES: tuple[tuple[Layer, ...], ...] = (
    (SUN, CLOUDS, Layer(ellipse(-0.7, 1.35, 1.3, 0.95), "near"), Layer(ellipse(0.8, 1.5, 1.4, 0.95), "far")),       # hills
    (Layer(box(-0.30, -0.86, 0.30, -0.16, 0.04), "far"), Layer(box(-0.24, -0.80, 0.24, -0.22, 0.02), "#cfeaff"),
     Layer(either(box(-0.02, -0.8, 0.02, -0.2, 0.01), box(-0.26, -0.52, 0.26, -0.48, 0.01)), "far"),
     Layer(under(0.45), "near")),                                                                                  # a room
    (SUN, Layer(under(0.05), "near"), Layer(both(under(0.05), waves(0.16, 0.03, lean=0.05)), "far"),
     Layer(both(under(0.5), outside(ellipse(0, 0.3, 1.6, 0.32))), "#f4dfae")),                                     # the beach
)


def sample_scenes(keys: Tensor, held_out: bool | None = False) -> Tensor:
    """Two pets for each key, both drawn as `sample_attributes` does: (B, 2, A) int64."""
    background = column("background")
    pets = torch.stack([sample_attributes(_own(keys, side), held_out) for side in (0, 1)], 1)
    pets[:, 1, background] = pets[:, 0, background]
    attempt = 2
    while held_out is not None and (wrong := is_held_out(pets[:, 1]) != held_out).any():
        again = sample_attributes(_own(keys[wrong], attempt), held_out)
        again[:, background] = pets[wrong, 0, background]
        pets[wrong, 1] = again
        attempt += 1
    return pets


def _own(keys: Tensor, number: int) -> Tensor:
    """A key of its own for one of the pets of a scene."""
    return bits(keys, torch.full_like(keys, 2000 + number))


def draw_scene(attributes: Tensor, keys: Tensor, size: int = 64) -> Tensor:
    """Scenes.

    attributes: (B, 2, A) int64, left pet first, everything said; the left pet's background is the place's. keys: (B,)
    int64, random. Returns (B, 3, size, size) in [-1, 1]. Raises ValueError for a -1.
    """
    if (attributes == UNSAID).any():
        raise ValueError("attributes hold -1 (not said), but to draw a pet each of them has to be said")
    styles = [looks(_own(keys, side)) for side in (0, 1)]
    colours = [palette(attributes[:, side], style.shade, style.choice) for side, style in enumerate(styles)]
    pictures = colours[0].colour("background").expand(-1, -1, size, size).clone()
    draw_places(Sheet(pictures, colours[0]), uniform(keys, torch.full_like(keys, 400)))
    for side, (style, (x, y, unit), (first, last)) in enumerate(zip(styles, HEADS, HALVES)):
        place = (x + 0.5 * style.x, y + style.y, unit * style.size)
        half = slice(round(first * size), round(last * size))
        head, torso = (frame(size, *place, lean * style.tilt).columns(half.start, half.stop) for lean in (1.0, LEAN))
        draw_pets(Sheet(pictures[..., half], colours[side]), attributes[:, side], style, head, torso)
    return pictures


def draw_places(sheet: Sheet, chance: Tensor) -> None:
    """Paint a place behind everything. chance: (B,), uniform in [0, 1), picks which."""
    still = torch.zeros_like(chance)
    whole = frame(sheet.pictures.shape[-1], still, still, still + 1, still)
    for number, rows in rows_of((chance * len(PLACES)).long()).items():
        sheet.paint(rows, whole, PLACES[number])
