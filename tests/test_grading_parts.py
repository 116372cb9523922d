"""The parts of grading, each by itself: files and names, recognising, slices, what goes through the pipe, the examiner's questions."""

import io
import json
import os
import sys
import zipfile
from argparse import Namespace
from datetime import datetime
from pathlib import Path

import nbformat
import numpy
import pytest
import torch

from classroom import grade, sandbox
from classroom.collect import Found, collect, read, student_of
from classroom.copies import exercises
from classroom.examiner import Cell, clean, examine
from classroom.jobs import job
from classroom.overlay import laid_over
from classroom.recognise import Recognised, recognise
from classroom.report import Graded, for_a_spreadsheet, words, write_grades
from classroom.sandboxed import wire
from classroom.slices import needed_for, piece, statements, without_magic

ONE = json.dumps({"cells": [{"cell_type": "code", "source": ["a = 1\n", "b"], "metadata": {}}]}).encode()


# ---- What came back --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name, chapter, student", [
    ("dora_13", "13_sampling", "dora"), ("Copy of 13_sampling - ada (2)", "13_sampling", "ada"),
    ("13_sampling (1)", "13_sampling", ""),
    ("Kopie von Copy of ada_lovelace_13_sampling", "13_sampling", "ada_lovelace"), ("13_sampling_s1234567", "13_sampling", "s1234567"),
    ("Jean-Luc 01", "01_static", "Jean_Luc"), ("చంద్ర 13", "13_sampling", "చంద్ర"), ("S13 sampling", "13_sampling", "S13"),
    ("chapter 1 max", "01_static", "max"), ("Copy of 01_static", "01_static", ""),
    ("group_1_13", "13_sampling", "group_1"), ("group_4_13", "13_sampling", "group_4"),
    ("group_13_13", "13_sampling", "group_13"), ("group 8 13_sampling", "13_sampling", "group_8"),
    ("group 8 08_forward", "08_forward", "group_8"), ("team_12", "13_sampling", "team_12"),
    ("13_sampling_group_13", "13_sampling", "group_13"), ("Magic_Johnson_13", "13_sampling", "Magic_Johnson")])
def test_a_student_is_known_by_the_files_name_where_there_is_no_folder(name, chapter, student):
    assert student_of(Found(f"{name}.ipynb", ""), chapter) == student
    assert student_of(Found(f"eva/{name}.ipynb", "eva"), chapter) == "eva"


def archive(*names: str | zipfile.ZipInfo, content: bytes = ONE) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name in names:
            made.writestr(name, archive("13.ipynb") if str(name).endswith(".zip") else content)
    return file.getvalue()


@pytest.mark.parametrize("names, owners", [
    (["13.ipynb"], ["ada"]), (["homework/13.ipynb", "homework/01.ipynb"], ["ada", "ada"]), (["homework/13.ipynb", "homework/data/x.ipynb"], ["ada", "ada"]),
    (["ben/13.ipynb", "cem/13.ipynb"], ["ben", "cem"]), (["all/ben/a/13.ipynb", "all/cem/13.ipynb"], ["ben", "cem"]),
    (["notebooks/13.ipynb", "data/pets.json"], ["ada", "ada"]), (["homework/13.ipynb", "a/pets.json"], ["ada", "ada"]),
    (["inner.zip"], ["ada"]), (["ben.zip", "cem.zip"], ["ben", "cem"]), (["ben/13.ipynb", "ben/pets.json", "cem.zip"], ["ben", "ben", "cem"]),
    (["../../13.ipynb"], ["ada"]), (["/etc/13.ipynb"], ["ada"])])
def test_an_archive_is_a_folder_and_an_archive_of_folders_a_class(tmp_path, names, owners):
    (tmp_path / "ada.zip").write_bytes(archive(*names))
    first, *found = collect(tmp_path)
    found = [one for one in found if not one.fate.startswith("an archive of")]
    assert first.fate.startswith("an archive of") and [one.folder for one in found] == owners and all(one.cells for one in found)
    assert not any(one.content for one in found), "what was read is not kept"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ada.zip"]


