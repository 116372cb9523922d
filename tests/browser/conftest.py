"""The built site in headless Chromium, with every other host blocked.

Nothing is built here: `make site` comes first, or SITE_DIR names a folder that holds a built site. A page fails its test
when it writes an error to the console, asks another host for anything, or asks for a file that is not there.
"""

import json
import os
import re
import socket
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from scripts.chromium import chromium  # noqa: E402
from scripts.serve import serving  # noqa: E402

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
SITE = Path(os.environ.get("SITE_DIR", ROOT / "_build" / "html")).resolve()


def free_port() -> int:
    """Of this machine, one that nobody listens on."""
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return place.getsockname()[1]


def page_names() -> list[str]:
    """Every page of the site, for example notebooks/01_static.html."""
    return sorted(p.relative_to(SITE).as_posix() for p in SITE.rglob("*.html") if "_static" not in p.parts)


def page_with(figure: str) -> str:
    """The last page that shows this live figure, in the order of their names."""
    names = [name for name in page_names() if f'data-figure="{figure}"' in (SITE / name).read_text(encoding="utf-8")]
    assert names, f"no page of {SITE} shows the figure {figure}"
    return names[-1]


def figure_data(figure: str) -> dict:
    """What Python has made for this figure: the file that its page names."""
    page = SITE / page_with(figure)
    source = re.search(rf'data-figure="{figure}"[^>]* data-source="([^"]+)"', page.read_text(encoding="utf-8"))[1]
    return json.loads((page.parent / source).read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def address():
    if not (SITE / "index.html").is_file():
        pytest.fail(f"there is no built site in {SITE}: run `make site` first, or set SITE_DIR")
    with serving(SITE) as address:
        yield address


@pytest.fixture(scope="session")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def open_page(browser, address):
    """open_page(name, **context options) -> a page; whatever goes wrong on it is collected and fails the test at its end."""
    faults, contexts = [], []

    def block(route):
        if route.request.url.startswith((address, "data:", "blob:")):
            return route.continue_()
        faults.append(f"asked another host: {route.request.url}")
        route.abort()

    def open_page(name: str, **options):
        contexts.append(browser.new_context(**{"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce", **options}))
        page = contexts[-1].new_page()
        page.set_default_timeout(60_000)
        page.route("**/*", block)
        page.on("console", lambda m: m.type == "error" and faults.append(f"console: {m.text}"))
        page.on("pageerror", lambda error: faults.append(f"error: {error}"))
        page.on("response", lambda r: r.status >= 400 and faults.append(f"{r.status}: {r.url}"))
        page.faults = faults
        page.goto(address + name, wait_until="load")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not faults, "\n".join(faults)


@pytest.fixture
def open_figure(open_page):
    """open_figure(stem, **context options) -> (page, the figure's element), once it is live."""

    def open_figure(stem: str, **options):
        page = open_page(page_with(stem), **options)
        figure = page.locator(f'[data-figure="{stem}"]').first
        figure.scroll_into_view_if_needed()
        page.wait_for_function("figure => figure.dataset.state === 'live'", arg=figure.element_handle())
        return page, figure

    return open_figure
