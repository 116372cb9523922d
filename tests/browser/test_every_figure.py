"""What every live figure keeps: its state in a link, Reset, its numbers, its picture, two languages, a finger, a small screen, paper.

A figure is found by its file. What it draws is tested beside it, in a file of its own name.
"""

import base64
import csv
import functools
import gzip
import io
import json
import re

import pytest
from PIL import Image

from conftest import AXE, ROOT, SITE, figure_data, page_with
from diffusion_lib import engine
from diffusion_lib.figures._base import lean, module_source, words_of
from machines import RECORDED, maker
from scripts.chromium import start_figures

FIGURES = {path.stem: path.parent.parent for folder in ("diffusion_lib/figures", "book/example_figure") for path in sorted((ROOT / folder).glob("js/[!_]*.js"))}
every_figure = pytest.mark.parametrize("stem", FIGURES)
# The dream machine draws when it is asked to; what its link brings back, and what its clock says, its own tests hold.
every_still_figure = pytest.mark.parametrize("stem", [stem for stem in FIGURES if stem != "dream_machine"])

# All that a reader sees of a figure: pixels, curves, numbers.
DRAWN = """figure => [...figure.querySelectorAll('.live-body canvas, .live-body path, .live-body [data-number]')].filter(e => e.checkVisibility()).map(e =>
    e.tagName === 'CANVAS' ? e.toDataURL() : e.tagName === 'path' ? e.getAttribute('d') : e.textContent)"""
# All that it says: [language, text], and ["label", text] where a part of the text can have no language of its own.
SAID = """figure => [...figure.querySelectorAll('.live:last-child, .live:last-child *')].flatMap(e => [
    ...[...e.childNodes].filter(n => n.nodeType === 3).map(n => [e.closest('[lang]').lang, n.data]),
    ...['aria-label', 'aria-valuetext', 'alt', 'placeholder', 'title'].map(a => ['label', e.getAttribute(a)])]).filter(([, text]) => text?.trim())"""
# What stands in Latin letters in Telugu too: symbols, units, formats; names of people, programs and machines.
MAKERS = sorted({maker(hardware) for hardware in RECORDED} - {""}, key=len, reverse=True)
KEPT = re.compile("|".join([*map(re.escape, MAKERS), r"log-SNR|2 log|MB|MFLOP|px|CSV|PNG|JPEG|WebP|Ho, Salimans|Ho|Salimans|diffusers",
                            r"guidance_scale|DPM-Solver\+\+|pets32-text|GPU|Colab T4"]))
LATIN = re.compile("[A-Za-z]{2,}")                           # t, x and w are symbols


def words(stem: str) -> dict[str, dict[str, str]]:
    return words_of(stem, FIGURES[stem])


def drawn(figure) -> list[str]:
    return figure.evaluate(DRAWN)


def pictures(seen: list[str]) -> list[str]:
    return [one for one in seen if one and one.startswith(("data:", "M"))]


def press(figure, key: str) -> None:
    """A control of the foot, by its key in the table of words."""
    tongue = figure.locator(".live").last.get_attribute("lang")
    figure.locator(".live-foot").get_by_text(words(figure.get_attribute("data-figure"))[tongue][key], exact=True).click()


def change_something(figure) -> None:
    """The second of the first choice, and the clock a third further on."""
    radios = figure.locator(".live-choice input:enabled")
    if radios.count():
        name = radios.first.get_attribute("name")
        figure.locator(f'.live-choice input[name="{name}"]').nth(1).check(force=True)
    figure.locator(".live-time input").evaluate(
        "s => { s.value = (Number(s.value) + Math.ceil(s.max / 3)) % (Number(s.max) + 1); s.dispatchEvent(new Event('input', { bubbles: true })); }")


def tables(figure) -> list[list[str]]:
    figure.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return figure.locator(".live-table").evaluate("box => [...box.querySelectorAll('caption, tr')].map(row => row.cells ? [...row.cells].map(c => c.textContent) : [row.textContent])")


def numerals(text: str) -> list[str]:
    return re.findall(r"\d[\d.,]*\d|\d", text)


