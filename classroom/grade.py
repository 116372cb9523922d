"""Grades a folder of submissions, as they come: `make grade SUBMISSIONS=folder [CHAPTER=13] [COHORT=secret]
[OVERLAY=folder]`.

Writes into build/grades: grades.csv, report.md, feedback/STUDENT/CHAPTER.html. Runs in nbgrader's environment
(.venv-grading); what students wrote runs inside the sandbox, with the book's own Python (.venv).
"""

import argparse
import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import asdict
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from . import sandbox
from .collect import Found, collect, student_of
from .copies import ROOT, exercises, sources_of
from .course import Course
from .jobs import job
from .overlay import laid_over
from .recognise import Recognised, recognise
from .report import Graded, write_feedback, write_grades, write_report
from .variants import for_cohort

UNSAFE = ("**No sandbox** (UNSAFE=1): what students wrote ran as you, with your files and your network; only time, and on Linux "
          "memory, were limited. Hidden tests could be read from disk.")
SAFE = ("Everything that students wrote ran in a sandbox: no network, no files but its own, no rights, {seconds} seconds and "
        "{memory:g} GiB for each exercise. What it has to prevent was tried before the grading, and prevented.")


def chapters_of(which: str, cohort: str) -> dict[str, NotebookNode]:
    """Chapter -> its notebook with this cohort's numbers, as it was handed out."""
    return {path.stem: for_cohort(nbformat.read(path, as_version=4), path.stem, cohort) for path in sources_of(which)}


def chapter_of(one: Found, chapters: dict[str, NotebookNode]) -> tuple[str, Recognised]:
    """Which chapter a notebook is: that of most of its answers; the file's name decides a tie. ("", ...) for none."""
    read = {stem: recognise(one.cells, chapter) for stem, chapter in chapters.items()}
    name = Path(one.place).name.lower()
    best = max(read, key=lambda stem: (read[stem].found, stem in name, stem.split("_")[0] in name))
    return (best if read[best].found else ""), read[best]


def sort_out(found: list[Found], chapters: dict[str, NotebookNode]) -> dict[tuple[str, str], tuple[Found, Recognised]]:
    """(student, chapter) -> what is graded. Every file gets its fate."""
    every = {path.stem: nbformat.read(path, as_version=4) for path in sources_of("all")}
    chosen: dict[tuple[str, str], tuple[Found, Recognised]] = {}
    for one in sorted((one for one in found if not one.fate), key=lambda one: (one.modified, one.place)):
        stem, read = chapter_of(one, every | chapters)
        if not stem:
            one.fate = "not graded: no exercise of any chapter was recognised in it"
        elif stem not in chapters:
            one.fate = f"not graded: it belongs to chapter {stem}, which was not asked for"
        else:
            student = student_of(one, stem) or f"unknown ({Path(one.place).name})"
            if student.startswith("unknown ("):
                read.remarks.insert(0, "nothing says whose it is: neither a folder nor the file's name")
            if (student, stem) in chosen:
                older = chosen[student, stem][0]
                newer = older.modified < one.modified
                another = "a newer one" if newer else "another one of the same time"
                older.fate = f"not graded: {student} handed in {another}, {one.place}"
                which = "the newest was graded" if newer else "two bear the same time, and one of them was graded"
                read.remarks.append(f"handed in more than once; {which} ({older.place} was not)")
            chosen[student, stem] = one, read
            one.fate = f"graded as {student}, {stem}"
    return chosen


def examined(jobs: dict[str, list], labels: dict[str, str], python: Path, limits: sandbox.Limits, safe: bool) -> dict:
    """What the examiner finds, in the environment of `python`: job -> exercise -> found."""
    with tempfile.TemporaryDirectory() as folder:
        task, results = Path(folder, "jobs.json"), Path(folder, "results.json")
        task.write_text(json.dumps({"jobs": jobs, "labels": labels, "limits": asdict(limits), "safe": safe}), encoding="utf-8")
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "DIFFUSION_FAST": "1", "MPLBACKEND": "agg", "PYTHONPATH": str(ROOT)}
        run = subprocess.run([python, "-m", "classroom.examiner", task, results], cwd=ROOT, env=environment)
        if run.returncode or not results.is_file():
            raise SystemExit("The examiner stopped; what it said is above. Nothing was graded.")
        return json.loads(results.read_text(encoding="utf-8"))


def result_of(exercise, answer: str | None, found: dict | None) -> dict:
    """What was found, also for an exercise that nobody had to run."""
    if found is None:
        words = "Not found in the notebook." if answer == "" else "Not attempted yet."
        checks = {cell.metadata.nbgrader.grade_id: {"passed": False, "words": words} for cell in exercise.checks}
        return {"checks": checks, "printed": "", "errors": []}
    return found


def own_solutions(chapters: dict[str, NotebookNode]) -> dict[str, list]:
    """The chapters' own solutions as jobs: they have to pass before anybody else is judged."""
    return {f"own/{stem}": job(chapter, Recognised({e.name: e.solution.source for e in exercises(chapter)}))
            for stem, chapter in chapters.items()}


