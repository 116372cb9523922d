"""Writes the scoreboard: every measured model with what it was made of, how good it is, and which bars it meets.

Nothing on the page is typed. It comes from the files beside the shipped models (diffusion_lib/zoo/*.json, written by
`python -m diffusion_lib evaluate MODEL --card`) and from the records (diffusion_lib/records/*.json). The bars alone stand here.

    python scripts/scoreboard.py                        # writes book/scoreboard.md; tests/test_scoreboard.py keeps it fresh
"""

import json
import re
import sys
from collections.abc import Callable, Iterable
from math import hypot
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "book" / "scoreboard.md"
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from diffusion_lib import zoo  # noqa: E402
from diffusion_lib.checkpoints import read_about  # noqa: E402
from diffusion_lib.evaluation import interval  # noqa: E402
from diffusion_lib.records.training_runs import FOLDER  # noqa: E402
from diffusion_lib.zoo.card import (NOT_MEASURED, description, figure_title, measurements, minutes_of_reading, number, percent,  # noqa: E402
                                    sections_of, table)
from peers import SETTINGS  # noqa: E402
from peers.standings import WITHIN, counted, goals, runs_of, together  # noqa: E402

NOT_RECORDED = "not recorded"
QUALITIES = {"seen": "all right, seen", "held_out": "all right, held out", "frechet": "Fréchet distance"}  # of a race
VERDICTS = {True: "met", False: "missed", None: NOT_MEASURED}
FULL_N = 2000                                                # pictures a question for which the bars of shipped models are meant


# Bars ----------------------------------------------------------------------------------------------------------------

class Bar(NamedTuple):
    """A promise. words: what is measured. reached: results, or a record -> the worst of it, or None. limit: what it has to be.
    at_most: whether less is better. spread: results -> how much that varies, where it is known. tried: for whoever reads that it
    was missed, what was tried and what comes next; {levels} is what `levels` says."""

    words: str
    reached: Callable[[dict], float | None]
    limit: float
    at_most: bool = False
    spread: Callable[[dict], float | None] = lambda results: None
    tried: str = ""

    def met(self, results: dict) -> bool | None:
        """Whether it is met; None where nothing was measured."""
        value = self.reached(results)
        return None if value is None else value <= self.limit if self.at_most else value >= self.limit


def everything_right(law: str) -> Callable[[dict], float | None]:
    """The share of pictures with all asked attributes."""
    return lambda results: min(section["accuracy"][law]["all"] for section in sections_of(results).values())


def in_few_steps(law: str, steps: int = 8, n: int = FULL_N) -> Callable[[dict], float | None]:
    """The same after so many steps, with the guidance of all the rest."""
    def reached(results: dict) -> float | None:
        rows = [row for section in sections_of(results).values() for row in section.get("sweep", {}).get("rows", ())
                if (row["guidance"], row["steps"]) == (results["protocol"]["guidance"], steps) and row["n"] >= n and law in row]
        return min((row[law]["value"] for row in rows), default=None)
    return reached


def over_floor(name: str) -> Callable[[dict], float | None]:
    """The worst ratio of a figure to its floor."""
    def reached(results: dict) -> float | None:
        worst = furthest(results, name)
        return worst["value"] / worst["floor"] if worst else None
    return reached


def spread_over_floor(name: str) -> Callable[[dict], float | None]:
    """The standard deviation of that ratio, from pair to pair of sets: to first order, as if figure and floor varied independently."""
    def spread(results: dict) -> float | None:
        worst = furthest(results, name)
        if not {"spread", "floor_spread"} <= worst.keys():
            return None
        return worst["value"] / worst["floor"] * hypot(worst["spread"] / worst["value"], worst["floor_spread"] / worst["floor"])
    return spread


def furthest(results: dict, name: str) -> dict[str, float]:
    """A figure in the language in which it is furthest from its floor, with all that is known of it; empty where it was not measured."""
    figures = [section["figures"][name] for section in sections_of(results).values() if name in section.get("figures", {})]
    return max(figures, key=lambda figure: figure["value"] / figure["floor"], default={})


def figure(name: str) -> Callable[[dict], float | None]:
    """The largest value of a figure."""
    return lambda results: max((section["figures"][name]["value"] for section in sections_of(results).values()
                                if name in section.get("figures", {})), default=None)


def promised(seen: float, held_out: float, frechet: str = "") -> tuple[Bar, ...]:
    """The bars that every model of pets has. frechet: what was tried for its third."""
    return (Bar("all asked attributes, seen combinations", everything_right("seen"), seen),
            Bar("all asked attributes, held-out combinations", everything_right("held_out"), held_out),
            Bar("Fréchet distance / floor", over_floor("frechet"), 1.1, True, spread_over_floor("frechet"), frechet))


