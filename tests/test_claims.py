"""Every claim of the text has a number and a cell that asserts it. Running those cells is scripts/run_notebooks.py's work."""

import nbformat
import pytest

from scripts.claims import PAGE, asserts_something, claims_of, page, problems_of, read_notebooks

NOTEBOOKS = read_notebooks()


@pytest.mark.parametrize("stem", list(NOTEBOOKS))
def test_claims_of_the_notebook(stem):
    assert not problems_of(stem, NOTEBOOKS[stem])


def test_the_page_lists_them():
    claims = [claim for stem, notebook in NOTEBOOKS.items() for claim in claims_of(stem, notebook)]
    assert not claims or PAGE.read_text(encoding="utf-8") == page(claims), "run: python scripts/claims.py"


def made_of(*cells: str):
    """A notebook; a cell that begins with > is code."""
    make = nbformat.v4
    return make.new_notebook(cells=[make.new_code_cell(c[1:]) if c.startswith(">") else make.new_markdown_cell(c) for c in cells])


GOOD = ("# Sampling", ">x = 1", "We find $x = 1$. \\tag{13.1}", "So.\n\n**Claim 13.1.** The two\nare the same (13.1).\n\nLook:", "(folded)", ">assert x == 1")


def test_a_good_notebook():
    notebook = made_of(*GOOD)
    assert problems_of("13_sampling", notebook) == []
    (claim,) = claims_of("13_sampling", notebook)
    assert claim == ("13.1", "The two are the same (13.1).", "13_sampling", "assert x == 1")
    assert "| 13.1 | The two are the same (13.1). | [13](../notebooks/13_sampling.ipynb) |" in page([claim])


@pytest.mark.parametrize("change, problem", [
    (lambda cells: [*cells[:-1], ">print(x)"], "claim 13.1 is not asserted"),
    (lambda cells: [*cells[:-1], ">assert True"], "claim 13.1 is not asserted"),
    (lambda cells: cells[:-1], "claim 13.1 is not asserted"),
    (lambda cells: [*cells[:-1], ">x", ">assert x == 1"], "claim 13.1 is not asserted"),
    (lambda cells: [*cells, "**Claim 13.1.** Again.", ">assert x"], "claim 13.1 stands twice"),
    (lambda cells: [*cells, "**Claim 12.1.** Elsewhere.", ">assert x"], "claim 12.1 stands in chapter 13"),
    (lambda cells: [*cells, "**Claim 13.2.** One.\n\n**Claim 13.3.** Two.", ">assert x"], "two claims in one cell"),
    (lambda cells: [*cells, "**Claim: a new one**", ">assert x"], "a claim begins with"),
    (lambda cells: [*cells, "$y$ \\tag{13.2}"], "equation (13.2) is named by no claim"),
])
def test_what_is_wrong_is_found(change, problem):
    found = problems_of("13_sampling", made_of(*change(list(GOOD))))
    assert any(problem in sentence for sentence in found), found


@pytest.mark.parametrize("code, verdict", [("assert a == b", True), ("torch.testing.assert_close(a, b)", True), ("%pip list\nassert a", True),
                                           ("for i in range(3):\n    assert i < 3", True), ("assert 1", False), ("print('assert')", False), ("", False)])
def test_what_counts_as_an_assertion(code, verdict):
    assert asserts_something(code) is verdict