def refuse_tests_that_fail(chapters: dict[str, NotebookNode], arguments: argparse.Namespace, limits: sandbox.Limits) -> None:
    """Raises SystemExit, with words, where a chapter's own solutions do not pass its tests."""
    labels = {f"own/{stem}": f"{stem}: the chapter's own solutions" for stem in chapters}
    results = examined(own_solutions(chapters), labels, arguments.python, limits, not arguments.unsafe)
    wrong = [f"{stem}, {name}: {check['words']}" for stem in chapters for exercise in results[f"own/{stem}"].values()
             for name, check in exercise["checks"].items() if not check["passed"]]
    if wrong:
        raise SystemExit("The chapter's own solution does not pass, so nobody can be judged by these tests:\n" + "\n".join(wrong))


def grade(arguments: argparse.Namespace) -> list[Graded]:
    """Grades and writes everything; returns what was graded."""
    handed_out = chapters_of(arguments.chapter, arguments.cohort)
    chapters = {stem: laid_over(chapter, stem, arguments.overlay) for stem, chapter in handed_out.items()}
    found = collect(arguments.submissions)
    chosen = sort_out(found, handed_out)
    limits = sandbox.Limits(arguments.seconds, arguments.processor, arguments.memory)
    refuse_tests_that_fail(chapters, arguments, limits)
    names = {key: f"s{number:04}/{key[1]}" for number, key in enumerate(sorted(chosen), 1)}
    jobs = {names[key]: job(chapters[key[1]], read) for key, (_, read) in chosen.items()}
    labels = {names[student, stem]: f"{student}, {stem}" for student, stem in chosen}
    results = examined(jobs, labels, arguments.python, limits, not arguments.unsafe)
    every = {names[key]: {e.name: result_of(e, read.answers[e.name], results[names[key]].get(e.name))
                          for e in exercises(chapters[key[1]])} for key, (_, read) in chosen.items()}
    with tempfile.TemporaryDirectory() as folder:
        course = Course(Path(folder), chapters)
        for key, (_, read) in chosen.items():
            course.hand_in(names[key].split("/")[0], key[1], read.answers)
        course.grade(every)
        graded = [in_words(key, *chosen[key], names[key], every[names[key]], chapters[key[1]], course) for key in chosen]
        write(arguments, graded, found, limits)
    return graded


def in_words(key: tuple[str, str], one: Found, read: Recognised, name: str, results: dict, chapter: NotebookNode,
             course: Course) -> Graded:
    """One student's chapter for the table and the report: nbgrader's points, and in words what is not right."""
    words = {exercise: " ".join(dict.fromkeys(check["words"] for check in result["checks"].values() if not check["passed"]))
             for exercise, result in results.items()}
    number = name.split("/")[0]
    return Graded(*key, one.place, course.points(number, key[1]), {e.name: e.points for e in exercises(chapter)},
                  {exercise: text for exercise, text in words.items() if text}, read.remarks, course.feedback(number, key[1]))


def write(arguments: argparse.Namespace, graded: list[Graded], found: list[Found], limits: sandbox.Limits) -> None:
    """The three results, in place of those of an earlier grading."""
    shutil.rmtree(arguments.out / "feedback", ignore_errors=True)
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_grades(graded, arguments.out / "grades.csv")
    write_feedback(graded, arguments.out / "feedback")
    held = UNSAFE if arguments.unsafe else SAFE.format(seconds=limits.seconds, memory=limits.memory / 2**30)
    write_report(graded, [(one.place, one.fate) for one in found], held, arguments.out / "report.md")


def main() -> None:
    parser = argparse.ArgumentParser(description="Grade a folder of submissions.")
    parser.add_argument("submissions", type=Path)
    parser.add_argument("--chapter", default="all", help='its number or stem, or "all"')
    parser.add_argument("--cohort", default=os.environ.get("COHORT", ""), help="the secret with which the copies were made")
    parser.add_argument("--overlay", type=Path, default=os.environ.get("OVERLAY") or None, help="your folder of hidden tests")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "grades")
    parser.add_argument("--python", type=Path, default=ROOT / ".venv" / "bin" / "python", help="the Python that runs the answers")
    parser.add_argument("--seconds", type=int, default=60, help="for each exercise")
    parser.add_argument("--processor", type=int, default=60, help="seconds of processor time, for each process of an exercise")
    parser.add_argument("--memory", type=int, default=2 * 2**30, help="bytes, for each exercise")
    parser.add_argument("--unsafe", action="store_true", default=os.environ.get("UNSAFE") == "1", help="grade without a sandbox")
    arguments = parser.parse_args()
    private = tuple(path.resolve() for path in (arguments.submissions, arguments.overlay) if path)
    reason = "" if arguments.unsafe else sandbox.why_not(arguments.python, private)
    if reason:
        raise SystemExit(f"There is no sandbox here: {reason}.\nWithout it, what students wrote could read your files and use "
                         "your network. On a machine where that does no harm: make grade ... UNSAFE=1")
    graded = grade(arguments)
    look = sum(one.status == "look" for one in graded)
    watch = f", {look} of them to be looked at" if look else ""
    print(f"{len(graded)} graded{watch}: {os.path.relpath(arguments.out / 'grades.csv')}, report.md, feedback/")


if __name__ == "__main__":
    main()
