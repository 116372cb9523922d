"""What the tests of the core share: the schedules, a Gaussian whose flow is known exactly, and a small random network."""

import math

import torch
from torch import Tensor, nn

import diffusion_lib as dl

SCHEDULES = {
    "cosine": dl.CosineSchedule(),
    "flow": dl.RectifiedFlowSchedule(),
    "shifted flow": dl.RectifiedFlowSchedule(shift=3.0),
    "edm": dl.EDMSchedule(),
    "linear beta": dl.LinearBetaSchedule(),
}
ROWS = {"eps": dl.EPS, "x0": dl.X0, "v": dl.V, "score": dl.SCORE, "flow": dl.FLOW, "edm(1)": dl.edm(1.0), "edm(0.5)": dl.edm(0.5)}
INSIDE = torch.linspace(0.02, 0.98, 25, dtype=torch.float64)

MEAN = torch.tensor([0.3, -0.8, 0.1], dtype=torch.float64)
COV = torch.tensor([[0.50, 0.30, 0.00], [0.30, 0.40, -0.10], [0.00, -0.10, 0.09]], dtype=torch.float64)


def float64_noise(*shape: int, seed: int = 7) -> Tensor:
    return dl.randn(shape, dl.CounterGenerator(seed), dtype=torch.float64)


def max_error(a: Tensor, b: Tensor) -> float:
    """The largest |a - b|; NaN counts as infinite."""
    assert a.shape == b.shape, (a.shape, b.shape)
    return float((a - b).detach().abs().nan_to_num(math.inf).max())


def ks_distance(values: Tensor, cdf) -> float:
    """Kolmogorov and Smirnov's distance: the largest gap between the values' distribution and the law they should have."""
    n = len(values)
    return float((cdf(values.double().sort().values) - (torch.arange(n) + 0.5) / n).abs().max())


def moments_at(t: float | Tensor, schedule: dl.NoiseSchedule) -> tuple[Tensor, Tensor]:
    """Mean and covariance of x_t, where x0 ~ N(MEAN, COV)."""
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    return alpha * MEAN, alpha**2 * COV + sigma**2 * torch.eye(3, dtype=torch.float64)


def exact_flow(x: Tensor, t: Tensor, s: Tensor, schedule: dl.NoiseSchedule) -> Tensor:
    """Where the probability flow of N(MEAN, COV) carries x from time t to s: each axis of COV keeps its number of deviations."""
    (mean_t, cov_t), (mean_s, cov_s) = moments_at(t, schedule), moments_at(s, schedule)
    axes = torch.linalg.eigh(COV).eigenvectors
    stretch = torch.sqrt((axes.T @ cov_s @ axes).diagonal() / (axes.T @ cov_t @ axes).diagonal())
    return mean_s + ((x - mean_t) @ axes * stretch) @ axes.T


def rings(schedule: dl.NoiseSchedule) -> dl.MixtureDenoiser:
    """A denoiser that is not linear in x_t: five Gaussians of different shapes in three dimensions."""
    means = float64_noise(5, 3, seed=1)
    roots = 0.3 * float64_noise(5, 3, 3, seed=2)
    weights = torch.tensor([0.1, 0.3, 0.2, 0.25, 0.15], dtype=torch.float64)
    return dl.MixtureDenoiser(weights, means, roots @ roots.mT + 0.01 * torch.eye(3, dtype=torch.float64), schedule)


def slope(errors: list[float], steps: list[int]) -> float:
    """The order p in error ~ steps^-p, by least squares on a log-log plot."""
    x, y = torch.tensor(steps, dtype=torch.float64).log(), torch.tensor(errors, dtype=torch.float64).log()
    return float(-((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum())


class RandomNetwork(nn.Module):
    """A fixed random function of (x, log-SNR, condition, keep), in float64, that remembers what it was asked."""

    def __init__(self, width: int = 3):
        super().__init__()
        self.inside = nn.Linear(width + 1, 32, dtype=torch.float64)
        self.outside = nn.Linear(32, width, dtype=torch.float64)
        with torch.no_grad():
            for i, p in enumerate(self.parameters()):
                p.copy_(0.5 * float64_noise(*p.shape, seed=i))
        self.asked = []

    def forward(self, x, log_snr, cond=None, keep=None):
        self.asked.append((x, log_snr, cond, keep))
        said = 0 if cond is None else cond[:, None] if keep is None else torch.where(keep, cond, 0)[:, None]
        told = torch.cat([x, log_snr[:, None] / 10], dim=1).to(torch.float64)      # (B, W + 1)
        return self.outside(torch.tanh(self.inside(told)) + said).to(x.dtype)      # (B, W)
