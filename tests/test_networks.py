"""The U-Net: what it is before training, what reaches which weight, which sizes it takes, and what it costs."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from diffusion_lib.conditioning import AttributeConditioner
from diffusion_lib.data.pets import SIZES
from diffusion_lib.networks.attention import SelfAttention
from diffusion_lib.networks.layers import Downsample, LogSNREmbedding, Norm, ResidualBlock, Upsample, count_flops, count_parameters
from diffusion_lib.networks.unet import UNet, UNetConfig, places_of
from exact import max_error
from tiny import picture

SMALL = UNetConfig(stem=8, widths=(16, 32, 32), blocks=(1, 2, 1), attention=(False, True, False), embedding=32)


def awake(module, seed=0):
    """The same module with small random numbers in place of all zeros, as if it had learned something."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            if not parameter.any():
                parameter.copy_(0.05 * torch.randn(parameter.shape, generator=generator))
    return module


def small_unet(seed=0):
    torch.manual_seed(seed)
    return UNet(SMALL, AttributeConditioner((3, 4), 24))


# At birth ------------------------------------------------------------------------------------------------------------

def test_fresh_blocks_are_the_identity():
    x, told = picture(2, 16, 8, 8), picture(2, 32)
    assert max_error(ResidualBlock(16, 32)(x, told), x) == 0
    assert max_error(SelfAttention(32)(picture(2, 32, 8, 8)), picture(2, 32, 8, 8)) == 0


def test_fresh_network_answers_zero():
    assert not small_unet()(picture(2, 3, 16, 16), torch.zeros(2), torch.tensor([[0, 1], [2, 3]])).any()


# What the parts compute ----------------------------------------------------------------------------------------------

def test_norms_compute_in_the_number_type_of_their_weights():
    norm, x = Norm(48), 3 + picture(2, 48, 16, 16)
    exact, rough = nn.functional.group_norm(x.double(), 8), x.bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(norm(rough), norm(rough.float()).bfloat16())      # rounded once, at the end
    assert max_error(norm(x), exact) < 1e-5
    assert max_error(norm.double()(x.double()), exact) < 1e-12


def test_residual_block_follows_its_formula():
    block, x, told = awake(ResidualBlock(16, 32)), picture(2, 16, 8, 8), picture(2, 32, seed=1)
    scale, shift = block.film(told)[:, :, None, None].chunk(2, dim=1)
    h = block.conv1(nn.functional.silu(block.norm1(x)))
    h = block.conv2(nn.functional.silu(block.norm2(h) * (1 + scale) + shift))
    assert max_error(block(x, told), x + h) < 1e-5


def test_attention_is_pytorchs_own():
    attention, x = awake(SelfAttention(64, head_width=16)), picture(2, 64, 4, 6)
    with torch.no_grad():                                    # nn.MultiheadAttention holds q, k, v in the same order
        peer = nn.MultiheadAttention(64, 4, batch_first=True)
        peer.in_proj_weight.copy_(attention.qkv.weight), peer.in_proj_bias.copy_(attention.qkv.bias)
        peer.out_proj.weight.copy_(attention.out.weight), peer.out_proj.bias.copy_(attention.out.bias)
        tokens = attention.norm(x).flatten(2).transpose(1, 2)
        expected = x + peer(tokens, tokens, tokens)[0].transpose(1, 2).reshape(x.shape)
        assert max_error(attention(x), expected) < 1e-5


def test_attention_does_not_care_about_places():
    attention, x = awake(SelfAttention(32)), picture(1, 32, 4, 4)
    turned = attention(x.flip(2)).flip(2)
    assert max_error(attention(x), turned) < 1e-5
    moved = x.clone()
    moved[:, :, 0, 0] += 3
    assert (attention(moved) - attention(x))[:, :, 3, 3].abs().max() > 1e-4      # and one place reaches all others


def test_log_snr_is_told_apart_and_clamped():
    torch.manual_seed(0)
    embedding = LogSNREmbedding(32)
    grid = torch.linspace(-20, 20, 401)
    assert torch.cdist(embedding(grid), embedding(grid)).add(torch.eye(401)).min() > 1e-3
    assert max_error(embedding(torch.tensor([25.0, -25.0])), embedding(torch.tensor([20.0, -20.0]))) == 0


