"""Checks on guidance: two wishes at once, the two conventions, what it does to a world that is known exactly, how a
classifier's slope comes into the noise, and how burnt colours are cooled.
"""

import torch
from torch import Tensor

from ..guidance import ClassifierFreeGuidance
from ..oracles import MixtureDenoiser
from ..random import CounterGenerator, randn
from ..samplers import Heun, trajectory
from ..schedules import CosineSchedule, uniform_times
from ._verdict import Wrong, as_numbers, call, check, one_number, same

SPREAD = 0.5                                                 # of the ears of rabbits, and of mice


def _guesses(*shape: int) -> list[Tensor]:
    """Four different standard normal tensors."""
    generator = CounterGenerator(19)
    return [randn(shape, generator, dtype=torch.float64) for _ in range(4)]


@check
def two_wishes(answer) -> str:
    """A function (nothing, first, second, w) -> nothing + w (first - nothing) + w (second - nothing). Reference: Liu et al. 2022, algorithm 1."""
    nothing, first, second = _guesses(2, 3, 4, 4)[:3]

    def at(function) -> Tensor:
        return torch.stack([as_numbers(function(nothing, first, second, w), nothing) for w in (0.0, 1.0, 3.5)])

    same(at(lambda *a: call(answer, *a)), at(lambda n, f, s, w: n + w * (f - n) + w * (s - n)), {
        "The guess for nothing comes in twice: each wish adds its difference, and both are added to one guess for nothing.":
            at(lambda n, f, s, w: 2 * n + w * (f - n) + w * (s - n)),
        "This is the average of the two guided guesses, so each wish counts half. Both differences are to be added in full.":
            at(lambda n, f, s, w: n + w * (f - n) / 2 + w * (s - n) / 2),
        "This walks from the first wish towards the second: the first takes the place of nothing, and you end beyond the second, away from the first.":
            at(lambda n, f, s, w: f + w * (s - f)),
        "This walks from the second wish towards the first: the second takes the place of nothing, as in a negative prompt.":
            at(lambda n, f, s, w: s + w * (f - s)),
        "You turned the wishes up without taking off what the guess for nothing has already. Each wish adds its difference to nothing.":
            at(lambda n, f, s, w: n + w * f + w * s),
        "The guess for nothing is missing at the beginning: with w = 0 it has to remain.": at(lambda n, f, s, w: w * (f - n) + w * (s - n)),
        "The second wish has the wrong sign: you walk away from it.": at(lambda n, f, s, w: n + w * (f - n) - w * (s - n)),
        "The first wish is not turned up: both differences get the factor w.": at(lambda n, f, s, w: n + (f - n) + w * (s - n)),
        "The second wish is not turned up: both differences get the factor w.": at(lambda n, f, s, w: n + w * (f - n) + (s - n)),
    }, tolerance=1e-9)
    return "Each wish adds what it changes, and nobody promises that there is a picture where both changes meet."


@check
def our_scale(answer, paper: float) -> str:
    """Our scale for the weight `paper` of Ho and Salimans: paper + 1. Reference: Ho and Salimans 2022, eq. 6."""
    given, right = one_number(answer), paper + 1
    if abs(given - right) <= 1e-6:
        return f"(1 + {paper:g}) said - {paper:g} nothing is nothing + {right:g} (said - nothing)."
    if abs(given - paper) <= 1e-6:
        raise Wrong(f"That is their number. With it, {given:g} of the difference is added to the guess for nothing; they add {paper:g} of it to the "
                    f"guess for the wish.")
    if abs(given - (paper - 1)) <= 1e-6:
        raise Wrong("You went the other way: this would be their number for our scale. Which of the two conventions calls the model with the wish 0?")
    raise Wrong(f"It is not {given:g}. Write both formulas as (something) said + (something else) nothing, and compare the weights of said.")


def _ears(scale: float, rabbits: int = 401) -> Tensor:
    """The ears of guided rabbits: evenly spread quantiles of the static, walked by Heun in 60 steps."""
    double = torch.float64
    world = MixtureDenoiser(torch.ones(2, dtype=double), torch.tensor([[-1.0], [1.0]], dtype=double),
                            torch.full((2, 1, 1), SPREAD**2, dtype=double), CosineSchedule())
    static = torch.special.ndtri((torch.arange(rabbits, dtype=double) + 0.5) / rabbits)[:, None]
    *_, end = trajectory(ClassifierFreeGuidance(world, scale), static, uniform_times(60), Heun(), torch.ones(rabbits, dtype=torch.long))
    return end.x


def _sharpened_spread(scale: float) -> float:
    """The spread of p(x) p(rabbit | x)^scale, by integration."""
    x = torch.linspace(-6, 6, 4001, dtype=torch.float64)
    mouse, rabbit = (torch.exp(-(((x - mean) / SPREAD) ** 2) / 2) for mean in (-1, 1))
    share = (mouse + rabbit) * (rabbit / (mouse + rabbit)) ** scale
    share = share / share.sum()
    return float(((x - (x * share).sum()) ** 2 * share).sum()) ** 0.5


