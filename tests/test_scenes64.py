"""Two pets on a picture: the network that is to draw them, the one that names both, and what it says of pets on the wrong side."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

import diffusion_lib as dl
from diffusion_lib import zoo
from diffusion_lib.binding import bindings
from diffusion_lib.checkpoints import load_checkpoint, save_checkpoint
from diffusion_lib.classification import classification_loss
from diffusion_lib.cli import main
from diffusion_lib.data.pets import GRAMMARS, NAMES, SIZES, UNSAID, PartyPets, is_held_out, understand_scene
from diffusion_lib.data.pets.scenes import draw_scene
from diffusion_lib.judging import attribute_accuracy
from diffusion_lib.networks.classifier import Classifier, ClassifierConfig, PairClassifier, answers, corners
from diffusion_lib.networks.layers import count_flops, count_parameters
from diffusion_lib.random import bits
from diffusion_lib.recipes import read_recipe

RECIPES = Path(__file__).resolve().parent.parent / "recipes"
CONFIG = ClassifierConfig(SIZES + SIZES, width=8, features=16, side=64)


@pytest.fixture(scope="module")
def small() -> PairClassifier:
    torch.manual_seed(0)
    return PairClassifier(CONFIG).eval()


@pytest.fixture(scope="module")
def scenes() -> tuple[torch.Tensor, torch.Tensor]:
    return PartyPets(64, "validation", scene=True, seed=11).batch(range(8))


def same(ours, theirs) -> bool:
    return max(float((a - b).abs().max()) for a, b in zip(ours, theirs, strict=True)) < 1e-4


# --- the network that is to draw ---

@pytest.fixture(scope="module")
def recipe():
    return read_recipe(RECIPES / "scenes64-text.toml")


def test_the_network_keeps_its_limits(recipe):
    """At most 1.5 GFLOP a forward, with a wish as long as wishes may be, and at most 12 MB as float16."""
    longest = torch.ones(1, 64, dtype=torch.int64)
    with_words, without = (count_flops(recipe.model.network, recipe.shape, *cond) for cond in ((longest,), ()))
    assert recipe.shape == (3, 64, 64)
    assert without < with_words <= 1.5e9
    assert 2 * count_parameters(recipe.model) <= 11.9e6      # and 0.1 MB for the description and the recipe


def test_its_data_are_scenes_in_both_languages(recipe):
    texts = recipe.dataset.texts(range(200))
    telugu = [any("\u0c00" <= letter <= "\u0c7f" for letter in text) for text in texts]
    assert 60 < sum(telugu) < 140
    assert recipe.dataset.pets.scene and recipe.dataset.pets.split == "train"
    assert all((row > 0).any() and row[-1] == 0 for row in recipe.dataset.batch(range(200))[1])     # none fills its room


def test_its_strip_asks_for_relations_in_both_languages(recipe):
    wishes = [understand_scene(text) for text in recipe.prompts]
    assert all(wish.notices == () for wish in wishes)
    assert torch.equal(wishes[0].attributes, wishes[1].attributes) and torch.equal(wishes[0].attributes, wishes[3].attributes)
    held_out = [bool(is_held_out(wish.attributes).any()) for wish in wishes]
    assert held_out == [False] * 5 + [True] * 3


# --- the network that judges ---

def test_each_side_is_seen_by_the_same_network(small, scenes):
    """By hand: a plain classifier with the same weights, on the lower left corner and on the right one in a mirror."""
    plain = Classifier(ClassifierConfig(SIZES, width=8, features=8, side=40))
    plain.load_state_dict(small.state_dict())
    x, _ = scenes
    with torch.no_grad():
        left, right = plain(x[:, :, 24:, :40]), plain(x[:, :, 24:, 24:].flip(3))
        assert same(small(x), (*left, *right))
        assert same([small.features(x)], [torch.cat([plain.features(x[:, :, 24:, :40]), plain.features(x[:, :, 24:, 24:].flip(3))], 1)])


def test_a_mirrored_scene_has_its_answers_exchanged(small, scenes):
    with torch.no_grad():
        logits, mirrored = small(scenes[0]), small(scenes[0].flip(3))
    assert same(mirrored, logits[len(NAMES):] + logits[:len(NAMES)])


def test_an_answer_comes_from_its_own_corner(small, scenes):
    """What is painted over the left pet's outer columns, or over the sky, the right pet's answers do not see."""
    x = scenes[0].clone()
    x[..., :24], x[..., :24, :] = 1.0, -1.0
    with torch.no_grad():
        before, after = small(scenes[0]), small(x)
    assert same(before[len(NAMES):], after[len(NAMES):]) and not same(before[:len(NAMES)], after[:len(NAMES)])


def test_both_pets_stand_at_the_same_place_of_their_corners():
    """The mean of many scenes is the same in both corners: neither pet is cut, nor better seen."""
    x = corners(PartyPets(64, "all", scene=True, seed=3).batch(range(400))[0])
    assert x.shape == (800, 3, 40, 40)
    left, right = x[0::2].mean(0), x[1::2].mean(0)
    assert (left - right).abs().mean() < 0.25 * (left - left.mean((1, 2), keepdim=True)).abs().mean()


def test_the_loss_asks_about_both_pets(small, scenes):
    x, wanted = scenes
    with torch.no_grad():
        terms = classification_loss(small, x, wanted, noise=0.0, shift=0)
        by_hand = -sum(logits.log_softmax(1)[range(len(x)), wanted[:, a // 7, a % 7]] for a, logits in enumerate(small(x)))
    assert (terms.per_sample - by_hand).abs().max() < 1e-4


def test_it_is_rebuilt_from_its_file(small, scenes, tmp_path):
    save_checkpoint(tmp_path / "pair.safetensors", small)
    again = load_checkpoint(tmp_path / "pair.safetensors")
    assert isinstance(again, PairClassifier) and again.config == CONFIG
    with torch.no_grad():
        assert torch.equal(again(scenes[0])[9], small(scenes[0])[9])


@pytest.mark.parametrize("wrong", [{"sizes": SIZES}, {"features": 15}, {"side": 40}])
def test_what_is_no_pair_is_refused(wrong):
    with pytest.raises(ValueError, match="both things"):
        PairClassifier(ClassifierConfig(**{"sizes": SIZES + SIZES, "side": 64} | wrong))


# --- the command line ---

@pytest.fixture(scope="module")
def models(tmp_path_factory, small) -> tuple[Path, Path]:
    """A model of scenes and a judge that know nothing."""
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    config = dl.UNetConfig(stem=8, patch=4, widths=(32, 32), blocks=(1, 1), attention=(False, False), embedding=16, reads=(1,))
    network = dl.UNet(config, dl.TextConditioner(dl.pet_vocabulary(64), width=32, layers=1))
    about = {"shape": [3, 64, 64], "recipe": "# nothing: it knows nothing.\n[data]\nscene = true", "pictures": 9}
    save_checkpoint(folder / "scenes.safetensors", dl.NeuralDenoiser(network, dl.RectifiedFlowSchedule(), dl.FLOW), about=about)
    save_checkpoint(folder / "judge.safetensors", small)
    return folder / "scenes.safetensors", folder / "judge.safetensors"


@pytest.mark.parametrize("wish", ["a cat wearing a crown left of a dog", "కుక్కకు ఎడమవైపు కిరీటం పెట్టుకున్న పిల్లి"])
def test_scenes_are_sampled_from_words(models, wish, tmp_path, capsys):
    assert main(["sample", str(models[0]), wish, "--count", "2", "--steps", "2", "--out", str(tmp_path / "x.png")]) == 0
    said = capsys.readouterr()
    assert all(word in said.out for word in wish.split()) and said.err.count("diffusion-lib") == 0    # heard, every word
    with Image.open(tmp_path / "x.png") as picture:
        assert min(picture.size) >= 64


def test_scenes_are_evaluated_with_a_judge_of_two_pets(models, capsys, tmp_path, monkeypatch):
    quick = ["--json", "--n", "6", "--steps", "1", "--sweep-n", "0", "--training-n", "5"]
    assert main(["evaluate", str(models[0]), "--classifier", str(models[1]), *quick]) == 0
    results = json.loads(capsys.readouterr().out)
    assert set(results["languages"]) == {"en", "te"}
    for section in (results, *results["languages"].values()):
        assert sum(section["binding"]["held_out"].values()) == pytest.approx(1)
    assert set(results["languages"]["te"]["relations"]["seen"]) == set(GRAMMARS["te"].scenes)
    monkeypatch.setattr(zoo, "FOLDER", tmp_path)             # which is empty: the judge of two pets is asked for by itself
    assert main(["evaluate", str(models[0]), *quick]) == 2 and "'scenes64-classifier'" in capsys.readouterr().err


# --- the shipped judge ---

@pytest.fixture(scope="module")
def judge() -> Classifier:
    return zoo.load("scenes64-classifier")


@pytest.fixture(scope="module")
def fresh() -> tuple[torch.Tensor, torch.Tensor]:
    """128 scenes of seen combinations and as many held-out ones, which no training has drawn; and their attributes."""
    parts = [PartyPets(64, split, scene=True, seed=21).batch(range(128)) for split in ("validation", "held_out")]
    return tuple(map(torch.cat, zip(*parts)))


def test_the_judge_names_both_pets(judge, fresh):
    x, asked = fresh
    found = answers(judge, x).reshape(asked.shape)
    assert (found == asked).all(2).float().mean() >= 0.99    # pets that are wholly right
    assert bindings(found, asked)["right"].value >= 0.98


def test_the_judge_calls_exchanged_pets_swapped(judge, fresh):
    _, asked = fresh
    exchanged = draw_scene(asked.flip(1), bits(99, torch.arange(len(asked))), 64)
    shares = bindings(answers(judge, exchanged).reshape(asked.shape), asked)
    assert shares["swapped"].value >= 0.98 and shares["right"].value == 0


def test_of_static_the_judge_knows_no_more_than_chance(judge, fresh):
    _, asked = fresh
    static = dl.random.randn((len(asked), 3, 64, 64), dl.CounterGenerator(3)).clamp(-1, 1)
    shares = attribute_accuracy(answers(judge, static).reshape(asked.shape), asked)
    assert (asked != UNSAID).all() and shares["all"].value == 0
    seen = PartyPets(8, "all", scene=True, seed=5).batch(range(4000))[1]
    for name, size, column in zip(NAMES, SIZES, seen.flatten(0, 1).T):
        often = column.bincount(minlength=size).max() / len(column)
        assert shares[name].value < often + 0.15, name       # at best it names always the same
