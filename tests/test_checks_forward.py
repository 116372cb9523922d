"""The checks of the chapter on the way down: right answers pass for every given number, and each anticipated slip gets its own words."""

import inspect

import pytest
import torch

import diffusion_lib as dl
from diffusion_lib.checks import forward
from checking import EveryCheck

GIVEN = {forward.last_beta: (250,), forward.straight_in_log_snr: (8,)}


def shares(betas):
    return torch.cat([torch.ones(1, dtype=betas.dtype), (1 - betas).cumprod(0)])


def searched(steps):
    """The answer by trial: the first of many candidates that leaves no more than the thousand steps do."""
    target = dl.LinearBetaSchedule().alpha_bar[-1]
    return next(end for k in range(400, 19_800) if (1 - torch.linspace(1e-4, end := k / 20_000, steps, dtype=torch.float64)).prod() <= target)


def straight(ends, power=0.5, factor=1.0):
    def answer(t):
        alpha2 = torch.sigmoid(torch.tensor(factor * ends * (1 - 2 * t), dtype=torch.float64))
        return alpha2**power, (1 - alpha2) ** power
    return answer


SOLUTIONS = {
    forward.little_step: lambda x, b, z: (1 - b) ** 0.5 * x + b**0.5 * z,
    forward.shares_left: shares,
    forward.last_beta: searched(250),
    forward.straight_in_log_snr: straight(8),
}


def test_every_check_is_tested():
    assert {c for _, c in inspect.getmembers(forward, inspect.isfunction) if hasattr(c, "__wrapped__")} == set(SOLUTIONS)


@pytest.mark.parametrize("steps", [100, 150, 200, 250, 400, 500])
def test_last_beta_is_that_of_its_given_number(steps):
    """Found by search here, by bisection there; last year's number does not pass, and the simple rescaling is told apart."""
    right = searched(steps)
    assert forward.last_beta(right, steps).passed
    assert dl.LinearBetaSchedule(steps, 1e-4, right).alpha_bar[-1] == pytest.approx(float(dl.LinearBetaSchedule().alpha_bar[-1]), rel=0.02)
    others = [searched(other) for other in (100, 250, 500) if other != steps]
    assert not any(forward.last_beta(other, steps).passed for other in others)
    assert "close" in forward.last_beta(20 / steps, steps).message


@pytest.mark.parametrize("ends", [6, 8, 10, 12])
def test_straight_line_is_that_of_its_given_number(ends):
    assert forward.straight_in_log_snr(straight(ends), ends).passed
    assert forward.straight_in_log_snr(straight(ends + 2), ends).passed is False


def cat(*parts):
    return torch.cat([torch.as_tensor(p, dtype=torch.float64) for p in parts])


SLIPS = [
    (forward.little_step, lambda x, b, z: x + b**0.5 * z, "not turned down"),
    (forward.little_step, lambda x, b, z: (1 - b) * x + b * z, "square roots are missing"),
    (forward.little_step, lambda x, b, z: (1 - b) * x + b**0.5 * z, "the picture does not"),
    (forward.little_step, lambda x, b, z: (1 - b) ** 0.5 * x + b * z, "the static does not"),
    (forward.little_step, lambda x, b, z: (1 - b**2) ** 0.5 * x + b * z, "standard deviation"),
    (forward.little_step, lambda x, b, z: (1 - b**0.5) * x + b**0.5 * z, "Amplitudes"),
    (forward.little_step, lambda x, b, z: b**0.5 * x + (1 - b) ** 0.5 * z, "changed places"),
    (forward.little_step, lambda x, b, z: (1 - b) ** 0.5 * x - b**0.5 * z, "took static away"),
    (forward.little_step, lambda x, b, z: (1 - b) ** 0.5 * x, "no static comes in"),
    (forward.little_step, lambda x, b, z: 2 * ((1 - b) ** 0.5 * x + b**0.5 * z), "2 times"),
    (forward.shares_left, lambda b: (1 - b).cumprod(0), "alpha_bar_0 = 1"),
    (forward.shares_left, lambda b: cat([1], (1 - b)[:-1].cumprod(0)), "T + 1 shares"),
    (forward.shares_left, lambda b: cat([1], 1 - b.cumsum(0)), "This is a sum."),
    (forward.shares_left, lambda b: cat([1], (1 - b).cumsum(0)), "sum of what is kept"),
    (forward.shares_left, lambda b: cat([1], b.cumprod(0)), "product of the betas"),
    (forward.shares_left, lambda b: shares(b).sqrt(), "no root"),
    (forward.shares_left, lambda b: 1 - shares(b), "sigma squared"),
    (forward.shares_left, lambda b: shares(b**2), "took beta for a standard deviation"),
    (forward.shares_left, lambda b: cat([1], 1 - b), "factors of the single steps"),
    (forward.shares_left, lambda b: shares(b).flip(0), "turned around"),
    (forward.shares_left, lambda b: shares(b)[:3], "The shape is"),
    (forward.last_beta, 0.02, "old value"),
    (forward.last_beta, 0.08, "close, and the first thing"),
    (forward.last_beta, searched(250) ** 0.5, "square root of the right number"),
    (forward.last_beta, 0.05, "too gentle"),
    (forward.last_beta, 0.12, "too strong"),
    (forward.last_beta, 20, "between 0 and 1"),
    (forward.last_beta, [0.07, 0.08], "one number"),
    (forward.straight_in_log_snr, straight(8, power=1), "square roots are missing"),
    (forward.straight_in_log_snr, lambda t: straight(8)(t)[::-1], "changed places"),
    (forward.straight_in_log_snr, straight(8, factor=2), "twice that"),
    (forward.straight_in_log_snr, straight(8, factor=0.5), "half as fast"),
    (forward.straight_in_log_snr, straight(8, factor=2.302585093), "powers of ten"),
    (forward.straight_in_log_snr, lambda t: (1.0, float(torch.exp(torch.tensor(-4 * (1 - 2 * t))))), "unshrunk"),
    (forward.straight_in_log_snr, straight(4, power=1), "alpha + sigma = 1"),
    (forward.straight_in_log_snr, lambda t: straight(8)(t)[0], "return alpha, sigma"),
]


class TestChecks(EveryCheck):
    solutions, given, slips = SOLUTIONS, GIVEN, SLIPS

    def test_words_are_asked_for_numbers(self, function_check):
        assert "needs" in self.ask(function_check, lambda *arguments: "a word").message


def test_a_stub_of_two_parts_stays_calm():
    assert forward.straight_in_log_snr(lambda t: (None, None), 8).passed is None
