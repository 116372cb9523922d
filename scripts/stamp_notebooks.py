"""Writes the notebooks that Colab opens: the same ones, whose set-up cell knows where to install diffusion_lib from.

The repository and the commit come from the deployment (GITHUB_REPOSITORY, GITHUB_SHA), so that a notebook always meets
the library it was written with, and no address is written down here.

    python scripts/stamp_notebooks.py --out build/colab --repository OWNER/REPO --revision main
"""

import argparse
import json
import os
import re
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
UNSTAMPED = 'os.environ.get("DIFFUSION_LIB_SOURCE", "")'


def archive(repository: str, revision: str, server: str) -> str:
    """The address of a zip of the repository at `revision`."""
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise SystemExit(f"repository is {repository!r}; it must be OWNER/REPO (on GitHub Actions: $GITHUB_REPOSITORY).")
    return f"{server}/{repository}/archive/{revision}.zip"


def stamp(text: str, source: str) -> str:
    """The notebook `text` (JSON) with the address `source` in its set-up cell."""
    notebook = nbformat.reads(text, as_version=4)
    setup = [cell for cell in notebook.cells if cell.cell_type == "code" and UNSTAMPED in cell.source]
    if len(setup) != 1:
        raise SystemExit(f"{len(setup)} cells read DIFFUSION_LIB_SOURCE; exactly one, the set-up cell, must.")
    setup[0].source = setup[0].source.replace(UNSTAMPED, f'os.environ.get("DIFFUSION_LIB_SOURCE", {json.dumps(source)})')
    return nbformat.writes(notebook) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="Write notebooks that install diffusion_lib from their own repository.")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "colab")
    parser.add_argument("--repository", default=os.environ.get("GITHUB_REPOSITORY", ""))
    parser.add_argument("--revision", default=os.environ.get("GITHUB_SHA", "main"))
    parser.add_argument("--server", default=os.environ.get("GITHUB_SERVER_URL", "https://github.com"))
    arguments = parser.parse_args()
    source = archive(arguments.repository, arguments.revision, arguments.server)
    folder = arguments.out / "notebooks"
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        (folder / path.name).write_text(stamp(path.read_text(encoding="utf-8"), source), encoding="utf-8")
        print(f"{folder / path.name}")


if __name__ == "__main__":
    main()
