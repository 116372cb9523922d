"""Checks on prompts: how a highlighter shares itself out, what is hidden from it, which words a typing slip may mean,
how a word is turned up, and how sure a measured share is.
"""

import math

import torch
from torch import Tensor

from ..random import CounterGenerator, randn
from ..words import one_slip
from ._verdict import Wrong, call, check, one_number, same


def _named(given: float, slips: dict[str, float], tolerance: float = 1e-3) -> None:
    """Raises Wrong with the first words whose slip leads to this number."""
    for words, value in slips.items():
        if abs(given - value) <= tolerance * max(1.0, abs(value)):
            raise Wrong(words)


# Shares --------------------------------------------------------------------------------------------------------------

@check
def share_of_one(answer, ahead: float, others: int) -> str:
    """The share that softmax gives to one token whose score is `ahead` above those of `others` tokens, which are equal.

        e^ahead / (e^ahead + others).        Reference: Vaswani et al. 2017, eq. 1 (the softmax in it)
    """
    given, e = one_number(answer), math.exp(ahead)
    right = e / (e + others)
    if abs(given - right) <= 1e-3:
        return f"{right:.3f}: a lead of {ahead:g} counts e^{ahead:g} = {e:.2f} times, and is shared with {others} others."
    _named(given, {
        "This is the share in per cent. As a share, 1 is all of it.": 100 * right,
        "This is what each of the others gets. The question is about the one that is ahead.": 1 / (e + others),
        "This is what all the others get together. The question is about the one that is ahead.": 1 - right,
        "This is the share if all scores were equal. The one that is ahead counts e^AHEAD times as much.": 1 / (1 + others),
        "You shared out the scores themselves. Softmax shares out their exponentials, so that only differences count.": ahead / (ahead + others),
        "You divide by what the others have. The whole is shared out, and the one that is ahead is part of it.": e / others,
        "You counted one token too many: there are OTHERS others, and the one that is ahead.": e / (e + others + 1),
        "You counted one token too few: there are OTHERS others, and besides them the one that is ahead.": e / (e + others - 1),
        "This is the share against a single other token. There are OTHERS of them.": e / (e + 1),
        "The lead has the wrong sign: this is the share of a token that is AHEAD behind the others.": 1 / (1 + others * e),
        "The base is e, not 2.": 2**ahead / (2**ahead + others),
        "This is e^AHEAD. It has not been shared out yet: divide by the sum over all tokens.": e,
    })
    raise Wrong(f"It is {'less' if given > right else 'more'} than {given:g}. Take e to the power of each score, where equal scores may be "
                "called 0, and divide by the sum of all of them.")


# What is hidden ------------------------------------------------------------------------------------------------------

def _shares(q: Tensor, k: Tensor, counts: Tensor, scale: float = -0.5, hidden: float = -math.inf, dim: int = 1) -> Tensor:
    return (q @ k.T * q.shape[1] ** scale).masked_fill(~counts, hidden).softmax(dim)


