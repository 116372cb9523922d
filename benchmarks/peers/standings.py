"""What the record of a race says: which runs count, how far they have come, and whether the goal is met."""

from statistics import fmean

from peers import OURS, SETTINGS

QUALITIES = {"seen": +1, "held_out": +1, "frechet": -1}      # and which way is better
WITHIN = 5                                                   # the goal: as good as the best other library in a fifth of its time


def chosen(library: str, tried: list[dict]) -> str:
    """The choice whose guesses came out best when all were tried longest; without a search, the first one."""
    own = [row for row in tried if row["library"] == library]
    longest = [row for row in own if row["minutes"] == max(one["minutes"] for one in own)]
    return min(longest, key=lambda row: row["guess"])["choice"] if own else next(iter(SETTINGS[library]["choices"]))


def counted(record: dict) -> list[dict]:
    """The runs with the settings that were chosen for their library; others are not mixed with them."""
    return [one for one in record["runs"] if one["choice"] == chosen(one["library"], record["search"])]


def runs_of(runs: list[dict], library: str, minutes: float) -> list[dict]:
    return [one for one in runs if (one["library"], one["minutes"]) == (library, minutes)]


def lengths(runs: list[dict], library: str) -> list[float]:
    return sorted({one["minutes"] for one in runs if one["library"] == library})


def reached(runs: list[dict]) -> list[float]:
    """The minutes at which every one of these runs was judged, in order."""
    return sorted(set.intersection(*({point["minute"] for point in run["points"]} for run in runs))) if runs else []


def together(runs: list[dict]) -> list[dict]:
    """Of each run the point at the last minute that all of them have reached; none where there is no such minute."""
    last = reached(runs)[-1:]
    return [point for run in runs for point in run["points"] if point["minute"] in last]


def means(runs: list[dict], library: str, minutes: float, quality: str) -> dict[float, float]:
    """The mean over the seeds of one library's runs of this length, at each minute that all of them have reached."""
    own = runs_of(runs, library, minutes)
    judged = [{point["minute"]: point[quality] for point in one["points"]} for one in own]
    return {minute: fmean(one[minute] for one in judged) for minute in reached(own)}


def goal(runs: list[dict], minutes: float, quality: str) -> dict | None:
    """After how many minutes ours is as good as the best other library after `minutes`; None where that was not measured.

    Of ours, runs of every planned length count, each at the minutes at which it was judged, without anything in between.
    """
    better = QUALITIES[quality]
    ends = {library: means(runs, library, minutes, quality).get(minutes) for library in SETTINGS if library != OURS}
    ends = {library: value for library, value in ends.items() if value is not None}
    if not ends or not lengths(runs, OURS):
        return None
    best = max(ends, key=lambda library: better * ends[library])
    ours = [(minute, value) for length in lengths(runs, OURS) for minute, value in means(runs, OURS, length, quality).items()]
    good, within = [minute for minute, value in ours if better * value >= better * ends[best]], minutes / WITHIN
    return {"quality": quality, "minutes": minutes, "best": best, "value": ends[best], "ours after": min(good, default=None),
            "ours within": max((value for minute, value in ours if minute <= within), key=lambda value: better * value, default=None),
            "met": bool(good) and min(good) <= within}


def goals(record: dict) -> list[dict]:
    """The goal for every length that other libraries have run, and every quality."""
    runs = counted(record)
    theirs = {minutes for library in SETTINGS if library != OURS for minutes in lengths(runs, library)}
    return [found for minutes in sorted(theirs) for quality in QUALITIES if (found := goal(runs, minutes, quality))]