def looks(details: str) -> tuple[Bar, ...]:
    """The bars of models that read. details: what was tried for the first."""
    return (Bar("sliced Wasserstein of details / floor", over_floor("wasserstein"), 1.3, True, spread_over_floor("wasserstein"), details),
            Bar("near copies", figure("near copies"), 0.075, at_most=True))


GRAIN_OF_PETS = (
    "In floors it is {levels}. No setting of the sampler mends both sizes (400 pictures, in floors, which are higher for fewer pictures, at 32 × 32 and "
    "at 16 × 16): guidance 2 gave 1.56 and 1.42, 1.5 gave 1.88 and 0.99, 1 gave 3.25 and 1.50; guidance only at t > 0.5 gave 1.62 and 1.29, times "
    "warped at 1.5 gave 1.79 and 0.98. Naming x0, taught by the velocity's loss, had less grain after 330 CPU seconds of one seed (0.039 against 0.060) "
    "but a higher loss (0.227 against 0.195), so the model names the flow. Next: longer training, so that a lower guidance will do.")
GRAIN_OF_SCENES = (
    "In floors it is {levels}. Naming x0 instead of the flow and a stem of 16 channels brought the figure from 0.0067 to 0.0043; the sampler and its "
    "times hardly matter. Next, and not tried yet: 2 × 2 places folded instead of 4 × 4, at four times the work; a longer run, as the loss still fell "
    "at the end; an autoencoder of our own.")
DISTANCE_OF_SCENES = (
    "The sampler, its times and the guidance hardly mend it: with scales 1, 2 and 3 the distance was 363, 335 and 342 where the floor was 305 "
    "(500 pictures, 15 steps), and 79 %, 98 % and 99 % were right in everything. Next: the same as for the details.")

BARS: dict[str, tuple[Bar, ...]] = {
    "pets32": (*promised(0.97, 0.95), Bar("recall / that of real pictures", lambda results: results.get("recall"), 0.9)),
    "pets32-text": (*promised(0.98, 0.96), Bar("all in 8 steps, seen", in_few_steps("seen"), 0.95),
                    Bar("all in 8 steps, held out", in_few_steps("held_out"), 0.90), *looks(GRAIN_OF_PETS)),
    "scenes64-text": (*promised(0.90, 0.80, DISTANCE_OF_SCENES), *looks(GRAIN_OF_SCENES)),
    "pets32-classifier": (Bar("all attributes of fresh real pictures", everything_right("seen"), 0.99),),
    "pets32-quick": (Bar("all asked attributes, seen combinations, worst seed",
                         lambda record: min(run["found"]["seen"] for run in record["runs"]), 0.90),
                     Bar("minutes on 2 cores, longest run", lambda record: max(run["minutes"] for run in record["runs"]), 8.0,
                         at_most=True)),
}


# What was measured ---------------------------------------------------------------------------------------------------

class Entry(NamedTuple):
    """A model that was measured. made: recipe, hardware, minutes, pictures, seed, date, as far as they are known."""

    name: str
    made: dict[str, Any]
    results: dict[str, Any]


def shipped() -> list[Entry]:
    """The models of the zoo that have been measured."""
    return [Entry(model.name, read_about(model.file), json.loads(model.file.with_suffix(".json").read_text(encoding="utf-8")))
            for model in zoo.models() if model.file.with_suffix(".json").is_file()]


def starts() -> list[dict]:
    """The records of recipes that were run from nothing with several seeds (benchmarks/quick_start.py)."""
    return [record for record in records().values() if "recipe" in record and any("minutes" in run for run in record.get("runs", ()))]


def comparisons() -> dict[str, dict]:
    """The records of benchmarks that compare trainings of equal length (benchmarks/equal_time.py)."""
    return {name: record for name, record in records().items() if "runs" in record and "judged pictures" in record}


def races() -> dict[str, dict]:
    """The records of races against other libraries (benchmarks/learning_speed.py)."""
    return {name: record for name, record in records().items() if any("library" in run and run["points"] for run in record.get("runs", ()))}


def walks() -> dict[str, dict]:
    """The records of samplers on one network (benchmarks/sampling_speed.py)."""
    return {name: record for name, record in records().items() if any("sampler" in row for row in record.get("rows", ()))}


def records() -> dict[str, dict]:
    """All records, by name."""
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in sorted(FOLDER.glob("*.json"))}


