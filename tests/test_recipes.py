"""Recipes: what they say is what is built, and what nobody understands is refused with its place."""

import re
from pathlib import Path

import pytest
import torch
from PIL import Image

import diffusion_lib as dl
from diffusion_lib.data.download import DownloadError
from diffusion_lib.networks.classifier import Classifier
from diffusion_lib.recipes import DATA, RecipeError, parse_recipe, read_recipe
from tiny import CLASSIFIER_RECIPE, RECIPE

SHIPPED = sorted((Path(__file__).resolve().parent.parent / "recipes").glob("*.toml"))


WITHOUT_WISHES = RECIPE[:RECIPE.index("[conditioner]")] + RECIPE[RECIPE.index("[diffusion]"):RECIPE.index("[strip]")]


def changed(old: str, new: str) -> str:
    assert RECIPE.count(old) == 1, old
    return RECIPE.replace(old, new)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_shipped_recipes_can_be_followed(path):
    recipe = read_recipe(path)
    assert recipe.name == path.stem and recipe.text == path.read_text(encoding="utf-8")
    assert recipe.text.startswith(f"# {path.stem}: ")       # the first sentence of the model's card
    picture, told = recipe.dataset[0]                        # as many attributes as a pet has, or the room for a caption
    size, *_ = map(int, re.findall(r"\d+", path.stem))
    assert picture.shape == (3, size, size)
    assert told.shape == {"pets32-text": (32,), "scenes64-text": (64,), "scenes64-classifier": (2, 7)}.get(path.stem, (7,))


def test_a_recipe_means_what_it_says():
    recipe = parse_recipe(changed("[training]", '[training]\nlr = 5e-4\nema_decay = 0.9').replace('"flow"', '"edm(0.25)"')
                          .replace('{ name = "rectified flow" }', '{ name = "linear beta", num_steps = 20 }'), "tiny")
    assert (recipe.config.lr, recipe.config.ema_decay, recipe.config.batch_size, recipe.config.steps) == (5e-4, 0.9, 4, 5)
    assert recipe.model.parameterization.name == "edm(0.25)"
    assert isinstance(recipe.model.schedule, dl.LinearBetaSchedule) and recipe.model.schedule.num_steps == 20
    assert recipe.model.network.config.widths == (32,) and recipe.model.network.conditioner.width == 16
    assert recipe.prompts == ("a cat wearing a crown", "a frog")


def test_times_weight_and_dropout_reach_the_loss():
    recipe = parse_recipe(changed("uniform_share = 0.1 }", 'mean = 4.0, std = 0.1 }\nweight = { name = "min-snr", gamma = 2 }\ncond_dropout = 0.0'), "tiny")
    x0, cond = torch.stack([recipe.dataset[i][0] for i in range(4)]), torch.stack([recipe.dataset[i][1] for i in range(4)])
    terms = recipe.loss(recipe.model, x0, cond, generator=torch.Generator().manual_seed(0))
    assert (terms.t > 0.96).all() and (terms.t < 0.99).all()                        # sigmoid(4 +- 0.1 z)
    plain = parse_recipe(changed("uniform_share = 0.1 }", "mean = 4.0, std = 0.1 }\ncond_dropout = 0.0"), "tiny")
    unweighted = plain.loss(plain.model, x0, cond, generator=torch.Generator().manual_seed(0))
    c = dl.coefficients(recipe.model.schedule, terms.t, x0)
    ratio = (terms.per_sample / unweighted.per_sample).detach()
    expected = dl.min_snr(2.0, dl.FLOW)(c).flatten()
    assert (ratio / expected - 1).abs().max() < 1e-4


def test_the_loss_of_the_velocity_is_weighed_by_what_is_predicted():
    for name, row in (("flow", dl.FLOW), ("x0", dl.X0)):
        recipe = parse_recipe(changed("uniform_share = 0.1 }", 'uniform_share = 0.1 }\nweight = { name = "velocity", cleanest = 0.2 }')
                              .replace('parameterization = "flow"', f'parameterization = "{name}"'), "tiny")
        c = dl.coefficients(recipe.model.schedule, torch.linspace(0.05, 0.95, 7), torch.zeros(7, 3, 8, 8))
        assert torch.equal(recipe.loss.keywords["weight"](c), dl.as_velocity(0.2, row)(c))


def test_the_first_weights_are_those_of_the_recipes_seed():
    first, second, other = (parse_recipe(text, "tiny").model.state_dict() for text in (RECIPE, RECIPE, changed("seed = 3", "seed = 4")))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["network.stem.weight"], other["network.stem.weight"])


def test_reading_a_recipe_leaves_the_world_as_it_was():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    parse_recipe(RECIPE, "tiny")
    assert torch.equal(torch.rand(3), expected)


def test_a_folder_of_pictures_can_be_learned_from(tmp_path):
    Image.new("RGB", (20, 10), (255, 0, 0)).save(tmp_path / "red.png")
    text = WITHOUT_WISHES.replace('name = "party pets"', f'name = "folder"\nfolder = "{tmp_path.as_posix()}"')
    recipe = parse_recipe(text, "mine")
    assert recipe.shape == (3, 8, 8) and recipe.model.network.conditioner is None and recipe.prompts == ()
    assert (recipe.dataset[0] == torch.tensor([1.0, -1.0, -1.0]).reshape(3, 1, 1)).all()
    (tmp_path / "red.png").write_bytes(b"broken")
    with pytest.raises(RecipeError, match=r"\[data\] .*red.png cannot be read"):
        parse_recipe(text, "mine")


