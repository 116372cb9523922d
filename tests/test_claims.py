"""Every claim of the text has a number and a cell that asserts it. Running those cells is scripts/run_notebooks.py's work."""

import nbformat
import pytest

from scripts.claims import PAGE, assertions, asserts_something, claims_of, page, problems_of, read_notebooks, named_in_tests

NOTEBOOKS = read_notebooks()


@pytest.mark.parametrize("stem", list(NOTEBOOKS))
def test_claims_of_the_notebook(stem):
    assert not problems_of(stem, NOTEBOOKS[stem])


def test_the_page_lists_them():
    claims = [claim for stem, notebook in NOTEBOOKS.items() for claim in claims_of(stem, notebook)]
    assert PAGE.read_text(encoding="utf-8") == page(claims, named_in_tests(claims)), "run: python scripts/claims.py"


def test_what_tests_name_is_claimed():
    claims = [claim for stem, notebook in NOTEBOOKS.items() for claim in claims_of(stem, notebook)]
    named = named_in_tests(claims)
    assert set(named) == {claim.id for claim in claims}
    assert "tests/test_samplers.py::test_ancestral_is_algorithm_2_of_ho_et_al" in named["13.3"]


def made_of(*cells: str):
    """A notebook; a cell that begins with > is code."""
    make = nbformat.v4
    return make.new_notebook(cells=[make.new_code_cell(c[1:]) if c.startswith(">") else make.new_markdown_cell(c) for c in cells])


GOOD = ("# Sampling", ">x = 1", "We find $$x = 1 \\tag{13.1}$$", "So.\n\n**Claim 13.1.** The two\nare the same (13.1).\n\nLook:", "(folded)", ">assert x == 1")


def test_a_good_notebook():
    notebook = made_of(*GOOD)
    assert problems_of("13_sampling", notebook) == []
    (claim,) = claims_of("13_sampling", notebook)
    assert claim == ("13.1", "The two are the same (13.1).", "13_sampling", "assert x == 1", ("x = 1 \\tag{13.1}",), "Sampling")
    text = page([claim], {"13.1": ["tests/test_x.py::test_x"]})
    assert "## Sampling\n" in text and "../notebooks/13_sampling.ipynb" in text
    assert "[Claim 13.1](#claim-13-1)\n: The two are the same (13.1).\n\n  $$ x = 1 \\tag{13.1} $$\n\n  ```python\n  assert x == 1\n  ```" in text
    assert "Tested in the library too: `tests/test_x.py::test_x`." in text


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


def test_the_lines_that_would_fail_are_shown_as_they_stand():
    code = "x = 1\nassert x == 1, 'why'\nfor y in (2, 3):\n    assert (y >\n            x)\nassert True"
    assert assertions(code) == ["assert x == 1, 'why'", "assert (y >\n            x)"]
