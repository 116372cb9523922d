"""Writes the API pages of the book, one for each layer of the library, from the modules' own docstrings.

Which module stands on which layer is what tests/test_architecture.py holds. The pages name modules, classes and
functions in the order of their files; what they say comes from the docstrings while Sphinx builds the book
(book/_ext/reference.py), so a page changes only when a name comes or goes.

    python scripts/api.py                               # writes book/api/*.md; tests/test_api.py keeps it fresh
"""

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "book" / "api"
sys.path.insert(0, str(ROOT))

from tests.test_architecture import LAYERS, MODULES, TREES, layer_of, place  # noqa: E402

# Of each layer: its title, and what its modules have in common.
TITLES = {
    0: ("Numbers, schedules, networks, data", "What stands on nothing else: random numbers, how much noise there is at time t, "
        "PyTorch modules, pictures, and distances between sets of them."),
    1: ("The 2×2", "What a noised picture is made of, what a network's answer is made of, and the matrix that joins them."),
    2: ("The denoiser", "The one interface that samplers, guidance and evaluation see."),
    3: ("Denoisers made of denoisers, steps, losses", "What is done with a denoiser: know it exactly, guide it, walk with it, "
        "measure its error."),
    4: ("Learning", "Training, its checkpoints and its averaged weights, and the judging of what came out."),
    5: ("The leaves", "What needs more than PyTorch: pictures on a screen, shipped models, live figures, checks, the command line."),
}


def documented_modules() -> list[str]:
    """The modules to be shown, lowest layer first; inside a layer in the order of `LAYERS`."""
    order = list(LAYERS)
    shown = [m for m in MODULES if not any(part.startswith("_") for part in m.split(".")) and (names_of(m) or constants_of(m))]
    return sorted(shown, key=lambda m: (layer_of(m), order.index(place(m)), m))


def names_of(module: str) -> list[tuple[str, str]]:
    """(directive, name) of each public class and function that the module itself defines, in its order."""
    kinds = {ast.ClassDef: "autoclass", ast.FunctionDef: "autofunction"}
    return [(kinds[type(node)], node.name) for node in TREES[module].body if type(node) in kinds and not node.name.startswith("_")]


def constants_of(module: str) -> list[tuple[str, str]]:
    """(name, comment) of each public constant that has a comment on its line or directly above it, in its order."""
    lines, found = MODULES[module].read_text(encoding="utf-8").splitlines(), []
    for node in TREES[module].body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        name = getattr(target, "id", "_")
        beside = lines[node.end_lineno - 1].partition("  # ")[2]
        above = lines[node.lineno - 2] if node.lineno > 1 and lines[node.lineno - 2].startswith("# ") else ""
        if not name.startswith("_") and (beside or above):
            found.append((name, beside or above.removeprefix("# ")))
    return found


def section(module: str) -> str:
    """One module: its idea, its constants, its classes and functions."""
    blocks = [f".. automodule:: diffusion_lib.{module}"]
    blocks += [f".. py:data:: {name}\n\n   {literal(comment)}" for name, comment in constants_of(module)]
    blocks += [f".. {directive}:: {name}" + ("\n   :members:" if directive == "autoclass" else "") for directive, name in names_of(module)]
    return f"## {module}\n\n```{{eval-rst}}\n" + "\n\n".join(blocks) + "\n```\n"


def literal(text: str) -> str:
    """Plain text as reStructuredText."""
    return text.replace("\\", r"\\").replace("*", r"\*").replace("|", r"\|").replace("`", "``")


def pages() -> dict[str, str]:
    """File name -> text of every page."""
    modules = documented_modules()
    found = {f"layer_{layer}.md": f"# {layer} · {title}\n\n{idea}\n\n" + "\n".join(section(m) for m in modules if layer_of(m) == layer)
             for layer, (title, idea) in TITLES.items()}
    rows = [f"| [{layer} · {title}](layer_{layer}.md) | {', '.join(f'`{m}`' for m in modules if layer_of(m) == layer)} |"
            for layer, (title, _) in TITLES.items()]
    found["index.md"] = INDEX + "\n".join(rows) + "\n"
    return found


INDEX = """# The library, name by name

`diffusion_lib` is built in layers. A module imports only from the layers above its own line in this table, so each can
be read with nothing but those before it in mind; a test holds that to be true. What you need daily stands at the front
door: `import diffusion_lib as dl`, then `dl.sample`, `dl.UNet`, `dl.CosineSchedule`.

Everything on these pages is taken from the code's own docstrings: a sentence, the formula, each argument with its
shape, range and unit, what raises, and the paper with its equation number. Letters in shapes are those of the
[notation](../notation.md).

| layer | modules |
| --- | --- |
"""


def main() -> int:
    FOLDER.mkdir(exist_ok=True)
    written = pages()
    for name, text in written.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    print(f"{len(documented_modules())} modules on {len(written)} pages in {FOLDER.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
