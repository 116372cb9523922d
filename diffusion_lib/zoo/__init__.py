"""The models that come with the library, each in one file with a card beside it.

    pets32.safetensors    weights, architecture, and how it was made
    pets32.json           what `evaluate` measured
    pets32.md             both, to be read

    model = zoo.load("pets32")
"""

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from ..checkpoints import load_checkpoint, read_about
from ..data.pets import tell_sense

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Shipped:
    """A model of the zoo. name: what `load` takes. file: its weights."""

    name: str
    file: Path

    @property
    def card(self) -> str:
        """How it was made and how good it is, as Markdown; empty where it has not been measured."""
        card = self.file.with_suffix(".md")
        return card.read_text(encoding="utf-8") if card.is_file() else ""

    @property
    def summary(self) -> str:
        """One line: what it has seen, and how often it is right."""
        about, measured = read_about(self.file), self.file.with_suffix(".json")
        text = f"{about.get('pictures', 0):,} pictures in {about.get('minutes', 0):g} minutes on {about.get('hardware', 'unknown hardware')}"
        if measured.is_file():
            accuracy = json.loads(measured.read_text(encoding="utf-8"))["accuracy"]
            text += f"; all attributes right: {accuracy['seen']['all']:.1%} seen, {accuracy['held_out']['all']:.1%} held out"
        return text


def models() -> list[Shipped]:
    """The shipped models, by name."""
    return [Shipped(file.stem, file) for file in sorted(FOLDER.glob("*.safetensors"))]


def file_of(name_or_path: str | Path) -> Path:
    """The file of a shipped model, or of a path to a checkpoint. Raises ValueError where there is neither."""
    shipped = {model.name: model.file for model in models()}
    file = shipped.get(str(name_or_path), Path(name_or_path))
    if not file.is_file():
        raise ValueError(f"there is no model {str(name_or_path)!r}: it has to be a .safetensors file or one of the shipped models: "
                         f"{', '.join(shipped) or 'none yet'}")
    return file


def load(name_or_path: str | Path) -> nn.Module:
    """A shipped model, or one of your own, ready to sample from: `load("pets32")`, `load("runs/mine/pets32.safetensors")`.

    One that reads knows from its recipe which of its words it was taught, see `data.pets.tell_sense`.
    Raises ValueError where there is no such model, and CheckpointError (a ValueError) where its file is damaged.
    """
    file = file_of(name_or_path)
    model, recipe = load_checkpoint(file), read_about(file).get("recipe")
    scene = None if recipe is None else tomllib.loads(recipe).get("data", {}).get("scene", False)
    tell_sense(getattr(getattr(model, "network", None), "conditioner", None), scene)
    return model