def test_a_file_in_an_archive_has_its_own_time(tmp_path):
    """Where no time stands there, or nonsense, it has the archive's."""
    dates = (2026, 5, 2, 10, 0, 0), (2026, 5, 1, 10, 0, 0), (1980, 1, 1, 0, 0, 0), (2026, 0, 31, 25, 0, 0)
    (tmp_path / "ada.zip").write_bytes(archive(*(zipfile.ZipInfo(f"{number}.ipynb", date) for number, date in enumerate(dates))))
    os.utime(tmp_path / "ada.zip", (1e9, 1e9))
    times = [one.modified for one in collect(tmp_path)[1:]]
    assert times == [*(datetime(*date).timestamp() for date in dates[:2]), 1e9, 1e9]


def test_nothing_is_followed_or_lost(tmp_path):
    (tmp_path / "ada").mkdir()
    (tmp_path / "ada" / "x.ipynb").symlink_to("/etc/passwd")
    (tmp_path / "ada" / "folder").symlink_to("/etc")
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as made:
        made.writestr("13.ipynb", ONE)
    with zipfile.ZipFile(tmp_path / "ada" / "two.zip", "w") as made:
        made.writestr("inner.zip", inner.getvalue())
    fates = {one.place: one.fate or "read" for one in collect(tmp_path)}
    assert "a link" in fates["ada/x.ipynb"] and "a link" in fates["ada/folder"]
    assert fates["ada/two.zip: inner.zip: 13.ipynb"] == "read"


def test_one_odd_file_does_not_end_the_grading_of_a_class(tmp_path):
    spoilt = bytearray(archive("13.ipynb", content=ONE * 200))
    spoilt[60:90] = b"\xff" * 30                              # in the middle of what was compressed
    (tmp_path / "ada.zip").write_bytes(spoilt)
    (tmp_path / "ben.zip").write_bytes(archive("."))
    (tmp_path / "cem.ipynb").write_bytes(b'{"worksheets": [{"cells": 5}]}')
    (tmp_path / "dan.ipynb").write_bytes(b'{"cells": [{"cell_type": "code", "source": "a = 1  # \\ud83d"}]}')
    named = sys.platform != "darwin"                         # whose file names are always UTF-8
    if named:
        (tmp_path / os.fsdecode(b"Jos\xe9")).mkdir()
        (tmp_path / os.fsdecode(b"Jos\xe9") / "13.ipynb").write_bytes(ONE)
    found = {one.place: one for one in collect(tmp_path)}
    assert "not unpacked" in found["ada.zip"].fate and found["ben.zip"].fate and not found["cem.ipynb"].cells
    for one in found.values():                               # everything can be written down
        assert json.dumps([one.place, one.folder, one.fate, one.cells], ensure_ascii=False).encode("utf-8")
    assert found["dan.ipynb"].cells[0][1] == "a = 1  # ?" and [one.folder for one in found.values() if "Jos" in one.place] == ["Jos\ufffd"] * named


@pytest.mark.parametrize("source", ["wait = (\n    steps\n    % 10\n)", "same = (a\n        != b)", "x = '''\n%d\n!\n'''"])
def test_plain_python_is_left_as_it_is(source):
    assert without_magic(source) == source and without_magic(f"%time\n{source}\n!ls") != source


def test_notebooks_of_all_kinds_are_read():
    assert read(b"\xef\xbb\xbf" + ONE) == [("code", "a = 1\nb", {})]
    old = {"nbformat": 3, "worksheets": [{"cells": [{"cell_type": "code", "input": ["a = 1"], "language": "python"}]}]}
    assert read(json.dumps(old).encode()) == [("code", "a = 1", {})]
    assert read(b'{"cells": [3, {"cell_type": "code", "source": 5, "metadata": []}]}') == [("code", "5", {})]
    for content, said in ((b"", "empty"), (b" \n", "empty"), (b"\xff\xfe\x00", "not text"), (b'{"cells"', "broken"), (b"[]", "not a notebook"),
                          (b'{"cells": 1}', "not a notebook"), (b"[" * 100_000, "not text")):
        with pytest.raises(ValueError, match=said):
            read(content)


def chapter(*cells):
    """A chapter: (kind, source) with kind "code", "given", "solution", or "check"."""
    marks = {"given": dict(locked=True), "solution": dict(solution=True), "check": dict(grade=True, locked=True, points=1)}
    made = []
    for number, (kind, source) in enumerate(cells):
        mark = {"grade_id": f"{kind}-{number}", "grade": False, "solution": False, "locked": False} | marks.get(kind, {})
        made.append(nbformat.v4.new_code_cell(source, metadata={} if kind == "code" else {"nbgrader": mark}))
    return nbformat.v4.new_notebook(cells=made)


