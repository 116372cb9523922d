"""What the book adds to Jupyter Book.

Before the build a notebook that was not run by `scripts/run_notebooks.py` is refused. While reading, nbgrader's marker lines
are left out, and every picture must have an alt text. After writing, the models that figures run are laid beside the pages.
The rest stands in modules of its own: `assets` (fonts, figures), `layout` (the theme), `formulas`, `pictures`.
"""

import os
import re
import sys
from pathlib import Path

import nbformat
from docutils import nodes
from jupyter_cache import get_cache
from sphinx.errors import ConfigError, ExtensionError
from sphinx.util import logging

logger = logging.getLogger(__name__)
ROOT = Path(__file__).resolve().parents[2]


# ---- Before the build ------------------------------------------------------------------------------------------------

def refuse_untested(app, env, docnames):
    """A notebook's page shows the run that was tested; one that Jupyter Book ran by itself would show widgets, which are dead."""
    if app.config.nb_execution_mode != "cache":
        return
    cache = get_cache(app.config.nb_execution_cache_path)
    for path in (Path(env.doc2path(docname)) for docname in docnames):
        if path.suffix == ".ipynb":
            try:
                cache.match_cache_notebook(nbformat.read(path, as_version=4))
            except KeyError:
                raise ConfigError(f"{path.name} has not been run as it is now. "
                                  "Run scripts/run_notebooks.py first; `make site` does.") from None


# ---- While reading ---------------------------------------------------------------------------------------------------

MARKER = re.compile(r"^[ \t]*### (BEGIN|END) (SOLUTION|HIDDEN TESTS)[ \t]*\n?", re.MULTILINE)


def hide_markers(app, doctree):
    """nbgrader's marker lines are for nbgrader."""
    for block in doctree.findall(nodes.literal_block):
        if MARKER.search(block.astext()):
            text = MARKER.sub("", block.astext()).rstrip("\n")
            block.rawsource, block[:] = text, [nodes.Text(text)]


def check_alt_texts(app, doctree):
    """A picture without an alt text is a warning, and so (with -W) fails the build."""
    for image in doctree.findall(nodes.image):
        if not image.get("alt", "").strip():
            logger.warning("this picture has no alt text: %s", image.get("uri"), location=image, type="book", subtype="alt")


# ---- After writing ---------------------------------------------------------------------------------------------------

# What is written otherwise than readers need it -> how they need it.
REPAIRS = [(re.compile(pattern), better) for pattern, better in [
    (r'<summary aria-label="Toggle hidden content">', "<summary>"),                               # its text is its name
    (r'("docnames": ?\[[^\]]*)"book/index"', r'\1"index"'),                                        # where BookBuilder puts it
]]


def repair_pages(app, exception):
    if exception or app.builder.format != "html":
        return
    for file in [*Path(app.outdir).rglob("*.html"), Path(app.outdir, "searchindex.js")]:
        text = before = file.read_text(encoding="utf-8")
        for pattern, better in REPAIRS:
            text = pattern.sub(better, text)
        if text != before:
            file.write_text(text, encoding="utf-8")


MODEL = re.compile(r'"file": ?"(models/([^"/]+)\.[0-9a-f]{12}\.\w+)"')


def lay_models(app, exception):
    """The models that figures of the pages run, and no others, as files below `_static/models`, named by their content."""
    if exception or app.builder.format != "html":
        return
    pages = "".join(file.read_text(encoding="utf-8") for file in Path(app.outdir).rglob("*") if file.suffix in (".html", ".json"))
    wanted, folder = dict(MODEL.findall(pages)), Path(app.outdir, "_static", "models")
    for stale in set(folder.glob("*")) - {folder.parent / file for file in wanted}:
        stale.unlink()
    for file, name in wanted.items():
        if not (folder.parent / file).is_file():
            from diffusion_lib.figures._models import content_of, file_of

            if file_of(name) != file:
                raise ExtensionError(f"a page asks for {file}, but {name} is {file_of(name)} now. "
                                     "Run scripts/run_notebooks.py; `make site` does.")
            folder.mkdir(parents=True, exist_ok=True)
            (folder.parent / file).write_bytes(content_of(name))


def setup(app):
    os.environ["BOOK_BUILD"] = "1"                           # kernels that the build starts inherit it
    sys.path.insert(0, str(ROOT))
    for module in ("assets", "layout", "formulas", "pictures"):
        app.setup_extension(module)
    app.connect("env-before-read-docs", refuse_untested)
    app.connect("doctree-read", hide_markers)
    app.connect("doctree-read", check_alt_texts)
    app.connect("build-finished", repair_pages)
    app.connect("build-finished", lay_models, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True, "version": "1"}
