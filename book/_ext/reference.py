"""What the book's reference pages need of Sphinx: places that can be linked to, and docstrings that read well."""

import inspect
import re

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.transforms import SphinxTransform
from sphinx.util.docutils import SphinxRole

CLAIM = re.compile(r"Claim (\d+)\.(\d+)\.")
TAG = re.compile(r"\\tag\{(\d+)\.(\d+)\}")


class Places(SphinxTransform):
    """Claims and numbered equations of the chapters get names, so that other pages can link to them: `[](#claim-13-1)`,
    `[](#equation-13-1)`."""

    default_priority = 700                                   # before Sphinx collects the names

    def apply(self):
        if not self.env.docname.startswith("notebooks/"):
            return
        for strong in self.document.findall(nodes.strong):
            if found := CLAIM.fullmatch(strong.astext()):
                self.name(strong.parent, f"claim-{found[1]}-{found[2]}")
        for block in self.document.findall(nodes.math_block):
            if found := TAG.search(block.astext()):
                self.name(block, f"equation-{found[1]}-{found[2]}")

    def name(self, node, name: str):
        node["names"].append(name)
        self.document.note_explicit_target(node)


class Chapter(SphinxRole):
    """{chapter}`13` is a link to the chapter of that number, or says that it is planned."""

    def run(self):
        page = page_of(int(self.text), self.env.found_docs)
        if page is None:
            return [nodes.inline("", f"{self.text} (planned)")], []
        link = pending_xref("", nodes.inline("", self.text), refdomain="std", reftype="doc", reftarget=f"/{page}",
                            refexplicit=True, refwarn=True, refdoc=self.env.docname)
        self.set_source_info(link)
        return [link], []


def page_of(number: int, pages) -> str | None:
    """The page of a chapter, or None where it is not in the book yet."""
    return next((page for page in pages if page.startswith(f"notebooks/{number:02d}_")), None)


# ---- Docstrings ------------------------------------------------------------------------------------------------------
# The library's docstrings are plain text, made to be read in an editor: formulas are indented by four spaces, code stands
# in single backticks, and arguments are told in sentences ("t: () or (B,), in [0, 1].").

def rewrite_docstring(app, what, name, thing, options, lines):
    """autodoc's hook: plain text -> reStructuredText, in place."""
    lines[:] = readable(lines, argument_names(thing))


def readable(lines: list[str], arguments: set[str]) -> list[str]:
    """Formulas become literal blocks, everything else prose in which the names of arguments stand out."""
    found = []
    for paragraph in re.split(r"\n\s*\n", "\n".join(lines).strip("\n")):
        part = paragraph.split("\n")
        if part[0].startswith("    "):
            found += [".. code-block:: text", "", *part, ""]
        else:
            found += [*prose("\n".join(line.strip() for line in part), arguments).split("\n"), ""]
    return found


def prose(text: str, arguments: set[str]) -> str:
    """Code in double backticks, nothing else marked up, and "x, y:" in bold where x and y are arguments."""
    codes = re.split(r"`([^`\n]+)`", text)
    codes[0::2] = [re.sub(r"[\\*|`]|_(?!\w)", r"\\\g<0>", words) for words in codes[0::2]]
    codes[1::2] = [f"``{code}``" for code in codes[1::2]]
    if arguments:
        name = "|".join(re.escape(argument) for argument in sorted(arguments))
        told = re.compile(rf"(^|(?<=[.;] )|(?<=\.\n))((?:{name})(?:, (?:{name}))*):(?= )", flags=re.MULTILINE)
        codes[0::2] = [told.sub(r"\1**\2:**", words) for words in codes[0::2]]
    return "".join(codes)


def argument_names(thing) -> set[str]:
    """The names of what a function or a class takes; none for anything else."""
    if not callable(thing):
        return set()
    try:
        return set(inspect.signature(thing).parameters) - {"self"}
    except (TypeError, ValueError):
        return set()


def leave_out(app, what, name, thing, skip, options):
    """The fields of a named tuple are told in its own docstring."""
    return True if type(thing).__name__ == "_tuplegetter" else None


def setup(app):
    app.add_transform(Places)
    app.add_role("chapter", Chapter())
    app.connect("autodoc-process-docstring", rewrite_docstring)
    app.connect("autodoc-skip-member", leave_out)
    return {"parallel_read_safe": True, "parallel_write_safe": True, "version": "1"}