SMALL = chapter(("code", "import math\nsize = 3"), ("given", "N = 7"),
                ("solution", "def double(x):\n    # TODO\n    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION"), ("check", "dl.checks.a.b(double, N)"))
@pytest.mark.parametrize("times, chosen, fate, remark", [
    ((2, 1), "a.ipynb", "handed in a newer one", "the newest was graded"),
    ((1, 2), "b.ipynb", "handed in a newer one", "the newest was graded"),
    ((1, 1), "b.ipynb", "another one of the same time", "two bear the same time")])
def test_of_two_the_newer_is_graded_and_of_equals_it_is_said(times, chosen, fate, remark):
    cells = [("code", "def double(x): return x", {"nbgrader": {"grade_id": "solution-2"}})]
    found = [Found(f"ada/{name}", "ada", modified=time, cells=cells) for name, time in zip(("a.ipynb", "b.ipynb"), times)]
    ((graded, read),) = grade.sort_out(found, {"99_small": SMALL}).values()
    (other,) = [one for one in found if one is not graded]
    assert graded.place == f"ada/{chosen}" and fate in other.fate and chosen in other.fate
    assert remark in read.remarks[-1] and other.place in read.remarks[-1]


STUB = "def double(x):\n    # TODO\n    ...  # TODO: your code here"


@pytest.mark.parametrize("cells, answer, remark", [
    ([("def double(x):\n    return x", "solution-2")], "def double(x):\n    return x", ""),
    ([(STUB, "solution-2")], None, ""),
    ([], "", "not found"),
    ([("def double(x): return 5", "")], "def double(x): return 5", "mark was lost"),
    ([(STUB, "solution-2"), ("double = lambda x: 1", "")], "double = lambda x: 1", "mark was lost"),
    ([("def double(x): return 1", "solution-2"), ("def double(x): return 2", "solution-2")], "def double(x): return 2", "2 cells answer it"),
    ([("def double(x): return 1", "solution-2"), ("double = 5  # scratch", "")], "def double(x): return 1", ""),
    ([("def double(x) return", "solution-2")], "def double(x) return", ""),
    ([("def twice(x): return 2 * x", ""), ("dl.checks.a.b(twice, N)", "")], "def twice(x): return 2 * x\ndouble = twice", "under another name"),
    ([("def double(x): return 1", "solution-2"), ("N = 8", "given-1")], "def double(x): return 1", "N = 8 stands in the notebook"),
])
def test_answers_are_recognised(cells, answer, remark):
    found = recognise([("code", source, {"nbgrader": {"grade_id": name}} if name else {}) for source, name in cells], SMALL)
    assert found.answers == {"solution-2": answer}
    assert (remark in "; ".join(found.remarks)) if remark else not found.remarks


def test_own_helpers_are_kept_and_the_chapters_cells_are_not():
    cells = [("code", "import math\nsize = 3", {}), ("markdown", "text", {}), ("code", "%pip install x\nimport os\nhelp = 4", {}), ("code", "what? is", {})]
    found = recognise(cells, SMALL)
    assert [p.text for p in found.extras] == ["pass", "import os", "help = 4"] and any("no Python" in r for r in found.remarks)


# ---- Only what is needed ---------------------------------------------------------------------------------------------

def test_a_slice_holds_what_is_used_and_what_that_uses_and_nothing_else():
    book = statements("import torch, math\nimport matplotlib.pyplot as plt\na = 1\nb = a + 1\nc = expensive()\nplt.plot(c)\nrows = []\nrows.append(b)\nrows[0] = 5\n"
                      "for i in range(3):\n    rows.append(i)\n@decorated\ndef f(x):\n    y = torch.zeros(b)\n    return x + g(y)\ndef g(z): return z\nc.done()")
    kept = [p.text.split("\n")[0] for p in needed_for({"f"}, book)]
    assert kept == ["import torch, math", "a = 1", "b = a + 1", "@decorated", "def g(z): return z"], "g is defined after f, which uses it"
    assert [p.text.split("\n")[0] for p in needed_for({"rows"}, book)] == ["a = 1", "b = a + 1", "rows = []", "rows.append(b)", "rows[0] = 5", "for i in range(3):"]
    assert piece("def f(x):\n    x = 1\n    return x + y").uses == {"y"} and piece("x.a.b = 3").changes == {"x"}


