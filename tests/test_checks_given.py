"""Checks whose right answer depends on a number that the exercise gives: dice on squared paper, and how long a walk remembers its static.

Their slips stand in tests/test_checks.py.
"""

import pytest
import torch

import diffusion_lib as dl
from diffusion_lib.checks import noising, walking_back

SCHEDULE = dl.LinearBetaSchedule()


def rolled(percent):
    """The answer by rolling many dice."""
    luck, untouched, rounds = dl.CounterGenerator(5), torch.ones(400_000, dtype=torch.bool), 0
    while untouched.float().mean() >= percent / 100:
        untouched &= dl.rand((400_000,), luck) >= 1 / 6
        rounds += 1
    return rounds


def walked(percent):
    """The answer by walking: variances of the first and the fresh noise, step by step, as the sampler mixes them."""
    first, bar = 1 - SCHEDULE.alpha_bar[1000], SCHEDULE.alpha_bar
    for t in range(1000, 0, -1):
        fresh = (1 - bar[t - 1]) / (1 - bar[t]) * (1 - bar[t] / bar[t - 1])
        first = first * (1 - bar[t - 1] - fresh) / (1 - bar[t])
        if (first / (1 - bar[t - 1])) ** 0.5 < percent / 100:
            return t - 1


@pytest.mark.parametrize("percent", [5, 10, 20, 25, 30])
def test_rounds_of_dice_are_as_many_as_rolling_them_takes(percent):
    assert noising.rounds_of_dice(rolled(percent), percent).passed


@pytest.mark.parametrize("percent", [25, 40, 50, 60, 75])
def test_the_first_static_is_forgotten_when_the_sum_of_the_noises_says_so(percent):
    assert walking_back.static_forgotten(walked(percent), percent).passed
