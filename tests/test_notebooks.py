"""What every notebook keeps to, read from its file. Running them is scripts/run_notebooks.py's work (nbval)."""

import ast
import copy
import json
import re
import tomllib
from collections import Counter
from pathlib import Path

import nbformat
import pytest

import diffusion_lib as dl
from classroom.library import archive, stamp
from classroom.slices import without_magic
from scripts.stamp_notebooks import for_colab
from scripts.tidy_notebooks import ALWAYS, RECORDS, SETUP_METADATA, SETUP_TEXT, measured, text_of, tidy

ROOT = Path(__file__).resolve().parent.parent
PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NOTEBOOKS = {path.stem: nbformat.read(path, as_version=4) for path in PATHS}
LINES_OF_A_CELL = 20

each = pytest.mark.parametrize("stem", list(NOTEBOOKS))


def code_cells(stem: str):
    return [cell for cell in NOTEBOOKS[stem].cells if cell.cell_type == "code"]


def prose_cells(stem: str):
    return [cell for cell in NOTEBOOKS[stem].cells if cell.cell_type == "markdown"]


def parsed(cell) -> ast.Module:
    """The cell as Python: IPython's own lines (`%pip`, `!ls`) are blanked."""
    return ast.parse(without_magic(cell.source))


@each
def test_committed_form(stem):
    """No outputs, no execution counts, the canonical set-up cell: what `scripts/tidy_notebooks.py` writes."""
    text = (ROOT / "notebooks" / f"{stem}.ipynb").read_text(encoding="utf-8")
    assert text == text_of(tidy(nbformat.reads(text, as_version=4), stem)), f"run: python scripts/tidy_notebooks.py notebooks/{stem}.ipynb"
    assert code_cells(stem)[0].source == SETUP_TEXT and code_cells(stem)[0].metadata == SETUP_METADATA
    assert not any(cell.outputs or cell.execution_count for cell in code_cells(stem))
    nbformat.validate(NOTEBOOKS[stem])


@each
def test_its_head_says_what_was_measured(stem):
    """The table in the head is made from the records (`test_committed_form` compares the text), and no time stands beside it."""
    (cell,) = [cell for cell in prose_cells(stem) if cell.id == "measured"]
    rows = json.loads(RECORDS.read_text(encoding="utf-8")).get(stem, {})
    assert cell.source == measured(rows) and cell.source.count("not measured yet") == 2 * len(ALWAYS.keys() - rows)


def test_a_measurement_reaches_its_table():
    row = {"minutes": 0.5, "memory_gb": 0.84, "gpu_memory_gb": None, "python": "3.11.7", "torch": "2.13.0", "date": "2030-01-31", "code": ""}
    lines = measured({"cores, full": row, "Tesla T4, full": row | {"minutes": 3.6, "gpu_memory_gb": 1.26}}).splitlines()
    assert lines[2] == f"| {ALWAYS['cores, fast']} | not measured yet | not measured yet | – |"
    assert lines[3] == "| two CPU cores, full mode | 30 s | 0.8 GB | 2030-01-31, Python 3.11.7, torch 2.13.0 |"
    assert "| 4 min | 0.8 GB, on the GPU 1.3 GB |" in lines[4] and len(lines) == 5
    assert "| one NVIDIA X, full mode | 30 s |" in measured({"NVIDIA X, full": row})


PAGES = [*PATHS, *sorted((ROOT / "book").rglob("*.md")), *sorted((ROOT / "diffusion_lib" / "zoo").glob("*.md"))]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_column_of_a_table_has_a_header(path):
    """A screen reader says the header before each cell; an empty one says nothing."""
    texts = [cell.source for cell in prose_cells(path.stem)] if path in PATHS else [path.read_text(encoding="utf-8")]
    for text in texts:
        for header in re.findall(r"^ *(\|.*)\n *\|[ :|-]+\| *$", text, flags=re.MULTILINE):
            assert all(name.strip() for name in header.strip().strip("|").split("|")), f"empty header in: {header}"


@each
def test_name_and_title(stem):
    assert re.fullmatch(r"\d\d_[a-z][a-z_]*", stem)
    first = NOTEBOOKS[stem].cells[0]
    titles = [line for cell in prose_cells(stem) for line in cell.source.splitlines() if line.startswith("# ")]
    assert first.cell_type == "markdown" and first.source.startswith("# ") and len(titles) == 1, titles


