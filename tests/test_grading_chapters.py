"""Every chapter's own solutions, graded as a student's would be, with the book's numbers and with each of a cohort's."""

import nbformat
import pytest

from classroom.copies import chapters, exercises, instructor_copy, mark, student_copy, without_solution
from classroom.examiner import judged
from classroom.grade import own_solutions
from classroom.variants import choices_in, for_cohort, pick, with_numbers

CHAPTERS = {path.stem: nbformat.read(path, as_version=4) for path in chapters()}
each = pytest.mark.parametrize("stem", list(CHAPTERS))


def answers_of(stem: str, numbers: dict, only: set[str]) -> dict:
    """Exercise -> (what its checks say, the values it defines), for the exercises named in `only`, run here and now."""
    found = {}
    for entry in own_solutions({stem: with_numbers(CHAPTERS[stem], numbers)})[f"own/{stem}"]:
        if entry["name"] in only:
            space: dict = {"__name__": "__main__"}
            for _, text in entry["pieces"]:
                exec(compile(text, "<piece>", "exec"), space)
            values = {name: space[name] for name in entry["names"]}
            found[entry["name"]] = [judged(check, values, []) for check in entry["checks"]], values
    return found


def depends_on(stem: str, name: str) -> set[str]:
    """The exercises whose check is given the number."""
    return {e.name for e in exercises(CHAPTERS[stem]) if any(name in cell.source for cell in e.checks)}


@pytest.fixture(autouse=True)
def graded(monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    monkeypatch.setenv("DIFFUSION_FAST", "1")


@each
def test_every_chapter_has_numbers_for_cohorts(stem):
    names = choices_in(CHAPTERS[stem])
    assert names, "no exercise whose answer depends on a given number"
    for name in names:
        assert depends_on(stem, name), f"no check is given {name}"


@each
def test_own_solutions_pass_with_only_what_they_need(stem):
    """The slice of the chapter is enough, on both sides; and no part of it trains a network or draws a page of pictures."""
    numbers = {name: values[0] for name, values in choices_in(CHAPTERS[stem]).items()}
    found = answers_of(stem, numbers, {e.name for e in exercises(CHAPTERS[stem])})
    assert set(found) == {e.name for e in exercises(CHAPTERS[stem])}
    for name, (verdicts, _) in found.items():
        assert all(v["passed"] for v in verdicts), (name, verdicts)


@each
def test_each_number_has_an_answer_of_its_own(stem):
    """Last year's answer is wrong this year: for no two choices is the same value right."""
    for name, choices in choices_in(CHAPTERS[stem]).items():
        others = {other: values[0] for other, values in choices_in(CHAPTERS[stem]).items()}
        values = {}
        for number in choices:
            for exercise, (verdicts, answer) in answers_of(stem, others | {name: number}, depends_on(stem, name)).items():
                assert all(v["passed"] for v in verdicts), (number, verdicts)
                values.setdefault(exercise, []).append(repr({k: v for k, v in answer.items() if not callable(v)}))
        for exercise, answers in values.items():
            plain = [answer for answer in answers if answer != "{}"]
            assert len(set(plain)) == len(plain), (exercise, dict(zip(choices, plain)))


def test_a_secret_gives_the_same_numbers_again_and_another_secret_others():
    notebook = CHAPTERS["13_sampling"]
    texts = {secret: [cell.source for cell in for_cohort(notebook, "13_sampling", secret).cells if cell.source.startswith("SHARE = ")][0]
             for secret in ("", *map(str, range(40)))}
    assert texts[""] == "SHARE = 50" and {texts[str(n)] for n in range(40)} == {f"SHARE = {n}" for n in (25, 40, 60, 75)}
    assert for_cohort(notebook, "13_sampling", "7") == for_cohort(notebook, "13_sampling", "7")
    assert len({pick("7", "13_sampling", f"NAME_{n}", [1, 2, 3, 4]) for n in range(20)}) == 4, "each name is drawn by itself"


@pytest.mark.parametrize("line, words", [("DEPTH = 1  # variant: 2, 1", "different numbers"), ("DEPTH = 1  # variant: 2", "at least two"),
                                         ("DEPTH = x  # variant: 2, 3", "no number"), ("DEPTH = 1  # variant: two, 3", "no number")])
def test_bad_lines_are_refused(line, words):
    cell = nbformat.v4.new_code_cell(line, metadata={"nbgrader": {"locked": True, "grade_id": "x"}})
    with pytest.raises(ValueError, match=words):
        choices_in(nbformat.v4.new_notebook(cells=[cell]))
    cell.metadata = {}
    with pytest.raises(ValueError, match="locked"):
        choices_in(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("DEPTH = 1  # variant: 2, 3")]))


@each
def test_copies_for_students_hide_what_copies_for_instructors_show(stem):
    """The student's has no solution and no choice of numbers; the instructor's has both solution and points."""
    notebook = for_cohort(CHAPTERS[stem], stem, "some secret")
    student, instructor = student_copy(notebook), instructor_copy(notebook)
    text = "\n".join(cell.source for cell in student.cells)
    assert "SOLUTION" not in text and "# variant:" not in text and "some secret" not in nbformat.writes(student)
    for exercise in exercises(notebook):
        assert without_solution(exercise.solution.source) in text
        assert exercise.solution.source in [cell.source for cell in instructor.cells]
    locked = [cell for cell in student.cells if mark(cell, "locked")]
    assert locked and not any(cell.metadata.editable or cell.metadata.deletable for cell in locked)
    assert sum("points" in cell.source.split("\n")[0] or "point (" in cell.source.split("\n")[0] for cell in instructor.cells
               if mark(cell, "grade")) == len([c for e in exercises(notebook) for c in e.checks])
    nbformat.validate(student), nbformat.validate(instructor)


