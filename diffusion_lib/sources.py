"""The library's own code, folded, inside a notebook: shown, never copied.

    show_source(dl.DDIM.step)
"""

import html
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Source:
    """A piece of code and where it stands. In a notebook it shows as a line that unfolds; elsewhere as plain text."""

    place: str
    text: str

    def __repr__(self) -> str:
        return f"# {self.place}\n{self.text}"

    def _repr_html_(self) -> str:
        # Classes instead of colours, so that the page's light and dark styles apply.
        code = highlight(self.text, PythonLexer(), HtmlFormatter(cssclass="highlight"))
        return f"<details><summary>The library's code: <code>{html.escape(self.place)}</code></summary>{code}</details>"


def show_source(*objects: Callable | type) -> Source:
    """The source of functions, methods or classes, to be the last line of a cell.

    objects: one or more, of any module. Raises ValueError for what has no source in Python.
    """
    if not objects:
        raise ValueError("objects is empty, but there has to be at least one function or class to show")
    return Source(", ".join(map(_place, objects)), "\n\n".join(map(_text, objects)))


def _text(shown: Callable | type) -> str:
    try:
        return textwrap.dedent(inspect.getsource(shown))
    except (TypeError, OSError) as error:
        raise ValueError(f"objects holds {shown!r}, but it has to be a function, method or class that is written in Python") from error


def _place(shown: Callable | type) -> str:
    """File and lines: "diffusion_lib/samplers.py, lines 62 to 78"."""
    _text(shown)
    file = Path(inspect.getsourcefile(shown))
    lines, first = inspect.getsourcelines(shown)
    name = file.relative_to(ROOT).as_posix() if file.is_relative_to(ROOT) else file.name
    return f"{name}, lines {first} to {first + len(lines) - 1}"
