"""What was asked for, as a vector that a network can listen to.

A conditioner turns a class, or a row of attributes, into one learned vector. It also has a learned "nothing" for when
no wish was said, and one network hears both: that is what classifier-free guidance needs.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn

UNSAID = -1                                                  # the value of an attribute that the prompt does not mention


@dataclass(frozen=True)
class Embedding:
    """A condition, embedded. vector: (B, D). tokens: (B, L, D) or None, for prompts that are read word by word.
    mask: (B, L) bool, True where a token counts, or None."""

    vector: Tensor
    tokens: Tensor | None = None
    mask: Tensor | None = None


class Conditioner(nn.Module, ABC):
    """The interface. width: D, of the vectors it gives."""

    width: int

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

    sizes: how many values each of the A attributes has, each at least 1. width: D.
    """

    def __init__(self, sizes: tuple[int, ...], width: int):
        super().__init__()
        self.sizes, self.width = tuple(int(size) for size in sizes), int(width)
        if not self.sizes or min(self.sizes) < 1:
            raise ValueError(f"sizes is {sizes}, but there has to be at least one attribute, with at least one value each")
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
    """One class a picture: a single attribute. num_classes: at least 1. width: D."""

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


def _check_range(name: str, values: Tensor, low: int, size: int) -> None:
    wrong = values[(values < low) | (values >= size)]
    if len(wrong):
        raise ValueError(f"{name} holds {int(wrong[0])}, but its values have to lie between 0 and {size - 1}, or be {UNSAID} for \"unsaid\"")
