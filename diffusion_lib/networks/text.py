"""A small reader: numbered words go in, and every word comes out knowing the words around it.

    word vectors + positions -> layers of (self-attention, MLP) -> one vector a word

Before the first word stands a beginning that belongs to every text, also to the empty one; what comes out there is the
text as a whole.

Reference: Vaswani et al. 2017, section 3 (with the norms first: Xiong et al. 2020).
"""

import torch.nn.functional as F
from torch import Tensor, nn

from .attention import HEAD, Attention, heads_of
from .layers import zeroed


class ReadingLayer(nn.Module):
    """x + attention to the other words, then x + an MLP for each word. width: D, a multiple of head_width. Begins as the identity."""

    def __init__(self, width: int, head_width: int = HEAD):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attend = Attention(heads_of(width, head_width))
        self.qkv, self.out = nn.Linear(width, 3 * width), zeroed(nn.Linear(width, width))
        self.widen, self.narrow = nn.Linear(width, 2 * width), zeroed(nn.Linear(2 * width, width))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = x + self.out(self.attend(*self.qkv(self.norm1(x)).chunk(3, dim=2), mask))  # (B, M, D)
        return x + self.narrow(F.silu(self.widen(self.norm2(x))))  # (B, M, D)


class TextEncoder(nn.Module):
    """The reader of this module's first lines.

    words: size of the vocabulary. length: most words of a text. width: D. layers: at least 1.
    """

    def __init__(self, words: int, length: int, width: int, layers: int):
        super().__init__()
        self.words = nn.Embedding(words + 1, width)          # row 0 is the beginning
        self.positions = nn.Embedding(length + 1, width)
        nn.init.normal_(self.positions.weight, std=0.1)
        self.layers = nn.ModuleList(ReadingLayer(width) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """numbers: (B, L) int64, 0 where there is no word, L at most `length`. Returns vectors (B, 1 + L, D) and mask (B, 1 + L):
        True where a word stands, and always at the beginning. What is masked does not touch the rest."""
        numbers = F.pad(numbers, (1, 0))                     # (B, 1 + L)
        mask = numbers > 0
        mask[:, 0] = True
        x = self.words(numbers) + self.positions.weight[:numbers.shape[1]]  # (B, 1 + L, D)
        for layer in self.layers:
            x = layer(x, mask)
        return self.norm(x), mask
