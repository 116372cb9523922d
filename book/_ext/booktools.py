"""What the book adds to Jupyter Book.

Before the build: MathJax, fonts and figure modules are laid into `book/_static`, so that no page asks another host; a
notebook that was not run by `scripts/run_notebooks.py` is refused.
While reading: nbgrader's marker lines are left out, and every picture must have an alt text.
While writing: no script twice, no icon script beside the icon font, accessible names where the theme has faults.
"""

import os
import re
import shutil
import sys
from pathlib import Path

import nbformat
from docutils import nodes
from jupyter_cache import get_cache
from sphinx.builders.html import StandaloneHTMLBuilder
from sphinx.errors import ConfigError, ExtensionError
from sphinx.util import logging

logger = logging.getLogger(__name__)
ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "book" / "_static"

# What the pages need from npm packages: files in node_modules -> folder under _static/vendor.
VENDOR = {
    "mathjax/es5/tex-chtml.js": "mathjax",
    "mathjax/es5/output/chtml/fonts/woff-v2/*.woff": "mathjax/output/chtml/fonts/woff-v2",
    "@fontsource-variable/literata/files/literata-latin-opsz-*.woff2": "fonts",
    "@fontsource-variable/literata/files/literata-latin-ext-opsz-normal.woff2": "fonts",
    "@fontsource-variable/literata/files/literata-greek-opsz-*.woff2": "fonts",
    "@fontsource-variable/ibm-plex-sans/files/ibm-plex-sans-latin-wght-normal.woff2": "fonts",
    "@fontsource-variable/ibm-plex-sans/files/ibm-plex-sans-greek-wght-normal.woff2": "fonts",
    "@fontsource-variable/noto-sans-telugu/files/noto-sans-telugu-telugu-wght-normal.woff2": "fonts",
    "@ibm/plex-mono/fonts/split/woff2/IBMPlexMono-Regular-*.woff2": "fonts",
    "@ibm/plex-mono/fonts/split/woff2/IBMPlexMono-SemiBold-Latin1.woff2": "fonts",
}


# ---- Before the build ------------------------------------------------------------------------------------------------

def copy_assets(app, config):
    """node_modules and diffusion_lib/figures/js -> book/_static (both folders are ignored by git)."""
    for pattern, folder in VENDOR.items():
        found = sorted((ROOT / "node_modules").glob(pattern))
        if not found:
            raise ConfigError(f"node_modules/{pattern} is missing. Run `npm ci --ignore-scripts` first; `make site` does it.")
        for source in found:
            write_if_changed(STATIC / "vendor" / folder / source.name, source.read_bytes())
    from diffusion_lib.figures._base import module_source

    figures = ROOT / "diffusion_lib" / "figures"
    for module in [*figures.glob("js/[!_]*.js"), *ROOT.glob("book/example_figure/js/*.js")]:
        write_if_changed(STATIC / "figures" / module.name, module_source(module.stem, module.parent.parent).encode())
    write_if_changed(STATIC / "figures" / "figures.css", (figures / "js" / "_shared.css").read_bytes())


def write_if_changed(path: Path, content: bytes):
    if not path.is_file() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def draw_static(app, config):
    """The book's one ornament, drawn by its own noise: shapes that stand in static on the left and in the clear on the right.

    Each column has a time t that falls to 0; a pixel of the shape (x0 = 1) is kept where x_t = alpha x0 + sigma eps > 0.
    """
    ornaments = {"line.png": (3, 480, 1.0), "title.png": (64, 90, 0.6)}                         # height, width, first t
    if all((STATIC / "vendor" / name).is_file() for name in ornaments):
        return
    import torch
    from PIL import Image

    from diffusion_lib import CosineSchedule, CounterGenerator, diffuse, randn

    for name, (height, width, start) in ornaments.items():
        columns = torch.ones(width, height)
        x_t = diffuse(columns, randn(columns.shape, CounterGenerator(7)), start * torch.linspace(1, 0, width) ** 2, CosineSchedule())
        kept = Image.fromarray((x_t.T > 0).byte().mul(255).numpy())
        (STATIC / "vendor").mkdir(parents=True, exist_ok=True)
        Image.merge("LA", [Image.new("L", kept.size), kept]).save(STATIC / "vendor" / name)


def repository(app, config):
    """Buttons to the repository and to Colab, where the repository is known; no dead buttons where it is not."""
    options, name = config.html_theme_options, os.environ.get("GITHUB_REPOSITORY", "")
    options["repository_url"] = f"{os.environ.get('GITHUB_SERVER_URL', 'https://github.com')}/{name}" if name else ""
    options["repository_branch"] = os.environ.get("BOOK_BRANCH", "main")
    options["use_repository_button"] = bool(name)
    if not name:
        options["launch_buttons"] = {}


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
                raise ConfigError(f"{path.name} has not been run as it is now. Run scripts/run_notebooks.py first; `make site` does.") from None


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


# ---- While writing ---------------------------------------------------------------------------------------------------