def test_what_an_answer_binds_itself_is_not_sought_in_earlier_answers():
    both = chapter(("solution", "def a(x):\n    ### BEGIN SOLUTION\n    return x\n    ### END SOLUTION"), ("check", "dl.checks.m.a(a)"),
                   ("solution", "def b(x):\n    ### BEGIN SOLUTION\n    return x\n    ### END SOLUTION"), ("check", "dl.checks.m.b(b)"))
    answers = {"solution-0": "import os\nwhile True: pass\ndef a(x): return x", "solution-2": "import os\ndef b(x): return os.name + x"}
    assert [len(entry["pieces"]) for entry in job(both, Recognised(answers))] == [1, 1]
    answers["solution-2"] = "n = a(3)\ndef b(x): return n"
    assert [who for who, _ in job(both, Recognised(answers))[1]["pieces"]] == ["solution-0", "solution-2"]


@pytest.mark.parametrize("own, answer, kept, remarked", [
    ("table = {}\ntable['a'] = 3\nrows = []\nrows.append(2)", "def double(x): return table['a'] + rows[0]", 4, ""),
    ("def size(): return 4", "def double(x): return x + size", 0, "uses size, which the notebook makes anew"),
    ("size += 1\nhelp = size", "def double(x): return x * help", 1, "uses size"),
    ("rows = []", "def double(x): return 2 * x", 0, ""),
    ("import math\nmath.tau = 6\nsize = 3", "def double(x): return math.e * size", 0, ""),
    ("double = 5", "def double(x): return x and double(x - 1)", 0, "")])
def test_all_that_an_answer_needs_of_the_students_own_runs_and_what_does_not_is_said(own, answer, kept, remarked):
    """In a name that both have, the chapter wins, and where the answer uses it there is a remark."""
    read = recognise([("code", answer, {"nbgrader": {"grade_id": "solution-2"}}), ("code", own, {})], SMALL)
    before = len(read.remarks)
    (entry,) = job(SMALL, read)
    assert [who for who, _ in entry["pieces"]].count("student") == kept, entry["pieces"]
    assert len(read.remarks) == before + bool(remarked) and remarked in "; ".join(read.remarks)


# ---- The pipe --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("value", [None, True, 3, -0.5, "words", ..., [1, (2.0, "x")], {"a": [1], 2: None}, torch.arange(6).reshape(2, 3), torch.tensor(1.5),
                                   torch.randn(2, 2, dtype=torch.bfloat16), torch.zeros(0, 3), torch.tensor([True, False])])
def test_plain_values_come_through_the_pipe_as_they_are(value):
    back = wire.decode(wire.parse(json.dumps(wire.encode(value, [])).encode()), None)
    assert type(back) is type(value)
    assert torch.equal(back, value) and back.dtype == value.dtype if isinstance(value, torch.Tensor) else back == value


def test_other_values_become_plain_ones():
    def through(value, functions=None):
        return wire.decode(json.loads(json.dumps(wire.encode(value, [] if functions is None else functions))), lambda token, name: (token, name))

    class Sly(int):
        def __eq__(self, other):
            return True

    assert through(numpy.float32(0.5)) == 0.5 and torch.equal(through(numpy.eye(2)), torch.eye(2, dtype=torch.float64))
    assert type(through(Sly(4))) is int and through(range(3)) == [0, 1, 2] and through(n for n in "ab") == ["a", "b"]
    assert through(len) == (0, "len") and type(through(object())).__name__ == "object"
    deep = []
    for _ in range(100):
        deep = [deep]
    assert "list" in json.dumps(wire.encode(deep, []))


@pytest.mark.parametrize("message", [b"", b"[1]", b"{", b"[" * 10_000, b"\xff"])
def test_what_is_no_message_is_garbage(message):
    with pytest.raises(wire.Garbage):
        wire.parse(message)


