"""The page of symbols: each once, every piece of code on it runs and has the shape and range it claims, and the symbol
tables of the chapters say nothing else."""

import ast
import re
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "book" / "notation.md").read_text(encoding="utf-8")


class Row(NamedTuple):
    symbol: str
    codes: tuple[str, ...]
    range: str


def table_rows(text: str, columns: int):
    """The cells of every table row whose first cell is a symbol."""
    for line in text.splitlines():
        cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == columns and re.search(r"\$", cells[0]):
            yield cells


ROWS = [Row(symbol, tuple(re.findall(r"`([^`]+)`", code)), range) for symbol, code, _, range, _ in table_rows(TEXT, 5)]
LETTERS = re.findall(r"\b[A-Z]\b", " ".join(re.findall(r"^\| ([A-Z](?:, [A-Z])*) \|", TEXT, flags=re.MULTILINE)))  # in shapes


@pytest.fixture(scope="module")
def names():
    """What the page's own cells define; running them checks their assertions."""
    found = {}
    for cell in re.findall(r"^```\{code-cell\} python3\n(.*?)^```", TEXT, flags=re.DOTALL | re.MULTILINE):
        exec(cell, found)
    return found | {"A": len(found["cond"][0])}


def test_every_symbol_once():
    symbols = [row.symbol for row in ROWS]
    assert len(symbols) > 35 and len(symbols) == len(set(symbols)), symbols
    assert all(row.codes for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.symbol)
def test_code_runs_and_is_what_the_row_says(row, names):
    for code in row.codes:
        value = eval(code, dict(names))
        if shape := re.match(r"\(([A-Z](?:, [A-Z])*)\)", row.range):
            assert tuple(value.shape) == tuple(names[letter] for letter in shape[1].split(", ")), code
        interval = re.search(r"in ([\[(])([−\d.]+), ([−\d.]+)[\])]", row.range)
        if interval and code not in ("i", "j"):              # steps, of a thousand
            low, high = (float(number.replace("−", "-")) for number in interval.groups()[1:])
            value = torch.as_tensor(value, dtype=torch.float64)
            assert low <= value.min() and value.max() <= high, code


def subject(code: str) -> str:
    """The name that a piece of code is about: bar[i] -> bar, guess.x0 -> x0, schedule.alpha(t) -> alpha."""
    node = ast.parse(code.lstrip("."), mode="eval").body
    while not isinstance(node, ast.Name):
        if isinstance(node, ast.Attribute):
            return node.attr
        if not isinstance(node, (ast.Subscript, ast.Call)):
            return code
        node = node.value if isinstance(node, ast.Subscript) else node.func
    return node.id


def contradictions(notebook_text: str) -> list[str]:
    """Where a chapter's table "| symbol | in code | what it is |" says something else than the page."""
    known = {row.symbol for row in ROWS} | {f"${letter}$" for letter in LETTERS}

    def on_the_page(symbol: str) -> str:                     # alpha_t is alpha at time t
        return symbol if symbol in known else re.sub(r"_[tsij]\$$", "$", symbol)

    meanings: dict[str, set[str]] = {}
    for row in ROWS:
        for code in row.codes:
            meanings.setdefault(subject(code), set()).add(row.symbol)
    wrong = []
    for symbols, codes, _ in table_rows(notebook_text, 3):
        for symbol, code in zip(map(on_the_page, re.findall(r"\$[^$]+\$", symbols)), re.findall(r"`([^`]+)`", codes)):
            if symbol not in known:
                wrong.append(f"{symbol} is not on the page of symbols (book/notation.md)")
            elif symbol not in meanings.get(subject(code), {symbol}):
                wrong.append(f"{code} is {symbol} here, but on the page of symbols it is {', '.join(meanings[subject(code)])}")
    return wrong


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_chapters_agree(path):
    cells = nbformat.read(path, as_version=4).cells
    prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown" and "| symbol | in code |" in cell.source)
    assert not contradictions(prose)


def test_contradictions_are_found():
    assert contradictions("| $t$, $s$ | `i`, `j` | two times |\n| $x_t$ | `x` | the state |") == []
    assert contradictions("| $z_t$, $\\alpha_t$ | `z`, `.alpha(t)` | with an index |") == []
    assert contradictions("| $z$ | `eps` | fresh |")[0].startswith("eps is $z$ here")
    assert "not on the page" in contradictions("| $\\aleph$ | `a` | nothing |")[0]
