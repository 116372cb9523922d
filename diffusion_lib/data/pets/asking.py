"""The same wish for every kind of model: as words where it reads words, as attributes where it was taught attributes."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ...conditioning import Conditioner, TextConditioner
from .reading import parse_caption


def condition_of(texts: Sequence[str], conditioner: Conditioner) -> Tensor | list[str]:
    """Pets in words, as a model with that conditioner takes them: the texts themselves, or (B, A) int64 attributes.

    Raises ValueError, naming the word, for what a model of attributes could not be asked (a reader leaves unknown words out).
    """
    if isinstance(conditioner, TextConditioner):
        return list(texts)
    return torch.stack([parse_caption(text) for text in texts])
