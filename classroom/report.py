"""What the instructor gets: a table for the learning-management system, the feedback pages, and a report that leaves no
file out."""

import csv
import html
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Graded:
    """One student's chapter. points: exercise -> points. words: exercise -> what was found, where it is not simply right."""

    student: str
    chapter: str
    place: str
    points: dict[str, float]
    most: dict[str, float]
    words: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    feedback: Path | None = None

    @property
    def status(self) -> str:
        """In a word: graded, or look (something about it needs a person)."""
        return "look" if self.remarks or any(words.startswith("Stopped") for words in self.words.values()) else "graded"


def for_a_spreadsheet(text: str) -> str:
    """The text as one line that no spreadsheet takes for a formula."""
    text = re.sub(r"\s+", " ", text).strip()
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text


def write_grades(graded: list[Graded], path: Path) -> None:
    """One row for each student: the points of every exercise, then total, max, status and remarks."""
    columns = list(dict.fromkeys((one.chapter, name) for one in sorted(graded, key=lambda one: one.chapter) for name in one.most))
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["student", *(f"{chapter}/{name}" for chapter, name in columns), "total", "max", "status", "remarks"])
        for student in sorted({one.student for one in graded}):
            mine = {one.chapter: one for one in graded if one.student == student}
            cells = [f"{mine[chapter].points[name]:g}" if chapter in mine else "" for chapter, name in columns]
            total, most = (sum(sum(getattr(one, kind).values()) for one in mine.values()) for kind in ("points", "most"))
            status = "look" if any(one.status == "look" for one in mine.values()) else "graded"
            stopped = [f"{name}: {found}" for one in mine.values() for name, found in one.words.items()
                       if found.startswith("Stopped")]
            remarks = "; ".join([remark for one in mine.values() for remark in one.remarks] + stopped)
            table.writerow([for_a_spreadsheet(student), *cells, f"{total:g}", f"{most:g}", status, for_a_spreadsheet(remarks)])


def write_feedback(graded: list[Graded], folder: Path) -> None:
    """feedback/STUDENT/CHAPTER.html. A student's name becomes a folder's, without anything that a path could be made of."""
    used: dict[str, str] = {}
    for one in graded:
        if one.feedback is not None:
            name = re.sub(r"[^\w.@ -]", "_", one.student).strip(". ")[:80] or "student"
            while used.setdefault(name.lower(), one.student) != one.student:
                name += "_"
            (folder / name).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(one.feedback, folder / name / f"{one.chapter}.html")


def write_report(graded: list[Graded], files: list[tuple[str, str]], held: str, path: Path) -> None:
    """report.md: each student's chapter with what was found, and each file with what became of it."""
    lines = ["# What was graded", "", held, "", "## Students", ""]
    for one in sorted(graded, key=lambda one: (one.student, one.chapter)):
        lines += [f"### {words(one.student)}, {one.chapter}: {sum(one.points.values()):g} of {sum(one.most.values()):g}", ""]
        lines += [f"From `{code(one.place)}`.", ""]
        lines += ["| exercise | points | found |", "| --- | --- | --- |"]
        lines += [f"| {name} | {points:g} of {one.most[name]:g} | {words(one.words.get(name, 'Right.'))} |"
                  for name, points in one.points.items()]
        lines += ["", *(f"* {words(remark)}" for remark in one.remarks), ""]
    lines += ["## Files", "", f"{len(files)} in all; none is left out.", "", "| file | what became of it |", "| --- | --- |"]
    lines += [f"| `{code(place)}` | {words(fate)} |" for place, fate in files]
    path.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8", errors="replace")


def words(text: str) -> str:
    """Somebody else's words inside our Markdown: one line, nothing that is a mark."""
    text = html.escape(re.sub(r"\s+", " ", text), quote=False)
    return re.sub(r"([\\`*_\[\]|#])", r"\\\1", text)


def code(text: str) -> str:
    return re.sub(r"[\s`|]+", " ", text)
