"""What the README says can be done, can be done: its code runs, its files and commands exist, its numbers are those that were measured."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from diffusion_lib.cli import _parser

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, flags=re.DOTALL)


def test_its_code_runs():
    (code,) = (text for language, text in BLOCKS if language == "python")
    program = f"import matplotlib; matplotlib.use('agg')\n{code}\nassert pictures.shape == (8, 3, 32, 32) and 0.2 < pictures.std() < 1"
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_its_tree_is_the_tree():
    (tree,) = (text for language, text in BLOCKS if not language)
    told = set()
    for line in tree.splitlines():
        folder = ROOT / "diffusion_lib" if line.startswith("    ") else ROOT
        for name in re.split(r"\s{2,}", line.strip())[0].split():
            assert (folder / name).exists(), f"{name} is in the README's tree, but not in the repository"
            told.add(name.rstrip("/"))
    library = {path.name for path in (ROOT / "diffusion_lib").glob("[!_]*") if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert library <= told, f"not in the README's tree: {library - told}"


def test_its_commands_exist():
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    prose = re.sub(r"```.*?```", "", README, flags=re.DOTALL)
    code = "\n".join([*re.findall(r"`([^`\n]+)`", prose), *(text for language, text in BLOCKS if language == "sh")])
    asked = set(re.findall(r"\bmake (\w+)", code))
    assert {"book", "test", "site", "assignment"} <= asked <= targets, asked ^ targets


def test_its_commands_of_the_library_are_understood():
    """Every `python -m diffusion_lib ...`, read by the command line's own parser."""
    commands = re.findall(r"-m diffusion_lib ([^`\n]+)", README)
    asked = [_parser().parse_args(shlex.split(command)) for command in commands]
    assert {options.command for options in asked} == {"train", "sample", "evaluate"}


@pytest.mark.parametrize("name, asked", [("pets32-text", "asked {} wishes such as"), ("scenes64-text", "asked for {} scenes")])
def test_its_shares_are_those_that_were_measured(name, asked):
    """So many wishes, each in both languages, and so many pictures that were right."""
    results = json.loads((ROOT / "diffusion_lib" / "zoo" / f"{name}.json").read_text(encoding="utf-8"))
    wishes, pictures = 2 * results["protocol"]["n"], 2 * results["n"]        # seen and held out
    right = pictures * sum(results["accuracy"][law]["all"] for law in ("seen", "held_out")) / 2
    assert pictures == wishes * len(results["languages"]) == 2 * wishes
    said = f"{asked.format(f'{wishes:,}')}.*? each in both languages: {right:,.0f} of the {pictures:,} pictures "
    assert re.search(said, " ".join(README.split())), said


def test_it_leads_to_the_proof():
    assert {"book/scoreboard.md", "benchmarks/README.md", "notebooks/12_training.ipynb"} <= set(re.findall(r"\]\(([^)#:]+)\)", README))


def test_its_links_and_pictures_exist():
    for link in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / link).exists(), link
