"""A live figure is three files with one stem: `name.py` makes its data, `js/name.js` draws it, `words/name.json` holds what it says
in each language. No server stands behind it; book/write_a_figure.md is the contract.

In Jupyter and Colab it is an anywidget. In the published book, built with BOOK_BUILD=1, the same module is mounted
on a <div> that carries the same data, with still pictures for print and for readers without JavaScript.
"""

import base64
import html
import io
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path

import anywidget
import traitlets
from IPython.display import HTML
from torch import Tensor

from .. import engine
from ..pictures import to_image
from ._languages import in_each_language
from ._models import models_for
from ._walks import Walk

HERE = Path(__file__).parent
JS = HERE / "js"
GUESS_RANGE = 1.5                                            # a model's guess overshoots [-1, 1] a little; beyond this it is cut off
NOISE_RANGE = 4.0                                            # of 10^5 standard normal numbers, six lie outside +-4


def module_source(stem: str, folder: Path = HERE) -> str:
    """The JavaScript of the figure `stem`: of what all figures share, functions and words, the part that it names, the engine where
    it opens a model, its own part, and its own words. folder: holds js/<stem>.js and words/<stem>.json."""
    shared, frame, own = ((place / f"{name}.js").read_text(encoding="utf-8") for place, name in ((JS, "_shared"), (JS, "_frame"), (folder / "js", stem)))
    own = lean((engine.module_source() if engine.is_asked_for(own) else "") + "\n" + own)
    code, own_words = used_of(shared + frame, own) + own, _table(stem, folder)
    words = {language: {key: text for key, text in table.items() if key in own_words[language] or re.search(rf"\b{key}\b", code)}
             for language, table in words_of(stem, folder).items()}
    return f"{code}const WORDS = {json.dumps(words, ensure_ascii=False, separators=(',', ':'))};\n"


def lean(javascript: str) -> str:
    """Without what is there for those who read the source: indentation, comments (lines that begin with // and tails behind two
    blanks), and ends of lines behind which a sentence goes on or is over anyway."""
    bare = re.sub(r"^\s*//.*\n|^[ \t]+|  +// .*$|^\n", "", javascript, flags=re.MULTILINE)
    return re.sub(r"(?<=[,;({\[])\n", "", bare)


def used_of(shared: str, own: str) -> str:
    """Of `shared`, those functions and constants that `own` names, and those that these name in turn; without comments."""
    parts = re.split(r"^(?=(?:async )?(?:function|const|export) )", re.sub(r"^//.*\n", "", shared, flags=re.MULTILINE), flags=re.MULTILINE)
    named = {found[1]: lean(part) for part in parts if (found := re.match(r"(?:async )?(?:function|const) (\w+)", part))}
    kept, asked = set(), own
    while new := {name for name in named.keys() - kept if re.search(rf"\b{name}\b", asked)}:
        kept |= new
        asked = "".join(named[name] for name in new)
    return "".join(part for name, part in named.items() if name in kept)


def words_of(stem: str, folder: Path = HERE) -> dict[str, dict[str, str]]:
    """All that the figure `stem` says, language by language: the words of all figures, and its own before them."""
    shared, own = _table("_shared", HERE), _table(stem, folder)
    return {language: shared[language] | own[language] for language in shared}


def _table(name: str, folder: Path) -> dict[str, dict[str, str]]:
    return json.loads((folder / "words" / f"{name}.json").read_text(encoding="utf-8"))


class LiveFigure(anywidget.AnyWidget):
    """The base of the widgets: a subclass names its `stem`, its `_esm`, the traits that its module reads, and its `room`: how high
    it is on a phone and on a wide page, in rem, so that nothing moves when it comes to life."""

    stem: str
    room: tuple[float, float]
    _css = (JS / "_shared.css").read_text(encoding="utf-8")
    models = traitlets.Dict().tag(sync=True)                 # what `openModel` in engine/engine.js opens


def present(figure: type[LiveFigure], traits: dict, still: str, models: tuple[str, ...] = ()) -> HTML | LiveFigure:
    """The figure as it can live here: a widget where there is a kernel, a <div> for `mount.js` in the published book.

    traits: JSON values, one for each trait of `figure`. still: HTML, the still pictures. models: names in the zoo of the
    models that run in the page; the kernel sends them, or the book's build lays them beside the page.
    """
    published = os.environ.get("BOOK_BUILD") == "1"
    if models:
        traits = {**traits, "models": models_for(models, published)}
    if not published:
        return figure(**traits)
    data = json.dumps(traits, ensure_ascii=False).replace("</", "<\\/")
    phone, wide = figure.room
    return HTML(f'<div data-figure="{figure.stem}" style="--phone: {phone}rem; --wide: {wide}rem"><div class="live">{still}</div>'
                f'<script type="application/json">{data}</script></div>')


def recorded(walk: Walk) -> dict:
    """A walk as its figure's module reads it: who asked, when, and what the model answered."""
    return {"caption": in_each_language(walk.caption), "seed": walk.seed, "steps": walk.steps, "stops": walk.stops,
            "guesses": film(walk.guesses, GUESS_RANGE), "guess_range": GUESS_RANGE}


def film(pictures: Tensor, value_range: float) -> str:
    """Pictures that follow one another, in one lossless WebP, as a data: address.

    A row of the file is the life of one pixel, a column is one picture: neighbours in a row are then nearly equal, and
    the file is half as large as with the pictures below one another.
    pictures: (N, 3, H, W), with -value_range ... value_range stored as 0 ... 255 and what lies outside cut off.
    """
    lives = (pictures / value_range).flatten(2).permute(1, 2, 0)                    # (3, H W, N)
    return lossless(lives)


def grey_film(pictures: Tensor) -> str:
    """`film` of N grey pictures (N, h, h) in [-1, 1]; packed with less effort, which is two hundred times as fast."""
    return _data_address(pictures.flatten(1).T.expand(3, -1, -1), lossless=True, quality=60, method=4)


def lossless(picture: Tensor, effort: int = 4) -> str:
    """One picture in a lossless WebP, as a data: address. picture: (3, H, W), in [-1, 1].

    effort: 0 to 6. More than 4 makes the films of our figures no smaller, and takes thirty times as long or more.
    """
    return _data_address(picture, lossless=True, quality=75, method=effort)


def still_row(pictures: Iterable[Tensor], captions: Iterable[str], descriptions: Iterable[str]) -> str:
    """A row of pictures with captions, as HTML. pictures: each (3, H, W) in [-1, 1]. descriptions: their alt texts."""
    tiles = "".join(
        f'<figure><img src="{_data_address(picture, quality=80, method=6)}" alt="{html.escape(description)}">'
        + (f"<figcaption>{html.escape(caption)}</figcaption>" if caption else "") + "</figure>"
        for picture, caption, description in zip(pictures, captions, descriptions, strict=True))
    return f'<div class="live-still">{tiles}</div>'


def _data_address(picture: Tensor, **options) -> str:
    buffer = io.BytesIO()
    to_image(picture.clamp(-1, 1)).save(buffer, "webp", **options)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
