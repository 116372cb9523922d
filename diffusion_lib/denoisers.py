"""The denoiser: (x_t, t, condition) -> a `Prediction` of the clean picture.

This is the only interface that samplers, guidance and evaluation see. Whether the belief comes from a network, from
an exact formula (oracles.py) or from a mixture of two other denoisers (guidance.py) makes no difference to them.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from .process import V, Coefficients, Parameterization, Prediction, coefficients
from .schedules import NoiseSchedule


class Denoiser(nn.Module, ABC):
    """The interface. `schedule` is a plain attribute: never a buffer, so it is never averaged, moved or saved as weights."""

    schedule: NoiseSchedule

    @abstractmethod
    def forward(self, x_t: Tensor, t: float | Tensor, cond=None, keep: Tensor | None = None) -> Prediction:
        """The belief about x0, given x_t.

        x_t: (B, ...). t: () or (B,), in [0, 1]. cond: whatever the model was taught to listen to, or None.
        keep: (B,) bool; where False, the condition is replaced by the learned "nothing".
        """

    def under(self, schedule: NoiseSchedule) -> "Denoiser":
        """The same denoiser, to be asked on another schedule."""
        return Rescheduled(self, schedule)


class NeuralDenoiser(Denoiser):
    """A network, the schedule it was trained on, and what its output means.

        y = network(x_t / scale, log_snr(t), cond, keep),      scale^2 = alpha^2 data_std^2 + sigma^2

    so the network's input always has unit variance, and of time it is told only the log-SNR.

    network: (x (B, ...), log_snr (B,), cond, keep) -> y (B, ...). data_std: standard deviation of the data, > 0.
    Reference: Karras et al. 2022, eq. 7 and table 1 (c_in).
    """

    def __init__(self, network: nn.Module, schedule: NoiseSchedule, parameterization: Parameterization = V, data_std: float = 1.0):
        super().__init__()
        if not data_std > 0:
            raise ValueError(f"data_std is {data_std}, but a standard deviation has to be above 0")
        self.network, self.schedule, self.parameterization, self.data_std = network, schedule, parameterization, float(data_std)

    def output(self, x_t: Tensor, t: float | Tensor, cond=None, keep: Tensor | None = None) -> tuple[Tensor, Coefficients]:
        """The network's raw answer y (B, ...) and the coefficients at t; the loss compares y with its target."""
        c = coefficients(self.schedule, t, x_t)
        scale = torch.hypot(c.alpha * self.data_std, c.sigma)
        return self.network(x_t / scale, c.log_snr.flatten().expand(len(x_t)), cond, keep).to(x_t.dtype), c

    def forward(self, x_t, t, cond=None, keep=None):
        y, c = self.output(x_t, t, cond, keep)
        return self.parameterization.invert(y, x_t, c)


class Rescheduled(Denoiser):
    """A denoiser asked on a schedule it was not trained on.

    At equal log-SNR two schedules show the same picture at two scales. So: find the training schedule's time of equal
    log-SNR, rescale x_t, ask there, and say the answer (x0, eps) in the new schedule's terms. The scale is the ratio of
    sqrt(alpha^2 + sigma^2), which at equal log-SNR is the ratio of the alphas and, unlike it, never 0 / 0.
    """

    def __init__(self, denoiser: Denoiser, schedule: NoiseSchedule):
        super().__init__()
        self.denoiser, self.schedule = denoiser, schedule

    def forward(self, x_t, t, cond=None, keep=None):
        there = self.denoiser.schedule
        t_there = there.time_of(self.schedule.log_snr(t))
        here, c = coefficients(self.schedule, t, x_t), coefficients(there, t_there, x_t)
        scale = torch.sqrt((c.alpha**2 + c.sigma**2) / (here.alpha**2 + here.sigma**2))
        belief = self.denoiser(x_t * scale, t_there, cond, keep)
        return Prediction(belief.x0, belief.eps, here)


class Clamped(Denoiser):
    """A denoiser that knows the range of the data: its x0 is kept in [low, high] and eps re-derived.

    Raises ValueError unless low < high.
    """

    def __init__(self, denoiser: Denoiser, low: float = -1.0, high: float = 1.0):
        super().__init__()
        if not low < high:
            raise ValueError(f"low and high are {low} and {high}, but low has to be below high")
        self.denoiser, self.schedule, self.low, self.high = denoiser, denoiser.schedule, low, high

    def forward(self, x_t, t, cond=None, keep=None):
        return self.denoiser(x_t, t, cond, keep).clamp(self.low, self.high)
