"""PartyPets with words instead of attributes: what a network that reads learns from. Captions alone: what it learns to read from."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ...random import bits
from .attributes import SIZES
from .captions import GRAMMARS, pet_vocabulary, training_caption, training_scene_caption
from .dataset import Batched, PartyPets

WORDS = 0x776F7264                                           # the stream of numbers that words are drawn from


class CaptionedPets(Batched):
    """The pictures of `PartyPets`, each with a caption in numbers.

    size, split, scene, unsaid, seed: as in `PartyPets`; picture i is the same. What is hidden there is not said here.
    languages: keys of `GRAMMARS`, drawn evenly. length: of a caption, in words; a longer one loses its end.

    `pets[i]` is (picture (3, size, size), numbers (length,) int64 of `pet_vocabulary()`, see `Vocabulary.encode`); the index and
    the seed decide language and wording. Raises ValueError for an unknown language, and as `PartyPets`.
    """

    def __init__(self, size: int = 32, split: str = "train", languages: tuple[str, ...] = ("en", "te"), length: int = 32,
                 scene: bool = False, unsaid: float = 0.0, seed: int = 0):
        unknown = [name for name in languages if name not in GRAMMARS]
        if unknown or not languages:
            raise ValueError(f"languages is {languages!r}, but it has to name some of: {', '.join(GRAMMARS)}")
        self.pets = PartyPets(size, split, scene, unsaid, seed)
        self.languages, self.vocabulary, self.at_once = tuple(languages), pet_vocabulary(length), self.pets.at_once

    def batch(self, indices: Sequence[int] | Tensor, device=None) -> tuple[Tensor, Tensor]:
        """The pictures (B, 3, size, size) and the numbers of their captions (B, length) at `indices`, drawn on `device`."""
        pictures, attributes = self.pets.batch(indices, device)
        return pictures, self.vocabulary.encode(self.texts(indices, attributes)).to(pictures.device)

    def texts(self, indices: Sequence[int] | Tensor, attributes: Tensor | None = None) -> list[str]:
        """The captions at `indices`. attributes: of the pets there, where they are known already."""
        attributes = self.pets.attributes(indices) if attributes is None else attributes
        say = training_scene_caption if self.pets.scene else training_caption
        keys = bits(bits(self.pets.seed, torch.tensor(WORDS)), torch.as_tensor(indices, dtype=torch.int64).flatten().cpu()).tolist()
        return [say(row, key >> 8, GRAMMARS[self.languages[key % 256 % len(self.languages)]]) for row, key in zip(attributes.tolist(), keys)]


class Captions(Batched):
    """The captions of captioned pets and what they say, without the pictures.

    `captions[i]` is (numbers (length,) int64, attributes (A,) int64, or (2, A) in scenes; -1 where nothing is said).
    sizes: how many values each attribute has.
    """

    sizes = SIZES

    def __init__(self, captioned: CaptionedPets):
        self.captioned = captioned

    def batch(self, indices: Sequence[int] | Tensor) -> tuple[Tensor, Tensor]:
        """The numbers (B, length) of the captions at `indices` and what they say, (B, A) or (B, 2, A)."""
        attributes = self.captioned.pets.attributes(indices)
        return self.captioned.vocabulary.encode(self.captioned.texts(indices, attributes)), attributes
