"""Paint on a batch of pictures: frames say where, palettes say in which colours, `paint` lays one shape on top.

A frame is a tilted, scaled set of axes laid over each picture; everything of an animal is drawn in the frame of its head,
so one drawing serves all positions, sizes and tilts. Later layers cover earlier ones:

    picture <- picture + coverage * (colour - picture)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .shapes import Shape

OUTLINE = 0.085                                              # half an outline lies outside the shape; in head units


@dataclass(frozen=True)
class Frame:
    """Axes over each picture.

    u, v: (B, 1, H, W), coordinates of the pixel centres, rightwards and downwards; scale: (B, 1, 1, 1), pixels per unit.
    """

    u: Tensor
    v: Tensor
    scale: Tensor

    def __getitem__(self, rows) -> "Frame":
        return Frame(self.u[rows], self.v[rows], self.scale[rows])

    def columns(self, first: int, last: int) -> "Frame":
        """The same axes over pictures of which only these columns are kept."""
        return Frame(self.u[..., first:last], self.v[..., first:last], self.scale)

    def moved(self, x, y, size=1.0) -> "Frame":
        """Axes with their origin at (x, y) of these, and `size` times as long a unit. Numbers or (B, 1, 1, 1)."""
        return Frame((self.u - x) / size, (self.v - y) / size, self.scale * size)

    def folded(self, x) -> "Frame":
        """Axes in which both (x, 0) and (-x, 0) are the origin, mirrored: one drawing makes two eyes."""
        return Frame(self.u.abs() - x, self.v, self.scale)


def frame(size: int, x: Tensor, y: Tensor, unit: Tensor, tilt: Tensor) -> Frame:
    """The frame with its origin at (x, y), `unit` long, turned by `tilt`, over pictures of size x size pixels.

    x, y, unit: (B,), in picture coordinates, -1 (left, top) to 1 (right, bottom); tilt: (B,), radians, clockwise.
    """
    x, y, unit, tilt = (value.float().reshape(-1, 1, 1, 1) for value in (x, y, unit, tilt))
    ticks = (torch.arange(size, device=x.device) + 0.5) * (2 / size) - 1
    across, down = ticks - x, ticks.reshape(-1, 1) - y       # (B, 1, 1, W) and (B, 1, H, 1)
    cos, sin = torch.cos(tilt) / unit, torch.sin(tilt) / unit
    return Frame(cos * across + sin * down, cos * down - sin * across, unit * (size / 2))


@dataclass(frozen=True)
class Layer:
    """One shape in one colour: a name of the palette or "#rrggbb". With `outline`, a line in the palette's "line" first."""

    shape: Shape
    colour: str
    outline: bool = False
    opacity: float = 1.0


def rgb(code: str) -> tuple[float, float, float]:
    """"#rrggbb" as three numbers in [-1, 1]."""
    return tuple(int(code[i:i + 2], 16) / 127.5 - 1 for i in (1, 3, 5))


@dataclass(frozen=True)
class Palette:
    """Named colours, one of each per picture. names: R of them; values: (B, R, 3), in [-1, 1]."""

    names: tuple[str, ...]
    values: Tensor

    def __getitem__(self, rows) -> "Palette":
        return Palette(self.names, self.values[rows])

    def colour(self, name: str) -> Tensor:
        """(B, 3, 1, 1), or (1, 3, 1, 1) for a fixed "#rrggbb"."""
        if name.startswith("#"):
            return self.values.new_tensor(rgb(name)).reshape(1, 3, 1, 1)
        return self.values[:, self.names.index(name), :, None, None]


def coverage(distance: Tensor, scale: Tensor) -> Tensor:
    """The share of each pixel that lies inside. distance: (B, 1, H, W), overwritten; scale: pixels per unit of it."""
    return distance.mul_(-scale).add_(0.5).clamp_(0, 1)


def paint(pictures: Tensor, where: Frame, palette: Palette, layers: Sequence[Layer], within: Tensor | None = None) -> None:
    """Lay the layers over the pictures, in order and in place.

    pictures: (B, 3, H, W), in [-1, 1]; within: distances (B, 1, H, W) from the edge of a shape; nothing is painted outside it.
    """
    for layer in layers:
        distance = layer.shape(where.u, where.v)
        if within is not None:
            distance = torch.maximum(distance, within)
        if layer.outline:
            pictures.lerp_(palette.colour("line"), coverage(distance - OUTLINE, where.scale))
        shown = coverage(distance, where.scale)
        pictures.lerp_(palette.colour(layer.colour), shown if layer.opacity == 1 else shown.mul_(layer.opacity))


Rows = slice | Tensor                                        # which pictures of a batch


@dataclass(frozen=True)
class Sheet:
    """A batch of pictures that are being painted, and the colours of each. pictures: (B, 3, H, W), in [-1, 1]."""

    pictures: Tensor
    palette: Palette

    def paint(self, rows: Rows, where: Frame, layers: Sequence[Layer], within: Tensor | None = None) -> None:
        """`paint` on some of the pictures only."""
        if layers:
            some = self.pictures[rows]                       # a view for a slice, a copy for a tensor of numbers
            paint(some, where[rows], self.palette[rows], layers, None if within is None else within[rows])
            if not isinstance(rows, slice):
                self.pictures[rows] = some


def rows_of(values: Tensor) -> dict[int, Rows]:
    """Each value that occurs, and where: neighbours as a slice. values: (B,) int64."""
    found: dict[int, list[int]] = {}
    for row, value in enumerate(values.tolist()):
        found.setdefault(value, []).append(row)
    return {value: slice(rows[0], rows[-1] + 1) if rows[-1] - rows[0] == len(rows) - 1 else torch.tensor(rows, device=values.device)
            for value, rows in found.items()}
