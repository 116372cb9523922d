"""The shipped models: their cards belong to them, they do what their cards say, and seed 7 is the same picture everywhere.

The golden picture is made by
    python -m diffusion_lib sample pets32 "a cat wearing a crown" --steps 10 --count 4 --out tests/golden/pets32_seed_7.png
"""

import hashlib
import json
from pathlib import Path
from statistics import fmean

import pytest
import torch
from PIL import Image
from torch import nn

import diffusion_lib as dl
from diffusion_lib import zoo
from diffusion_lib.checkpoints import read_about
from diffusion_lib.cli import main
from diffusion_lib.data.pets import GRAMMARS
from diffusion_lib.evaluation import interval
from diffusion_lib.judging import LAWS, Protocol, Setting, as_attributes, in_words, interview, judge_classifier
from diffusion_lib.networks.layers import count_flops, count_parameters
from diffusion_lib.recipes import read_recipe
from diffusion_lib.zoo.card import card_of
from scripts.scoreboard import BARS

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
    for asked in results.get("languages", {"": results}).values():           # a model that reads is asked in each of its languages
        assert f"{100 * asked['accuracy']['seen']['all']:.1f} %" in model.card
    assert f"(../../book/scoreboard.md#{model.name})" in model.card
    assert f"\n## {model.name}\n" in (ROOT / "book" / "scoreboard.md").read_text(encoding="utf-8")
    assert model.summary.endswith(f"{results['accuracy']['held_out']['all']:.1%} held out")


@pytest.mark.parametrize("model", zoo.models(), ids=lambda model: model.name)
def test_the_recipe_in_the_file_is_the_one_in_the_repository(model):
    path = ROOT / "recipes" / f"{model.name}.toml"
    assert read_about(model.file)["recipe"] == path.read_text(encoding="utf-8")
    described = {name: tensor.shape for name, tensor in read_recipe(path).model.state_dict().items()}
    assert described == {name: tensor.shape for name, tensor in zoo.load(model.name).state_dict().items()}


def test_pets32_fits_into_a_page():
    assert count_parameters(zoo.load("pets32")) <= 4_000_000 and zoo.file_of("pets32").stat().st_size < 9e6


BUDGETS = {"pets32-text": {"GFLOP": 1.0, "U-Net": 3_500_000, "reader": 500_000, "MB": 8}, "scenes64-text": {"GFLOP": 1.5, "MB": 12}}


@pytest.mark.parametrize("name", BUDGETS)
def test_models_that_read_keep_to_their_budgets(name):
    """What was promised of the files that are shipped: the work of one forward, for the longest wish, parameters and size. The card says them."""
    file, network = zoo.file_of(name), zoo.load(name).network
    reader = count_parameters(network.conditioner.reader)
    longest = torch.ones(1, network.conditioner.vocabulary.length, dtype=torch.int64)
    spent = {"GFLOP": count_flops(network, tuple(read_about(file)["shape"]), longest) / 1e9, "U-Net": count_parameters(network) - reader,
             "reader": reader, "MB": file.stat().st_size / 1e6}
    assert all(spent[what] <= most for what, most in BUDGETS[name].items()), spent
    card = file.with_suffix(".md").read_text(encoding="utf-8")
    for row in (f"| U-Net | {spent['U-Net']:,} parameters |", f"| reader | {reader:,} parameters |", f"| GFLOP for one forward | {spent['GFLOP']:.3f},"):
        assert row in card, row


@pytest.mark.parametrize("model", zoo.models(), ids=lambda model: model.name)
def test_every_share_has_the_interval_of_its_wishes(model):
    """Also a share of 1, whose standard error is 0. All languages together say the same wishes."""
    results, rows = committed(model.name), 0
    each = results.get("languages", {})
    for section, ways in ((results, max(1, len(each))), *((section, 1) for section in each.values())):
        wishes = section["n"] // ways
        for shares, intervals in (("accuracy", "interval"), ("binding", "binding_interval"), ("relations", "relations_interval")):
            for law, table in section.get(shares, {}).items():
                for number, (name, value) in enumerate(table.items()):
                    n = len(range(number, wishes, len(table))) if shares == "relations" else wishes
                    assert section[intervals][law][name] == pytest.approx(interval(value, n)), (shares, law, name)
                    rows += 1
        for row in section.get("sweep", {}).get("rows", ()):
            assert all(row[law]["interval"] == pytest.approx(interval(row[law]["value"], row["n"] // ways)) for law in LAWS if law in row)
    assert rows >= 16


@pytest.mark.parametrize("name", ["pets32", "pets32-classifier"])
def test_the_bars_are_met(name):
    """What the book promises, at n = 2,000, guidance 2 and 30 steps; the others' bars stand on the scoreboard, met or missed."""
    results = committed(name)
    assert results["n"] >= 2000 and all(bar.met(results) for bar in BARS[name])
    if name == "pets32":
        assert (results["protocol"]["guidance"], results["protocol"]["steps"], results["frechet"]["n"]) == (2.0, 30, 1000)


PAINTERS = [model for model in zoo.models() if "sweep" in committed(model.name)]


def obeys(model: nn.Module, name: str, n: int = N) -> bool:
    """Whether n pictures of a model, at the cheapest setting on the card of that name, are right as often as the card says, to
    three standard errors. It is asked in all its languages, for seen and for held-out combinations, equally often; the same
    wish in two languages counts as one, as mistakes that begin with the same static go together."""
    results, judge = committed(name), zoo.load(f"{name.partition('-')[0]}-classifier")
    row = min(results["sweep"]["rows"], key=lambda row: row["steps"] * (1 if row["guidance"] == 1 else 2))
    ways = {name: in_words(GRAMMARS[name]) for name in results.get("languages", ())} or {"attributes": as_attributes}
    setting = Setting(row["guidance"], row["steps"], n // (len(LAWS) * len(ways)))
    heard = interview(model, judge, Protocol(setting.n, row["guidance"], row["steps"], sweep=()), ways)
    right = fmean(shares["all"].value for shares in heard.shares(ways, setting).values())
    expected = fmean(row[law]["value"] for law in LAWS)
    wishes, before = n / len(ways), len(LAWS) * row["n"] / len(ways)
    return right >= expected - 3 * (max(expected * (1 - expected), 1e-3) * (1 / wishes + 1 / before)) ** 0.5


@pytest.mark.parametrize("painter", PAINTERS, ids=lambda model: model.name)
def test_it_still_obeys(painter):
    assert obeys(zoo.load(painter.name), painter.name)


@pytest.mark.parametrize("painter", PAINTERS, ids=lambda model: model.name)
def test_shuffled_weights_obey_nobody(painter):
    """The same check, so that it can fail."""
    model = zoo.load(painter.name)
    with torch.no_grad():
        for i, p in enumerate(model.parameters()):
            p.copy_(p.flatten()[torch.randperm(p.numel(), generator=torch.Generator().manual_seed(i))].reshape(p.shape))
    assert not obeys(model, painter.name, n=32)


def test_the_classifier_still_sees():
    results = judge_classifier(zoo.load("pets32-classifier"), Protocol(n=N))
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
