"""The checks on training: right answers pass, each anticipated slip gets its own words, stubs stay calm."""

import pytest
import torch

from diffusion_lib.checks import CheckFailed, training
from diffusion_lib.checks._verdict import STRICT
from checking import unsaid

DECAYS = (0.995, 0.998, 0.9985, 0.999, 0.9995)               # the variants of the exercise


def clipped(gradients, longest):
    length = sum(g.square().sum() for g in gradients) ** 0.5
    return [g * min(1.0, longest / float(length)) for g in gradients]


def norm(gradients):
    return float(torch.cat([g.flatten() for g in gradients]).norm())


def spread(weights, data):
    return weights @ data.square() - (weights @ data).square()


def half_life(decay):
    """By a loop; the check calculates."""
    share, n = 1.0, 0
    while share >= 0.5:
        share, n = share * decay, n + 1
    return n


SOLUTIONS = {
    training.average_step: lambda mean, weight, d: d * mean + (1 - d) * weight,
    training.clipping: clipped,
    training.floor: lambda weights, data, t: spread(weights, data).mean() / t**2,
}


def test_torchs_own_clipping_is_right_too():
    """It divides by the length + 1e-6."""
    assert training.clipping(lambda gs, m: [g * min(1.0, m / (norm(gs) + 1e-6)) for g in gs]).passed


@pytest.mark.parametrize("check", SOLUTIONS, ids=lambda c: c.__name__)
def test_right_answers_pass_and_stubs_stay_calm(check):
    assert check(SOLUTIONS[check]).passed
    for stub in (None, ..., lambda *arguments: None):
        assert check(stub).passed is None
    assert "needs the function itself" in check(7).message
    assert "TypeError" in check(lambda: 1).message


@pytest.mark.parametrize("decay", DECAYS)
def test_memory_knows_the_answer_of_every_variant(decay):
    assert training.memory_of_average(half_life(decay), decay).passed
    assert training.memory_of_average(None, decay).passed is None
    others = [half_life(other) for other in DECAYS if other != decay]
    assert not any(training.memory_of_average(n, decay).passed for n in others)


def test_grading_lets_nothing_else_through(monkeypatch):
    monkeypatch.setenv(STRICT[0], "1")
    for check in SOLUTIONS:
        with pytest.raises(CheckFailed):
            check(None)
    with pytest.raises(CheckFailed):
        training.memory_of_average(692, 0.999)


MEMORIES = [
    (692, "One too few"), (694, "One too many"), (1000, "37 %"), (500, "not a straight line"), (1386, "a quarter"), (2.5, "whole numbers"),
    (-3, "whole numbers"), (100, "takes longer"), (5000, "long before"), ([693, 1], "several"), ("many", "needs numbers"), (float("nan"), "whole numbers")]


@pytest.mark.parametrize("n, words", MEMORIES)
def test_memory_slips(n, words):
    verdict = training.memory_of_average(n, 0.999)
    assert verdict.passed is False and words in verdict.message, repr(verdict)


SLIPS = [
    (training.average_step, lambda m, w, d: (1 - d) * m + d * w, "changed places"),
    (training.average_step, lambda m, w, d: d * m + w, "full strength"),
    (training.average_step, lambda m, w, d: m + (1 - d) * w, "keeps all of itself"),
    (training.average_step, lambda m, w, d: m, "never moves"),
    (training.average_step, lambda m, w, d: w, "nothing is left of the average"),
    (training.average_step, lambda m, w, d: (m + w) / 2, "plain mean"),
    (training.average_step, lambda m, w, d: d * m, "nothing comes in"),
    (training.average_step, lambda m, w, d: m - (1 - d) * (w - m), "moves away"),
    (training.average_step, lambda m, w, d: m.lerp_(w, 1 - d), "changed a picture"),
    (training.clipping, lambda gs, m: gs, "Nothing is shortened"),
    (training.clipping, lambda gs, m: [g * m / norm(gs) for g in gs], "have become longer"),
    (training.clipping, lambda gs, m: [g.clamp(-m, m) for g in gs], "cut off by itself"),
    (training.clipping, lambda gs, m: [g * min(1.0, m / float(g.norm())) for g in gs], "Each layer"),
    (training.clipping, lambda gs, m: [g * min(1.0, m / norm(gs) ** 2) for g in gs], "root is missing"),
    (training.clipping, lambda gs, m: [g * min(1.0, m / sum(float(h.norm()) for h in gs)) for g in gs], "layers' lengths"),
    (training.clipping, lambda gs, m: [g / norm(gs) if norm(gs) > m else g for g in gs], "length 1"),
    (training.clipping, lambda gs, m: [g * 0 if norm(gs) > m else g for g in gs], "thrown away"),
    (training.clipping, lambda gs, m: gs[0], "a list of 3 tensors"),
    (training.clipping, lambda gs, m: [g.flatten() for g in gs], "has to stay"),
    (training.floor, lambda w, d, t: spread(w, d).mean(), "factor is missing"),
    (training.floor, lambda w, d, t: spread(w, d).mean() / t, "its square belongs there"),
    (training.floor, lambda w, d, t: spread(w, d).mean() * t**2, "multiply by t squared"),
    (training.floor, lambda w, d, t: spread(w, d).sum(1).mean() / t**2, "sum over the D numbers"),
    (training.floor, lambda w, d, t: d.var(0, correction=0).mean() / t**2, "nothing had been seen"),
    (training.floor, lambda w, d, t: (w @ d.square()).mean() / t**2, "not taken off"),
    (training.floor, lambda w, d, t: spread(w.mean(0, keepdim=True), d).mean() / t**2, "over the questions first"),
    (training.floor, lambda w, d, t: spread(w, d).clamp(min=0).sqrt().mean() / t, "standard deviation"),
    (training.floor, lambda w, d, t: spread(w, d), "one number"),
]


@pytest.mark.parametrize("check, answer, words", SLIPS, ids=[f"{c.__name__}-{w}" for c, _, w in SLIPS])
def test_slips_are_called_by_name(check, answer, words):
    verdict = check(answer)
    assert verdict.passed is False and words in verdict.message, repr(verdict)


def test_no_refusal_is_dead():
    memories = [(training.memory_of_average, n, 0.999) for n, _ in MEMORIES]
    assert unsaid(training.__name__, [*memories, *((check, answer) for check, answer, _ in SLIPS)]) == []


def test_clipping_of_the_library_of_torch_agrees():
    """The right answer is `torch.nn.utils.clip_grad_norm_` (but for its 1e-6 in the denominator)."""
    gradients = [torch.randn(3, 4, dtype=torch.float64), torch.randn(5, dtype=torch.float64)]
    parameters = [torch.nn.Parameter(torch.zeros_like(g)) for g in gradients]
    for p, g in zip(parameters, gradients):
        p.grad = g.clone()
    torch.nn.utils.clip_grad_norm_(parameters, 0.8)
    assert max(float((p.grad - mine).abs().max()) for p, mine in zip(parameters, clipped(gradients, 0.8))) < 1e-5
