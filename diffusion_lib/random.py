"""Random numbers that are the same on every machine.

A counter-based generator has no hidden state to carry along: number `i` of seed `s` is a fixed function of
`(s, i)`. So seed 7 is the same static on a CPU, on a GPU and in the reader's browser, and the static that picture 3
of a batch begins with does not change when the batch grows. (What a stochastic sampler adds on the way does: its
numbers come after those of the whole batch.)

    h(s, i) = mix(mix(i + k1) xor k2),    k1 = mix(s + 0x9E3779B9),  k2 = mix(k1 xor 0x85EBCA6B)
    uniform = (h + 1/2) / 2^32                                       in (0, 1)
    normal  = sqrt(-2 ln u1) cos(2 pi u2)                            u1, u2 = uniforms 2i and 2i + 1

All arithmetic on integers is modulo 2^32; `mix` is a multiply-and-shift hash in which every input bit reaches
every output bit.

References: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3" (counter-based generators);
Wellons 2018, "Prospecting for hash functions" (the constants of `mix`); Box and Muller 1958.
"""

import math

import torch
from torch import Tensor

MASK = 0xFFFFFFFF                                            # 32 bits


def mix(x: int | Tensor) -> int | Tensor:
    """Hash 32-bit integers: a bijection on [0, 2^32).

    x: int, or int64 of any shape, values in [0, 2^32). Returns the same shape and type.
    """
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & MASK
    x = ((x ^ (x >> 15)) * 0x846CA68B) & MASK
    return x ^ (x >> 16)


def bits(seed: int | Tensor, index: Tensor) -> Tensor:
    """The 32 random bits at each place: h(seed, index).

    seed: int or int64 tensor that broadcasts with `index`; index: int64, in [0, 2^32). Returns int64 in [0, 2^32).
    """
    seed = seed.to(index.device) if isinstance(seed, Tensor) else seed
    key = mix((seed + 0x9E3779B9) & MASK)
    return mix(mix((index + key) & MASK) ^ mix(key ^ 0x85EBCA6B))


def uniform(seed: int | Tensor, index: Tensor) -> Tensor:
    """Uniform numbers in (0, 1), float64, at the given places. Arguments as in `bits`."""
    return (bits(seed, index).double() + 0.5) / 2**32


def normal(seed: int | Tensor, index: Tensor) -> Tensor:
    """Standard normal numbers, float64, at the given places (Box-Muller). Arguments as in `bits`; index < 2^31."""
    radius = torch.sqrt(-2 * torch.log(uniform(seed, 2 * index)))
    return radius * torch.cos(2 * math.pi * uniform(seed, 2 * index + 1))


class CounterGenerator:
    """A seed and a position in its row of numbers, which has 2^31 places.

    Place i holds the two uniforms 2i and 2i + 1 of the seed: `randn` uses both, `rand` the first. Each draw moves the
    position on by as many places as it used, so two draws never share a number, whichever law they follow.

    seed: integer in [0, 2^32). position: where to begin, an integer, >= 0. Raises ValueError where one of them is anything
    else, and where the row is at its end.
    """

    def __init__(self, seed: int, position: int = 0):
        if int(seed) != seed or not 0 <= seed <= MASK:
            raise ValueError(f"seed is {seed}, but it has to be a whole number between 0 and {MASK}")
        if int(position) != position:
            raise ValueError(f"position is {position}, but it has to be a whole number")
        self.seed, self.position = int(seed), int(position)

    def places(self, shape, device=None) -> Tensor:
        """The next places of the row, as an int64 tensor of `shape`; moves the position on."""
        count = math.prod(shape)
        if not 0 <= self.position <= 2**31 - count:
            raise ValueError(f"position is {self.position} and {count} numbers are asked for, but the row of a seed has 2^31 places")
        index = torch.arange(self.position, self.position + count, device=device)
        self.position += count
        return index.reshape(shape)


Generator = CounterGenerator | torch.Generator


def _draw(shape, generator: Generator | None, device, dtype, counter_law, torch_law) -> Tensor:
    if isinstance(generator, CounterGenerator):
        return counter_law(generator.seed, generator.places(shape, device)).to(dtype)
    if not isinstance(generator, torch.Generator | None):
        raise ValueError(f"generator is {generator!r}, but it has to be a CounterGenerator, such as CounterGenerator(7), a torch.Generator, or None")
    # A torch generator lives on one device; draw there, then move.
    where = generator.device if generator is not None else device
    return torch_law(shape, generator=generator, device=where, dtype=dtype).to(device)


def randn(shape, generator: Generator | None = None, device=None, dtype=torch.float32) -> Tensor:
    """Standard normal numbers of `shape`.

    generator: a `CounterGenerator` (the same numbers everywhere), a `torch.Generator` (fast), or None (torch's own).
    """
    return _draw(tuple(shape), generator, device, dtype, normal, torch.randn)


def rand(shape, generator: Generator | None = None, device=None, dtype=torch.float32) -> Tensor:
    """Uniform numbers in [0, 1) of `shape`. `generator` as in `randn`.

    From a `CounterGenerator` they lie in (0, 1); float32 may round the largest of them (one in 30 million) up to 1.
    """
    return _draw(tuple(shape), generator, device, dtype, lambda seed, place: uniform(seed, 2 * place), torch.rand)


def torch_generator(seed: int, number: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Generator `number` of the family `seed`: PyTorch's own, where speed counts more than equal numbers everywhere.

    seed, number: at least 0, below 2^32. Each member of a family begins from a hash of its own, 32 bits long; two members of
    different families share theirs, and so all their numbers, with a chance of 1 in 2^32.
    """
    return torch.Generator(device).manual_seed(int(bits(seed, torch.tensor(number))))
