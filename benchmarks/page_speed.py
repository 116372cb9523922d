"""What a page of the built book weighs, by kind, in Chromium:  .venv/bin/python benchmarks/page_speed.py

Each page is opened and scrolled to its end, so that figures start and pictures come that load late.
"""

import argparse
import gzip
import re
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts.serve import serving  # noqa: E402

# Kind -> the addresses that are of this kind; the first that matches counts.
KINDS = {
    "figure data": r"/_static/(models|data)/",
    "figure code": r"/_static/(figures/|mount\.js)",
    "maths": r"/mathjax/",
    "fonts": r"\.(woff2?|ttf)$",
    "styles": r"\.css$",
    "scripts": r"\.js$",
    "pictures": r"\.(png|webp|svg|jpe?g|gif)$",
    "text": r"(\.html|/)$",
}
PAGE = ("text", "styles", "scripts", "fonts", "maths", "figure code")         # what a reader waits for: all but pictures and data
INLINE_DATA = re.compile(r'(?<=<script type="application/json">).*?(?=</script>)|data:image/[^"]*', re.DOTALL)
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def kind_of(address: str) -> str:
    """Which kind of thing lies at this address."""
    return next((kind for kind, pattern in KINDS.items() if re.search(pattern, address.split("?")[0])), "other")


def zipped(content: bytes) -> int:
    """Bytes on the way to the reader: gzip where it helps (not for pictures and fonts, which are packed already)."""
    return min(len(content), len(gzip.compress(content, 6)))


def weigh(page: Page, address: str) -> dict[str, int]:
    """Opens the address, scrolls to its end, and returns the gzip bytes of all that came, by kind.

    page: with a route of its own, since that switches the browser's cache off. What figures carry inside the HTML
    (their data, their still pictures) counts as figure data.
    """
    came = []
    keep = lambda response: came.append(response)  # noqa: E731 (playwright wants a function of its own)
    page.on("response", keep)
    page.goto(address, wait_until="load")
    for figure in page.locator("[data-figure]").all():
        figure.scroll_into_view_if_needed()
        page.wait_for_function("figure => figure.dataset.state", arg=figure.element_handle())
    page.evaluate("""async () => { for (let y = 0; y < document.body.scrollHeight; y += innerHeight)
                     { scrollTo(0, y); await new Promise(requestAnimationFrame); } await document.fonts.ready }""")
    page.wait_for_load_state("networkidle")
    page.remove_listener("response", keep)
    weights = dict.fromkeys([*KINDS, "other"], 0)
    for response in came:
        if response.url.startswith("http") and response.status == 200:
            body, kind = response.body(), kind_of(response.url)
            if kind == "text":
                bare = INLINE_DATA.sub("", body.decode()).encode()
                weights["figure data"] += zipped(body) - zipped(bare)
                body = bare
            weights[kind] += zipped(body)
    return weights


def table(weights: dict[str, dict[str, int]]) -> str:
    """Markdown: a row for each page, kilobytes for each kind."""
    kinds = [*reversed(KINDS)]
    rows = [["page", *kinds, "page without pictures and data"]]
    for name, weight in weights.items():
        assert not weight["other"], f"{name} loads something of no known kind"
        rows.append([name, *(f"{weight[kind] / 1000:.0f}" for kind in kinds), f"{sum(weight[kind] for kind in PAGE) / 1000:.0f}"])
    return "\n".join("| " + " | ".join(row) + " |" for row in [rows[0], ["---"] * len(rows[0]), *rows[1:]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", help="such as notebooks/13_sampling.html; all pages otherwise")
    parser.add_argument("--site", type=Path, default=ROOT / "_build" / "html", help="the built site")
    options = parser.parse_args()
    names = options.pages or sorted(file.relative_to(options.site).as_posix() for file in options.site.rglob("*.html")
                                    if "_static" not in file.parts)
    with serving(options.site) as address, sync_playwright() as playwright:
        found = next(filter(None, map(shutil.which, BROWSERS)), None)
        chromium = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": 390, "height": 844}, reduced_motion="reduce")
        page.route("**/*", lambda route: route.continue_())
        print("Kilobytes (1,000 bytes) as they travel, gzip where it helps.\n")
        print(table({name: weigh(page, address + name) for name in names}))


if __name__ == "__main__":
    main()
