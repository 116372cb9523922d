"""Chromium for whoever looks at the site: its tests, and the benchmarks of pages."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def path_of_chromium() -> str | None:
    """Where the machine's own Chromium is; None where Playwright has brought one."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def chromium() -> Iterator[Browser]:
    """While this lasts, a headless Chromium runs."""
    with sync_playwright() as playwright:
        # --no-sandbox: Chromium refuses to sandbox itself when root runs it, as in a container.
        browser = playwright.chromium.launch(executable_path=path_of_chromium(), args=["--no-sandbox"])
        yield browser
        browser.close()


def start_figures(page: Page) -> None:
    """Scroll to each figure of the page, and wait until it lives, or stands still for good."""
    for figure in page.locator("[data-figure]").all():
        figure.scroll_into_view_if_needed()
        page.wait_for_function("figure => figure.dataset.state", arg=figure.element_handle())
