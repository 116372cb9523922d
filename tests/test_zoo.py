"""The shipped models: their cards belong to them, they do what their cards say, and seed 7 is the same picture everywhere.

The golden picture is made by
    python -m diffusion_lib sample pets32 "a cat wearing a crown" --steps 10 --count 4 --out tests/golden/pets32_seed_7.png
"""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

import diffusion_lib as dl
from diffusion_lib import zoo
from diffusion_lib.checkpoints import read_about
from diffusion_lib.cli import main
from diffusion_lib.judging import Protocol, attribute_accuracy, draw, judge_classifier, prompts
from diffusion_lib.networks.classifier import answers
from diffusion_lib.networks.layers import count_parameters
from diffusion_lib.recipes import read_recipe
from diffusion_lib.zoo.card import card_of

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "golden" / "pets32_seed_7.png"
N = 256


def committed(name: str) -> dict:
    return json.loads(zoo.file_of(name).with_suffix(".json").read_text(encoding="utf-8"))


def least(share: float) -> float:
    """Three standard errors, at n = N, below a committed share."""
    return share - 3 * (max(share * (1 - share), 1e-3) / N) ** 0.5


@pytest.mark.parametrize("model", zoo.models(), ids=lambda model: model.name)
def test_the_card_is_that_of_the_file(model):
    results = committed(model.name)
    assert results["sha256"] == hashlib.sha256(model.file.read_bytes()).hexdigest()
    assert model.card == card_of(model.file, results)
    assert f"{100 * results['accuracy']['seen']['all']:.1f} %" in model.card
    assert model.summary.endswith(f"{results['accuracy']['held_out']['all']:.1%} held out")


@pytest.mark.parametrize("model", zoo.models(), ids=lambda model: model.name)
def test_the_recipe_in_the_file_is_the_one_in_the_repository(model):
    path = ROOT / "recipes" / f"{model.name}.toml"
    assert read_about(model.file)["recipe"] == path.read_text(encoding="utf-8")
    described = {name: tensor.shape for name, tensor in read_recipe(path).model.state_dict().items()}
    assert described == {name: tensor.shape for name, tensor in zoo.load(model.name).state_dict().items()}


def test_pets32_fits_into_a_page():
    assert count_parameters(zoo.load("pets32")) <= 4_000_000 and zoo.file_of("pets32").stat().st_size < 9e6


def test_the_bars_are_met():
    """What the book promises, at n = 2,000 and with guidance 2 and 30 steps."""
    results = committed("pets32")
    assert results["n"] >= 2000 and (results["protocol"]["guidance"], results["protocol"]["steps"]) == (2.0, 30)
    assert results["accuracy"]["seen"]["all"] >= 0.97 and results["accuracy"]["held_out"]["all"] >= 0.95
    assert results["frechet"]["n"] == 1000 and results["frechet"]["value"] <= 1.1 * results["frechet"]["floor"]
    assert results["recall"] >= 0.9
    assert committed("pets32-classifier")["accuracy"]["seen"]["all"] >= 0.99


@pytest.mark.parametrize("law, held_out", [("seen", False), ("held_out", True)])
def test_pets32_still_obeys(law, held_out):
    """The question of the card, asked of fewer pictures; the seed is fixed."""
    asked = prompts(N, Protocol.seed, held_out)
    x = draw(zoo.load("pets32"), asked, 32, guidance=2.0, steps=30, seed=Protocol.seed)
    found = attribute_accuracy(answers(zoo.load("pets32-classifier"), x), asked)
    assert found["all"].value >= least(committed("pets32")["accuracy"][law]["all"])


def test_shuffled_weights_obey_nobody():
    model, asked = zoo.load("pets32"), prompts(32, Protocol.seed)
    with torch.no_grad():
        for i, p in enumerate(model.parameters()):
            p.copy_(p.flatten()[torch.randperm(p.numel(), generator=torch.Generator().manual_seed(i))].reshape(p.shape))
    x = draw(model, asked, 32, guidance=2.0, steps=10, seed=Protocol.seed).nan_to_num()
    assert attribute_accuracy(answers(zoo.load("pets32-classifier"), x), asked)["all"].value < 0.1


def test_the_classifier_still_sees():
    results = judge_classifier(zoo.load("pets32-classifier"), replace(Protocol(), n=N))
    for law in ("seen", "held_out"):
        assert results["accuracy"][law]["all"] >= least(committed("pets32-classifier")["accuracy"][law]["all"])


def test_seed_7_gives_the_committed_picture(tmp_path):
    assert main(["sample", "pets32", "a cat wearing a crown", "--steps", "10", "--count", "4", "--out", str(tmp_path / "now.png")]) == 0
    golden, now = (torch.tensor(list(Image.open(path).tobytes())) for path in (GOLDEN, tmp_path / "now.png"))
    assert golden.shape == now.shape and (golden - now).abs().max() <= 2             # bytes: processors round differently


def test_an_unknown_model_gets_the_list():
    with pytest.raises(ValueError, match="'pets33'.*pets32"):
        zoo.load("pets33")
    assert isinstance(zoo.load("pets32"), dl.NeuralDenoiser)
