"""The walk back: from x_t to x_s, with s < t, again and again until t = 0.

A sampler is one step. The loop around it exists once, in `trajectory`, and it asks the denoiser once a step; a sampler
that needs to ask again (Heun) does so itself. `order` is a claim about the error, error ~ stride^order, and the tests
measure it. For stochastic samplers it is the weak order: the error of the distribution, not of one path.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from .denoisers import Denoiser
from .process import Prediction
from .random import Generator, randn
from .schedules import Coefficients, NoiseSchedule, uniform_times


@dataclass(frozen=True)
class State:
    """Where the walk is: x (B, ...) at time t (), and the belief held there.

    prediction: the denoiser's, or None at the last state, where nothing is left to ask. previous: the state before
    this one (without its own previous), or None at the first.
    """

    x: Tensor
    t: Tensor
    prediction: Prediction | None = None
    previous: "State | None" = None


Denoise = Callable[[Tensor, Tensor], Prediction]             # (x_t, t) -> belief, the condition already inside
Noise = Callable[[], Tensor]                                 # fresh standard normal noise in the shape of x


class Sampler(ABC):
    """The interface: one step from the state at t down to time s."""

    order: int
    stochastic: bool = False                                 # whether a step adds fresh noise

    @abstractmethod
    def step(self, state: State, s: Tensor, denoise: Denoise, schedule: NoiseSchedule, noise: Noise) -> Tensor:
        """x_s (B, ...), one step down.

        state: where the walk is, at t > s, its prediction filled in. s: (). denoise: asks for another belief (Heun).
        schedule: that of the denoiser. noise: gives fresh standard normal noise in the shape of x, each time it is called.
        """


class DDIM(Sampler):
    """Separate x_t into picture and noise, and put them together again in the proportions of s.

        x_s = alpha_s x0 + sqrt(sigma_s^2 - n^2) eps + n z
        n^2 = eta^2 sigma_s^2 / sigma_t^2 (sigma_t^2 - (alpha_t / alpha_s)^2 sigma_s^2)

    eta: in [0, 1]; 0 adds no fresh noise z, 1 is the ancestral sampler.
    Reference: Song, Meng and Ermon 2021, eq. 12 and 16, here for any schedule.
    """

    order = 1

    def __init__(self, eta: float = 0.0):
        if not 0 <= eta <= 1:
            raise ValueError(f"eta is {eta}, but it has to lie between 0 (no fresh noise) and 1 (ancestral)")
        self.eta, self.stochastic = float(eta), eta > 0

    def step(self, state, s, denoise, schedule, noise):
        here, there = _row(schedule, state.t), _row(schedule, s)
        added = here.sigma**2 - (here.alpha / there.alpha) ** 2 * there.sigma**2    # variance that the way down adds from s to t
        fresh = self.eta * there.sigma / here.sigma * math.sqrt(max(0.0, added))
        kept = math.sqrt(max(0.0, there.sigma**2 - fresh**2))
        x_s = there.alpha * state.prediction.x0 + kept * state.prediction.eps
        return x_s + fresh * noise() if self.stochastic else x_s


class Ancestral(DDIM):
    """DDPM's own sampler: draw x_s from q(x_s | x_t, x0), with the guessed x0 in the place of the true one.

    On the times i / T of `LinearBetaSchedule` it is algorithm 2 of Ho et al. 2020 with variance beta-tilde (eq. 7).
    """

    def __init__(self):
        super().__init__(eta=1.0)


class Euler(Sampler):
    """Follow the arrow for the whole stride: x_s = x_t + (s - t) velocity. Reference: Karras et al. 2022, algorithm 1, line 5."""

    order = 1

    def step(self, state, s, denoise, schedule, noise):
        return state.x + (float(s) - float(state.t)) * state.prediction.velocity


class Heun(Sampler):
    """Follow the arrow, look at the arrow there, and go back and follow the average of the two.

    Two questions to the denoiser a step; into t = 0, where some velocities are infinite, the step is Euler's.
    Reference: Karras et al. 2022, algorithm 1.
    """

    order = 2

    def step(self, state, s, denoise, schedule, noise):
        stride = float(s) - float(state.t)
        there = state.x + stride * state.prediction.velocity
        if s == 0:
            return there
        return state.x + stride * (state.prediction.velocity + denoise(there, s).velocity) / 2


class DPMSolverPP2M(Sampler):
    """A straight line through the last two guesses of x0, followed exactly: second order for one question a step.

        x_s = sigma_s / sigma_t x_t - alpha_s (e^-h - 1) D,     h = (lambda_s - lambda_t) / 2,     lambda = log-SNR
        D   = x0_t + h / (2 h_before) (x0_t - x0_before)

    As e^-h = alpha_t sigma_s / (alpha_s sigma_t), the first line is the step of DDIM with D in the place of x0, and so it is
    written here. First order on the first step and wherever lambda is infinite (at t = 0, and at t = 1 where alpha is exactly 0:
    the cosine schedule's is 6e-17 there, so its h_before is large, and the second step takes a hundredth of the difference).
    Reference: Lu et al. 2022 (DPM-Solver++), algorithm 2; their lambda is half of ours.
    """

    order = 2

    def step(self, state, s, denoise, schedule, noise):
        here, there, x0 = _row(schedule, state.t), _row(schedule, s), state.prediction.x0
        if state.previous is not None and there.sigma > 0 and (before := _row(schedule, state.previous.t)).alpha > 0:
            h, h_before = (math.log(b.alpha * a.sigma / (a.alpha * b.sigma)) for a, b in ((here, there), (before, here)))
            x0 = x0 + h / (2 * h_before) * (x0 - state.previous.prediction.x0)
        shrink = there.sigma / here.sigma
        return shrink * state.x + (there.alpha - here.alpha * shrink) * x0


class EulerMaruyama(Sampler):
    """The reverse-time SDE in small straight steps: fresh noise each time, and a drift that makes up for it.

        x_s = x_t + (s - t) (velocity + g^2 / (2 sigma) eps) + g sqrt(t - s) z,     g^2 = -sigma^2 d log-SNR / dt

    Raises ValueError at a time where alpha is 0 (g is infinite there): start below t = 1, or use `Ancestral`.
    Reference: Song et al. 2021, eq. 6.
    """

    order = 1
    stochastic = True

    def step(self, state, s, denoise, schedule, noise):
        alpha, sigma, d_alpha, d_sigma = _row(schedule, state.t)
        if alpha < 1e-8:
            raise ValueError(f"t is {float(state.t):g}, where alpha is 0 and the reverse SDE is infinite: start EulerMaruyama below t = 1")
        stride, g_squared = float(state.t) - float(s), 2 * sigma**2 * (d_sigma / sigma - d_alpha / alpha)
        drift = state.prediction.velocity + g_squared / (2 * sigma) * state.prediction.eps
        return state.x - stride * drift + math.sqrt(g_squared * stride) * noise()


def _row(schedule: NoiseSchedule, t: Tensor) -> Coefficients:
    """The schedule at one time, in Python's own numbers, which are faster to compute with than tensors of one number."""
    return Coefficients(*map(float, schedule.at(t)))


class _Tabulated(NoiseSchedule):
    """A schedule whose rows at the times of a walk are computed beforehand, all at once: each is asked for several times."""

    def __init__(self, schedule: NoiseSchedule, times: Tensor):
        rows = zip(*(column.unbind() for column in schedule.at(times)))
        self.schedule, self.rows = schedule, dict(zip(times.tolist(), map(Coefficients._make, rows)))

    def at(self, t):
        known = self.rows.get(t.item()) if isinstance(t, Tensor) and t.ndim == 0 else None
        return self.schedule.at(t) if known is None else known


def static(shape: tuple[int, ...], schedule: NoiseSchedule, t: float | Tensor = 1.0, generator: Generator | None = None, device=None) -> Tensor:
    """Where a walk begins: sigma(t) eps, noise of the loudness that belongs to time t, and no picture.

    shape: (B, ...). schedule: that of the denoiser. t: (), in [0, 1].
    """
    return randn(shape, generator, device) * float(schedule.sigma(t))


def trajectory(denoiser: Denoiser, x: Tensor, times: Tensor, sampler: Sampler = DDIM(), cond=None,
               generator: Generator | None = None) -> Iterator[State]:
    """Walk back from x at times[0] to times[-1], yielding every state: len(times) of them, the first is x itself.

    x: (B, ...), noise at times[0]. times: (steps + 1,), falling, in [0, 1]. cond: handed to the denoiser as it is.
    generator: where a stochastic sampler takes its noise from. Raises ValueError where the times do not fall.
    """
    times = torch.as_tensor(times, dtype=torch.float64).cpu()
    if times.ndim != 1 or len(times) < 2 or not (times.diff() < 0).all():
        raise ValueError(f"times are {times.flatten().tolist()[:5]}..., but they have to be two or more, falling from noise (1) to data (0)")

    def denoise(x_t: Tensor, t: Tensor) -> Prediction:
        with torch.no_grad():
            return denoiser(x_t, t, cond)

    def noise() -> Tensor:
        return randn(x.shape, generator, x.device, x.dtype)

    schedule, state = _Tabulated(denoiser.schedule, times), State(x, times[0])
    for s in times[1:]:
        state = State(state.x, state.t, denoise(state.x, state.t), state.previous)
        yield state
        x_s = sampler.step(state, s, denoise, schedule, noise)
        state = State(x_s, s, previous=State(state.x, state.t, state.prediction))
    yield state


def sample(denoiser: Denoiser, shape: tuple[int, ...], *, steps: int = 50, sampler: Sampler = DDIM(), times: Tensor | None = None,
           cond=None, generator: Generator | None = None, device=None) -> Tensor:
    """Draw new pictures: pure noise, walked back to t = 0.

    shape: (B, ...). steps: how many (50 is plenty for DDIM; ignored where `times` are given). cond: one condition a row.
    generator: `CounterGenerator(7)` gives the same pictures everywhere. Returns x0 of that shape.
    """
    times = uniform_times(steps) if times is None else times
    x = static(shape, denoiser.schedule, times[0], generator, device)
    for state in trajectory(denoiser, x, times, sampler, cond, generator):
        pass
    return state.x
