"""What is handed out: a chapter's notebook read as a list of exercises, and its copies for students and instructors.

An exercise is a cell with nbgrader's *solution* mark and the cells with its *grade* mark that follow it.
"""

import copy
import re
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
STUB = "...  # TODO: your code here"
REGION = re.compile(r"^([ \t]*)### BEGIN SOLUTION\n(.*?)^[ \t]*### END SOLUTION[ \t]*$", flags=re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Exercise:
    """One exercise of a chapter: its solution cell and the cells that grade it."""

    solution: NotebookNode
    checks: tuple[NotebookNode, ...]

    @property
    def name(self) -> str:
        return self.solution.metadata.nbgrader.grade_id

    @property
    def points(self) -> float:
        return sum(float(cell.metadata.nbgrader.points) for cell in self.checks)


def chapters() -> list[Path]:
    """The notebooks that have exercises, in order."""
    paths = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    return [path for path in paths if exercises(nbformat.read(path, as_version=4))]


def source_of(chapter: str) -> Path:
    """The notebook of a chapter: `chapter` is its number ("13") or its stem ("13_sampling")."""
    notebooks = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    wanted = chapter.zfill(2)
    for path in notebooks:
        if wanted in (path.stem, path.stem.split("_")[0]):
            return path
    known = ", ".join(path.stem.split("_")[0] for path in notebooks) or "none yet"
    raise SystemExit(f"CHAPTER={chapter}: there is no such chapter. Chapters with a notebook: {known}.")


def sources_of(chapter: str) -> list[Path]:
    """One chapter, or every chapter with exercises for "all". Raises SystemExit where a chapter has none."""
    if chapter == "all":
        return chapters()
    path = source_of(chapter)
    if not exercises(nbformat.read(path, as_version=4)):
        raise SystemExit(f"{path.name} has no exercise: no cell in it carries nbgrader's solution mark.")
    return [path]


def mark(cell: NotebookNode, name: str) -> bool:
    """Whether a cell carries one of nbgrader's marks: "solution", "grade" or "locked"."""
    return bool(cell.metadata.get("nbgrader", {}).get(name))


def exercises(notebook: NotebookNode) -> list[Exercise]:
    """The exercises of a chapter, in order."""
    found: list[tuple[NotebookNode, list]] = []
    for cell in notebook.cells:
        if mark(cell, "solution"):
            found.append((cell, []))
        elif mark(cell, "grade") and found:
            found[-1][1].append(cell)
    return [Exercise(solution, tuple(checks)) for solution, checks in found]


def without_solution(source: str) -> str:
    """A solution cell as it is handed out: what stands between the markers becomes a TODO that runs."""
    return REGION.sub(lambda found: found[1] + STUB, source)


def student_copy(notebook: NotebookNode) -> NotebookNode:
    """The notebook as students get it: no solutions, no hidden tests, no cells tagged `solution`; it runs from top to bottom."""
    made = copy.deepcopy(notebook)
    made.cells = [cell for cell in made.cells if "solution" not in cell.metadata.get("tags", []) and not is_hidden(cell)]
    for cell in made.cells:
        if mark(cell, "solution"):
            cell.source = without_solution(cell.source)
            cell.metadata.get("mystnb", {}).pop("code_prompt_show", None)
            cell.metadata.get("mystnb", {}).pop("code_prompt_hide", None)
            cell.metadata["tags"] = [tag for tag in cell.metadata.get("tags", []) if tag != "hide-cell"]
        if mark(cell, "locked"):
            cell.metadata["editable"], cell.metadata["deletable"] = False, False
    return made


def is_hidden(cell: NotebookNode) -> bool:
    """Whether the cell is an instructor's hidden test (`overlay.py` puts it in)."""
    return mark(cell, "grade") and cell.metadata.nbgrader.grade_id.endswith("-hidden")


def instructor_copy(notebook: NotebookNode) -> NotebookNode:
    """The notebook with its solutions and hidden tests, and a first line about the points in each graded cell."""
    made = copy.deepcopy(notebook)
    for exercise in exercises(made):
        for cell in exercise.checks:
            points = float(cell.metadata.nbgrader.points)
            hidden = "hidden test, " if is_hidden(cell) else ""
            worth = f"{points:g} point{'' if points == 1 else 's'}"
            cell.source = f"# {hidden}{worth} ({cell.metadata.nbgrader.grade_id})\n{cell.source}"
    total = sum(exercise.points for exercise in exercises(made))
    lines = "\n".join(f"| `{e.name}` | {e.points:g} |" for e in exercises(made))
    table = f"**Instructor's copy: with solutions.** {total:g} points in all.\n\n| exercise | points |\n| --- | --- |\n{lines}"
    made.cells.insert(1, nbformat.v4.new_markdown_cell(table, id="points"))
    return made
