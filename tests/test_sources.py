"""What is shown as the library's code is the library's code."""

import pytest

import diffusion_lib as dl
from diffusion_lib.sources import ROOT, show_source


def test_the_text_is_that_of_the_file_at_that_place():
    source = show_source(dl.DDIM.step)
    name, lines = source.place.split(", lines ")
    first, last = map(int, lines.split(" to "))
    in_file = (ROOT / name).read_text(encoding="utf-8").splitlines()[first - 1:last]
    assert [line.strip() for line in source.text.splitlines()] == [line.strip() for line in in_file]
    assert source.text.startswith("def step(") and "fresh" in source.text


def test_it_is_folded_and_escaped():
    page = show_source(dl.diffuse)._repr_html_()
    assert page.startswith("<details><summary>") and page.endswith("</details>")
    assert '<span class="k">def</span>' in page and "diffusion_lib/process.py" in page
    assert "-&gt;" in page and "float | Tensor" not in page.replace("</span>", "")[:200]


def test_several_at_once():
    text = repr(show_source(dl.Euler, dl.Heun))
    assert text.index("class Euler") < text.index("class Heun") and text.startswith("# diffusion_lib/samplers.py")


@pytest.mark.parametrize("objects", [(), (len,), (3,)])
def test_what_has_no_source_is_refused(objects):
    with pytest.raises(ValueError, match="objects"):
        show_source(*objects)
