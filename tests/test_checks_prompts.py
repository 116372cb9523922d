"""The checks of the chapter on prompts: right answers pass, each anticipated slip gets its own words, other numbers other answers."""

import math
from collections import Counter

import pytest
import torch

from diffusion_lib.checks import prompts
from diffusion_lib.evaluation import interval
from diffusion_lib.words import one_slip
from checking import unsaid


# Shares

@pytest.mark.parametrize("ahead", [1.0, 1.5, 2.0, 2.5])
@pytest.mark.parametrize("others", [5, 7, 9, 11])
def test_share_is_softmax(ahead, others):
    right = float(torch.tensor([ahead] + [0.0] * others).softmax(0)[0])
    assert prompts.share_of_one(right, ahead, others).passed and prompts.share_of_one(right + 5e-4, ahead, others).passed
    for wrong in (right + 0.01, right - 0.01, 0, 1, -right, 1 - right):
        assert prompts.share_of_one(wrong, ahead, others).passed is False


SHARES = [
    (100 * math.exp(2) / (math.exp(2) + 7), "per cent"), (1 / 8, "all scores were equal"), (2 / 9, "shared out the scores"), (math.exp(2) / 7, "part of it"),
    (math.exp(2) / (math.exp(2) + 8), "too many"), (math.exp(2) / (math.exp(2) + 6), "too few"), (math.exp(2) / (math.exp(2) + 1), "a single other"),
    (1 / (1 + 7 * math.exp(2)), "wrong sign"), (4 / 11, "not 2"), (math.exp(2), "not been shared out"), (1 / (math.exp(2) + 7), "each of the others"),
    (7 / (math.exp(2) + 7), "together"), (0.9, "less than 0.9"), ("much", "needs numbers"), ([0.5, 0.5], "several")]


@pytest.mark.parametrize("answer, says", SHARES)
def test_share_names_the_slip(answer, says):
    verdict = prompts.share_of_one(answer, 2.0, 7)
    assert verdict.passed is False and says in verdict.message, verdict.message


# Hidden tokens

def listen(q, k, v, counts, scale=-0.5, hidden=-math.inf, dim=1):
    return (q @ k.T * q.shape[1] ** scale).masked_fill(~counts, hidden).softmax(dim) @ v


def test_listening():
    def pytorchs_own(q, k, v, counts):
        return torch.nn.functional.scaled_dot_product_attention(q[None], k[None], v[None], attn_mask=counts[None, None].expand(1, len(q), -1))[0]
    assert prompts.listening(listen).passed and prompts.listening(pytorchs_own).passed
    assert prompts.listening(lambda q, k, v, counts: (q @ k[counts].T / 2).softmax(1) @ v[counts]).passed, "leaving the others out is the same"


LISTENINGS = [
    (lambda q, k, v, c: (q @ k.T / 2).softmax(0).masked_fill(~c, 0) @ v, "not over the places"),
    (lambda q, k, v, c: (q @ k.T / 2).softmax(1) @ v, "heard all the same"),
    (lambda q, k, v, c: listen(q, k, v, ~c), "turn the mask round"),
    (lambda q, k, v, c: listen(q, k, v, c, hidden=0.0), "e^0 = 1"),
    (lambda q, k, v, c: ((q @ k.T / 2).softmax(1) * c) @ v, "no longer add up to 1"),
    (lambda q, k, v, c: listen(q, k, v, c, scale=0.0), "not divided"),
    (lambda q, k, v, c: listen(q, k, v, c, scale=-1.0), "square root"),
    (lambda q, k, v, c: (q @ k.T / 5**0.5).masked_fill(~c, -math.inf).softmax(1) @ v, "number of tokens"),
    (lambda q, k, v, c: v[c].mean(0).expand(len(q), -1), "questions are not used"),
    (lambda q, k, v, c: (q @ k.T / 2).masked_fill(~c, -math.inf).softmax(1), "these are shares"),
    (lambda q, k, v, c: 2 * listen(q, k, v, c), "right up to its scale"),
    (lambda q, k, v, c: listen(q, k, v, c)[:2], "shape is")]


@pytest.mark.parametrize("wrong, says", LISTENINGS)
def test_listening_names_the_slip(wrong, says):
    verdict = prompts.listening(wrong)
    assert verdict.passed is False and says in verdict.message, verdict.message


# Slips of the finger

def near(word, known, counts=one_slip):
    return [other for other in known if counts(word, other)]


def test_slips():
    assert prompts.one_letter_off(near).passed and prompts.one_letter_off(lambda word, known: set(near(word, known))).passed


