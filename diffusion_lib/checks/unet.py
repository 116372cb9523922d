"""Checks on the shape of the U-Net: how far it sees, where its parameters are, what it normalises, how levels nest."""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from ..random import CounterGenerator, randn
from ._verdict import Wrong, call, check, one_number, same


def _named(given: float, slips: dict[float, str]) -> None:
    """Raises Wrong with the words for the slip that leads to this number, if there is one."""
    if given in slips:
        raise Wrong(slips[given])


# How far ------------------------------------------------------------------------------------------------------------

def _reach(strides: list[int], growth: int = 2) -> int:
    """1 + sum of (k - 1) times the strides so far, for windows of 3."""
    seen, step = 1, 1
    for stride in strides:
        seen, step = seen + growth * step, step * stride
    return seen


@check
def reach(answer, convs: int, halvings: int) -> str:
    """How many pixels wide one place sees at the end of `convs` 3x3 convolutions, `halvings` times: halving and `convs` more.

        1 + sum_i (k_i - 1) prod_{j < i} s_j.        Reference: Luo et al. 2016, section 1 (the theoretical receptive field)
    """
    given, level = one_number(answer), [1] * convs
    right = _reach(level + ([2] + level) * halvings)
    if given == right:
        return f"{right} pixels: the convolutions after the last halving count {2 ** halvings} times each."
    layers = convs * (halvings + 1)
    _named(given, {
        _reach([1] * (layers + halvings)): "You let every layer add 2. After a halving, each step on the small map is two pixels of the picture: later layers count double.",
        _reach([1] * layers): "The strides are missing, and so are the windows of the halving convolutions: these are 3×3 too.",
        _reach(level + ([2] + level) * halvings, growth=3): "A window of 3 adds 2 places, not 3: the middle one was seen already.",
        right - 1: "This is the sum alone. One place sees itself too: add 1.",
        (right - 1) // 2: "This looks like the distance from the middle to the edge. The question is how wide the part is from edge to edge.",
        right**2: "This is the area of what it sees. The question is how wide it is.",
        1 + sum(2 * convs * 2**k for k in range(halvings + 1)): "The halving convolutions are missing: their windows are 3×3 too, and see before they stride.",
        _reach(([2] + level) * halvings + level): "The first layers come before the first halving, so their steps are single pixels.",
        1 + 2 * sum(2**k * convs + 2 ** (k + 1) * (k < halvings) for k in range(halvings + 1)):
            "Nearly: a halving convolution looks at the larger map. Its stride makes the layers after it count double, not itself.",
    })
    raise Wrong(f"It is {'less' if given > right else 'more'} than {given:g}. Walk through the layers: each adds 2 steps of the map it looks at, "
                "and a step is as many pixels as all strides before it, multiplied.")


# How much -----------------------------------------------------------------------------------------------------------

def _parameters(width: int, told: int) -> int:
    """Of a `ResidualBlock`: two convolutions, two norms, FiLM."""
    return 2 * (9 * width**2 + width) + 4 * width + 2 * width * told + 2 * width


@check
def wider_block(answer, width: int, told: int) -> str:
    """How many parameters a residual block of 2 `width` channels, told a vector of length `told`, has more than one of `width`."""
    given, more = one_number(answer), _parameters(2 * width, told) - _parameters(width, told)
    if given == more:
        return f"{more:,} more, and {54 * width**2:,} of them in the convolutions: they grow with the square of the width."
    _named(given, {
        _parameters(2 * width, told): "This is how many the wide block has. How many more is that than the narrow one?",
        _parameters(width, told): "This is how many the narrow block has, before it was doubled.",
        2 * _parameters(width, told): "Twice as wide is not twice as many: a convolution has a weight for each pair of channels.",
        4 * _parameters(width, told): "Not everything grows fourfold: the convolutions do, but the norms and the FiLM layer grow twofold.",
        3 * _parameters(width, told): "Not everything grows fourfold: the convolutions do, but the norms and the FiLM layer grow twofold.",
        2 * 9 * 3 * width**2: "This counts the weights of the two convolutions. Their offsets, the two norms and the FiLM layer have parameters too.",
        2 * (27 * width**2 + width): "These are the two convolutions. The two norms and the FiLM layer have parameters too.",
        more - 2 * width * told - 2 * width: "The FiLM layer is missing: it makes two numbers for each channel from the vector that it is told.",
        more - width * told - width: "The FiLM layer makes two numbers for each channel: one to turn it up or down, one to move it.",
        more - 2 * width: "An offset for each channel is missing somewhere: both convolutions, both norms and the FiLM layer have one.",
        more - 4 * width: "The two norms are missing: each has a factor and an offset for each channel.",
        more - 9 * 3 * width**2 - width: "A block has two convolutions; you counted one.",
    })
    raise Wrong(f"It is {'less' if given > more else 'more'} than {given:,.0f}. Count (11.6) for both widths and subtract; "
                "or build both blocks and ask count_parameters.")


