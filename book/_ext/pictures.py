"""Pictures and the data of live figures, made lighter when the pages are written.

A notebook draws PNG; on the page it is WebP, pixel for pixel the same, with its size told, so that nothing moves when it
comes, and it comes when the reader is near. A figure's data lies in a file beside the page; the figure asks for it when it
starts. Its module's address changes with the module, so that no browser runs an old one on new data.
"""

import base64
import hashlib
import io
import re
from pathlib import Path

from layout import version_of
from PIL import Image

PICTURE = re.compile(r'<img ([^>]*?)src="([^"]*?)_images/([^"]+)\.png"([^>]*?) ?/?>')
FIGURE = re.compile(r'(<div data-figure="([^"]+)")([^>]*>.*?)<script type="application/json">(.*?)</script>', re.DOTALL)
STILL = re.compile(r'src="data:image/webp;base64,([^"]+)"')
MODULE = re.compile(r'(<div data-figure="([^"]+)")(?: data-module="[^"]*")?')
DATA = re.compile(r'_static/data/([^"]+)')


def lighten_pages(app, exception):
    if exception or app.builder.format != "html":
        return
    out = Path(app.outdir)
    for png in (out / "_images").glob("*.png"):
        to_webp(png)
    named = set()
    for file in out.rglob("*.html"):
        text = before = file.read_text(encoding="utf-8")
        root = "../" * (len(file.relative_to(out).parts) - 1)
        text = PICTURE.sub(lambda found: picture(found, out), text)
        text = FIGURE.sub(lambda found: figure(found, out, root), text)
        text = MODULE.sub(lambda found: f'{found[1]} data-module="{module_of(found[2], out)}"', text)
        if text != before:
            file.write_text(text, encoding="utf-8")
        named |= set(DATA.findall(text))
    for stale in (out / "_static" / "data").glob("*"):
        if stale.name not in named:
            stale.unlink()


def to_webp(png: Path):
    """The picture as lossless WebP, in its place. Its name is the hash of its content: what lies there already is the same."""
    webp = png.with_suffix(".webp")
    if not webp.is_file():
        with Image.open(png) as picture:
            opaque = picture.mode == "RGBA" and picture.getextrema()[3][0] == 255
            (picture.convert("RGB") if opaque else picture).save(webp, lossless=True, quality=80, method=4)
    png.unlink()


def picture(found: re.Match, out: Path) -> str:
    before, root, stem, after = found.groups()
    with Image.open(out / "_images" / f"{stem}.webp") as webp:
        width, height = webp.size
    told = f'src="{root}_images/{stem}.webp" width="{width}" height="{height}" loading="lazy" decoding="async"'
    return f"<img {before}{told}{after}>"


def figure(found: re.Match, out: Path, root: str) -> str:
    """The figure's <div> with the addresses of its data and of its still pictures in their place."""
    start, stem, still, data = found.groups()

    def address(content: bytes, ending: str) -> str:
        return root + lay(out, f"{stem}.{hashlib.sha256(content).hexdigest()[:12]}.{ending}", content)

    def image(found: re.Match) -> str:
        content = base64.b64decode(found[1])
        with Image.open(io.BytesIO(content)) as webp:
            width, height = webp.size
        return f'width="{width}" height="{height}" loading="lazy" src="{address(content, "webp")}"'

    return f'{start} data-source="{address(data.encode(), "json")}"{STILL.sub(image, still)}'


def module_of(stem: str, out: Path) -> str:
    """The address of a figure's module below `_static`."""
    name = f"figures/{stem}.js"
    return name + version_of(out / "_static" / name)


def lay(out: Path, name: str, content: bytes) -> str:
    """Writes the content below `_static/data`, and returns its address in the site."""
    file = out / "_static" / "data" / name
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return f"_static/data/{name}"


def setup(app):
    app.connect("build-finished", lighten_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True, "version": "1"}
