"""Checks on the way down as mathematics: one little step, the product of many, a schedule for fewer steps, one from its log-SNR.

They compare variances, because it is variances that add: a step of variance beta keeps the share 1 - beta of the picture's.
"""

import torch
from torch import Tensor

from ..random import CounterGenerator, randn
from ..schedules import LinearBetaSchedule
from ._verdict import NotAttempted, Wrong, as_numbers, call, check, one_number, same

SCHEDULE = LinearBetaSchedule(num_steps=1000)


@check
def little_step(answer) -> str:
    """A function (x, beta, z) -> sqrt(1 - beta) x + sqrt(beta) z. Reference: Ho et al. 2020, eq. 2."""
    generator = CounterGenerator(1)
    x, z = (randn((3, 8, 8), generator, dtype=torch.float64) for _ in range(2))

    def at(function) -> Tensor:
        return torch.stack([as_numbers(function(x, beta, z), x) for beta in (0.02, 0.3)])

    same(at(lambda *a: call(answer, *a)), at(lambda x, b, z: (1 - b) ** 0.5 * x + b**0.5 * z), {
        "The picture is not turned down: the step keeps sqrt(1 - beta) of it, or the state gets louder and louder.":
            at(lambda x, b, z: x + b**0.5 * z),
        "The square roots are missing: beta is a variance, and what is multiplied with a picture is its square root.":
            at(lambda x, b, z: (1 - b) * x + b * z),
        "The static has its square root, the picture does not: it keeps sqrt(1 - beta).": at(lambda x, b, z: (1 - b) * x + b**0.5 * z),
        "The picture has its square root, the static does not: it comes with sqrt(beta).": at(lambda x, b, z: (1 - b) ** 0.5 * x + b * z),
        "You used beta as a standard deviation. It is a variance: the static comes with sqrt(beta), and sqrt(1 - beta) of the picture stays.":
            at(lambda x, b, z: (1 - b**2) ** 0.5 * x + b * z),
        "You kept 1 - sqrt(beta) of the picture. Amplitudes do not add up to 1 here, their squares do: sqrt(1 - beta).":
            at(lambda x, b, z: (1 - b**0.5) * x + b**0.5 * z),
        "Picture and static have changed places: nearly all of the picture stays, sqrt(1 - beta) of it.":
            at(lambda x, b, z: b**0.5 * x + (1 - b) ** 0.5 * z),
        "You took static away. The step down adds it.": at(lambda x, b, z: (1 - b) ** 0.5 * x - b**0.5 * z),
        "The picture is turned down and no static comes in.": at(lambda x, b, z: (1 - b) ** 0.5 * x),
    }, tolerance=1e-6)
    return "The squares of the two factors add up to 1, so that a state of variance 1 keeps it."


@check
def shares_left(answer) -> str:
    """A function betas (T,) -> alpha_bar (T + 1,): 1, 1 - beta_1, (1 - beta_1)(1 - beta_2), ... Reference: Ho et al. 2020, eq. 4."""
    betas = torch.tensor([0.1, 0.3, 0.05, 0.2, 0.4], dtype=torch.float64)
    kept, one = 1 - betas, torch.ones(1, dtype=torch.float64)
    wanted = torch.cat([one, kept.cumprod(0)])
    given = as_numbers(call(answer, betas), wanted)
    if given.shape == (len(betas),):
        if torch.allclose(given, wanted[1:]):
            raise Wrong("Nearly: these are alpha_bar_1 to alpha_bar_T. The first one is missing: alpha_bar_0 = 1, the picture before any step. "
                        "Without it every index is off by one.")
        if torch.allclose(given, torch.cat([one, kept[:-1].cumprod(0)])):
            raise Wrong("The 1 in front is right, and the last product is missing: T betas make T + 1 shares, from 0 to T.")
    same(given, wanted, {
        "This is a sum. Shares multiply: use torch.cumprod, not torch.cumsum.": torch.cat([one, 1 - betas.cumsum(0)]),
        "This is the sum of what is kept. Shares multiply: use torch.cumprod, not torch.cumsum.": torch.cat([one, kept.cumsum(0)]),
        "This is the product of the betas. What multiplies is what is left, 1 - beta.": torch.cat([one, betas.cumprod(0)]),
        "These are the square roots, alpha. alpha_bar is the share of the variance: no root.": wanted.sqrt(),
        "This is sigma squared, the static's share. Asked is the picture's: 1 minus that.": 1 - wanted,
        "You took beta for a standard deviation: the share that is left is 1 - beta, not 1 - beta squared.":
            torch.cat([one, (1 - betas**2).cumprod(0)]),
        "These are the factors of the single steps. Multiply up: each share is the one before it times 1 - beta.": torch.cat([one, kept]),
        "The order is turned around: alpha_bar begins with 1 and falls.": wanted.flip(0),
    }, tolerance=1e-6)
    return "T steps, T + 1 shares: bar[0] = 1 is the picture itself, and bar[i] what i steps have left of it."


