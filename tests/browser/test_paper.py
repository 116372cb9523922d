"""The pages on paper: nothing is cut off, all is dark on white, and what cannot be pressed is not there."""

import pytest
from conftest import page_names

PAPER = {"width": 680, "height": 960}                        # what A4 has between margins of 15 mm, in pixels
FIGURES = ("dream_machine", "step_by_step", "word_highlighter")

# What ends beyond the right edge of the paper, where nobody can scroll; blanks at the end of a line of code may.
CUT_OFF = """() => [...document.querySelectorAll('article *, footer')].filter(e => e.checkVisibility() && (e.textContent.trim() || e.tagName !== 'SPAN')
    && !e.closest('svg svg, mjx-assistive-mml, .live-hidden') && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 160))"""
COLOURS = """e => { const look = getComputedStyle(e); return [look.color, look.backgroundColor].map(c => (c.match(/[\\d.]+/g) ?? []).map(Number)); }"""


def light(colour: list[float]) -> float:
    """From 0, black, to 255, white; what is not there at all is the paper."""
    return 255.0 if len(colour) == 4 and colour[3] == 0 else sum(colour[:3]) / 3


def test_nothing_is_cut_off(open_page, address):
    page = open_page("index.html", viewport=PAPER)
    page.emulate_media(media="print")
    for name in page_names():
        page.goto(address + name)
        assert page.evaluate(CUT_OFF) == [], name


@pytest.mark.parametrize("width", [680, 1500])               # upright, and the broad side of A3
def test_text_stands_alone_and_uses_the_paper(open_page, width):
    page = open_page("notebooks/13_sampling.html", viewport={"width": width, "height": 960}, color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    for part in (".bar", "#menu", "#places", ".turn", ".copy", ".headerlink"):
        assert not page.locator(part).first.is_visible(), part
    assert page.evaluate(CUT_OFF) == []
    left, right = page.locator("main").evaluate("e => { const { left, right } = e.getBoundingClientRect(), { paddingRight } = getComputedStyle(e); return [left, right - parseFloat(paddingRight)]; }")
    assert left == 0 and right == pytest.approx(width, abs=1)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("stem", FIGURES)
def test_figures_are_stills_in_ink(open_figure, stem, theme):
    """Whatever the reader's screen is like."""
    page, figure = open_figure(stem, color_scheme=theme)
    page.emulate_media(media="print", color_scheme=theme)
    assert figure.locator("img").first.is_visible() and not figure.locator("canvas, .live-foot").first.is_visible()
    still, caption = figure.locator(".live-still").first, figure.locator(".live-still figcaption").first
    assert light(still.evaluate(COLOURS)[1]) > 235 and light(caption.evaluate(COLOURS)[0]) < 110
    ink, paper = page.locator("body").evaluate(COLOURS)
    assert light(ink) < 10 and light(paper) > 250


def test_derivations_are_unfolded_and_hidden_code_is_left_out(open_page):
    page = open_page("notebooks/13_sampling.html", viewport=PAPER)
    derivation, code = page.locator("article details:not(.hide)").first, page.locator("article details.hide").first
    inside = derivation.locator("p").first
    assert not inside.is_visible() and code.locator("summary").is_visible()
    page.emulate_media(media="print")
    # checkVisibility knows content-visibility, which Playwright's is_visible does not
    assert inside.evaluate("e => e.checkVisibility({ contentVisibilityAuto: true }) && e.getBoundingClientRect().height > 10")
    assert not code.locator("summary").is_visible()
    code.evaluate("e => { e.open = true; }")                 # whoever opens it gets it
    assert code.locator("pre").first.is_visible()


def test_a_link_says_where_it_leads(open_page):
    page = open_page("notebooks/13_sampling.html", viewport=PAPER)
    page.emulate_media(media="print")
    links = page.locator('article a.external:not([href*="arxiv.org"])')
    for address, told in links.evaluate_all("all => all.map(e => [e.getAttribute('href'), getComputedStyle(e, '::after').content])"):
        assert address in told
    assert links.count() > 0


def test_the_title_pages_button_is_a_link_that_can_be_read(open_page):
    page = open_page("index.html", viewport=PAPER)
    page.emulate_media(media="print")
    ink, ground = page.locator(".begin a").first.evaluate(COLOURS)
    assert light(ink) < 140 and light(ground) > 250
