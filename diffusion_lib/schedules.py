"""How much signal and how much noise there is at time t.

A noise schedule is two curves over t in [0, 1], where 0 is data and 1 is noise:

    x_t = alpha(t) x0 + sigma(t) eps,        eps ~ N(0, I)

Everything else follows from them. Time is only a label: what a network can know of t is the ratio of the two,
told as log-SNR = 2 log(alpha / sigma). Two schedules of equal log-SNR show it the same picture at another scale.

All curves are computed in float64, on the device of t; `process.coefficients` casts them once.
"""

import math
from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor

LOG_SNR_LIMIT = 20.0                                         # exp(20) = 5e8: cleaner or noisier than any float32 picture


def as_time(t: float | Tensor) -> Tensor:
    """t as a float64 tensor. Raises ValueError where t lies outside [0, 1]."""
    t = torch.as_tensor(t, dtype=torch.float64)
    if t.numel() and t.device.type == "cpu":                 # no check that a GPU would wait for
        first, last = map(float, t.detach().aminmax())
        if not 0 <= first <= last <= 1:
            raise ValueError(f"t is {last if first >= 0 else first}, but time has to lie between 0 (data) and 1 (noise)")
    return t


class Coefficients(NamedTuple):
    """A schedule at one time, or at many: its row (alpha, sigma) and their slopes, all of one shape."""

    alpha: Tensor                                            # the scale of the signal
    sigma: Tensor                                            # the scale of the noise: a standard deviation, not a variance
    d_alpha: Tensor                                          # d alpha / dt
    d_sigma: Tensor                                          # d sigma / dt

    @property
    def log_snr(self) -> Tensor:
        """log-SNR = 2 log(alpha / sigma), in nats, clamped to +-20."""
        ratio = 2 * (torch.log(self.alpha) - torch.log(self.sigma))
        return ratio.clamp(-LOG_SNR_LIMIT, LOG_SNR_LIMIT)


class NoiseSchedule(ABC):
    """The interface: subclasses give the row `at` a time, all of it at once, and may give closed forms of the rest.

    t: (), (B,) or any shape, in [0, 1]. Every method returns float64 of the same shape.
    """

    @abstractmethod
    def at(self, t: float | Tensor) -> Coefficients:
        """The scales of signal and noise, and their slopes in t."""

    def alpha(self, t: float | Tensor) -> Tensor:
        """The scale of the signal."""
        return self.at(t).alpha

    def sigma(self, t: float | Tensor) -> Tensor:
        """The scale of the noise: its standard deviation, not its variance."""
        return self.at(t).sigma

    def rates(self, t: float | Tensor) -> tuple[Tensor, Tensor]:
        """The slopes (d alpha / dt, d sigma / dt)."""
        return self.at(t)[2:]

    def log_snr(self, t: float | Tensor) -> Tensor:
        """log-SNR = 2 log(alpha / sigma), in nats, clamped to +-20."""
        return self.at(t).log_snr

    def time_of(self, log_snr: float | Tensor) -> Tensor:
        """The time at which the log-SNR has this value: the inverse of `log_snr`, found by bisection.

        Values beyond the schedule's own range give its nearest end, 0 or 1.
        """
        wanted = torch.as_tensor(log_snr, dtype=torch.float64)
        low, high = torch.zeros_like(wanted), torch.ones_like(wanted)
        for _ in range(54):                                  # 2^-54: below the spacing of float64 near 1
            middle = (low + high) / 2
            too_clean = self.log_snr(middle) > wanted
            low, high = torch.where(too_clean, middle, low), torch.where(too_clean, high, middle)
        return (low + high) / 2


class CosineSchedule(NoiseSchedule):
    """One angle turns from signal to noise: alpha = cos(pi t / 2), sigma = sin(pi t / 2).

    Variance preserving: alpha^2 + sigma^2 = 1. Reference: Nichol and Dhariwal 2021, eq. 17 (here with s = 0).
    """

    def at(self, t):
        angle = math.pi / 2 * as_time(t)
        alpha, sigma = torch.cos(angle), torch.sin(angle)
        return Coefficients(alpha, sigma, -math.pi / 2 * sigma, math.pi / 2 * alpha)

    def time_of(self, log_snr):
        return 2 / math.pi * torch.atan(torch.exp(-torch.as_tensor(log_snr, dtype=torch.float64) / 2))