@pytest.mark.parametrize("data", [3, {}, {"x": 1}, {"plain": [1]}, {"list": 3}, {"dict": [[{"list": []}, {"plain": 1}]]}, {"dict": [1]}, {"function": "0"},
                                  {"tensor": "float32", "shape": [3], "data": "AAAA"}, {"tensor": "evil", "shape": [], "data": ""},
                                  {"tensor": "float32", "shape": [-1], "data": ""}, {"tensor": "float32", "shape": "x", "data": "?"}])
def test_what_is_no_value_is_garbage(data):
    with pytest.raises(wire.Garbage):
        wire.decode(data, None)


# ---- The examiner, without a sandbox ---------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def cell():
    made = Cell(Path(sys.executable), sandbox.Limits(60), safe=False)
    yield made
    made.close()


def asked(cell, answer: str, test: str, before: str = "") -> dict:
    found = examine({"name": "x", "pieces": [["student", answer]], "names": ["f"],
                     "checks": [{"name": "x-check", "code": test, "before": before, "answers": ["f"]}]}, cell)
    return found["checks"]["x-check"] | {"printed": found["printed"], "stopped": found["stopped"]}


def test_a_function_answers_from_its_own_process(cell):
    answer = "import os\nprint('hello')\ndef f(x, up=1):\n    f.calls = getattr(f, 'calls', 0) + 1\n    return [x + up, os.getpid(), f.calls]"
    found = asked(cell, answer, "import os, torch\na, b = f(torch.ones(2)), f(1, up=2)\nassert a[0].tolist() == [2, 2] and b[0] == 3\n"
                                "assert a[1] != os.getpid() and b[2] == 2")
    assert found["passed"] and found["printed"] == "hello", found


def test_changed_tensors_errors_and_our_own_functions_reach_across(cell):
    assert asked(cell, "def f(x): return x.mul_(2)", "import torch\nx = torch.ones(2)\nf(x)\nassert x.tolist() == [2, 2]")["passed"]
    assert asked(cell, "def f(x): return {}[x]", "try:\n    f(3)\nexcept KeyError as e:\n    assert '3' in str(e)\nelse:\n    assert 0")["passed"]
    assert asked(cell, "def f(g, n): return g(n, by=2) + sum(h(1) for h in [g])", "assert f(lambda a, by=1: a * by, 5) == 11")["passed"]
    assert asked(cell, "def f(n):\n    return lambda x: x * n", "assert f(3)(5) == 15")["passed"]
    assert asked(cell, "def f(s, t): return s.alpha(t)", "import diffusion_lib as dl\ns = dl.CosineSchedule()\nassert abs(f(s, 0.3) - s.alpha(0.3)) < 1e-6")["passed"]


def test_checks_judge_and_nothing_else_does(cell):
    check = "import diffusion_lib as dl\ndl.checks.noising.mix(f)"
    right = "def f(picture, static, keep, amount): return keep * picture + amount * static"
    assert asked(cell, right, check)["passed"]
    assert "sign is wrong" in asked(cell, right.replace("return ", "return -1 * (").replace("static", "static", 1) + ")", check)["words"]
    assert "changed a picture" in asked(cell, right.replace("keep * picture", "picture.mul_(keep)"), check)["words"]
    assert "Not attempted" in asked(cell, "def f(*a): ...", check)["words"]
    assert "There is no f" in asked(cell, "def f(", check)["words"] and "SyntaxError" in asked(cell, "def f(", check)["words"]
    assert "could not deal" in asked(cell, right, "1 / 0")["words"]


def test_sleepers_and_spinners_are_stopped():
    for limits, answer, said in ((sandbox.Limits(seconds=3), "import time\ntime.sleep(1e6)", "longer than 3 seconds"),
                                 (sandbox.Limits(processor=1), "while True: pass", "processor time")):
        cell = Cell(Path(sys.executable), limits, safe=False)
        assert said in asked(cell, answer, "pass")["words"]
        cell.close()


def test_whatever_ends_a_process_ends_only_that(cell):
    assert "exit status 3" in asked(cell, "import os\nos._exit(3)", "pass")["words"]
    assert "SystemExit" in asked(cell, "raise SystemExit", "pass")["words"]
    assert asked(cell, "f = 1", "assert f == 1")["passed"], "the next exercise is none the worse"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="there is a sandbox on Linux only")
