"""One loss: how wrong is the network's answer about a noised picture?

    loss = weight(t) |y - target|^2,     y = network(x_t, t, cond),     target = a x0 + b eps

What differs between papers is the row (a, b) (process.py), how the times are drawn, and how they are weighted.
The last two are here.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from .denoisers import NeuralDenoiser
from .process import Coefficients, Parameterization, diffuse
from .random import Generator, rand, randn

TimeLaw = Callable[[int, Generator | None], Tensor]          # (n, generator) -> (n,) float64 in [0, 1]
Weighting = Callable[[Coefficients], Tensor]                 # coefficients at t -> (B, 1, ...)
TINY = 1e-15                                                 # stands for 0 where something is divided by it: float32 holds 1 / TINY^2


def uniform_t(n: int, generator: Generator | None = None) -> Tensor:
    """n times, all equally likely in [0, 1]. Reference: Ho et al. 2020, algorithm 1."""
    return rand((n,), generator, dtype=torch.float64)


def stratified_t(n: int, generator: Generator | None = None) -> Tensor:
    """n times, one in each of n equal parts of [0, 1]: the same law, less chance. Reference: Kingma et al. 2021, appendix I.1."""
    u = rand((n,), generator, dtype=torch.float64)
    return (torch.arange(n, device=u.device) + u) / n


def logit_normal_t(mean: float = 0.0, std: float = 1.0, uniform_share: float = 0.0) -> TimeLaw:
    """A law that prefers the middle: t = sigmoid(mean + std z), z ~ N(0, 1).

    mean, std: of logit(t); std > 0. uniform_share: in [0, 1], this share of the times is drawn uniformly instead, so
    that the ends, where a sampler begins and stops, are seen too. Stratified like `stratified_t`.
    Reference: Esser et al. 2024, eq. 19.
    """
    if not std > 0 or not 0 <= uniform_share <= 1:
        raise ValueError(f"std is {std} and uniform_share is {uniform_share}, but std has to be above 0 and uniform_share in [0, 1]")

    def law(n: int, generator: Generator | None = None) -> Tensor:
        u = stratified_t(n, generator)
        shuffled = u[torch.argsort(rand((n,), generator))]   # so that the uniform share is not taken from one end
        middle = torch.sigmoid(mean + std * torch.special.ndtri(shuffled.clamp(1e-12, 1 - 1e-12)))
        return torch.where(rand((n,), generator) < uniform_share, shuffled, middle)

    return law


def unit(c: Coefficients) -> Tensor:
    """Weight 1 at every time, on the network's own output. Reference: Ho et al. 2020, eq. 14 (for eps)."""
    return torch.ones_like(c.alpha)


def min_snr(gamma: float, parameterization: Parameterization) -> Weighting:
    """Weight min(SNR, gamma) on the error of x0, whatever the network predicts: x0's error is (sigma / det) that of y.

    gamma: > 0; the paper uses 5. Reference: Hang et al. 2023 (Min-SNR-gamma).
    """
    if not gamma > 0:
        raise ValueError(f"gamma is {gamma}, but it has to be above 0 (the paper uses 5)")

    def weight(c: Coefficients) -> Tensor:
        c = c._replace(alpha=c.alpha.clamp(min=TINY), sigma=c.sigma.clamp(min=TINY))
        a, b = parameterization.row(c)
        snr = (c.alpha / c.sigma) ** 2
        return snr.clamp(max=gamma) * (c.sigma / (c.alpha * b - c.sigma * a)) ** 2

    return weight


def as_velocity(cleanest: float, parameterization: Parameterization) -> Weighting:
    """Weight the error of the velocity, whatever the network predicts: a network that names clean pictures learns as much as
    one that names arrows.

        |velocity' - velocity|^2 = (d_alpha - d_sigma alpha / sigma)^2 |x0' - x0|^2,     x0's error is (sigma / det) that of y

    cleanest: in (0, 1); sigma is taken as no less than this here, since at 0 the weight of x0's error is infinite.
    Reference: Li and He 2025, table 1 (x-prediction with the loss of v).
    """
    if not 0 < cleanest < 1:
        raise ValueError(f"cleanest is {cleanest}, but a sigma near clean data has to lie between 0 and 1")

    def weight(c: Coefficients) -> Tensor:
        c = c._replace(sigma=c.sigma.clamp(min=TINY))
        a, b = parameterization.row(c)
        slope = c.d_alpha - c.d_sigma * c.alpha / c.sigma.clamp(min=cleanest)
        return (slope * c.sigma / (c.alpha * b - c.sigma * a)) ** 2

    return weight


class LossTerms(NamedTuple):
    """mean: (), to be minimised. per_sample: (B,), each picture's weighted squared error. t: (B,), its time."""

    mean: Tensor
    per_sample: Tensor
    t: Tensor


def diffusion_loss(denoiser: NeuralDenoiser, x0: Tensor, cond=None, *, times: TimeLaw = uniform_t, weight: Weighting = unit,
                   cond_dropout: float = 0.0, generator: Generator | None = None) -> LossTerms:
    """Noise a batch at random times and measure the network's error, averaged over pixels.

    x0: (B, ...), pictures in [-1, 1]. cond: the condition of each picture, or None. cond_dropout: in [0, 1], the share
    of pictures whose condition is replaced by the learned "nothing", so that one network learns both halves of guidance.
    Reference: Ho et al. 2020, eq. 14; Ho and Salimans 2022, algorithm 1 (the dropout).
    """
    if not 0 <= cond_dropout <= 1:
        raise ValueError(f"cond_dropout is {cond_dropout}, but a share has to lie in [0, 1]")
    t = times(len(x0), generator)
    eps = randn(x0.shape, generator, x0.device, x0.dtype)
    keep = (rand((len(x0),), generator) >= cond_dropout).to(x0.device)
    y, c = denoiser.output(diffuse(x0, eps, t, denoiser.schedule), t, cond, keep)
    error = (y - denoiser.parameterization.target(x0, eps, c)) ** 2
    per_sample = (weight(c) * error).flatten(1).mean(1)
    return LossTerms(per_sample.mean(), per_sample, t)
