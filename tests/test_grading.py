"""A class hands in: right, wrong, malicious, and mangled by Colab. From the copies that are handed out to grades.csv.

`make test` prepares what this needs: .venv-grading (nbgrader), and bubblewrap where it can be had.
"""

import csv
import json
import os
import re
import subprocess
import tempfile
import venv
import zipfile
from pathlib import Path

import nbformat
import pytest

from classroom import sandbox
from classroom.assignment import make
from classroom.copies import exercises, mark, source_of
from grading import GRADING, ROOT, need_a_sandbox, needs_grading

SECRET = "autumn, room 3"
HIDDEN = """# points: 2
assert type(rounds_needed) is int and (5 / 6)**rounds_needed < LEFT / 100 <= (5 / 6)**(rounds_needed - 1), 'HIDDENWORDS'
"""

pytestmark = needs_grading


@pytest.fixture(scope="module")
def sandboxed():
    need_a_sandbox()


@pytest.fixture(scope="module")
def overlay(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("private")
    (folder / "01_static").mkdir()
    (folder / "01_static" / "static-dice.hidden.py").write_text(HIDDEN)
    return folder


class Class:
    """A folder of submissions to chapter 1, written by hands of all kinds."""

    def __init__(self, folder: Path, cohort: str, overlay: Path | None):
        student, instructor = make(source_of("01"), folder / "copies", cohort, overlay)
        self.copy, self.folder = nbformat.read(student, as_version=4), folder / "submissions"
        made = nbformat.read(instructor, as_version=4)
        self.right = {e.name: re.sub(r"^.*### (BEGIN|END) SOLUTION.*\n?", "", e.solution.source, flags=re.MULTILINE) for e in exercises(made)}

    def notebook(self, **answers: str):
        """The student's copy with answers; static_knobs="..." answers the exercise static-knobs, all others are right."""
        made = nbformat.from_dict(json.loads(json.dumps(self.copy)))
        for cell in made.cells:
            if mark(cell, "solution"):
                name = cell.metadata.nbgrader.grade_id
                cell.source = answers.get(name.replace("-", "_"), self.right[name])
        return made

    def hand_in(self, place: str, notebook) -> Path:
        path = self.folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(notebook if isinstance(notebook, str) else json.dumps(notebook), encoding="utf-8")
        return path


def graded(folder: Path, *words: str, **environment: str):
    """Runs the command; returns it, the rows of grades.csv by student, and the report."""
    command = [str(GRADING), "-m", "classroom.grade", str(folder), "--chapter", "1", "--out", str(folder.parent / "grades"), *words]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=os.environ | environment)
    assert run.returncode == 0, run.stdout + run.stderr
    with (folder.parent / "grades" / "grades.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    return run, rows, (folder.parent / "grades" / "report.md").read_text(encoding="utf-8")


def colab(notebook):
    """What Colab, a kernel of another name, and an afternoon make of a notebook."""
    notebook = nbformat.from_dict(json.loads(json.dumps(notebook)))
    notebook.metadata = {"colab": {"provenance": []}, "kernelspec": {"name": "conda-env-mine-py", "display_name": "mine"}, "accelerator": "GPU"}
    for number, cell in enumerate(cell for cell in notebook.cells if cell.cell_type == "code"):
        cell.execution_count = 100 - number
        cell.outputs = [{"output_type": "stream", "name": "stdout", "text": ["✓ Right.\n"]}]
        cell.metadata = {**cell.metadata, "id": f"x{number}", "outputId": "0"}
    return notebook


def stripped(notebook):
    """Without any metadata, and the cells in another order."""
    notebook = colab(notebook)
    for cell in notebook.cells:
        cell.metadata = {}
        cell.pop("id", None)
    notebook.cells.reverse()
    return notebook


@pytest.fixture(scope="module")
def term(tmp_path_factory, overlay, sandboxed):
    """One grading of one class: the command, the rows, the report, and the folder."""
    pupils = Class(tmp_path_factory.mktemp("term"), SECRET, overlay)
    pupils.hand_in("ada/01_static.ipynb", pupils.notebook())
    wrong = dict(static_knobs="def grainy(picture, static, keep, amount):\n    return picture + static", static_crossing="first = 500",
                 static_dice="rounds_needed = None", static_smash="def smash(picture, strengths) return picture", static_detector="is_static = 3")
    pupils.hand_in("Copy of Copy of 01_static - ben (2).ipynb", colab(pupils.notebook(**wrong)))
    renamed = pupils.notebook(static_knobs="def my_way(picture, static, keep, amount):\n    return keep * picture + amount * static")
    for cell in renamed.cells:
        cell.source = cell.source.replace("noising.mix(grainy)", "noising.mix(my_way)")
    pupils.hand_in("cem/Untitled7.ipynb", stripped(renamed))
    last_year = pupils.notebook(static_dice="rounds_needed = 13")
    next(cell for cell in last_year.cells if cell.source.startswith("LEFT = ")).source = "LEFT = 10"
    pupils.hand_in("dora_01.ipynb", last_year)
    own = "\nrounds_needed = float(rounds_needed)\ndl.checks.noising.rounds_of_dice(rounds_needed, LEFT)"
    helped = pupils.notebook(static_dice=pupils.right["static-dice"] + own, static_knobs=(
        "def grainy(picture, static, keep, amount):\n    return np.add(shrink(picture, keep), shrink(static, amount))"))
    helped.cells.insert(4, nbformat.v4.new_code_cell("%matplotlib inline\nimport numpy as np\ndef shrink(x, by):\n    return x * by"))
    twice = [cell for cell in helped.cells if cell.source.startswith("def smash")][0]
    helped.cells.append(nbformat.from_dict(json.loads(json.dumps(twice))))
    twice.source = "def smash(picture, strengths):\n    return picture"
    with zipfile.ZipFile(pupils.folder / "fay.zip", "w") as archive:
        archive.writestr("homework/static.ipynb", json.dumps(helped))
        archive.writestr("__MACOSX/homework/._static.ipynb", b"\x00\x05")
    os.utime(pupils.hand_in("jon/first try.ipynb", pupils.notebook(**wrong)), (1e9, 1e9))
    pupils.hand_in("jon/01_static.ipynb", pupils.copy)
    pupils.hand_in("01_static (1).ipynb", pupils.copy)
    for name, text in {"kim/broken.ipynb": '{"cells": [', "kim/empty.ipynb": "", "kim/list.ipynb": "[1]", "kim/notes.txt": "hello", "kim/no.zip": "PK",
                       "kim/13.ipynb": (ROOT / "notebooks" / "13_sampling.ipynb").read_text(encoding="utf-8"),
                       "kim/other.ipynb": json.dumps({"cells": [{"cell_type": "code", "source": "1 + 1"}]})}.items():
        pupils.hand_in(name, text)
    return *graded(pupils.folder, "--overlay", str(overlay), COHORT=SECRET), pupils.folder


def points(row: dict) -> dict[str, str]:
    return {name.split("/")[1]: row[name] for name in row if "/" in name}


def test_right_answers_get_all_points(term):
    _, rows, _, _ = term
    assert points(rows["ada"]) == {"static-knobs": "1", "static-crossing": "1", "static-dice": "3", "static-smash": "1", "static-detector": "1"}
    assert (rows["ada"]["total"], rows["ada"]["max"], rows["ada"]["status"]) == ("7", "7", "graded")


def test_wrong_answers_get_none_whatever_their_outputs_say(term):
    _, rows, report, _ = term
    assert set(points(rows["ben"]).values()) == {"0"} and rows["ben"]["total"] == "0"
    mine = report.split("### ben, 01_static")[1].split("###")[0]
    for words in ("Nothing is turned down", "Half the time is not half the picture", "Not attempted yet", "SyntaxError", "needs the function itself"):
        assert words in mine, words


def test_a_notebook_without_its_marks_is_recognised_and_said_to_be(term):
    _, rows, report, _ = term
    assert rows["cem"]["total"] == "7" and rows["cem"]["status"] == "look"
    assert "its mark was lost" in rows["cem"]["remarks"] and "under another name" in report.split("### cem")[1].split("###")[0]


def test_last_years_answers_do_not_pass(term):
    _, rows, _, _ = term
    assert points(rows["dora"])["static-dice"] == "0" and rows["dora"]["total"] == "4"
    assert "LEFT = 10 stands in the notebook" in rows["dora"]["remarks"]


def test_helpers_and_copied_marks_and_calls_of_checks_in_a_zip_archive(term):
    """Own helper cells are used, the last of two cells with one mark counts, and a hidden test finds what the open one lets through."""
    _, rows, report, folder = term
    assert points(rows["fay"]) == points(rows["ada"]) | {"static-dice": "1"} and "2 cells answer it" in rows["fay"]["remarks"]
    assert "fay.zip: homework/static.ipynb" in report


def test_hidden_tests_stay_hidden(term, overlay):
    _, _, report, folder = term
    pages = list((folder.parent / "grades" / "feedback").rglob("*.html"))
    texts = [path.read_text(encoding="utf-8") for path in (*pages, folder.parent / "copies" / "student" / "01_static.ipynb")]
    assert len(pages) == 7 and not any("HIDDENWORDS" in text or "is int" in text for text in texts)
    assert "HIDDENWORDS" in report, "the instructor is told"
    assert "Nothing is turned down" in (folder.parent / "grades" / "feedback" / "ben" / "01_static.html").read_text(encoding="utf-8")
    assert "HIDDENWORDS" in (folder.parent / "copies" / "instructor" / "01_static.ipynb").read_text(encoding="utf-8")


def test_every_file_is_in_the_report(term):
    run, rows, report, folder = term
    fates = dict(re.findall(r"^\| `(.+?)` \| (.+) \|$", report, flags=re.MULTILINE))
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} <= set(fates)
    for place, words in {"kim/broken.ipynb": "JSON is broken", "kim/empty.ipynb": "is empty", "kim/list.ipynb": "not a notebook",
                         "kim/notes.txt": "left alone", "kim/no.zip": "not unpacked", "kim/13.ipynb": "belongs to chapter 13",
                         "kim/other.ipynb": "no exercise", "jon/first try.ipynb": "handed in a newer one"}.items():
        assert words in fates[place], (place, fates[place])
    assert "kim" not in rows and rows["jon"]["total"] == "0"
    assert rows["unknown (01_static (1).ipynb)"]["status"] == "look"


