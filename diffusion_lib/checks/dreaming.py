"""Checks on the walk from static to a picture that was wished for: what is left of the static, one step towards the guess,
a scratch-off card, what may be said aloud, and which picture of an archive is most alike.
"""

import math

import torch
from torch import Tensor

from ..random import CounterGenerator, randn
from ._verdict import Wrong, as_numbers, call, check, one_number, same

STEPS = 50


@check
def static_left(answer, done: int) -> str:
    """How many per cent of the first static are still in the sheet after `done` of 50 steps.

    With k steps to go a step keeps 1 - 1/k of the sheet: 49/50 * 48/49 * ... = (50 - done) / 50.
    """
    given, left = one_number(answer), 100 * (STEPS - done) / STEPS
    if abs(given - left) <= 0.05:
        return f"{left:g} %. Each step takes away equally much, a fiftieth of all there was, and so nothing is left at the end."
    slips = {
        left / 100: "This is the right share. The exercise asks for per cent: times 100.",
        100 - left: "This is how much is gone. The exercise asks what is left.",
        STEPS - done: "This is the number of steps that are to go. Each of them stands for a fiftieth of the static, which is 2 per cent.",
        100 * (1 - 1 / STEPS) ** done: "You took away a fiftieth of what was left each time. With k steps to go it is a k-th: the share "
                                       "that is taken grows, because there is less and less to take it from.",
        left - 100 / STEPS: "One step too many: DONE steps have been taken, not one more.",
        left + 100 / STEPS: "One step too few: DONE steps have been taken, the last of them as well.",
    }
    for value, words in slips.items():
        if abs(given - value) <= 0.05:
            raise Wrong(words)
    raise Wrong(f"{'Less' if given > left else 'More'} than {given:g} % is left. Try it with a small walk on paper: of 4 steps the first keeps 3/4 "
                "of the sheet, the second 2/3 of that, the third 1/2 of that. What is left after each?")


@check
def small_step(answer) -> str:
    """A function (sheet, guess, to_go) -> sheet + (guess - sheet) / to_go: one k-th of the way to the guess, with k steps to go.

    On a straight line from picture to static it is DDIM's step. Reference: Song, Meng and Ermon 2021, eq. 12.
    """
    generator = CounterGenerator(4)
    sheet, guess = (randn((3, 6, 6), generator, dtype=torch.float64) for _ in range(2))

    def at(function) -> Tensor:
        return torch.stack([as_numbers(function(sheet, guess, to_go), sheet) for to_go in (50, 7, 2, 1)])

    same(at(lambda *a: call(answer, *a)), at(lambda s, g, k: s + (g - s) / k), {
        "This jumps all of the way to the guess in every step: of the many cats that are possible you get the average.":
            at(lambda s, g, k: g),
        "The sheet moves away from the guess. The way to go is guess - sheet.": at(lambda s, g, k: s - (g - s) / k),
        "A share of the guess is added, but the sheet keeps all its static: the way to go is guess - sheet.": at(lambda s, g, k: s + g / k),
        "Every step is a fiftieth of the way, so the walk never arrives. With to_go steps to go, take one to_go-th.":
            at(lambda s, g, k: s + (g - s) / STEPS),
        "The shares have changed places: with 50 steps to go the guess counts a fiftieth, and the sheet all the rest.":
            at(lambda s, g, k: g + (s - g) / k),
        "The static becomes quieter, but the guess is missing: nothing would ever appear.": at(lambda s, g, k: s - s / k),
        "This is half of the way, whatever to_go says.": at(lambda s, g, k: (s + g) / 2),
        "This is the way from the sheet to the new sheet. Add it to the sheet.": at(lambda s, g, k: (g - s) / k),
        "One step too slow: with one step to go it has to arrive, and you take half of the way.": at(lambda s, g, k: s + (g - s) / (k + 1)),
    }, tolerance=1e-6)
    return "One k-th of the way with k steps to go: a fiftieth, a forty-ninth, ... a half, all."


@check
def scratched(answer) -> str:
    """A function (before, after, rubbed) -> after where `rubbed` (H, W) is True, before everywhere else."""
    generator = CounterGenerator(5)
    before, after = (randn((3, 6, 6), generator, dtype=torch.float64) for _ in range(2))
    rubbed = torch.zeros(6, 6, dtype=torch.bool)
    rubbed[1:3, 2:6] = True
    same(call(answer, before, after, rubbed), torch.where(rubbed, after, before), {
        "The other way round: this clears what was not rubbed.": torch.where(rubbed, before, after),
        "The whole sheet has moved. Where nobody rubbed, it has to stay as it was.": after,
        "Nothing has moved, not even where somebody rubbed.": before,
        "Where nobody rubbed there are zeros now, which is grey: the old sheet has to stay there.": after * rubbed,
        "Where somebody rubbed there are zeros now: the new sheet belongs there.": before * ~rubbed,
        "Where somebody rubbed, old and new lie on top of each other. Take the old one away there.": before + after * rubbed,
        "You took rows for columns: rubbed[row, column] belongs to the pixel at [row, column].": torch.where(rubbed.T, after, before),
    }, tolerance=1e-9)
    all_of_it = torch.ones(6, 6, dtype=torch.bool)
    same(call(answer, before, after, all_of_it), after, {}, tolerance=1e-9)
    return "New where somebody rubbed, old everywhere else, to the last digit. That is all there is to a scratch-off card."


