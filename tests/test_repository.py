"""The repository: found with git or without, no larger than it has to be, at home on every machine, and of one mind about versions."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from repository import files_of

ROOT = Path(__file__).resolve().parent.parent


def test_its_files_are_found_with_git_and_without(tmp_path, monkeypatch):
    """A copy without its history, a copy inside somebody else's repository, and a machine without git: each has all the files."""
    folder = tmp_path / "theirs" / "ours"
    kept, left = ["a.py", "book/_static/x.css", "notes/runs.txt"], [".venv/bin/y.py", "notes/__pycache__/z.pyc", "book/_static/vendor/w.js", "runs/v"]
    for name in (*kept, *left):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (folder / ".gitignore").write_text("__pycache__/\n*.py[cod]\n.venv*/\nruns/\nbook/_static/vendor/\n")
    wanted = [folder / name for name in sorted([".gitignore", *kept])]

    def git(*words):
        subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)

    assert files_of(folder) == files_of(folder, added=True) == wanted                    # no repository at all
    subprocess.run(["git", "init", "-q"], cwd=folder.parent, check=True)
    assert files_of(folder) == files_of(folder, added=True) == wanted                    # somebody else's
    git("init", "-q"), git("add", "a.py")
    assert files_of(folder) == [folder / "a.py"] and files_of(folder, added=True) == wanted
    monkeypatch.setenv("PATH", str(tmp_path))
    assert files_of(folder) == wanted
    (tmp_path / "empty").mkdir()
    with pytest.raises(AssertionError, match="no files in .*empty"):
        files_of(tmp_path / "empty")


TEXT = {".py", ".md", ".ipynb", ".js", ".mjs", ".css", ".html", ".yml", ".toml", ".json", ".txt", ".sh", ".cff", ".c", ""}


def test_nothing_names_the_machine_it_was_made_on():
    """No absolute paths of a machine, and no address that only one machine's installer knows."""
    path = re.compile(r"(?<![\w.:/~-])/(?:work|home|root|tmp|opt|mnt|Users)/\w")
    index = re.compile(r"--(?:extra-)?index-url|--find-links|\"resolved\":")
    wrong = []
    for file in files_of():
        if file.suffix in TEXT and file != Path(__file__).resolve():
            for number, line in enumerate(file.read_text(encoding="utf-8", errors="ignore").splitlines(), 1):
                if path.search(line) or index.search(line):
                    wrong.append(f"{file.relative_to(ROOT)}:{number}: {line.strip()[:80]}")
    assert not wrong, wrong


def test_the_repository_stays_small():
    sizes = {file: file.stat().st_size for file in files_of()}
    assert sum(sizes.values()) < 60e6, sorted(((s, str(f)) for f, s in sizes.items()), reverse=True)[:10]


def test_pins_satisfy_our_own_lower_bounds():
    """What the book is built with is something that the library says it runs on."""
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "requirements.txt").read_text(), flags=re.MULTILINE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    texts = [*project["dependencies"], *(t for extra in project["optional-dependencies"].values() for t in extra)]
    for requirement in map(Requirement, texts):
        assert requirement.name in pins, f"{requirement.name} has no pin in requirements.txt"
        assert requirement.specifier.contains(pins[requirement.name], prereleases=True), requirement
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"version: {project['version']}\n" in citation, "CITATION.cff and pyproject.toml name different versions"
