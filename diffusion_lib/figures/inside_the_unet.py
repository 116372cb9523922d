"""Inside the U-Net: every block of the real network, what it makes of a noisy picture, how far it sees and what it costs."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
import traitlets
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ..denoisers import NeuralDenoiser
from ..networks.layers import GROUPS, count_parameters
from ..networks.unet import UNet, UNetConfig
from ..process import diffuse
from ..random import CounterGenerator, randn
from ..schedules import RectifiedFlowSchedule
from ._base import GUESS_RANGE, LiveFigure, film, grey_film, lossless, module_source, present, still_row
from ._languages import in_each_language

CHANNELS = 8                                                 # of each block are shown: those that vary most over the picture
TIMES = (0.0, 0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 1.0)
SCHEDULE = RectifiedFlowSchedule()                           # what the module computes x_t by: (1 - t) x0 + t eps
FAR = 256                                                    # pixels, more than any block of the book's networks sees


@dataclass(frozen=True)
class Block:
    """One block of a `UNet`. module: its name there, of which the output is looked at. parts: names of all modules that
    are counted with it. level: 0 for full size, 1 for the finest level, and so on. side: "down", "middle" or "up".
    hears: the module whose copy is laid beside its input, or None."""

    module: str
    parts: tuple[str, ...]
    level: int
    side: str
    hears: str | None = None


def blocks_of(config: UNetConfig) -> list[Block]:
    """The blocks of a `UNet` of this shape, in the order in which a picture goes through them."""
    last = len(config.widths)
    found = [Block("stem", ("stem",), 0, "down"), Block("fold", ("fold",), 1, "down")]
    for i, count in enumerate(config.blocks):
        if i:
            found.append(Block(f"shrink.{i - 1}", (f"shrink.{i - 1}",), i + 1, "down"))
        found += [Block(f"down.{i}.{j}", (f"down.{i}.{j}",), i + 1, "down") for j in range(count)]
    found += [Block(f"middle.{part}", (f"middle.{part}",), last, "middle") for part in ("0.block", "0.attention", "1")]
    for i in reversed(range(last)):
        count = config.blocks[i]
        found += [Block(f"up.{i}.{j}", (f"merge.{i}.{j}", f"up.{i}.{j}"), i + 1, "up", f"down.{i}.{count - 1 - j}") for j in range(count)]
        if i:
            found.append(Block(f"grow.{i - 1}", (f"grow.{i - 1}",), i, "up"))
    return found + [Block("unfold", ("unfold",), 0, "up"), Block("head", ("head",), 0, "up", "stem")]


# What a block is -----------------------------------------------------------------------------------------------------

def reaches(config: UNetConfig) -> list[int]:
    """How many pixels wide the part of the picture is that one place of each block can see through convolutions alone.

    Measured: the gradient of one place reaches these pixels and no others. Attention and the statistics of GroupNorm,
    through which every place hears a little of all others, are left out. Widths do not matter here, so all are small.
    """
    network = UNet(replace(config, stem=GROUPS, widths=(32,) * len(config.widths), embedding=GROUPS)).double()
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.GroupNorm) or name == "attention":
                setattr(module, name, nn.Identity())
    for parameter in network.parameters():
        nn.init.uniform_(parameter, 0.1, 1.0)                # all positive, so that nothing cancels
    blocks, far = blocks_of(config), FAR // config.factor * config.factor
    x = torch.ones(1, config.channels, far, config.factor, dtype=torch.float64, requires_grad=True)    # seeing is the same both ways
    with listening(network, [block.module for block in blocks]) as answers:
        network(x / far, torch.zeros(1))
    seen = []
    for block in blocks:
        middle = answers[block.module][0, :, answers[block.module].shape[2] // 2].sum()
        (gradient,) = torch.autograd.grad(middle, x, retain_graph=True)
        seen.append(int((gradient.abs().amax((0, 1, 3)) > 0).sum()))
    return seen


def costs(network: UNet, blocks: list[Block], size: int) -> list[tuple[int, int]]:
    """Parameters and floating-point operations of each block, for one picture of `size` x `size`, 2 per multiply-add."""
    x = torch.zeros(1, network.config.channels, size, size)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(x, torch.zeros(1))
    flops = {name.removeprefix(f"{type(network).__name__}."): sum(count.values()) for name, count in counter.get_flop_counts().items()}
    modules = dict(network.named_modules())
    return [(sum(count_parameters(modules[part]) for part in block.parts), sum(flops.get(part, 0) for part in block.parts)) for block in blocks]


# What a block does ---------------------------------------------------------------------------------------------------

@contextmanager
def listening(network: nn.Module, names: Iterable[str]) -> Iterator[dict[str, Tensor]]:
    """A dict that is filled, while the network is used, with what its modules of these names answer: name -> (B, C, h, w)."""
    found, modules = {}, dict(network.named_modules())
    hooks = [modules[name].register_forward_hook(lambda module, given, answer, name=name: found.update({name: answer})) for name in names]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


@dataclass(frozen=True)
class Features:
    """What the blocks of a network made of one picture under more and more static.

    caption, seed: of the picture and of its static. picture: (3, H, H). times: T numbers. guesses: (T, 3, H, H), of x0.
    blocks, reach, cost, shape: of each block. channels: of each block (K,), the numbers of those that vary most.
    maps: of each block (T, K, h, h), these channels.
    listens: of each block (T, H, H), how much a pixel matters for the block's answer in the middle of the picture.
    """

    caption: str
    seed: int
    picture: Tensor
    times: tuple[float, ...]
    guesses: Tensor
    blocks: list[Block]
    reach: list[int]
    cost: list[tuple[int, int]]
    shape: list[tuple[int, ...]]
    channels: list[Tensor]
    maps: list[Tensor]
    listens: list[Tensor]


def noised(picture: Tensor, seed: int) -> Tensor:
    """The picture (3, H, H) at each of TIMES of rectified flow, with the static of one seed: (T, 3, H, H)."""
    times, eps = torch.tensor(TIMES, dtype=torch.float64), randn(picture.shape, CounterGenerator(seed))
    return diffuse(*(x.expand(len(times), -1, -1, -1) for x in (picture, eps)), times, SCHEDULE)


def record_features(denoiser: NeuralDenoiser, picture: Tensor, caption: str, *, seed: int, cond=None) -> Features:
    """Look into a denoiser's `UNet` while it looks at one picture under more and more static.

    denoiser: trained on rectified flow. picture: (3, H, H), in [-1, 1]. caption: what it shows. seed: of the static. cond: (1, ...), the wish, or None.
    """
    network, blocks = denoiser.network, blocks_of(denoiser.network.config)
    x, t = noised(picture, seed).requires_grad_(), torch.tensor(TIMES, dtype=torch.float64)
    wish = None if cond is None else cond.expand(len(TIMES), *cond.shape[1:])
    with listening(network, [block.module for block in blocks]) as answers:
        guesses = denoiser(x, t, wish).x0.detach()
    channels, maps, listens = [], [], []
    for block in blocks:
        answer = answers[block.module]                       # (T, C, h, h)
        (gradient,) = torch.autograd.grad(answer[:, :, answer.shape[2] // 2, answer.shape[3] // 2].square().sum() / 2, x, retain_graph=True)
        listens.append(gradient.square().sum(1).sqrt())
        channels.append(answer.detach().var(dim=(2, 3)).mean(0).argsort(descending=True)[:CHANNELS].sort().values)
        maps.append(answer.detach()[:, channels[-1]])
    return Features(caption, seed, picture, TIMES, guesses, blocks, reaches(network.config), costs(network, blocks, picture.shape[-1]),
                    [tuple(answers[block.module].shape[1:]) for block in blocks], channels, maps, listens)


# The figure ----------------------------------------------------------------------------------------------------------

class InsideTheUnet(LiveFigure):
    """The widget behind `inside_the_unet`."""

    stem = "inside_the_unet"
    room = (78.5, 51)
    _esm = module_source(stem)
    caption = traitlets.Dict().tag(sync=True)                # language -> what the picture shows
    seed = traitlets.Int().tag(sync=True)
    times = traitlets.List().tag(sync=True)
    picture = traitlets.Unicode().tag(sync=True)             # data: address
    guesses = traitlets.Unicode().tag(sync=True)             # film, a picture for each time
    guess_range = traitlets.Float().tag(sync=True)
    told = traitlets.Int().tag(sync=True)                    # parameters of what all blocks are told: noise level and wish
    blocks = traitlets.List().tag(sync=True)


def inside_the_unet(features: Features, network: UNet):
    """Choose a block of the network: its feature maps at any of the recorded times, its shape, its reach, its cost.

    features: from `record_features`. network: the one that was recorded. Feature maps are stored in 8 bits between the
    least and the greatest value that a channel has at any of the times. Returns a widget, or HTML for the published book.
    """
    traits = {"caption": in_each_language(features.caption), "seed": features.seed, "times": list(features.times), "picture": lossless(features.picture),
              "guesses": film(features.guesses, GUESS_RANGE), "guess_range": GUESS_RANGE,
              "told": count_parameters(network) - sum(parameters for parameters, _ in features.cost),
              "blocks": [_traits(features, k) for k in range(len(features.blocks))]}
    return present(InsideTheUnet, traits, _still(features))


def _traits(features: Features, k: int) -> dict:
    """One block as the module reads it."""
    block, maps, listens = features.blocks[k], features.maps[k], features.listens[k]
    low, high = maps.amin((0, 2, 3)), maps.amax((0, 2, 3))   # (K,)
    levels = 2 * (maps - low[:, None, None]) / (high - low).clamp(min=1e-12)[:, None, None] - 1
    heard = listens / listens.amax((1, 2), keepdim=True).clamp(min=1e-12)
    return {"module": block.module, "level": block.level, "side": block.side, "hears": block.hears or "", "reach": features.reach[k],
            "parameters": features.cost[k][0], "flops": features.cost[k][1], "shape": list(features.shape[k]),
            "channels": features.channels[k].tolist(), "low": low.tolist(), "high": high.tolist(),
            "maps": grey_film(levels.flatten(0, 1)), "listens": grey_film(2 * heard - 1)}


def _still(features: Features) -> str:
    middle = TIMES.index(0.55)
    states = noised(features.picture, features.seed)
    rows = still_row([states[middle], features.guesses[middle]], ["x_t, t = 0.55", "guess"],
                     [f"{features.caption} with static, t = 0.55", "the model's guess of the clean picture"])
    for k in (0, len(features.blocks) // 2, len(features.blocks) - 2):
        block, maps = features.blocks[k], features.maps[k][middle, :5]
        scaled = maps / maps.abs().amax((1, 2), keepdim=True).clamp(min=1e-12)
        rows += still_row(scaled[:, None].expand(-1, 3, -1, -1), [f"{block.module}"] * 5, [f"a channel of the block {block.module}"] * 5)
    return rows
