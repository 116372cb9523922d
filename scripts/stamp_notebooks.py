"""Writes the notebooks that Colab opens: the chapters, with stubs for solutions, each knowing where its library is.

"Run all" reaches the end of an untouched notebook and every check answers "Not attempted yet", as in a student's copy.
Whoever learns alone unfolds the solution below the check.

The repository and the commit come from the deployment (GITHUB_REPOSITORY, GITHUB_SHA), so that a notebook always meets
the library it was written with, and no address is written down here.

    python scripts/stamp_notebooks.py --out build/colab --repository OWNER/REPO --revision main
"""

import argparse
import copy
import os
import re
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from classroom.copies import mark, without_solution  # noqa: E402
from classroom.library import GITHUB, archive, stamp  # noqa: E402
from classroom.variants import for_cohort  # noqa: E402

NOT_FOR_READERS = re.compile(r"^[ \t]*(### (BEGIN|END) SOLUTION|# TODO\b.*)[ \t]*\n?", re.MULTILINE)


def for_colab(notebook, stem: str, source: str):
    """A chapter as Colab opens it. source: the address of a zip of the library."""
    return with_stubs(stamp(for_cohort(notebook, stem), source))


def with_stubs(notebook):
    """`notebook` with a student's stubs. Each solution stands folded below its check; so do the cells tagged `solution`, in
    their places: they tell what a solution is, or need one to run."""
    cells, waiting, told = [], [], []
    for cell in notebook.cells:
        if "solution" in cell.metadata.get("tags", []):
            told.append(cell)
            continue
        cells += folded(told, "Show what comes out")
        told = []
        cells.append(cell)
        if mark(cell, "solution"):
            waiting.append(copy.deepcopy(cell))
            cell.source = without_solution(cell.source)
        elif mark(cell, "grade"):
            cells += folded(waiting, "Show a solution")
            waiting = []
    notebook.cells = cells + folded(told, "Show what comes out")
    return notebook


def folded(cells: list, summary: str) -> list:
    """No cell for none; for others one Markdown cell that shows their text and code when it is unfolded."""
    if not cells:
        return []
    parts = [NOT_FOR_READERS.sub("", cell.source).rstrip() for cell in cells]
    parts = [f"```python\n{part}\n```" if cell.cell_type == "code" else part for cell, part in zip(cells, parts, strict=True)]
    text = "\n\n".join([f"<details>\n<summary>{summary}</summary>", *parts, "</details>"])
    return [nbformat.v4.new_markdown_cell(text, id=f"{cells[0].id[:56]}-unfold")]


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the notebooks that Colab opens.")
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: every chapter")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "colab")
    parser.add_argument("--source", help="the address of a zip of the library; default: from the three that follow")
    parser.add_argument("--repository", default=os.environ.get("GITHUB_REPOSITORY", ""))
    parser.add_argument("--revision", default=os.environ.get("GITHUB_SHA", "main"))
    parser.add_argument("--server", default=os.environ.get("GITHUB_SERVER_URL", GITHUB))
    arguments = parser.parse_args()
    source = arguments.source or archive(arguments.repository, arguments.revision, arguments.server)
    folder = arguments.out / "notebooks"
    folder.mkdir(parents=True, exist_ok=True)
    for path in arguments.notebooks or sorted((ROOT / "notebooks").glob("*.ipynb")):
        notebook = for_colab(nbformat.read(path, as_version=4), path.stem, source)
        (folder / path.name).write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
        print(f"{folder / path.name}")


if __name__ == "__main__":
    main()