def test_bubblewrap_gets_no_environment_that_it_could_show_inside(tmp_path, monkeypatch):
    shown = tmp_path / "shown"
    (tmp_path / "bwrap").write_text(f"#!/bin/sh\ncat /proc/$$/environ >> {shown}; echo asked >> {shown}; exit 1\n")
    (tmp_path / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert "cannot build it" in sandbox.why_not(Path(sys.executable))
    assert sandbox.start(Path(sys.executable), sandbox.Limits()).wait() == 1
    assert shown.read_text() == "asked\nasked\n"


def test_the_runner_of_the_tests_can_build_a_sandbox():
    """It is not root there, so scripts/install.sh cannot install one: the workflow does, before the tests; and if it is lost they fail."""
    before, tests, after = (grade.ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8").partition("run: .ci/run")
    assert tests and "install -y bubblewrap" in before and "apparmor_restrict_unprivileged_userns=0 || true" in before
    assert 'DIFFUSION_SANDBOX: "1"' in after


# ---- What is written -------------------------------------------------------------------------------------------------

def test_strangers_words_are_only_words():
    assert clean("a\x1b[31m\u202eb\ud800" + "x" * 10_000).startswith("a [31m b?") and len(clean("x" * 10_000)) == 600
    assert for_a_spreadsheet("=1+1\n") == "'=1+1" and words("<b> [x](y) `|`") == "&lt;b&gt; \\[x\\](y) \\`\\|\\`"


def test_grades_have_one_row_for_each_student(tmp_path):
    graded = [Graded("ada", "01_static", "x", {"a": 1.0, "b": 0.5}, {"a": 1.0, "b": 2.0}), Graded("ben", "13_sampling", "y", {"c": 1.0}, {"c": 1.0}, remarks=["why"]),
              Graded("ada", "13_sampling", "z", {"c": 0.0}, {"c": 1.0}, {"c": "Stopped: slow."})]
    write_grades(graded, tmp_path / "grades.csv")
    assert (tmp_path / "grades.csv").read_text().splitlines() == [
        "student,01_static/a,01_static/b,13_sampling/c,total,max,status,remarks", "ada,1,0.5,0,1.5,4,look,c: Stopped: slow.", "ben,,,1,1,1,look,why"]


def test_an_overlay_that_fits_nothing_is_refused(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "solution-2.hidden.py").write_text("# points: 2.5\nassert double(2) == 4")
    (tmp_path / "x" / "solution-2.solution.py").write_text("double = abs")
    (one,) = exercises(laid_over(SMALL, "x", tmp_path))
    assert [c.metadata.nbgrader.points for c in one.checks] == [1, 2.5] and "double = abs" in one.solution.source and one.points == 3.5
    for name, text, said in (("nobody.hidden.py", "", "the exercises of x are solution-2"), ("solution-2.txt", "", "fits nothing"), ("solution-2.hidden.py", "assert (", "line 1")):
        (tmp_path / "x" / name).write_text(text)
        with pytest.raises(SystemExit, match=said):
            laid_over(SMALL, "x", tmp_path)
        (tmp_path / "x" / name).unlink()
    with pytest.raises(SystemExit, match="no such folder"):
        laid_over(SMALL, "x", tmp_path / "missing")
    for name, fine in (("13_sampling", True), (".git", True), ("13_samplng", False), ("13", False)):
        (tmp_path / name).mkdir()
        if not fine:
            with pytest.raises(SystemExit, match=f"{name} fits nothing.* 13_sampling"):
                laid_over(SMALL, "x", tmp_path)
            (tmp_path / name).rmdir()
        laid_over(SMALL, "x", tmp_path)


def test_nobody_is_run_before_the_chapters_own_solutions_passed(tmp_path, monkeypatch):
    asked = []

    def examined(jobs, labels, *_):
        asked.extend(jobs)
        return {name: {"x": {"checks": {"x-check": {"passed": False, "words": "It is false."}}}} for name in jobs}

    (tmp_path / "ada_01.ipynb").write_bytes((grade.ROOT / "notebooks" / "01_static.ipynb").read_bytes())
    monkeypatch.setattr(grade, "examined", examined)
    limits = {"seconds": 1, "processor": 1, "memory": 1}
    wanted = Namespace(chapter="1", cohort="", overlay=None, submissions=tmp_path, python=None, unsafe=True, **limits)
    with pytest.raises(SystemExit, match="01_static, x-check: It is false."):
        grade.grade(wanted)
    assert asked == ["own/01_static"]