@each
def test_cells_are_short(stem):
    lengths = [len(cell.source.splitlines()) for cell in code_cells(stem)]
    assert max(lengths) <= LINES_OF_A_CELL, f"a cell of {max(lengths)} lines"
    for cell in code_cells(stem)[1:]:
        long = [line for line in cell.source.splitlines() if len(line) > 150]
        assert not long, long


@each
def test_at_least_as_much_prose_as_code(stem):
    prose = sum(len(cell.source) for cell in prose_cells(stem))
    code = sum(len(cell.source) for cell in code_cells(stem)[1:])
    assert prose >= code, f"{prose} characters of prose, {code} of code"


@each
def test_prose_is_markdown_that_colab_renders_too(stem):
    """Sphinx directives and roles live in book/*.md only."""
    for cell in prose_cells(stem):
        found = re.search(r"^(:::+|```+)\{|\{[a-z:]+\}`", cell.source, flags=re.MULTILINE)
        assert not found, f"{found[0]!r} in: {cell.source[:80]}"


@each
def test_pictures_in_the_prose_have_alternative_text(stem):
    for cell in prose_cells(stem):
        assert not re.search(r"!\[\s*\]\(", cell.source), cell.source[:80]
        for tag in re.findall(r"<img\b[^>]*>", cell.source):
            assert re.search(r'\balt="[^"]', tag), tag


@each
def test_grade_ids_are_unique_and_name_the_chapter(stem):
    marks = [cell.metadata.nbgrader for cell in code_cells(stem) if "nbgrader" in cell.metadata]
    ids = [mark.grade_id for mark in marks]
    assert len(ids) == len(set(ids)), ids
    chapter = stem.split("_", 1)[1].replace("_", "-")
    assert all(i.replace("_", "-").startswith(f"{chapter}-") for i in ids), ids


@each
def test_every_solution_is_marked_and_checked(stem):
    """A solution cell has both markers, keeps something for the student, and a check cell follows before the next one."""
    waiting = None
    for cell in code_cells(stem):
        mark = cell.metadata.get("nbgrader", {})
        begins, ends = cell.source.count("### BEGIN SOLUTION"), cell.source.count("### END SOLUTION")
        assert begins == ends == (1 if mark.get("solution") else 0), cell.source
        if mark.get("solution"):
            assert waiting is None, f"{waiting} has no check"
            assert "TODO" in cell.source.split("### BEGIN SOLUTION")[0], f"{mark.grade_id}: where is its TODO?"
            waiting = mark.grade_id
        elif mark.get("grade"):
            assert "checks." in cell.source, f"{mark.grade_id} calls no check"
            waiting = None
    assert waiting is None, f"{waiting} has no check"


def definitions(stem: str):
    for cell in code_cells(stem):
        for node in ast.walk(parsed(cell)):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                yield node.name


def test_no_name_is_defined_twice():
    """Neither in two notebooks nor in a notebook and the library: ideas are built by hand once, then imported."""
    where = [(name, stem) for stem in NOTEBOOKS for name in set(definitions(stem))]
    where += [(name, "diffusion_lib") for name in dir(dl) if not name.startswith("_")]
    twice = [name for name, count in Counter(name for name, _ in where).items() if count > 1]
    assert not twice, [pair for pair in where if pair[0] in twice]


def test_every_notebook_is_a_page_and_every_chapter_a_notebook():
    listed = re.findall(r"^\s*-?\s*file:\s*notebooks/(\S+?)(?:\.ipynb)?\s*$", (ROOT / "_toc.yml").read_text(), flags=re.MULTILINE)
    assert sorted(listed) == sorted(NOTEBOOKS)
    numbers = [stem.split("_")[0] for stem in listed]
    assert numbers == sorted(set(numbers)), "one chapter, one number, in order"


# The scripts that write notebooks.

def example() -> str:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Title"),
                                               nbformat.v4.new_code_cell("x = 1", execution_count=3)])
    return text_of(tidy(notebook))


def test_stamped_notebook_knows_its_repository_and_stays_the_same_otherwise():
    source = archive("someone/a-book", "0123abc", "https://example.org")
    assert source == "https://example.org/someone/a-book/archive/0123abc.zip"
    before = nbformat.reads(example(), as_version=4)
    after = copy.deepcopy(before)
    assert f'os.environ.get("DIFFUSION_LIB_SOURCE", "{source}")' in stamp(after, source).cells[1].source
    before.cells.pop(1), after.cells.pop(1)
    assert before == after