def assert_numbers_are_told(figure) -> None:
    told = numerals(" ".join(cell for row in tables(figure) for cell in row))
    shown = numerals(" ".join(figure.locator(".live-body [data-number]:visible").all_text_contents()))
    assert shown and not set(shown) - set(told), f"drawn, but not among the numbers: {sorted(set(shown) - set(told))}"


@every_figure
def test_nobody_is_spoken_to_unasked(open_figure, stem):
    """Numbers that change with every drag are no live regions, and no figure speaks before it was touched."""
    page, figure = open_figure(stem)
    page.wait_for_timeout(1_500)
    assert figure.locator("output").count() == 0
    assert not "".join(figure.locator(".live-hidden[aria-live]").all_text_contents())


# ---- Its state -----------------------------------------------------------------------------------------------------------

@every_still_figure
def test_link_reset_and_numbers(open_figure, open_page, stem):
    page, figure = open_figure(stem)
    first = drawn(figure)
    press(figure, "numbers")
    assert_numbers_are_told(figure)
    change_something(figure)
    changed = drawn(figure)
    assert changed != first
    assert_numbers_are_told(figure)

    with page.expect_download() as download:
        press(figure, "csv")
    rows = list(csv.reader(io.StringIO(download.value.path().read_text(encoding="utf-8-sig"))))
    assert [[cell.replace("−", "-") for cell in row] for row in rows] == [[cell.replace("−", "-") for cell in row] for row in tables(figure)]

    page.evaluate("history.replaceState(null, '', '#another=t:1')")
    press(figure, "link")
    own, *others = page.evaluate("location.hash.slice(1)").split("&")
    assert own.startswith(f"{stem}=") and others == ["another=t:1"]                   # other figures keep their entries
    press(figure, "reset")
    assert drawn(figure) == first
    page.evaluate("own => { location.hash = own; }", own)                             # followed on the same page
    page.wait_for_function(f"([figure, drawn]) => JSON.stringify(({DRAWN})(figure)) === JSON.stringify(drawn)", arg=[figure.element_handle(), changed])

    again = open_page(f"{page_with(stem)}#{own}").locator(f'[data-figure="{stem}"]').first
    again.page.wait_for_function("figure => figure.dataset.state === 'live'", arg=again.element_handle())
    assert drawn(again) == changed
    assert again.evaluate("f => { const { top, bottom } = f.getBoundingClientRect(); return top < innerHeight && bottom > 0; }")      # the link brings the reader there


@every_figure
def test_a_link_that_makes_no_sense_opens_the_figure_as_it_begins(open_figure, open_page, stem):
    _, figure = open_figure(stem)
    parts = re.findall(r"[\[{,]?(\w+):", figure.locator(".live-foot a").get_attribute("href"))
    odd = open_page(f"{page_with(stem)}#{stem}=" + ",".join(f"{part}:{odd}" for part in parts for odd in ("%E0%A4%A", "", "nonsense")) + ",__proto__:1,t")
    broken = odd.locator(f'[data-figure="{stem}"]').first
    odd.wait_for_function("figure => figure.dataset.state === 'live'", arg=broken.element_handle())
    assert drawn(broken) == drawn(figure)


# ---- What it gives away ----------------------------------------------------------------------------------------------------

def left_out(figure) -> list[str]:
    """Which parts would be missing in the picture that readers take away: what a style sheet paints as an image."""
    return figure.locator(".live-body *:not(button, select, input)").evaluate_all(
        "parts => parts.filter(part => getComputedStyle(part).backgroundImage !== 'none').map(part => part.className)")


