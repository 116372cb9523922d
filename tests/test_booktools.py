"""The book's extension: what it refuses before it can reach a page, and what it makes lighter."""

import base64
import io
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
from docutils import nodes
from fontTools.ttLib import TTFont
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from PIL import Image
from sphinx.errors import ConfigError, ExtensionError

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "book" / "_ext"))
import assets  # noqa: E402
import formulas  # noqa: E402
import pictures  # noqa: E402
from booktools import refuse_untested  # noqa: E402
from layout import description_of, in_lines, is_prose, refuse_other_hosts  # noqa: E402


def test_a_notebook_that_was_not_run_by_our_runner_is_refused(tmp_path):
    """Jupyter Book would run it itself, as for a reader with a kernel: with widgets."""
    path = tmp_path / "01_example.ipynb"
    code = nbformat.v4.new_code_cell("x = 1")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Title"), code])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)
    app = SimpleNamespace(config=SimpleNamespace(nb_execution_mode="cache", nb_execution_cache_path=str(tmp_path / "cache")))
    env = SimpleNamespace(doc2path=lambda docname: tmp_path / docname)
    read = lambda: refuse_untested(app, env, [path.name, "index.md"])  # noqa: E731
    with pytest.raises(ConfigError, match="01_example.ipynb has not been run"):
        read()
    get_cache(app.config.nb_execution_cache_path).cache_notebook_bundle(CacheBundleIn(notebook, str(path)), check_validity=False)
    read()
    notebook.cells[0].source = "# Another title"              # prose may change without a run
    nbformat.write(notebook, path)
    read()
    code.source = "x = 2"
    nbformat.write(notebook, path)
    with pytest.raises(ConfigError):
        read()
    app.config.nb_execution_mode = "off"
    read()


def test_a_script_from_another_host_is_refused():
    ours, inline = SimpleNamespace(filename="_static/mount.js"), SimpleNamespace(filename=None)
    refuse_other_hosts("page", [ours, inline])
    for address in ("https://cdn.example.org/embed-amd.js", "//cdn.example.org/require.js"):
        with pytest.raises(ExtensionError, match="no other host"):
            refuse_other_hosts("page", [ours, SimpleNamespace(filename=address)])


# Code and what it prints ---------------------------------------------------------------------------------------------

def test_a_line_of_code_knows_how_deep_it_stands_and_is_copied_as_it_was():
    block = '<div class="highlight"><pre><span></span><span class="k">if</span> a &lt; b:\n    <span class="n">c</span>\n\n<span class="n">d</span>\n</pre></div>\n'
    cut = in_lines(block)
    assert re.findall(r'<span class="line" style="--in:(\d+)ch">', cut) == ["0", "4", "0", "0"]
    assert re.sub('<span class="line"[^>]*>', "", cut).replace("</span>", "") == block.replace("</span>", "")


def test_sentences_may_go_on_below_and_tables_may_not():
    assert is_prose("✓ Right. 0.514: a lead of 2 counts e^2 = 7.4 times as much.\n")
    assert not is_prose("frog      0.45     0.05\nrabbit    0.68     0.06\n")
    assert not is_prose("@@%%##**++==--::..\n@@ frog %%##**++==\n")


# Formulas --------------------------------------------------------------------------------------------------------------

def test_formulas_are_drawn_page_by_page_with_the_letters_they_use():
    first, second = formulas.draw([[("x_t", False), (r"a = \sqrt{b} \tag{13.1}", True)], [("x_t", False)]])
    assert len(first["formulas"]) == 2 and first["formulas"][0] == second["formulas"][0]
    for page in (first, second):
        used, drawn = re.findall(r'<use href="#([^"]+)"', "".join(page["formulas"])), re.findall(r'<path id="([^"]+)"', page["shapes"])
        assert set(used) == set(drawn) and len(drawn) == len(set(drawn))
    assert "<msub><mi>x</mi><mi>t</mi></msub>" in first["formulas"][0]
    assert "<mtext>(13.1)</mtext>" in first["formulas"][1]
    assert not re.search("data-|xmlns|<g></g>", "".join(first["formulas"]))


def test_wrong_tex_stops_the_build_and_is_named():
    with pytest.raises(ExtensionError, match=r"\\frac\{1\}"):
        formulas.draw([[("x", False)], [(r"\frac{1}", False)]])


def test_a_formula_waits_with_its_signs_as_they_are():
    page = "<p><tex-inline>s &lt; t</tex-inline> and <tex-display>\na &amp;= b\n</tex-display></p>"
    assert formulas.formulas_in(page) == [("s < t", False), ("a &= b", True)]


def test_a_sign_behind_a_formula_stays_with_it():
    math = '<span class="math notranslate"><tex-inline>x</tex-inline></span>'
    assert formulas.held(f"{math}, so {math} and ({math}).") == f"{math[:-7]},</span> so {math} and ({math[:-7]}).</span>"
    assert formulas.formulas_in(formulas.held(f"{math}.")) == [("x", False)]