class RectifiedFlowSchedule(NoiseSchedule):
    """A straight line from data to noise: alpha = 1 - u, sigma = u, with u = shift t / (1 + (shift - 1) t).

    shift: > 0; 1 is the plain line u = t, larger values spend more of the time near noise.
    References: Liu et al. 2022, eq. 1; Esser et al. 2024, eq. 23 (the shift). Their papers differ in the
    direction of time: here 0 is data.
    """

    def __init__(self, shift: float = 1.0):
        if not shift > 0:
            raise ValueError(f"shift is {shift}, but it has to be above 0 (1 is the plain straight line)")
        self.shift = float(shift)

    def at(self, t):
        t = as_time(t)
        slowed = 1 + (self.shift - 1) * t
        u, slope = self.shift * t / slowed, self.shift / slowed**2
        return Coefficients(1 - u, u, -slope, slope)

    def time_of(self, log_snr):
        u = torch.sigmoid(-torch.as_tensor(log_snr, dtype=torch.float64) / 2)        # alpha / sigma = (1 - u) / u
        return u / (self.shift + (1 - self.shift) * u)


class EDMSchedule(NoiseSchedule):
    """Noise piles up on an unshrunk picture: alpha = 1, sigma = sigma_max t (variance exploding).

    sigma_max: > 0, in units of the data. Reference: Karras et al. 2022, table 1 (sigma(t) = t, s(t) = 1).
    """

    def __init__(self, sigma_max: float = 80.0):
        if not sigma_max > 0:
            raise ValueError(f"sigma_max is {sigma_max}, but it has to be above 0")
        self.sigma_max = float(sigma_max)

    def at(self, t):
        t = as_time(t)
        return Coefficients(torch.ones_like(t), self.sigma_max * t, torch.zeros_like(t), torch.full_like(t, self.sigma_max))

    def time_of(self, log_snr):
        return (torch.exp(-torch.as_tensor(log_snr, dtype=torch.float64) / 2) / self.sigma_max).clamp(0, 1)


class LinearBetaSchedule(NoiseSchedule):
    """DDPM's schedule: T small steps whose noise variances beta_i grow along a line.

        alpha_bar_i = (1 - beta_1) ... (1 - beta_i),   alpha = sqrt(alpha_bar),   sigma = sqrt(1 - alpha_bar)

    Step i of T is t = i / T, and alpha_bar_0 = 1. Between the steps log alpha_bar is a cubic (Hermite) curve:
    with straight pieces the second-order samplers would fall back to order 1.

    num_steps: T >= 2. beta_start, beta_end: variances in (0, 1); the defaults are made for T = 1000.
    Attributes: betas (T,), alpha_bar (T + 1,), float64. Reference: Ho et al. 2020, section 4 and eq. 4.
    """

    def __init__(self, num_steps: int = 1000, beta_start: float = 1e-4, beta_end: float = 2e-2):
        if num_steps < 2:
            raise ValueError(f"num_steps is {num_steps}, but a schedule needs at least 2 steps")
        if not (0 < beta_start < 1 and 0 < beta_end < 1):
            raise ValueError(f"beta_start and beta_end are {beta_start} and {beta_end}, but each is a variance in (0, 1)")
        self.num_steps, self.beta_start, self.beta_end = int(num_steps), float(beta_start), float(beta_end)
        self.betas = torch.linspace(beta_start, beta_end, self.num_steps, dtype=torch.float64)
        log_alpha_bar = torch.cat([torch.zeros(1, dtype=torch.float64), torch.log1p(-self.betas).cumsum(0)])
        self.alpha_bar = torch.exp(log_alpha_bar)
        # Per step. No steeper than three times its gentler neighbour (Fritsch and Carlson 1980), so that the curve
        # falls everywhere even where the betas grow fast; with the default betas nothing is cut off.
        strides = log_alpha_bar.diff()
        gentler = torch.maximum(torch.cat([strides[:1], strides]), torch.cat([strides, strides[-1:]]))
        slopes = torch.gradient(log_alpha_bar, edge_order=2)[0].clamp(max=0).maximum(3 * gentler)
        (y0, y1), (m0, m1) = ((values[:-1], values[1:]) for values in (log_alpha_bar, slopes))
        self._cubics = torch.stack([y0, m0, 3 * (y1 - y0) - 2 * m0 - m1, 2 * (y0 - y1) + m0 + m1], dim=-1)     # (T, 4)

    def at(self, t):
        place = as_time(t) * self.num_steps
        i = place.floor().clamp(max=self.num_steps - 1)
        u, (c0, c1, c2, c3) = place - i, self._cubics[i.long().cpu()].to(place.device).unbind(-1)
        log_alpha_bar, slope = c0 + u * (c1 + u * (c2 + u * c3)), self.num_steps * (c1 + u * (2 * c2 + u * 3 * c3))
        alpha, sigma = torch.exp(log_alpha_bar / 2), torch.sqrt(torch.expm1(log_alpha_bar).abs())
        return Coefficients(alpha, sigma, alpha * slope / 2, -alpha**2 * slope / (2 * sigma))    # the last is infinite at t = 0


