"""What was asked for, as a vector that a network can listen to.

A conditioner turns a class, a row of attributes or a text into one learned vector, and a text also into one vector a
word. It also has a learned "nothing" for when no wish was said, and one network hears both: that is what classifier-free
guidance needs.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .networks.text import TextEncoder
from .words import Vocabulary

UNSAID = -1                                                  # the value of an attribute that the prompt does not mention


@dataclass(frozen=True)
class Embedding:
    """A condition, embedded. vector: (B, D). tokens: (B, L, D) or None, for prompts that are read word by word.
    mask: (B, L) bool, True where a token counts, or None."""

    vector: Tensor
    tokens: Tensor | None = None
    mask: Tensor | None = None


class Conditioner(nn.Module, ABC):
    """The interface. width: D, of the vectors it gives. gives_words: whether it also gives tokens and mask."""

    width: int
    gives_words: bool = False

    @abstractmethod
    def forward(self, cond, batch: int, keep: Tensor | None = None) -> Embedding:
        """The embedding of `batch` conditions.

        cond: one condition a row, or None for "nothing" everywhere. keep: (B,) bool; False where a row's condition
        is to be replaced by "nothing". Raises ValueError where a condition has the wrong shape or value.
        """


class AttributeConditioner(Conditioner):
    """A row of attributes, such as (animal, hat, mood): one learned vector for every value, summed, then a small MLP.

        vector = MLP(sum over attributes a of table_a[value_a])

    Each table has one more row, for "unsaid"; a prompt may leave out any attribute, and "nothing" leaves out all.

    sizes: how many values each of the A attributes has, each at least 1. width: D, at least 1. Raises ValueError otherwise.
    """

    def __init__(self, sizes: tuple[int, ...], width: int):
        super().__init__()
        self.sizes, self.width = tuple(int(size) for size in sizes), int(width)
        if not self.sizes or min(self.sizes) < 1:
            raise ValueError(f"sizes is {sizes}, but there has to be at least one attribute, with at least one value each")
        if width < 1:
            raise ValueError(f"width is {width}, but it has to be at least 1")
        rows = torch.tensor([size + 1 for size in self.sizes])
        self.register_buffer("unsaid", rows.cumsum(0) - rows, persistent=False)   # (A,): row 0 of each table
        self.table = nn.Embedding(int(rows.sum()), width)
        nn.init.normal_(self.table.weight, std=len(self.sizes) ** -0.5)           # the sum begins with unit variance
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, cond, batch, keep=None):
        """cond: (B, A) integers; column a lies in [0, sizes[a]), or is -1 for "unsaid". batch, keep: as in `Conditioner`."""
        values = self._checked(cond, batch)                  # (B, A)
        if keep is not None:
            values = torch.where(keep.to(values.device)[:, None], values, UNSAID)
        rows = self.table(values - UNSAID + self.unsaid)     # (B, A, D)
        return Embedding(self.mlp(rows.sum(1)))              # (B, D)

    def _checked(self, cond, batch: int) -> Tensor:
        device = self.unsaid.device
        if cond is None:
            return torch.full((batch, len(self.sizes)), UNSAID, device=device)
        cond = torch.as_tensor(cond)
        if cond.shape != (batch, len(self.sizes)) or cond.is_floating_point():
            raise ValueError(f"cond is {cond.dtype} of shape {tuple(cond.shape)}, but it has to be integers of shape "
                             f"{(batch, len(self.sizes))}: one row a picture, one column an attribute")
        if cond.device.type == "cpu":                        # on a GPU the check would have to wait for the values
            for column, size in enumerate(self.sizes):
                _check_range(f"cond[:, {column}]", cond[:, column], UNSAID, size)
        return cond.to(device).long()


class ClassConditioner(AttributeConditioner):
    """One class a picture: a single attribute. num_classes, width (D): at least 1."""

    def __init__(self, num_classes: int, width: int):
        super().__init__((num_classes,), width)
        self.num_classes = int(num_classes)

    def forward(self, cond, batch, keep=None):
        """cond: (B,) integers in [0, num_classes), or -1 for "unsaid". batch, keep: as in `Conditioner`."""
        if cond is not None:
            cond = torch.as_tensor(cond)
            if cond.shape != (batch,):
                raise ValueError(f"cond has shape {tuple(cond.shape)}, but it has to be ({batch},): one class a picture")
            cond = cond[:, None]
        return super().forward(cond, batch, keep)


class TextConditioner(Conditioner):
    """A text, read word by word by a small transformer that is trained together with the picture's network.

    "Nothing" is the empty text, of which only the beginning is left; `vector` is what the reader makes of that beginning.

    vocabulary: the words it knows. width: D, a multiple of 32. layers: of the reader. Both at least 1, else ValueError.
    """

    gives_words = True

    def __init__(self, vocabulary: Vocabulary, width: int = 128, layers: int = 2):
        super().__init__()
        for name, number in (("width", width), ("layers", layers)):
            if number < 1:
                raise ValueError(f"{name} is {number}, but the reader needs at least 1")
        self.vocabulary, self.width, self.layers = vocabulary, int(width), int(layers)
        self.reader = TextEncoder(len(vocabulary.words), vocabulary.length, self.width, self.layers)

    def forward(self, cond: Sequence[str] | Tensor | None, batch, keep=None):
        """cond: B texts, or their numbers (B, L) int64 as `Vocabulary.encode` gives them. batch, keep: as in `Conditioner`."""
        numbers = self._checked(cond, batch)                 # (B, L)
        if keep is not None:
            numbers = torch.where(keep.to(numbers.device)[:, None], numbers, 0)
        tokens, mask = self.reader(numbers)                  # (B, 1 + L, D), (B, 1 + L)
        return Embedding(tokens[:, 0], tokens, mask)

    def _checked(self, cond, batch: int) -> Tensor:
        device = self.reader.words.weight.device
        if cond is None:
            return torch.zeros(batch, 0, dtype=torch.int64, device=device)
        numbers = cond if isinstance(cond, Tensor) else self.vocabulary.encode(cond)
        if numbers.ndim != 2 or len(numbers) != batch or numbers.shape[1] > self.vocabulary.length or numbers.is_floating_point():
            raise ValueError(f"cond is {numbers.dtype} of shape {tuple(numbers.shape)}, but it has to be {batch} texts, or integers of shape "
                             f"({batch}, L) with L at most {self.vocabulary.length}")
        if numbers.device.type == "cpu":                     # on a GPU both would have to wait for the values
            if numbers.numel() and not 0 <= numbers.min() <= numbers.max() <= len(self.vocabulary.words):
                raise ValueError(f"cond holds {numbers.min()} ... {numbers.max()}, but words have the numbers 1 to {len(self.vocabulary.words)}, and 0 is no word")
            numbers = numbers[:, :int((numbers > 0).sum(1).max())] if len(numbers) else numbers
        return numbers.to(device)


def _check_range(name: str, values: Tensor, low: int, size: int) -> None:
    wrong = values[(values < low) | (values >= size)]
    if len(wrong):
        raise ValueError(f"{name} holds {int(wrong[0])}, but its values have to lie between 0 and {size - 1}, or be {UNSAID} for \"unsaid\"")
