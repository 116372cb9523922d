"""Attention: each place asks, and takes a little of every answer, most of it from where the question fits best.

    softmax(q k^T / sqrt(d)) v

In self-attention places ask other places; in cross-attention they ask the words of a prompt. Both add what they learned
to what was there, and begin by adding nothing.

Reference: Vaswani et al. 2017, eq. 1.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from .layers import Norm, zeroed

HEAD = 32                                                    # width of one head, where nothing else is said


class Attention(nn.Module):
    """The formula above, in heads. Its weights pass through the module `softmax`, where `recorded` can listen.

    Written out: for the few tokens here PyTorch's fused attention is many times slower to train on CPUs.
    heads: at least 1; widths have to be multiples of it.
    """

    def __init__(self, heads: int):
        super().__init__()
        self.heads, self.softmax = heads, nn.Softmax(dim=3)

    def forward(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
        """q: (B, L, C). k, v: (B, M, C). mask: (B, M) bool, False where an answer does not count. Returns (B, L, C)."""
        q, k, v = (x.unflatten(2, (self.heads, -1)).transpose(1, 2) for x in (q, k, v))  # (B, heads, L or M, C / heads)
        scores = q @ k.transpose(2, 3) * q.shape[3] ** -0.5  # (B, heads, L, M)
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None, None], -torch.inf)
        return (self.softmax(scores) @ v).transpose(1, 2).flatten(2)


class SelfAttention(nn.Module):
    """x + what each place has to learn from all others.

    width: C, a multiple of 8. head_width: of one head; C has to be a multiple of it. The last layer begins at zero.
    """

    def __init__(self, width: int, head_width: int = HEAD):
        super().__init__()
        self.norm, self.attend = Norm(width), Attention(heads_of(width, head_width))
        self.qkv = nn.Linear(width, 3 * width)
        self.out = zeroed(nn.Linear(width, width))

    def forward(self, x: Tensor) -> Tensor:
        places = self.norm(x).flatten(2).transpose(1, 2)     # (B, L, C) with L = H W
        h = self.out(self.attend(*self.qkv(places).chunk(3, dim=2)))  # (B, L, C)
        return x + h.transpose(1, 2).reshape(x.shape)        # (B, C, H, W)


class CrossAttention(nn.Module):
    """x + what each place reads in the words: the places ask (q), the words answer (k, v).

    width: C, of the picture, a multiple of 8. words: D, of the words. head_width: of one head; C has to be a multiple of
    it. The last layer begins at zero.
    Reference: Rombach et al. 2022, section 3.3.
    """

    def __init__(self, width: int, words: int, head_width: int = HEAD):
        super().__init__()
        self.norm, self.attend = Norm(width), Attention(heads_of(width, head_width))
        self.q, self.kv = nn.Linear(width, width), nn.Linear(words, 2 * width)
        self.out = zeroed(nn.Linear(width, width))

    def forward(self, x: Tensor, words: Tensor, mask: Tensor) -> Tensor:
        """x: (B, C, H, W). words: (B, M, D). mask: (B, M) bool, True where a word counts; at least one a row."""
        places = self.norm(x).flatten(2).transpose(1, 2)     # (B, L, C) with L = H W
        h = self.out(self.attend(self.q(places), *self.kv(words).chunk(2, dim=2), mask))  # (B, L, C)
        return x + h.transpose(1, 2).reshape(x.shape)        # (B, C, H, W)


def heads_of(width: int, head_width: int = HEAD) -> int:
    """How many heads of one width make up another. Raises ValueError where they do not."""
    if width % head_width:
        raise ValueError(f"width is {width}, but attention with heads of {head_width} needs a multiple of {head_width}")
    return width // head_width


@contextmanager
def recorded(network: nn.Module) -> Iterator[list[dict[str, Tensor]]]:
    """While this lasts, listen to where the places look for words.

        with recorded(denoiser.network) as looks:
            denoiser(x_t, t, ["a cat"])                      # looks[0]: {"up.0.0.words": (B, heads, H W, M) weights, ...}

    network: what has such blocks inside; their names begin from there. Gives a list that grows by one dict with each call of
    the network: name of each `CrossAttention` -> its weights, each row of which sums to 1 over the M words (the first is the
    beginning of the text).
    """
    looks: list[dict[str, Tensor]] = []
    blocks = {module: name for name, module in network.named_modules() if isinstance(module, CrossAttention)}

    def listen(name: str):
        def hook(_, __, weights: Tensor) -> None:
            if not looks or name in looks[-1]:
                looks.append({})
            looks[-1][name] = weights.detach().float().cpu()
        return hook

    hooks = [module.attend.softmax.register_forward_hook(listen(name)) for module, name in blocks.items()]
    try:
        yield looks
    finally:
        for hook in hooks:
            hook.remove()
