"""An instructor's private folder, outside the repository: hidden tests and other solutions.

    OVERLAY/13_sampling/sampling-spread.hidden.py      Python with `assert`s; first line "# points: 2" (without it: 1)
    OVERLAY/13_sampling/sampling-spread.solution.py    the whole solution cell, for the instructor's copies

`sampling-spread` is the exercise: the grade_id of its solution cell. A hidden test may use the answer and everything
that the chapter defines before the exercise. It never reaches a student's copy, and in the feedback neither its text
nor its words are shown.
"""

import ast
import copy
import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from .copies import ROOT, exercises


def files_in(folder: Path | None, chapter: str) -> list[Path]:
    """The overlay's files for one chapter. Raises SystemExit where there is no overlay, or a folder in it is no chapter's."""
    if folder is None:
        return []
    if not folder.is_dir():
        raise SystemExit(f"OVERLAY={folder}: there is no such folder.")
    known = {chapter, *(path.stem for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))}
    for path in folder.iterdir():
        if path.is_dir() and path.name not in known and not path.name.startswith((".", "__")):
            raise SystemExit(f"{path} fits nothing: its name has to be a chapter's, one of {', '.join(sorted(known))}.")
    return sorted(path for path in (folder / chapter).glob("*") if not path.name.startswith((".", "__")))


def laid_over(notebook: NotebookNode, chapter: str, folder: Path | None) -> NotebookNode:
    """The notebook with the overlay's hidden tests and solutions. Raises SystemExit for a file that fits no exercise."""
    made = copy.deepcopy(notebook)
    for path in files_in(folder, chapter):
        known = {exercise.name: exercise for exercise in exercises(made)}
        name, _, kind = path.name.partition(".")
        if name not in known or kind not in ("hidden.py", "solution.py"):
            raise SystemExit(f"{path} fits nothing: its name has to be EXERCISE.hidden.py or EXERCISE.solution.py, "
                             f"and the exercises of {chapter} are {', '.join(known)}.")
        text = path.read_text(encoding="utf-8").strip()
        try:
            ast.parse(text)
        except SyntaxError as error:
            raise SystemExit(f"{path}, line {error.lineno}: {error.msg}") from None
        if kind == "solution.py":
            known[name].solution.source = f"### BEGIN SOLUTION\n{text}\n### END SOLUTION"
        else:
            last = known[name].checks[-1] if known[name].checks else known[name].solution
            made.cells.insert(next(i for i, cell in enumerate(made.cells) if cell is last) + 1, _hidden(name, text))
    return made


def _hidden(name: str, text: str) -> NotebookNode:
    points = re.match(r"#\s*points:\s*(\d+(?:\.\d+)?)", text)
    marks = {"schema_version": 3, "grade_id": f"{name}-hidden", "grade": True, "solution": False, "locked": True, "task": False,
             "points": float(points[1]) if points else 1.0}
    return nbformat.v4.new_code_cell(text, id=f"{name}-hidden"[:64], metadata={"nbgrader": marks})
