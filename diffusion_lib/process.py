"""The 2x2 matrix that holds the library together.

A schedule gives one row (alpha, sigma): what x_t is made of. A parameterization gives a second row (a, b): what the
network's output y is made of. Two rows make a matrix, and its inverse is the denoiser:

    x_t   [ alpha  sigma ] [ x0  ]           x0  = (b x_t - sigma y) / det
        = [              ] [     ]    =>                                      det = alpha b - sigma a
    y     [   a      b   ] [ eps ]           eps = (alpha y - a x_t) / det

The inverse is a `Prediction`: one belief about the clean picture, which it tells in five languages
(x0, eps, v, score, velocity). Samplers speak whichever they need.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .schedules import Coefficients, NoiseSchedule


def coefficients(schedule: NoiseSchedule, t: float | Tensor, like: Tensor) -> Coefficients:
    """The schedule at time t, shaped to multiply pictures: each (B, 1, ...) or (), cast once (from float64) to their dtype and device.

    t: () or (B,), in [0, 1]. like: (B, ...), the pictures, floats. Raises ValueError where t has another length than `like`, and
    where `like` holds no floats: alpha and sigma would be cut down to 0.
    """
    if not like.is_floating_point():
        raise ValueError(f"the pictures have the type {like.dtype}, but a picture is made of floats in [-1, 1]: bytes become one by x / 127.5 - 1")
    t = torch.as_tensor(t, dtype=torch.float64)
    if t.ndim > 1 or (t.ndim == 1 and len(t) != len(like)):
        raise ValueError(f"t has shape {tuple(t.shape)}, but it has to be one number or one for each of the {len(like)} rows")
    shape = (-1, *[1] * (like.ndim - 1)) if t.ndim else ()
    return Coefficients(*torch.stack(schedule.at(t)).to(like.device, like.dtype).reshape(4, *shape).unbind())


def diffuse(x0: Tensor, eps: Tensor, t: float | Tensor, schedule: NoiseSchedule) -> Tensor:
    """Add noise: x_t = alpha(t) x0 + sigma(t) eps.

    x0, eps: (B, ...), the same shape; pictures in [-1, 1] and standard normal noise. t: () or (B,), in [0, 1].
    Returns x_t of the same shape. Reference: Ho et al. 2020, eq. 4.
    """
    if x0.shape != eps.shape:
        raise ValueError(f"eps has shape {tuple(eps.shape)}, but it has to be that of x0, {tuple(x0.shape)}")
    c = coefficients(schedule, t, x0)
    return c.alpha * x0 + c.sigma * eps


@dataclass(frozen=True)
class Prediction:
    """One belief about the clean picture: x0 and eps with alpha x0 + sigma eps = x_t.

    x0, eps: (B, ...). at: the schedule's coefficients at the time of x_t.
    """

    x0: Tensor
    eps: Tensor
    at: Coefficients

    @property
    def x_t(self) -> Tensor:
        """What was looked at: alpha x0 + sigma eps."""
        return self.at.alpha * self.x0 + self.at.sigma * self.eps

    @property
    def v(self) -> Tensor:
        """v = alpha eps - sigma x0. Reference: Salimans and Ho 2022, appendix D."""
        return self.at.alpha * self.eps - self.at.sigma * self.x0

    @property
    def score(self) -> Tensor:
        """The slope of log p_t at x_t: -eps / sigma; infinite at t = 0. Reference: Song et al. 2021."""
        return -self.eps / self.at.sigma

    @property
    def velocity(self) -> Tensor:
        """dx/dt of the probability flow: alpha' x0 + sigma' eps. Reference: Lipman et al. 2023, eq. 14."""
        return self.at.d_alpha * self.x0 + self.at.d_sigma * self.eps

    def mix(self, other: "Prediction", weight: float | Tensor) -> "Prediction":
        """other + weight (self - other): weight 1 is self, 0 is other, above 1 goes beyond self.

        Both have to speak of the same x_t; then the mixture is the same one in every language.
        """
        return Prediction(other.x0 + weight * (self.x0 - other.x0), other.eps + weight * (self.eps - other.eps), self.at)

    def clamp(self, low: float = -1.0, high: float = 1.0) -> "Prediction":
        """The same belief with x0 kept in [low, high], and eps re-derived so that x_t stays what it is."""
        x0 = self.x0.clamp(low, high)
        # eps' = eps + alpha (x0 - x0') / sigma; where sigma = 0 there is nothing to re-derive.
        shift = torch.where(self.at.sigma > 0, self.at.alpha / self.at.sigma, torch.zeros_like(self.at.sigma))
        return Prediction(x0, self.eps + shift * (self.x0 - x0), self.at)


@dataclass(frozen=True)
class Parameterization:
    """What a network's output is made of: y = a x0 + b eps.

    name: how checkpoints and recipes call it. row: coefficients -> (a, b).
    """

    name: str
    row: Callable[[Coefficients], tuple[Tensor, Tensor]]

    def target(self, x0: Tensor, eps: Tensor, c: Coefficients) -> Tensor:
        """What the network should answer: y = a x0 + b eps. x0, eps: (B, ...)."""
        a, b = self.row(c)
        return a * x0 + b * eps

    def invert(self, y: Tensor, x_t: Tensor, c: Coefficients) -> Prediction:
        """Solve the 2x2 system for x0 and eps. y, x_t: (B, ...). Infinite where det = 0 (see each row)."""
        a, b = self.row(c)
        det = c.alpha * b - c.sigma * a
        return Prediction(x0=(b * x_t - c.sigma * y) / det, eps=(c.alpha * y - a * x_t) / det, at=c)


def _constant(value: float, c: Coefficients) -> Tensor:
    return torch.full_like(c.alpha, value)


EPS = Parameterization("eps", lambda c: (_constant(0, c), _constant(1, c)))              # det = alpha: no x0 from pure noise
X0 = Parameterization("x0", lambda c: (_constant(1, c), _constant(0, c)))                # det = -sigma: no eps near clean data
V = Parameterization("v", lambda c: (-c.sigma, c.alpha))                                 # det = alpha^2 + sigma^2
SCORE = Parameterization("score", lambda c: (_constant(0, c), -1 / c.sigma))             # det = -alpha / sigma
FLOW = Parameterization("flow", lambda c: (c.d_alpha, c.d_sigma))                        # det = 1 for rectified flow


def edm(sigma_data: float) -> Parameterization:
    """EDM's F: the row (sigma / (sd r), -alpha sd / r) with r = sqrt(sigma^2 + alpha^2 sd^2); det = -r / sd, never 0.

    sigma_data: sd > 0, the standard deviation of the data. Reference: Karras et al. 2022, table 1 (c_skip and c_out,
    written as a row so that nothing is divided by alpha).
    """
    if not sigma_data > 0:
        raise ValueError(f"sigma_data is {sigma_data}, but it has to be above 0")
    return Parameterization(f"edm({float(sigma_data)})", _EDMRow(float(sigma_data)))


@dataclass(frozen=True)
class _EDMRow:
    """The row of `edm`, equal to that of any other `edm` of the same number."""

    sigma_data: float

    def __call__(self, c: Coefficients) -> tuple[Tensor, Tensor]:
        r = torch.sqrt(c.sigma**2 + (c.alpha * self.sigma_data) ** 2)
        return c.sigma / (self.sigma_data * r), -c.alpha * self.sigma_data / r


def parameterization_named(name: str) -> Parameterization:
    """The parameterization that a checkpoint or a recipe calls `name`: eps, x0, v, score, flow or edm(0.5).

    Raises ValueError for any other name.
    """
    known = {p.name: p for p in (EPS, X0, V, SCORE, FLOW)}
    if name in known:
        return known[name]
    if number := re.fullmatch(r"edm\((-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?)\)", name):
        return edm(float(number[1]))
    raise ValueError(f"parameterization is {name!r}, but it has to be one of: {', '.join(known)}, edm(SIGMA_DATA)")
