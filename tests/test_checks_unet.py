"""The checks of the U-Net chapter: right answers pass, each anticipated slip gets its own words, other numbers other answers."""

import pytest
import torch
from torch import nn

from diffusion_lib.checks import unet
from diffusion_lib.networks.layers import ResidualBlock, count_parameters
from checking import unsaid


def seen_by(convs: int, halvings: int) -> int:
    """The oracle: pixels that the gradient of one place in the middle reaches."""
    strides = [1] * convs + ([2] + [1] * convs) * halvings
    stack = nn.Sequential(*(nn.Conv1d(1, 1, 3, stride=s, padding=1) for s in strides)).double()
    for parameter in stack.parameters():
        nn.init.uniform_(parameter, 0.5, 1)
    x = torch.ones(1, 1, 512, dtype=torch.float64, requires_grad=True)
    answer = stack(x)
    answer[0, 0, answer.shape[2] // 2].backward()
    return int((x.grad > 0).sum())


@pytest.mark.parametrize("convs, halvings", [(c, h) for c in (2, 3, 4, 5) for h in (1, 2, 3)])
def test_reach_is_what_the_gradient_reaches(convs, halvings):
    right = seen_by(convs, halvings)
    assert unet.reach(right, convs, halvings).passed
    for wrong in (right - 1, right + 1, right // 2, right**2, 0, -right, 1 + 2 * (convs * (halvings + 1) + halvings)):
        assert unet.reach(wrong, convs, halvings).passed is False


def test_reach_of_last_year_does_not_pass():
    assert unet.reach(seen_by(3, 2), 3, 2).passed and not unet.reach(seen_by(3, 2), 4, 2).passed


REACHES = [
    (23, "let every layer add 2"), (48, "add 1"), (24, "from edge to edge"), (49**2, "area"), (43, "halving convolutions are missing"),
    (1000, "It is less than 1000"), (torch.ones(3), "one number"), ("many", "needs numbers")]


@pytest.mark.parametrize("answer, says", REACHES)
def test_reach_names_the_slip(answer, says):
    assert says in unet.reach(answer, 3, 2).message


@pytest.mark.parametrize("width", [48, 64, 80, 96])
@pytest.mark.parametrize("told", [128, 256])
def test_wider_block_is_what_the_block_has(width, told):
    narrow, wide = (count_parameters(ResidualBlock(w, told)) for w in (width, 2 * width))
    assert unet.wider_block(wide - narrow, width, told).passed
    for wrong in (wide, narrow, 2 * narrow, 4 * narrow, 54 * width**2, wide - narrow - 4 * width, wide - narrow + 1):
        assert unet.wider_block(wrong, width, told).passed is False


WIDER = [
    (lambda wide, narrow: wide, "How many more"), (lambda wide, narrow: narrow, "before it was doubled"), (lambda wide, narrow: 2 * narrow, "for each pair"),
    (lambda wide, narrow: 3 * narrow, "grow twofold"), (lambda wide, narrow: 54 * 64**2, "offsets"), (lambda wide, narrow: wide - narrow - 4 * 64, "norms are missing"),
    (lambda wide, narrow: wide - narrow - 2 * 64 * 256 - 2 * 64, "FiLM layer is missing"), (lambda wide, narrow: 10**9, "It is less than")]


@pytest.mark.parametrize("wrong, says", WIDER)
def test_wider_block_names_the_slip(wrong, says):
    narrow, wide = (count_parameters(ResidualBlock(w, 256)) for w in (64, 128))
    assert says in unet.wider_block(wrong(wide, narrow), 64, 256).message


def normalised(x, groups, dims=(2,), unbiased=False, eps=1e-5):
    together = x.reshape(len(x), groups, -1)
    return ((together - together.mean(dims, keepdim=True)) / (together.var(dims, keepdim=True, unbiased=unbiased) + eps).sqrt()).reshape(x.shape)


def test_group_norm():
    assert unet.group_norm(nn.functional.group_norm).passed and unet.group_norm(normalised).passed


def by_std(x, groups):
    grouped = x.unflatten(1, (groups, -1))
    return ((grouped - grouped.mean((2, 3, 4), keepdim=True)) / (grouped.std((2, 3, 4), keepdim=True) + 1e-5)).flatten(1, 2)


NORMS = [
    (by_std, "std() divides by"),
    (lambda x, groups: nn.functional.batch_norm(x, None, None, training=True), "BatchNorm"),
    (lambda x, groups: normalised(x, x.shape[1]), "Each channel is normalised by itself"),
    (lambda x, groups: normalised(x, 1), "as if there were one group"),
    (lambda x, groups: normalised(x, groups, (0, 2)), "mixed"),
    (lambda x, groups: normalised(x, groups, unbiased=True), "n - 1"),
    (lambda x, groups: normalised(x, groups, eps=0), "no numbers|1e-5 is added"),
    (lambda x, groups: x - x.reshape(len(x), groups, -1).mean(2).repeat_interleave(x.shape[1] // groups, 1)[..., None, None], "not yet 1"),
    (lambda x, groups: normalised(x, groups).flatten(1), "shape is"),
    (lambda x, groups: 2 * normalised(x, groups), "right up to its scale"),
    (lambda x, groups: 1 / 0, "ZeroDivisionError")]


@pytest.mark.parametrize("wrong, says", NORMS)
def test_group_norm_names_the_slip(wrong, says):
    verdict = unet.group_norm(wrong)
    assert verdict.passed is False and any(word in verdict.message for word in says.split("|")), verdict.message


def u(x, levels, middle):
    if not levels:
        return middle(x)
    (think, shrink, grow, merge), *rest = levels
    copied = think(x)
    return merge(grow(u(shrink(copied), rest, middle)), copied)


def u_with(change):
    def wrong(x, levels, middle):
        return middle(x) if not levels else change(x, *levels[0], lambda y: wrong(y, levels[1:], middle))
    return wrong


def with_a_pile(x, levels, middle):
    """The same without recursion: copies are laid down and taken up."""
    pile = []
    for think, shrink, _, _ in levels:
        pile.append(think(x))
        x = shrink(pile[-1])
    x = middle(x)
    for _, _, grow, merge in reversed(levels):
        x = merge(grow(x), pile.pop())
    return x


def test_u_shape():
    assert unet.u_shape(u).passed and unet.u_shape(with_a_pile).passed


SHAPES = [
    (u_with(lambda x, think, shrink, grow, merge, below: merge(grow(below(shrink(think(x)))), x)), "not what it was given"),
    (u_with(lambda x, think, shrink, grow, merge, below: merge(grow(below(shrink(x))), think(x))), "you shrink what it was given"),
    (u_with(lambda x, think, shrink, grow, merge, below: merge(think(x), grow(below(shrink(think(x)))))), "exchanged"),
    (u_with(lambda x, think, shrink, grow, merge, below: grow(below(shrink(think(x))))), "never used"),
    (lambda x, levels, middle: u(x, levels[:1], middle), "Only the first level"),
    (lambda x, levels, middle: u(x, levels[::-1], middle), "wrong end"),
    (lambda x, levels, middle: x, "Without levels")]


@pytest.mark.parametrize("wrong, says", SHAPES)
def test_u_shape_names_the_slip(wrong, says):
    verdict = unet.u_shape(wrong)
    assert verdict.passed is False and says in verdict.message, verdict.message


def test_untouched_stubs_stay_calm():
    for checked in (lambda a: unet.reach(a, 3, 2), lambda a: unet.wider_block(a, 64, 256), unet.group_norm, unet.u_shape):
        assert checked(...).passed is None and checked(None).passed is None
    assert unet.group_norm(lambda x, groups: None).passed is None and unet.u_shape(lambda x, levels, middle: ...).passed is None


def test_no_refusal_is_dead():
    narrow, wide = (count_parameters(ResidualBlock(w, 256)) for w in (64, 128))
    asked = [*((unet.reach, answer, 3, 2) for answer, _ in REACHES), *((unet.wider_block, wrong(wide, narrow), 64, 256) for wrong, _ in WIDER),
             *((unet.group_norm, wrong) for wrong, _ in NORMS), *((unet.u_shape, wrong) for wrong, _ in SHAPES)]
    assert unsaid(unet.__name__, asked) == []
