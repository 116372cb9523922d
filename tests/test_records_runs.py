"""Recorded runs that travel with the library: the small files hold what the run's folder holds."""

import json
from pathlib import Path

import pytest
import torch

import diffusion_lib as dl
from diffusion_lib.records.training_runs import KEPT, pack_run, read_strip

FOLDER = Path(__file__).resolve().parent.parent / "book" / "records"
RUNS = dl.records.run_names()


@pytest.mark.parametrize("name", RUNS)
def test_packed_run_is_the_recorded_one(name):
    run, record = dl.records.load_run(name), json.loads((FOLDER / name / "record.json").read_text())
    kept = [strip for strip in record["strips"] if strip["minute"] in KEPT or strip is record["strips"][-1]]
    assert run.minutes == [strip["minute"] for strip in kept] and run.steps == [strip["step"] for strip in kept]
    assert list(run.prompts) == record["prompts"] and run.hardware == record["hardware"] and run.history.loss == record["history"]["loss"]
    assert run.duration == record["history"]["seconds"][-1] / 60
    for k in (0, len(kept) // 2, -1):
        for kind, pictures in (("ema", run.ema), ("raw", run.raw)):
            assert torch.equal(pictures[k], read_strip(FOLDER / name / kept[k][kind], len(run.prompts)))
    assert dl.recipes.parse_recipe(run.recipe, name).prompts == run.prompts


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
