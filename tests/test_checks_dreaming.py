"""The checks of the chapter on the magic eraser: right answers pass, each anticipated slip gets its own words, other numbers other answers."""

import inspect

import pytest
import torch

from diffusion_lib.checks import dreaming
from diffusion_lib.realism import most_alike
from checking import EveryCheck

GIVEN = {dreaming.static_left: (10,), dreaming.said_aloud: (60,)}


def nearest(picture, archive):
    return int((archive - picture).square().mean((1, 2, 3)).argmin())


def says(shares, names, sure=0.6):
    return names[shares.index(max(shares))] if max(shares) >= sure else "nothing yet"


SOLUTIONS = {
    dreaming.static_left: 80,
    dreaming.small_step: lambda sheet, guess, to_go: sheet + (guess - sheet) / to_go,
    dreaming.scratched: lambda before, after, rubbed: torch.where(rubbed, after, before),
    dreaming.said_aloud: says,
    dreaming.most_alike: nearest,
}


def test_every_check_is_tested():
    assert {c for _, c in inspect.getmembers(dreaming, inspect.isfunction) if hasattr(c, "__wrapped__")} - {dreaming.call} == set(SOLUTIONS)


@pytest.mark.parametrize("done", [10, 15, 20, 30, 40])
def test_what_is_left_is_found_by_walking(done):
    """Against a walk with no guess at all; last year's number does not pass."""
    left = 100.0
    for to_go in range(50, 50 - done, -1):
        left -= left / to_go
    assert dreaming.static_left(left, done).passed
    assert not any(dreaming.static_left(left, other).passed for other in (10, 15, 20, 30, 40) if other != done)


@pytest.mark.parametrize("sure", [60, 70, 80, 90])
def test_a_narrator_is_as_sure_as_is_asked(sure):
    def passes(told):
        return dreaming.said_aloud(lambda shares, names: says(shares, names, told / 100), sure).passed

    assert passes(sure) and not any(passes(other) for other in (60, 70, 80, 90) if other != sure)


def test_answers_in_other_forms_are_right_too():
    assert dreaming.small_step(lambda sheet, guess, to_go: sheet * (1 - 1 / to_go) + guess / to_go).passed
    assert dreaming.scratched(lambda before, after, rubbed: before * ~rubbed + after * rubbed).passed
    assert dreaming.most_alike(lambda picture, archive: (archive - picture).abs().mean((1, 2, 3)).argmin()).passed
    assert dreaming.most_alike(lambda picture, archive: most_alike(picture[None], archive).index[0, 0]).passed, "the library's own, at half size"


SLIPS = [
    (dreaming.static_left, 0.8, "per cent: times 100"),
    (dreaming.static_left, 20, "how much is gone"),
    (dreaming.static_left, 40, "number of steps that are to go"),
    (dreaming.static_left, 100 * 0.98**10, "what was left each time"),
    (dreaming.static_left, 78, "One step too many"),
    (dreaming.static_left, 82, "One step too few"),
    (dreaming.static_left, 95, "Less than 95"),
    (dreaming.static_left, 3, "More than 3"),
    (dreaming.static_left, [80, 80], "one number"),
    (dreaming.small_step, lambda s, g, k: g, "average"),
    (dreaming.small_step, lambda s, g, k: s - (g - s) / k, "moves away"),
    (dreaming.small_step, lambda s, g, k: s + g / k, "keeps all its static"),
    (dreaming.small_step, lambda s, g, k: s + (g - s) / 50, "never arrives"),
    (dreaming.small_step, lambda s, g, k: g + (s - g) / k, "changed places"),
    (dreaming.small_step, lambda s, g, k: s * (1 - 1 / k), "nothing would ever appear"),
    (dreaming.small_step, lambda s, g, k: (s + g) / 2, "whatever to_go says"),
    (dreaming.small_step, lambda s, g, k: (g - s) / k, "Add it to the sheet"),
    (dreaming.small_step, lambda s, g, k: s + (g - s) / (k + 1), "One step too slow"),
    (dreaming.scratched, lambda b, a, m: torch.where(m, b, a), "other way round"),
    (dreaming.scratched, lambda b, a, m: a + 0, "whole sheet has moved"),
    (dreaming.scratched, lambda b, a, m: b + 0, "Nothing has moved"),
    (dreaming.scratched, lambda b, a, m: a * m, "which is grey"),
    (dreaming.scratched, lambda b, a, m: b * ~m, "the new sheet belongs there"),
    (dreaming.scratched, lambda b, a, m: b + a * m, "on top of each other"),
    (dreaming.scratched, lambda b, a, m: torch.where(m.T, a, b), "rows for columns"),
    (dreaming.said_aloud, lambda s, n: says(s, n, 60), "to everything"),
    (dreaming.said_aloud, lambda s, n: says(s, n, 0), "always names something"),
    (dreaming.said_aloud, lambda s, n: n[s.index(min(s))] if max(s) >= 0.6 else "nothing yet", "believes least"),
    (dreaming.said_aloud, lambda s, n: n[s.index(max(s))] if max(s) > 0.6 else "nothing yet", "takes the edge in"),
    (dreaming.said_aloud, lambda s, n: says(s, n, 0.5), "60 % needed"),
    (dreaming.said_aloud, lambda s, n: s.index(max(s)), "which name stands"),
    (dreaming.said_aloud, lambda s, n: torch.tensor(s) >= 0.6, "several numbers"),
    (dreaming.said_aloud, lambda s, n: [says(s, n)], "got list"),
    (dreaming.most_alike, lambda p, a: (a - p).mean((1, 2, 3)).abs().argmin(), "cancel"),
    (dreaming.most_alike, lambda p, a: (a - p).mean((2, 3)).abs().sum(1).argmin(), "on average"),
    (dreaming.most_alike, lambda p, a: (a - p).square().mean((1, 2, 3)).argmax(), "least alike"),
    (dreaming.most_alike, lambda p, a: (a - p).abs().amax((1, 2, 3)).argmin(), "largest single"),
    (dreaming.most_alike, lambda p, a: (a - p).mean((1, 2, 3)).argmin(), "signed"),
    (dreaming.most_alike, lambda p, a: (a - p).square().mean((1, 2, 3)).min(), "place of a picture"),
    (dreaming.most_alike, lambda p, a: 4, "right once"),
]


class TestChecks(EveryCheck):
    solutions, given, slips = SOLUTIONS, GIVEN, SLIPS
