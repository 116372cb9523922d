"""Installing diffusion_lib on Colab must change nothing there: every package keeps the version it has.

Offline: our requirements are evaluated against Colab's own list of packages (tests/data).
"""

import importlib.metadata
import json
import os
import re
import tomllib
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from scripts import measure_notebooks
from scripts.tidy_notebooks import SETUP_TEXT

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PYTHON = "3.13.15"
ADDED = set()  # packages that Colab lacks and that our installation may add (canonical names)

LINE = re.compile(r"([A-Za-z0-9._-]+)==(\S+)")
COLAB = {canonicalize_name(m[1]): m[2] for m in map(LINE.match, (ROOT / "tests/data/colab-pip-freeze.txt").open()) if m}
ENVIRONMENT = {**default_environment(), "python_version": "3.13", "python_full_version": PYTHON,
               "sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64",
               "implementation_name": "cpython", "platform_python_implementation": "CPython"}
EXTRAS = ("notebooks", "train")


def ours():
    texts = [*PROJECT["dependencies"], *(t for extra in EXTRAS for t in PROJECT["optional-dependencies"][extra])]
    return [Requirement(text) for text in texts]


def applies(requirement: Requirement, extra: str = "") -> bool:
    return requirement.marker is None or requirement.marker.evaluate({**ENVIRONMENT, "extra": extra})


def problem(requirement: Requirement) -> str | None:
    """What installing `requirement` would change on Colab, or None."""
    name = canonicalize_name(requirement.name)
    if name not in COLAB:
        return None if name in ADDED else f"{requirement.name} is not on Colab: pip would add it"
    if not requirement.specifier.contains(COLAB[name], prereleases=True):
        return f"{requirement} on Colab is {COLAB[name]}: pip would change it"
    return None


def test_where_a_program_cannot_be_held_to_two_cores_nothing_is_measured(monkeypatch):
    """macOS has no such call; only Linux has."""
    for name in ("sched_getaffinity", "sched_setaffinity"):
        monkeypatch.delattr(os, name, raising=False)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SystemExit, match="cannot hold a program to 2 cores"):
        measure_notebooks.refuse_where_it_would_mislead(anyway=True)


@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize("origin", ["", "https://example.org/old.zip"])
def test_the_set_up_cell_takes_an_older_library_away_first(origin, complete, tmp_path, monkeypatch):
    """pip keeps what has the same version, wherever it came from: from an address, nothing would be installed."""
    class Old:
        def read_text(self, name):
            return json.dumps({"url": origin})

    calls = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DIFFUSION_LIB_SOURCE", "https://example.org/new.zip")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: (origin if name == "diffusion_lib" else complete) or None)
    monkeypatch.setattr("importlib.metadata.distributions", lambda name: [Old()] if origin else [])
    monkeypatch.setattr("subprocess.run", lambda words, check: calls.append(words[3:]))
    exec(SETUP_TEXT, {})
    *before, (*install, what) = calls
    assert before == ([["uninstall", "-q", "-y", "diffusion-lib"]] if origin else [])
    assert what.endswith("@ https://example.org/new.zip") and ("--no-deps" in install) == complete


def test_the_list_is_the_one_we_think_it_is():
    assert len(COLAB) > 600 and COLAB["torch"].startswith("2.11.0") and COLAB["ipywidgets"] == "7.7.1"


def test_the_check_can_fail():
    assert "would change" in problem(Requirement("ipywidgets>=8"))
    assert "would add" in problem(Requirement("no-such-package"))


def test_colabs_python_is_one_that_we_allow():
    assert Version(PYTHON) in SpecifierSet(PROJECT["requires-python"])


@pytest.mark.parametrize("requirement", ours(), ids=str)
def test_requirement_changes_nothing(requirement):
    assert not applies(requirement) or problem(requirement) is None, problem(requirement)


@pytest.mark.parametrize("requirement", ours(), ids=str)
def test_requirement_is_a_lower_bound(requirement):
    assert [s.operator for s in requirement.specifier] == [">="], f"{requirement}: one lower bound, nothing else"


def test_the_trial_environment_has_the_versions_of_colab():
    """requirements-colab.txt, from which .venv-colab is made, copies the list; a marker says where an older Python needs another."""
    lines = [line.split("#")[0].strip() for line in (ROOT / "requirements-colab.txt").read_text().splitlines()]
    pins = [requirement for requirement in map(Requirement, filter(None, lines)) if applies(requirement)]
    assert {"ipywidgets", "ipython", "ipykernel", "traitlets", "anywidget", "numpy", "matplotlib"} <= {pin.name for pin in pins}
    assert [str(pin.specifier) for pin in pins] == [f"=={COLAB[canonicalize_name(pin.name)]}" for pin in pins]
    needed = {canonicalize_name(requirement.name) for requirement in ours() if applies(requirement)} - {"torch", "accelerate"}
    assert needed <= {canonicalize_name(pin.name) for pin in pins}


def test_what_our_requirements_require():
    """pip looks one step further. Where the version installed here is Colab's, its own requirements are known."""
    problems, looked_at = [], 0
    for requirement in ours():
        name = canonicalize_name(requirement.name)
        try:
            here = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        if name in COLAB and here.version.split("+")[0] == COLAB[name].split("+")[0]:
            looked_at += 1
            for further in map(Requirement, here.requires or []):
                if applies(further) and problem(further):
                    problems.append(f"{name} requires {problem(further)}")
    assert not problems, problems
    if not looked_at:
        pytest.skip("no version installed here is Colab's")
