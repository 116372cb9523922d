"""Recorded runs that travel with the library: the small files hold what the run's folder holds."""

import json
import math
from pathlib import Path

import pytest
import torch

import diffusion_lib as dl
from diffusion_lib.records.training_runs import pack_run, read_strip

RUNS = dl.records.run_names()
PROMPTS = ("a cat", "a green frog wearing a crown")


@pytest.fixture
def folder(tmp_path):
    """A run's folder as `runs.Record` leaves it, with one strip more than is kept: pictures of random dots."""
    minutes = [0, 1, 2, 9, 11]
    (tmp_path / "strips").mkdir()
    for kind, seed in (("ema", 1), ("raw", 2)):
        for minute in minutes:
            dots = 2 * dl.rand((2, 3, 8, 8), dl.CounterGenerator(seed, 10_000 * minute)) - 1
            dl.to_image(dl.image_grid(dots, columns=2)).save(tmp_path / f"strips/{kind}_{minute:03d}.webp", lossless=True)
    strips = [{"minute": m, "step": 10 * m, "pictures": 640 * m, **{kind: f"strips/{kind}_{m:03d}.webp" for kind in ("ema", "raw")}} for m in minutes]
    history = {"step": [5, 110], "seconds": [30.0, 660.0], "pictures": [320, 7040], "loss": [0.9, None],
               "loss_by_t": [[0.5] * 9 + [None]] * 2, "grad_norm": [1.0, 0.5], "lr": [1e-3, 0.0]}
    record = {"recipe": "x", "hardware": "an abacus", "prompts": PROMPTS, "sampler": "by hand", "strips": strips, "history": history}
    (tmp_path / "record.json").write_text(json.dumps(record))
    return tmp_path


def test_packed_run_is_the_recorded_one(folder):
    pack_run(folder, "the recipe", folder / "packed" / "x.json")
    run = dl.records.load_run("x", folder / "packed")
    assert run.minutes == [0, 1, 2, 11] and run.steps == [0, 10, 20, 110] and run.pictures == [0, 640, 1280, 7040]
    assert (run.prompts, run.hardware, run.recipe, run.duration) == (PROMPTS, "an abacus", "the recipe", 11.0)
    assert run.history.loss[0] == 0.9 and math.isnan(run.history.loss[1]) and math.isnan(run.history.loss_by_t[0][9])
    for k, minute in enumerate(run.minutes):
        for kind, pictures in (("ema", run.ema), ("raw", run.raw)):
            assert torch.equal(pictures[k], read_strip(folder / f"strips/{kind}_{minute:03d}.webp", 2))


def test_a_record_that_speaks_of_minutes_is_not_yet_a_run(folder):
    pack_run(folder, "the recipe", folder / "packed" / "x.json")
    (folder / "packed" / "race.json").write_text(json.dumps({"runs": [{"library": "ours", "points": [{"minute": 1}]}]}))
    assert dl.records.run_names(folder / "packed") == ["x"]


@pytest.mark.parametrize("name", RUNS)
def test_recorded_runs_say_how_they_were_made(name):
    run = dl.records.load_run(name)
    assert dl.recipes.parse_recipe(run.recipe, name).prompts == run.prompts and len(run.ema) == len(run.raw) == len(run.minutes)
    assert abs(run.duration - run.minutes[-1]) <= 1


@pytest.mark.parametrize("name", RUNS)
def test_packed_runs_are_small(name):
    folder = Path(dl.records.__file__).parent
    assert sum((folder / f"{name}.{ending}").stat().st_size for ending in ("json", "webp")) < 1_500_000


def test_packing_says_what_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        pack_run(tmp_path, "", tmp_path / "x.json")
    with pytest.raises(ValueError, match="'nobody'.*pets32_two_cores"):
        dl.records.load_run("nobody")


def test_thinned_history_keeps_the_mean_and_the_end():
    from diffusion_lib.figures.training_run import coarse, found, shown, thinned

    run = dl.records.load_run("pets32_two_cores")
    whole, thin = run.history, thinned(run.history, 100)
    assert thin["step"][-1] == whole.step[-1] and 100 <= len(thin["step"]) < 205
    size = thin["step"].index(thin["step"][-1]) and whole.step.index(thin["step"][-1]) - whole.step.index(thin["step"][-2])
    assert abs(thin["loss"][-1] - sum(whole.loss[-size:]) / size) < 1e-4
    few = shown(run)
    assert few.minutes[-1] == run.minutes[-1] and (coarse(few.ema) - few.ema).abs().max() <= 1 / 21 + 1e-6
    counts = found(few, dl.zoo.load("pets32-classifier"))
    assert counts["background"]["asked"] == 8 and counts["background"]["right"][-1] == 8 and len(counts["hat"]["right"]) == len(few.minutes)
