"""Runs of one length that were begun one after another: how far have all of them come?"""


def reached(runs: list[dict]) -> list[float]:
    """The minutes at which every one of these runs was judged, in order."""
    return sorted(set.intersection(*({point["minute"] for point in run["points"]} for run in runs))) if runs else []


def together(runs: list[dict]) -> list[dict]:
    """Of each run the point at the last minute that all of them have reached; none where there is no such minute."""
    last = reached(runs)[-1:]
    return [point for run in runs for point in run["points"] if point["minute"] in last]
