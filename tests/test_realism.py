"""Real, static, copied, grainy: sets of pictures whose figures are known, or known to stand in a certain order."""

from statistics import fmean, stdev

import pytest
import torch

import diffusion_lib as dl
from diffusion_lib.data.pets import NAMES, PartyPets, is_held_out
from diffusion_lib.realism import Comparison, compare, compared, looks, most_alike, real_pictures, training_pictures
from tiny import tiny_classifier

N = 120


@pytest.fixture(scope="module")
def training():
    return torch.cat(list(training_pictures(300, 8)))


@pytest.fixture(scope="module")
def comparison(training) -> Comparison:
    real = real_pictures(N, 8, seed=99)[0]
    drawn = {"real": real, "twice": torch.cat([real, real_pictures(N, 8, seed=98)[0], real[:5]]),
             "grainy": real + 0.3 * dl.randn(real.shape, dl.CounterGenerator(1)),
             "copied": torch.cat([training[:N // 2], real[:N // 2]]),
             "static": dl.randn(real.shape, dl.CounterGenerator(3)).clamp(-1, 1)}
    return compared(tiny_classifier(), drawn, N, 7, training.split(70))


def test_a_set_is_no_distance_from_itself(training):
    (look,) = looks(tiny_classifier(), [real_pictures(N, 8, 1)[0]], [training])
    figures = compare(look, look)
    assert figures["precision"] == figures["recall"] == 1 and figures["wasserstein 8"] == 0 and abs(figures["frechet"]) < 1e-6
    assert figures["near copies"] == 0.05                    # of 120 pictures, 6 are nearer than the 5th percentile


def test_means_and_spreads_by_hand():
    pairs = Comparison({"a": [{"x": 1.0}, {"x": 2.0}], "b": [{"x": 6.0}]}, [{"x": 3.0}, {"x": 5.0}], [{"x": 10.0}, {"x": 20.0}])
    assert pairs.figures(["a"]) == {"x": {"value": 1.5, "spread": stdev([1, 2]), "floor": 4.0, "floor_spread": stdev([3, 5]),
                                          "ceiling": 15.0}}
    assert pairs.figures(["a", "b"])["x"]["value"] == 3.0


def test_real_pictures_stand_at_the_floor_and_static_at_the_ceiling(comparison):
    real, static = comparison.figures(["real"]), comparison.figures(["static"])
    for name in ("frechet", "kernel", "wasserstein 8"):
        floor, spread = real[name]["floor"], real[name]["floor_spread"]
        assert abs(real[name]["value"] - floor) < 5 * spread and static[name]["value"] > floor + 20 * spread
        assert abs(static[name]["value"] / static[name]["ceiling"] - 1) < 0.1
    assert static["precision"]["value"] < 0.6 < 0.8 < real["precision"]["floor"]
    assert abs(real["recall"]["value"] - real["recall"]["floor"]) < 0.1


def test_grain_moves_the_details(comparison):
    real, grainy = (comparison.figures([name])["wasserstein 8"] for name in ("real", "grainy"))
    assert grainy["value"] > 1.3 * grainy["floor"] and real["value"] < 1.3 * real["floor"]


def test_copies_are_found(comparison):
    """Half of one set was trained on: of the other half some 5 % are near, as of real ones."""
    near = {name: comparison.figures([name])["near copies"] for name in ("real", "copied", "static")}
    assert 0.5 <= near["copied"]["value"] < 0.6 and near["static"]["value"] == 0
    assert near["real"]["value"] < 0.15 and 0.02 < near["real"]["floor"] < 0.1


def test_a_copy_is_found_through_grain_and_blur_hardly_makes_one(training):
    x = training[:N]
    fresh = real_pictures(N, 8, seed=97)[0]
    blurred = 0.6 * fresh + 0.4 * torch.nn.functional.avg_pool2d(fresh, 3, stride=1, padding=1, count_include_pad=False)
    drawn = {"grainy": x + 0.1 * dl.randn(x.shape, dl.CounterGenerator(1)), "dark": 0.9 * x, "fresh": fresh, "blurred": blurred}
    comparison = compared(tiny_classifier(), drawn, N, 7, training.split(70))
    near = {name: comparison.figures([name])["near copies"]["value"] for name in drawn}
    assert near["grainy"] > 0.95 and near["dark"] > 0.95
    assert near["fresh"] < 0.15 and near["blurred"] < 0.3


def test_all_generated_pictures_count_in_sets_of_one_size(comparison):
    """Of 245 pictures two sets of 120 are taken; the first of them is the whole of another set."""
    assert {name: len(pairs) for name, pairs in comparison.generated.items()} == {
        "real": 4, "twice": 8, "grainy": 4, "copied": 4, "static": 4}
    assert [pair for pair in comparison.generated["twice"] if pair in comparison.generated["real"]] == comparison.generated["real"]
    assert comparison.figures(["real"])["frechet"]["value"] == fmean(pair["frechet"] for pair in comparison.generated["real"])


def test_training_pictures_are_those_of_the_run():
    parts = list(training_pictures(300, 8, seed=5))
    assert torch.equal(torch.cat(parts), PartyPets(8, "train", seed=5).batch(range(300))[0]) and len(parts) == 2


def test_real_pictures_of_scenes():
    x, pets = real_pictures(5, 16, 3, scene=True)
    assert x.shape == (5, 3, 16, 16) and pets.shape == (5, 2, len(NAMES)) and not is_held_out(pets).any()
    assert torch.equal(x, PartyPets(16, "validation", scene=True, seed=3).batch(range(5))[0])


def test_most_alike_compares_with_every_picture_of_the_archive():
    """Claim 4.10, against a loop over all pairs; a picture of the archive finds itself, with nothing between."""
    archive, x = dl.PartyPets(32).batch(range(40))[0], dl.PartyPets(32, "validation").batch(range(3))[0]
    x = torch.cat([x, archive[7:8]])
    found = most_alike(x, archive, k=5)
    for picture, index, distance in zip(x, found.index, found.distance):
        half_a = picture.reshape(3, 16, 2, 16, 2).mean((2, 4))
        by_loop = [float((half_a - b.reshape(3, 16, 2, 16, 2).mean((2, 4))).square().mean().sqrt()) for b in archive]
        order = sorted(range(40), key=by_loop.__getitem__)[:5]
        assert index.tolist() == order and torch.allclose(distance, torch.tensor([by_loop[i] for i in order]), atol=1e-6)
    assert found.index[3, 0] == 7 and found.distance[3, 0] < 1e-6
    black, white = -torch.ones(1, 3, 8, 8), torch.ones(1, 3, 8, 8)
    assert float(most_alike(black, white).distance) == 2, "in the units of a pixel"


@pytest.mark.parametrize("x, archive, k, words", [((2, 3, 8, 8), (5, 3, 8, 8), 6, "k is 6"), ((2, 3, 8, 8), (5, 3, 8, 8), 0, "k is 0"),
                                                  ((2, 3, 8, 8), (5, 3, 16, 16), 1, "(N, C, H, W)"), ((3, 8, 8), (5, 3, 8, 8), 1, "(3, 8, 8)"),
                                                  ((2, 3, 7, 8), (5, 3, 7, 8), 1, "even")])
def test_most_alike_says_what_is_wrong(x, archive, k, words):
    with pytest.raises(ValueError) as error:
        most_alike(torch.zeros(x), torch.zeros(archive), k)
    assert words in str(error.value)
