"""Makes what is handed out: `make assignment CHAPTER=13 [COHORT=secret] [OVERLAY=folder] [SOURCE=address]`, or CHAPTER=all.

    build/assignments/student/13_sampling.ipynb        without solutions; "Run all" works, checks say "not attempted yet"
    build/assignments/instructor/13_sampling.ipynb     with solutions, points, and your hidden tests
"""

import argparse
import os
from pathlib import Path

import nbformat

from .copies import ROOT, instructor_copy, sources_of, student_copy
from .library import published, stamp
from .overlay import laid_over
from .variants import for_cohort


def make(source: Path, out: Path, cohort: str = "", overlay: Path | None = None, library: str = "") -> tuple[Path, Path]:
    """Writes both copies of one chapter into the folder `out` and returns their paths: the student's, the instructor's.

    overlay: for the instructor's; the student's keeps what stands above the chapter's own solution, the definition and its words.
    library: the address that they install diffusion_lib from; without one they run only inside a clone of the book.
    """
    notebook = for_cohort(nbformat.read(source, as_version=4), source.stem, cohort)
    if library:
        notebook = stamp(notebook, library)
    copies = {"student": student_copy(notebook), "instructor": instructor_copy(laid_over(notebook, source.stem, overlay))}
    paths = []
    for who, copy in copies.items():
        path = out / who / source.name
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(copy, path)
        paths.append(path)
    return paths[0], paths[1]


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the copies of a chapter for students and instructors.")
    parser.add_argument("chapter", help='its number or stem, or "all"')
    parser.add_argument("--cohort", default=os.environ.get("COHORT", ""), help="a secret; the same gives the same numbers")
    parser.add_argument("--overlay", type=Path, default=os.environ.get("OVERLAY") or None,
                        help="your folder of hidden tests and solutions")
    parser.add_argument("--source", default=os.environ.get("SOURCE") or published(),
                        help="the address of a zip of the library, for Colab (default: of this commit, in a clone from GitHub)")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "assignments")
    arguments = parser.parse_args()
    for source in sources_of(arguments.chapter):
        student, instructor = make(source, arguments.out, arguments.cohort, arguments.overlay, arguments.source)
        print(f"Student copy:    {os.path.relpath(student)}\nInstructor copy: {os.path.relpath(instructor)}")
    print(f"They install the library from {arguments.source}" if arguments.source else
          "They run inside a clone of the book only. For Colab add SOURCE=… with the address of a zip of the library.")


if __name__ == "__main__":
    main()
