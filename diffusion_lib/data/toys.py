"""Sets of points in the plane: data that can be seen whole, and learned in seconds.

Every set has mean 0 and variance 1 (the mean of the variances of x and y), so one network, one noise schedule and one
pair of axes suit them all. `generator` is a `CounterGenerator` (the same points everywhere), a torch generator, or None.
"""

import math

import torch
from torch import Tensor

from ..random import Generator, rand, randn


def two_moons(n: int, noise: float = 0.05, generator: Generator | None = None) -> Tensor:
    """Two half circles that reach into each other: (n, 2) float32.

    n: number of points. noise: standard deviation of the blur, in the units of the result, in [0, 1).
    """
    angle, upper = math.pi * rand((n,), generator), rand((n,), generator) < 0.5
    x = torch.where(upper, angle.cos(), 1 - angle.cos())
    y = torch.where(upper, angle.sin(), 0.5 - angle.sin())
    # Of circles of radius 1: the centre is (1/2, 1/4), the variances are 3/4 and 9/16 - 1/pi.
    spread = math.sqrt((3 / 4 + 9 / 16 - 1 / math.pi) / 2)
    return _blurred(torch.stack([x - 0.5, y - 0.25], dim=1) / spread, noise, generator)


def spiral(n: int, turns: float = 1.5, noise: float = 0.05, generator: Generator | None = None) -> Tensor:
    """Two spiral arms, each the other turned by half a circle: (n, 2) float32.

    n, noise: as in `two_moons`. turns: how often an arm goes round, > 0.
    """
    if not turns > 0:
        raise ValueError(f"turns is {turns}, but it has to be above 0")
    along = rand((n,), generator).sqrt()                     # so that the outer turns, which are longer, get more points
    angle = 2 * math.pi * turns * along + math.pi * (rand((n,), generator) < 0.5)
    points = 2 * along[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1)
    return _blurred(points, noise, generator)                # E radius^2 = 4 E along^2 = 2


def eight_gaussians(n: int, noise: float = 0.1, generator: Generator | None = None) -> Tensor:
    """Eight round heaps on a circle: (n, 2) float32.

    n: number of points. noise: standard deviation of one heap, in [0, 1). The exact denoiser of this set is
    `MixtureDenoiser` with the means `eight_means(noise)`.
    """
    place = (8 * rand((n,), generator)).long().clamp(max=7)
    return eight_means(noise)[place] + noise * randn((n, 2), generator)


def eight_means(noise: float = 0.1) -> Tensor:
    """The centres of `eight_gaussians`: (8, 2) float32, on a circle of radius sqrt(2 (1 - noise^2))."""
    _check_noise(noise)
    angle = torch.arange(8) * (math.pi / 4)
    return math.sqrt(2 * (1 - noise**2)) * torch.stack([angle.cos(), angle.sin()], dim=1)


def checkerboard(n: int, generator: Generator | None = None) -> Tensor:
    """The eight dark squares of a board of four by four: (n, 2) float32, in [-sqrt 3, sqrt 3]. n: number of points."""
    column, row = (4 * rand((n,), generator)).long().clamp(max=3), (2 * rand((n,), generator)).long().clamp(max=1)
    corner = torch.stack([column, 2 * row + column % 2], dim=1)
    return math.sqrt(3) * ((corner + rand((n, 2), generator)) / 2 - 1)


def _blurred(points: Tensor, noise: float, generator: Generator | None) -> Tensor:
    """Unit-variance points with noise added, and shrunk so that the variance stays 1."""
    _check_noise(noise)
    return math.sqrt(1 - noise**2) * points + noise * randn(points.shape, generator)


def _check_noise(noise: float) -> None:
    if not 0 <= noise < 1:
        raise ValueError(f"noise is {noise}, but it is the blur's share of a set with standard deviation 1: at least 0 and below 1")
