"""A small network that names what it sees: one question per attribute, all answered from the same 64 features.

It judges samples: its answers say whether a prompt was obeyed, and its features measure the distance between sets of
pictures.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from .layers import Norm, check_width


@dataclass(frozen=True)
class ClassifierConfig:
    """sizes: how many answers each question has; width: channels at half resolution, a multiple of 8; features: how many
    numbers all answers are read from; channels: of the pictures; side: their width and height, a multiple of 8."""

    sizes: tuple[int, ...]
    width: int = 48
    features: int = 64
    channels: int = 3
    side: int = 32


class Residual(nn.Module):
    """x + F(x), where F is two 3x3 convolutions, each behind a normalisation."""

    def __init__(self, width: int):
        super().__init__()
        self.body = nn.Sequential(Norm(width), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1),
                                  Norm(width), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class Classifier(nn.Module):
    """Pictures to answers.

    config: a `ClassifierConfig`. Raises ValueError for a width or a side that is no multiple of 8.
    """

    def __init__(self, config: ClassifierConfig):
        super().__init__()
        check_width("width", config.width)
        if config.side <= 0 or config.side % 8:
            raise ValueError(f"side is {config.side}, but it has to be a positive multiple of 8: the trunk halves it three times")
        self.config = config
        width, corner = config.width, config.side // 8
        self.trunk = nn.Sequential(
            nn.Conv2d(config.channels, width, 5, stride=2, padding=2), Residual(width),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), Residual(2 * width),
            nn.Conv2d(2 * width, 2 * width, 3, stride=2, padding=1), Residual(2 * width),
            Norm(2 * width), nn.SiLU())
        self.squeeze = nn.Linear(2 * width * corner * corner, config.features)
        self.heads = nn.ModuleList(nn.Linear(config.features, size) for size in config.sizes)

    def features(self, x: Tensor) -> Tensor:
        """What all answers are read from. x: (B, C, H, W), in [-1, 1]; returns (B, features)."""
        h = self.trunk(x)                                    # (B, 2 width, H/8, W/8)
        return self.squeeze(h.flatten(1))                    # (B, features)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """One tensor of logits (B, sizes[a]) per question. x: (B, C, H, W), in [-1, 1]."""
        h = nn.functional.silu(self.features(x))             # (B, features)
        return tuple(head(h) for head in self.heads)


class PairClassifier(Classifier):
    """Answers about two things side by side, those about the left one first: one network looks at each of them.

        left: the lower left corner, 5/8 of the side     right: the lower right corner, in a mirror

    So in both the thing that is asked about stands in the same place; what was learned on one side holds on the other, and
    mistakes are as likely on either. What lies beyond a corner, such as most of the other thing, cannot touch its answers.

    config: `sizes` of both; `features` of both together; `side` of the whole picture, a multiple of 64. Raises ValueError where
    the halves of `sizes` differ, and as `Classifier`.
    """

    def __init__(self, config: ClassifierConfig):
        half = len(config.sizes) // 2
        if config.sizes[:half] != config.sizes[half:] or config.features % 2 or config.side % 64:
            raise ValueError(f"sizes is {config.sizes}, features {config.features} and side {config.side}, but there have to be the same "
                             "questions about both things, as many features of each, and a side that is a multiple of 64")
        super().__init__(replace(config, sizes=config.sizes[:half], features=config.features // 2, side=config.side * 5 // 8))
        self.config = config

    def features(self, x: Tensor) -> Tensor:
        """What all answers are read from, the left thing's features first. x: (B, C, H, W), in [-1, 1]; returns (B, features)."""
        return super().features(corners(x)).unflatten(0, (-1, 2)).flatten(1)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """One tensor of logits (B, sizes[a]) per question. x: (B, C, H, W), in [-1, 1]."""
        left, right = nn.functional.silu(self.features(x)).chunk(2, dim=1)  # (B, features / 2) each
        return tuple(head(h) for h in (left, right) for head in self.heads)


def corners(x: Tensor) -> Tensor:
    """The lower left corner of each picture and the mirrored lower right one, in turn: (B, C, H, W) to (2 B, C, 5/8 H, 5/8 W)."""
    height, width = x.shape[-2] * 5 // 8, x.shape[-1] * 5 // 8
    return torch.stack([x, x.flip(-1)], 1)[..., -height:, :width].flatten(0, 1)


@torch.no_grad()
def answers(classifier: nn.Module, x: Tensor, batch: int = 250) -> Tensor:
    """The likeliest answer to every question. classifier: a `Classifier`; x: (N, C, H, W), looked at `batch` at a time; returns (N, A) int64."""
    return torch.cat([torch.stack([logits.argmax(1) for logits in classifier(part)], 1) for part in x.split(batch)])
