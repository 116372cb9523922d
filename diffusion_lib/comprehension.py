"""A reader learns to read before it is shown a picture: what does a caption say about each pet?

Every pet asks the words one learned question, as the places of a picture will later. Of what it hears, a small head for each
attribute says which value was meant, or that it was left open. Which pet stands on the left decides nearly nothing about how
wrong a denoiser is, so one that learns to read from pictures alone finds it out very late; here every answer depends on it.
Afterwards the reader stays as it is, as in large models, whose readers come from elsewhere.

Reference: Saharia et al. 2022, section 2.1 (readers that learned from text alone, and are kept frozen).
"""

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import Dataset

from .losses import LossTerms
from .networks.attention import Attention, heads_of
from .networks.text import TextEncoder
from .training import TrainConfig, TrainStep, train

BATCH, LR, WARMUP = 128, 3e-3, 50                            # captions a lesson, highest learning rate, lessons until it is reached


class Comprehension(nn.Module):
    """A reader, and questions about what it has read.

    reader: whose width D is a multiple of 32. pets: P, how many a caption speaks of. sizes: how many values each attribute has.
    """

    def __init__(self, reader: TextEncoder, pets: int, sizes: Sequence[int]):
        super().__init__()
        width = reader.words.embedding_dim
        self.reader, self.attend = reader, Attention(heads_of(width))
        self.questions, self.kv = nn.Parameter(torch.randn(pets, width)), nn.Linear(width, 2 * width)
        self.heads = nn.ModuleList(nn.Linear(width, size + 1) for size in sizes)            # the last answer: not said

    def forward(self, numbers: Tensor) -> tuple[Tensor, ...]:
        """numbers: (B, L) int64, of words; 0 is no word. Returns logits (B, P, size + 1) for each attribute."""
        tokens, mask = self.reader(numbers[:, :int((numbers > 0).sum(1).max())])             # (B, 1 + L, D), (B, 1 + L)
        asked = self.questions.expand(len(numbers), -1, -1)  # (B, P, D)
        heard = F.silu(self.attend(asked, *self.kv(tokens).chunk(2, dim=2), mask))           # (B, P, D)
        return tuple(head(heard) for head in self.heads)


def comprehension_loss(model: Comprehension, numbers: Tensor, said: Tensor, *, generator=None) -> LossTerms:
    """How surprised the heads are by what was meant: cross-entropy in nats, summed over all attributes, said or left open.

    numbers: (B, L) int64. said: (B, P, A) int64, -1 where nothing was said; (B, A) for one pet. A loss for `train`; as no time and
    no noise is drawn, t is 0 everywhere and `generator` unused.
    """
    said = said.view(len(said), -1, len(model.heads))        # (B, P, A)
    each = [F.cross_entropy(logits.float().movedim(2, 1), wanted % logits.shape[2], reduction="none")    # -1 is the last answer
            for logits, wanted in zip(model(numbers), said.unbind(2))]                       # A of (B, P)
    per_sample = sum(each).sum(1)
    return LossTerms(per_sample.mean(), per_sample, torch.zeros(len(said), dtype=torch.float64))


def learn_to_read(reader: TextEncoder, captions: Dataset, count: int, seed: int, accelerator=None) -> Iterator[TrainStep]:
    """Teach a reader in place, yielding after each lesson; when all are over its weights are frozen.

    captions: (numbers (L,), attributes (A,) or (P, A)) with `sizes`, as `Captions` is. count: how many it reads, at least 128.
    seed: of the heads. accelerator: as in `train`; a lesson is as near to 128 captions as its processes can share evenly.
    """
    said = captions[0][1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Comprehension(reader, len(said) if said.ndim == 2 else 1, captions.sizes)
    lesson = BATCH - BATCH % (accelerator.num_processes if accelerator else 1)
    config = TrainConfig(steps=count // lesson, batch_size=lesson, lr=LR, warmup=WARMUP, seed=seed, checkpoint_minutes=None)
    reader.requires_grad_(True)
    yield from train(model.to(reader.words.weight.device), captions, config, loss=comprehension_loss, accelerator=accelerator)
    reader.requires_grad_(False)
