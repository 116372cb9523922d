"""Shapes as signed distances: a function that is negative inside, zero on the edge, positive outside.

A shape maps coordinates (u to the right, v downwards, each a tensor of any one shape) to the distance from its edge.
Because the distance is known and not only "inside or outside", the edge can be drawn smooth at every picture size:

    coverage = clamp(1/2 - distance in pixels, 0, 1)

which is the share of a pixel that a straight edge at that distance covers. Shapes combine by min (either), max (both)
and negation (outside of). Curved shapes use the distance to first order, f / |grad f|, which is exact on the edge.

Source: Inigo Quilez, "2D distance functions", https://iquilezles.org/articles/distfunctions2d/
"""

import math
from collections.abc import Callable
from functools import reduce

import torch
from torch import Tensor

Shape = Callable[[Tensor, Tensor], Tensor]
TINY = 1e-9                                                  # keeps the square roots' centres finite


def circle(x: float, y: float, radius: float) -> Shape:
    """A disc around (x, y)."""
    def distance(u, v):
        return (u - x).square_().add_((v - y).square_()).sqrt_().sub_(radius)
    return distance


def ellipse(x: float, y: float, rx: float, ry: float, turn: float = 0.0) -> Shape:
    """An ellipse around (x, y) with half-axes rx and ry, turned clockwise by `turn` degrees."""
    cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))

    def distance(u, v):
        p, q = u - x, v - y
        if turn:
            p, q = cos * p + sin * q, cos * q - sin * p
        p, q = p.square_(), q.square_()
        slope = (p / rx**4).add_(q, alpha=1 / ry**4).add_(TINY).rsqrt_()          # 2 / |grad f|
        return p.div_(rx**2).add_(q, alpha=1 / ry**2).sub_(1).mul_(slope).mul_(0.5)
    return distance


def convex(*corners: tuple[float, float], rounding: float = 0.05) -> Shape:
    """A convex polygon with rounded corners; `corners` clockwise as seen on the screen, y downwards."""
    edges = []
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1]):
        length = math.hypot(x1 - x0, y1 - y0)
        a, b = (y1 - y0) / length, (x0 - x1) / length        # the outward normal
        edges.append((a, b, rounding - a * x0 - b * y0))

    def distance(u, v):
        sides = [(u * a).add_(v, alpha=b).add_(c) for a, b, c in edges]           # distance to each side, + rounding
        inner = reduce(torch.maximum, sides).clamp_(max=0)
        return reduce(Tensor.add_, (side.relu_().square_() for side in sides)).sqrt_().add_(inner).sub_(rounding)
    return distance


def box(x0: float, y0: float, x1: float, y1: float, rounding: float = 0.05) -> Shape:
    """A rounded rectangle from (x0, y0), top left, to (x1, y1), bottom right."""
    x, y, w, h = (x0 + x1) / 2, (y0 + y1) / 2, (x1 - x0) / 2 - rounding, (y1 - y0) / 2 - rounding

    def distance(u, v):
        p, q = (u - x).abs_().sub_(w), (v - y).abs_().sub_(h)
        inner = torch.maximum(p, q).clamp_(max=0)
        return p.relu_().square_().add_(q.relu_().square_()).sqrt_().add_(inner).sub_(rounding)
    return distance


def line(x0: float, y0: float, x1: float, y1: float, width: float) -> Shape:
    """A stroke with round ends from (x0, y0) to (x1, y1)."""
    a, b = x1 - x0, y1 - y0
    square = a * a + b * b

    def distance(u, v):
        p, q = u - x0, v - y0
        along = (p * (a / square)).add_(q, alpha=b / square).clamp_(0, 1)
        return p.sub_(along, alpha=a).square_().add_(q.sub_(along, alpha=b).square_()).sqrt_().sub_(width / 2)
    return distance


def bow(x: float, y: float, half: float, depth: float, width: float) -> Shape:
    """A stroke bent like a smile: from (x - half, y) to (x + half, y), its middle `depth` lower (negative: higher)."""
    def distance(u, v):
        p = (u - x).abs_()
        q = v - (y + depth)
        q.addcmul_(p, p, value=depth / half**2)              # height above the parabola
        slope = (p.square() * (2 * depth / half**2) ** 2).add_(1).rsqrt_()
        return p.sub_(half).relu_().square_().add_(q.mul_(slope).square_()).sqrt_().sub_(width / 2)
    return distance


def ring(x: float, y: float, radius: float, width: float) -> Shape:
    """A circular stroke."""
    disc = circle(x, y, radius)
    return lambda u, v: disc(u, v).abs_().sub_(width / 2)


def under(y: float) -> Shape:
    """Everything below the height y."""
    return lambda u, v: y - v


def either(*shapes: Shape) -> Shape:
    """The union."""
    return lambda u, v: reduce(torch.minimum, (shape(u, v) for shape in shapes))


def both(*shapes: Shape) -> Shape:
    """The intersection."""
    return lambda u, v: reduce(torch.maximum, (shape(u, v) for shape in shapes))


def outside(shape: Shape) -> Shape:
    """Everything that the shape is not."""
    return lambda u, v: -shape(u, v)


def pair(shape: Shape) -> Shape:
    """The shape and its mirror image at u = 0; give the one on the right."""
    return lambda u, v: shape(u.abs(), v)


def waves(period: float, width: float, phase: float = 0.0, lean: float = 0.0) -> Shape:
    """Level stripes, `width` thick, one every `period`; `lean` bends them down to both sides."""
    def distance(u, v):
        q = (v - phase).add_(u.abs(), alpha=-lean) if lean else v - phase
        return (q / period).frac_().abs_().sub_(0.5).abs_().neg_().add_(0.5).mul_(period).sub_(width / 2)
    return distance
