"""Makes the student copy of one chapter: the same notebook, with the solutions taken out by nbgrader.

What stands between `### BEGIN SOLUTION` and `### END SOLUTION` becomes a TODO that runs (a function then returns None),
so "Run all" works on an untouched copy and every check answers "not attempted yet". Cells tagged `solution` are left out.

    make assignment CHAPTER=13          # build/assignments/13_sampling.ipynb
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
CONFIG = """
c = get_config()
c.ClearSolutions.code_stub = {"python": "...  # TODO: your code here"}
c.ClearSolutions.text_stub = "*Your answer here.*"
c.ClearSolutions.enforce_metadata = True
"""


def source_of(chapter: str) -> Path:
    """The notebook of a chapter: `chapter` is its number ("13") or its stem ("13_sampling")."""
    notebooks = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    wanted = chapter.zfill(2)
    for path in notebooks:
        if wanted in (path.stem, path.stem.split("_")[0]):
            return path
    known = ", ".join(path.stem.split("_")[0] for path in notebooks) or "none yet"
    raise SystemExit(f"CHAPTER={chapter}: there is no such chapter. Chapters with a notebook: {known}.")


def make(source: Path, out: Path) -> Path:
    """Writes the student copy of `source` into the folder `out` and returns its path."""
    notebook = nbformat.read(source, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if "solution" not in cell.metadata.get("tags", [])]
    if not any(cell.metadata.get("nbgrader", {}).get("solution") for cell in notebook.cells):
        raise SystemExit(f"{source.name} has no exercise: no cell in it carries nbgrader's solution mark.")
    with tempfile.TemporaryDirectory() as course:
        folder = Path(course, "source", source.stem)
        folder.mkdir(parents=True)
        nbformat.write(notebook, folder / source.name)
        Path(course, "nbgrader_config.py").write_text(CONFIG)
        command = [sys.executable, "-m", "nbgrader", "generate_assignment", source.stem, "--force"]
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # nbgrader calls a tool beside itself
        run = subprocess.run(command, cwd=course, env={**os.environ, "PATH": path}, capture_output=True, text=True)
        release = Path(course, "release", source.stem, source.name)
        if run.returncode or not release.is_file():
            raise SystemExit(f"nbgrader could not make the student copy of {source.name}:\n{run.stdout}{run.stderr}")
        out.mkdir(parents=True, exist_ok=True)
        copy = out / source.name
        copy.write_text(release.read_text(encoding="utf-8"), encoding="utf-8")
    return copy


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Make the student copy of a chapter.")
    parser.add_argument("chapter", help='the chapter\'s number or stem: "13" or "13_sampling"')
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "assignments")
    arguments = parser.parse_args()
    print(f"Student copy: {make(source_of(arguments.chapter), arguments.out)}")
