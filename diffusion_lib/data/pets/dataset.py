"""PartyPets as a data set: an index goes in, a picture and what can be said about it come out.

Nothing is stored. The index and the seed are hashed into a key, and the key decides everything: so the set is endless in
effect, every machine has the same one, and any picture can be had without those before it.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.data import Dataset

from ...random import MASK, bits, uniform
from .attributes import UNSAID, column, sample_attributes
from .drawing import draw
from .scenes import draw_scene, sample_scenes

SPLITS = {"train": False, "validation": False, "held_out": True, "all": None}          # what `sample_attributes` may draw
END = 2**31 - 1                                              # at 100 pictures a second: eight months


class Batched(Dataset):
    """A data set that makes whole batches: a subclass has `batch(indices)`, which gives a tensor (B, ...) for each part of an item."""

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
        """A whole batch in one go; torch's DataLoader calls this."""
        return list(zip(*self.batch(indices)))


class PartyPets(Batched):
    """Little portraits of animals that may wear hats.

    size: width and height in pixels, 8 to 512.
    split: "train" or "validation" (all combinations but the held-out ones, from streams of numbers of their own), or
        "held_out" (held-out combinations only), or "all" (every combination: a judge has to know them all).
    scene: two pets side by side before a place, each with its own attributes; best at 64 pixels.
    unsaid: the share of pets of which each attribute is hidden (-1) with probability 1/2, so that a network
        learns prompts that say little. In scenes the probability is drawn anew for each, evenly in [0, 1).
    seed: integer in [0, 2^32); another seed is another set.

    `pets[i]` is (picture (3, size, size) float32 in [-1, 1], attributes (A,) int64); in scenes (2, A), left pet first.
    It has no length, as it has no end: give a DataLoader a sampler.
    Raises ValueError for arguments outside these ranges, IndexError for an index outside [0, 2^31 - 1).
    """

    def __init__(self, size: int = 32, split: str = "train", scene: bool = False, unsaid: float = 0.0, seed: int = 0):
        if split not in SPLITS:
            raise ValueError(f"split is {split!r}, but it has to be one of: {', '.join(SPLITS)}")
        if not (isinstance(size, int) and 8 <= size <= 512):
            raise ValueError(f"size is {size!r}, but it has to be a whole number of pixels between 8 and 512")
        if not 0 <= unsaid <= 1:
            raise ValueError(f"unsaid is {unsaid}, but it is a share and has to lie between 0 and 1")
        if int(seed) != seed or not 0 <= seed <= MASK:
            raise ValueError(f"seed is {seed}, but it has to be a whole number between 0 and {MASK}")
        self.size, self.split, self.scene, self.unsaid, self.seed = size, split, bool(scene), float(unsaid), int(seed)

    @property
    def at_once(self) -> int:
        """How many are cheapest to draw together, see `batching.batches`: fewer pay for many small operations, more fall out of the caches."""
        return 2**18 // self.size**2

    def batch(self, indices: Sequence[int] | Tensor, device=None) -> tuple[Tensor, Tensor]:
        """The pictures (B, 3, size, size) and attributes (B, A), or (B, 2, A) of scenes, at `indices`, drawn on `device`."""
        keys = self._keys(indices, device)
        attributes = self._attributes(keys)
        return (draw_scene if self.scene else draw)(attributes, keys, self.size), hide(attributes, keys, self.unsaid)

    def attributes(self, indices: Sequence[int] | Tensor, device=None) -> Tensor:
        """The attributes of `batch` alone, without drawing anything."""
        keys = self._keys(indices, device)
        return hide(self._attributes(keys), keys, self.unsaid)

    def _keys(self, indices: Sequence[int] | Tensor, device) -> Tensor:
        indices = torch.as_tensor(indices, dtype=torch.int64, device=device).flatten()
        if indices.numel() and not (0 <= indices.min() and indices.max() < END):
            raise IndexError(f"index is {indices.min()} ... {indices.max()}, but it has to lie between 0 and {END - 1}")
        return bits(bits(self.seed, torch.tensor(list(SPLITS).index(self.split), device=indices.device)), indices)

    def _attributes(self, keys: Tensor) -> Tensor:
        return (sample_scenes if self.scene else sample_attributes)(keys, SPLITS[self.split])


def hide(attributes: Tensor, keys: Tensor, share: float) -> Tensor:
    """On that share of the pets, replace each attribute by -1 ("not said") with probability 1/2.

    Of scenes there is twice as much to say, and most people say little: there the probability is drawn anew for each.
    """
    if share == 0:
        return attributes
    flat = attributes.flatten(1)                             # (B, A), or (B, 2 A) of scenes
    chance = uniform(keys[:, None], torch.arange(500, 502 + flat.shape[1], device=keys.device))
    likely = chance[:, -1:] if attributes.ndim == 3 else 0.5
    hidden = ((chance[:, :1] < share) & (chance[:, 1:-1] < likely)).reshape(attributes.shape)
    if attributes.ndim == 3:                                 # both stand before one background
        hidden[:, 1, column("background")] = hidden[:, 0, column("background")]
    return torch.where(hidden, UNSAID, attributes)
