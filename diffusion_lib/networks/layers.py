"""The few parts that the networks are built from.

Every part is plain enough to be written again by hand: 3x3 and 1x1 convolutions, group normalisation with FiLM and
SiLU, steps down and up in size. Parts that end in a zero-initialised layer change nothing at first: a residual block is
born as the identity, and learns what to add.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ..schedules import LOG_SNR_LIMIT

GROUPS = 8                                                   # of GroupNorm; so all widths are multiples of 8


def zeroed(layer: nn.Module) -> nn.Module:
    """The same layer with all its weights set to 0, so that it answers 0 until it has learned something."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def check_width(name: str, width: int) -> None:
    """Raises ValueError unless `width` is a positive multiple of 8."""
    if width <= 0 or width % GROUPS:
        raise ValueError(f"{name} is {width}, but a width has to be a positive multiple of {GROUPS}")


class Norm(nn.GroupNorm):
    """Group normalisation in eight groups of neighbouring channels, computed in the number type of its weights, whatever x has.

    So in float32 also where the layers around it work in bfloat16. On a GPU autocast sees to this by itself. On a processor it does
    not, and unless a group has a multiple of 16 channels, PyTorch 2.13 takes two to four times as long in bfloat16 (channels-last).
    width: C, a multiple of 8. Reference: Wu and He 2018, section 3.1.
    """

    def __init__(self, width: int):
        super().__init__(GROUPS, width)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.to(self.weight.dtype)).to(x.dtype)


class LogSNREmbedding(nn.Module):
    """Tells the network how noisy its input is: waves of many lengths over log-SNR, then a small MLP.

        features = [sin(f_k l), cos(f_k l)],     l = log-SNR clamped to +-20,     f_k from 1/20 to 4 radians per nat

    width: D, of the embedding. waves: number of frequencies f_k, spaced geometrically.
    Reference: Vaswani et al. 2017, section 3.5 (the waves); Kingma et al. 2021 (log-SNR in the place of t).
    """

    def __init__(self, width: int, waves: int = 32):
        super().__init__()
        self.register_buffer("frequencies", torch.logspace(0, 1, waves, base=80.0) / LOG_SNR_LIMIT, persistent=False)
        self.mlp = nn.Sequential(nn.Linear(2 * waves, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, log_snr: Tensor) -> Tensor:
        clamped = log_snr.float().clamp(-LOG_SNR_LIMIT, LOG_SNR_LIMIT)
        angles = clamped[:, None] * self.frequencies         # (B, waves)
        return self.mlp(torch.cat([angles.sin(), angles.cos()], dim=1))  # (B, D)


class ResidualBlock(nn.Module):
    """x + what two convolutions have to add, told (by FiLM) how noisy x is and what was asked for.

        h = conv1(SiLU(norm(x))),     h = conv2(SiLU(norm(h) (1 + scale) + shift)),     (scale, shift) = linear(embedding)

    width: C, a multiple of 8. embedding: D. conv2 begins at zero.
    Reference: Dhariwal and Nichol 2021, section 3 (adaptive group normalisation); Perez et al. 2018 (FiLM).
    """

    def __init__(self, width: int, embedding: int):
        super().__init__()
        self.norm1, self.norm2 = Norm(width), Norm(width)
        self.conv1, self.conv2 = nn.Conv2d(width, width, 3, padding=1), zeroed(nn.Conv2d(width, width, 3, padding=1))
        self.film = nn.Linear(embedding, 2 * width)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        scale, shift = self.film(embedding)[:, :, None, None].chunk(2, dim=1)  # (B, C, 1, 1) each
        h = self.conv1(F.silu(self.norm1(x)))                # (B, C, H, W)
        h = torch.addcmul(shift, self.norm2(h), 1 + scale)   # (B, C, H, W)
        return x + self.conv2(F.silu(h))                     # (B, C, H, W)


class Downsample(nn.Conv2d):
    """Half the height and width: a 3x3 convolution that takes strides of 2."""

    def __init__(self, width_in: int, width_out: int):
        super().__init__(width_in, width_out, 3, stride=2, padding=1)


class Upsample(nn.Module):
    """Twice the height and width: fewer channels first, then each place copied into 2x2, then a 3x3 convolution."""

    def __init__(self, width_in: int, width_out: int):
        super().__init__()
        self.narrow = nn.Conv2d(width_in, width_out, 1)
        self.conv = nn.Conv2d(width_out, width_out, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        h = F.interpolate(self.narrow(x), scale_factor=2, mode="nearest")  # (B, C, 2 H, 2 W)
        return self.conv(h)                                  # (B, C, 2 H, 2 W)


def count_parameters(module: nn.Module) -> int:
    """How many numbers a module has learned, or can learn."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_flops(network: nn.Module, shape: tuple[int, ...], *cond) -> int:
    """The floating-point operations of one answer, 2 per multiply-add: convolutions and matrix products only.

    network: takes (x, log_snr), and cond where it is given: the condition of one picture. shape: of that picture, (C, H, W).
    """
    x = torch.zeros(1, *shape, device=next(network.parameters()).device)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(x, x.new_zeros(1), *cond)
    return counter.get_total_flops()
