"""The world of PartyPets: the same everywhere, legible, and never showing in training what is held out."""

import itertools
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from diffusion_lib.data.pets import ATTRIBUTES, HELD_OUT, NAMES, SIZES, UNSAID, PartyPets, decode, draw, encode, is_held_out
from diffusion_lib.data.pets.animals import ANIMALS
from diffusion_lib.data.pets.canvas import rgb
from diffusion_lib.data.pets.clothes import HATS
from diffusion_lib.data.pets.faces import MOODS
from diffusion_lib.data.pets.palette import BACKGROUND, FUR
from diffusion_lib.data.pets.scenes import draw_scene
from diffusion_lib.random import bits

GOLDEN = Path(__file__).parent / "golden" / "pets.png"


def keys(count: int) -> torch.Tensor:
    return bits(11, torch.arange(count))


def difference(a: torch.Tensor, b: torch.Tensor) -> float:
    return (a - b).abs().max().item()


# --- the same picture everywhere ---

def contact_sheet() -> torch.Tensor:
    """(H, W, 3): sixteen portraits, eight held-out ones and four scenes."""
    portraits = [PartyPets(32, split).batch(range(count))[0] for split, count in (("train", 16), ("held_out", 8))]
    portraits = torch.cat(portraits).reshape(3, 8, 3, 32, 32).permute(2, 0, 3, 1, 4).reshape(3, 96, 256)
    scenes = PartyPets(64, scene=True).batch(range(4))[0].permute(1, 2, 0, 3).reshape(3, 64, 256)
    return torch.cat([portraits, scenes], 1).permute(1, 2, 0)


def test_pictures_equal_the_committed_ones_to_one_part_in_255():
    committed = torch.from_numpy(np.asarray(Image.open(GOLDEN).convert("RGB")).astype("float32"))
    assert difference((contact_sheet() + 1) * 127.5, committed) <= 1.0


def test_a_picture_does_not_depend_on_its_batch():
    pets = PartyPets(32, unsaid=0.5)
    pictures, attributes = pets.batch(range(70))
    for index in (0, 3, 69):
        picture, row = pets[index]
        assert difference(picture, pictures[index]) < 1e-4
        assert torch.equal(row, attributes[index])


def test_the_data_loader_gives_the_same_batch():
    pictures, attributes = next(iter(DataLoader(PartyPets(32), batch_size=6, sampler=range(6))))
    again, rows = PartyPets(32).batch(range(6))
    assert difference(pictures, again) == 0 and torch.equal(attributes, rows)


def test_seeds_and_splits_are_different_sets():
    sets = [PartyPets(32, split, seed=seed).batch(range(32))[0] for split in ("train", "validation") for seed in (0, 1)]
    for a, b in itertools.combinations(sets, 2):
        assert (a - b).abs().mean() > 0.1


def test_pictures_stay_in_range():
    pictures = torch.cat([PartyPets(32).batch(range(200))[0].flatten(), PartyPets(64, scene=True).batch(range(40))[0].flatten()])
    assert pictures.min() >= -1 and pictures.max() <= 1
    assert pictures.std() > 0.3


# --- what is held out ---

def test_a_chance_that_rounds_to_one_still_picks_a_colour():
    """The 9th number of this pet is within 2^-25 of 1: float32 rounds it up, and no colour would be left to pick."""
    pictures, _ = PartyPets(8).batch([35539927])
    assert pictures.isfinite().all() and pictures.abs().max() <= 1


def test_held_out_combinations_never_occur_in_training():
    for split in ("train", "validation"):
        assert not is_held_out(PartyPets(8, split).batch(range(4000))[1]).any()
    assert not is_held_out(PartyPets(8, scene=True).batch(range(1000))[1]).any()


def test_the_held_out_split_shows_every_rule_and_nothing_else():
    attributes = PartyPets(8, "held_out").batch(range(800))[1]
    assert is_held_out(attributes).all()
    for rule in HELD_OUT:
        wanted = encode(rule)[0]
        share = ((attributes == wanted) | (wanted == UNSAID)).all(1).float().mean()
        assert 0.18 < share < 0.35, rule                     # a quarter each; 5 standard errors


def test_the_split_for_judges_shows_all_combinations_alike():
    """Held-out ones are 1 - (1 - 1/64)(1 - 1/72)(1 - 1/16)(1 - 1/64) of all, to within their overlaps."""
    assert abs(is_held_out(PartyPets(8, "all").batch(range(8000))[1]).float().mean() - 0.105) < 0.015
    assert 0.1 < is_held_out(PartyPets(8, "all", scene=True).batch(range(2000))[1]).float().mean() < 0.2


def test_the_held_out_table_has_the_promised_kinds():
    kinds = {frozenset(rule) for rule in HELD_OUT}
    assert {"animal": "dog", "hat": "crown"} in HELD_OUT
    assert {frozenset(pair) for pair in (("fur", "animal"), ("accessory", "mood"), ("hat", "background"))} <= kinds


def test_every_value_is_about_as_frequent_as_chance():
    attributes = PartyPets(8).batch(range(8000))[1]
    for name, size, values in zip(NAMES, SIZES, attributes.T):
        shares = torch.bincount(values, minlength=size) / len(values)
        assert (shares * size - 1).abs().max() < 0.25, name


def test_unsaid_hides_half_the_attributes_of_that_share_of_pets():
    hidden = PartyPets(8, unsaid=0.4).batch(range(4000))[1] == UNSAID
    assert abs(hidden.float().mean() - 0.2) < 0.02
    assert abs(hidden.any(1).float().mean() - 0.4 * (1 - 0.5**len(NAMES))) < 0.04
    assert torch.equal(PartyPets(8).batch(range(50))[0], PartyPets(8, unsaid=0.4).batch(range(50))[0])


