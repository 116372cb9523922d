"""Measures what a reader needs for each notebook, and writes it down for the notebook's head.

Every notebook runs alone, from top to bottom, in a kernel of its own on two cores (or with the GPU, where there is one).
Minutes, peak memory, versions and date go into book/records/notebooks.json; `scripts/tidy_notebooks.py`, which is called
at the end, lays them into the cell `measured`. What did not change since it was measured is not run again.

    python scripts/measure_notebooks.py                           # fast and full mode, what changed
    python scripts/measure_notebooks.py --mode fast --all         # one mode, every notebook
    python scripts/measure_notebooks.py notebooks/13_sampling.ipynb
"""

import argparse
import datetime
import hashlib
import json
import os
import platform
import sys
import threading
import time
from pathlib import Path

import nbformat
import psutil
import torch
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from scripts.quiet import refuse_when_busy  # noqa: E402
from scripts.tidy_notebooks import RECORDS, main as tidy_all  # noqa: E402

CORES = 2


def measure(path: Path) -> dict:
    """Run one notebook and say what it took. Its last output is thrown away."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=None, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}})
    peak = Peak()
    began = time.monotonic()
    with client.setup_kernel():
        peak.start(client.km.provisioner.process.pid)
        for index, cell in enumerate(notebook.cells):
            client.execute_cell(cell, index)
        minutes = (time.monotonic() - began) / 60
        on_gpu = ask(client, "__import__('torch').cuda.max_memory_allocated()") if torch.cuda.is_available() else None
    return {"minutes": round(minutes, 2), "memory_gb": round(peak.stop() / 1e9, 2),
            "gpu_memory_gb": None if on_gpu is None else round(int(on_gpu) / 1e9, 2),
            "python": platform.python_version(), "torch": torch.__version__.split("+")[0],
            "date": datetime.date.today().isoformat(), "code": code_of(path)}


def ask(client: NotebookClient, expression: str) -> str:
    """The value of an expression in the notebook's kernel, as text."""
    cell = nbformat.v4.new_code_cell(expression)
    client.nb.cells.append(cell)
    return client.execute_cell(cell, len(client.nb.cells) - 1).outputs[0]["data"]["text/plain"]


class Peak(threading.Thread):
    """Memory of a process and its children, looked at ten times a second; `stop` says the most that was seen, in bytes."""

    def __init__(self):
        super().__init__(daemon=True)                        # a cell that raises ends the program

    def start(self, pid: int) -> None:
        self.process, self.most, self.done = psutil.Process(pid), 0, threading.Event()
        super().start()

    def run(self) -> None:
        while not self.done.wait(0.1):
            seen = 0
            try:
                for process in (self.process, *self.process.children(recursive=True)):
                    seen += process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
            self.most = max(self.most, seen)

    def stop(self) -> int:
        self.done.set()
        self.join()
        return self.most


def code_of(path: Path) -> str:
    """What a measurement belongs to: a digest of the notebook's code."""
    cells = nbformat.read(path, as_version=4).cells
    return hashlib.sha256("\0".join(c.source for c in cells if c.cell_type == "code").encode()).hexdigest()[:16]


def hardware() -> str:
    """The part of the records that this machine fills: `cores`, or the GPU's name."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cores"


def refuse_where_it_would_mislead(anyway: bool) -> None:
    if not torch.cuda.is_available():
        if not hasattr(os, "sched_setaffinity"):
            raise SystemExit(f"This system cannot hold a program to {CORES} cores: measure on Linux, or where there is a GPU.")
        if len(os.sched_getaffinity(0)) < CORES:
            raise SystemExit(f"Here are fewer than {CORES} cores.")
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])  # kernels inherit it
    refuse_when_busy(anyway)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description="Measure what each notebook takes.")
    parser.add_argument("notebooks", nargs="*", type=Path)
    parser.add_argument("--mode", choices=("fast", "full"), action="append", help="default: both; on a GPU only full")
    parser.add_argument("--all", action="store_true", help="also what did not change since it was measured")
    parser.add_argument("--anyway", action="store_true", help="although other programs are running")
    options = parser.parse_args(arguments)
    refuse_where_it_would_mislead(options.anyway)
    os.environ.pop("BOOK_BUILD", None)
    where = hardware()
    for path in options.notebooks or sorted((ROOT / "notebooks").glob("*.ipynb")):
        for mode in options.mode or (("full",) if torch.cuda.is_available() else ("fast", "full")):
            records = json.loads(RECORDS.read_text(encoding="utf-8")) if RECORDS.is_file() else {}
            row = f"{where}, {mode}"
            old = records.setdefault(path.stem, {}).get(row)
            if old and old["code"] == code_of(path) and not options.all:
                continue
            os.environ["DIFFUSION_FAST"] = "1" if mode == "fast" else "0"
            records[path.stem][row] = measure(path)
            RECORDS.write_text(json.dumps(records, indent=1, sort_keys=True) + "\n", encoding="utf-8")
            print(f"{path.stem}, {row}: {json.dumps(records[path.stem][row])}", flush=True)
    tidy_all([])


if __name__ == "__main__":
    main(sys.argv[1:])
