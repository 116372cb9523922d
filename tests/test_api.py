"""The API pages: fresh, each module on the page of its layer, and docstrings that stay readable on their way to the page."""

import importlib.util
import sys
from pathlib import Path

import pytest

from scripts.api import FOLDER, documented_modules, pages
from tests.test_architecture import LAYERS, layer_of

ROOT = Path(__file__).resolve().parent.parent
spec = importlib.util.spec_from_file_location("reference", ROOT / "book" / "_ext" / "reference.py")
reference = importlib.util.module_from_spec(spec)
spec.loader.exec_module(reference)


def test_the_pages_are_fresh():
    on_disk = {file.name: file.read_text(encoding="utf-8") for file in FOLDER.glob("*.md")}
    assert on_disk == pages(), "run: python scripts/api.py"


def test_every_layer_has_its_page():
    written = pages()
    assert {f"layer_{layer}.md" for layer, _ in LAYERS.values()} | {"index.md"} == set(written)
    for module in documented_modules():
        assert f"\n## {module}\n" in written[f"layer_{layer_of(module)}.md"]
    text = written["layer_1.md"]
    assert ".. autofunction:: diffuse" in text and ".. autoclass:: Prediction" in text
    assert ".. py:data:: EPS\n\n   det = alpha: no x0 from pure noise" in text


def step(x_t, s, noise=None):
    """Only its arguments are looked at."""


@pytest.mark.parametrize("lines, wanted", [
    (["A sentence.", "", "    x = a * b", "    y_ = |x|", "", "x_t: (B, ...)."],
     ["A sentence.", "", ".. code-block:: text", "", "    x = a * b", "    y_ = |x|", "", "**x_t:** (B, ...).", ""]),
    (["Ends here. s: a time,", "    in [0, 1]. Raises `ValueError` at |s| > 1 or `a * b`."],
     ["Ends here. **s:** a time,", "in [0, 1]. Raises ``ValueError`` at \\|s\\| > 1 or ``a * b``.", ""]),
    (["x_t, s: two. t: no argument. The noise: a noun that is one."],
     ["**x_t, s:** two. t: no argument. The noise: a noun that is one.", ""]),
    (["See `f`_", "* no list of stars"], ["See ``f``\\_", "\\* no list of stars", ""]),
])
def test_docstrings_become_restructured_text(lines, wanted):
    assert reference.readable(lines, reference.argument_names(step)) == wanted


def test_argument_names_of_classes():
    import diffusion_lib as dl

    assert reference.argument_names(dl.UNetConfig) >= {"stem", "widths"}
    assert reference.argument_names(dl.DDIM) == {"eta"}
    assert reference.argument_names(sys) == set()