ESCAPES = f"""
import os, signal, socket, sys
escaped = []
def attempt(what, action):
    try:
        action()
        escaped.append(what)
    except BaseException:
        pass
attempt("network", lambda: 1 / (os.readlink("/proc/self/ns/net") == "NETWORK"))
attempt("environment", lambda: 1 / len(open("/proc/1/environ").read()))
attempt("names", lambda: socket.getaddrinfo("example.org", 80))
attempt("repository", lambda: os.listdir({str(ROOT / "notebooks")!r}))
attempt("submissions", lambda: os.listdir("FOLDER"))
attempt("checks", lambda: open(__import__("diffusion_lib").__path__[0] + "/checks/noising.py"))
attempt("installed checks", lambda: [open(p) for p in [f + "/diffusion_lib/checks/noising.py" for f in sys.path] if os.path.exists(p)][0])
attempt("library", lambda: open(__import__("diffusion_lib").__file__, "a"))
attempt("write", lambda: open("/usr/mine", "w"))
attempt("fill", lambda: open("big", "wb").write(bytes(40 * 2**20)))
attempt("memory", lambda: bytearray(8 * 2**30))
attempt("other processes", lambda: [os.kill(int(n), 9) for n in os.listdir("/proc") if n.isdigit() and int(n) > 1000] or 1 / 0)
def many():
    for _ in range(50):
        if os.fork() == 0:
            os.read(os.pipe()[0], 1)
attempt("processes", many)
print("escaped:", escaped)
def grainy(picture, static, keep, amount):
    return picture
"""
BOMB = """
import os, time
first = 260
while True:
    try:
        if os.fork() == 0:
            time.sleep(1e6)
    except OSError:
        pass
"""
PATCHES = """
import builtins, sys, diffusion_lib as dl, torch
class Always:
    passed = True
    def __eq__(self, other): return True
    def __lt__(self, other): return False
    __gt__ = __lt__
    def __float__(self): return 1.0
    def require(self): return self
dl.checks = Always()
sys.modules["diffusion_lib.checks"] = Always()
torch.equal = torch.allclose = lambda *a, **k: True
builtins.AssertionError = ValueError
print("✓ Right.")
rounds_needed = Always()
"""
FORGES = """
import json, os
def is_static(picture):
    for file in range(3, 40):
        try:
            message = json.dumps({"checks": {"static-detector-check": {"passed": True}}}).encode()
            os.write(file, len(message).to_bytes(8, "big") + message)
        except OSError:
            pass
    return True
"""