def test_down_halves_and_up_doubles():
    assert Downsample(8, 16)(picture(1, 8, 6, 10)).shape == (1, 16, 3, 5)
    up, x = Upsample(8, 16), picture(1, 8, 3, 5)
    with torch.no_grad():                                    # with a convolution that does nothing, each place fills a 2x2 square
        up.conv.weight.zero_(), up.conv.bias.zero_()
        up.conv.weight[range(16), range(16), 1, 1] = 1
    assert max_error(up(x), up.narrow(x).repeat_interleave(2, 2).repeat_interleave(2, 3)) < 1e-6


# The whole -----------------------------------------------------------------------------------------------------------

def test_every_parameter_gets_a_gradient():
    network = awake(small_unet())
    cond = torch.tensor([[a, b] for a in range(-1, 3) for b in range(-1, 4)])
    n = len(cond)
    (network(picture(n, 3, 16, 24), torch.linspace(-5, 5, n), cond) * picture(n, 3, 16, 24, seed=1)).sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


def test_noise_level_and_wish_are_heard():
    network, x = awake(small_unet()), picture(1, 3, 16, 16)
    answer = network(x, torch.zeros(1), torch.tensor([[0, 1]]))
    assert max_error(answer, network(x, torch.ones(1), torch.tensor([[0, 1]]))) > 1e-5
    assert max_error(answer, network(x, torch.zeros(1), torch.tensor([[0, 2]]))) > 1e-5


def test_nothing_is_the_same_however_it_is_said():
    network, x, log_snr = awake(small_unet()), picture(2, 3, 16, 16), torch.tensor([-1.0, 2.0])
    nothing = network(x, log_snr)
    assert max_error(nothing, network(x, log_snr, torch.tensor([[0, 1], [2, 3]]), torch.tensor([False, False]))) < 1e-6
    assert max_error(nothing, network(x, log_snr, torch.full((2, 2), -1))) < 1e-6


def test_each_block_hears_its_mirror_image():
    """On the way up, block n of a level is given what block n of that level said on the way down, the last one first."""
    network, said, heard = awake(small_unet()), {}, {}
    for i, stages in enumerate(network.down):
        for j, stage in enumerate(stages):
            stage.register_forward_hook(lambda module, given, answer, place=(i, j): said.update({place: answer}))
        for j, merge in enumerate(network.merge[i]):
            place = (i, len(stages) - 1 - j)
            merge.register_forward_hook(lambda module, given, answer, place=place: heard.update({place: given[0].chunk(2, dim=1)[1]}))
    network(picture(1, 3, 16, 16), torch.zeros(1))
    assert said.keys() == heard.keys() and len(said) == sum(SMALL.blocks)
    assert all(max_error(said[place], heard[place]) == 0 for place in said)


def test_rows_of_a_batch_do_not_mix():
    network, x, cond = awake(small_unet()), picture(3, 3, 16, 16), torch.tensor([[0, 1], [2, 3], [-1, 0]])
    together = network(x, torch.tensor([-3.0, 0.0, 3.0]), cond)
    alone = torch.cat([network(x[i:i + 1], torch.tensor([3.0 * i - 3]), cond[i:i + 1]) for i in range(3)])
    assert max_error(together, alone) < 1e-5


def test_every_pixel_sees_the_whole_picture():
    network = awake(small_unet())
    x = picture(1, 3, 32, 32).requires_grad_()
    network(x, torch.zeros(1))[0, :, 0, 0].sum().backward()
    assert x.grad[0, :, -1, -1].abs().max() > 0


def test_places_are_rows_and_columns():
    row, column = places_of(picture(2, 3, 5, 3))[1]
    assert torch.equal(row[:, 0], torch.tensor([-1, -0.5, 0, 0.5, 1])) and torch.equal(column[4], torch.tensor([-1.0, 0, 1]))
    assert (row == row[:, :1]).all() and (column == column[:1]).all()