def test_of_scenes_sometimes_nearly_nothing_is_said():
    """Of 14 attributes as often 0 to 2 are left as 12 to 14, and the one background is said of both pets or of neither."""
    hidden = PartyPets(64, scene=True, unsaid=1.0).attributes(range(4000)) == UNSAID
    told, background = (~hidden).flatten(1).sum(1), list(ATTRIBUTES).index("background")
    assert (hidden[:, 0, background] == hidden[:, 1, background]).all()
    assert all(0.14 < ((told >= low) & (told <= low + 2)).double().mean() < 0.26 for low in (0, 6, 12))


# --- the drawing ---

@pytest.mark.parametrize("attribute", NAMES)
def test_every_value_changes_the_picture(attribute):
    """Any two values of an attribute differ clearly, on the average over many pets, where nothing else differs."""
    pets = PartyPets(32).batch(range(24))[1]
    column = NAMES.index(attribute)
    drawn = []
    for value in range(len(ATTRIBUTES[attribute])):
        pets[:, column] = value
        drawn.append(draw(pets, keys(24), 32))
    for (a, one), (b, other) in itertools.combinations(enumerate(drawn), 2):
        changed = ((one - other).abs().amax(1) > 0.25).float().sum((1, 2)).median()       # pixels that changed visibly
        assert changed >= 8, (attribute, ATTRIBUTES[attribute][a], ATTRIBUTES[attribute][b], changed)


@pytest.mark.parametrize("size", [32, 64])
def test_edges_are_smooth_at_every_size(size):
    """A picture equals the average over the pixels of a picture four times as large."""
    pets = PartyPets(32).batch(range(40))[1]
    small, large = draw(pets, keys(40), size), draw(pets, keys(40), 4 * size)
    error = (torch.nn.functional.avg_pool2d(large, 4) - small).abs()
    assert error.mean() < 0.035 and error.flatten(1).quantile(0.98, 1).max() < 0.5


def test_nothing_is_cut_off_by_the_upper_edge_or_the_sides():
    """Whatever is worn, the pixels of the frame's first row keep the background's colour."""
    pictures = PartyPets(32).batch(range(400))[0]
    corner = pictures[:, :, :1, :1]
    assert ((pictures[:, :, :1] - corner).abs().amax((1, 2, 3)) > 0.3).float().mean() < 0.01


def test_tables_name_the_same_values():
    assert tuple(ANIMALS) == ATTRIBUTES["animal"] and tuple(MOODS) == ATTRIBUTES["mood"]
    assert ("none", *HATS) == ATTRIBUTES["hat"]
    assert tuple(FUR) == ATTRIBUTES["fur"] and tuple(BACKGROUND) == ATTRIBUTES["background"]


# --- colours for everybody ---

SIGHT = {"normal": np.eye(3),                                # Machado et al. 2009, Table 1, severity 1.0
         "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
         "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]}


def cielab(linear: np.ndarray) -> np.ndarray:
    """Linear sRGB (N, 3) in CIELAB under D65."""
    to_xyz = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]])
    t = linear @ to_xyz.T / [0.95047, 1.0, 1.08883]
    f = np.where(t > 216 / 24389, np.cbrt(t), (24389 / 27 * t + 16) / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], 1)


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("colours", [FUR, BACKGROUND], ids=["fur", "background"])
def test_colour_names_stay_distinct_for_colour_blind_readers(sight, colours):
    """Twice just noticeable is a distance of about 5; a name needs 15."""
    srgb = (np.array([rgb(code) for code in colours.values()]) + 1) / 2
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    lab = cielab(np.clip(linear @ np.array(SIGHT[sight]).T, 0, 1))
    distance = np.linalg.norm(lab[:, None] - lab, axis=-1) + 1e3 * np.eye(len(lab))
    assert distance.min() >= 15, [list(colours)[i] for i in np.unravel_index(distance.argmin(), distance.shape)]


# --- names ---

def test_names_and_numbers_are_inverse():
    pets = PartyPets(8, unsaid=0.5).batch(range(100))[1]
    assert torch.equal(encode(decode(pets)), pets)


# --- errors say what would be right ---

@pytest.mark.parametrize("call, says", [
    (lambda: encode({"animal": "dragon"}), "animal is 'dragon', but it has to be one of: cat, dog"),
    (lambda: encode({"wings": "two"}), "attribute is 'wings', but it has to be one of: animal, fur"),
    (lambda: decode(torch.tensor([[99] * len(NAMES)])), "animal holds 99"),
    (lambda: decode(torch.zeros(2, 3, dtype=torch.long)), "shape"),
    (lambda: PartyPets(split="test"), "split is 'test', but it has to be one of: train, validation, held_out, all"),
    (lambda: PartyPets(size=3), "size is 3"),
    (lambda: PartyPets(unsaid=2), "unsaid is 2"),
    (lambda: draw(torch.tensor([[0, 0, 0, 0, 0, 0, UNSAID]]), keys(1)), "attributes hold -1 (not said)"),
    (lambda: draw_scene(torch.tensor([[[0] * 7, [UNSAID] + [0] * 6]]), keys(1)), "attributes hold -1 (not said)"),
    (lambda: PartyPets(seed=-1), "seed is -1"), (lambda: PartyPets(seed=7.9), "seed is 7.9"),
])
def test_bad_input_gets_one_clear_sentence(call, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        call()


def test_indices_beyond_the_end_are_refused():
    pets = PartyPets(8)
    for index in (-1, 2**31 - 1):
        with pytest.raises(IndexError, match=f"index is {index}"):
            pets[index]
    assert pets[2**31 - 2][0].shape == (3, 8, 8)
