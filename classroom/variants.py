"""Numbers for one cohort: the same secret gives the same copies, another secret other ones, so last year's answers do
not pass.

A *given* cell says which numbers an exercise may have, its own and the choices for cohorts:

    DEPTH = 250  # variant: 150, 200, 300, 400

With a secret the number is one of the choices, picked by HMAC-SHA256(secret, chapter + name). The secret itself is
written nowhere.
"""

import ast
import copy
import hashlib
import hmac
import re

from nbformat import NotebookNode

from .copies import mark

LINE = re.compile(r"^([A-Z][A-Z0-9_]*) = ([^#\n]+?)[ \t]*# variant: (.+?)[ \t]*$", flags=re.MULTILINE)


def choices_in(notebook: NotebookNode) -> dict[str, list]:
    """Every number that varies: its name -> [the book's own value, the choices for cohorts]. Raises ValueError for a bad line."""
    found: dict[str, list] = {}
    for cell in notebook.cells:
        for name, value, others in LINE.findall(cell.source) if cell.cell_type == "code" else ():
            numbers = [_number(text, name) for text in (value, *others.split(","))]
            if not mark(cell, "locked") or mark(cell, "grade"):
                raise ValueError(f"{name} varies, but it does not stand in a locked cell without points.")
            if len(set(numbers)) < len(numbers) or len(numbers) < 3:
                raise ValueError(f"{name}: the choices {numbers} have to be different numbers, at least two besides its own.")
            if name in found:
                raise ValueError(f"{name} is given twice.")
            found[name] = numbers
    return found


def _number(text: str, name: str) -> int | float:
    try:
        number = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError):
        number = None
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        raise ValueError(f"{name}: {text.strip()!r} is no number.")
    return number


def pick(secret: str, chapter: str, name: str, choices: list) -> int | float:
    """One of `choices`, always the same for the same secret, chapter (its stem) and name."""
    digest = hmac.new(secret.encode(), f"{chapter}:{name}".encode(), hashlib.sha256).digest()
    return choices[int.from_bytes(digest[:8], "big") % len(choices)]


def for_cohort(notebook: NotebookNode, chapter: str, secret: str = "") -> NotebookNode:
    """The notebook with the numbers of a cohort; with its own numbers where there is no secret. The choices are not shown."""
    numbers = {name: pick(secret, chapter, name, values[1:]) if secret else values[0]
               for name, values in choices_in(notebook).items()}
    return with_numbers(notebook, numbers)


def with_numbers(notebook: NotebookNode, numbers: dict[str, int | float]) -> NotebookNode:
    """The notebook with these numbers in the place of those that vary."""
    made = copy.deepcopy(notebook)
    for cell in made.cells:
        if cell.cell_type == "code":
            cell.source = LINE.sub(lambda line: f"{line[1]} = {numbers[line[1]]!r}", cell.source)
    return made
