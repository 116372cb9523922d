"""A model's card: how it was made, and how good it is. Nothing on it is written by hand.

The first half comes from the model's own file, the second from the results of `evaluate`, which are kept beside it as
JSON together with the SHA-256 of the file that was measured.
"""

import hashlib
import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import torch
from torch import nn

from .. import records
from ..checkpoints import load_checkpoint, read_about
from ..conditioning import AttributeConditioner, TextConditioner
from ..evaluation import interval
from ..files import write_atomically
from ..networks.layers import count_flops, count_parameters


def write_card(file: Path, results: dict[str, Any]) -> Path:
    """Write results and card beside a model's file: NAME.json and NAME.md. Returns the card's path."""
    results = {"sha256": hashlib.sha256(file.read_bytes()).hexdigest()} | results
    write_atomically(file.with_suffix(".json"), json.dumps(results, indent=1) + "\n")
    card = file.with_suffix(".md")
    write_atomically(card, card_of(file, results))
    return card


def card_of(file: Path, results: dict[str, Any]) -> str:
    """The card of the model in `file`, as Markdown. results: as `write_card` keeps them."""
    about, measured, model = read_about(file), results.get("measured"), load_checkpoint(file)
    recipe, commit = about.get("recipe", ""), about.get("commit")
    facts = {
        "recipe": f"`recipes/{about.get('name', file.stem)}.toml`, in full below", "seed": about.get("seed"),
        "commit": commit and f"{commit}, the last when it was trained; the recipe that was run stands below",
        "hardware": about.get("hardware"), "pictures seen": f"{about.get('pictures', 0):,}", "steps": f"{about.get('steps', 0):,}",
        "minutes": about.get("minutes"), **minutes_of_reading(about), "parameters": f"{count_parameters(model):,}", **_network(model, about.get("shape")),
        "file": f"{file.stat().st_size / 1e6:.1f} MB, float16, SHA-256 `{results['sha256'][:16]}…`", "licence": about.get("licence"),
    } | ({"measured": f"{measured['date']}, {measured['hardware']}, PyTorch {measured['torch']}"} if measured else {})
    lines = [f"| {name} | {value} |" for name, value in facts.items()]
    return "\n\n".join([
        f"# {file.stem}", description(recipe), "## How it was made", "\n".join(["| what | value |", "| --- | --- |", *lines]),
        *(["## What each step bought", steps_bought(records.read("training_tricks"), "binding" in results)] if "languages" in results else []),
        "## How good it is", *_promises(file), measurements(results), "## Recipe", f"```toml\n{recipe.strip()}\n```"]) + "\n"


def description(recipe: str) -> str:
    """The comment in the first line of a recipe."""
    return recipe.split("\n", 1)[0].lstrip("# ")


def minutes_of_reading(about: dict[str, Any]) -> dict[str, str]:
    """How long a reader learned before its model saw pictures, as a row of a card; none where it did not, or nothing is said of it."""
    captions = tomllib.loads(about.get("recipe", "")).get("comprehension", {}).get("captions", 0)
    timed = about.get("reading_minutes", f"not timed; the reader learned from {captions:,} captions before these minutes began" if captions else None)
    return {} if timed is None else {"minutes of reading before": str(timed)}


def _network(model: nn.Module, shape: Sequence[int] | None) -> dict[str, str]:
    """How big the network of a denoiser is, without and with its reader, and how much one answer costs, as rows of a card."""
    network = getattr(model, "network", None)
    if network is None or shape is None:
        return {}
    conditioner = getattr(network, "conditioner", None)
    own = count_parameters(network) - (0 if conditioner is None else count_parameters(conditioner))
    rows, cond, told = {"U-Net": f"{own:,} parameters"}, (), ""
    if isinstance(conditioner, TextConditioner):
        words = conditioner.vocabulary.length
        rows["reader"] = f"{count_parameters(conditioner):,} parameters"
        cond, told = (torch.ones(1, words, dtype=torch.int64),), f", reader included, for a wish of {words} words"
    elif isinstance(conditioner, AttributeConditioner):
        cond = (torch.zeros(1, len(conditioner.sizes), dtype=torch.int64),)
    return rows | {"GFLOP for one forward": f"{count_flops(network, tuple(shape), *cond) / 1e9:.3f}{told}"}