@check
def scale_that_keeps(answer, keep: float) -> str:
    """The scale above 1 at which guided rabbits still have `keep` per cent of the spread that rabbits have at scale 1.

    keep: in per cent, between 50 and 95. Right to within 0.06, so that a search in steps of 0.1 finds it.
    """
    given = one_number(answer)
    if not 1 <= given <= 20:
        raise Wrong(f"The scale is {given:g}, but it has to lie above 1, where guidance makes rabbits more alike, and not far above.")
    whole = float(_ears(1.0).std())
    left = 100 * float(_ears(given).std()) / whole
    low, high = (float(_ears(max(1.0, given + side * 0.06)).std()) / whole * 100 for side in (1, -1))
    if low <= keep <= high:
        return f"At scale {given:.2f} the guided rabbits have {left:.1f} % of the spread that rabbits have."
    if abs(100 * _sharpened_spread(given) / _sharpened_spread(1.0) - keep) < 1:
        raise Wrong(f"At {given:g} the sharpened density p(x) p(rabbit | x)^w has that spread. It is not what guided walks draw: they keep {left:.0f} %.")
    if abs(100 * (float(_ears(given).std()) / whole) ** 2 - keep) < 1:
        raise Wrong("At this scale the variance is KEEP per cent of what it was. The question is about the spread, its square root.")
    more = "more" if left > keep else "less"
    raise Wrong(f"At scale {given:g} the guided rabbits keep {left:.1f} % of the spread, and {keep:g} % are asked for: {more} than that.")


@check
def classifier_in_eps(answer) -> str:
    """A function (eps, slope, sigma, w) -> eps - w sigma slope. Reference: Dhariwal and Nichol 2021, algorithms 1 and 2."""
    eps, slope = _guesses(3, 2)[:2]

    def at(function) -> Tensor:
        return torch.stack([as_numbers(function(eps, slope, sigma, w), eps) for sigma, w in ((0.3, 1.0), (0.8, 4.0))])

    same(at(lambda *a: call(answer, *a)), at(lambda e, g, s, w: e - w * s * g), {
        "The sign: the score is -eps / sigma, so what is added to the score is taken from eps.": at(lambda e, g, s, w: e + w * s * g),
        "sigma is missing. The slope is added to the score; eps is -sigma times the score.": at(lambda e, g, s, w: e - w * g),
        "sigma is missing, and the sign is wrong: eps is -sigma times the score.": at(lambda e, g, s, w: e + w * g),
        "You used sigma squared. eps is -sigma times the score: one sigma.": at(lambda e, g, s, w: e - w * s**2 * g),
        "You divided by sigma. That is the way from eps to the score; here you go from the score to eps.": at(lambda e, g, s, w: e - w / s * g),
        "The scale w is missing.": at(lambda e, g, s, w: e - s * g),
        "This is the guided score. Asked is the guided eps: -sigma times it.": at(lambda e, g, s, w: -e / s + w * g),
        "You turned eps itself up as well. Only the slope gets the factor w.": at(lambda e, g, s, w: w * (e - s * g)),
    }, tolerance=1e-9)
    return "What the classifier adds to the score, it takes from the noise: where it sees more of the wish, there has to be less noise."


@check
def cooled(answer) -> str:
    """A function (guided, said, share) -> share guided std(said) / std(guided) + (1 - share) guided, std of each picture.

    Reference: Lin et al. 2023, section 3.4.
    """
    said, more = _guesses(3, 3, 4, 4)[:2]
    guided = said + torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64)[:, None, None, None] * more

    def std(x: Tensor) -> Tensor:
        return x.std((1, 2, 3), keepdim=True)

    def at(function) -> Tensor:
        return torch.stack([as_numbers(function(guided, said, share), said) for share in (0.7, 1.0)])

    same(at(lambda *a: call(answer, *a)), at(lambda g, s, f: f * g * std(s) / std(g) + (1 - f) * g), {
        "The ratio is turned round: the guided guess is too loud, so it has to be multiplied by less than 1.":
            at(lambda g, s, f: f * g * std(g) / std(s) + (1 - f) * g),
        "You took one spread for the whole batch. Each picture has its own: the loud ones have to be cooled more than the quiet ones.":
            at(lambda g, s, f: f * g * s.std() / g.std() + (1 - f) * g),
        "You took a spread for each channel. That would take the colour out of the picture: one spread for each picture, over all its numbers.":
            at(lambda g, s, f: f * g * s.std((2, 3), keepdim=True) / g.std((2, 3), keepdim=True) + (1 - f) * g),
        "You mixed with the guess for the wish. What is mixed in is the guided guess as it was.": at(lambda g, s, f: f * g * std(s) / std(g) + (1 - f) * s),
        "share is the share of the cooled guess, and 1 - share that of the guided one as it was: you have them the other way round.":
            at(lambda g, s, f: (1 - f) * g * std(s) / std(g) + f * g),
        "This is the cooled guess alone. share of it has to be mixed with 1 - share of the guided guess.": at(lambda g, s, f: g * std(s) / std(g)),
        "You used the variance. What a factor changes is the spread, its square root.": at(lambda g, s, f: f * g * (std(s) / std(g)) ** 2 + (1 - f) * g),
    }, tolerance=1e-6)
    return "The guided guess keeps its direction and gets back the loudness of the guess for the wish."