class BookBuilder(StandaloneHTMLBuilder):
    """The title page lives at the top of the site, although its source, book/index.md, does not."""

    def get_target_uri(self, docname, typ=None):
        return super().get_target_uri("index" if docname == self.config.root_doc else docname, typ)

    def get_outfilename(self, pagename):
        return super().get_outfilename("index" if pagename == self.config.root_doc else pagename)


# The fonts of the first screen are asked for at once, so that the text does not move when they come.
FIRST_FONTS = ("literata-latin-opsz-normal", "ibm-plex-sans-latin-wght-normal")
# Told to the browser too: it refuses whatever a page might ask of another host.
OWN_HOST_ONLY = "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'"


def page_context(app, pagename, templatename, context, doctree):
    """Each script once (Sphinx adds some twice), and over a chapter's title the part of the book it belongs to."""
    seen, scripts = set(), []
    for script in context.get("script_files", []):
        key = (script.filename or "", tuple(sorted((k, str(v)) for k, v in script.attributes.items())))
        if key not in seen:
            seen.add(key)
            scripts.append(script)
    context["script_files"] = scripts
    refuse_other_hosts(pagename, scripts)
    fonts = "".join(f'<link rel="preload" href="{context["content_root"]}_static/vendor/fonts/{name}.woff2" as="font" type="font/woff2" crossorigin>\n'
                    for name in FIRST_FONTS)
    context["metatags"] = f'<meta http-equiv="Content-Security-Policy" content="{OWN_HOST_ONLY}">\n{fonts}{context.get("metatags", "")}'
    if part := part_of(app, pagename):
        context["body"] = context["body"].replace("<h1>", f'<p class="kicker">{part}</p>\n<h1>', 1)


# A page that lies on the disk may not load modules, so mount.js cannot say why its figures stand still; this line can.
FROM_A_FILE = """<script>
if (location.protocol === 'file:') for (const figure of document.querySelectorAll('[data-figure]')) figure.insertAdjacentHTML('beforeend',
  '<p class="live-from-file" role="note">This page was opened from a file, and from there a browser loads no live figures. Any web server brings them to life, for example <code>make book</code>.</p>');
</script>"""


def say_why_figures_stand_still(app, pagename, templatename, context, doctree):
    """Under each figure of a page that was opened from the disk."""
    if "data-figure=" in context.get("body", ""):
        context["body"] += FROM_A_FILE


def refuse_other_hosts(pagename: str, scripts):
    """Raises ExtensionError for a script from elsewhere, such as the widget runtime that myst-nb adds where a widget is shown."""
    foreign = [script.filename for script in scripts if re.match(r"(https?:)?//", script.filename or "")]
    if foreign:
        raise ExtensionError(f"{pagename} would load {', '.join(foreign)}, but it may ask no other host. Does a cell show a widget?")


def part_of(app, docname: str) -> str:
    """The caption under which a chapter stands in `_toc.yml`."""
    parts = app.config.external_site_map[app.config.root_doc].subtrees
    return next((part.caption for part in parts if docname in part.items), "")


# What the theme writes -> what it should have written.
REPAIRS = [(re.compile(pattern), better) for pattern, better in [
    (r"<(?:script|link)[^>]*scripts/fontawesome\.js[^>]*>(?:</script>)?\s*", ""),                  # the icon font is there already
    (r'(<button[^>]*search-button-field[^>]*) aria-label="Search"', r"\1"),                       # its text is its name
    (r'<summary>(<span class="toctree-toggle")', r'<summary aria-label="Pages of this section">\1'),
    (r'<summary aria-label="Toggle hidden content">', "<summary>"),                               # so is a summary's
    (r'<div class="sidebar-primary-item">(\s*<a class="navbar-brand)', r'<div class="sidebar-primary-item" role="navigation" aria-label="Book">\1'),
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
    """The models that figures of the pages run, and no others, as files below `_static/models` that are named by their content."""
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
                raise ExtensionError(f"a page asks for {file}, but {name} is {file_of(name)} now. Run scripts/run_notebooks.py; `make site` does.")
            write_if_changed(folder.parent / file, content_of(name))


def setup(app):
    os.environ["BOOK_BUILD"] = "1"                           # kernels that the build starts inherit it
    sys.path.insert(0, str(ROOT))
    app.connect("config-inited", copy_assets)
    app.connect("config-inited", draw_static)
    app.connect("config-inited", repository, priority=10)
    app.connect("env-before-read-docs", refuse_untested)
    app.connect("doctree-read", hide_markers)
    app.connect("doctree-read", check_alt_texts)
    app.connect("html-page-context", page_context, priority=900)
    app.connect("html-page-context", say_why_figures_stand_still, priority=900)
    app.connect("build-finished", repair_pages)
    app.connect("build-finished", lay_models, priority=900)
    app.add_builder(BookBuilder, override=True)
    return {"parallel_read_safe": True, "parallel_write_safe": True, "version": "1"}
