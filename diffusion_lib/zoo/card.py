"""A model's card: how it was made, and how good it is. Nothing on it is written by hand.

The first half comes from the model's own file, the second from the results of `evaluate`, which are kept beside it as
JSON together with the SHA-256 of the file that was measured.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from ..checkpoints import load_checkpoint, read_about
from ..networks.layers import count_parameters


def write_card(file: Path, results: dict[str, Any]) -> Path:
    """Write results and card beside a model's file: NAME.json and NAME.md. Returns the card's path."""
    results = {"sha256": hashlib.sha256(file.read_bytes()).hexdigest()} | results
    file.with_suffix(".json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    card = file.with_suffix(".md")
    card.write_text(card_of(file, results), encoding="utf-8")
    return card


def card_of(file: Path, results: dict[str, Any]) -> str:
    """The card of the model in `file`, as Markdown. results: as `write_card` keeps them."""
    about = read_about(file)
    recipe = about.get("recipe", "")
    facts = {
        "recipe": f"`recipes/{about.get('name', file.stem)}.toml`, in full below", "seed": about.get("seed"), "commit": about.get("commit"),
        "hardware": about.get("hardware"), "pictures seen": f"{about.get('pictures', 0):,}", "steps": f"{about.get('steps', 0):,}",
        "minutes": about.get("minutes"), "parameters": f"{count_parameters(load_checkpoint(file)):,}",
        "file": f"{file.stat().st_size / 1e6:.1f} MB, float16, SHA-256 `{results['sha256'][:16]}…`", "licence": about.get("licence"),
    }
    lines = [f"| {name} | {value} |" for name, value in facts.items()]
    return "\n\n".join([
        f"# {file.stem}", description(recipe), "## How it was made", "\n".join(["| what | value |", "| --- | --- |", *lines]),
        "## How good it is", measurements(results), "## Recipe", f"```toml\n{recipe.strip()}\n```"]) + "\n"


def description(recipe: str) -> str:
    """The comment in the first line of a recipe."""
    return recipe.split("\n", 1)[0].lstrip("# ")


def measurements(results: dict[str, Any]) -> str:
    """The results of `judge` or `judge_classifier` as Markdown that can be read in a terminal too."""
    accuracy, error, protocol = results["accuracy"], results["standard_error"], results["protocol"]
    rows = [f"| {name:10} | " + " | ".join(f"{percent(accuracy[law][name], error[law][name]):>14}" for law in ("seen", "held_out")) + " |"
            for name in accuracy["seen"]]
    what = "fresh real pictures" if "guidance" not in protocol else (
        f"pictures drawn in {protocol['steps']} steps of {protocol['sampler']} with guidance {protocol['guidance']:g}")
    parts = [f"Share of {results['n']:,} {what} in which the classifier finds what was asked (± one standard error; seed {protocol['seed']}):",
             "\n".join([f"| {'attribute':10} | {'seen':>14} | {'held out':>14} |", "| --- | ---: | ---: |", *rows])]
    if "frechet" in results:
        f, r = results["frechet"], results["recalls"]
        parts.append(f"Fréchet distance to real pictures at n = {f['n']:,}: {f['value']:.4g}; of real ones to each other: {f['floor']:.4g} "
                     f"(± {f['standard_deviation']:.2g} from pair to pair). Recall: {r['generated']:.3f}, of real pictures {r['real']:.3f}: "
                     f"a ratio of {results['recall']:.3f}.")
    if results.get("sweep", {}).get("rows"):
        rows = [f"| {row['guidance']:8g} | {row['steps']:5} | {percent(row['all'], row['standard_error']):>14} |" for row in results["sweep"]["rows"]]
        parts += [f"All attributes found, at other settings (n = {results['sweep']['n']}):",
                  "\n".join(["| guidance | steps |            all |", "| ---: | ---: | ---: |", *rows])]
    return "\n\n".join(parts)


def percent(value: float, error: float) -> str:
    """A share with its standard error: 97.3 % ± 0.4."""
    return f"{100 * value:.1f} % ± {100 * error:.1f}"