@every_figure
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_picture_is_what_is_seen(open_figure, stem, theme):
    page, figure = open_figure(stem, color_scheme=theme)
    with page.expect_download() as download:
        press(figure, "picture")
    assert download.value.suggested_filename == f"{stem}.png"
    image = Image.open(download.value.path())
    assert image.format == "PNG"
    body, canvas = figure.locator(".live-body").bounding_box(), figure.locator(".live-body canvas:visible").first
    scale, box = image.width / body["width"], canvas.bounding_box()
    left, top = (box["x"] - body["x"]) * scale, (box["y"] - body["y"]) * scale
    cut = image.convert("RGB").crop((round(left), round(top), round(left + box["width"] * scale), round(top + box["height"] * scale)))
    seen = Image.open(io.BytesIO(base64.b64decode(canvas.evaluate("c => c.toDataURL()").split(",")[1]))).convert("RGB")
    assert seen.getcolors(1) is None or stem == "dream_machine"
    for x in range(1, 8, 2):
        for y in range(1, 8, 2):                             # in the middle of a pixel of the canvas
            i, j = seen.width * x // 8, seen.height * y // 8
            there = cut.getpixel((int((i + 0.5) * cut.width / seen.width), int((j + 0.5) * cut.height / seen.height)))
            assert max(abs(a - b) for a, b in zip(there, seen.getpixel((i, j)))) <= 2
    assert left_out(figure) == []
    assert (sum(image.convert("RGB").getpixel((3, 3))) < 200) == (theme == "dark")
    assert len(image.convert("RGB").getcolors(2**24)) > 50   # words and edges too, not one flat sheet


# ---- Its languages ---------------------------------------------------------------------------------------------------------

@every_figure
def test_the_tables_of_words_are_complete(stem):
    tables = words(stem)
    assert set(tables) == {"en", "te"}
    for language, table in tables.items():
        assert table.keys() == tables["en"].keys(), f"{language}: {table.keys() ^ tables['en'].keys()}"
        for key, text in table.items():
            assert text.strip() or not tables["en"][key].strip(), f"{language}: {key} is empty"
            assert language == "en" or key == "en" or not LATIN.search(KEPT.sub("", re.sub(r"{\w+}|<[^>]*>", "", text))), f"{language}: {key} is {text!r}"
            assert sorted(set(re.findall(r"{\w+}|</?\w+", text))) == sorted(set(re.findall(r"{\w+}|</?\w+", tables["en"][key]))), f"{language}: {key} lacks a place or a mark"
    source = module_source(stem, FIGURES[stem])
    asked = set(re.findall(r"say(?:\.rich)?\('(\w+)'", source))
    assert asked <= set(tables["en"]), f"no words for {asked - set(tables['en'])}"


def test_the_same_words_are_the_same_in_telugu():
    telugu = {}
    for stem in (*FIGURES, "_recorded"):
        tables = words_of(stem, FIGURES.get(stem, FIGURES["dream_machine"]))
        for key, english in tables["en"].items() - {("tongue", "English")}:
            assert telugu.setdefault(english, tables["te"][key]) == tables["te"][key], f"{stem}: {english!r} is {tables['te'][key]!r} here, {telugu[english]!r} elsewhere"


@functools.cache
def names_in(stem: str) -> tuple[list[str], list[str]]:
    """What a figure has as it was written: names of a network's blocks in the code; prompts and their words, where these are its subject."""
    data = figure_data(stem)
    about, prompts = data.get("about", {}), data.get("prompts", [])
    code = [one["module"] for one in data.get("blocks", [])] + [view["of"].get("block", "") for one in prompts for view in one["views"]]
    typed = [about.get("prompt", ""), data.get("own", {}).get("prompt", ""), *(text for _, text in about.get("examples", []))]
    return code, [*typed, *(text for one in prompts for text in (one["caption"], *one["words"]))]


def assert_speaks_telugu(figure, *quoted: str) -> None:
    """Whatever else has Latin letters has to be marked as English, and be a quotation."""
    code, prompts = names_in(figure.get_attribute("data-figure"))
    names = {tongue: "|".join(re.escape(name) for name in sorted({*code, *others} - {""}, key=len, reverse=True)) or "-"
             for tongue, others in (("te", ()), ("en", ("English", *prompts, *quoted)))}
    for tongue, text in figure.evaluate(SAID):
        left = re.sub(f"(?<![A-Za-z])({names['te' if tongue == 'te' else 'en']})(?![A-Za-z])", " ", KEPT.sub(" ", text))
        assert not LATIN.search(left), f"in Telugu it says {text!r} ({tongue})"


