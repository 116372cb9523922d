"""What the pages load is laid into `book/_static` before the build, so that no page asks another host for anything."""

import io
import json
import re
from pathlib import Path

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont
from fontTools.varLib import instancer
from sphinx.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "book" / "_static"
# The folders of node_modules in which the fonts lie that book.css names.
FONTS = ("@fontsource-variable/literata/files", "@fontsource-variable/ibm-plex-sans/files",
         "@fontsource-variable/noto-sans-telugu/files", "@ibm/plex-mono/fonts/split/woff2")


def write_if_changed(path: Path, content: bytes):
    if not path.is_file() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def copy_figures(app, config):
    """The modules of the live figures, and their stylesheet."""
    from diffusion_lib.figures._base import module_source

    figures = ROOT / "diffusion_lib" / "figures"
    for module in [*figures.glob("js/[!_]*.js"), *ROOT.glob("book/example_figure/js/*.js")]:
        write_if_changed(STATIC / "figures" / module.name, module_source(module.stem, module.parent.parent).encode())
    write_if_changed(STATIC / "figures" / "figures.css", (figures / "js" / "_shared.css").read_bytes())


# ---- Fonts -----------------------------------------------------------------------------------------------------------

FACE = re.compile(r"@font-face \{(.*?)\}")


def cut_fonts(app, config):
    """Each @font-face of book.css says which signs and which weights it holds; no more than that is in its file."""
    cut_before = STATIC / "vendor" / "fonts" / "cut.json"
    done = json.loads(cut_before.read_text()) if cut_before.is_file() else {}
    for face in FACE.findall((STATIC / "book.css").read_text(encoding="utf-8")):
        said = {key.strip(): value.strip() for key, value in (line.split(":", 1) for line in face.split(";") if ":" in line)}
        file = STATIC / re.search(r"url\((.*?)\)", said["src"])[1]
        wanted = [said["unicode-range"], said["font-weight"], said.get("font-variation-settings", "")]
        if done.get(file.name) != wanted or not file.is_file():
            source = next((path for folder in FONTS if (path := ROOT / "node_modules" / folder / file.name).is_file()), None)
            if source is None:
                raise ConfigError(f"node_modules has no {file.name}. Run `npm ci --ignore-scripts` first; `make site` does it.")
            write_if_changed(file, cut(source, characters(wanted[0]), axes_of(*wanted[1:])))
            done[file.name] = wanted
    write_if_changed(cut_before, json.dumps(done).encode())


def characters(ranges: str) -> set[int]:
    """The code points of a CSS unicode-range such as "U+20-7E, U+2212"."""
    found = set()
    for part in ranges.split(","):
        first, _, last = part.strip().removeprefix("U+").partition("-")
        found |= set(range(int(first, 16), int(last or first, 16) + 1))
    return found


def axes_of(weight: str, settings: str) -> dict:
    """What is left of a variable font's axes: "400 650" is a range, "500" one weight, and `"opsz" 48` one optical size."""
    weights = [int(number) for number in weight.split()]
    sizes = {name: float(value) for name, value in re.findall(r'"(\w+)" ([\d.]+)', settings)}
    return {"wght": (weights[0], weights[-1]) if len(weights) > 1 else weights[0], **sizes}


def cut(source: Path, wanted: set[int], axes: dict) -> bytes:
    """A font with these code points only, as WOFF2; of a variable font only this part of its axes.

    Letters of a script that joins them, such as Telugu, need all rules of how they join, so no rule is left out.
    """
    font = TTFont(source)
    subsetter = Subsetter(Options(layout_features=["*"], hinting=False, notdef_outline=True))
    subsetter.populate(unicodes=wanted)
    subsetter.subset(font)
    if "fvar" in font:
        font = instancer.instantiateVariableFont(font, axes)
    font.flavor = "woff2"
    font.save(buffer := io.BytesIO())
    return buffer.getvalue()


# ---- The ornament ----------------------------------------------------------------------------------------------------

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
        times = start * torch.linspace(1, 0, width) ** 2
        x_t = diffuse(columns, randn(columns.shape, CounterGenerator(7)), times, CosineSchedule())
        kept = Image.fromarray((x_t.T > 0).byte().mul(255).numpy())
        (STATIC / "vendor").mkdir(parents=True, exist_ok=True)
        Image.merge("LA", [Image.new("L", kept.size), kept]).save(STATIC / "vendor" / name)


def setup(app):
    for lay in (copy_figures, cut_fonts, draw_static):
        app.connect("config-inited", lay)
    return {"parallel_read_safe": True, "parallel_write_safe": True, "version": "1"}
