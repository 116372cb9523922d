"""The counter-based generator: the same numbers on every machine, and random enough to be static.

`golden/random.json` holds numbers that every implementation (Python, JavaScript) has to reproduce; it is never remade.
"""

import json
import math
from pathlib import Path

import pytest
import torch

from diffusion_lib.random import MASK, CounterGenerator, bits, mix, normal, rand, randn, uniform
from exact import ks_distance

GOLDEN = json.loads((Path(__file__).parent / "golden" / "random.json").read_text())


def plain_mix(x: int) -> int:
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x = (x ^ x >> shift) * factor % 2**32
    return x ^ x >> 16


def plain_bits(seed: int, index: int) -> int:
    key = plain_mix((seed + 0x9E3779B9) % 2**32)
    return plain_mix(plain_mix((index + key) % 2**32) ^ plain_mix(key ^ 0x85EBCA6B))


def plain_uniform(seed: int, index: int) -> float:
    return (plain_bits(seed, index) + 0.5) / 2**32


def plain_normal(seed: int, index: int) -> float:
    radius = math.sqrt(-2 * math.log(plain_uniform(seed, 2 * index)))
    return radius * math.cos(2 * math.pi * plain_uniform(seed, 2 * index + 1))


@pytest.mark.parametrize("law, plain", [(bits, plain_bits), (uniform, plain_uniform), (normal, plain_normal)])
def test_golden_numbers(law, plain):
    seeds, indices = (torch.tensor([row[key] for row in GOLDEN]) for key in ("seed", "index"))
    values = law(seeds, indices).tolist()
    assert len(GOLDEN) >= 50
    for row, value in zip(GOLDEN, values):
        assert abs(value - row[law.__name__]) < 1e-12
        assert abs(plain(row["seed"], row["index"]) - row[law.__name__]) < 1e-12


def test_mix_is_a_bijection():
    x = torch.cat([torch.arange(2**20), torch.arange(2**32 - 2**20, 2**32)])
    assert len(mix(x).unique()) == len(x)                    # random answers would collide about 500 times


def test_every_input_bit_reaches_every_output_bit():
    index = torch.arange(20_000) * 214_013 & MASK
    for flip in range(32):
        for a, b in ((bits(7, index), bits(7, index ^ 1 << flip)), (bits(index, index), bits(index ^ 1 << flip, index))):
            changed = torch.stack([(a ^ b) >> k & 1 for k in range(32)]).double().mean(1)
            assert (changed - 0.5).abs().max() < 0.025       # 7 standard errors


@pytest.mark.parametrize("seed", [0, 1, 7, MASK])
def test_laws(seed):
    index = torch.arange(200_000)
    u, z = uniform(seed, index), normal(seed, index)
    assert 0 < u.min() and u.max() < 1
    assert ks_distance(u, lambda x: x) < 0.005               # a right law stays below it 9,999 times in 10,000
    assert ks_distance(z, torch.special.ndtr) < 0.005
    assert z.abs().max() > 4                                 # 12 of them are expected to lie out there
    for lag in (1, 2, 3, 32, 1024):
        assert abs(torch.corrcoef(torch.stack([z[lag:], z[:-lag]]))[0, 1]) < 0.012
    assert abs(torch.corrcoef(torch.stack([z, normal((seed + 1) & MASK, index)]))[0, 1]) < 0.012


def test_draws_continue_one_row():
    whole, parts = CounterGenerator(7), CounterGenerator(7)
    assert torch.equal(randn((6, 5), whole), torch.cat([randn((2, 5), parts), randn((4, 5), parts)]))
    assert whole.position == parts.position == 30
    assert torch.equal(randn((5,), CounterGenerator(7, position=25)), randn((6, 5), CounterGenerator(7))[5])


def test_a_picture_does_not_change_when_the_batch_grows():
    assert torch.equal(randn((2, 3, 4, 4), CounterGenerator(7)), randn((9, 3, 4, 4), CounterGenerator(7))[:2])


def test_two_draws_never_share_a_number():
    generator = CounterGenerator(7)
    first, _, last = rand((8,), generator, dtype=torch.float64), randn((8,), generator), rand((8,), generator, dtype=torch.float64)
    used = uniform(7, torch.arange(2 * 8, 2 * 16))           # what the eight normal numbers were made of
    assert not torch.isin(torch.cat([first, last]), used).any()
    assert len(torch.cat([first, last]).unique()) == 16


def test_values_are_the_named_functions():
    assert torch.equal(randn((10,), CounterGenerator(3), dtype=torch.float64), normal(3, torch.arange(10)))
    assert torch.equal(rand((10,), CounterGenerator(3), dtype=torch.float64), uniform(3, 2 * torch.arange(10)))


def test_seeds_broadcast():
    table = bits(torch.tensor([[4], [5]]), torch.arange(6))
    assert torch.equal(table, torch.stack([bits(4, torch.arange(6)), bits(5, torch.arange(6))]))


@pytest.mark.parametrize("ours, theirs", [(randn, torch.randn), (rand, torch.rand)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_torch_generator(ours, theirs, dtype):
    a = ours((3, 4), torch.Generator().manual_seed(5), dtype=dtype)
    assert a.dtype == dtype and torch.equal(a, theirs((3, 4), generator=torch.Generator().manual_seed(5), dtype=dtype))
    torch.manual_seed(6)
    a = ours((3, 4), dtype=dtype)
    torch.manual_seed(6)
    assert torch.equal(a, theirs((3, 4), dtype=dtype))


def test_seeds_of_32_bits():
    assert (CounterGenerator(0).seed, CounterGenerator(MASK).seed, CounterGenerator(7.0).seed) == (0, MASK, 7)


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5])
def test_bad_seed(seed):
    with pytest.raises(ValueError, match=f"seed is {seed}"):
        CounterGenerator(seed)


def test_a_position_is_a_whole_number():
    with pytest.raises(ValueError, match="position is 2.9"):
        CounterGenerator(7, 2.9)


@pytest.mark.parametrize("law", [rand, randn])
def test_a_number_is_no_generator(law):
    with pytest.raises(ValueError, match=r"generator is 7, but it has to be a CounterGenerator, such as CounterGenerator\(7\)"):
        law((2,), 7)


@pytest.mark.parametrize("position", [-1, 2**31 - 4])
def test_the_row_of_a_seed_has_two_ends(position):
    with pytest.raises(ValueError, match=f"position is {position} and 5 numbers"):
        randn((5,), CounterGenerator(7, position))
