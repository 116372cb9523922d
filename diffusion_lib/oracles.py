"""Denoisers that are known exactly, with nothing to train.

The best possible guess of x0 is the average of all clean pictures, each weighted by how well it explains x_t:
E[x0 | x_t]. For a Gaussian, a mixture of Gaussians and a finite set of pictures that average has a formula. They are
the reader's picture of what a perfect denoiser does, and the oracles that samplers are tested against.
"""

import math

import torch
from torch import Tensor

from .conditioning import UNSAID
from .denoisers import Denoiser
from .process import Coefficients, Prediction, coefficients
from .random import Generator, rand, randn
from .schedules import NoiseSchedule


THIN = 1e-30                                                 # a variance that stands for 0: neither 1 / THIN nor 1e6 / THIN is infinite


class MixtureDenoiser(Denoiser):
    """Data drawn from a mixture of K Gaussians: p(x0) = sum_k w_k N(x0; m_k, C_k).

    Noise keeps it a mixture, p_t(x) = sum_k w_k N(x; alpha m_k, S_k) with S_k = alpha^2 C_k + sigma^2 I, so

        E[x0 | x_t]  = sum_k r_k (m_k + alpha C_k S_k^-1 (x_t - alpha m_k))
        E[eps | x_t] = sum_k r_k sigma S_k^-1 (x_t - alpha m_k),           r_k = p(k | x_t)

    A wish names one component, and then r is 1 there and 0 elsewhere: the same oracle is the model with a prompt and without.

    weights: (K,), >= 0, they are scaled to sum 1. means: (K, D). covs: (K, D, D), symmetric, positive semi-definite.
    """

    def __init__(self, weights: Tensor, means: Tensor, covs: Tensor, schedule: NoiseSchedule):
        super().__init__()
        k, d = means.shape
        if weights.shape != (k,) or covs.shape != (k, d, d):
            raise ValueError(f"weights {tuple(weights.shape)} and covs {tuple(covs.shape)} do not fit means {(k, d)}: "
                             f"they have to be {(k,)} and {(k, d, d)}")
        if (weights < 0).any() or not weights.sum() > 0:
            raise ValueError(f"weights are {weights.tolist()}, but none may be below 0, and one has to be above")
        self.schedule = schedule
        eigenvalues, axes = torch.linalg.eigh(covs)          # C = axes diag(eigenvalues) axes^T
        for name, value in [("log_weights", torch.log(weights / weights.sum())), ("means", means),
                            ("eigenvalues", eigenvalues.clamp(min=0)), ("axes", axes)]:
            self.register_buffer(name, value)

    def _components(self, x_t: Tensor, t) -> tuple[Tensor, Tensor, Coefficients]:
        """Of each component: S^-1 (x_t - alpha m) along its axes (B, K, D), and log p(k, x_t) (B, K)."""
        _check_type(x_t, self.means)
        c = coefficients(self.schedule, t, x_t[:, None])     # each (B, 1, 1) or ()
        variance = (c.alpha**2 * self.eigenvalues + c.sigma**2).clamp(min=THIN)      # at t = 0 a flat component has none
        offset = torch.einsum("bkd,kde->bke", x_t[:, None] - c.alpha * self.means, self.axes)
        energy = (offset**2 / variance).sum(-1) + torch.log(2 * math.pi * variance).sum(-1)
        return offset / variance, self.log_weights - energy / 2, c

    def log_prob(self, x_t: Tensor, t: float | Tensor) -> Tensor:
        """log p_t(x_t), in nats. x_t: (B, D). t: () or (B,). Returns (B,)."""
        return torch.logsumexp(self._components(x_t, t)[1], dim=1)

    def _meant(self, cond, keep: Tensor | None, batch: int) -> Tensor:
        """Which components each row may come from: (B, K) bool."""
        cond = torch.full((batch,), UNSAID) if cond is None else torch.as_tensor(cond)
        cond, components = cond.to(self.means.device), torch.arange(len(self.means), device=self.means.device)
        if cond.shape != (batch,) or cond.is_floating_point() or not ((UNSAID <= cond) & (cond < len(components))).all():
            raise ValueError(f"cond is {cond.tolist()}, but it has to name one of {len(components)} components for each of "
                             f"the {batch} rows, in whole numbers: 0 ... {len(components) - 1}, or {UNSAID} for any")
        if (self.log_weights[cond.clamp(min=0).long()].isinf() & (cond != UNSAID)).any():
            raise ValueError(f"cond is {cond.tolist()}, but it cannot name a component of weight 0: nothing comes from there")
        anything = cond == UNSAID if keep is None else (cond == UNSAID) | ~keep.to(cond.device)
        return anything[:, None] | (cond[:, None] == components)

    def forward(self, x_t, t, cond=None, keep=None):
        """cond: (B,) whole numbers, the component that each row is wished to come from, or -1 for any; else as in `Denoiser`.
        Raises ValueError where there is no such component or its weight is 0, and where x_t is of another type than the means."""
        pull, log_joint, c = self._components(x_t, t)
        log_joint = log_joint.masked_fill(~self._meant(cond, keep, len(x_t)), -torch.inf)
        r = torch.softmax(log_joint, dim=1)[..., None]                                          # (B, K, 1)
        eps = c.sigma * torch.einsum("bkd,ked->bke", pull, self.axes)                           # (B, K, D)
        x0 = self.means + c.alpha * torch.einsum("bkd,ked->bke", self.eigenvalues * pull, self.axes)
        return Prediction((r * x0).sum(1), (r * eps).sum(1), coefficients(self.schedule, t, x_t))

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        """n exact draws of x0: (n, D)."""
        u = rand((n,), generator, self.means.device, self.means.dtype)
        k = torch.searchsorted(self.log_weights.exp().cumsum(0), u).clamp(max=len(self.means) - 1)
        z = randn((n, self.means.shape[1]), generator, self.means.device, self.means.dtype)
        return self.means[k] + torch.einsum("nd,ned->ne", z * self.eigenvalues[k].sqrt(), self.axes[k])


