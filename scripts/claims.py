"""Finds the executed claims of the notebooks, says what is wrong with them, and lists them as a page of the book.

A claim is a sentence in a Markdown cell, one to a cell, and the next code cell asserts it:

    **Claim 13.1.** The ancestral sampler is Algorithm 2 of Ho et al. (13.2).

Its first number is the chapter's. Every numbered equation, `\\tag{13.2}`, is named (13.2) by a claim of its chapter.

    python scripts/claims.py                            # writes book/claims.md; tests/test_claims.py keeps it fresh
"""

import ast
import re
import sys
from pathlib import Path
from typing import NamedTuple

import nbformat

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "book" / "claims.md"
CLAIM = re.compile(r"\*\*Claim (\d+\.\d+)\.\*\*\s+(.+?)(?=\n\s*\n|\n\*\*Claim|\Z)", re.DOTALL)
MENTION = re.compile(r"\*\*Claim\b")
EQUATION = re.compile(r"\\tag\{(\d+\.\d+)\}")


class Claim(NamedTuple):
    """id: chapter.number. text: the sentence. stem: its notebook. code: the cell that asserts it, '' where there is none."""

    id: str
    text: str
    stem: str
    code: str


def claims_of(stem: str, notebook) -> list[Claim]:
    """The claims of one notebook, in order."""
    found = []
    for i, cell in enumerate(notebook.cells):
        code = next((later.source for later in notebook.cells[i + 1:] if later.cell_type == "code"), "")
        for id, text in CLAIM.findall(cell.source) if cell.cell_type == "markdown" else ():
            found.append(Claim(id, " ".join(text.split()), stem, code))
    return found


def asserts_something(code: str) -> bool:
    """Whether this cell can fail: an assert of something that is not a constant, or a call to assert_close and its like."""
    for node in ast.walk(ast.parse(re.sub(r"^\s*[%!].*$", "pass", code, flags=re.MULTILINE))):
        if isinstance(node, ast.Assert) and not isinstance(node.test, ast.Constant):
            return True
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1].startswith("assert_"):
            return True
    return False


def problems_of(stem: str, notebook) -> list[str]:
    """What is wrong with the claims of one notebook, one sentence each."""
    claims, prose = claims_of(stem, notebook), [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    chapter, problems = str(int(stem[:2])), []
    for source in prose:
        if len(MENTION.findall(source)) > 1:
            problems.append(f"two claims in one cell, of which the code after it can be only one's: {source[:80]!r}")
        elif MENTION.search(source) and not CLAIM.search(source):
            problems.append(f"a claim begins with **Claim {chapter}.1.** and a sentence, not with {source[:40]!r}")
    for claim in claims:
        if claim.id.split(".")[0] != chapter:
            problems.append(f"claim {claim.id} stands in chapter {chapter}")
        if not asserts_something(claim.code):
            problems.append(f"claim {claim.id} is not asserted by the code cell after it")
        if [other.id for other in claims].count(claim.id) > 1:
            problems.append(f"claim {claim.id} stands twice")
    named = " ".join(claim.text for claim in claims)
    return problems + [f"equation ({tag}) is named by no claim"
                       for source in prose for tag in EQUATION.findall(source) if f"({tag})" not in named]


def read_notebooks() -> dict[str, nbformat.NotebookNode]:
    return {path.stem: nbformat.read(path, as_version=4) for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}


def page(claims: list[Claim]) -> str:
    """The Markdown page that lists them."""
    rows = [f"| {claim.id} | {claim.text.replace('|', '&#124;')} | [{claim.stem[:2]}](../notebooks/{claim.stem}.ipynb) |" for claim in claims]
    return "\n".join([
        "# Executed claims", "",
        "What the text says is the same as something else is asserted in the next cell, and that cell runs whenever the book",
        "is built: a claim that stopped being true stops the build. Written by `scripts/claims.py` from the notebooks.", "",
        "| claim | what it says | chapter |", "| --- | --- | --- |", *rows, ""])


def main() -> int:
    notebooks = read_notebooks()
    problems = [f"{stem}: {problem}" for stem, notebook in notebooks.items() for problem in problems_of(stem, notebook)]
    claims = [claim for stem, notebook in notebooks.items() for claim in claims_of(stem, notebook)]
    PAGE.write_text(page(claims), encoding="utf-8")
    print("\n".join([*problems, f"{len(claims)} claims in {PAGE.relative_to(ROOT)}"]))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
