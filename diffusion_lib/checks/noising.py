"""Checks on the way down, from picture to static: mixing, where the static wins, how long dice leave something, many small steps,
what static is.
"""

from itertools import count

import torch
from torch import Tensor

from ..data.pets import PartyPets
from ..random import CounterGenerator, randn
from ..schedules import LinearBetaSchedule
from ._verdict import Wrong, as_numbers, call, check, one_number, same

SCHEDULE = LinearBetaSchedule(num_steps=1000)


@check
def mix(answer) -> str:
    """A function (picture, static, keep, amount) -> keep * picture + amount * static. Reference: Ho et al. 2020, eq. 4."""
    generator = CounterGenerator(1)
    picture, static = randn((3, 8, 8), generator).clamp(-1, 1), randn((3, 8, 8), generator)
    keep, amount = 0.8, 0.6
    given = call(answer, picture, static, keep, amount)
    same(given, keep * picture + amount * static, {
        "All of the picture is still there: turn it down first (keep * picture), then add the static.": picture + amount * static,
        "The static is at full strength: turn it down too (amount * static).": keep * picture + static,
        "Nothing is turned down: keep belongs to the picture, amount to the static.": picture + static,
        "keep and amount have changed places: keep belongs to the picture, amount to the static.": amount * picture + keep * static,
        "You took the static away. The step towards static adds it.": keep * picture - amount * static,
        "You multiplied picture and static with each other. They are added.": keep * picture * amount * static,
        "This is half and half, whatever keep and amount say.": (picture + static) / 2,
        "You cut the numbers off at -1 and 1. Leave them: only the screen cuts, the picture may go beyond.":
            (keep * picture + amount * static).clamp(-1, 1),
        "The static is missing: this is the picture, turned down.": keep * picture,
    })
    same(call(answer, picture, -static, 0.1, 0.9), 0.1 * picture - 0.9 * static, {
        "It was right once, with keep = 0.8 and amount = 0.6, but not with other numbers: use the arguments keep and amount.":
            keep * picture - amount * static})
    return "Turned-down picture plus turned-down static: that is the whole way down, in one line."


@check
def first_time_static_wins(answer) -> str:
    """The first t in 0 ... 1000 of the linear-beta schedule at which sigma is larger than alpha."""
    i = torch.arange(1001)
    alpha, sigma = SCHEDULE.alpha(i / 1000), SCHEDULE.sigma(i / 1000)
    first = int((sigma > alpha).int().argmax())
    given = one_number(answer, "one number, the first t")
    slips = {
        first / 1000: "This is the right moment on a clock from 0 to 1. Count it in steps, from 0 to 1000: times 1000.",
        first - 1: "One too early: there the picture is still the stronger of the two, if only just.",
        first + 1: "One too late: the static is stronger already one step before.",
        500: "Half the time is not half the picture: at t = 500 the static has been stronger for a long while. Ask the two knobs.",
        int((alpha < 0.5).int().argmax()):
            "Here the picture is below one half, but the static is well above it by then: compare the two with each other.",
        int((sigma > 0.5).int().argmax()):
            "Here the static is above one half, but the picture is still far above it: compare the two with each other.",
        1000: "At t = 1000 the static has won long ago. Which is the first t at which it is the stronger one?",
        1001 - first: "This is how many t have the static on top. Which of them is the first?",
    }
    if given in slips:
        raise Wrong(slips[given])
    if given < first:
        raise Wrong(f"At t = {given:g} the picture is still the stronger one: later.")
    if given > first:
        raise Wrong(f"At t = {given:g} the static is the stronger one, but not for the first time: earlier.")
    return f"From t = {first} on there is more static than picture: a quarter of the way, not half."


@check
def rounds_of_dice(answer, percent) -> str:
    """The smallest number of rounds after which fewer than `percent` % of the squares were never hit by a six: (5/6)^n < percent / 100."""
    def first(still_there) -> int:
        return next(n for n in count() if still_there(n) < percent / 100)

    rounds = first(lambda n: (5 / 6) ** n)
    given = one_number(answer, "one number of rounds")
    slips = {
        rounds - 1: f"One round too few: then {(5 / 6) ** (rounds - 1):.1%} of the squares are still untouched; it has to be less than {percent}%.",
        rounds + 1: "One round too many: it was so already a round before.",
        first(lambda n: (11 / 12) ** n): "This counts the squares that never changed their colour. A square that was hit, and whose coin showed the "
                                         "colour it had, has been hit all the same.",
        first(lambda n: 1 - n / 6): "You took a sixth of *all* squares away in every round. The dice do not know which squares they have hit: "
                                    "each round takes a sixth of those that are left.",
    }
    if given in slips and given != rounds:
        raise Wrong(slips[given])
    if given != round(given):
        raise Wrong(f"Rounds are counted whole: {given:g} lies between two of them.")
    if given < rounds:
        raise Wrong(f"Too few: after {given:g} rounds {(5 / 6) ** given:.1%} of the squares are still untouched.")
    if given > rounds:
        raise Wrong(f"Too many: it was so already before round {given:g}.")
    return f"Each round leaves five sixths of what is left, so after {rounds} rounds {(5 / 6) ** rounds:.1%} of the drawing was never touched."