class GaussianDenoiser(MixtureDenoiser):
    """Data drawn from one Gaussian N(mean, cov): a mixture of one. mean: (D,). cov: (D, D)."""

    def __init__(self, mean: Tensor, cov: Tensor, schedule: NoiseSchedule):
        super().__init__(torch.ones(1, dtype=mean.dtype, device=mean.device), mean[None], cov[None], schedule)


class EmpiricalDenoiser(Denoiser):
    """Data drawn from a finite set: every picture in it is equally likely, and no other exists.

        x0 = sum_i w_i data_i,     w = softmax_i(-|x_t - alpha data_i|^2 / (2 sigma^2))

    It is what a network would become that learned its training set by heart: near clean data it can only copy.

    data: (N, ...), N >= 1.
    """

    def __init__(self, data: Tensor, schedule: NoiseSchedule):
        super().__init__()
        if not len(data):
            raise ValueError("data is empty, but the denoiser needs at least one picture to remember")
        self.schedule = schedule
        self.register_buffer("data", data)

    def weights(self, x_t: Tensor, t: float | Tensor) -> Tensor:
        """p(data_i | x_t): how well each remembered picture explains x_t. x_t: (B, ...). Returns (B, N), rows sum to 1."""
        _check_type(x_t, self.data)
        x, data = x_t.flatten(1), self.data.flatten(1)                                          # (B, D), (N, D)
        c = coefficients(self.schedule, t, x)
        # |x - alpha d|^2 without its |x|^2, which is the same for every d and so drops out of the softmax.
        distance = c.alpha**2 * (data**2).sum(1) - 2 * c.alpha * (x @ data.T)                   # (B, N)
        tiny = torch.finfo(x_t.dtype).tiny                   # at sigma = 0 the nearest picture takes all
        return torch.softmax(-(distance - distance.amin(1, keepdim=True)) / (2 * c.sigma**2).clamp(min=tiny), dim=1)

    def forward(self, x_t, t, cond=None, keep=None):
        c = coefficients(self.schedule, t, x_t)
        x0 = (self.weights(x_t, t) @ self.data.flatten(1)).reshape(x_t.shape)
        eps = torch.where(c.sigma > 0, (x_t - c.alpha * x0) / c.sigma, torch.zeros_like(x_t))
        return Prediction(x0, eps, c)


def _check_type(x_t: Tensor, known: Tensor) -> None:
    """Raises ValueError unless a picture has the type of the numbers that an oracle is made of."""
    if x_t.dtype != known.dtype:
        raise ValueError(f"x_t has the type {x_t.dtype}, but this oracle is made of {known.dtype}: change either with .to(...)")