def test_a_network_that_hears_nothing_of_places_is_the_plain_one():
    plain, told = awake(small_unet()), UNet(replace(SMALL, places=True), AttributeConditioner((3, 4), 24))
    weights = plain.state_dict() | {"stem.weight": nn.functional.pad(plain.stem.weight.detach(), (0, 0, 0, 0, 0, 2))}
    told.load_state_dict(weights)
    x, level = picture(2, 3, 16, 40), torch.zeros(2)
    assert max_error(told(x, level), plain(x, level)) < 1e-6 * float(plain(x, level).detach().abs().max())       # sums in another order
    with torch.no_grad():
        told.stem.weight[:, 3:] = 1
    assert max_error(told(x, level), plain(x, level)) > 1e-3


@pytest.mark.parametrize("size", [(8, 8), (16, 40), (64, 24)])
def test_sizes_that_fit(size):
    network = awake(small_unet())
    y = network(picture(1, 3, *size), torch.zeros(1))
    assert y.shape == (1, 3, *size) and y.std() > 1e-4


@pytest.mark.parametrize("shape", [(1, 3, 16, 20), (1, 3, 12, 16), (1, 1, 16, 16), (3, 16, 16)])
def test_shapes_that_do_not_fit_are_refused(shape):
    with pytest.raises(ValueError, match=r"\(B, 3, H, W\) with H and W multiples of 8"):
        small_unet()(torch.zeros(shape), torch.zeros(1))


def test_condition_without_a_conditioner_is_refused():
    with pytest.raises(ValueError, match="without a conditioner"):
        UNet(SMALL)(torch.zeros(1, 3, 16, 16), torch.zeros(1), torch.tensor([[0, 1]]))


@pytest.mark.parametrize("wrong, says", [
    (dict(widths=(60, 128)), "widths is 60"), (dict(stem=12), "stem is 12"), (dict(embedding=0), "embedding is 0"),
    (dict(channels=0), "channels is 0"), (dict(blocks=(2, 0)), "blocks is 0"), (dict(patch=0), "patch is 0"),
    (dict(widths=(64, 40)), "width is 40, .* a multiple of 32"), (dict(widths=(40, 64), attention=(True, False)), "width is 40"),
    (dict(widths=(40, 64), reads=(0,)), "width is 40"),
    (dict(widths=(64,)), "1, 2 and 2 entries"), (dict(widths=(), blocks=(), attention=()), "0, 0 and 0 entries"),
])
def test_impossible_shapes_of_a_network_are_refused(wrong, says):
    with pytest.raises(ValueError, match=says):
        UNetConfig(**wrong)


# What it costs -------------------------------------------------------------------------------------------------------

def block_count(width, embedding, attention):
    """Parameters of one stage: two convolutions, two normalisations, FiLM; attention: q, k, v, out and its normalisation."""
    block = 2 * (9 * width**2 + width) + 4 * width + (embedding + 1) * 2 * width
    return block + attention * (4 * (width**2 + width) + 2 * width)


def test_parameter_count():
    """The count of the default, added up by hand from its description."""
    D, stages = 256, 2 * block_count(64, 256, 0) + 7 * block_count(128, 256, 0) + block_count(128, 256, 1)
    merges = (128 * 64 + 64) + 3 * (256 * 128 + 128)
    resize = (9 * 64 * 128 + 128) + (128 * 64 + 64) + (9 * 64 * 64 + 64)
    ends = (27 * 16 + 16) + (64 * 64 + 64) + 2 * 64 + (64 * 64 + 64) + (9 * 32 * 16 + 16) + (9 * 16 * 3 + 3)
    told = (64 * D + D) + (D * D + D)
    assert count_parameters(UNet(UNetConfig())) == stages + merges + resize + ends + told


def test_shipped_size_is_within_its_budget():
    """At most 4 M parameters and 1.0 GFLOP (2 per multiply-add) for one 32x32 picture: the reader's browser runs it."""
    network = UNet(UNetConfig(), AttributeConditioner(SIZES, 256))
    assert count_parameters(network) <= 4_000_000
    assert 0.3e9 < count_flops(network, (3, 32, 32)) <= 1.0e9


def test_flops_are_two_per_multiply_add():
    """Of a network with one convolution: (3 x 3 x 2 products for each of 4 channels) at 5 x 6 places."""
    class OneConvolution(nn.Conv2d):
        def forward(self, x, log_snr):
            return super().forward(x)

    assert count_flops(OneConvolution(2, 4, 3, padding=1), (2, 5, 6)) == 2 * 9 * 2 * 4 * 30
