"""Where a copy finds the library: the address in its set-up cell, of a zip of the repository.

Inside a clone of the book nothing is needed. Anywhere else, as in Colab, a notebook installs the library from that address.
"""

import json
import re
import subprocess

from nbformat import NotebookNode

from .copies import ROOT

UNSTAMPED = 'os.environ.get("DIFFUSION_LIB_SOURCE", "")'
GITHUB = "https://github.com"


def stamp(notebook: NotebookNode, address: str) -> NotebookNode:
    """`notebook` with the address in its set-up cell. Raises SystemExit unless exactly one cell reads one."""
    setup = [cell for cell in notebook.cells if cell.cell_type == "code" and UNSTAMPED in cell.source]
    if len(setup) != 1:
        raise SystemExit(f"{len(setup)} cells read DIFFUSION_LIB_SOURCE; exactly one, the set-up cell, must.")
    setup[0].source = setup[0].source.replace(UNSTAMPED, f'os.environ.get("DIFFUSION_LIB_SOURCE", {json.dumps(address)})')
    return notebook


def archive(repository: str, revision: str, server: str = GITHUB) -> str:
    """The address of a zip of the repository OWNER/REPO at `revision`."""
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise SystemExit(f"repository is {repository!r}; it must be OWNER/REPO (on GitHub Actions: $GITHUB_REPOSITORY).")
    return f"{server}/{repository}/archive/{revision}.zip"


def published() -> str:
    """The address of what is checked out here, or "" where it came from elsewhere than GitHub, or is not there yet."""
    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True).stdout.strip()

    origin = re.search(r"github\.com[:/]([\w.-]+/[\w.-]+?)(?:\.git)?/?$", git("remote", "get-url", "origin"))
    commit = git("rev-parse", "HEAD")
    return archive(origin[1], commit) if origin and commit and git("branch", "--remotes", "--contains", commit) else ""
