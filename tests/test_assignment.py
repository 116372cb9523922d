"""What is handed out: the command that makes a chapter's copies, and the package that a student's notebook installs.

The copies themselves are looked at in tests/test_grading_chapters.py; tests/test_colab_kernel.py runs them.
"""

import ast
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest

from classroom import library
from classroom.assignment import make
from classroom.copies import source_of
from grading import GRADING, needs_grading

ROOT = Path(__file__).resolve().parent.parent


def has_exercises(path: Path) -> bool:
    return any(cell.metadata.get("nbgrader", {}).get("solution") for cell in nbformat.read(path, as_version=4).cells)


CHAPTERS = [path for path in sorted((ROOT / "notebooks").glob("*.ipynb")) if has_exercises(path)]
each = pytest.mark.parametrize("source", CHAPTERS, ids=lambda path: path.stem)


def make_copy(chapter: str, out: Path, *options: str) -> subprocess.CompletedProcess:
    command = [str(GRADING), "-m", "classroom.assignment", chapter, "--out", str(out), *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.fixture(scope="module")
def copies(tmp_path_factory) -> Path:
    """A folder with the student copy of every chapter that has exercises."""
    out = tmp_path_factory.mktemp("assignments")
    run = make_copy("all", out)
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


def test_another_solution_leaves_the_students_copy_as_it_was(tmp_path):
    """The overlay's solution is the whole cell: what stands above the chapter's own, the student keeps."""
    private = tmp_path / "private" / "01_static"
    private.mkdir(parents=True)
    (private / "static-knobs.solution.py").write_text("grainy = mix_as_i_do_it")
    plain, _ = make(source_of("01"), tmp_path / "plain")
    student, instructor = make(source_of("01"), tmp_path / "laid over", overlay=private.parent)
    assert student.read_text() == plain.read_text() and "def grainy(" in student.read_text()
    assert "mix_as_i_do_it" in instructor.read_text()


@needs_grading
def test_copies_know_where_their_library_is(tmp_path):
    """Uploaded to Colab, a copy has nothing beside it: it installs the library from the address in its set-up cell."""
    address = "https://example.org/somebody/a-book/archive/0123abc.zip"
    run = make_copy("13", tmp_path, "--source", address)
    assert run.returncode == 0 and address in run.stdout
    for who in ("student", "instructor"):
        cells = [cell.source for cell in nbformat.read(tmp_path / who / "13_sampling.ipynb", as_version=4).cells]
        assert sum(f'"DIFFUSION_LIB_SOURCE", "{address}"' in source for source in cells) == 1
    assert "inside a clone" in make_copy("13", tmp_path, "--source", "").stdout


@pytest.mark.parametrize("origin", ["git@github.com:somebody/a-book.git", "https://github.com/somebody/a-book"])
def test_a_clone_from_github_knows_its_address(origin, tmp_path, monkeypatch):
    def git(*words: str) -> str:
        return subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x@example.org", *words], cwd=tmp_path,
                              check=True, capture_output=True, text=True).stdout.strip()

    monkeypatch.setattr(library, "ROOT", tmp_path)
    git("init")
    git("commit", "--allow-empty", "-m", "first")
    assert library.published() == ""                         # it came from nowhere
    git("remote", "add", "origin", origin)
    assert library.published() == ""                         # nobody can fetch this commit there yet
    git("update-ref", "refs/remotes/origin/main", "HEAD")
    assert library.published() == f"https://github.com/somebody/a-book/archive/{git('rev-parse', 'HEAD')}.zip"


@pytest.fixture
def workshop(tmp_path):
    """A folder with the Makefile, and an environment whose Python says what it was told."""
    python = tmp_path / ".venv-grading" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\nprintf "<%s>" "$@" "$COHORT" "$OVERLAY" "$SOURCE"\n')
    python.chmod(0o755)
    (tmp_path / ".venv").mkdir()
    for name in ("requirements.txt", "requirements-grading.txt", "pyproject.toml"):
        os.utime(shutil.copy(ROOT / name, tmp_path), (1e9, 1e9))
    for name in (".venv/ready", ".venv-grading/ready", ".venv-grading/sandbox"):
        (tmp_path / name).touch()
    shutil.copy(ROOT / "Makefile", tmp_path)

    def run(*words: str, **environment: str) -> str:
        command = ["make", "--no-print-directory", *words]
        return subprocess.run(command, cwd=tmp_path, env=os.environ | environment, capture_output=True, text=True).stdout

    return run


def test_what_is_typed_reaches_the_commands_as_it_was_typed(workshop):
    odd = {"SUBMISSIONS": "o'brien's $HOME $$ `x` \"y\"", "CHAPTER": "1'3$(x)", "COHORT": "a$b'c", "OVERLAY": "$(o)", "SOURCE": "https://x/?a=$1"}
    folder, chapter, *others = (f"<{value}>" for value in odd.values())
    said = "".join(["<-m><classroom.grade>", folder, "<--chapter>", chapter, *others])
    assert workshop("grade", *(f"{name}={value}" for name, value in odd.items())) == said
    assert workshop("grade", **odd) == said
    assert workshop("assignment", "CHAPTER=13").startswith("<-m><classroom.assignment><13><>")
    assert workshop("grade", "SUBMISSIONS=x") == "<-m><classroom.grade><x><--chapter><all><><><>"
    assert "Which folder" in workshop("grade") and "Which chapter" in workshop("assignment")


def test_cleaning_keeps_the_grades(workshop, tmp_path):
    for name in ("build/grades/grades.csv", "build/assignments/x", "_build/y"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    workshop("clean")
    assert (tmp_path / "build/grades/grades.csv").is_file()
    assert [path.name for path in (tmp_path / "build").iterdir()] == ["grades"] and not (tmp_path / "_build").exists()


# Runs in nbgrader's environment: the cells of its own release of a chapter, beside ours.
RELEASE = """
import sys, tempfile
from pathlib import Path
import nbformat
from classroom.copies import source_of, student_copy
from classroom.course import Course, sheet

chapter = nbformat.read(source_of("13"), as_version=4)
with tempfile.TemporaryDirectory() as folder:
    Course(Path(folder), {"13_sampling": chapter})
    theirs = nbformat.read(Path(folder, "release/13_sampling/13_sampling.ipynb"), as_version=4)
ours = student_copy(sheet(chapter))
assert [cell.source for cell in theirs.cells] == [cell.source for cell in ours.cells]
print("the same", sum("TODO: your code here" in cell.source for cell in ours.cells))
"""


@needs_grading
def test_nbgrader_takes_out_the_same_as_we_do():
    run = subprocess.run([str(GRADING), "-c", RELEASE], cwd=ROOT, capture_output=True, text=True)
    assert run.stdout == "the same 5\n", run.stdout + run.stderr
