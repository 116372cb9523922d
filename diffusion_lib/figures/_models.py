"""The models that live figures run in the page: packed for the engine, in files that are named by their content.

    models/unet.<hash>.wasm              the engine
    models/pets32-text.<hash>.bin        a model of the zoo
"""

import functools
import hashlib

from .. import engine, zoo
from ..data import pets
from ..networks.classifier import Classifier

ENGINE = "unet"


@functools.cache
def content_of(name: str) -> bytes:
    """What the page has to have: the engine, or a model of the zoo as it reads it. name: "unet", or as `zoo.load` takes it."""
    if name == ENGINE:
        return engine.wasm()
    model = zoo.load(name)
    return engine.pack_judge(model, pets.ATTRIBUTES) if isinstance(model, Classifier) else engine.pack(model)


def file_of(name: str) -> str:
    """The file's place below `_static`. Its name changes with its content, so that whoever has it need never ask again."""
    ending = "wasm" if name == ENGINE else "bin"
    return f"models/{name}.{hashlib.sha256(content_of(name)).hexdigest()[:12]}.{ending}"


def models_for(names: tuple[str, ...], published: bool) -> dict[str, dict]:
    """The trait `models` of a figure: for the engine and each model its `file`, its size in `bytes` and, where a kernel sends it, its
    `content`. Of the engine also the `sum`, which a model's file holds itself."""
    wanted = {name: content_of(name) for name in (ENGINE, *names)} if names else {}
    about = {name: {"file": file_of(name), "bytes": len(content), **({} if published else {"content": content})} for name, content in wanted.items()}
    if names:
        about[ENGINE]["sum"] = engine.checksum(wanted[ENGINE] + bytes(-len(wanted[ENGINE]) % 4))
    return about
