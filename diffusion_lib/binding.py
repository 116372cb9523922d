"""Two pets on one picture: did each get what it was asked to have, or did the other?

A model that knows all words can still give the hat to the wrong head. So the pictures that are not right are told apart:

    right      each pet has all that was asked of it
    swapped    both are there as they were asked for, on each other's side
    mixed      of each attribute both values are there, but some are on the wrong pet
    wrong      something that was asked for is on neither
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from .data.pets import UNSAID
from .evaluation import Share, share

BINDINGS = ("right", "swapped", "mixed", "wrong")


def binding(found: Tensor, asked: Tensor) -> Tensor:
    """What became of each scene: (n,) int64, a number of `BINDINGS`; of two that hold, the first.

    found: (n, 2, A) int64, what a classifier names, left pet first. asked: (n, 2, A) int64, -1 where nothing was asked.
    Raises ValueError for other shapes.
    """
    if found.shape != asked.shape or asked.ndim != 3 or asked.shape[1] != 2:
        raise ValueError(f"found has shape {tuple(found.shape)} and asked {tuple(asked.shape)}, but both have to be (n, 2, A)")
    unsaid = asked == UNSAID
    straight = ((found == asked) | unsaid).all(1)            # (n, A): both pets have the attribute as it was asked for
    crossed = ((found.flip(1) == asked) | unsaid).all(1)     # (n, A): each has the other's
    kinds = torch.stack([straight.all(1), crossed.all(1), (straight | crossed).all(1)])
    return torch.where(kinds.any(0), kinds.int().argmax(0), len(kinds))


def bindings(found: Tensor, asked: Tensor) -> dict[str, Share]:
    """How often each of `BINDINGS` happens; together they make 1. found, asked: (n, 2, A), as in `binding`."""
    kinds = binding(found, asked)
    return {name: share(kinds == number) for number, name in enumerate(BINDINGS)}


def relations(found: Tensor, asked: Tensor, ways: Sequence[str]) -> Mapping[str, Share]:
    """How often a scene is right, for each way of saying where the pets are.

    found, asked: (n, 2, A), as in `binding`. ways: their names; scene number i was asked for in way i mod len(ways). A way that
    was never used has no entry.
    """
    right = binding(found, asked) == 0
    return {way: share(right[number::len(ways)]) for number, way in enumerate(ways) if number < len(right)}
