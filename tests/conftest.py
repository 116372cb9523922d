"""The surroundings of every test, and of every process that a test starts: the same on each machine.

Set before anything imports torch: pictures are compared byte for byte with what the processor draws, so no test sees a GPU,
unless DIFFUSION_TEST_GPU=1 asks for it.
"""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
pytest.register_assert_rewrite("checking", "exact")          # so that a helper's failure shows its values too

if os.environ.get("DIFFUSION_TEST_GPU") != "1":
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
# Git as it comes: no hooks, signatures or templates of the user's own. That this checkout may be read is said again.
os.environ |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1",
               "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": str(ROOT)}


@pytest.fixture(autouse=True)
def nobody_grades(monkeypatch):
    """No grading is going on, whatever the surroundings or an earlier test say: STRICT of diffusion_lib/checks/_verdict.py is not set."""
    for name in ("NBGRADER_EXECUTION", "BOOK_BUILD"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def models(tmp_path) -> tuple[str, str]:
    """The paths of a tiny denoiser and a tiny classifier."""
    from tiny import write_tiny_models                       # here, so that tests without torch stay without it

    return write_tiny_models(tmp_path)