@every_figure
def test_in_telugu_it_says_nothing_in_english(open_figure, stem):
    """Neither what JavaScript says nor what Python has written into its data, whatever is chosen, answered or opened."""
    page, figure = open_figure(stem)
    press(figure, "numbers")
    figure.locator(".live-foot select").select_option("te")
    network, own = "models" in figure_data(stem), words(stem)["te"].get("own")            # what brings the network has tests of its own
    radios = figure.locator(".live-choice label").filter(has_not_text=re.compile(f"^{own}$") if network else "-").locator("input")
    for choose in [lambda: figure.locator(".live-bet button").evaluate_all("keys => keys[0]?.click()"),
                   lambda: figure.locator("details").evaluate_all("all => all.forEach(one => { one.open = true; })"),
                   *(lambda k=k: radios.nth(k).evaluate("radio => radio.click()") for k in range(radios.count()))]:
        for value in (0, 1e6):
            figure.locator(".live-time input").evaluate_all(
                "(all, value) => all.forEach(s => { s.value = value; s.dispatchEvent(new Event('input', { bubbles: true })); })", value)
            page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
            assert_speaks_telugu(figure)
        choose()
    page.wait_for_timeout(900)                               # the announcer waits until the reader stands still
    assert_speaks_telugu(figure)


@every_figure
def test_another_language_keeps_the_state(open_figure, stem):
    """On a phone of 320 pixels, with a finger, in the dark: with all that is open the figure fits, and axe finds nothing."""
    page, figure = open_figure(stem, viewport={"width": 320, "height": 640}, has_touch=True, is_mobile=True, color_scheme="dark")
    press(figure, "numbers")
    first = drawn(figure)
    figure.locator(".live-foot select").select_option("te")
    assert figure.locator(".live").last.get_attribute("lang") == "te"
    page.wait_for_timeout(900)                               # the announcer waits until the reader stands still
    assert pictures(drawn(figure)) == pictures(first)        # the state stays
    assert_it_fits(page, figure, 320)
    assert_fingers_fit(figure)
    page.add_script_tag(content=AXE.read_text(encoding="utf-8"))
    faults = figure.evaluate("figure => axe.run(figure).then(result => result.violations)")
    assert not faults, [(fault["id"], [node["html"][:200] for node in fault["nodes"][:3]]) for fault in faults]
    page.reload()
    page.wait_for_function(f"document.querySelector('[data-figure={stem}]').scrollIntoView() ?? document.querySelector('[data-figure={stem}] .live:last-child').lang === 'te'")


# ---- Screens and fingers ---------------------------------------------------------------------------------------------------

def assert_it_fits(page, figure, width: int) -> None:
    """Nothing sticks out on either side, save in a row or a table that can be scrolled by itself."""
    wide = figure.evaluate("""(figure, width) => {
        const scrolls = new Set([...figure.querySelectorAll('*')].filter(e => /auto|scroll/.test(getComputedStyle(e).overflowX)));
        const apart = e => e.closest('.live-hidden, .live-still, svg') || [...scrolls].some(box => box !== e && box.contains(e));
        return [...figure.querySelectorAll('*')].filter(e => e.checkVisibility() && !apart(e)
            && (e.getBoundingClientRect().right > width + 1 || e.getBoundingClientRect().left < -1)).map(e => e.outerHTML.slice(0, 160)); }""", width)
    assert not wide and page.evaluate("document.documentElement.scrollWidth") <= width, wide


def assert_fingers_fit(figure) -> None:
    """WCAG 2.2, 2.5.8: 24 by 24 pixels, but for the U-Net's blocks, which two buttons go through as well; buttons and menus are
    44 high. And no large place that swallows a scrolling finger."""
    small = figure.evaluate("""figure => [...figure.querySelectorAll('button, a, select, input:not([type=file], .live-block input), summary')].filter(e => e.checkVisibility()).map(e => {
        const { width, height } = e.getBoundingClientRect(), least = e.matches('button, a, select') ? 44 : 24;
        return width < 23.5 || height < least - 0.5 ? [e.outerHTML.slice(0, 120), width, height] : null; }).filter(Boolean)""")
    assert not small, small
    traps = figure.evaluate("""figure => [...figure.querySelectorAll('*')].filter(e => e.checkVisibility() && getComputedStyle(e).touchAction === 'none'
        && e.getBoundingClientRect().width > 64).map(e => e.outerHTML.slice(0, 120))""")
    assert not traps, traps