def test_what_a_malicious_notebook_tries_fails_and_is_reported(tmp_path, sandboxed):
    pupils = Class(tmp_path, "", None)
    pupils.hand_in("=mallory/01_static.ipynb", pupils.notebook(
        static_knobs=ESCAPES.replace("FOLDER", str(pupils.folder)).replace("NETWORK", os.readlink("/proc/self/ns/net")),
        static_crossing=BOMB, static_dice=PATCHES, static_smash="import os\ndef smash(picture, strengths):\n    os.kill(os.getppid(), 9)", static_detector=FORGES))
    pupils.hand_in("nell/01_static.ipynb", pupils.notebook(
        static_knobs="import os\ndef grainy(*a):\n    os._exit(0)",
        static_detector="def is_static(picture):\n    raise SystemExit('<script>alert(1)</script>')"))
    before = sorted(path for path in pupils.folder.rglob("*"))
    _, rows, report = graded(pupils.folder, "--processor", "4")
    assert set(points(rows["'=mallory"]).values()) == {"0"} and rows["'=mallory"]["status"] == "look"
    page = (tmp_path / "grades" / "feedback" / "=mallory".replace("=", "_") / "01_static.html").read_text(encoding="utf-8")
    assert "escaped: []" in page, re.findall("escaped: .*", page)
    found = dict(re.findall(r"^\| (static-\w+) \| .*? \| (.+) \|$", report.split("mallory, 01")[1].split("###")[0], flags=re.MULTILINE))
    assert "needs numbers" in found["static-dice"] or "between two" in found["static-dice"] or "Too few" in found["static-dice"], found
    assert "longer than 60 seconds" in found["static-crossing"] or "processor time" in found["static-crossing"]
    assert any(words in found["static-smash"] for words in ("ended the whole sandbox", "Not attempted", "process ended"))
    assert "pipe" in found["static-detector"]
    assert points(rows["nell"]) == {"static-knobs": "0", "static-crossing": "1", "static-dice": "1", "static-smash": "1", "static-detector": "0"}
    assert "exit status 0" in rows["nell"]["remarks"]
    assert "<script>alert" not in (tmp_path / "grades" / "feedback" / "nell" / "01_static.html").read_text(encoding="utf-8") + report
    assert sorted(path for path in pupils.folder.rglob("*")) == before


def test_a_python_below_tmp_can_be_used_and_nothing_else_there_is_seen(sandboxed):
    """The scratch folder is /tmp; a clone of the book may lie there too."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        python, secret = Path(folder, ".venv", "bin", "python"), Path(folder, "secret")
        venv.create(python.parent.parent, symlinks=True)
        secret.touch()
        assert sandbox.why_not(python, (secret,)) == ""


def test_without_a_sandbox_nothing_is_graded(tmp_path):
    command = [str(GRADING), "-m", "classroom.grade", str(tmp_path), "--chapter", "1", "--out", str(tmp_path / "grades")]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={"PATH": str(GRADING.parent)})
    assert run.returncode == 1 and "bubblewrap is not installed" in run.stderr and "UNSAFE=1" in run.stderr
    assert "Traceback" not in run.stderr and not (tmp_path / "grades").exists()
