"""A checkpoint rebuilds its model from the file alone, and every damaged or foreign file is refused by name."""

import dataclasses
import json
import math
import os
import struct

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

import diffusion_lib as dl
from diffusion_lib.checkpoints import (CLASSES, CheckpointError, TrainingState, build, describe, load_checkpoint, load_training,
                                       read_about, save_checkpoint)
from diffusion_lib.conditioning import AttributeConditioner, ClassConditioner, TextConditioner
from diffusion_lib.networks.classifier import Classifier, ClassifierConfig, PairClassifier
from diffusion_lib.networks.unet import UNet, UNetConfig
from diffusion_lib.words import Vocabulary
from exact import max_error
from tiny import randomised

TINY = UNetConfig(channels=1, stem=8, widths=(8, 32), blocks=(1, 1), attention=(False, False), embedding=16)
WORDS = Vocabulary(("a", "cat"), length=4)


def tiny_denoiser(schedule=dl.CosineSchedule(), parameterization=dl.V, conditioner=None):
    return randomised(dl.NeuralDenoiser(UNet(TINY, conditioner), schedule, parameterization, 0.5), 0.2)


def answer(model, cond=None, t=0.4):
    x = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return model(x, torch.tensor([t, 1 - t]), cond).x0


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


# What was saved comes back -------------------------------------------------------------------------------------------

SCHEDULES = {"cosine": dl.CosineSchedule(), "flow": dl.RectifiedFlowSchedule(shift=3.0), "edm": dl.EDMSchedule(sigma_max=20.0),
             "linear beta": dl.LinearBetaSchedule(num_steps=400, beta_start=2e-4, beta_end=0.03)}
ROWS = {"eps": dl.EPS, "x0": dl.X0, "v": dl.V, "score": dl.SCORE, "flow": dl.FLOW, "edm": dl.edm(0.25), "edm, many digits": dl.edm(0.123456789)}


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES.keys())
def test_schedules_come_back(path, schedule):
    model = tiny_denoiser(schedule)
    save_checkpoint(path, model)
    assert max_error(answer(load_checkpoint(path)), answer(model)) == 0


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_parameterizations_come_back(path, row):
    model = tiny_denoiser(parameterization=row)
    save_checkpoint(path, model)
    assert max_error(answer(load_checkpoint(path)), answer(model)) == 0


@pytest.mark.parametrize("conditioner, cond", [
    (ClassConditioner(5, 16), torch.tensor([0, 4])),
    (AttributeConditioner((3, 4), 16), torch.tensor([[0, 3], [-1, 2]])),
], ids=["class", "attributes"])
def test_conditioners_come_back(path, conditioner, cond):
    model = tiny_denoiser(conditioner=conditioner)
    save_checkpoint(path, model)
    again = load_checkpoint(path)
    assert max_error(answer(again, cond), answer(model, cond)) == 0
    assert max_error(answer(again, cond), answer(again)) > 1e-3                # and the condition is heard


def test_a_network_that_is_no_denoiser_comes_back(path):
    model = randomised(Classifier(ClassifierConfig(sizes=(3, 4), width=8, features=16, side=16)), 0.2)
    save_checkpoint(path, model)
    x = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    for mine, again in zip(model(x), load_checkpoint(path)(x)):
        assert max_error(again, mine) == 0


def test_loading_does_not_touch_the_global_random_numbers(path):
    save_checkpoint(path, tiny_denoiser())
    before = torch.random.get_rng_state()
    load_checkpoint(path)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_memory_layout_does_not_matter(path):
    model = tiny_denoiser().to(memory_format=torch.channels_last)
    save_checkpoint(path, model)
    assert max_error(answer(load_checkpoint(path)), answer(model)) < 1e-5


def test_same_model_is_the_same_file(path, tmp_path):
    for name in ("a", "b", "c"):
        save_checkpoint(tmp_path / name, tiny_denoiser(), about={"z": 1, "a": 2})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == (tmp_path / "c").read_bytes()


def test_story_of_a_model_comes_back(path):
    about = {"recipe": "pets", "seed": 7, "minutes": 1.5}
    save_checkpoint(path, tiny_denoiser(), about=about)
    assert read_about(path) == about


