"""Only what an exercise needs: the statements of a chapter that define the names it uses, and those that these use in
turn.

A chapter takes a minute to run, an exercise a second. A notebook is a list of statements; a statement binds names,
uses names, and may change things in place. Of what stands before a cell, a statement is kept if it binds or changes a
name that is needed.
"""

import ast
import contextlib
import functools
import re
import symtable
from dataclasses import dataclass, field

MAGIC = re.compile(r"^([ \t]*)[%!?].*$|^([ \t]*)[\w.]+\?{1,2}[ \t]*$", flags=re.MULTILINE)


@dataclass(frozen=True)
class Piece:
    """A statement, or a whole cell where it has to stay in one piece: its text and the names it binds, changes and uses."""

    text: str
    binds: frozenset[str] = field(default_factory=frozenset)
    changes: frozenset[str] = field(default_factory=frozenset)
    uses: frozenset[str] = field(default_factory=frozenset)


def without_magic(source: str) -> str:
    """The source with IPython's own lines (`%timeit`, `!pip`, `help?`) blanked, at the same line numbers; plain Python as it is."""
    with contextlib.suppress(SyntaxError, ValueError, RecursionError, MemoryError):
        ast.parse(source)                                    # there a line may begin with % or !=
        return source
    return MAGIC.sub(lambda line: f"{line[1] or line[2] or ''}pass", source)


@functools.cache
def piece(text: str) -> Piece:
    """One piece of code. Raises SyntaxError."""
    binds, uses = _names(text)
    tree = ast.parse(text)
    modules = {(alias.asname or alias.name).split(".")[0] for node in ast.walk(tree)
               if isinstance(node, (ast.Import, ast.ImportFrom)) for alias in node.names}
    return Piece(text, frozenset(binds), frozenset(_changed(tree) - modules), frozenset(uses))


def statements(source: str) -> list[Piece]:
    """The top-level statements of a cell. Raises SyntaxError."""
    source = without_magic(source)
    return [piece(ast.get_source_segment(source, _decorated(node))) for node in ast.parse(source).body]


def _decorated(node):
    """The node, beginning with its decorators, which Python does not count in."""
    decorators = getattr(node, "decorator_list", [])
    if decorators:
        node.lineno, node.col_offset = decorators[0].lineno, 0
    return node


def _names(text: str) -> tuple[set[str], set[str]]:
    """The names that a text binds at the top level, and those that it uses: there, and as globals inside functions."""
    top = symtable.symtable(text, "cell", "exec")
    binds = {s.get_name() for s in top.get_symbols() if s.is_assigned() or s.is_imported()}
    uses = {s.get_name() for s in top.get_symbols() if s.is_referenced()}
    inner = list(top.get_children())
    while inner:
        table = inner.pop()
        inner.extend(table.get_children())
        uses |= {s.get_name() for s in table.get_symbols() if s.is_global() and s.is_referenced()}
    return binds, uses


def _changed(tree: ast.AST) -> set[str]:
    """Names whose value may be changed in place: x.append(...), x[0] = ..., x.a = ..., del x[0]."""
    found = set()
    for node in ast.walk(tree):
        target = None
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute):
            target = node.value.func.value
        elif isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(node.ctx, (ast.Store, ast.Del)):
            target = node.value
        while isinstance(target, (ast.Attribute, ast.Subscript)):
            target = target.value
        if isinstance(target, ast.Name):
            found.add(target.id)
    return found


def asks_for(source: str) -> set[str]:
    """The names that a cell uses before it binds them itself. Empty where it is no Python."""
    asked, bound = set(), set()
    try:
        for one in statements(source):
            asked |= one.uses - bound
            bound |= one.binds
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass
    return asked


def imported(pieces: list[Piece]) -> set[str]:
    """The names that statements among the pieces import."""
    return {name for p in pieces for name in p.binds if p.text.lstrip().startswith(("import ", "from "))}


def needed_for(uses: set[str] | frozenset[str], before: list[Piece]) -> list[Piece]:
    """The pieces of `before`, in their order, that matter to code which uses these names.

    A function may use what is defined after it, so the search is repeated until nothing new is found. A module that is
    imported is not changed by `plt.plot(...)`: only the import is kept.
    """
    modules, wanted, kept, found = imported(before), set(uses), set(), -1
    while found < len(kept):
        found = len(kept)
        for number, p in reversed(list(enumerate(before))):
            if wanted & p.binds or wanted & (p.changes - modules):
                kept.add(number)
                wanted |= p.uses
    return [before[number] for number in sorted(kept)]