@check
def listening(answer) -> str:
    """A function (q (P, d), k (L, d), v (L, e), counts (L,) bool) -> (P, e): what each place hears of the tokens that count.

        softmax(q k^T / sqrt(d)) v,  over the tokens that count alone.        Reference: Vaswani et al. 2017, eq. 1, section 3.2.3
    """
    generator = CounterGenerator(20)
    q, k, v = (randn(shape, generator, dtype=torch.float64) for shape in ((6, 4), (5, 4), (5, 3)))
    counts, all_count = torch.tensor([True, True, False, True, False]), torch.ones(5, dtype=torch.bool)
    scores = q @ k.T / 2
    loud = _shares(q, k, all_count)
    slips = {
        "Each row has to be shared out among the tokens: softmax runs over the tokens (the last axis), not over the places.":
            scores.softmax(0).masked_fill(~counts, 0) @ v,
        "The tokens that do not count are heard all the same: their scores have to be minus infinity before the softmax.": loud @ v,
        "You hide the tokens that count, and hear the others: turn the mask round.": _shares(q, k, ~counts) @ v,
        "A hidden token has the score 0 here, and e^0 = 1 is still heard. Before the softmax its score has to be minus infinity.": _shares(q, k, counts, hidden=0.0) @ v,
        "You hide after the softmax, so the shares that are left no longer add up to 1. Hide before it (score minus infinity).": loud.masked_fill(~counts, 0) @ v,
        "The scores are not divided by the root of d, the length of a question.": _shares(q, k, counts, scale=0.0) @ v,
        "You divide by d. It has to be its square root.": _shares(q, k, counts, scale=-1.0) @ v,
        "You divide by the root of the number of tokens. It is the length of a question, d, that makes products large.":
            (q @ k.T * len(k) ** -0.5).masked_fill(~counts, -math.inf).softmax(1) @ v,
        "You take the average message of the tokens that count: the questions are not used.": v[counts].mean(0).expand(len(q), -1),
    }
    given = call(answer, q, k, v, counts)
    if isinstance(given, Tensor) and given.shape == (6, 5):
        raise Wrong("This has one number for each place and token: these are shares. Take the messages v in these shares.")
    same(given, _shares(q, k, counts) @ v, slips, tolerance=1e-6)
    same(call(answer, q, k, v, all_count), loud @ v, {}, tolerance=1e-6)
    only = torch.tensor([True, False, False, False, False])
    same(call(answer, q, k, v, only), v[:1].expand(len(q), -1), {}, tolerance=1e-6)
    return "Shares over the tokens that count, and only these. With one token left, every place hears nothing but it: that is the empty prompt."


# Typing slips --------------------------------------------------------------------------------------------------------

KNOWN = ("cat", "hat", "dog", "top", "crown", "brown", "pink", "pig", "a", "on", "frog", "scarf", "కుక్క", "పిల్లి")


@check
def one_letter_off(answer) -> str:
    """A function (word, known) -> the known words that are one slip from `word`: a letter wrong, missing or too many, or two swapped.

    Reference: Damerau 1964, the four kinds of slips; these are the words at distance 1.
    """
    cases = ("bat", "caat", "ct", "dgo", "god", "gipn", "frown", "ong", "pikg", "scraf", "scrfa", "elephant", "కుక్", "పిల్ల", "")
    for word in cases:
        given = call(answer, word, list(KNOWN))
        if isinstance(given, str) or not isinstance(given, (list, tuple, set, frozenset)):
            raise Wrong(f"The check needs a list of words, but it got {type(given).__name__}: {given!r}"[:160] + ".")
        found, wanted = set(given), {w for w in KNOWN if one_slip(word, w)}
        if found == wanted:
            continue
        alike = {w for w in wanted if len(word) == len(w)}
        swapped = {w for w in alike if sorted(w) == sorted(word)}
        by_kind = {"one letter too many": {w for w in wanted if len(word) == len(w) + 1}, "one letter missing": {w for w in wanted if len(word) == len(w) - 1},
                   "one wrong letter": alike - swapped, "two neighbours in the wrong order": swapped}
        for kind, words in by_kind.items():
            if words and not words & found:
                raise Wrong(f"For {word!r} you find {sorted(found)}; but {sorted(words)[0]!r} is meant too: there {word!r} has {kind}.")
        if wrong := found - wanted:
            w = sorted(wrong)[0]
            how = "its letters are those, but more than one swap of neighbours is needed" if sorted(w) == sorted(word) else "it is more than one slip away"
            raise Wrong(f"For {word!r} you find {w!r} too, but {how}.")
        raise Wrong(f"For {word!r} you find {sorted(found)}, but it has to be {sorted(wanted)}.")
    for word in ("cat", "a"):
        if word in call(answer, word, list(KNOWN)):
            raise Wrong(f"For {word!r} you find the word itself. It is known, so there is no slip to repair.")
    return "A letter wrong, missing, too many, or two swapped, in any script. 'bat' may mean two words: a reader has to choose, or to ask."


# Louder --------------------------------------------------------------------------------------------------------------