# The page ------------------------------------------------------------------------------------------------------------

HEAD = """# Scoreboard

Every model that was measured, what it was made of, and which of its promises it keeps. A classifier of known accuracy looked
at the pictures, one for single pets and another for scenes; how many it looked at, and how the model was asked, stands with each
model. Compare rows only where that is the same. Beside each figure stand two others: its **floor**, what fresh real
pictures get against other real ones, and its **ceiling**, what pure static gets. A figure near its floor cannot be told
from real at this number of pictures; a figure far from it can, whatever the pictures look like to us. Precision is an exception:
it can be high even for static, because the classifiers never saw any and take most of it for one thing. Read it beside recall.
Where a bar is a ratio to the floor, ± says how much the ratio varies from pair to pair of sets, to first order, as if figure and floor
varied independently; the verdict goes by the mean.
"""


def overview(entries: Iterable[Entry]) -> str:
    """One line a model."""
    rows = []
    for name, made, results in entries:
        met, accuracy, n = [bar.met(results) for bar in BARS.get(name, ())], results["accuracy"], wishes(results)
        rows.append([name, str(made.get("minutes", NOT_RECORDED)), made.get("hardware", NOT_RECORDED), f"{made['pictures']:,}",
                     percent(accuracy["seen"]["all"], n), percent(accuracy["held_out"]["all"], n),
                     ", ".join([*(f"{met.count(verdict)} {word}" for verdict, word in VERDICTS.items() if verdict in met),
                                *["provisional"] * provisional(results)])])
    return table(["model", "minutes", "hardware", "pictures seen", "all right, seen", "all right, held out", "bars"], rows)


def wishes(results: dict) -> int:
    """How many wishes a question stands on: the same wish in two languages begins with the same static, and counts as one."""
    return results["n"] // len(sections_of(results))


def provisional(results: dict) -> bool:
    """Whether fewer pictures were judged than the bars are meant for."""
    return results["protocol"]["n"] < FULL_N


def verdict(met: bool | None) -> str:
    """In a word, loud where it is bad news."""
    return f"**{VERDICTS[met]}**" if met is False else VERDICTS[met]


def verdicts(name: str, results: dict) -> str:
    """Which of its bars a model meets."""
    rows = []
    for bar in BARS[name]:
        met, value, spread = bar.met(results), bar.reached(results), bar.spread(results)
        reached = NOT_MEASURED if met is None else f"{value:.4g}" + (f" ± {spread:.2g}" if spread is not None else "")
        rows.append([bar.words, f"{'at most' if bar.at_most else 'at least'} {bar.limit:g}", reached, verdict(met)])
    return table(["bar", "promised", "reached", "verdict"], rows)


def misses(name: str, results: dict) -> list[str]:
    """By how much a model misses its bars, what was tried, and what comes next; nothing where it misses none."""
    missed = [f"* **{bar.words}**: missed by {abs(bar.reached(results) - bar.limit):.2g}. {bar.tried.format(levels=levels(results))}".rstrip()
              for bar in BARS[name] if bar.met(results) is False]
    return ["What was missed, by how much, what was tried (without a kept record), and what comes next:", "\n".join(missed)] if missed else []


def levels(results: dict) -> str:
    """How many times their floor the details of each size are: "1.5 at 32 × 32 and 2.7 at 16 × 16"."""
    names = [name for name in next(iter(sections_of(results).values())).get("figures", {}) if name.startswith("wasserstein ")]
    each = [f"{over_floor(name)(results):.1f} at {figure_title(name).rpartition(', ')[2]}" for name in names]
    return " and ".join(filter(None, [", ".join(each[:-1]), *each[-1:]]))


def facts(entry: Entry) -> str:
    """What one model was made of."""
    made, measured = entry.made, entry.results.get("measured", {})
    rows = {"recipe": f"`recipes/{entry.name}.toml`", **{what: made.get(what) for what in ("seed", "commit", "hardware", "minutes")},
            **minutes_of_reading(made), "pictures seen": f"{made['pictures']:,}", "trained": made.get("date"),
            "measured": f"{measured['date']} on {measured['hardware']}" if measured else None}
    return table(["what", "value"], [[what, NOT_RECORDED if value is None else str(value)] for what, value in rows.items()])


