"""What a classifier is to minimise.

It will judge pictures that a model made, which are never quite as clean as real ones; so it is taught on pictures with
a little noise, and shifted by up to two pixels.
"""

import torch
from torch import Tensor, nn

from .conditioning import UNSAID
from .losses import LossTerms
from .random import rand, randn


def augment(x: Tensor, noise: float, shift: int, generator: torch.Generator | None) -> Tensor:
    """Shift all pictures of a batch by the same few pixels, and add noise of a random strength to each.

    x: (B, C, H, W); noise: largest standard deviation; shift: largest number of pixels. Returns the same shape.
    """
    where = generator.device if generator is not None else "cpu"
    right, down = torch.randint(-shift, shift + 1, (2,), generator=generator, device=where).tolist()
    padded = nn.functional.pad(x, (shift,) * 4, mode="replicate")
    height, width = x.shape[-2:]
    x = padded[..., shift + down:shift + down + height, shift + right:shift + right + width]
    return x + noise * rand((len(x), 1, 1, 1), generator, x.device) * randn(x.shape, generator, x.device)


def classification_loss(classifier: nn.Module, x: Tensor, attributes: Tensor, *, noise: float = 0.15, shift: int = 2,
                        generator: torch.Generator | None = None) -> LossTerms:
    """How surprised a classifier is by the right answers: cross-entropy in nats, summed over questions.

    x: (B, C, H, W), in [-1, 1]. attributes: (B, A) int64, or (B, 2, A) for a `PairClassifier`; -1, "unsaid", asks nothing.
    noise, shift: as in `augment`.
    A loss for `train`; as no time is drawn, t is 0 everywhere.
    """
    logits = classifier(augment(x, noise, shift, generator))
    questions = zip(logits, attributes.flatten(1).T, strict=True)
    per_sample = sum(nn.functional.cross_entropy(part.float(), wanted, ignore_index=UNSAID, reduction="none")
                     for part, wanted in questions)
    return LossTerms(per_sample.mean(), per_sample, torch.zeros(len(x), dtype=torch.float64))
