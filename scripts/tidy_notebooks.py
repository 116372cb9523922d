"""Puts notebooks into the one form in which they are committed.

The first code cell is the set-up cell (`scripts/setup_cell.py`), the Markdown cell with the id `measured` says what was
measured (`scripts/measure_notebooks.py`), there are no outputs and no execution counts, and only the metadata that the
book, nbgrader, Jupyter or Colab read is kept.

    python scripts/tidy_notebooks.py                    # every notebook
    python scripts/tidy_notebooks.py notebooks/13_sampling.ipynb
"""

import copy
import json
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
SETUP_TEXT = (ROOT / "scripts" / "setup_cell.py").read_text(encoding="utf-8").rstrip("\n")
SETUP_METADATA = {"cellView": "form", "jupyter": {"source_hidden": True}, "tags": ["remove-cell"]}
NOTEBOOK_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
KEPT_CELL_METADATA = ("tags", "nbgrader", "mystnb", "jupyter", "cellView")

RECORDS = ROOT / "book" / "records" / "notebooks.json"
ALWAYS = {  # rows of every notebook's table, measured or not: the name in the records, and for readers
    "cores, fast": "two CPU cores, fast mode (`DIFFUSION_FAST=1`)",
    "cores, full": "two CPU cores, full mode",
    "Tesla T4, full": "a T4, the free GPU on Colab",
}


def is_setup(cell) -> bool:
    return cell.cell_type == "code" and cell.source.startswith("# @title Set-up")


def measured(rows: dict) -> str:
    """What running a notebook takes, as a Markdown table. rows: its part of book/records/notebooks.json."""
    names = ALWAYS | {row: f"one {row.removesuffix(', full')}, full mode" for row in rows if row not in ALWAYS}
    lines = ["| run on | time for all of it | memory | measured |", "| --- | --- | --- | --- |"]
    for row, name in names.items():
        if row not in rows:
            lines.append(f"| {name} | not measured yet | not measured yet | – |")
            continue
        found = rows[row]
        memory = f"{found['memory_gb']:.1f} GB" + (f", on the GPU {found['gpu_memory_gb']:.1f} GB" if found["gpu_memory_gb"] is not None else "")
        lines.append(f"| {name} | {duration(found['minutes'])} | {memory} | {found['date']}, Python {found['python']}, torch {found['torch']} |")
    return "\n".join(lines)


def duration(minutes: float) -> str:
    return f"{60 * minutes:.0f} s" if minutes < 2 else f"{minutes:.0f} min"


def tidy(notebook, stem: str = ""):
    """A tidy copy of `notebook`, ready to be committed. stem: under which name its measurements are recorded."""
    notebook = nbformat.convert(copy.deepcopy(notebook), 4)
    notebook.nbformat_minor = max(notebook.nbformat_minor, 5)  # from 4.5 on every cell has an id
    notebook.metadata = nbformat.from_dict(NOTEBOOK_METADATA)
    first = next((i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code"), len(notebook.cells))
    if first == len(notebook.cells) or not is_setup(notebook.cells[first]):
        notebook.cells.insert(first, nbformat.v4.new_code_cell(id="setup"))
    notebook.cells[first].source = SETUP_TEXT
    notebook.cells[first].metadata = nbformat.from_dict(SETUP_METADATA)
    records = json.loads(RECORDS.read_text(encoding="utf-8")) if RECORDS.is_file() else {}
    for cell in notebook.cells:
        cell.source = measured(records.get(stem, {})) if cell.get("id") == "measured" else cell.source.rstrip()
        cell.setdefault("id", nbformat.v4.new_markdown_cell().id)
        cell.metadata = nbformat.from_dict({k: v for k, v in cell.metadata.items() if k in KEPT_CELL_METADATA and v})
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def text_of(notebook) -> str:
    return nbformat.writes(notebook) + "\n"


def main(arguments: list[str]) -> None:
    paths = [Path(a) for a in arguments] or sorted((ROOT / "notebooks").glob("*.ipynb"))
    for path in paths:
        before = path.read_text(encoding="utf-8")
        after = text_of(tidy(nbformat.reads(before, as_version=4), path.stem))
        if after != before:
            path.write_text(after, encoding="utf-8")
        print(f"{path.name}: {'already tidy' if after == before else 'tidied'}")


if __name__ == "__main__":
    main(sys.argv[1:])
