"""What a page of the built book weighs, and how fast it comes to a telephone.

    python benchmarks/page_speed.py                          # kilobytes of every page, by kind
    python benchmarks/page_speed.py --lighthouse             # the marks of Lighthouse for some pages, median of 5
    python benchmarks/page_speed.py --table                  # the marks that were measured

To be weighed, a page is opened in Chromium and scrolled to its end, so that figures start and pictures come that load late.
Lighthouse comes into `.peers`, once (npm); the project does not depend on it.
"""

import argparse
import gzip
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from statistics import median

from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from diffusion_lib.hardware import processor_name  # noqa: E402
from rows import write  # noqa: E402
from scripts.chromium import chromium, path_of_chromium, start_figures  # noqa: E402
from scripts.quiet import refuse_when_busy  # noqa: E402
from scripts.serve import Quiet, serving  # noqa: E402

# Kind -> the addresses that are of this kind; the first that matches counts.
KINDS = {
    "figure data": r"/_static/(models|data)/",
    "figure code": r"/_static/(figures/|mount\.js)",
    "fonts": r"\.(woff2?|ttf)$",
    "styles": r"\.css$",
    "scripts": r"\.js$",
    "pictures": r"\.(png|webp|svg|jpe?g|gif)$",
    "text": r"(\.html|/)$",
}
PAGE = ("text", "styles", "scripts", "fonts", "figure code")                  # what a reader waits for: all but pictures and data

LIGHTHOUSE, NPM = "12.8.2", ROOT / "benchmarks" / ".peers" / "lighthouse"      # the newest that runs on Node.js 20
RECORD = ROOT / "book" / "records" / "page_speed.json"
SOME_PAGES = ("index.html", "notebooks/04_magic_eraser.html", "notebooks/13_sampling.html", "book/notation.html")
MARKS = {"performance": "performance", "accessibility": "accessibility", "best-practices": "best practices", "seo": "SEO"}
TIMES = {"first-contentful-paint": "first text, s", "largest-contentful-paint": "largest thing, s",
         "total-blocking-time": "blocked, ms", "cumulative-layout-shift": "moved"}


# Bytes -----------------------------------------------------------------------------------------------------------------

def kind_of(address: str) -> str:
    """Which kind of thing lies at this address."""
    return next((kind for kind, pattern in KINDS.items() if re.search(pattern, address.split("?")[0])), "other")


def zipped(content: bytes) -> int:
    """Bytes on the way to the reader: gzip where it helps (not for pictures and fonts, which are packed already)."""
    return min(len(content), len(gzip.compress(content, 6)))


def weigh(page: Page, address: str) -> dict[str, int]:
    """Opens the address, scrolls to its end, and returns the gzip bytes of all that came, by kind.

    page: with a route of its own, since that switches the browser's cache off.
    """
    came = []
    keep = lambda response: came.append(response)  # noqa: E731 (playwright wants a function of its own)
    page.on("response", keep)
    page.goto(address, wait_until="load")
    start_figures(page)
    page.evaluate("""async () => { for (let y = 0; y < document.body.scrollHeight; y += innerHeight)
                     { scrollTo(0, y); await new Promise(requestAnimationFrame); } await document.fonts.ready }""")
    page.wait_for_load_state("networkidle")
    page.remove_listener("response", keep)
    weights = dict.fromkeys([*KINDS, "other"], 0)
    for response in came:
        if response.url.startswith("http") and response.status == 200:
            weights[kind_of(response.url)] += zipped(response.body())
    return weights


def table_of_weights(weights: dict[str, dict[str, int]]) -> str:
    """Markdown: a row for each page, kilobytes for each kind."""
    kinds = [*reversed(KINDS)]
    rows = [["page", *kinds, "page without pictures and data"]]
    for name, weight in weights.items():
        assert not weight["other"], f"{name} loads something of no known kind"
        rows.append([name, *(f"{weight[kind] / 1000:.0f}" for kind in kinds), f"{sum(weight[kind] for kind in PAGE) / 1000:.0f}"])
    return markdown(rows)


def markdown(rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in [rows[0], ["---"] * len(rows[0]), *rows[1:]])


# Marks -----------------------------------------------------------------------------------------------------------------