# What is normalised ---------------------------------------------------------------------------------------------------

def _normalised(x: Tensor, dims: tuple[int, ...], unbiased: bool = False, eps: float = 1e-5) -> Tensor:
    mean, variance = x.mean(dims, keepdim=True), x.var(dims, keepdim=True, unbiased=unbiased)
    return (x - mean) / torch.sqrt(variance + eps)


@check
def group_norm(answer) -> str:
    """A function (x (B, C, H, W), groups) -> x with each group of neighbouring channels of each picture at mean 0 and spread 1.

    1e-5 is added to the variance, which is divided by n, not by n - 1. Reference: Wu and He 2018, eq. 1, 2 and 7.
    """
    generator = CounterGenerator(6)
    loud = torch.tensor([1.0, 3.0, 0.05])[:, None, None, None] * torch.arange(1, 7)[:, None, None] ** 0.5
    x, groups = randn((3, 6, 2, 3), generator, dtype=torch.float64) * loud + torch.arange(6.0)[:, None, None] / 3, 2
    grouped = x.unflatten(1, (groups, -1))                   # (B, G, C / G, H, W)
    wanted = _normalised(grouped, (2, 3, 4)).flatten(1, 2)
    mixed = x.unflatten(1, (-1, groups))                     # channels dealt out like cards
    mean, variance = grouped.mean((2, 3, 4), keepdim=True), grouped.var((2, 3, 4), keepdim=True, unbiased=False)
    same(call(answer, x, groups), wanted, {
        "This is BatchNorm: mean and spread of each channel over all pictures. Each picture stands alone here.": _normalised(x, (0, 2, 3)),
        "The groups are right, but the pictures of the batch are mixed: mean and spread belong to one picture.":
            _normalised(grouped, (0, 2, 3, 4)).flatten(1, 2),
        "Each channel is normalised by itself. A group has several channels, which keep their differences in loudness.": _normalised(x, (2, 3)),
        "All channels of a picture are normalised together, as if there were one group.": _normalised(x, (1, 2, 3)),
        "Each place is normalised over the channels of its group. Mean and spread run over all places too.": _normalised(grouped, (2,)).flatten(1, 2),
        "A group is made of neighbours: channels 0, 1, 2 and then 3, 4, 5. You dealt them out in turn.": _normalised(mixed, (1, 3, 4)).flatten(1, 2),
        "The variance is divided by n - 1. Here it is divided by n (unbiased=False, or correction=0).":
            _normalised(grouped, (2, 3, 4), unbiased=True).flatten(1, 2),
        "You divide by the variance. Its square root, the spread, belongs there.": ((grouped - mean) / (variance + 1e-5)).flatten(1, 2),
        "The mean is still there: take it away before you divide.": (grouped / torch.sqrt(variance + 1e-5)).flatten(1, 2),
        "The mean is taken away, and the spread is not yet 1: divide by it.": (grouped - mean).flatten(1, 2),
        "1e-5 is added to the variance, under the square root.": _normalised(grouped, (2, 3, 4), eps=0.0).flatten(1, 2),
        "std() divides by n - 1, and 1e-5 belongs under the square root: take var(..., unbiased=False) + 1e-5, then its root.":
            ((grouped - mean) / (grouped.std((2, 3, 4), keepdim=True) + 1e-5)).flatten(1, 2),
        "1e-5 is added under the square root, to the variance, not to the spread.": ((grouped - mean) / (variance.sqrt() + 1e-5)).flatten(1, 2),
    }, tolerance=1e-9)
    flat = torch.full((1, 4, 2, 2), 0.5, dtype=torch.float64)
    same(call(answer, flat, 4), torch.zeros_like(flat), {}, tolerance=1e-9)
    return "Each picture by itself, each group by itself; a picture's neighbours in the batch make no difference."


