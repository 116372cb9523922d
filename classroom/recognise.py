"""Which cell answers which exercise, in a notebook that has been through somebody's hands.

nbgrader's marks get lost on the way: editors drop metadata, cells are copied together with their marks, moved,
renamed. So an answer is known by its mark, or else by the names that it defines, or else by what is handed to its
check.
"""

import re
from dataclasses import dataclass, field

from nbformat import NotebookNode

from .copies import Exercise, exercises, mark, without_solution
from .slices import Piece, piece, statements, without_magic
from .variants import LINE


@dataclass
class Recognised:
    """A student's notebook, read against a chapter. answers: exercise -> source, "" where it is missing, None if untouched."""

    answers: dict[str, str | None] = field(default_factory=dict)
    extras: list[Piece] = field(default_factory=list)        # statements of cells that the student added or changed
    remarks: list[str] = field(default_factory=list)

    @property
    def found(self) -> int:
        return sum(answer != "" for answer in self.answers.values())


def plain(source: str) -> str:
    """The source without what editors change: trailing blanks, empty lines."""
    return "\n".join(line.rstrip() for line in source.split("\n") if line.strip())


def parsed(source: str) -> Piece:
    """A cell in one piece; where it is no Python, with the names that it seems to define."""
    try:
        return piece(without_magic(source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Piece(source, frozenset(re.findall(r"^(?:def |class )?([A-Za-z_]\w*)\s*(?:\(|=[^=])", source, flags=re.MULTILINE)))


def asked_for(exercise: Exercise) -> set[str]:
    """The names of its solution that an exercise's checks use."""
    uses = set().union(*(piece(cell.source).uses for cell in exercise.checks))
    return set(piece(exercise.solution.source).binds & uses)


def recognise(cells: list[tuple[str, str, dict]], chapter: NotebookNode) -> Recognised:
    """Finds the answers to the exercises of `chapter` among a student's cells."""
    result = Recognised()
    book = {plain(text) for cell in chapter.cells if cell.cell_type == "code" and not mark(cell, "solution")
            for text in (cell.source, LINE.sub(r"\1 = \2", cell.source))}
    code = [(source, parsed(source), grade_id(metadata)) for kind, source, metadata in cells if kind == "code"]
    own = [cell for cell in code if plain(cell[0]) not in book and not cell[0].lstrip().startswith("# @title Set-up")]
    taken = set()
    for exercise in exercises(chapter):
        source, remarks = answer_to(exercise, own)
        result.answers[exercise.name] = source
        result.remarks += [f"{exercise.name}: {remark}" for remark in remarks]
        taken.add(plain(source or ""))
        taken.add(plain(without_solution(exercise.solution.source)))
    checks = {cell.metadata.nbgrader.grade_id for exercise in exercises(chapter) for cell in exercise.checks}
    for source, _, name in own:
        if plain(source) not in taken and name not in checks:
            try:
                result.extras += statements(source)
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                result.remarks.append(f"a cell of the student's own is no Python and was left out: {source.strip()[:40]!r}")
    result.remarks += changed_numbers(own, chapter)
    return result


def grade_id(metadata: dict) -> str:
    marks = metadata.get("nbgrader")
    return str(marks.get("grade_id", "")) if isinstance(marks, dict) else ""


def answer_to(exercise: Exercise, cells: list[tuple[str, Piece, str]]) -> tuple[str | None, list[str]]:
    """The source that answers an exercise ("" if there is none, None if it is untouched), and remarks on how it was found."""
    names, stub = asked_for(exercise), plain(without_solution(exercise.solution.source))
    marked = [cell for cell in cells if cell[2] == exercise.name]
    named = [cell for cell in cells if names & cell[1].binds]
    for candidates, how in ((marked, ""), (named, "found by the name it defines; its mark was lost")):
        attempted = [cell[0] for cell in candidates if plain(cell[0]) != stub]
        right = [source for source in attempted if names & parsed(source).binds] or (attempted if not named else [])
        if right:
            several = len({plain(source) for source in right}) > 1
            notes = [f"{len(right)} cells answer it; the last one was graded"] if several else []
            return right[-1], ([how] if how else []) + notes
    renamed = handed_over(exercise, cells)
    if renamed:
        return renamed, ["found by what was handed to its check, under another name"]
    return (None, []) if marked or named else ("", ["not found in the notebook"])


def handed_over(exercise: Exercise, cells: list[tuple[str, Piece, str]]) -> str:
    """The cell that defines what was handed to the exercise's check under another name, with the right name added."""
    for check in exercise.checks:
        called = re.match(r"dl\.(checks\.\w+\.\w+)\((\w+)", check.source)
        for source, _, _ in cells if called else ():
            theirs = re.search(rf"{re.escape(called[1])}\(\s*([A-Za-z_]\w*)", source)
            for text, their_piece, _ in cells if theirs and theirs[1] != called[2] else ():
                if theirs[1] in their_piece.binds:
                    return f"{text}\n{called[2]} = {theirs[1]}"
    return ""


def changed_numbers(cells: list[tuple[str, Piece, str]], chapter: NotebookNode) -> list[str]:
    """Remarks on given numbers that stand differently in the student's notebook: changed, or another cohort's."""
    given = {name: value for cell in chapter.cells if mark(cell, "locked") and not mark(cell, "grade")
             for name, value in re.findall(r"^([A-Z][A-Z0-9_]*) = ([^#\n]+)", cell.source, flags=re.MULTILINE)}
    remarks = []
    for name, value in given.items():
        line = re.compile(rf"^{name} = ([^#\n]+)", flags=re.MULTILINE)
        theirs = [found.strip() for source, _, _ in cells for found in line.findall(source)]
        if theirs and theirs[-1] != value.strip():
            remarks.append(f"{name} = {theirs[-1]} stands in the notebook (changed, or another cohort's); "
                           f"graded with {value.strip()}")
    return remarks