def model(entry: Entry) -> str:
    """The section of one model."""
    parts = [f"## {entry.name}", description(entry.made.get("recipe", "")), facts(entry)]
    if entry.name in BARS:
        parts += [verdicts(entry.name, entry.results), *misses(entry.name, entry.results)]
    if provisional(entry.results):
        parts.append(f"The bars are meant for {FULL_N:,} pictures a question; {entry.results['protocol']['n']:,} were judged, so the verdicts "
                     f"are provisional.")
    return "\n\n".join([*parts, measurements(entry.results)])


def comparison(name: str, record: dict) -> str:
    """One benchmark: means and spreads over the seeds of each variant."""
    columns = {"all right": lambda run: run["found"]["all"]}
    if "validation pictures" in record:
        columns["loss, fresh pictures"] = lambda run: run["loss"]
    rows = []
    for variant in dict.fromkeys(run["variant"] for run in record["runs"]):
        runs = [run for run in record["runs"] if run["variant"] == variant]
        rows.append([variant, ", ".join(str(run["seed"]) for run in runs), f"{fmean(run['pictures'] for run in runs):,.0f}",
                     *(mean([of(run) for run in runs]) for of in columns.values())])
    about = (f"{record['seconds']:g} CPU seconds of training each, {when(record['runs'])}; {record['judged pictures']} pictures judged a run "
             f"(`{record['made by']}`). Mean ± standard deviation over seeds. {processors(record['runs'], 'variant')}")
    return "\n\n".join([f"### {name}", about, table(["variant", "seeds", "pictures seen", *columns], rows)])


def start(record: dict) -> str:
    """A recipe that was run from nothing, seed by seed."""
    rows = [[str(run["seed"]), f"{run['minutes']:.1f}", run["hardware"], run.get("date", NOT_RECORDED), f"{run['pictures']:,}",
             *(percent(run["found"][law], record["n"]) for law in ("seen", "held_out"))] for run in record["runs"]]
    about = (f"`recipes/{record['recipe']}.toml`, by `{record['made by']}`; {record['n']:,} pictures judged a run, drawn in "
             f"{record['steps']} steps with guidance {record['guidance']:g}.")
    bars = [verdicts(record["recipe"], record)] if record["recipe"] in BARS else []
    return "\n\n".join([f"### {record['recipe']}", about, *bars,
                        table(["seed", "minutes", "hardware", "date", "pictures seen", "all right, seen", "all right, held out"], rows)])


def race(name: str, record: dict) -> str:
    """Where every library stood at the end of its runs, or how far they have come: means and spreads over the seeds."""
    runs, rows = [run for run in record["runs"] if run["points"]], []
    for kind in dict.fromkeys((run["library"], run["choice"], run["minutes"]) for run in runs):
        own = [run for run in runs if (run["library"], run["choice"], run["minutes"]) == kind]
        if not (ends := together(own)):
            continue
        (library, choice, minutes), come = kind, ends[0]["minute"]
        rows.append([library, choice, f"{minutes:g}" if come == minutes else f"{come:g} of {minutes:g}",
                     ", ".join(str(run["seed"]) for run in own), f"{fmean(end['pictures'] for end in ends):,.0f}",
                     *(mean([end[quality] for end in ends]) for quality in ("seen", "held_out", "frechet")),
                     mean([run["frechet_floor"] for run in own])])
    about = (f"The same pictures, number of parameters and judge for all (`{record['made by']}`), {when(runs)}; minutes and seeds as in the "
             f"table. Means, ± standard deviations where there are several seeds. {processors(runs, 'library')}")
    if waiting := [library for library in SETTINGS if library not in {run["library"] for run in runs}]:
        about += f" Not run yet with its settings of today: {', '.join(waiting)}."
    return "\n\n".join([f"### {name}", about, table(
        ["library", "settings", "minutes", "seeds", "pictures seen", "all right, seen", "all right, held out", "Fréchet distance", "its floor"], rows),
        *goal(record)])


def goal(record: dict) -> list[str]:
    """Whether ours is as good as the best other library in a part of its minutes."""
    rows = [[QUALITIES[found["quality"]], f"{found['best']}: {number(found['value'])}{doubt(record, found)} after {found['minutes']:g}",
             NOT_MEASURED if found["ours within"] is None else f"{number(found['ours within'])} within {found['minutes'] / WITHIN:g}",
             "not yet" if found["ours after"] is None else f"minute {found['ours after']:g}", verdict(found["met"])]
            for found in goals(record)]
    return [f"The goal: what the best other library reaches, in at most 1/{WITHIN} of its minutes. Of ours, every minute at which all seeds were judged "
            "counts. In brackets: the seeds of that library, and of a share where it lies with 95 % confidence.",
            table(["what", "best other library, minutes", "ours, minutes", "ours is as good at", "verdict"], rows)] if rows else []


