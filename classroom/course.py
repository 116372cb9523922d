"""nbgrader's part: a course in a temporary folder, its grade book, its feedback pages.

nbgrader would run a submission in a kernel that also runs the tests. Here the examiner has judged already, and
nbgrader is handed what it found: cell by cell, as if the cells had run. Points, sums and feedback are nbgrader's.
"""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from .copies import STUB, exercises, is_hidden, mark

ROOT = Path(__file__).resolve().parent.parent
CONFIG = """
import sys
sys.path.insert(0, {root!r})
c = get_config()
c.ClearSolutions.code_stub = {{"python": {stub!r}}}
its = "nbgrader.preprocessors."
before = "ClearOutput", "DeduplicateIds", "OverwriteCells", "CheckCellMetadata"
c.Autograde.sanitize_preprocessors = [its + one for one in before]
c.Autograde.autograde_preprocessors = ["classroom.course.what_was_found", its + "SaveAutoGrades", its + "CheckCellMetadata"]
c.HTMLExporter.sanitize_html = True
"""
QUIET_HIDDEN = "# A hidden test of your instructor."
FOUND = "found.json"


def sheet(chapter: NotebookNode) -> NotebookNode:
    """The exercises of a chapter, without the chapter."""
    marked = [i for i, cell in enumerate(chapter.cells) if "nbgrader" in cell.metadata]
    prose = [i for i, cell in enumerate(chapter.cells)
             if cell.cell_type == "markdown" and "solution" not in cell.metadata.get("tags", [])]
    begin = next((i for i in prose if chapter.cells[i].source.startswith("## Exercises")), marked[0])
    made = copy.deepcopy(chapter)
    made.cells = [cell for i, cell in enumerate(made.cells) if i in marked or (i in prose and begin <= i < marked[-1])]
    made.cells.insert(0, nbformat.v4.new_markdown_cell(chapter.cells[0].source.split("\n")[0], id="title"))
    return made


class Course:
    """A course with one assignment for each chapter. Students are numbered: their own names never become names of files."""

    def __init__(self, folder: Path, chapters: dict[str, NotebookNode]):
        self.folder, self.chapters = folder, chapters
        (folder / "nbgrader_config.py").write_text(CONFIG.format(root=str(ROOT), stub=STUB), encoding="utf-8")
        for stem, chapter in chapters.items():
            self._write(folder / "source" / stem, stem, sheet(chapter))
            self._nbgrader("generate_assignment", stem, "--force")
        self.found: dict[str, dict] = {}

    def hand_in(self, student: str, stem: str, answers: dict[str, str | None]) -> None:
        """Puts a student's answers into the sheet of exercises as it was handed out. student: a number, as in "s001"."""
        made = nbformat.read(self.folder / "release" / stem / f"{stem}.ipynb", as_version=4)
        for cell in made.cells:
            if mark(cell, "solution") and answers.get(cell.metadata.nbgrader.grade_id):
                cell.source = answers[cell.metadata.nbgrader.grade_id]
        self._write(self.folder / "submitted" / student / stem, stem, made)

    def grade(self, found: dict[str, dict]) -> None:
        """Grades all that was handed in. found: "s001/13_sampling" -> exercise -> what the examiner found."""
        (self.folder / FOUND).write_text(json.dumps(found), encoding="utf-8")
        for stem in self.chapters:
            if list((self.folder / "submitted").glob(f"*/{stem}")):
                self._nbgrader("autograde", stem, "--force")
                self._nbgrader("generate_feedback", stem, "--force")

    def points(self, student: str, stem: str) -> dict[str, float]:
        """Exercise -> points, out of nbgrader's grade book."""
        from nbgrader.api import Gradebook
        with Gradebook(f"sqlite:///{self.folder / 'gradebook.db'}") as book:
            (sheet,) = book.find_submission(stem, student).notebooks
            given = {grade.name: grade.score for grade in sheet.grades}
        return {exercise.name: sum(given[cell.metadata.nbgrader.grade_id] for cell in exercise.checks)
                for exercise in exercises(self.chapters[stem])}

    def feedback(self, student: str, stem: str) -> Path:
        return self.folder / "feedback" / student / stem / f"{stem}.html"

    def _write(self, folder: Path, stem: str, notebook: NotebookNode) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, folder / f"{stem}.ipynb")

    def _nbgrader(self, *words: str) -> None:
        command = [sys.executable, "-m", "nbgrader", *words]
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # nbgrader calls a tool beside itself
        environment = {**os.environ, "PATH": path, "JUPYTER_CONFIG_DIR": str(self.folder / "jupyter")}
        run = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)
        if run.returncode:
            raise SystemExit(f"nbgrader {' '.join(words)} failed:\n{run.stdout}{run.stderr}")


def what_was_found(notebook: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
    """nbgrader's preprocessor in the place of the one that runs cells: the outputs are what the examiner found."""
    found = json.loads(Path(FOUND).read_text(encoding="utf-8"))
    here = found.get(f"{resources['nbgrader']['student']}/{resources['nbgrader']['assignment']}", {})
    checks = {name: result for exercise in here.values() for name, result in exercise["checks"].items()}
    for cell in notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        if mark(cell, "solution") and name in here:
            said = "\n".join(filter(None, [here[name]["printed"], *here[name]["errors"]]))
            cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=said)] if said else []
        elif mark(cell, "grade"):
            result = checks.get(name, {"passed": False, "words": "Not found in the notebook."})
            words = result["words"] if not is_hidden(cell) else "It holds." if result["passed"] else "It does not hold."
            if is_hidden(cell):
                cell.source = QUIET_HIDDEN
            kind = {"output_type": "stream", "name": "stdout", "text": words} if result["passed"] else {
                "output_type": "error", "ename": "", "evalue": words, "traceback": [words]}
            cell.outputs = [nbformat.from_dict(kind)]
    return notebook, resources