def test_training_state_comes_back(path):
    tensors = {"moments": torch.randn(3, 2), "count": torch.tensor(5), "half": torch.randn(4).bfloat16()}
    values = {"steps": 5, "seconds": 0.1, "history": {"loss": [0.1, 1 / 3]}}
    save_checkpoint(path, tiny_denoiser(), training=TrainingState(tensors, values))
    model, state = load_training(path)
    assert state.values == values and state.tensors.keys() == tensors.keys()
    assert all(torch.equal(state.tensors[name], tensor) and state.tensors[name].dtype == tensor.dtype for name, tensor in tensors.items())
    assert max_error(answer(model), answer(tiny_denoiser())) == 0


def test_finished_model_is_no_training_run(path):
    save_checkpoint(path, tiny_denoiser())
    with pytest.raises(CheckpointError, match="model.safetensors holds a finished model"):
        load_training(path)


@pytest.mark.parametrize("cls", CLASSES.values(), ids=CLASSES.keys())
def test_classes_of_the_table_keep_their_arguments(cls):
    """`describe` reads constructor arguments from attributes of the same name; dataclasses do by construction."""
    examples = {"NeuralDenoiser": tiny_denoiser(), "UNet": UNet(TINY), "ClassConditioner": ClassConditioner(3, 8),
                "AttributeConditioner": AttributeConditioner((2, 3), 8), "ClassifierConfig": ClassifierConfig((2, 3)),
                "Classifier": Classifier(ClassifierConfig((2, 3), width=8)), "PairClassifier": PairClassifier(ClassifierConfig((2, 3) * 2, width=8, side=64)),
                "Vocabulary": WORDS, "TextConditioner": TextConditioner(WORDS, width=32, layers=1)}
    example = examples[cls.__name__] if cls.__name__ in examples else cls()
    assert describe(build(json.loads(json.dumps(describe(example))))) == describe(example)
    assert not dataclasses.is_dataclass(cls) or build(describe(example)) == example


# float16 -------------------------------------------------------------------------------------------------------------

def test_float16_is_rounded_once(path, tmp_path):
    """Loading gives float32 weights that float16 holds exactly; storing those again changes nothing."""
    model = tiny_denoiser()
    save_checkpoint(path, model, dtype=torch.float16)
    again = load_checkpoint(path)
    for name, parameter in again.named_parameters():
        assert parameter.dtype == torch.float32
        assert max_error(parameter, model.get_parameter(name).half().float()) == 0
    save_checkpoint(tmp_path / "again.safetensors", again, dtype=torch.float16)
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()
    assert 0 < max_error(answer(again), answer(model)) < 0.02


def test_weights_too_large_for_float16_are_refused(path):
    model = tiny_denoiser()
    with torch.no_grad():
        model.network.stem.bias[0] = 1e5
    with pytest.raises(ValueError, match="network.stem.bias holds 100000, but torch.float16 ends at 65504"):
        save_checkpoint(path, model, dtype=torch.float16)
    assert not path.exists()


# Damage --------------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def good(tmp_path_factory):
    path = tmp_path_factory.mktemp("good") / "good.safetensors"
    save_checkpoint(path, tiny_denoiser(), training=TrainingState({"m": torch.ones(3)}, {"steps": 1}))
    return path.read_bytes()


def refused(path, content):
    path.write_bytes(content)
    with pytest.raises(ValueError) as caught:
        load_checkpoint(path)
    assert isinstance(caught.value, CheckpointError) and str(path) in str(caught.value)
    return str(caught.value)