@check
def many_small_steps(answer) -> str:
    """A function (picture, betas) that smashes a picture step by step: x <- sqrt(1 - b) x + sqrt(b) fresh static, for each b.

    Judged by mean and spread of what comes out, so any source of static will do. Reference: Ho et al. 2020, eq. 2.
    """
    picture, betas = torch.full((3, 96, 96), 0.8), SCHEDULE.betas[200:500]
    given = as_numbers(call(answer, picture, betas), picture)
    if given.shape != picture.shape:
        raise Wrong(f"The shape is {tuple(given.shape)}, but it has to be that of the picture, {tuple(picture.shape)}.")
    mean, spread = float(given.mean()), float(given.std())
    kept, kept_wrongly = torch.sqrt(1 - betas), 1 - betas
    wanted = 0.8 * float(kept.prod()), _piled(betas.sqrt(), kept)
    slips = [
        ((0.8, 0.0), "Nothing happened to the picture."),
        ((wanted[0], 0.0), "The picture is turned down, but no static was added."),
        ((wanted[0], float((betas.sqrt() * _left_of_each(kept)).sum())),
         "It is the same static in every step, so it piles up on itself. Each step needs fresh static: draw it inside the loop."),
        ((0.8, float(betas.sum().sqrt())), "The picture is never turned down: each step keeps sqrt(1 - b) of it."),
        ((0.8 * float(kept_wrongly.prod()), _piled(betas, kept_wrongly)), "The square roots are missing: keep sqrt(1 - b), add sqrt(b)."),
        ((0.8 * float(kept_wrongly.prod()), _piled(betas.sqrt(), kept_wrongly)), 
         "The static has its square root, the picture does not: keep sqrt(1 - b) of it."),
        ((wanted[0], _piled(betas, kept)), "The picture has its square root, the static does not: add sqrt(b) of it."),
        ((0.8 * float(kept[0]), float(betas[0].sqrt())), "This is one single step: go through all the betas."),
        ((0.8 * float(kept[-1]), float(betas[-1].sqrt())),
         "Only the last step is left: each step has to start from what the step before it made."),
    ]
    if _near((mean, spread), wanted):
        return f"Mean {mean:.2f} and spread {spread:.2f}, as they have to be after {len(betas)} small steps."
    for (mean_so, spread_so), what_is_wrong in slips:
        if _near((mean, spread), (mean_so, spread_so)):
            raise Wrong(what_is_wrong)
    raise Wrong(f"A flat picture of 0.8 everywhere came back with mean {mean:.3f} and spread {spread:.3f}, "
                f"where {wanted[0]:.3f} and {wanted[1]:.3f} are right.")


def _left_of_each(kept: Tensor) -> Tensor:
    """What the later steps leave of the static that each step added, if each keeps `kept` of everything."""
    return torch.cat([kept.flip(0).cumprod(0).flip(0)[1:], torch.ones(1)])


def _piled(amounts: Tensor, kept: Tensor) -> float:
    """The spread after many steps that each keep `kept` of everything and add fresh static of strength `amounts`."""
    return float(torch.sqrt(((amounts * _left_of_each(kept)) ** 2).sum()))


def _near(a: tuple[float, float], b: tuple[float, float]) -> bool:
    """Mean and spread agree, up to the chance of some 30,000 drawn numbers."""
    return abs(a[0] - b[0]) < 0.03 * max(1, b[1]) and abs(a[1] - b[1]) < 0.02 + 0.03 * b[1]


def _yes(given) -> bool:
    if isinstance(given, Tensor) and given.numel() != 1:
        raise Wrong(f"The check needs one True or False for each picture, but it got {given.numel()} numbers.")
    return bool(given)


@check
def static_detector(answer) -> str:
    """A function that says of a picture (3, 32, 32) whether it is pure static: independent numbers with mean 0 and spread 1."""
    shown = _line_up()
    said = [(name, truth, _yes(call(answer, picture))) for name, picture, truth in shown]
    wrong = [(name, truth) for name, truth, verdict in said if verdict != truth]
    if not wrong:
        return f"All {len(shown)} recognised: mean, spread, bell and neighbours. No single number was enough."
    if len({verdict for *_, verdict in said}) == 1:
        raise Wrong(f"It says {said[0][2]} to everything. Among the {len(shown)} pictures some are static and some are not.")
    name, truth = wrong[0]
    belief = "It took this for static, and it is none" if not truth else "It did not recognise static"
    raise Wrong(f"{len(shown) - len(wrong)} of {len(shown)} are right. {belief}: {name}.")


def _line_up() -> list[tuple[str, Tensor, bool]]:
    """What the detector is shown, easy ones first: (what it is, picture, whether it is static)."""
    static, other = (randn((3, 32, 32), CounterGenerator(seed)) for seed in (11, 12))
    pet = PartyPets(32)[5][0]
    halfway = SCHEDULE.alpha(0.3).float() * pet + SCHEDULE.sigma(0.3).float() * static
    coins, order = other.sign(), static.flatten().sort().values.reshape(3, 32, 32)
    return [
        ("plain static", static, True),
        ("static from another seed", other, True),
        ("a pet", pet, False),
        ("plain grey, all zeros", torch.zeros(3, 32, 32), False),
        ("static upside down", static.flip(1), True),
        ("static twice as loud (its spread is 2)", 2 * static, False),
        ("the average of two statics (its spread is 0.71: averaging makes quieter)", (static + other) / 2, False),
        ("static with everything a little brighter (its mean is 0.5)", static + 0.5, False),
        ("a pet at t = 300, with the pet still showing through (look at neighbouring dots)", halfway, False),
        ("heads or tails, -1 or 1 for each dot (mean 0 and spread 1, but no bell)", coins, False),
        ("the numbers of static, sorted (the same bell, but every dot resembles its neighbour)", order, False),
    ]
