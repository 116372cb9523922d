"""Makes what is handed out: `make assignment CHAPTER=13 [COHORT=secret] [OVERLAY=folder]`, or CHAPTER=all.

    build/assignments/student/13_sampling.ipynb        without solutions; "Run all" works, checks say "not attempted yet"
    build/assignments/instructor/13_sampling.ipynb     with solutions, points, and your hidden tests
"""

import argparse
import os
from pathlib import Path

import nbformat

from .copies import ROOT, instructor_copy, sources_of, student_copy
from .overlay import laid_over
from .variants import for_cohort


def make(source: Path, out: Path, cohort: str = "", overlay: Path | None = None) -> tuple[Path, Path]:
    """Writes both copies of one chapter into the folder `out` and returns their paths: the student's, the instructor's."""
    notebook = laid_over(for_cohort(nbformat.read(source, as_version=4), source.stem, cohort), source.stem, overlay)
    paths = []
    for who, copy in (("student", student_copy(notebook)), ("instructor", instructor_copy(notebook))):
        path = out / who / source.name
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(copy, path)
        paths.append(path)
    return paths[0], paths[1]


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the copies of a chapter for students and instructors.")
    parser.add_argument("chapter", help='its number or stem, or "all"')
    parser.add_argument("--cohort", default=os.environ.get("COHORT", ""), help="a secret; the same gives the same numbers")
    parser.add_argument("--overlay", default=os.environ.get("OVERLAY") or None, help="your folder of hidden tests and solutions")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "assignments")
    arguments = parser.parse_args()
    for source in sources_of(arguments.chapter):
        student, instructor = make(source, arguments.out, arguments.cohort, arguments.overlay and Path(arguments.overlay))
        print(f"Student copy:    {os.path.relpath(student)}\nInstructor copy: {os.path.relpath(instructor)}")


if __name__ == "__main__":
    main()
