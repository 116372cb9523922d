"""Every page of the site: complete, readable, reachable, and dependent on nobody."""

from html.parser import HTMLParser
from urllib.parse import unquote, urldefrag, urljoin

import pytest

from conftest import ROOT, SITE, page_names

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
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


def start_figures(page):
    for figure in page.locator("[data-figure]").all():
        figure.scroll_into_view_if_needed()
        page.wait_for_function("figure => figure.dataset.state", arg=figure.element_handle())


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_page_is_accessible_and_quiet(open_page, name, theme):
    page = open_page(name, color_scheme=theme)
    assert page.evaluate("document.documentElement.dataset.theme") == theme
    start_figures(page)
    page.wait_for_function("!window.MathJax || !MathJax.startup || MathJax.startup.promise.then(() => true)")
    page.add_script_tag(content=AXE.read_text(encoding="utf-8"))
    violations = page.evaluate("axe.run().then(result => result.violations)")
    assert not violations, [(v["id"], [node["html"][:200] for node in v["nodes"][:3]]) for v in violations]
    assert page.locator("mjx-merror").count() == 0
    assert page.locator("article h1").count() == 1 or name == "search.html"


@pytest.mark.parametrize("name", PAGES)
def test_page_fits_a_phone(open_page, name):
    page = open_page(name, viewport={"width": 390, "height": 844})
    start_figures(page)
    wide = page.evaluate("""() => [...document.querySelectorAll('article *')].filter(e => e.getClientRects().length
        && e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('pre, .math, table, .live-hidden, mjx-container')).map(e => e.outerHTML.slice(0, 120))""")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390, wide
    assert not wide


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name):
    for target in Links((SITE / name).read_text(encoding="utf-8")).targets:
        if target.startswith(("http://", "https://", "mailto:", "data:", "javascript:")):
            continue
        address, anchor = urldefrag(urljoin(f"/{name}", target))
        file = SITE / unquote(address.split("?")[0]).lstrip("/")
        assert file.is_file(), f"{name} points to {target}, which does not exist"
        if anchor and file.suffix == ".html":
            assert unquote(anchor) in Links(file.read_text(encoding="utf-8")).anchors, f"{name} points to {target}, which has no such place"


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
