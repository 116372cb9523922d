"""What the book's reference pages need of Sphinx: places that can be linked to, and docstrings that read well."""

import re

from docutils import nodes
from sphinx.transforms import SphinxTransform

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


def setup(app):
    app.add_transform(Places)
    return {"parallel_read_safe": True, "parallel_write_safe": True, "version": "1"}
