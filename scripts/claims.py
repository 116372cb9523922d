"""Finds the executed claims of the notebooks, says what is wrong with them, and lists them as a page of the book.

A claim is a sentence in a Markdown cell, one to a cell, and the next code cell asserts it:

    **Claim 13.1.** The ancestral sampler is Algorithm 2 of Ho et al. (13.2).

Its first number is the chapter's. Every numbered equation, `\\tag{13.2}`, is named (13.2) by a claim of its chapter.
A test of the library that says "Claim 13.1" in its docstring is listed beside the cell.

    python scripts/claims.py                            # writes book/claims.md; tests/test_claims.py keeps it fresh
"""

import ast
import re
import sys
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import nbformat

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from classroom.slices import without_magic  # noqa: E402

PAGE = ROOT / "book" / "claims.md"
CLAIM = re.compile(r"\*\*Claim (\d+\.\d+)\.\*\*\s+(.+?)(?=\n\s*\n|\n\*\*Claim|\Z)", re.DOTALL)
MENTION = re.compile(r"\*\*Claim\b")
EQUATION = re.compile(r"\\tag\{(\d+\.\d+)\}")
DISPLAYED = re.compile(r"\$\$(.+?)\$\$", re.DOTALL)


class Claim(NamedTuple):
    """id: chapter.number. text: the sentence. stem: its notebook. code: the cell that asserts it, '' where there is none.
    formulas: the numbered equations that it names, as TeX. title: of its chapter."""

    id: str
    text: str
    stem: str
    code: str
    formulas: tuple[str, ...] = ()
    title: str = ""


def claims_of(stem: str, notebook) -> list[Claim]:
    """The claims of one notebook, in order."""
    found, numbered = [], equations(notebook)
    title = next((line[2:] for cell in notebook.cells for line in cell.source.splitlines() if line.startswith("# ")), stem)
    for i, cell in enumerate(notebook.cells):
        code = next((later.source for later in notebook.cells[i + 1:] if later.cell_type == "code"), "")
        for id, text in CLAIM.findall(cell.source) if cell.cell_type == "markdown" else ():
            formulas = tuple(tex for number, tex in numbered.items() if f"({number})" in text)
            found.append(Claim(id, " ".join(text.split()), stem, code, formulas, title))
    return found


def equations(notebook) -> dict[str, str]:
    """The numbered equations of a notebook: number -> TeX, on one line."""
    prose = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return {number: " ".join(tex.split()) for tex in DISPLAYED.findall(prose) for number in EQUATION.findall(tex)}


def asserts_something(code: str) -> bool:
    """Whether this cell can fail."""
    return bool(assertions(code))


def assertions(code: str) -> list[str]:
    """The lines of a cell that can fail: each assert of something that is not a constant, each call to assert_close and its like."""
    code = without_magic(code)
    found = []
    for node in ast.walk(ast.parse(code)):
        asserted = isinstance(node, ast.Assert) and not isinstance(node.test, ast.Constant)
        if asserted or isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1].startswith("assert_"):
            found.append(ast.get_source_segment(code, node))
    return found


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


def named_in_tests(claims: list[Claim]) -> dict[str, list[str]]:
    """Claim id -> the tests whose docstring says "Claim <id>", as file::function."""
    found = {claim.id: [] for claim in claims}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                for id in re.findall(r"\bClaim (\d+\.\d+)", ast.get_docstring(node) or ""):
                    found.setdefault(id, []).append(f"{path.relative_to(ROOT).as_posix()}::{node.name}")
    return found


HEAD = """---
file_format: mystnb
kernelspec:
  name: python3
---

# Executed claims

What the text says is the same as something else is asserted in the next cell, and that cell runs whenever the book
is built: a claim that stopped being true stops the build. Here are all of them: the sentence, the numbered formula
that it is about (if it is about one), and the lines that would fail. The number leads to the place in the chapter.

```{code-cell} python3
:tags: [remove-input]
import os, platform, torch
mode = "fast mode" if os.environ.get("DIFFUSION_FAST") == "1" else "full mode"
print(f"The claims of this page ran with Python {platform.python_version()} and PyTorch {torch.__version__}, in {mode}.")
```
"""


def entry(claim: Claim, tests: list[str]) -> str:
    """One claim as Markdown: a term that links to its place, and what belongs to it."""
    anchor = claim.id.replace(".", "-")
    code = "\n".join(assertions(claim.code))
    parts = [claim.text, *(f"$$ {tex.strip()} $$" for tex in claim.formulas), f"```python\n{code}\n```"]
    if tests:
        parts.append("Tested in the library too: " + ", ".join(f"`{test}`" for test in tests) + ".")
    body = "\n\n".join(parts).replace("\n", "\n  ").replace("\n  \n", "\n\n")
    return f"[Claim {claim.id}](#claim-{anchor})\n: {body}"


def page(claims: list[Claim], tests: dict[str, list[str]]) -> str:
    """The Markdown page that lists them, chapter by chapter."""
    parts = [HEAD]
    for (stem, title), group in groupby(claims, key=lambda claim: (claim.stem, claim.title)):
        entries = "\n\n".join(entry(claim, tests.get(claim.id, [])) for claim in group)
        parts.append(f"## {title}\n\nThe notebook [`{stem}`](../notebooks/{stem}.ipynb) asserts:\n\n{entries}\n")
    parts.append("Written by `scripts/claims.py` from the notebooks and the tests.\n")
    return "\n".join(parts)


def main() -> int:
    notebooks = read_notebooks()
    problems = [f"{stem}: {problem}" for stem, notebook in notebooks.items() for problem in problems_of(stem, notebook)]
    claims = [claim for stem, notebook in notebooks.items() for claim in claims_of(stem, notebook)]
    tests = named_in_tests(claims)
    problems += [f"{', '.join(names)} names claim {id}, which no notebook makes" for id, names in tests.items()
                 if id not in {claim.id for claim in claims}]
    PAGE.write_text(page(claims, tests), encoding="utf-8")
    print("\n".join([*problems, f"{len(claims)} claims in {PAGE.relative_to(ROOT)}"]))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