@every_figure
@pytest.mark.parametrize("width", [320, 768, 2560])
def test_it_fits_every_screen(open_figure, stem, width):
    page, figure = open_figure(stem, viewport={"width": width, "height": 900})
    press(figure, "numbers")
    assert_it_fits(page, figure, width)


@every_still_figure
def test_it_can_be_used_without_a_mouse_and_is_spoken(open_figure, stem):
    page, figure = open_figure(stem)
    controls = figure.locator(":is(button, a, select, input:not([type=file]), summary, [tabindex='0']):visible:enabled")
    unreached = controls.evaluate_all("all => all.filter(e => e.tabIndex < 0).map(e => e.outerHTML.slice(0, 120))")
    assert not unreached, unreached
    numbers = figure.locator(".live-foot button[aria-expanded]")
    numbers.focus()
    numbers.press("Enter")
    assert numbers.get_attribute("aria-expanded") == "true" and figure.get_by_role("region").locator("table").count() > 0
    slider = figure.locator(".live-time input")
    slider.focus()
    slider.press("Home")
    slider.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext")
    page.wait_for_function("figure => [...figure.querySelectorAll('.live-body [aria-live]')].some(e => e.textContent.trim())", arg=figure.element_handle())
    figure.locator(".live-foot button").first.press("Space")
    assert figure.get_by_role("status").last.text_content() == words(stem)["en"]["wasReset"]


@every_figure
def test_nothing_moves_where_motion_is_not_wanted(open_figure, stem):
    page, figure = open_figure(stem, reduced_motion="reduce")
    before = drawn(figure)
    page.wait_for_timeout(1_500)
    assert drawn(figure) == before
    assert figure.evaluate("figure => figure.getAnimations({ subtree: true }).length") == 0


# ---- Without it ------------------------------------------------------------------------------------------------------------

@every_figure
def test_still_pictures_stay_where_the_module_fails(open_page, address, stem):
    page = open_page("search.html")                          # a page without figures; the route below has to come first
    page.route(f"**/_static/figures/{stem}.js*", lambda route: route.fulfill(status=200, content_type="text/javascript", body="throw new Error('broken');"))
    page.goto(address + page_with(stem))
    figure = page.locator(f'[data-figure="{stem}"]').first
    figure.scroll_into_view_if_needed()
    page.wait_for_function("figure => figure.dataset.state === 'still'", arg=figure.element_handle())
    assert figure.locator("img").first.is_visible()
    assert page.faults and all("could not start: broken" in fault for fault in page.faults)
    page.faults.clear()


@every_figure
def test_print_shows_the_still_pictures(open_figure, stem):
    page, figure = open_figure(stem)
    assert figure.locator("canvas").first.is_visible() and not figure.locator("img").first.is_visible()
    page.emulate_media(media="print")
    assert figure.locator("img").first.is_visible() and not figure.locator("canvas, .live-foot").first.is_visible()


@every_figure
def test_it_keeps_its_budget(stem):
    """JavaScript: all parts but the engine, which has its own bar (tests/test_engine.py). Data: with the module."""
    module = (SITE / "_static" / "figures" / f"{stem}.js").read_text(encoding="utf-8")
    assert module == module_source(stem, FIGURES[stem]), "the built site has another module: run `make site`"
    assert len(json.dumps(figure_data(stem), ensure_ascii=False).encode()) + len(module.encode()) <= 500_000
    own = module.replace(lean(engine.module_source()), "")
    assert 3_000 < len(gzip.compress(own.encode(), 9)) <= 15_000


@every_figure
@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_jumps_when_it_comes_to_life(open_page, stem, width):
    """Room for the figure is kept: what follows it moves by less than a line of text for every screen of figure."""
    page = open_page("search.html", viewport={"width": width, "height": 900})
    page.add_init_script("new PerformanceObserver(l => { for (const e of l.getEntries()) window.shift = (window.shift ?? 0) + e.value; }).observe({ type: 'layout-shift', buffered: true })")
    page.goto(page.url.replace("search.html", page_with(stem)))
    start_figures(page)
    page.wait_for_timeout(300)
    assert page.evaluate("window.shift ?? 0") < 0.1
