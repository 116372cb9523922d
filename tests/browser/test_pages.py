"""Every page of the site: complete, readable, reachable, and dependent on nobody."""

import io
import json
import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin

import numpy as np
import pytest
from conftest import AXE, ROOT, SITE, page_names
from page_speed import PAGE, weigh
from PIL import Image

from scripts.chromium import start_figures

PAGES = page_names() or ["index.html"]


class Links(HTMLParser):
    """What a page points to, and the places in it that can be pointed to."""

    def __init__(self, text: str):
        super().__init__()
        self.targets, self.anchors = set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.anchors |= {attributes[name] for name in ("id", "name") if attributes.get(name)}
        self.targets |= {attributes[name] for name in ("href", "src") if attributes.get(name)}


# What ends beyond the right edge of the screen, but for what lies in something that can be scrolled.
STICKS_OUT = """() => [...document.querySelectorAll('article *')].filter((e) => {
  if (!e.getClientRects().length || e.getBoundingClientRect().right <= innerWidth + 1) return false;
  for (let around = e; around.tagName !== 'ARTICLE'; around = around.parentElement)
    if (around.matches('.live-hidden') || getComputedStyle(around).overflowX !== 'visible') return false;
  return true;
}).map((e) => e.outerHTML.slice(0, 120))"""


