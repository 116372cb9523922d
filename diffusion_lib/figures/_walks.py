"""What a figure keeps of a walk back: the model's guesses, and the seed from which the page computes all the rest.

With the guesses of x0 and the first static, DDIM's states follow by formula, so they are not stored: the page draws the
same static from the same seed (random.py has a twin in JavaScript) and takes the same steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm import tqdm

from ..denoisers import Denoiser
from ..process import diffuse
from ..random import CounterGenerator, randn
from ..samplers import DDIM, Ancestral, static, trajectory
from ..schedules import LinearBetaSchedule, uniform_times

T = 1000                                                     # the figures count time in steps of DDPM's schedule
SCHEDULE = LinearBetaSchedule(num_steps=T)


@dataclass(frozen=True)
class Walk:
    """A recorded walk from static to a picture, on the linear-beta schedule with T = 1000.

    caption: what was asked for. seed: of the static. steps: how many the walk took, each T / steps wide. stops: (N,) whole
    numbers in [1, T], falling: the times t at which the model was asked and its answer kept.
    states, guesses, noises: each (N, 3, H, H): x_t, the model's x0, and its eps. result: (3, H, H), the end.
    """

    caption: str
    seed: int
    steps: int
    stops: list[int]
    states: Tensor
    guesses: Tensor
    noises: Tensor
    result: Tensor


def on_the_clock(denoiser: Denoiser) -> Denoiser:
    """The denoiser as figures ask it: on the linear-beta schedule."""
    return denoiser.under(SCHEDULE).eval()


def stops_of(steps: int) -> list[int]:
    """The stops of a walk and its end, T to 0, whole numbers. Raises ValueError unless `steps` divides T."""
    if steps < 1 or T % steps:
        raise ValueError(f"steps is {steps}, but it has to divide {T}, so that every stop is a whole number t")
    return list(range(T, -1, -T // steps))


def record_walks(denoiser: Denoiser, captions: list[str], *, seeds: list[int], cond=None, steps: int = 50, size: int = 32) -> list[Walk]:
    """Walk back from static with DDIM, once for each seed, and keep every guess.

    captions: what each walk was asked for, in words. seeds: of `CounterGenerator`, one a walk. cond: (B, ...), handed to
    the denoiser. steps: a divisor of 1000. size: side of the pictures, in pixels. Raises ValueError where one does not fit.
    """
    if len(captions) != len(seeds):
        raise ValueError(f"there are {len(captions)} captions and {len(seeds)} seeds, but each walk needs one of each")
    stops = stops_of(steps)
    x = torch.cat([static((1, 3, size, size), SCHEDULE, generator=CounterGenerator(seed)) for seed in seeds])
    *states, last = tqdm(trajectory(on_the_clock(denoiser), x, uniform_times(steps), DDIM(), cond), total=steps + 1, desc="walking back")
    columns = (torch.stack(rows, 1) for rows in zip(*((s.x, s.prediction.x0, s.prediction.eps) for s in states)))
    return [Walk(caption, seed, steps, stops[:-1], *row)
            for caption, seed, *row in zip(captions, seeds, *columns, last.x, strict=True)]


class WithAndWithoutNoise(Ancestral):
    """The ancestral sampler on two rows that begin alike: the first gets its fresh noise z, the second gets none."""

    def step(self, state, s, denoise, schedule, noise):
        def half() -> Tensor:
            z = noise()
            z[1:] = 0
            return z

        return super().step(state, s, denoise, schedule, half)


# The steps that a figure keeps of a thousand: every fiftieth, and those at both ends one by one.
KEPT = (1000, 999, 998, *range(950, 0, -50), 20, 10, 5, 3, 2, 1)


def record_ancestral(denoiser: Denoiser, caption: str, *, seed: int, cond: Tensor | None = None, steps: int = T,
                     keep: Sequence[int] = KEPT, size: int = 32) -> tuple[Walk, Walk]:
    """Walk back by the ancestral sampler twice at once, with its fresh noise and without, and keep some of the steps.

    cond: (1, ...) or None. keep: the times t at which the steps to be kept start. Other arguments as in `record_walks`.
    The first static is `seed`'s places 0 to n - 1 (n numbers in a picture), step k's z (k = 0, 1, ...) the n from
    n (1 + 2 k) on. Raises ValueError where the walk starts no step at one of `keep`.
    """
    grid, keep = stops_of(steps), sorted(set(keep), reverse=True)
    if not set(keep) <= set(grid[:-1]):
        raise ValueError(f"keep has {sorted(set(keep) - set(grid[:-1]))}, but {steps} steps start only at multiples of {T // steps} above 0")
    generator = CounterGenerator(seed)
    x = static((1, 3, size, size), SCHEDULE, generator=generator).repeat(2, 1, 1, 1)
    both = None if cond is None else cond.repeat(2, *[1] * (cond.ndim - 1))
    walk = trajectory(on_the_clock(denoiser), x, uniform_times(steps), WithAndWithoutNoise(), both, generator)
    kept = []
    for t, state in zip(grid, tqdm(walk, total=steps + 1, desc="walking back"), strict=True):
        if t in keep:
            kept.append((state.x, state.prediction.x0, state.prediction.eps))
    columns = (torch.stack(rows, 1) for rows in zip(*kept))
    with_z, without = (Walk(caption, seed, steps, keep, *row) for row in zip(*columns, state.x, strict=True))
    return with_z, without


def record_guesses(denoiser: Denoiser, x0: Tensor, caption: str, *, seed: int, cond=None, steps: int = 50) -> Walk:
    """Not a walk but its way up: the same static is laid over x0 in `steps` + 1 strengths, and the model guesses x0 from each.

    x0: (3, H, H), in [-1, 1]. Other arguments as in `record_walks`. The last stop is t = 1.
    """
    stops = [*stops_of(steps)[:-1], 1]
    eps = randn((1, *x0.shape), CounterGenerator(seed))
    ask = on_the_clock(denoiser)
    rows = []
    for t in tqdm(stops, desc="guessing"):
        x_t = diffuse(x0[None], eps, t / T, SCHEDULE)
        with torch.no_grad():
            belief = ask(x_t, torch.tensor(t / T), cond)
        rows.append((x_t, belief.x0, belief.eps))
    states, guesses, noises = (torch.cat(column) for column in zip(*rows))
    return Walk(caption, seed, steps, stops, states, guesses, noises, result=x0)
