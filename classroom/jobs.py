"""What the examiner gets to do: for each exercise, the code that has to run inside the sandbox and the checks that run
outside it."""

from nbformat import NotebookNode

from .copies import Exercise, exercises, is_hidden
from .recognise import Recognised, parsed
from .slices import Piece, asks_for, imported, needed_for, piece, statements


def job(chapter: NotebookNode, submission: Recognised) -> list[dict]:
    """One entry for each exercise that was attempted, in order."""
    by_check = {id(cell): exercise for exercise in exercises(chapter) for cell in exercise.checks}
    by_solution = {id(exercise.solution): exercise for exercise in exercises(chapter)}
    book: list[Piece] = []                                   # the chapter's own statements so far
    inside: list[tuple[str, Piece]] = []                     # the same, with the student's answers among them
    answered: set[str] = set()                               # names that answers define
    jobs = []
    for cell in (cell for cell in chapter.cells if cell.cell_type == "code"):
        if id(cell) in by_solution:
            exercise = by_solution[id(cell)]
            answered |= piece(exercise.solution.source).binds
            source = submission.answers.get(exercise.name)
            if source:
                jobs.append(_entry(exercise, source, book, inside, answered, submission))
                inside.append((exercise.name, parsed(source)))
        elif id(cell) not in by_check and not cell.source.startswith("# @title Set-up"):
            for one in statements(cell.source):
                book.append(one)
                inside.append(("chapter", one))
    return jobs


def _entry(exercise: Exercise, source: str, book, inside, answered: set[str], submission: Recognised) -> dict:
    """The examiner's entry for one exercise. The chapter's definitions win over the student's own of the same name.

    Where the answer uses such a name, the submission gets a remark.
    """
    checks = []
    for cell in exercise.checks:
        uses = piece(cell.source).uses
        before = needed_for(uses - answered, book)
        asked = sorted((uses | set().union(*(p.uses for p in before))) & answered)
        checks.append({"name": cell.metadata.nbgrader.grade_id, "code": cell.source, "before": "\n".join(p.text for p in before),
                       "answers": asked, "hidden": is_hidden(cell)})
    names = sorted({name for check in checks for name in check["answers"]})
    answer = parsed(source)
    taken = set().union(*(p.binds for p in book)) | answered
    helpers = [("student", p) for p in submission.extras if not (p.binds | p.changes) <= taken]
    pieces = [*inside, *helpers]
    who = {id(p): name for name, p in pieces}
    needed = needed_for(asks_for(source) | (set(names) - answer.binds), [p for _, p in pieces])
    used = asks_for(source).union(*(p.uses for p in needed if who[id(p)] == "student"))
    for name in sorted(used & _left_out(submission.extras, book, taken) - answered):
        submission.remarks.append(f"{exercise.name}: uses {name}, which the notebook makes anew or changes; the chapter's ran")
    told = [(who[id(p)], p.text) for p in needed] + [(exercise.name, answer.text if answer.uses or answer.binds else source)]
    return {"name": exercise.name, "pieces": told, "names": names, "checks": checks}


def _left_out(extras: list[Piece], book: list[Piece], taken: set[str]) -> set[str]:
    """The chapter's names that a student's own statements bind or change, and that are left as they are; no modules."""
    own = [p for p in extras if (p.binds | p.changes) <= taken and p not in book]
    return set().union(*(p.binds | p.changes for p in own)) - imported([*book, *extras])
