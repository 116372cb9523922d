"""Checks on the way back, from static to picture: the spread of the fresh noise, the middle of a step, an oracle, how long the first
static is remembered, long steps.

They ask about DDPM's schedule with T = 1000, whose step i adds noise of variance beta_i and leaves alpha_bar_i of the
picture's power.
"""

import torch
from torch import Tensor

from ..random import CounterGenerator, randn
from ..schedules import LinearBetaSchedule
from ._verdict import Wrong, as_numbers, call, check, one_number, same

SCHEDULE = LinearBetaSchedule(num_steps=1000)
STEPS = (1, 2, 50, 300, 700, 1000)                           # step i leads from i to i - 1


def _bars(i: int, j: int) -> tuple[Tensor, Tensor]:
    return SCHEDULE.alpha_bar[i], SCHEDULE.alpha_bar[j]


def _over_steps(function) -> Tensor:
    """The function's numbers at each of STEPS, in one row. It is given (beta_i, alpha_bar_i, alpha_bar_(i-1))."""
    numbers = [as_numbers(function(SCHEDULE.betas[i - 1], *_bars(i, i - 1)), SCHEDULE.betas) for i in STEPS]
    if any(number.ndim for number in numbers):
        raise Wrong("The spread is one number for the whole picture, but your function returned several.")
    return torch.stack(numbers)


@check
def fresh_noise(answer) -> str:
    """A function (beta, bar_t, bar_s) -> the standard deviation of the noise that the step from t to s = t - 1 puts back.

        sqrt(beta (1 - bar_s) / (1 - bar_t)).        Reference: Ho et al. 2020, eq. 7 (beta-tilde is its square)
    """
    same(_over_steps(lambda *numbers: call(answer, *numbers)), _over_steps(lambda b, t, s: torch.sqrt(b * (1 - s) / (1 - t))), {
        "This looks like the variance where the standard deviation belongs: z is multiplied by the square root.":
            _over_steps(lambda b, t, s: b * (1 - s) / (1 - t)),
        "This is sqrt(beta), the noise that the step up added. Ho et al. allow it too, but it is the other choice of their section 3.2: "
        "at the last step, from 1 to 0, it would leave noise on the finished picture.": _over_steps(lambda b, t, s: b.sqrt()),
        "This is beta, the variance that the step up added: the fraction and the square root are missing.": _over_steps(lambda b, t, s: b),
        "The fraction is upside down: (1 - bar_s) over (1 - bar_t) is below 1, since s is the cleaner time.":
            _over_steps(lambda b, t, s: torch.sqrt(b * (1 - t) / (1 - s).clamp(min=1e-12))),
        "You subtracted standard deviations. Variances add and subtract, standard deviations do not.":
            _over_steps(lambda b, t, s: (1 - t).sqrt() - (1 - s).sqrt()),
        "You used bar_s and bar_t themselves, the signal that is left. The formula has 1 - bar, the noise.":
            _over_steps(lambda b, t, s: torch.sqrt(b * s / t)),
        "The square root stands over the fraction only: beta belongs under it too.":
            _over_steps(lambda b, t, s: b * torch.sqrt((1 - s) / (1 - t))),
    }, tolerance=1e-5)
    return "And it is 0 at the last step, from 1 to 0: the finished picture gets no noise."


@check
def step_mean(answer) -> str:
    """A function (x_t, eps, beta, bar_t) -> the middle of the step back, (x_t - beta / sqrt(1 - bar_t) eps) / sqrt(1 - beta).

    Reference: Ho et al. 2020, eq. 11.
    """
    generator = CounterGenerator(2)
    x, eps = (randn((4, 3, 4, 4), generator, dtype=torch.float64) for _ in range(2))

    def at(function) -> Tensor:
        return torch.stack([as_numbers(function(x, eps, SCHEDULE.betas[i - 1], SCHEDULE.alpha_bar[i]), x) for i in (10, 300, 1000)])

    same(at(lambda *a: call(answer, *a)), at(lambda x, e, b, bar: (x - b / (1 - bar).sqrt() * e) / (1 - b).sqrt()), {
        "The sign of eps is wrong: the guessed noise is taken away.": at(lambda x, e, b, bar: (x + b / (1 - bar).sqrt() * e) / (1 - b).sqrt()),
        "The step up turned the picture down by sqrt(1 - beta); nothing turns it up again. Divide by that in the end.":
            at(lambda x, e, b, bar: x - b / (1 - bar).sqrt() * e),
        "You multiply by sqrt(1 - beta). The step up did that already: the step back divides.":
            at(lambda x, e, b, bar: (x - b / (1 - bar).sqrt() * e) * (1 - b).sqrt()),
        "You divide by 1 - beta: its square root belongs there.": at(lambda x, e, b, bar: (x - b / (1 - bar).sqrt() * e) / (1 - b)),
        "sqrt(beta) of the noise is too much: eps is all the noise since the beginning, and this step's share of it is beta / sqrt(1 - bar_t).":
            at(lambda x, e, b, bar: (x - b.sqrt() * e) / (1 - b).sqrt()),
        "beta is divided by 1 - bar_t, the variance of all the noise: its square root, the standard deviation, belongs there.":
            at(lambda x, e, b, bar: (x - b / (1 - bar) * e) / (1 - b).sqrt()),
        "beta has to be divided by sqrt(1 - bar_t), the standard deviation of all the noise.": at(lambda x, e, b, bar: (x - b * e) / (1 - b).sqrt()),
        "You took all of the noise away: this is the guess of x0, the whole way in one jump. The step takes a small share.":
            at(lambda x, e, b, bar: (x - (1 - bar).sqrt() * e) / bar.sqrt()),
        "You took all of the noise away, and turned the picture up for one step only.":
            at(lambda x, e, b, bar: (x - (1 - bar).sqrt() * e) / (1 - b).sqrt()),
    }, tolerance=1e-6)
    return "A small share of the guessed noise away, and the picture turned up a little: eq. 11 of Ho et al."


