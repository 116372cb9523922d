"""Checks on training: the averaged weights and how long they remember, gradients that are no longer than allowed, the floor of the loss."""

import math

import torch
from torch import Tensor

from ..oracles import EmpiricalDenoiser
from ..process import diffuse
from ..random import CounterGenerator, randn
from ..schedules import RectifiedFlowSchedule
from ._verdict import NotAttempted, Wrong, as_numbers, call, check, one_number, same


@check
def average_step(answer) -> str:
    """A function (mean, weight, d) -> d mean + (1 - d) weight. Reference: Ho et al. 2020, appendix B."""
    generator = CounterGenerator(1)
    mean, weight = (randn((3, 4), generator, dtype=torch.float64) for _ in range(2))

    def at(function) -> Tensor:
        return torch.stack([as_numbers(function(mean, weight, d), mean) for d in (0.9, 0.3, 0.0)])

    same(at(lambda *a: call(answer, *a)), at(lambda m, w, d: d * m + (1 - d) * w), {
        "d and 1 - d have changed places: with d near 1 the average moves slowly, it keeps d of itself.": at(lambda m, w, d: (1 - d) * m + d * w),
        "The new weight comes in at full strength: it gets the share 1 - d, so that the shares add up to 1.": at(lambda m, w, d: d * m + w),
        "The old average keeps all of itself: its share is d.": at(lambda m, w, d: m + (1 - d) * w),
        "The average never moves: the new weight is missing.": at(lambda m, w, d: m),
        "This is the new weight, and nothing is left of the average.": at(lambda m, w, d: w),
        "This is the plain mean of the two, whatever d is.": at(lambda m, w, d: (m + w) / 2),
        "The new weight's share is missing its factor: you keep d of the average and nothing comes in.": at(lambda m, w, d: d * m),
        "The average moves away from the weight: the step is (1 - d) (weight - mean).": at(lambda m, w, d: m - (1 - d) * (w - m)),
    }, tolerance=1e-9)
    return "A share d stays, a share 1 - d is new, and nothing else happens in an update."


@check
def memory_of_average(answer, decay: float) -> str:
    """The smallest whole number n of updates with decay^n < 1/2. decay: in (0, 1), as the exercise gives it."""
    right = math.floor(math.log(0.5) / math.log(decay)) + 1
    n = one_number(answer)
    if n == right:
        return f"After {right:,} updates the random weights are down to half; after {2 * right:,} a quarter of them is still there."
    for what_is_wrong, value in {
        "One too few: there the share is still one half or more.": right - 1,
        "One too many: it was below one half an update earlier.": right + 1,
        "This is 1 / (1 - d), the time after which 1/e = 37 % is left. Asked for is the half.": round(1 / (1 - decay)),
        "This is 1 / (1 - d) / 2. Forgetting is not a straight line: d multiplies again and again.": round(0.5 / (1 - decay)),
        "Here a quarter is left: it is the half life, twice.": 2 * right,
    }.items():
        if n == value:
            raise Wrong(what_is_wrong)
    if n != round(n) or n < 1:
        raise Wrong("Updates are counted in whole numbers, from 1 on.")
    raise Wrong(f"After {int(n):,} updates the share is {decay**n:.3g}. " + ("That is still too much: it takes longer." if n < right else
                "It was below one half long before."))


