"""Batches are a function of the seed and of their number, whoever asks and however many processes share the work."""

import pytest
import torch
from torch.utils.data import Dataset

from diffusion_lib.batching import batches


class Endless(Dataset):
    def __getitem__(self, index):
        return torch.tensor(index)


class Numbers(Endless):
    def __init__(self, length):
        self.length = length

    def __len__(self):
        return self.length


def test_an_empty_dataset_is_refused():
    with pytest.raises(ValueError, match="dataset is empty"):
        batches(Numbers(0), 4, 0)


def taken(dataset, batch_size, count, seed=0, **rest):
    source = batches(dataset, batch_size, seed, **rest)
    return [next(source).tolist() for _ in range(count)]


def test_epochs_see_every_picture_once_in_a_new_order():
    places = sum(taken(Numbers(10), 4, 5), [])
    assert sorted(places[:10]) == sorted(places[10:]) == list(range(10))
    assert places[:10] != places[10:] and places[:10] != list(range(10))


@pytest.mark.parametrize("dataset", [Numbers(10), Numbers(3), Endless()], ids=["ten", "three", "endless"])
def test_batches_are_a_function_of_seed_and_step(dataset):
    assert taken(dataset, 4, 9, seed=5)[6:] == taken(dataset, 4, 3, seed=5, start=6)
    two = [taken(dataset, 4, 3, seed=5, rank=rank, processes=2) for rank in (0, 1)]
    assert [sorted(a + b) for a, b in zip(*two)] == [sorted(batch) for batch in taken(dataset, 4, 3, seed=5)]


def test_another_seed_is_another_order_of_a_finite_set():
    assert taken(Numbers(100), 64, 1, seed=1) != taken(Numbers(100), 64, 1, seed=2)


def test_endless_sets_are_read_in_their_own_order():
    assert taken(Endless(), 3, 2) == [[0, 1, 2], [3, 4, 5]]


class Counted(Numbers):
    at_once = 10

    def __init__(self, length):
        super().__init__(length)
        self.asked = []

    def __getitems__(self, places):
        self.asked.append(len(places))
        return [self[place] for place in places]


@pytest.mark.parametrize("start", [0, 4, 5])
def test_batches_that_are_fetched_together_are_the_same_ones(start):
    counted = Counted(7)
    assert taken(counted, 3, 5, start=start) == taken(Numbers(7), 3, 5, start=start)
    assert set(counted.asked) == {9}                         # three whole batches, also by who begins in the middle
    halves = [taken(Counted(7), 4, 5, start=start, rank=rank, processes=2) for rank in (0, 1)]
    assert halves == [taken(Numbers(7), 4, 5, start=start, rank=rank, processes=2) for rank in (0, 1)]


def test_a_batch_larger_than_that_is_fetched_alone():
    counted = Counted(100)
    assert taken(counted, 16, 2) == taken(Numbers(100), 16, 2) and set(counted.asked) == {16}


class Prepared(Endless):
    def __getitems__(self, places):
        return {"places": torch.tensor(places)}


def test_a_batch_that_is_no_list_of_samples_is_handed_on_as_it_is():
    batch = next(batches(Prepared(), 3, 0))
    assert batch["places"].tolist() == [0, 1, 2]


def test_workers_change_nothing():
    assert taken(Numbers(10), 4, 4, workers=2) == taken(Numbers(10), 4, 4)
