"""The book's theme: what its templates (`book/_theme`) are given, and the little of Sphinx's HTML that is otherwise here."""

import hashlib
import os
import re
from pathlib import Path

from docutils import nodes
from sphinx.builders.html import StandaloneHTMLBuilder
from sphinx.environment.adapters.toctree import TocTree
from sphinx.errors import ExtensionError
from sphinx.writers.html5 import HTML5Translator

THEME = Path(__file__).resolve().parents[1] / "_theme"
STATIC = THEME.with_name("_static")
# The fonts of the first screen are asked for at once, so that the text does not move when they come.
FIRST_FONTS = [f"vendor/fonts/{name}.woff2" for name in (
    "literata-latin-wght-normal", "literata-latin-opsz-normal", "literata-latin-wght-italic", "ibm-plex-sans-latin-wght-normal",
    "IBMPlexMono-Regular-Latin1")]
# Told to the browser too: it refuses whatever a page might ask of another host.
OWN_HOST_ONLY = "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'"

PRINTED = ("myst-ansi", "none", "text", "default", None)      # blocks that are no code


class BookBuilder(StandaloneHTMLBuilder):
    """The title page lives at the top of the site, although its source, book/index.md, does not."""

    def get_target_uri(self, docname, typ=None):
        return super().get_target_uri("index" if docname == self.config.root_doc else docname, typ)

    def get_outfilename(self, pagename):
        return super().get_outfilename("index" if pagename == self.config.root_doc else pagename)


class BookTranslator(HTML5Translator):
    """A table too wide for the screen is scrolled in a box of its own; a line of code too long for it goes on below."""

    def visit_literal_block(self, node):
        try:
            super().visit_literal_block(node)
        except nodes.SkipNode:                               # which says that the block has been written
            if node.get("language") not in PRINTED or is_prose(node.astext()):
                self.body[-1] = in_lines(self.body[-1])
            raise

    def visit_table(self, node):
        self.body.append('<div class="wide">')
        super().visit_table(node)

    def depart_table(self, node):
        super().depart_table(node)
        self.body.append("</div>\n")


def is_prose(printed: str) -> bool:
    """Whether a cell printed sentences, which may go on below, or a table or a picture in letters, whose lines stay whole."""
    return not re.search(r"\S {2,}\S|\t", printed) and 2 * sum(map(str.isalpha, printed)) > len("".join(printed.split()))


def in_lines(block: str) -> str:
    """A highlighted block whose lines are elements that know their indentation, so that the rest of a long one is set below its beginning."""
    before, code, behind = re.fullmatch(r"(.*<pre>(?:<span></span>)?)(.*?)(\n?</pre>.*)", block, re.DOTALL).groups()
    lines = []
    for line in code.split("\n"):                            # no element of the highlighter goes over the end of a line
        text = re.sub(r"<[^>]*>", "", line)
        lines.append(f'<span class="line" style="--in:{len(text) - len(text.lstrip())}ch">{line}</span>')
    return before + "\n".join(lines) + behind


def no_theme_options(app, config):
    """Jupyter Book writes options for the theme it comes with; ours has none."""
    config.html_theme_options = {}


def page_context(app, pagename, templatename, context, doctree):
    """What `layout.html` says of a page besides its text."""
    body, source = context.get("body", ""), context.get("sourcename", "")
    refuse_other_hosts(pagename, context.get("script_files", []))
    context.update(
        asset=lambda name: address_of(name, context["content_root"]),
        colab=colab_address(pagename) if source.endswith(".ipynb") else "",
        description=description_of(doctree) if doctree else "",
        first_fonts=FIRST_FONTS,
        has_figures="data-figure=" in body,
        menu=menu_of(context["toctree"]),
        notebook=f"{context['content_root']}_sources/{source}" if source.endswith(".ipynb") else "",
        own_host_only=OWN_HOST_ONLY,
        places=places_on(app, pagename),
        repository=repository(),
    )
    if part := part_of(app, pagename):
        context["body"] = body.replace("<h1>", f'<p class="kicker">{part}</p>\n<h1>', 1)


def menu_of(toctree) -> str:
    """All pages as nested lists of links, those of a section only while the reader is in it."""
    return toctree(collapse=True, includehidden=True, maxdepth=2, titles_only=True).replace(' role="heading"', "")


def address_of(name: str, content_root: str) -> str:
    """The address of a file below `_static`, which changes with the file, so that no browser keeps an old one."""
    return f"{content_root}_static/{name}{version_of(STATIC / name)}"


def version_of(file: Path) -> str:
    """What stands behind a file's address and changes with the file; nothing where there is none."""
    return f"?v={hashlib.sha256(file.read_bytes()).hexdigest()[:8]}" if file.is_file() else ""


def refuse_other_hosts(pagename: str, scripts):
    """Raises ExtensionError for a script from elsewhere, such as the widget runtime that myst-nb adds for a widget."""
    foreign = [script.filename for script in scripts if re.match(r"(https?:)?//", script.filename or "")]
    if foreign:
        raise ExtensionError(f"{pagename} would load {', '.join(foreign)}, but it may ask no other host. "
                             "Does a cell show a widget?")


def repository() -> str:
    """The repository's address where it is known, so that there are no dead links where it is not."""
    name = os.environ.get("GITHUB_REPOSITORY", "")
    return f"{os.environ.get('GITHUB_SERVER_URL', 'https://github.com')}/{name}" if name else ""


def colab_address(pagename: str) -> str:
    """Where Colab opens this chapter, or nothing where the repository is not known."""
    name, branch = os.environ.get("GITHUB_REPOSITORY", ""), os.environ.get("BOOK_BRANCH", "main")
    return f"https://colab.research.google.com/github/{name}/blob/{branch}/{pagename}.ipynb" if name else ""


def description_of(doctree) -> str:
    """What search engines show: the page's own words for it, or its first paragraph."""
    for meta in doctree.findall(nodes.meta):
        if meta.get("name") == "description":
            return meta["content"]
    paragraph = next((p.astext() for p in doctree.findall(nodes.paragraph) if len(p.astext()) > 60), "")
    words = " ".join(re.sub(r"\\\w+|[{}$]", "", paragraph).split())
    return words if len(words) <= 160 else words[:157].rsplit(" ", 1)[0] + " …"


def part_of(app, docname: str) -> str:
    """The caption under which a chapter stands in `_toc.yml`."""
    parts = app.config.external_site_map[app.config.root_doc].subtrees
    return next((part.caption for part in parts if docname in part.items), "")


def places_on(app, pagename: str) -> str:
    """The headings below the page's title, as nested lists of links; nothing where there are fewer than two."""
    if pagename not in app.env.tocs or pagename == app.config.root_doc:
        return ""
    below = TocTree(app.env).get_toc_for(pagename, app.builder).next_node(nodes.bullet_list)
    several = below is not None and len(list(below.findall(nodes.list_item))) > 1
    return app.builder.render_partial(below)["fragment"] if several else ""


def setup(app):
    app.add_config_value("comments_config", {}, "")          # Jupyter Book sets it, whether or not there are comments
    app.add_html_theme("book", str(THEME))
    app.add_builder(BookBuilder, override=True)
    app.set_translator("html", BookTranslator)
    app.connect("config-inited", no_theme_options)
    app.connect("html-page-context", page_context, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True, "version": "1"}