# How levels nest ------------------------------------------------------------------------------------------------------

def _u(x: Tensor, levels: list[tuple], middle) -> Tensor:
    if not levels:
        return middle(x)
    think, shrink, grow, merge = levels[0]
    copied = think(x)
    return merge(grow(_u(shrink(copied), levels[1:], middle)), copied)


def _levels(count: int) -> list[tuple]:
    """Levels whose functions all do something of their own, so that none can be left out or exchanged unseen."""
    def level(k: int) -> tuple:
        return (lambda x: x + torch.sin((3 + k) * x), lambda x: (1 + 0.1 * k) * avg_pool2d(x, 2),
                lambda x: interpolate(x, scale_factor=2.0) - 0.2 * k, lambda below, copied: 0.7 * below + (0.3 + 0.05 * k) * copied**2)
    return [level(k) for k in range(1, count + 1)]


def _middle(x: Tensor) -> Tensor:
    return torch.cos(2 * x)


@check
def u_shape(answer) -> str:
    """A function (x, levels, middle) -> merge(grow(the same of shrink(think(x)), with the other levels), think(x)), or middle(x).

    levels: tuples (think, shrink, grow, merge), the finest first. Reference: Ronneberger et al. 2015, figure 1.
    """
    x = randn((1, 2, 8, 8), CounterGenerator(8), dtype=torch.float64)
    same(call(answer, x, [], _middle), _middle(x), {"Without levels there is nothing to think about: the middle answers.": x}, tolerance=1e-9)

    def with_change(change):
        def u(y, levels):
            return _middle(y) if not levels else change(y, *levels[0], lambda z: u(z, levels[1:]))
        return lambda count: u(x, _levels(count))

    slips = {
        "The copy that is laid beside has to be what `think` answered, not what it was given.":
            with_change(lambda y, think, shrink, grow, merge, below: merge(grow(below(shrink(think(y)))), y)),
        "What goes down is what `think` answered; you shrink what it was given.":
            with_change(lambda y, think, shrink, grow, merge, below: merge(grow(below(shrink(y))), think(y))),
        "Nobody has thought: ask `think`, keep its answer as the copy, and shrink it.":
            with_change(lambda y, think, shrink, grow, merge, below: merge(grow(below(shrink(y))), y)),
        "`merge` takes what came from below first and the copy second; you have exchanged them.":
            with_change(lambda y, think, shrink, grow, merge, below: merge(think(y), grow(below(shrink(think(y)))))),
        "The copy is never used: `merge` what comes back with it.":
            with_change(lambda y, think, shrink, grow, merge, below: grow(below(shrink(think(y))))),
        "You add the copy. `merge` knows how the two are put together.":
            with_change(lambda y, think, shrink, grow, merge, below: grow(below(shrink(think(y)))) + think(y)),
    }
    for count in (1, 2, 3):
        wrong = {words: slip(count) for words, slip in slips.items()} | ({} if count == 1 else {
            "Only the first level was used: below it comes the U of the remaining levels, not the middle.":
                _levels(1)[0][3](_levels(1)[0][2](_middle(_levels(1)[0][1](_levels(1)[0][0](x)))), _levels(1)[0][0](x)),
            "The levels are taken from the wrong end: the first of them is the finest.": _u(x, _levels(count)[::-1], _middle)})
        same(call(answer, x, _levels(count), _middle), _u(x, _levels(count), _middle), wrong, tolerance=1e-9)
    return "A U is a level around a smaller U; copies that were laid down last are taken up first, without anybody counting."