@check
def turned_up(answer) -> str:
    """A function (scores (P, L), token, factor) -> shares (P, L) in which that token counts `factor` times as much against each other.

        softmax over l of (s_pl + log(factor) [l = token]).        Reference: Hertz et al. 2022, section 3.2 (attention re-weighting)
    """
    scores = randn((5, 4), CounterGenerator(21), dtype=torch.float64)
    for token, factor in ((2, 3.0), (0, 0.25)):
        bump = torch.zeros(4, dtype=torch.float64)
        bump[token] = 1
        shares = scores.softmax(1)
        same(call(answer, scores, token, factor), (scores + bump * math.log(factor)).softmax(1), {
            "The rows no longer add up to 1: the louder word has to take its share from the others. Divide each row by its sum.": shares * (1 + bump * (factor - 1)),
            "You multiply the score. A score below 0 gets quieter that way, and how loud depends on where 0 happens to be: add to the score instead.":
                (scores * (1 + bump * (factor - 1))).softmax(1),
            "You add the factor to the score, so the word counts e^factor times as much. What has to be added so that it is factor times?": (scores + bump * factor).softmax(1),
            "All scores are raised alike, and softmax sees differences only: nothing has changed.": shares,
            "Softmax runs over the places here. Each row, one place, has to add up to 1.": (scores + bump * math.log(factor)).softmax(0),
            "You multiply every token.": (scores * factor).softmax(1),
            "It is the other way round: with a factor above 1 the word has to get more.": (scores - bump * math.log(factor)).softmax(1),
            "The logarithm is the natural one.": (scores + bump * math.log2(factor)).softmax(1),
        }, tolerance=1e-6)
    same(call(answer, scores, 1, 1.0), scores.softmax(1), {}, tolerance=1e-6)
    return "Adding log(factor) to a score multiplies its share against every other; with factor 0 it would be minus infinity: the word is hidden."


# How sure ------------------------------------------------------------------------------------------------------------

def _wilson(right: int, asked: int, z: float, sign: int) -> float:
    p = right / asked
    return (p + z**2 / (2 * asked) + sign * z * math.sqrt(p * (1 - p) / asked + z**2 / (4 * asked**2))) / (1 + z**2 / asked)


@check
def lower_end(answer, right: int, asked: int) -> str:
    """The lower end of the 95 % Wilson interval of a share, measured as `right` of `asked`.

        (p + z^2 / 2n - z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n),   z = 1.96.        Reference: Wilson 1927
    """
    given, z, p, n = one_number(answer), 1.96, right / asked, asked
    wanted, standard = _wilson(right, asked, z, -1), math.sqrt(p * (1 - p) / asked)
    if abs(given - wanted) <= 1e-3:
        return f"{right} of {asked} is {p:.2f}, and may well come from a model that is right {wanted:.0%} of the time."
    if right == asked and abs(given - 1) < 1e-3:
        raise Wrong("All were right, and from that you conclude that it is never wrong. A handful of successes cannot say so: use the whole formula.")
    _named(given, {
        "This is the share itself. How low can the truth be?": p,
        "This is the upper end.": _wilson(right, asked, z, +1),
        "This is p - 1.96 standard errors, the textbook's first formula. Near 1 it is too sure; use Wilson's.": p - z * standard,
        "This is one standard error below the share. For 95 % it is 1.96 of them, and Wilson's formula.": p - standard,
        "This is the middle of Wilson's interval. Take away the second part.": (p + z**2 / (2 * n)) / (1 + z**2 / n),
        "z is 1 here. For 95 % it is 1.96.": _wilson(right, asked, 1.0, -1),
        "z is 1.645 here, the value for 90 %. For 95 % it is 1.96.": _wilson(right, asked, 1.645, -1),
        "You left out the division by 1 + z² / n.": wanted * (1 + z**2 / n),
        "This is in per cent. As a share, 1 is always.": 100 * wanted,
        "This is the share of wrong answers, at worst. The question is about right ones.": 1 - wanted,
    }, tolerance=2e-4)
    raise Wrong(f"It is {'lower' if given > wanted else 'higher'} than {given:g}. Put p = RIGHT / ASKED and n = ASKED into (20.6), with the minus sign.")