@check
def clipping(answer) -> str:
    """A function (gradients, longest) -> the same list of tensors, all of them together no longer than `longest`.

    g min(1, longest / |g|), |g|^2 the sum of all squares. Reference: Pascanu, Mikolov and Bengio 2013, algorithm 1.
    """
    generator = CounterGenerator(2)
    shapes, cases = ((2, 3), (4,), (3, 1)), []
    for length in (5.0, 0.4):                                # one list that is too long, one that is short enough
        raw = [randn(shape, generator, dtype=torch.float64) for shape in shapes]
        cases.append([g * length / _together(raw) for g in raw])
    longest = 0.8

    def at(function) -> Tensor:
        return torch.cat([_flat(function([g.clone() for g in gradients], longest), gradients) for gradients in cases])

    def right(gradients, longest):
        return [g * min(1.0, longest / float(_together(gradients))) for g in gradients]

    same(at(lambda *a: call(answer, *a)), at(right), {
        "Nothing is shortened: the first list is longer than allowed.": at(lambda gs, m: gs),
        "Short gradients have become longer: a gradient that is short enough stays as it is.": at(lambda gs, m: [g * m / _together(gs) for g in gs]),
        "Each number is cut off by itself. That changes the direction: one factor for all keeps it.": at(lambda gs, m: [g.clamp(-m, m) for g in gs]),
        "Each layer is shortened by itself. That changes the direction: the length is that of all of them together, and so is the factor.":
            at(lambda gs, m: [g * min(1.0, m / float(g.norm())) for g in gs]),
        "You divide by the square of the length: the root is missing.": at(lambda gs, m: [g * min(1.0, m / float(_together(gs)) ** 2) for g in gs]),
        "The length is not the sum of the layers' lengths: squares add up, lengths do not.":
            at(lambda gs, m: [g * min(1.0, m / sum(float(h.norm()) for h in gs)) for g in gs]),
        "Too long gradients come out with length 1 instead of `longest`.":
            at(lambda gs, m: [g / _together(gs) if _together(gs) > m else g for g in gs]),
        "Too long gradients are thrown away. Their direction is still good: shorten them.":
            at(lambda gs, m: [g * 0 if _together(gs) > m else g for g in gs]),
    }, tolerance=1e-6)                                       # PyTorch divides by the length + 1e-6
    return "One factor for all layers: the direction stays, only the step becomes shorter."


def _together(gradients: list[Tensor]) -> Tensor:
    return torch.stack([g.square().sum() for g in gradients]).sum().sqrt()


def _flat(given, like: list[Tensor]) -> Tensor:
    """A list of tensors as one row. Raises Wrong where it is no list of these shapes."""
    if given is None or given is ...:
        raise NotAttempted
    if not isinstance(given, list | tuple) or len(given) != len(like):
        raise Wrong(f"The check needs a list of {len(like)} tensors, one for each layer, as it was given.")
    rows = [as_numbers(g, h) for g, h in zip(given, like)]
    for row, h in zip(rows, like):
        if row.shape != h.shape:
            raise Wrong(f"The shape of one gradient is {tuple(row.shape)}, but it has to stay {tuple(h.shape)}.")
    return torch.cat([row.flatten() for row in rows])


@check
def floor(answer) -> str:
    """A function (weights (B, N), data (N, D), t) -> the floor of the loss at time t of the straight path, one number.

    1 / t^2 times the mean over B and D of sum_i w_i d_i^2 - (sum_i w_i d_i)^2.
    """
    generator = CounterGenerator(3)
    data = randn((5, 6), generator, dtype=torch.float64)
    schedule = RectifiedFlowSchedule()

    def at(function) -> Tensor:
        numbers = []
        for t in (0.8, 0.95):
            x_t = diffuse(data[:4], randn((4, 6), CounterGenerator(4), dtype=torch.float64), t, schedule)
            number = as_numbers(function(EmpiricalDenoiser(data, schedule).weights(x_t, t), data, t), data)
            if number.ndim:
                raise Wrong("The floor is one number: the mean over all questions and all D numbers of a picture.")
            numbers.append(number)
        return torch.stack(numbers)

    def spread(w, d):
        return w @ d.square() - (w @ d).square()

    same(at(lambda *a: call(answer, *a)), at(lambda w, d, t: spread(w, d).mean() / t**2), {
        "The factor is missing: the target is off by the picture's error divided by t, so the square is divided by t squared.":
            at(lambda w, d, t: spread(w, d).mean()),
        "You divide by t: its square belongs there, for the loss is a square.": at(lambda w, d, t: spread(w, d).mean() / t),
        "You multiply by t squared: (det / sigma) squared is 1 / t squared.": at(lambda w, d, t: spread(w, d).mean() * t**2),
        "This is the sum over the D numbers of a picture: the loss is their mean.": at(lambda w, d, t: spread(w, d).sum(1).mean() / t**2),
        "This is the spread of all pictures of the world, as if nothing had been seen: weigh them with `weights`.":
            at(lambda w, d, t: d.var(0, correction=0).mean() / t**2),
        "The square of the mean is not taken off: the spread is the mean of the squares minus the square of the mean.":
            at(lambda w, d, t: (w @ d.square()).mean() / t**2),
        "You averaged over the questions first. Each question has a mean and a spread of its own; average the spreads.":
            at(lambda w, d, t: spread(w.mean(0, keepdim=True), d).mean() / t**2),
        "This is the standard deviation: the loss is a square.": at(lambda w, d, t: spread(w, d).clamp(min=0).sqrt().mean() / t),
    }, tolerance=1e-9)
    return "What is left of the doubt after looking: no network can take that away."