def doubt(record: dict, found: dict) -> str:
    """How sure the best value of another library is: " (1 seed, 0.912 to 0.983)"."""
    own = runs_of(counted(record), found["best"], found["minutes"])
    told = [f"{len(own)} seed{'s' * (len(own) > 1)}"]
    if found["quality"] != "frechet":
        told.append(" to ".join(map(number, interval(found["value"], sum(run["judging"]["pictures"] for run in own)))))
    return f" ({', '.join(told)})"


def walk(name: str, record: dict) -> str:
    """Samplers on one network: what they draw after so many calls, and what our loop costs."""
    budgets = sorted({row["budget"] for row in record["rows"]})
    parts = [f"### {name}", f"{record['n']} pictures of `{record['model']}` a figure, with guidance {record['guidance']:g}, all from the same static "
             f"(`{record['made by']}`). A call asks about the whole batch, with the wish and without."]
    parts.append(f"Error: how far a picture is from the one that Heun's method draws with {record['end calls']} calls from the same static, "
                 "root of the mean square of numbers in [-1, 1]. A sampler with luck of its own draws another picture, so it has none; "
                 "those that walk along betas begin a little beside the static of the others, so theirs does not end at 0. At some number of steps a picture may take another turn, "
                 "another hat for example. Few do, and they weigh heavily in a mean of squares; so a line need not fall evenly.")
    for what, title, show in (("error", "error", number), ("frechet", f"Fréchet distance (floor {number(record['frechet_floor'])})", number),
                              ("found", "all right", lambda share: f"{100 * share:.1f} %")):
        found = {(row["sampler"], row["budget"]): row[what] for row in record["rows"] if row[what] is not None}
        parts.append(table([f"{title}, after calls", *map(str, budgets)],
                           [[sampler, *(show(found[sampler, budget]) if (sampler, budget) in found else NOT_MEASURED for budget in budgets)]
                            for sampler in dict.fromkeys(sampler for sampler, _ in found)]))
    if record["loop"]:
        parts += [f"What our loop costs over the bare calls of the network, in CPU time of one thread ({record['hardware']}):",
                  table(["model", "batch", "ms a call", "ms a step of the walk", "more"],
                        [[row["model"], str(row["batch"]), f"{row['ms a call']:.2f}", f"{row['ms a step']:.2f}", f"{row['overhead']:+.1%}"] for row in record["loop"]])]
    return "\n\n".join(parts)


def when(runs: list[dict]) -> str:
    """When runs were made: "2026-11-21 to 2026-11-22"."""
    dates = sorted({run.get("date", NOT_RECORDED) for run in runs})
    return " to ".join(dict.fromkeys((dates[0], dates[-1])))


def processors(runs: list[dict], kind: str) -> str:
    """On what runs of one core were made, and where there are several processors, which. kind: the name of a row in a run."""
    found: dict[str, dict[str, None]] = {}
    for run in runs:
        found.setdefault(re.sub(r"^1 core of |\(R\)| Processor$", "", run.get("hardware", NOT_RECORDED)), {})[run[kind]] = None
    return "One core of " + "; of ".join(name + f" ({', '.join(f'*{row}*' for row in rows)})" * (len(found) > 1) for name, rows in found.items()) + "."


def mean(values: list[float]) -> str:
    """A mean and, of several values, their spread."""
    return number(fmean(values), stdev(values) if len(values) > 1 else None)


def page() -> str:
    """The whole page."""
    entries = shipped()
    painters = [entry for entry in entries if "figures" in entry.results]
    parts = [HEAD, overview(painters), *map(model, sorted(entries, key=lambda entry: entry not in painters))]
    if found := starts():
        parts += ["## From nothing", "How long a recipe takes until its model obeys, seed by seed.", *map(start, found)]
    if found := races():
        parts += ["## Against other libraries", "Who learns fastest?", *(race(name, record) for name, record in found.items())]
    if found := walks():
        parts += ["## Samplers", "How good are the pictures after so many calls of the network?", *(walk(name, record) for name, record in found.items())]
    if found := comparisons():
        parts += ["## Equal time", "What a change of the recipe or the network buys when every variant gets the same time.",
                  *(comparison(name, record) for name, record in found.items())]
    parts.append("Written by `scripts/scoreboard.py` from the files beside the shipped models and from the records.")
    return "\n\n".join(part.strip() for part in parts) + "\n"


def main() -> int:
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)}: {', '.join(entry.name for entry in shipped())}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