# Fonts -----------------------------------------------------------------------------------------------------------------

NODE = assets.ROOT / "node_modules"
LITERATA = NODE / assets.FONTS[0] / "literata-latin-opsz-normal.woff2"
needs_fonts = pytest.mark.skipif(not NODE.is_dir(), reason="the fonts are not installed: make site")


@needs_fonts
def test_a_font_is_cut_to_the_signs_and_axes_that_are_wanted():
    wanted = assets.characters("U+41-43, U+d7, U+4E00")
    assert wanted == {0x41, 0x42, 0x43, 0xD7, 0x4E00}
    cut = assets.cut(LITERATA, wanted, assets.axes_of("400 650", '"opsz" 48'))
    font = TTFont(io.BytesIO(cut))
    assert set(font.getBestCmap()) == wanted - {0x4E00}                  # the font has no such sign
    assert [(axis.axisTag, axis.minValue, axis.maxValue) for axis in font["fvar"].axes] == [("wght", 400, 650)]
    assert assets.axes_of("500", "") == {"wght": 500}
    assert len(cut) < LITERATA.stat().st_size / 10


@needs_fonts
def test_every_font_of_the_stylesheet_is_one_that_is_installed():
    faces = assets.FACE.findall((assets.STATIC / "book.css").read_text(encoding="utf-8"))
    files = [Path(re.search(r"url\((.*?)\)", face)[1]).name for face in faces]
    assert len(files) == len(set(files)) > 5
    for file in files:
        assert any((NODE / folder / file).is_file() for folder in assets.FONTS), file


# Pictures --------------------------------------------------------------------------------------------------------------

def site_with(tmp_path, body: str) -> SimpleNamespace:
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "page.html").write_text(body, encoding="utf-8")
    return SimpleNamespace(outdir=str(tmp_path), builder=SimpleNamespace(format="html"))


def test_a_picture_becomes_webp_pixel_for_pixel_with_its_size(tmp_path):
    pixels = np.random.default_rng(7).integers(0, 256, (5, 9, 3), dtype=np.uint8)
    (tmp_path / "_images").mkdir()
    Image.fromarray(pixels).save(tmp_path / "_images" / "abc.png")
    app = site_with(tmp_path, '<img alt="noise" src="../_images/abc.png" />')
    pictures.lighten_pages(app, None)
    page = (tmp_path / "notebooks" / "page.html").read_text(encoding="utf-8")
    assert page == '<img alt="noise" src="../_images/abc.webp" width="9" height="5" loading="lazy" decoding="async">'
    assert np.array_equal(np.asarray(Image.open(tmp_path / "_images" / "abc.webp").convert("RGB")), pixels)
    assert not (tmp_path / "_images" / "abc.png").exists()


def test_a_figures_data_and_stills_lie_beside_the_page(tmp_path):
    still = io.BytesIO()
    Image.new("RGB", (4, 3), "red").save(still, "webp")
    inline = f"data:image/webp;base64,{base64.b64encode(still.getvalue()).decode()}"
    app = site_with(tmp_path, f'<div data-figure="dial" style="--phone: 3rem"><div class="live"><img src="{inline}" alt="red"></div>'
                              '<script type="application/json">{"seed": 7}</script></div>')
    pictures.lighten_pages(app, None)
    page = (tmp_path / "notebooks" / "page.html").read_text(encoding="utf-8")
    assert "<script" not in page and "base64" not in page and 'style="--phone: 3rem"' in page and 'width="4" height="3"' in page
    beside = tmp_path / "notebooks"
    assert json.loads((beside / re.search('data-source="([^"]+)"', page)[1]).read_text()) == {"seed": 7}
    assert (beside / re.search('src="([^"]+)"', page)[1]).read_bytes() == still.getvalue()


def test_a_figures_module_has_another_address_when_it_changes(tmp_path):
    app = site_with(tmp_path, '<div data-figure="dial" style="--phone: 3rem"><div class="live"></div></div>')
    module = tmp_path / "_static" / "figures" / "dial.js"
    module.parent.mkdir(parents=True)
    addresses = []
    for content in ("first", "second", "second"):
        module.write_text(content)
        pictures.lighten_pages(app, None)
        page = (tmp_path / "notebooks" / "page.html").read_text(encoding="utf-8")
        addresses += re.findall('<div data-figure="dial" data-module="(figures/dial.js[?]v=[0-9a-f]{8})" style', page)
    assert len(addresses) == 3 and addresses[0] != addresses[1] == addresses[2]


# What search engines are told ------------------------------------------------------------------------------------------

def test_a_page_is_described_by_its_own_words():
    page = nodes.section("", nodes.paragraph("", "Too short."), nodes.paragraph("", "A long enough paragraph " * 10))
    assert description_of(page).startswith("A long enough") and len(description_of(page)) <= 160
    page += nodes.meta(name="description", content="Said by the page.")
    assert description_of(page) == "Said by the page."