def _promises(file: Path) -> list[str]:
    """Where it stands which promises a shipped model keeps; nothing of a model that lies elsewhere."""
    return [f"Which bars it meets, and what was tried where it does not: [scoreboard](../../book/scoreboard.md#{file.stem})."
            ] if file.resolve().parent == Path(__file__).resolve().parent else []


def steps_bought(tricks: dict[str, Any], scene: bool = False) -> str:
    """What the choices behind a recipe are worth, as Markdown. tricks: the record of benchmarks/training_tricks.py, the full recipe first.
    scene: whether the recipe draws two pets, which the record does not."""
    shares: dict[str, dict[int, float]] = {}                 # variant -> seed -> everything found, %
    for run in tricks["runs"]:
        shares.setdefault(run["variant"], {})[run["seed"]] = 100 * run["found"]["all"]
    (full, whole), *_ = shares.items()
    rows = []
    for name, by_seed in shares.items():
        own, found = [run for run in tricks["runs"] if run["variant"] == name], [*by_seed.values()]
        gained = [share - whole[seed] for seed, share in by_seed.items() if seed in whole and name != full]
        share = f"{fmean(found):.1f} %" + (f" ± {stdev(found):.1f}" if len(found) > 1 else "")
        rows.append([name, str(len(found)), f"{fmean(run['pictures'] for run in own):,.0f}", share, f"{fmean(gained):+.1f}" if gained else "",
                     " and ".join(dict.fromkeys(run.get("hardware", "not recorded") for run in own))])
    return (f"Each choice of `{tricks['recipe']}`, out of which this recipe grew, was undone alone. All runs had {tricks['seconds']:g} CPU seconds of one "
            f"thread, so what is cheaper saw more pictures. Then the classifier looked for everything that was asked in {tricks['judged pictures']} pictures "
            f"of {tricks['sampler steps']} steps with guidance {tricks['guidance']:g}: mean ± standard deviation over the seeds, and the difference from "
            f"the full recipe with the same seeds, in points. A difference smaller than the spread over the seeds, and a row of one seed, say "
            f"nothing yet (chapter 12 shows the spread); a row of another processor says little of what is a matter of time."
            f"{' The table is of single pets, not of scenes.' * scene}\n\n"
            ) + table(["what is different", "seeds", "pictures seen", "all found", "difference", "hardware"], rows)


# What was measured ---------------------------------------------------------------------------------------------------

LANGUAGES = {"en": "English", "te": "Telugu"}
LAWS = {"seen": "seen", "held_out": "held out"}
FIGURES = {"frechet": "Fréchet distance", "kernel": "kernel distance", "precision": "precision", "recall": "recall",
           "wasserstein": "sliced Wasserstein of details", "near copies": "near copies"}
NOT_MEASURED = "not measured"


def measurements(results: dict[str, Any]) -> str:
    """The results of `judge` or `judge_classifier` as Markdown that can be read in a terminal too."""
    protocol, sections = results["protocol"], sections_of(results)
    drawn = "" if "guidance" not in protocol else (
        f" Pictures are drawn in {protocol['steps']} steps of {protocol['sampler']} with guidance {protocol['guidance']:g}.")
    says = " Each wish is a sentence that says everything, also what is not to be there." if "languages" in results else ""
    what = "pictures" if drawn else "fresh real pictures"
    parts = [f"The share of {protocol['n']:,} {what} in which the classifier finds what was asked, with its 95 % interval."
             f"{drawn}{says} Seed {protocol['seed']}.", _accuracy_table(sections)]
    if "binding" in results:
        parts += ["What became of the scenes: each pet right on its side; both on each other's side; everything there, but some of it on "
                  "the wrong pet; or something on neither.", _share_table("scene", sections, "binding")]
    for language, section in sections.items():
        if "relations" in section:
            parts += [f"Scenes that are right, by how it was said where the pets are ({language}):",
                      _share_table("words", {"": section}, "relations", len(section["relations"]["seen"]))]
    if "figures" in results:
        trained = f"{protocol['training_n']:,} training pictures" if "training_n" in protocol else "the training pictures"
        parts += [f"How real they look, in sets of {results['frechet']['n']:,}: means over pairs of sets ± standard deviations from "
                  f"pair to pair. Near copies are those nearer to one of {trained} than 95 % of fresh real pictures are.",
                  _figure_table(sections)]
    if results.get("sweep", {}).get("rows"):
        parts += ["All attributes found, at other settings:", _sweep_table(sections)]
    return "\n\n".join(parts)