def test_truncated_files_are_refused(path, good):
    for length in [0, 1, 7, 8, 9, 100, len(good) // 2, len(good) - 1]:
        assert "truncated" in refused(path, good[:length])


def test_longer_files_are_refused(path, good):
    assert refused(path, good + b"\0")


def test_flipped_bits_are_refused_wherever_they_are(path, good):
    header = struct.unpack("<Q", good[:8])[0]
    places = [*range(0, 8), *range(8, 8 + header, 97), *range(8 + header, len(good), len(good) // 60)]
    for place in places:
        damaged = bytearray(good)
        damaged[place] ^= 1 << (place % 8)
        assert refused(path, bytes(damaged))


@pytest.mark.parametrize("old, new", [(b'"F32"', b'"I32"'), (b'"shape": [16, 64]', b'"shape": [64, 16]'), (b'model.network.stem.bias', b'model.network.stem.bios')],
                         ids=["type", "shape", "name"])
def test_same_bytes_read_differently_are_refused(path, good, old, new):
    assert old in good
    assert "does not match its own SHA-256" in refused(path, good.replace(old, new, 1))


def rewritten(path, source, **changes):
    """The checkpoint in `source` with parts of its metadata replaced, as somebody else's program might."""
    with safe_open(source, framework="pt") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}
    save_file(tensors, path, metadata | changes)


def test_changed_config_is_refused(path, tmp_path):
    save_checkpoint(tmp_path / "a.safetensors", tiny_denoiser())
    rewritten(path, tmp_path / "a.safetensors", config="{}")
    with pytest.raises(CheckpointError, match="does not match its own SHA-256"):
        load_checkpoint(path)


def test_files_of_others_are_refused(path):
    save_file({"weight": torch.ones(2)}, path)
    with pytest.raises(CheckpointError, match="model.safetensors is a safetensors file, but not a diffusion_lib checkpoint"):
        load_checkpoint(path)
    torch.save(tiny_denoiser().state_dict(), path)
    with pytest.raises(CheckpointError, match="no safetensors file"):
        load_checkpoint(path)


def test_missing_file_and_folder_are_named(path, tmp_path):
    for missing in (path, tmp_path):
        with pytest.raises(FileNotFoundError, match=missing.name):
            load_checkpoint(missing)


# Strangers -----------------------------------------------------------------------------------------------------------

def test_unknown_classes_are_neither_saved_nor_called(path):
    with pytest.raises(CheckpointError, match="cannot describe a Linear"):
        save_checkpoint(path, nn.Linear(2, 2))
    for name in ("os.system", "Linear", "CheckpointError", None):
        with pytest.raises(CheckpointError, match="only NeuralDenoiser, .* are known"):
            build({"class": name})


@pytest.mark.parametrize("row, says", [
    (dl.Parameterization("mine", dl.V.row), "parameterization is 'mine'"), (dl.Parameterization("eps", dl.V.row), "'eps', but has another row"),
    (dl.Parameterization("edm(0.5)", dl.edm(0.25).row), r"'edm\(0.5\)', but has another row"),
])
def test_a_parameterization_that_would_not_come_back_is_not_saved(path, row, says):
    with pytest.raises(CheckpointError, match=says):
        save_checkpoint(path, tiny_denoiser(parameterization=row))
    assert not path.exists()


class UNetOfAStranger(nn.Module):
    """Has the name of one of our classes, but is not it."""


UNetOfAStranger.__name__ = "UNet"


def test_a_name_alone_is_not_enough(path):
    with pytest.raises(CheckpointError, match="cannot describe a UNet"):
        save_checkpoint(path, UNetOfAStranger())


def test_config_that_does_not_fit_its_weights_is_refused(path, monkeypatch):
    model = tiny_denoiser()
    described = describe(model) | {"network": describe(UNet(UNetConfig()))}
    monkeypatch.setattr("diffusion_lib.checkpoints.describe", lambda value: described)
    save_checkpoint(path, model)
    with pytest.raises(CheckpointError, match="model.safetensors cannot be rebuilt: .*Missing key"):
        load_checkpoint(path)


# Writing -------------------------------------------------------------------------------------------------------------

def test_interrupted_write_leaves_the_old_file(path, monkeypatch):
    save_checkpoint(path, tiny_denoiser())
    before = path.read_bytes()

    def full_disk(handle):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="no space left"):
        save_checkpoint(path, randomised(tiny_denoiser(), 0.3))
    assert path.read_bytes() == before and os.listdir(path.parent) == [path.name]


def test_written_to_disk_before_it_takes_the_old_files_place(path, monkeypatch):
    happened = []
    monkeypatch.setattr(os, "fsync", lambda handle: happened.append("fsync"))
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda a, b: (happened.append("replace"), replace(a, b)))
    save_checkpoint(path, tiny_denoiser())
    assert happened == ["fsync", "replace"] and math.isfinite(float(answer(load_checkpoint(path)).sum()))