NEIGHBOURS = [
    (lambda w, known: near(w, known, lambda a, b: one_slip(a, b) and len(a) == len(b)), "has one letter too many"),
    (lambda w, known: near(w, known, lambda a, b: one_slip(a, b) and len(a) >= len(b)), "has one letter missing"),
    (lambda w, known: near(w, known, lambda a, b: one_slip(a, b) and (len(a) != len(b) or sorted(a) == sorted(b))), "has one wrong letter"),
    (lambda w, known: near(w, known, lambda a, b: one_slip(a, b) and sorted(a) != sorted(b)), "two neighbours in the wrong order"),
    (lambda w, known: near(w, known, lambda a, b: one_slip(a, b) or sorted(a) == sorted(b) and a != b), "more than one swap"),
    (lambda w, known: near(w, known, lambda a, b: one_slip(a, b) or sorted(a) == sorted(b) and sum(map(str.__ne__, a, b)) == 2), "more than one swap"),
    (lambda w, known: near(w, known, lambda a, b: one_slip(a, b) or len(a) == len(b) + 1 and not Counter(b) - Counter(a)), "more than one slip away"),
    (lambda w, known: near(w, known, lambda a, b: one_slip(a, b) or a == b), "It is known"),
    (lambda w, known: list(known), "more than one slip away"),
    (lambda w, known: near(w, known)[:1], "it has to be"),
    (lambda w, known: near(w, known, lambda a, b: one_slip(a, b) and a.isascii()), "కుక్"),
    (lambda w, known: "cat", "needs a list"), (lambda w, known: 3, "needs a list")]


@pytest.mark.parametrize("wrong, says", NEIGHBOURS)
def test_slips_name_the_slip(wrong, says):
    verdict = prompts.one_letter_off(wrong)
    assert verdict.passed is False and says in verdict.message, verdict.message


# A louder word

def louder(scores, token, factor):
    shares = scores.softmax(1) * torch.where(torch.arange(scores.shape[1]) == token, torch.tensor(factor, dtype=scores.dtype), 1.0)
    return shares / shares.sum(1, keepdim=True)


def bump(scores, token, by):
    raised = scores.clone()
    raised[:, token] += by
    return raised


def test_louder():
    assert prompts.turned_up(louder).passed and prompts.turned_up(lambda s, token, factor: bump(s, token, math.log(factor)).softmax(1)).passed


LOUDER = [
    (lambda s, t, f: s.softmax(1) * torch.where(torch.arange(s.shape[1]) == t, f, 1.0), "no longer add up"),
    (lambda s, t, f: bump(s, t, s[:, t] * (f - 1)).softmax(1), "multiply the score"),
    (lambda s, t, f: bump(s, t, f).softmax(1), "add the factor"),
    (lambda s, t, f: (s + math.log(f)).softmax(1), "nothing has changed"),
    (lambda s, t, f: bump(s, t, math.log(f)).softmax(0), "over the places"),
    (lambda s, t, f: (s * f).softmax(1), "every token"),
    (lambda s, t, f: louder(s, t, 1 / f), "other way round"),
    (lambda s, t, f: bump(s, t, math.log2(f)).softmax(1), "natural"),
    (lambda s, t, f: s.__setitem__((slice(None), t), 0) or s.softmax(1), "changed")]


@pytest.mark.parametrize("wrong, says", LOUDER)
def test_louder_names_the_slip(wrong, says):
    verdict = prompts.turned_up(wrong)
    assert verdict.passed is False and says in verdict.message, verdict.message


# How sure

@pytest.mark.parametrize("right", [91, 93, 96, 98, 100])
def test_lower_end_is_the_librarys(right):
    low, high = interval(right / 100, 100)
    assert prompts.lower_end(low, right, 100).passed
    for wrong in (high, right / 100, low - 0.01, low + 0.01, 0, 1 - low):
        assert prompts.lower_end(wrong, right, 100).passed is False


LOWER_ENDS = [
    (0.96, "share itself"), (interval(0.96, 100)[1], "upper end"), (0.96 - 1.96 * (0.96 * 0.04 / 100) ** 0.5, "too sure"),
    (0.96 - (0.96 * 0.04 / 100) ** 0.5, "one standard error"), (interval(0.96, 100, 1.0)[0], "z is 1 here"), (interval(0.96, 100, 1.645)[0], "90 %"),
    (sum(interval(0.96, 100)) / 2, "middle"), (interval(0.96, 100)[0] * (1 + 1.96**2 / 100), "left out the division"), (100 * interval(0.96, 100)[0], "per cent"),
    (0.5, "higher than 0.5"), (0.93, "lower than 0.93")]


@pytest.mark.parametrize("answer, says", LOWER_ENDS)
def test_lower_end_names_the_slip(answer, says):
    verdict = prompts.lower_end(answer, 96, 100)
    assert verdict.passed is False and says in verdict.message, verdict.message


def test_all_right_is_not_never_wrong():
    assert "never wrong" in prompts.lower_end(1, 100, 100).message


def test_untouched_stubs_stay_calm():
    for checked in (lambda a: prompts.share_of_one(a, 2.0, 7), prompts.listening, prompts.one_letter_off, prompts.turned_up, lambda a: prompts.lower_end(a, 96, 100)):
        assert checked(...).passed is None and checked(None).passed is None
    for checked in (prompts.listening, prompts.one_letter_off, prompts.turned_up):
        assert checked(lambda *given: None).passed is None


def test_no_refusal_is_dead():
    asked = [(prompts.lower_end, 1, 100, 100), *((prompts.share_of_one, answer, 2.0, 7) for answer, _ in SHARES),
             *((prompts.lower_end, answer, 96, 100) for answer, _ in LOWER_ENDS)]
    for check, table in ((prompts.listening, LISTENINGS), (prompts.one_letter_off, NEIGHBOURS), (prompts.turned_up, LOUDER)):
        asked += [(check, wrong) for wrong, _ in table]
    assert unsaid(prompts.__name__, asked) == []