NAMES = ["cat", "dog", "frog"]


@check
def said_aloud(answer, sure: float) -> str:
    """A function (shares, names) -> the name with the largest share if that is at least `sure` %, or else "nothing yet"."""
    sure = sure / 100
    rest = (1 - sure) / 2
    cases = [([sure + 0.9 * rest, rest, 0.1 * rest], "cat"), ([0.34, 0.33, 0.33], "nothing yet"), ([0.005, 0.005, 0.99], "frog"),
             ([rest, sure, rest], "dog"), ([sure - 0.02, (1.02 - sure) / 2, (1.02 - sure) / 2], "nothing yet")]
    said = []
    for shares, wanted in cases:
        given = call(answer, list(shares), list(NAMES))
        if isinstance(given, Tensor) and given.numel() != 1:
            raise Wrong("The check needs a word, but it got several numbers: which name belongs to the largest?")
        if isinstance(given, (int, float, Tensor)) and not isinstance(given, bool):
            raise Wrong(f"The check needs a word, but it got the number {float(given):g}: which name stands at that place?")
        if not isinstance(given, str):
            raise Wrong(f"The check needs a word, but it got {type(given).__name__}: {given!r}"[:120] + ".")
        said.append((shares, wanted, given))
    if all(wanted == given for _, wanted, given in said):
        return (f"It names what it sees from {100 * sure:g} % on, and otherwise says so. A narrator that always names something is only "
                "guessing aloud.")
    if all(given == "nothing yet" for *_, given in said):
        raise Wrong("It says \"nothing yet\" to everything. The shares lie between 0 and 1, and SURE is in per cent.")
    if all(given == NAMES[shares.index(max(shares))] for shares, _, given in said):
        raise Wrong("It always names something, even where nothing stands out: then it has to say \"nothing yet\".")
    if all(given in (wanted, NAMES[shares.index(min(shares))]) for shares, wanted, given in said):
        raise Wrong("It names what it believes least. Look for the largest share.")
    if all(given in (wanted, "nothing yet") and (wanted == given or max(shares) <= sure) for shares, wanted, given in said):
        raise Wrong("Exactly SURE per cent is enough: \"at least\" takes the edge in.")
    shares, wanted, given = next(one for one in said if one[1] != one[2])
    told = ", ".join(f"{name} {share:.0%}" for name, share in zip(NAMES, shares))
    raise Wrong(f"With {told}, and {100 * sure:g} % needed, it says {given!r}, but it has to be {wanted!r}.")


@check
def most_alike(answer) -> str:
    """A function (picture (3, H, W), archive (M, 3, H, W)) -> the index of the picture with the smallest root mean square difference."""
    picture, archive, wrong = _line_up()
    given = call(answer, picture, archive)
    if isinstance(given, Tensor) and given.numel() == 1:
        given = given.item()
    if not isinstance(given, (int, float)) or not math.isfinite(given) or given != round(given) or not 0 <= given < len(archive):
        raise Wrong(f"The check needs the place of a picture in the archive, a whole number from 0 to {len(archive) - 1}, "
                    f"but it got {given!r}"[:160] + ".")
    if int(given) in wrong:
        raise Wrong(wrong[int(given)])
    if int(call(answer, archive[2], archive)) != 2:
        raise Wrong("It was right once. But asked about a picture that is itself in the archive, it finds another one.")
    return "Difference of every number, squared so that nothing cancels, added up; and the smallest sum wins."


def _line_up() -> tuple[Tensor, Tensor, dict[int, str]]:
    """A picture, an archive of six, and what was done wrong if one of the others is found. Number 4 is most alike."""
    generator = CounterGenerator(6)
    picture = 0.3 * randn((3, 8, 8), generator)
    rows, columns = torch.arange(8)[:, None] // 2, torch.arange(8) // 2
    chequered = ((rows + columns) % 2 * 2 - 1).float()       # in squares of 2 x 2, so that half the size still shows them
    tint = torch.tensor([0.5, -0.5, 0])[:, None, None]     # one colour up, one down: 0 on average
    one_pixel = torch.zeros(3, 8, 8)
    one_pixel[:, 2, 3] = 0.8
    archive = torch.stack([
        picture + tint, picture + 0.6 * chequered + 0.004, picture + 1.2, picture + 0.3, picture + one_pixel, picture - 0.9])
    return picture, archive, {
        0: "You took the mean of the differences: too bright here and too dark there cancel. Square them first (or take their sizes).",
        1: "You compared how bright each colour is on average. Two quite different pictures can agree in that: compare number by number.",
        2: "This is the picture that is least alike: look for the smallest distance, not the largest.",
        3: "You took the largest single difference. One odd pixel then counts more than a picture that is wrong everywhere: take the mean.",
        5: "You took the smallest *signed* difference: being far too dark counts as less than nothing. Square the differences first.",
    }