def sections_of(results: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The results in each language, by its English name; of a model that does not read, all of them under an empty name."""
    return {LANGUAGES.get(name, name): section for name, section in results.get("languages", {"": results}).items()}


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns stand below one another in a terminal: the first to the left, the others to the right."""
    widths = [max(len(line[i]) for line in [head, *rows]) for i in range(len(head))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = [[first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:]))]
             for first, *others in [head, rule, *rows]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def percent(value: float, n: int) -> str:
    """A share of n and its 95 % interval: 97.3 % (96.5 to 97.9)."""
    low, high = interval(value, n)
    return f"{100 * value:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def number(value: float | None, spread: float | None = None) -> str:
    """A figure with three digits and its spread with two, or that there is none; nothing behind the point from 100 on."""
    def short(x: float, digits: int) -> str:
        return f"{x:,.0f}" if abs(x) >= 100 else f"{x:.{digits}g}"
    if value is None:
        return NOT_MEASURED
    return short(value, 3) if spread is None else f"{short(value, 3)} ± {short(spread, 2)}"


def figure_title(name: str) -> str:
    """A figure in words: "wasserstein 32" is the sliced Wasserstein distance of details in 32 x 32 pixels."""
    stem, _, side = name.partition(" ")
    return f"{FIGURES[stem]}, {side} × {side}" if side.isdigit() else FIGURES[name]


def _columns(sections: dict[str, dict[str, Any]]) -> dict[str, tuple[dict[str, Any], str]]:
    """Title -> whose share it is: each language's, for either law."""
    return {f"{language}, {title}" if language else title: (section, law)
            for language, section in sections.items() for law, title in LAWS.items()}


def _accuracy_table(sections: dict[str, dict[str, Any]]) -> str:
    columns, names = _columns(sections), next(iter(sections.values()))["accuracy"]["seen"]
    return table(["attribute", *columns], [
        [name, *(percent(section["accuracy"][law][name], section["n"]) for section, law in columns.values())] for name in names])


def _share_table(what: str, sections: dict[str, dict[str, Any]], name: str, parts: int = 1) -> str:
    """The shares that stand under `name` in each section. parts: by how many the scenes were dealt out to them in turn."""
    columns, rows = _columns(sections), next(iter(sections.values()))[name]["seen"]
    return table([what, *columns], [[row, *(percent(section[name][law][row], len(range(number % parts, section["n"], parts)))
                                            for section, law in columns.values())] for number, row in enumerate(rows)])


def _figure_table(sections: dict[str, dict[str, Any]]) -> str:
    own, rows = [section["figures"] for section in sections.values()], []
    for name, bounds in own[0].items():
        values = [number(figures[name].get("value"), figures[name].get("spread")) for figures in own]
        floor, ceiling = number(bounds["floor"], bounds.get("floor_spread")), number(bounds.get("ceiling"))
        rows.append([figure_title(name), *values, floor, ceiling])
    return table(["figure", *(language or "generated" for language in sections), "real against real", "static against real"], rows)


def _sweep_table(sections: dict[str, dict[str, Any]]) -> str:
    columns, rows = _columns(sections), []
    for i, row in enumerate(next(iter(sections.values()))["sweep"]["rows"]):
        shares = [section["sweep"]["rows"][i].get(law) for section, law in columns.values()]
        rows.append([f"{row['guidance']:g}", str(row["steps"]), f"{row['n']:,}",
                     *(percent(share["value"], row["n"]) if share else NOT_MEASURED for share in shares)])
    return table(["guidance", "steps", "n", *columns], rows)
