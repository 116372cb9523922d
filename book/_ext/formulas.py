"""Formulas are drawn when the book is built: a page needs no script and no fonts for them, and they are there at once.

A formula becomes an SVG whose letters are drawn once a page, with the same formula as MathML beside it for screen readers.
"""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

from docutils import nodes
from sphinx.errors import ExtensionError

HERE = Path(__file__).resolve().parent
PACKAGES = HERE.parents[1] / "package.json"
WAITING = re.compile(r'<tex-(inline|display)>(.*?)</tex-\1>', re.DOTALL)
FOLLOWED = re.compile(r"(</tex-inline>)(</span>)([.,;:!?)]+)")


def wait_inline(translator, node):
    """A formula among words, until `draw_formulas` draws it."""
    start, text = translator.starttag(node, "span", "", CLASS="math notranslate"), html.escape(node.astext(), quote=False)
    translator.body.append(f"{start}<tex-inline>{text}</tex-inline></span>")
    raise nodes.SkipNode


def wait_display(translator, node):
    """A formula on lines of its own; where it has several, they are aligned at the signs &."""
    tex = node.astext()
    if r"\\" in tex and r"\begin" not in tex:
        tex = rf"\begin{{split}}{tex}\end{{split}}"
    start, text = translator.starttag(node, "div", "", CLASS="math notranslate"), html.escape(tex, quote=False)
    translator.body.append(f"{start}<tex-display>{text}</tex-display></div>\n")
    raise nodes.SkipNode


def draw_formulas(app, exception):
    """All formulas of the pages that were written now, in one run of MathJax."""
    if exception or app.builder.format != "html":
        return
    pages = {file: text for file in Path(app.outdir).rglob("*.html") if "<tex-" in (text := file.read_text(encoding="utf-8"))}
    if not pages:
        return
    for (file, text), drawn in zip(pages.items(), draw([formulas_in(text) for text in pages.values()]), strict=True):
        formulas = iter(drawn["formulas"])
        text = WAITING.sub(lambda waiting: next(formulas), held(text))
        shapes = f'<svg width="0" height="0" style="position: absolute" aria-hidden="true">{drawn["shapes"]}</svg>\n'
        file.write_text(text.replace('<main id="text"', f'{shapes}<main id="text"', 1), encoding="utf-8")


def held(text: str) -> str:
    """Signs that follow a formula among words stay on its line, which no browser breaks: Safari would begin the next one with them."""
    return FOLLOWED.sub(r"\1\3\2", text)


def formulas_in(text: str) -> list[tuple[str, bool]]:
    """(TeX, whether it stands on lines of its own) for each formula of a page that waits to be drawn."""
    return [(html.unescape(tex).strip(), kind == "display") for kind, tex in WAITING.findall(text)]


def draw(pages: list[list[tuple[str, bool]]]) -> list[dict]:
    """For each page {"formulas": HTML of each, "shapes": SVG of the letters that they use}. Wrong TeX raises ExtensionError."""
    node = shutil.which("node")
    if node is None:
        raise ExtensionError("formulas are drawn by Node.js, and there is no `node` on the PATH. `make site` brings its own.")
    run = subprocess.run([node, HERE / "typeset.mjs", PACKAGES], input=json.dumps(pages), capture_output=True, encoding="utf-8")
    if run.returncode:
        raise ExtensionError(f"a formula cannot be drawn: {run.stderr.strip() or 'node failed'}")
    return json.loads(run.stdout)


def setup(app):
    app.add_html_math_renderer("drawn", (wait_inline, None), (wait_display, None))
    app.connect("build-finished", draw_formulas)
    return {"parallel_read_safe": True, "parallel_write_safe": True, "version": "1"}
