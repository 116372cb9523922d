"""Runs every notebook once: one run is both its test and what its page shows.

nbval starts a fresh kernel for each notebook and fails on the first cell that raises. What the cells printed and drew
goes into the cache that Jupyter Book reads, so the site shows the very run that was tested and building it executes
nothing. A notebook runs again when its own code, the library, the pinned packages or DIFFUSION_FAST changed.

    python scripts/run_notebooks.py                     # what is not in the cache yet
    python scripts/run_notebooks.py notebooks/13_sampling.ipynb

DIFFUSION_FAST=1 (the default here) is the fast mode: notebooks train briefly. DIFFUSION_FAST=0 lets them take their time.
"""

import copy
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / "_build" / ".jupyter_cache"
EXECUTED = ROOT / "_build" / "executed"
PARSED = ROOT / "_build" / ".doctrees"  # pages as Sphinx read them; it does not see that outputs changed
FAST_TIMEOUT, FULL_TIMEOUT = 300, 7200  # seconds that a cell may take: in full mode it may hold a whole training


# The command: which notebooks, and into the cache with them.

def main(arguments: list[str]) -> int:
    os.environ.setdefault("DIFFUSION_FAST", "1")
    os.environ["BOOK_BUILD"] = "1"  # live figures then write the page's <div> instead of a Jupyter widget
    forget_cache_of_another_library()
    cache = get_cache(CACHE)
    notebooks = [Path(a).resolve() for a in arguments] or sorted((ROOT / "notebooks").glob("*.ipynb"))
    stale = [path for path in notebooks if not is_cached(cache, path)]
    print(f"Notebooks: {len(stale)} to run, {len(notebooks) - len(stale)} unchanged since they last passed.", flush=True)
    if not stale:
        return 0
    shutil.rmtree(EXECUTED, ignore_errors=True)
    shutil.rmtree(PARSED, ignore_errors=True)
    status = run(stale)
    for path in sorted(EXECUTED.glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        seconds = notebook.metadata.pop("execution_seconds")
        bundle = CacheBundleIn(notebook, str(ROOT / "notebooks" / path.name), data={"execution_seconds": seconds})
        cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
        print(f"{path.stem}: {seconds:.1f} s")
    return status


def forget_cache_of_another_library() -> None:
    """The cache's own key is a notebook's code; everything else that its outputs depend on is hashed here."""
    digest = hashlib.sha256(os.environ["DIFFUSION_FAST"].encode())
    files = [p for p in (ROOT / "diffusion_lib").rglob("*") if p.is_file() and p.suffix != ".pyc"]
    for path in sorted([*files, ROOT / "requirements.txt", Path(__file__)]):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    stamp = CACHE / "inputs.sha256"
    if not stamp.is_file() or stamp.read_text() != digest.hexdigest():
        shutil.rmtree(CACHE, ignore_errors=True)
        shutil.rmtree(PARSED, ignore_errors=True)
        CACHE.mkdir(parents=True)
        stamp.write_text(digest.hexdigest())


def is_cached(cache, path: Path) -> bool:
    try:
        cache.match_cache_notebook(nbformat.read(path, as_version=4))
    except KeyError:
        return False
    return True


def run(notebooks: list[Path]) -> int:
    workers = min(os.cpu_count() or 1, len(notebooks))
    os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // workers))
    parallel = ["-n", str(workers), "--dist", "loadfile"] if workers > 1 else []
    timeout = FAST_TIMEOUT if os.environ["DIFFUSION_FAST"] == "1" else FULL_TIMEOUT
    return subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "scripts.run_notebooks", "--nbval-lax",
                           "--nbval-current-env", f"--nbval-cell-timeout={timeout}", *parallel,
                           *map(str, notebooks)], cwd=ROOT).returncode


# The pytest plugin: while nbval reads what a kernel sends, a copy of the notebook is filled in from the same messages.

@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    if type(item).__name__ != "IPyNbCell":
        return (yield)
    notebook = item.parent
    if not hasattr(notebook, "recorder"):
        notebook.recorder = NotebookClient(copy.deepcopy(notebook.nb), record_timing=False)
        notebook.recorder.reset_execution_trackers()
        notebook.recorder.clear_before_next_output = False
        notebook.seconds, notebook.passed = 0.0, set()
    index = [id(cell) for cell in notebook.nb.cells].index(id(item.cell))
    receive = type(notebook).get_kernel_message.__get__(notebook)

    def receive_and_record(timeout=None, stream="iopub"):
        message = receive(timeout, stream)
        if message["msg_type"] != "status" and not message["msg_type"].startswith("comm"):
            notebook.recorder.process_message(message, notebook.recorder.nb.cells[index], index)
        return message

    notebook.get_kernel_message = receive_and_record
    return (yield)


def pytest_runtest_makereport(item, call):
    if call.when == "call" and hasattr(item.parent, "recorder"):
        item.parent.seconds += call.duration
        if call.excinfo is None:
            item.parent.passed.add(item.name)


def pytest_sessionfinish(session):
    EXECUTED.mkdir(parents=True, exist_ok=True)
    files = {item.parent for item in getattr(session, "items", []) if hasattr(item.parent, "recorder")}
    for file in files:
        if file.passed == {item.name for item in session.items if item.parent is file}:
            notebook = file.recorder.nb
            notebook.metadata.execution_seconds = round(file.seconds, 1)
            for cell in notebook.cells:
                if cell.cell_type == "code":
                    cell.outputs = page_outputs(cell)
            nbformat.write(notebook, EXECUTED / file.path.name)


def page_outputs(cell) -> list:
    """A cell's outputs for the page: neighbouring prints are joined, progress bars keep their last line, and sliders,
    which are dead without a kernel, leave only the picture they drew. A last line that ends in ; shows no value: nbval's
    kernel keeps no history, and without it IPython overlooks the ;."""
    kept, silent = [], cell.source.rstrip().endswith(";")
    for output in cell.outputs:
        if "application/vnd.jupyter.widget-view+json" in output.get("data", {}):
            continue
        if silent and output.output_type == "execute_result":
            continue
        if output.output_type == "stream" and kept and kept[-1].get("name") == output.name:
            kept[-1].text += output.text
        else:
            kept.append(output)
    for output in kept:
        if output.output_type == "stream":
            output.text = re.sub(r"^.*\r(?=[^\n])", "", output.text, flags=re.MULTILINE)
    return kept


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