# Grids of times: where a sampler stops on its way down. All are (steps + 1,), float64, falling.

def _checked(steps: int) -> int:
    if int(steps) != steps or steps < 1:
        raise ValueError(f"steps is {steps}, but a sampler needs a whole number of steps, at least 1")
    return int(steps)


def _noise_to_signal(schedule: NoiseSchedule, t: float) -> float:
    return math.exp(-float(schedule.log_snr(t)) / 2)


def uniform_times(steps: int, start: float = 1.0, stop: float = 0.0) -> Tensor:
    """Equal strides from `start` down to `stop`; `steps` of them, a whole number, at least 1 (else ValueError).

    With T = 1000 and steps = 1000 these are DDPM's own steps i / T.
    """
    return torch.linspace(start, stop, _checked(steps) + 1, dtype=torch.float64)


def karras_times(steps: int, schedule: NoiseSchedule, noisiest: float = 80.0, cleanest: float = 0.002, rho: float = 7.0) -> Tensor:
    """Equal strides in (sigma / alpha)^(1 / rho): small steps where the picture is nearly clean.

    The first `steps` times run from sigma / alpha = noisiest to cleanest (or the schedule's own ends, where those
    come first); the last stride goes from there to t = 0 at once. Raises ValueError as `log_snr_times`.
    Reference: Karras et al. 2022, eq. 5.
    """
    ramp = torch.linspace(0, 1, _checked(steps), dtype=torch.float64)
    noisiest, cleanest = min(noisiest, _noise_to_signal(schedule, 1)), max(cleanest, _noise_to_signal(schedule, 0))
    if not noisiest > cleanest:
        raise ValueError(f"noisiest and cleanest are {noisiest:g} and {cleanest:g} within this schedule, but noisiest has to be above cleanest")
    ratio = (noisiest ** (1 / rho) + ramp * (cleanest ** (1 / rho) - noisiest ** (1 / rho))) ** rho
    return torch.cat([schedule.time_of(-2 * torch.log(ratio)), torch.zeros(1, dtype=torch.float64)])


def log_snr_times(steps: int, schedule: NoiseSchedule, lowest: float = -9.0, highest: float = 9.0) -> Tensor:
    """Equal strides in log-SNR, and one last stride to t = 0, where log-SNR is infinite.

    The first `steps` times run from log-SNR = `lowest` to `highest`, in nats, or between the schedule's own ends where
    those come first. Raises ValueError unless `steps` is a whole number, at least 1, and where the times would not fall.
    Reference: Lu et al. 2022, section 3.3.
    """
    lowest, highest = max(lowest, float(schedule.log_snr(1.0))), min(highest, float(schedule.log_snr(0.0)))
    if not lowest < highest:
        raise ValueError(f"lowest and highest are {lowest:g} and {highest:g} within this schedule, but lowest has to be below highest")
    ramp = torch.linspace(lowest, highest, _checked(steps), dtype=torch.float64)
    return torch.cat([schedule.time_of(ramp), torch.zeros(1, dtype=torch.float64)])