def test_a_classifier_has_recipes_too():
    recipe = parse_recipe(CLASSIFIER_RECIPE, "judge")
    assert isinstance(recipe.model, Classifier) and recipe.model.config.features == 6
    x, attributes = torch.stack([recipe.dataset[0][0]]), recipe.dataset[0][1][None]
    terms = recipe.loss(recipe.model, x, attributes, generator=torch.Generator().manual_seed(0))
    # With small random heads every answer is about equally likely: a loss of sum of log(number of answers).
    assert abs(float(terms.mean.detach()) - float(torch.tensor(recipe.model.config.sizes).log().sum())) < 2.5


@pytest.mark.parametrize("text, words", [
    (changed("steps = 5", 'steps = "five"'), ("[training]", "steps", "'five'", "a whole number")),
    (changed("steps = 5", "steps = -5"), ("[training]", "steps", "-5", "above 0")),
    (changed("steps = 5", "stepps = 5"), ("[training]", "stepps", "5", "steps")),
    (changed("batch_size = 4", "batch_size = true"), ("[training]", "batch_size", "True", "a whole number")),
    (changed("stem = 8", "stem = 9"), ("[network]", "stem", "9", "multiple of 8")),
    (changed("widths = [32]", 'widths = [32, "x"]'), ("[network]", "widths", "'x'", "a list, each entry a whole number")),
    (changed("blocks = [1]", "blocks = [1, 1]"), ("[network]", "blocks")),
    (changed('name = "unet"', 'name = "resnet"'), ("[network]", "'resnet'", "unet")),
    (changed('name = "party pets"', ""), ("[data]", "None", "party pets")),
    (changed('name = "party pets"', 'name = ["party pets"]'), ("[data]", "['party pets']", "one of", "party pets")),
    (changed('name = "attributes"\nwidth = 16', 'name = "classes"\nnum_classes = 7\nwidth = 16'), ("[strip]", "attributes", "text")),
    (CLASSIFIER_RECIPE.replace("shift = 1", "shift = -1"), ("[classification]", "shift is -1")),
    (changed("size = 8", "size = 4"), ("[data]", "size", "4", "between 8 and 512")),
    (changed('name = "attributes"', 'name = "attributs"'), ("[conditioner]", "'attributs'", "attributes, text, classes")),
    (changed('"flow"', '"flwo"'), ("[diffusion]", "'flwo'", "eps, x0, v, score, flow")),
    (changed('"rectified flow"', '"cosin"'), ("[diffusion] schedule", "'cosin'", "cosine")),
    (changed('schedule = { name = "rectified flow" }', 'schedule = "cosine"'), ("[diffusion]", "schedule", "'cosine'", "a table")),
    (changed('schedule = { name = "rectified flow" }', ""), ("[diffusion]", "schedule")),
    (changed("uniform_share = 0.1", "std = -1"), ("[diffusion] times", "std", "-1")),
    (changed("[training]", "cond_dropout = 1.5\n[training]"), ("[diffusion]", "cond_dropout", "1.5")),
    (changed("[training]", 'weight = { name = "min-snr", gamma = 0 }\n[training]'), ("[diffusion]", "gamma", "0")),
    (changed("wearing a crown", "wearing a clown"), ("[strip]", "'clown'", "crown")),
    (changed("[strip]", "[stripes]"), ("stripes", "[strip]")),
    (changed("[strip]", "[comprehension]\ncaptions = 200\n[strip]"), ("[comprehension]", "captioned pets", "text")),
    (changed("[data]", "[dta]"), ("dta", "[data]")),
    (RECIPE[:RECIPE.index("[training]")], ("[training]", "missing")),
    (RECIPE + "\n[classification]\n", ("[diffusion]", "[classification]")),
    (changed("[data]", "[data"), ("TOML",)),
    (WITHOUT_WISHES, ("[conditioner]", "missing", "[data]")),
    (changed("size = 8", "size = 9"), ("[network]", "[data]", "(1, 3, 9, 9)", "multiples of 2")),
    (changed("size = 8", "size = 8\nscene = true").partition("[strip]")[0], ("[conditioner]", "[data]", "(1, 2, 7)", "(1, 7)")),
    (changed('"party pets"', '"captioned pets"'), ("[conditioner]", "[data]", "(1, 32)", "(1, 7)")),
    (changed('name = "attributes"\nwidth = 16', 'name = "text"\nwidth = 32'), ("[conditioner]", "'text'", "captioned pets")),
    (CLASSIFIER_RECIPE.replace("size = 8", "size = 16"), ("[network]", "[data]", "shapes")),
])
def test_what_nobody_understands_is_refused_with_its_place(text, words):
    with pytest.raises(RecipeError) as error:
        parse_recipe(text, "tiny")
    message = str(error.value)
    assert "\n" not in message and all(word in message for word in words), message


def test_the_file_is_named_too(tmp_path):
    (tmp_path / "odd.toml").write_text(changed("seed = 3", "seed = -3"))
    with pytest.raises(RecipeError, match="odd.toml.*seed is -3"):
        read_recipe(tmp_path / "odd.toml")
    with pytest.raises(RecipeError, match="gone.toml"):
        read_recipe(tmp_path / "gone.toml")
    (tmp_path / "latin.toml").write_bytes("# ein Käfer".encode("latin-1"))
    with pytest.raises(RecipeError, match="latin.toml: .*utf-8"):
        read_recipe(tmp_path / "latin.toml")


def test_pictures_that_cannot_be_had_are_not_blamed_on_the_file(tmp_path, monkeypatch):
    def offline(size: int = 8):
        raise DownloadError("pictures.gz could not be downloaded")

    monkeypatch.setitem(DATA, "party pets", offline)
    (tmp_path / "tiny.toml").write_text(RECIPE)
    with pytest.raises(DownloadError, match="^pictures.gz could not be downloaded$"):
        read_recipe(tmp_path / "tiny.toml")