@cache
def links_of(file: Path) -> Links:
    return Links(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", PAGES)
def test_page_is_accessible_and_quiet(open_page, name):
    page = open_page(name, color_scheme="dark")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    start_figures(page)
    page.add_script_tag(content=AXE.read_text(encoding="utf-8"))
    for theme in ("dark", "light"):
        page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
        violations = page.evaluate("axe.run().then(result => result.violations)")
        assert not violations, (theme, [(v["id"], [node["html"][:200] for node in v["nodes"][:3]]) for v in violations])
    assert page.locator("article h1").count() == 1


@pytest.mark.parametrize("name", PAGES)
def test_page_fits_every_screen(open_page, name):
    """From the narrowest telephone to the widest desk nothing sticks out, save what has a scroller of its own."""
    page = open_page(name, viewport={"width": 390, "height": 844})
    start_figures(page)
    for width in (390, 320, 1280, 2560):
        page.set_viewport_size({"width": width, "height": 900})
        wide = page.evaluate(STICKS_OUT)
        hidden = page.eval_on_selector_all(".line", "lines => lines.filter(line => line.scrollWidth > line.clientWidth + 1).map(line => line.textContent)")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, (width, wide)
        assert not wide, width
        assert not hidden, width                             # lines of code go on below


# Bytes -----------------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def scales(browser):
    """A telephone's page without a cache, to weigh pages with."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.route("**/*", lambda route: route.continue_())
    yield page
    context.close()


@pytest.mark.parametrize("name", PAGES)
def test_page_keeps_its_budget(scales, address, name):
    """350 kB on the way to the reader, before pictures and figures' data; what figures need only where there are figures."""
    weights = weigh(scales, address + name)
    assert sum(weights[kind] for kind in PAGE) <= 350_000, weights
    assert weights["other"] == 0 and weights["styles"] <= 20_000 and weights["scripts"] <= (3_000 if name != "search.html" else 120_000), weights
    if "data-figure=" not in (SITE / name).read_text(encoding="utf-8"):
        assert weights["figure code"] == weights["figure data"] == 0


@pytest.mark.parametrize("name", PAGES)
def test_nothing_keeps_the_page_waiting(name):
    """One stylesheet, two with figures; no script that the browser must run before it may show the text."""
    text = (SITE / name).read_text(encoding="utf-8")
    head = text[:text.index("</head>")]
    assert len(re.findall(r'<link rel="stylesheet"', text)) == 1 + ("data-figure=" in text)
    for attributes, code in re.findall(r"<script([^>]*)>(.*?)</script>", text, re.DOTALL):
        assert 'type="module"' in attributes or "defer" in attributes or ("src=" not in attributes and len(code) < 1000), attributes
    assert len(re.findall(r"<script(?![^>]*(?:module|defer))", head)) == 1       # light or dark: before the first line is drawn


@pytest.mark.parametrize("name", PAGES)
def test_pictures_keep_their_room_and_come_late(name):
    for attributes in re.findall(r'<img ([^>]*_images/[^>]*)>', (SITE / name).read_text(encoding="utf-8")):
        said = dict(re.findall(r'(\w+)="([^"]*)"', attributes))
        with Image.open((SITE / name).parent / said["src"]) as picture:
            assert (said["width"], said["height"]) == tuple(map(str, picture.size))
        assert said["loading"] == "lazy"


def test_the_search_loads_its_index_only_when_it_is_asked():
    users = [name for name in PAGES if "searchindex.js" in (SITE / name).read_text(encoding="utf-8")]
    assert users == ["search.html"]


# Formulas --------------------------------------------------------------------------------------------------------------

def test_formulas_are_drawn_and_said():
    """Each formula of the chapters is drawn from letters that its page has, and stands there as MathML too; tags keep their numbers."""
    for name in PAGES:
        text = (SITE / name).read_text(encoding="utf-8")
        assert "<tex-" not in text and "merror" not in text
        assert set(re.findall(r'<use href="#([^"]+)"', text)) <= set(re.findall(r'<path id="([^"]+)"', text)), name
        assert text.count("<mjx-container") == text.count("<mjx-assistive-mml") == text.count("<math")
        assert not re.search(r"</mjx-container></span>[.,;:!?)]", text), name           # Safari would begin a line with it
        if name.startswith("notebooks/"):
            source = json.loads((ROOT / name).with_suffix(".ipynb").read_text(encoding="utf-8"))
            written = "".join("".join(cell["source"]) for cell in source["cells"] if cell["cell_type"] == "markdown")
            assert re.findall(r"<mlabeledtr><mtd><mtext>\(([^<]*)\)", text) == re.findall(r"\\tag\{(.*?)\}", written)


def test_formulas_need_no_script_and_are_drawn_in_ink(open_page):
    page = open_page(next(name for name in PAGES if 'id="equation-' in (SITE / name).read_text(encoding="utf-8")), java_script_enabled=False)
    drawing = page.locator("[id^=equation-] svg").first
    drawing.scroll_into_view_if_needed()
    pixels = np.asarray(Image.open(io.BytesIO(drawing.screenshot())).convert("RGB")).reshape(-1, 3)
    ink, paper = (0x1D, 0x20, 0x25), (0xFD, 0xFC, 0xF9)      # as book.css has them
    assert (pixels == ink).all(1).mean() > 0.002 and (pixels == paper).all(1).mean() > 0.5


def test_what_only_screen_readers_read_makes_no_formula_wider(open_page):
    """Firefox gave each numbered formula a scrollbar, because its MathML stood one pixel beyond it."""
    page = open_page("notebooks/08_forward.html")
    beyond = page.eval_on_selector_all(".math", """all => all.filter(e => e.checkVisibility()).filter(e => {
        const place = part => part.getBoundingClientRect(), own = place(e), said = place(e.querySelector('mjx-assistive-mml'));
        return said.right > Math.max(own.right, own.left + said.width) + 0.1; }).map(e => e.textContent)""")
    assert not beyond
    assert page.locator("div.math[tabindex]").count() == 0   # nothing to be scrolled


def test_a_link_leads_to_an_equation(open_page):
    name, place = next((name, found[1]) for name in PAGES if (found := re.search(r'id="(equation-[\d-]+)"', (SITE / name).read_text(encoding="utf-8"))))
    page = open_page(f"{name}#{place}")
    assert page.evaluate("document.querySelector(':target svg').getBoundingClientRect().top") < 900


# Where things lead -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name):
    for target in links_of(SITE / name).targets:
        if target.startswith(("http://", "https://", "mailto:", "data:", "javascript:")):
            continue
        address, anchor = urldefrag(urljoin(f"/{name}", target))
        file = SITE / unquote(address.split("?")[0]).lstrip("/")
        assert file.is_file(), f"{name} points to {target}, which does not exist"
        if anchor and file.suffix == ".html":
            assert unquote(anchor) in links_of(file).anchors, f"{name} points to {target}, which has no such place"


def test_no_page_loads_from_another_host():
    """Also what no test has clicked on: no script, style, font or picture of any page has another host's address."""
    for file in [SITE / name for name in PAGES] + list((SITE / "_static").rglob("*.css")):
        text = file.read_text(encoding="utf-8")
        for line in text.splitlines():
            for loader in ('src="http', "src='http", "url(http", 'url("http', '@import "http', 'rel="stylesheet" href="http'):
                assert loader not in line, f"{file.name}: {line.strip()[:200]}"


def test_search_finds_the_title_page(open_page):
    page = open_page("search.html?q=vermilion")
    page.locator("#search-results a").first.click()
    page.wait_for_load_state()
    assert page.locator("h1").first.text_content().startswith("Out of Static")


def test_fonts_are_the_books_own(open_page):
    page = open_page("index.html")
    page.evaluate("document.fonts.ready.then(() => true)")
    loaded = page.evaluate("[...document.fonts].filter(f => f.status === 'loaded').map(f => f.family.replaceAll('\"', ''))")
    assert {"Literata", "Plex Sans", "Plex Mono"} <= set(loaded)


@pytest.mark.parametrize("name", [n for n in PAGES if n.startswith("notebooks/")])
def test_chapter_reads_without_javascript(open_page, name):
    page = open_page(name, java_script_enabled=False)
    assert page.locator("article h1").is_visible()
    for image in page.locator("[data-figure] img").all():
        assert image.is_visible() and image.get_attribute("alt")
    assert page.locator("[data-figure]").count() == page.locator("[data-figure]:has(.live-still img)").count()
    for formula in page.locator("article > section .math svg:visible").all()[:5]:
        assert formula.bounding_box()["width"] > 3


@pytest.mark.parametrize("name", ["index.html", "notebooks/04_magic_eraser.html", "notebooks/20_prompts.html"])
def test_safari_has_no_reason_to_zoom_into_a_field(open_page, name):
    """On a phone it zooms into letters below 16 pixels, and does not zoom out again. Buttons that are pressed twice are not zoomed into."""
    page = open_page(name, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    start_figures(page)
    small = page.eval_on_selector_all("select, input:not([type=range], [type=radio], [type=checkbox], [type=file])",
                                      "all => all.filter(e => parseFloat(getComputedStyle(e).fontSize) < 16).map(e => e.outerHTML.slice(0, 120))")
    assert not small
    assert page.locator(".live button").first.evaluate("e => getComputedStyle(e).touchAction") == "manipulation"


def test_a_browser_that_hides_pixels_gets_still_pictures_and_is_told_so(open_page, address):
    """Tor's browser, and Firefox with resistFingerprinting: what a page reads from a canvas there is not what it drew."""
    page = open_page("search.html")
    page.add_init_script("""const read = CanvasRenderingContext2D.prototype.getImageData;
        CanvasRenderingContext2D.prototype.getImageData = function (...place) { const image = read.apply(this, place); image.data.fill(255); return image; };""")
    page.goto(f"{address}notebooks/13_sampling.html")
    start_figures(page)
    figure = page.locator("[data-figure]").first
    assert figure.get_attribute("data-state") == "still" and figure.locator("img").first.is_visible()
    assert figure.get_by_role("note").text_content() == "This figure stands still: this browser hides pixels from pages, to protect its reader."
    assert all("hides pixels" in fault for fault in page.faults)
    page.faults.clear()