def test_no_dead_address_is_stamped():
    for repository in ("", "OWNER", "a/b/c", "a b/c"):
        with pytest.raises(SystemExit, match="OWNER/REPO"):
            archive(repository, "main", "https://example.org")
    with pytest.raises(SystemExit, match="0 cells"):
        stamp(nbformat.v4.new_notebook(), "https://example.org/a.zip")


@each
def test_on_colab_solutions_are_stubs_and_stand_folded_below_their_checks(stem):
    """Only solutions differ from the chapter, each can be unfolded below its check, and nothing of nbgrader's is left to read."""
    chapter = NOTEBOOKS[stem]
    made = for_colab(chapter, stem, "https://example.org/a.zip")
    nbformat.validate(made)
    text = "\n".join(cell.source for cell in made.cells)
    assert "SOLUTION" not in text and "# variant:" not in text
    solutions = [cell for cell in chapter.cells if cell.metadata.get("nbgrader", {}).get("solution")]
    places = {cell.id: i for i, cell in enumerate(made.cells)}
    for solution in solutions:
        check, folded = made.cells[places[f"{solution.id}-unfold"] - 1:][:2]
        assert check.metadata.nbgrader.grade and folded.source.startswith("<details>\n<summary>")
        answer = solution.source.split("### BEGIN SOLUTION\n")[1].split("### END SOLUTION")[0].rstrip()
        given = made.cells[places[solution.id]].source
        assert answer in folded.source and answer not in given and "TODO" in given
        ast.parse(folded.source.split("```python\n")[1].split("```")[0]), ast.parse(given)
    for cell in chapter.cells:
        if "solution" in cell.metadata.get("tags", []):
            assert cell.id not in places
            assert any(cell.source in other.source for other in made.cells if other.id.endswith("-unfold"))
    kept = {cell.id: cell.source for cell in made.cells}
    changed = {cell.id for cell in chapter.cells if cell.id in kept and kept[cell.id] != cell.source}
    assert changed <= {"setup", *(cell.id for cell in solutions), *(cell.id for cell in chapter.cells if "# variant:" in cell.source)}


def test_setup_cell_names_what_the_library_needs():
    """What `pip` may skip where it is there already: the dependencies, by the names under which they are imported."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = [re.match(r"[\w-]+", text)[0] for text in [*project["dependencies"], *project["optional-dependencies"]["notebooks"]]]
    imported = {"pillow": "PIL", "scikit-image": "skimage"}
    needs = re.search(r'NEEDS = "(.*)"', SETUP_TEXT)[1].split()
    assert sorted(needs) == sorted(["setuptools", "wheel", *(imported.get(name, name) for name in names)])


def test_setup_cell_finds_the_library_above_it(tmp_path, monkeypatch):
    """In a copy of the book the folder above comes first, whatever is installed."""
    folder = tmp_path / "book" / "notebooks"
    folder.mkdir(parents=True)
    (tmp_path / "book" / "diffusion_lib").mkdir()
    (tmp_path / "book" / "diffusion_lib" / "__init__.py").touch()
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.path", ["elsewhere"])
    exec(SETUP_TEXT, {})
    import sys
    assert sys.path == [str(tmp_path / "book"), "elsewhere"]


def test_setup_cell_says_what_to_do_where_there_is_no_library(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DIFFUSION_LIB_SOURCE", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("importlib.metadata.distributions", lambda name: [])
    with pytest.raises(ModuleNotFoundError, match="DIFFUSION_LIB_SOURCE"):
        exec(SETUP_TEXT, {})


def test_measuring_sees_the_memory_of_the_kernel_and_its_children(tmp_path):
    """100 MB here and 200 MB there, against a kernel and a child that keep nothing."""
    from scripts.measure_notebooks import measure

    def measured(own: int, childs: int) -> dict:
        child = f"import time; kept = bytearray({childs}); time.sleep(1.5)"
        cells = [nbformat.v4.new_markdown_cell("# Title"),
                 nbformat.v4.new_code_cell(f"import subprocess, sys, time\nkept = bytearray({own})\nrun = [sys.executable, '-c', {child!r}]"),
                 nbformat.v4.new_code_cell("done = subprocess.run(run, check=True)")]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "00_example.ipynb")
        return measure(tmp_path / "00_example.ipynb")

    nothing, kept = measured(0, 0), measured(100_000_000, 200_000_000)
    assert 0.22 < kept["memory_gb"] - nothing["memory_gb"] < 0.4 and 1.5 / 60 - 0.01 < kept["minutes"]