class Zipping(Quiet):
    """Serves text as hosts of static pages do: packed, over connections that stay open."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        file = Path(self.translate_path(self.path))
        if file.suffix not in {".html", ".css", ".js", ".json", ".svg"} or not file.is_file():
            return super().do_GET()
        content = gzip.compress(file.read_bytes(), 6)
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(file))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def lighthouse(address: str) -> dict:
    """One run of Lighthouse as it judges telephones by default: simulated slow 4G, a processor slowed down four times."""
    if json.loads((NPM / "package.json").read_text())["dependencies"]["lighthouse"] != LIGHTHOUSE:
        raise SystemExit(f"{NPM} holds another version. Remove it, and the right one comes.")
    run = subprocess.run(
        ["node", NPM / "node_modules" / "lighthouse" / "cli" / "index.js", address, "--output=json", "--quiet",
         f"--only-categories={','.join(MARKS)}", "--chrome-flags=--headless=new --no-sandbox"],
        capture_output=True, text=True, env={**os.environ, **({"CHROME_PATH": path} if (path := path_of_chromium()) else {})})
    if run.returncode:
        raise SystemExit(f"Lighthouse failed: {run.stderr[-2000:]}")
    return json.loads(run.stdout)


def judge(address: str, runs: int) -> dict:
    """The medians of the marks (0 to 100) and times, and which audits found fault, with the number of runs in which they did."""
    reports = [lighthouse(address) for _ in range(runs)]
    faults = {}
    for report in reports:
        for name in {ref["id"] for category in report["categories"].values() for ref in category["auditRefs"] if ref["weight"]}:
            audit = report["audits"][name]
            if audit["scoreDisplayMode"] in ("binary", "numeric") and (audit["score"] or 0) < 0.9:
                faults[name] = faults.get(name, 0) + 1
    return {"marks": {name: round(100 * median(report["categories"][name]["score"] for report in reports)) for name in MARKS},
            "times": {name: round(median(report["audits"][name]["numericValue"] for report in reports), 3) for name in TIMES},
            "runs": runs, "faults": faults}


def table_of_marks(record: dict) -> str:
    rows = [["page", *MARKS.values(), *TIMES.values(), "what found fault"]]
    for name, said in record["pages"].items():
        times = said["times"]
        rows.append([name, *(str(said["marks"][mark]) for mark in MARKS),
                     f"{times['first-contentful-paint'] / 1000:.1f}", f"{times['largest-contentful-paint'] / 1000:.1f}",
                     f"{times['total-blocking-time']:.0f}", f"{times['cumulative-layout-shift']:.3f}",
                     ", ".join(said["faults"]) or "–"])
    return markdown(rows)


def measure_marks(site: Path, pages: list[str], runs: int, anyway: bool) -> dict:
    """The record: the marks of these pages, and on what machine they were measured."""
    others = refuse_when_busy(anyway)
    if not NPM.is_dir():
        subprocess.run(["npm", "install", "--prefix", NPM, f"lighthouse@{LIGHTHOUSE}", "--save-exact", "--ignore-scripts",
                        "--no-audit", "--no-fund", "--loglevel=error"], check=True)
    with serving(site, Zipping) as address:
        return {"pages": {name: judge(address + name, runs) for name in pages}, "lighthouse": LIGHTHOUSE,
                "others": round(others, 2), "machine": f"{os.cpu_count()} cores of {processor_name()}"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", help="such as notebooks/13_sampling.html")
    parser.add_argument("--site", type=Path, default=ROOT / "_build" / "html", help="the built site")
    parser.add_argument("--lighthouse", action="store_true", help="marks instead of kilobytes")
    parser.add_argument("--runs", type=int, default=5, help="runs of Lighthouse a page, of which the median counts")
    parser.add_argument("--record", type=Path, default=RECORD, help="where the marks are written")
    parser.add_argument("--table", action="store_true", help="print the marks that were measured, and measure nothing")
    parser.add_argument("--anyway", action="store_true", help="measure although other programs are busy")
    options = parser.parse_args()
    if options.lighthouse:
        record = measure_marks(options.site, options.pages or [*SOME_PAGES], options.runs, options.anyway)
        options.record.parent.mkdir(parents=True, exist_ok=True)
        write(options.record, json.dumps(record, indent=1) + "\n")
    if options.lighthouse or options.table:
        return print(table_of_marks(json.loads(options.record.read_text(encoding="utf-8"))))
    names = options.pages or sorted(file.relative_to(options.site).as_posix() for file in options.site.rglob("*.html")
                                    if "_static" not in file.parts)
    with serving(options.site) as address, chromium() as browser:
        page = browser.new_page(viewport={"width": 390, "height": 844}, reduced_motion="reduce")
        page.route("**/*", lambda route: route.continue_())
        print("Kilobytes (1,000 bytes) as they travel, gzip where it helps.\n")
        print(table_of_weights({name: weigh(page, address + name) for name in names}))


if __name__ == "__main__":
    main()
