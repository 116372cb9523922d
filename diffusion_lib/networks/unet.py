"""A U-Net: look at the picture small, to see what it is, and large, to see where its edges are.

    stem (full size, thin) -> fold 2x2 places into channels -> levels, each half the size -> the same way back -> head

On the way down each block leaves a copy of what it saw; on the way up it is laid beside what came from below, and a 1x1
convolution mixes the two (cheaper than a block of twice the width, which most U-Nets have here).
Most of the arithmetic happens at half size and below, where a 3x3 convolution is cheap and sees far; the thin
full-size layers before and after the fold let neighbouring pixels agree, without which flat areas would show a faint
2x2 grain.

Reference: Ronneberger et al. 2015; Ho et al. 2020, appendix B; Dhariwal and Nichol 2021, section 3.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..conditioning import Conditioner, Embedding
from .attention import CrossAttention, SelfAttention, heads_of
from .layers import Downsample, LogSNREmbedding, Norm, ResidualBlock, Upsample, check_width, zeroed


@dataclass(frozen=True)
class UNetConfig:
    """The shape of a `UNet`; the default suits 32x32 pictures.

    channels: of the pictures, at least 1. stem: channels at full size. patch: side of the squares folded into channels,
    1 for none. widths: channels of each level, the finest first; the number of levels follows from it. blocks: for each
    level, its residual blocks on the way down, and again on the way up. attention: for each level, whether its blocks are
    followed by attention (the middle always has one). embedding: D, of the vector that tells the blocks about noise and
    condition. reads: the levels, 0 the finest, whose blocks are followed by cross-attention to the words of the prompt.
    places: whether the network is told where each pixel lies, as two more channels at its input (Liu et al. 2018); without,
    it only guesses this from the border, which is too little where "left" and "right" have to be understood.
    stem, widths and embedding are multiples of 8; widths of levels with attention to places or words, as the last one always has,
    are multiples of 32, the width of a head. Raises ValueError where one of these does not hold.
    """

    channels: int = 3
    stem: int = 16
    patch: int = 2
    widths: tuple[int, ...] = (64, 128)
    blocks: tuple[int, ...] = (1, 3)
    attention: tuple[bool, ...] = (False, False)
    embedding: int = 256
    reads: tuple[int, ...] = ()
    places: bool = False

    def __post_init__(self):
        for name, number in (("channels", self.channels), ("patch", self.patch), *(("blocks", n) for n in self.blocks)):
            if number < 1:
                raise ValueError(f"{name} is {number}, but it has to be at least 1")
        for name, width in (("stem", self.stem), ("embedding", self.embedding), *(("widths", w) for w in self.widths)):
            check_width(name, width)
        if not len(self.widths) == len(self.blocks) == len(self.attention) > 0:
            raise ValueError(f"widths, blocks and attention have {len(self.widths)}, {len(self.blocks)} and {len(self.attention)} entries, "
                             "but each level needs one of each")
        if not all(0 <= level < len(self.widths) for level in self.reads):
            raise ValueError(f"reads is {self.reads}, but its levels have to lie between 0 and {len(self.widths) - 1}")
        for level, width in enumerate(self.widths):
            if self.attention[level] or level in self.reads or level == len(self.widths) - 1:
                heads_of(width)

    @property
    def factor(self) -> int:
        """Heights and widths of pictures have to be multiples of this."""
        return self.patch * 2 ** (len(self.widths) - 1)


class Stage(nn.Module):
    """A residual block, then attention to the picture itself and to the prompt's words, where asked for.

    width: C. embedding: D, of the vector it is told. words: D of the words it reads, or None for a block that reads none.
    """

    def __init__(self, width: int, embedding: int, attention: bool, words: int | None):
        super().__init__()
        self.block = ResidualBlock(width, embedding)
        self.attention = SelfAttention(width) if attention else nn.Identity()
        self.words = CrossAttention(width, words) if words else None

    def forward(self, x: Tensor, told: Embedding) -> Tensor:
        x = self.attention(self.block(x, told.vector))       # (B, C, H, W)
        return self.words(x, told.tokens, told.mask) if self.words else x


class UNet(nn.Module):
    """The U-Net of this module's first lines; with fresh weights it answers 0.

    config: its shape. conditioner: embeds the condition, or None for a network that takes none.
    """

    def __init__(self, config: UNetConfig = UNetConfig(), conditioner: Conditioner | None = None):
        super().__init__()
        if config.reads and not (conditioner and conditioner.gives_words):
            raise ValueError(f"reads is {config.reads}, but only a TextConditioner gives words to read")
        self.config, self.conditioner = config, conditioner
        D, folded, (first, *_) = config.embedding, config.stem * config.patch**2, config.widths
        self.log_snr = LogSNREmbedding(D)
        self.condition = nn.Linear(conditioner.width, D) if conditioner else None
        self.stem = nn.Conv2d(config.channels + 2 * config.places, config.stem, 3, padding=1)
        self.fold = nn.Sequential(nn.PixelUnshuffle(config.patch), nn.Conv2d(folded, first, 1))
        self.down, self.shrink = nn.ModuleList(), nn.ModuleList()
        self.merge, self.up, self.grow = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        words = [conditioner.width if level in config.reads else None for level in range(len(config.widths))]
        for i, (width, blocks, attention) in enumerate(zip(config.widths, config.blocks, config.attention)):
            self.down.append(nn.ModuleList(Stage(width, D, attention, words[i]) for _ in range(blocks)))
            self.merge.append(nn.ModuleList(nn.Conv2d(2 * width, width, 1) for _ in range(blocks)))
            self.up.append(nn.ModuleList(Stage(width, D, attention, words[i]) for _ in range(blocks)))
            if i > 0:
                self.shrink.append(Downsample(config.widths[i - 1], width))
                self.grow.append(Upsample(width, config.widths[i - 1]))
        self.middle = nn.ModuleList(Stage(config.widths[-1], D, attention, words[-1]) for attention in (True, False))
        self.unfold = nn.Sequential(Norm(first), nn.SiLU(), nn.Conv2d(first, folded, 1), nn.PixelShuffle(config.patch))
        self.head = nn.Sequential(nn.Conv2d(2 * config.stem, config.stem, 3, padding=1), nn.SiLU(),
                                  zeroed(nn.Conv2d(config.stem, config.channels, 3, padding=1)))

    def embed(self, log_snr: Tensor, cond=None, keep: Tensor | None = None) -> Embedding:
        """What every block is told: the noise and the condition in one vector, and the words where there are some.

        log_snr, cond, keep: as in `forward`.
        """
        if self.conditioner is None:
            if cond is not None:
                raise ValueError("cond is given, but this network was built without a conditioner: leave cond out")
            return Embedding(F.silu(self.log_snr(log_snr)))
        wish = self.conditioner(cond, len(log_snr), keep)
        return Embedding(F.silu(self.log_snr(log_snr) + self.condition(wish.vector)), wish.tokens, wish.mask)

    def forward(self, x: Tensor, log_snr: Tensor, cond=None, keep: Tensor | None = None) -> Tensor:
        """The network's answer y.

        x: (B, C, H, W), unit variance; H and W multiples of `config.factor`. log_snr: (B,), in nats. cond, keep: as the
        conditioner takes them. Returns (B, C, H, W). Raises ValueError for another number of channels or such a size.
        """
        self._check(x)
        told = self.embed(log_snr, cond, keep)
        thin = self.stem(torch.cat([x, places_of(x)], dim=1) if self.config.places else x)  # (B, stem, H, W)
        h = self.fold(thin)                                  # (B, widths[0], H / patch, W / patch)
        seen = []
        for i, stages in enumerate(self.down):
            h = self.shrink[i - 1](h) if i else h            # (B, widths[i], H / patch / 2^i, ...)
            for stage in stages:
                h = stage(h, told)
                seen.append(h)
        for stage in self.middle:
            h = stage(h, told)                               # (B, widths[-1], H / factor, W / factor)
        for i in reversed(range(len(self.up))):
            for merge, stage in zip(self.merge[i], self.up[i]):
                h = stage(merge(torch.cat([h, seen.pop()], dim=1)), told)
            h = self.grow[i - 1](h) if i else h              # (B, widths[i - 1], twice the size)
        full = self.unfold(h)                                # (B, stem, H, W)
        return self.head(torch.cat([full, thin], dim=1))     # (B, C, H, W)

    def _check(self, x: Tensor) -> None:
        channels, factor = self.config.channels, self.config.factor
        if x.ndim != 4 or x.shape[1] != channels or x.shape[2] % factor or x.shape[3] % factor:
            raise ValueError(f"x has shape {tuple(x.shape)}, but this network takes (B, {channels}, H, W) with H and W multiples of {factor}")


def places_of(x: Tensor) -> Tensor:
    """Where each pixel lies, from the upper left (-1, -1) to the lower right (1, 1). x: (B, C, H, W). Returns (B, 2, H, W): row, column."""
    rows, columns = (torch.linspace(-1, 1, size, dtype=x.dtype, device=x.device) for size in x.shape[2:])
    return torch.stack(torch.meshgrid(rows, columns, indexing="ij")).expand(len(x), -1, -1, -1)
