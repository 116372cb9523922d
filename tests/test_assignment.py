"""The student copy of a chapter, in a student's place: an environment with diffusion-lib[notebooks] and nothing else.

`make test` prepares the two environments used here: .venv-grading (nbgrader makes the copy) and .venv-reader (it runs).
"""

import ast
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
GRADING, READER = (ROOT / folder / "bin" / "python" for folder in (".venv-grading", ".venv-reader"))
RUN_WHOLE = ("01_static", "13_sampling")                     # all copies are made; these are run from top to bottom

needs_grading = pytest.mark.skipif(not GRADING.exists(), reason="no .venv-grading: `make test` installs it")
needs_reader = pytest.mark.skipif(not READER.exists(), reason="no .venv-reader: `make test` installs it")


def has_exercises(path: Path) -> bool:
    return any(cell.metadata.get("nbgrader", {}).get("solution") for cell in nbformat.read(path, as_version=4).cells)


CHAPTERS = [path for path in sorted((ROOT / "notebooks").glob("*.ipynb")) if has_exercises(path)]
each = pytest.mark.parametrize("source", CHAPTERS, ids=lambda path: path.stem)


def make_copy(chapter: str, out: Path) -> subprocess.CompletedProcess:
    command = [str(GRADING), "-m", "classroom.assignment", chapter, "--out", str(out)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.fixture(scope="module")
def copies(tmp_path_factory) -> Path:
    """A folder with the student copy of every chapter that has exercises."""
    out = tmp_path_factory.mktemp("assignments")
    for path in CHAPTERS:
        run = make_copy(path.stem, out)
        assert run.returncode == 0, run.stderr
    return out / "student"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """diffusion_lib, packed from the files as they are now."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT / "diffusion_lib", source / "diffusion_lib", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source)
    subprocess.run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
                    "--wheel-dir", str(out), str(source)], check=True)
    return next(out.glob("*.whl"))


def test_the_package_carries_everything_it_needs(wheel):
    """Weights, cards, JavaScript and recorded frames travel with the code."""
    packed = set(zipfile.ZipFile(wheel).namelist())
    ours = {str(path.relative_to(ROOT)) for path in (ROOT / "diffusion_lib").rglob("*")
            if path.is_file() and "__pycache__" not in path.parts}
    assert not ours - packed, f"left out of the package: {sorted(ours - packed)}"
    assert not {name for name in packed if not name.startswith(("diffusion_lib/", "diffusion_lib-"))}


@needs_grading
@each
def test_copy_holds_no_solution(source, copies):
    copy = nbformat.read(copies / source.name, as_version=4)
    text = "\n".join(cell.source for cell in copy.cells)
    assert "SOLUTION" not in text and "TODO" in text
    original = {cell.metadata.nbgrader.grade_id: cell.source for cell in nbformat.read(source, as_version=4).cells
                if cell.metadata.get("nbgrader", {}).get("solution")}
    for cell in copy.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        if grade_id in original:
            solution = original[grade_id].split("### BEGIN SOLUTION")[1].split("### END SOLUTION")[0]
            ast.parse(cell.source)
            lines = [line.strip() for line in solution.splitlines() if len(line.strip()) > 12]
            assert not any(line in text for line in lines), f"{grade_id}: the solution stands elsewhere in the copy"


@needs_grading
def test_unknown_chapters_are_refused_by_name(tmp_path):
    run = make_copy("99", tmp_path)
    assert run.returncode == 1 and "CHAPTER=99" in run.stderr and "Traceback" not in run.stderr


# Runs inside the reader's environment. All cells of the copy, top to bottom; then each solution, and its check again.
PROGRAM = """
import json, sys
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

shell = InteractiveShell.instance()
copy, source = (json.load(open(path, encoding="utf-8"))["cells"] for path in sys.argv[1:3])
report = []

def run(cell, phase):
    if cell["cell_type"] != "code":
        return
    with capture_output() as said:
        result = shell.run_cell("".join(cell["source"]), store_history=False)
    error = result.error_before_exec or result.error_in_exec
    shown = " ".join(" ".join(map(str, output.data.values())) for output in said.outputs)
    mark = cell["metadata"].get("nbgrader", {})
    report.append({"phase": phase, "check": mark.get("grade", False), "id": mark.get("grade_id", ""),
                   "said": said.stdout + shown, "error": error and repr(error)})

for cell in copy:
    run(cell, "untouched")
for cell in source:
    if "nbgrader" in cell["metadata"]:
        run(cell, "solved")
print("REPORT" + json.dumps(report))
"""


@needs_grading
@needs_reader
@pytest.mark.parametrize("source", [path for path in CHAPTERS if path.stem in RUN_WHOLE], ids=lambda path: path.stem)
def test_copy_runs_alone_and_its_checks_tell_untouched_from_solved(source, copies, wheel, tmp_path):
    subprocess.run([str(READER), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--force-reinstall",
                    str(wheel)], check=True)
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "BOOK_BUILD")}
    environment |= {"DIFFUSION_FAST": "1", "MPLBACKEND": "agg"}
    run = subprocess.run([str(READER), "-c", PROGRAM, str(copies / source.name), str(source)], cwd=tmp_path,
                         env=environment, capture_output=True, text=True)
    assert "REPORT" in run.stdout, run.stdout[-3000:] + run.stderr[-3000:]
    report = json.loads(run.stdout.split("REPORT")[-1])
    errors = [entry for entry in report if entry["error"]]
    assert not errors, errors
    for entry in (entry for entry in report if entry["check"]):
        wanted = {"untouched": "Not attempted yet", "solved": "✓ Right"}[entry["phase"]]
        assert wanted in entry["said"], entry
    assert {entry["phase"] for entry in report if entry["check"]} == {"untouched", "solved"}
