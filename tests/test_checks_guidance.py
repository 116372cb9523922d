"""The checks of the chapter on guidance: right answers pass for every given number, and each anticipated slip gets its own words."""

import functools
import inspect
import math

import pytest
import torch

from diffusion_lib.checks import guidance
from checking import EveryCheck

GIVEN = {guidance.our_scale: (6.5,), guidance.scale_that_keeps: (90,)}


def std(x):
    return x.std((1, 2, 3), keepdim=True)


@functools.cache
def kept() -> dict[float, float]:
    """Scale -> per cent of the spread that guided rabbits keep, in steps of 0.1: without schedule, denoiser and sampler of the library.

    In y = x / alpha and s = sigma / alpha a walk is dy/ds = (y - guess) / s, whatever the schedule; here RK4 in log s, from s = 10,000 on.
    """
    scales = torch.arange(10, 40, dtype=torch.float64)[:, None] / 10
    y = 1e4 * torch.special.ndtri((torch.arange(401, dtype=torch.float64) + 0.5) / 401).repeat(len(scales), 1)

    def slope(y, log_s):
        variance = 0.25 + math.exp(2 * log_s)                # of mice (mean -1) and of rabbits (mean 1) under the static
        rabbit, mouse = ((0.25 * y + math.exp(2 * log_s) * mean) / variance for mean in (1, -1))
        nothing = mouse + torch.sigmoid(2 * y / variance) * (rabbit - mouse)
        return y - nothing - scales * (rabbit - nothing)

    step = math.log(1e-3 / 1e4) / 400
    for log_s in (math.log(1e4) + step * k for k in range(400)):
        a = slope(y, log_s)
        b = slope(y + step / 2 * a, log_s + step / 2)
        c = slope(y + step / 2 * b, log_s + step / 2)
        y = y + step / 6 * (a + 2 * b + 2 * c + slope(y + step * c, log_s + step))
    spreads = y.std(1)
    return dict(zip((scales[1:, 0]).tolist(), (100 * spreads[1:] / spreads[0]).tolist()))


def found(keep: float) -> float:
    """The right scale by trial."""
    return min(kept(), key=lambda scale: abs(kept()[scale] - keep))


SOLUTIONS = {
    guidance.two_wishes: lambda n, f, s, w: n + w * (f - n) + w * (s - n),
    guidance.our_scale: 7.5,
    guidance.scale_that_keeps: 1.2,
    guidance.classifier_in_eps: lambda e, g, s, w: e - w * s * g,
    guidance.cooled: lambda g, s, f: f * g * std(s) / std(g) + (1 - f) * g,
}


def test_every_check_is_tested():
    assert {c for _, c in inspect.getmembers(guidance, inspect.isfunction) if hasattr(c, "__wrapped__")} - {guidance.call} == set(SOLUTIONS)


@pytest.mark.parametrize("paper", [0.5, 2, 4, 6.5])
def test_our_scale_is_that_of_its_given_number(paper):
    assert guidance.our_scale(paper + 1, paper).passed
    assert not any(guidance.our_scale(other + 1, paper).passed for other in (0.5, 2, 4, 6.5) if other != paper)


@pytest.mark.parametrize("keep", [60, 70, 80, 90])
def test_scale_is_that_of_its_given_number(keep):
    """Last year's number does not pass."""
    assert guidance.scale_that_keeps(found(keep), keep).passed
    assert not any(guidance.scale_that_keeps(found(other), keep).passed for other in (60, 70, 80, 90) if other != keep)


SLIPS = [
    (guidance.two_wishes, lambda n, f, s, w: 2 * n + w * (f - n) + w * (s - n), "comes in twice"),
    (guidance.two_wishes, lambda n, f, s, w: n + w * ((f + s) / 2 - n), "counts half"),
    (guidance.two_wishes, lambda n, f, s, w: f + w * (s - f), "from the first wish towards the second"),
    (guidance.two_wishes, lambda n, f, s, w: s + w * (f - s), "as in a negative prompt"),
    (guidance.two_wishes, lambda n, f, s, w: n + w * f + w * s, "without taking off"),
    (guidance.two_wishes, lambda n, f, s, w: w * (f - n) + w * (s - n), "missing at the beginning"),
    (guidance.two_wishes, lambda n, f, s, w: n + w * (f - n) - w * (s - n), "walk away from it"),
    (guidance.two_wishes, lambda n, f, s, w: n + (f - n) + w * (s - n), "The first wish is not turned up"),
    (guidance.two_wishes, lambda n, f, s, w: n + w * (f - n) + (s - n), "The second wish is not turned up"),
    (guidance.our_scale, 6.5, "That is their number"),
    (guidance.our_scale, 5.5, "the other way"),
    (guidance.our_scale, 3.0, "compare the weights"),
    (guidance.our_scale, [7.5, 7.5], "one number"),
    (guidance.scale_that_keeps, 0.8, "has to lie above 1"),
    (guidance.scale_that_keeps, 8.0, "less than that"),
    (guidance.scale_that_keeps, 1.03, "more than that"),
    (guidance.scale_that_keeps, 4.0, "sharpened density"),
    (guidance.scale_that_keeps, 1.09, "variance is KEEP per cent"),
    (guidance.classifier_in_eps, lambda e, g, s, w: e + w * s * g, "is taken from eps"),
    (guidance.classifier_in_eps, lambda e, g, s, w: e - w * g, "added to the score; eps is"),
    (guidance.classifier_in_eps, lambda e, g, s, w: e + w * g, "and the sign is wrong"),
    (guidance.classifier_in_eps, lambda e, g, s, w: e - w * s**2 * g, "sigma squared"),
    (guidance.classifier_in_eps, lambda e, g, s, w: e - w / s * g, "divided by sigma"),
    (guidance.classifier_in_eps, lambda e, g, s, w: e - s * g, "w is missing"),
    (guidance.classifier_in_eps, lambda e, g, s, w: -e / s + w * g, "guided score"),
    (guidance.classifier_in_eps, lambda e, g, s, w: w * (e - s * g), "turned eps itself up"),
    (guidance.cooled, lambda g, s, f: f * g * std(g) / std(s) + (1 - f) * g, "ratio is turned round"),
    (guidance.cooled, lambda g, s, f: f * g * s.std() / g.std() + (1 - f) * g, "whole batch"),
    (guidance.cooled, lambda g, s, f: f * g * s.std((2, 3), keepdim=True) / g.std((2, 3), keepdim=True) + (1 - f) * g, "for each channel"),
    (guidance.cooled, lambda g, s, f: f * g * std(s) / std(g) + (1 - f) * s, "mixed with the guess for the wish"),
    (guidance.cooled, lambda g, s, f: (1 - f) * g * std(s) / std(g) + f * g, "the other way round"),
    (guidance.cooled, lambda g, s, f: g * std(s) / std(g), "cooled guess alone"),
    (guidance.cooled, lambda g, s, f: f * g * (std(s) / std(g)) ** 2 + (1 - f) * g, "used the variance"),
]


class TestChecks(EveryCheck):
    solutions, given, slips = SOLUTIONS, GIVEN, SLIPS

    def test_words_are_asked_for_numbers(self, function_check):
        assert "needs" in self.ask(function_check, lambda *arguments: "a word").message
