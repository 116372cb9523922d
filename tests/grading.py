"""What grading needs to be tested: nbgrader's environment and a sandbox. Without them its tests are skipped; where
DIFFUSION_SANDBOX=1 promises both, they fail instead.
"""

import os
import sys
from pathlib import Path

import pytest

from classroom import sandbox

ROOT = Path(__file__).resolve().parent.parent
GRADING = ROOT / ".venv-grading" / "bin" / "python"
PROMISED = os.environ.get("DIFFUSION_SANDBOX") == "1"

needs_grading = pytest.mark.skipif(not GRADING.exists() and not PROMISED, reason="no .venv-grading: `make test` installs it")


def need_a_sandbox() -> None:
    """Skips the test where none can be built; fails it where one was promised."""
    if reason := sandbox.why_not(Path(sys.executable)):
        (pytest.fail if PROMISED else pytest.skip)(f"no sandbox here: {reason}")