@check
def oracle(answer) -> str:
    """A function (x_t, x0, bar_t) -> the noise that really is in the current state, (x_t - sqrt(bar_t) x0) / sqrt(1 - bar_t).

    Then it stands in for the network on a walk of 200 steps with fresh noise, which has to end at x0.
    """
    generator = CounterGenerator(3)
    x, x0 = randn((3, 6, 6), generator, dtype=torch.float64), randn((3, 6, 6), generator, dtype=torch.float64).clamp(-1, 1)

    def at(function) -> Tensor:
        return torch.stack([as_numbers(function(x, x0, SCHEDULE.alpha_bar[i]), x) for i in (10, 300, 990)])

    same(at(lambda *a: call(answer, *a)), at(lambda x, x0, bar: (x - bar.sqrt() * x0) / (1 - bar).sqrt()), {
        "The sign is wrong: noise is what x_t has more than the turned-down picture.":
            at(lambda x, x0, bar: (bar.sqrt() * x0 - x) / (1 - bar).sqrt()),
        "x_t does not hold all of x0: at this time it is turned down to sqrt(bar_t) x0.": at(lambda x, x0, bar: (x - x0) / (1 - bar).sqrt()),
        "This is the noise at the strength it has in x_t. eps has spread 1: divide by sqrt(1 - bar_t).": at(lambda x, x0, bar: x - bar.sqrt() * x0),
        "You divide by the variance 1 - bar_t. The standard deviation, its square root, belongs there.":
            at(lambda x, x0, bar: (x - bar.sqrt() * x0) / (1 - bar)),
        "This is the score, the negative noise divided by sqrt(1 - bar_t): eps = -sqrt(1 - bar_t) score.":
            at(lambda x, x0, bar: (bar.sqrt() * x0 - x) / (1 - bar)),
        "bar_t is used as it is: x_t holds sqrt(bar_t) of the picture.": at(lambda x, x0, bar: (x - bar * x0) / (1 - bar).sqrt()),
    }, tolerance=1e-6)
    off = float((_walk(answer, x, x0, generator) - x0).abs().max())
    return f"As the network's stand-in it led static back to the picture it knew; largest error {off:.0e}."


def _walk(ask, x: Tensor, x0: Tensor, generator: CounterGenerator) -> Tensor:
    """The ancestral walk of 200 steps, with `ask` in the network's place."""
    times = list(range(1000, -1, -5))
    for i, j in zip(times, times[1:]):
        bar_t, bar_s = _bars(i, j)
        guess = (x - (1 - bar_t).sqrt() * ask(x, x0, bar_t)) / bar_t.sqrt()
        x = _long_step(x, guess, bar_t, bar_s, randn(x.shape, generator, dtype=x.dtype))
    return x


def _long_step(x: Tensor, x0: Tensor, bar_t: Tensor, bar_s: Tensor, z: Tensor) -> Tensor:
    beta = 1 - bar_t / bar_s                                 # the variance of all steps between s and t together
    mean = (bar_s.sqrt() * beta * x0 + (bar_t / bar_s).sqrt() * (1 - bar_s) * x) / (1 - bar_t)
    return mean + (beta * (1 - bar_s) / (1 - bar_t)).sqrt() * z


