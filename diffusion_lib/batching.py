"""Which pictures make up batch n: a function of the seed and of n alone, so that a run can be killed and go on.

Several processes share each batch without talking to one another: each takes every so-many-th picture of it.
"""

import functools
from collections.abc import Iterator
from itertools import chain, islice

import torch
from torch.utils.data import DataLoader, Dataset, default_collate

from .random import torch_generator


def batches(dataset: Dataset, batch_size: int, seed: int, *, start: int = 0, rank: int = 0, processes: int = 1, workers: int = 0) -> Iterator:
    """The batches of steps start, start + 1, ...: endless, and the same whoever asks.

    dataset: map-style. With a length, it is gone through in a new order (of `seed`) each epoch; without one it is taken to
    be endless, and read in its own order. A batch is its samples, collated; where `dataset.__getitems__` gives anything but a
    list of samples, that is the batch as it is. `dataset.at_once`, where it has one, is how many samples are cheapest to ask for
    together: so many whole batches are fetched in one go.
    batch_size: pictures a step, over all processes. rank, processes: this process takes every `processes`-th picture of
    each batch, from the `rank`-th on. workers: further processes that prepare batches ahead.
    Raises ValueError where the dataset is empty.
    """
    size = len(dataset) if hasattr(dataset, "__len__") else None
    if size == 0:
        raise ValueError("dataset is empty, but a batch needs at least one picture")

    @functools.lru_cache(maxsize=2)
    def order(epoch: int) -> list[int]:
        return torch.randperm(size, generator=torch_generator(seed, epoch)).tolist()

    def index(place: int) -> int:
        return place if size is None else order(place // size)[place % size]

    share = len(range(rank, batch_size, processes))          # of a batch, this process's
    together = max(1, getattr(dataset, "at_once", 0) // share)

    def indices() -> Iterator[list[int]]:
        first = start // together * together * batch_size    # whoever goes on in the middle fetches the same batches together
        while True:
            yield [index(batch + place) for batch in range(first, first + together * batch_size, batch_size)
                   for place in range(rank, batch_size, processes)]
            first += together * batch_size

    loader = DataLoader(dataset, batch_sampler=indices(), num_workers=workers, collate_fn=functools.partial(_collated, size=share),
                        pin_memory=torch.cuda.is_available(), generator=torch_generator(seed, 0))
    return islice(chain.from_iterable(loader), start % together, None)


def _collated(samples, size: int) -> list:
    """The batches, of `size` samples each, that were fetched in one go."""
    if not isinstance(samples, list):
        return [samples]
    return [default_collate(samples[first:first + size]) for first in range(0, len(samples), size)]
