"""Checks whose right answer depends on a number that the exercise gives: dice on squared paper, and how long a walk remembers its static."""

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


SLIPS = [
    (noising.rounds_of_dice, 12, "One round too few: then 11.2%"),
    (noising.rounds_of_dice, 14, "One round too many"),
    (noising.rounds_of_dice, 27, "changed their colour"),
    (noising.rounds_of_dice, 6, "of *all* squares"),
    (noising.rounds_of_dice, 12.6, "counted whole"),
    (noising.rounds_of_dice, 3, "Too few: after 3 rounds 57.9%"),
    (noising.rounds_of_dice, 40, "already before round 40"),
    (noising.rounds_of_dice, [13, 14], "one number of rounds"),
    (noising.rounds_of_dice, "many", "needs numbers"),
    (walking_back.static_forgotten, 988, "shares of the variance"),
    (walking_back.static_forgotten, 23, "number of steps"),
    (walking_back.static_forgotten, 0.977, "clock from 0 to 1"),
    (walking_back.static_forgotten, 978, "One too early"),
    (walking_back.static_forgotten, 976, "One too late"),
    (walking_back.static_forgotten, 999, "still louder"),
    (walking_back.static_forgotten, 500, "for a while"),
    (walking_back.static_forgotten, [977, 976], "one number, the first t"),
]


@pytest.mark.parametrize("check, answer, words", SLIPS, ids=[f"{c.__name__}-{w}" for c, _, w in SLIPS])
def test_slips_are_called_by_name(check, answer, words):
    verdict = check(answer, {noising.rounds_of_dice: 10, walking_back.static_forgotten: 80}[check])
    assert verdict.passed is False and words in verdict.message, repr(verdict)


@pytest.mark.parametrize("check", [noising.rounds_of_dice, walking_back.static_forgotten])
def test_an_untouched_answer_stays_calm(check):
    assert check(None, 10).passed is None