@check
def static_forgotten(answer, percent) -> str:
    """The first t, on the walk of a thousand steps from 1000, at which the first static makes less than `percent` % of the noise's loudness.

    A step from t keeps the share 1 - beta / (1 - bar_t) of the noise's variance; its square root, of the loudness.
    Reference: Ho et al. 2020, eq. 7.
    """
    def first(power: float) -> int:
        left = ((1 - SCHEDULE.betas / (1 - SCHEDULE.alpha_bar[1:])) ** power).flip(0).cumprod(0)  # after the steps from 1000, 999, ...
        return 999 - int((left < percent / 100).int().argmax())

    t, given = first(0.5), one_number(answer, "one number, the first t")
    slips = {
        first(1.0): "You multiplied the shares of the variance. Loudness is its square root: multiply (1 - beta / (1 - bar_t)) ** 0.5.",
        1000 - t: "This is the number of steps. After so many steps from 1000, which t is it?",
        t / 1000: "This is the right moment on a clock from 0 to 1. Count it in steps, from 1000 down to 0: times 1000.",
        t + 1: f"One too early: there it is still {percent}% or more. The step from t leads to t - 1.",
        t - 1: "One too late: it was so already one step before.",
    }
    if given in slips:
        raise Wrong(slips[given])
    if given > t:
        raise Wrong(f"At t = {given:g} the first static is still louder than that: later on the walk, at a smaller t.")
    if given < t:
        raise Wrong(f"At t = {given:g} it has been so for a while: earlier on the walk, at a larger t.")
    return f"At t = {t}, with most of the walk still ahead, what it began with makes less than {percent}% of its noise. The rest is fresh."


@check
def long_step(answer) -> str:
    """A function (x_t, x0, bar_t, bar_s, z) -> x_s drawn from q(x_s | x_t, x0), for any s < t, not only the next one.

    Reference: Ho et al. 2020, eq. 6 and 7, with beta = 1 - bar_t / bar_s; Song, Meng and Ermon 2021, eq. 12 and 16 (eta = 1).
    """
    generator = CounterGenerator(4)
    x, x0, z = (randn((3, 6, 6), generator, dtype=torch.float64) for _ in range(3))

    def at(function) -> Tensor:
        return torch.stack([as_numbers(function(x, x0, *_bars(i, j), z), x) for i, j in ((1000, 980), (500, 300), (60, 0))])

    def spread(b, t, s):
        return torch.sqrt(b * (1 - s) / (1 - t))

    def mean(x, x0, t, s):
        return _long_step(x, x0, t, s, torch.zeros_like(x))

    def eps(x, x0, t):
        return (x - t.sqrt() * x0) / (1 - t).sqrt()

    def with_own_beta(x, x0, t, s, z):                       # takes 1 - bar_t for the variance between s and t
        b = 1 - t
        return (s.sqrt() * b * x0 + (1 - b).sqrt() * (1 - s) * x) / (1 - t) + spread(b, t, s) * z

    same(at(lambda *a: call(answer, *a)), at(_long_step), {
        "The middle of the step is right, and the fresh noise z is missing.": at(lambda x, x0, t, s, z: mean(x, x0, t, s)),
        "z is multiplied by the variance. The standard deviation, its square root, belongs there.":
            at(lambda x, x0, t, s, z: mean(x, x0, t, s) + spread(1 - t / s, t, s) ** 2 * z),
        "z comes with sqrt(beta), the noise of the way up, instead of sqrt(beta (1 - bar_s) / (1 - bar_t)).":
            at(lambda x, x0, t, s, z: mean(x, x0, t, s) + (1 - t / s).sqrt() * z),
        "This is DDIM's step: the old noise at its new strength, and no fresh one. Here some of the old goes and fresh noise takes its place.":
            at(lambda x, x0, t, s, z: s.sqrt() * x0 + (1 - s).sqrt() * eps(x, x0, t)),
        "You kept all of the old noise and added the fresh noise on top: together they are louder than time s allows.":
            at(lambda x, x0, t, s, z: s.sqrt() * x0 + (1 - s).sqrt() * eps(x, x0, t) + spread(1 - t / s, t, s) * z),
        "You subtracted standard deviations: variances add, so the old noise keeps sqrt(1 - bar_s - n^2), where n is the spread of the fresh noise.":
            at(lambda x, x0, t, s, z: s.sqrt() * x0 + ((1 - s).sqrt() - spread(1 - t / s, t, s)) * eps(x, x0, t) + spread(1 - t / s, t, s) * z),
        "You noised the guess afresh for time s. That forgets x_t: only the guess of x0 is left of it.":
            at(lambda x, x0, t, s, z: s.sqrt() * x0 + (1 - s).sqrt() * z),
        "The variance between s and t is 1 - bar_t / bar_s. You used 1 - bar_t, which counts from the clean picture on.": at(with_own_beta),
    }, tolerance=1e-6)
    return "One formula for strides of any length: 1,000 steps, 50 or 20 differ only in the numbers that go in."