@check
def last_beta(answer, steps: int) -> str:
    """The beta_end with which `steps` betas on a line from 0.0001 end where the thousand end: at the same alpha_bar_T.

    steps: the number of betas, at least 20. Tried, not solved: a search over whole numbers finds it as well as bisection does.
    """
    def left(end: float) -> float:
        return float((1 - torch.linspace(1e-4, end, int(steps), dtype=torch.float64)).clamp(min=0).prod())

    target, low, high = float(SCHEDULE.alpha_bar[-1]), 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if left(middle) > target else (low, middle)
    given, rescaled = one_number(answer, "one number, beta_end"), 0.02 * 1000 / steps
    if not 0 < given < 1:
        raise Wrong(f"beta_end is {given:g}, but it is the share that a step replaces: between 0 and 1.")
    if abs(given - low) <= 0.002 * low:
        return f"With {steps} steps from 0.0001 to {low:.4f} there is as little left at the end as with a thousand to 0.02."
    if abs(given - 0.02) < 1e-9:
        raise Wrong(f"That is the old value. In {steps} steps it leaves {left(0.02):.0%} of the picture's variance: fewer steps have to be larger ones.")
    if abs(given - rescaled) <= 0.001 * rescaled:
        raise Wrong(f"0.02 times 1000 / {steps} is close, and the first thing to try. It leaves {left(given):.2g} where the thousand steps leave "
                    f"{target:.2g}: large steps take away more than many small ones of the same sum. Search nearby.")
    if abs(given - low**0.5) < 0.004:
        raise Wrong("This is the square root of the right number: a beta is a variance.")
    where = "too gentle" if given < low else "too strong"
    raise Wrong(f"With beta_end = {given:g} there is {left(given):.3g} left in the end; it has to be {target:.3g}: {where}.")


@check
def straight_in_log_snr(answer, ends: float) -> str:
    """A function t -> (alpha, sigma), variance preserving, whose log-SNR falls on a line from `ends` at t = 0 to -`ends` at t = 1.

        alpha^2 = sigmoid(lambda),   sigma^2 = sigmoid(-lambda),   lambda = ends (1 - 2 t).      Reference: Kingma et al. 2021, section 3.2
    """
    t = torch.tensor([0.0, 0.2, 0.5, 0.7, 1.0], dtype=torch.float64)
    snr = ends * (1 - 2 * t)
    returned = [call(answer, float(at)) for at in t]
    if not all(isinstance(pair, (tuple, list)) and len(pair) == 2 for pair in returned):
        raise Wrong("The check needs two numbers for each t: return alpha, sigma.")
    if any(part is None or part is ... for pair in returned for part in pair):
        raise NotAttempted
    given = torch.stack([torch.tensor([one_number(part, "two numbers for each t, alpha and sigma") for part in pair], dtype=t.dtype) for pair in returned])

    def pairs(alpha2: Tensor) -> Tensor:
        return torch.stack([alpha2, 1 - alpha2], 1)

    wanted = pairs(torch.sigmoid(snr)).sqrt()
    same(given, wanted, {
        "These are the squares, alpha^2 and sigma^2. The square roots are missing.": wanted**2,
        "alpha and sigma have changed places: at t = 0 there is (nearly) only picture.": wanted.flip(1),
        "Your line has this slope in log(alpha / sigma). log-SNR is twice that: SNR is the ratio of the squares.": pairs(torch.sigmoid(2 * snr)).sqrt(),
        "Your line falls half as fast as it has to: SNR is alpha^2 / sigma^2, already squared.": pairs(torch.sigmoid(snr / 2)).sqrt(),
        "You used powers of ten. log is the natural logarithm here, its inverse is exp.": pairs(torch.sigmoid(snr * torch.tensor(10.0).log())).sqrt(),
        "The ratio is right, but alpha^2 + sigma^2 is not 1: this is alpha = 1 with sigma on top, the picture unshrunk.":
            torch.stack([torch.ones_like(t), torch.exp(-snr / 2)], 1),
        "The ratio is right, but alpha + sigma = 1 where alpha^2 + sigma^2 = 1 is asked.": pairs(torch.sigmoid(snr / 2)),
    }, tolerance=1e-5)
    return f"Equal times, equal strides in log-SNR: from {ends:g} to {-ends:g}, and half picture, half static at t = 0.5."
