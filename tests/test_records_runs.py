"""A run's folder, and recorded runs that travel with the library: the small files hold what the folder holds."""

import dataclasses
import json
import math
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

import diffusion_lib as dl
from diffusion_lib import runs
from diffusion_lib.checkpoints import read_about, save_checkpoint
from diffusion_lib.recipes import parse_recipe
from diffusion_lib.records.training_runs import pack_run, read_strip
from diffusion_lib.runs import run_recipe
from diffusion_lib.zoo.card import card_of
from tiny import RECIPE, tiny_denoiser

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
            assert torch.equal(pictures[k], read_strip(folder / f"strips/{kind}_{minute:03d}.webp"))


def test_a_run_without_prompts_shows_as_many_pictures_as_it_drew(folder):
    record = json.loads((folder / "record.json").read_text())
    (folder / "record.json").write_text(json.dumps(record | {"prompts": []}))
    pack_run(folder, "the recipe", folder / "x.json")
    assert dl.records.load_run("x", folder).ema.shape == (4, 2, 3, 8, 8)


def test_packing_leaves_nothing_half_written(folder, monkeypatch):
    pack_run(folder, "the recipe", folder / "packed" / "x.json")
    before = {file.name: file.read_bytes() for file in (folder / "packed").iterdir()}

    def broken(image, file, *_, **__):
        Path(file).write_bytes(b"the first half")
        raise OSError("no space left on device")

    monkeypatch.setattr(Image.Image, "save", broken)
    with pytest.raises(OSError, match="no space"):
        pack_run(folder, "the recipe", folder / "packed" / "x.json")
    assert {file.name: file.read_bytes() for file in (folder / "packed").iterdir()} == before


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


@pytest.mark.parametrize("read, known", [(dl.records.read, "training_tricks"), (dl.records.pictures, "pets32_two_cores")])
def test_an_unknown_record_is_refused_by_name(read, known):
    with pytest.raises(ValueError, match=f"name is 'nobody', but it has to be one of the records .*{known}"):
        read("nobody")


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


# How a run came about ------------------------------------------------------------------------------------------------

def test_the_commit_is_that_of_the_package_and_names_changes_of_what_is_run(tmp_path, monkeypatch):
    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a", *words],
                              check=True, capture_output=True, text=True).stdout.strip()

    for file in ("package/__init__.py", "package/runs.py", "recipes/x.toml", "notes.txt"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("one")
    monkeypatch.setattr(runs, "__file__", str(tmp_path / "package" / "runs.py"))
    git("init", "-q")
    assert runs.commit() is None                             # nothing is known to this repository
    git("add", "."), git("commit", "-q", "-m", "first")
    head = git("rev-parse", "HEAD")
    (tmp_path / "notes.txt").write_text("two")
    assert runs.commit() == head
    for file in ("recipes/x.toml", "package/runs.py", "package/new.py"):
        before = (tmp_path / file).read_text() if (tmp_path / file).exists() else None
        (tmp_path / file).write_text("two")
        assert runs.commit() == f"{head} with changes", file
        (tmp_path / file).unlink() if before is None else (tmp_path / file).write_text(before)
    assert runs.commit() == head


def test_a_model_names_the_commits_at_which_its_run_was_begun_and_resumed(tmp_path, monkeypatch):
    now = ["first"]
    monkeypatch.setattr(runs, "commit", lambda: now[0])
    learn = runs.train

    def training(*arguments, **named):
        now[0] = "another"                                   # somebody commits while it learns
        yield from learn(*arguments, **named)

    monkeypatch.setattr(runs, "train", training)
    assert read_about(run_recipe(parse_recipe(RECIPE, "tiny"), tmp_path))["commit"] == "first"
    longer = parse_recipe(RECIPE.replace("steps = 5", "steps = 7"), "tiny")
    file = run_recipe(longer, tmp_path, resume=True)
    assert read_about(file)["commit"] == read_about(run_recipe(longer, tmp_path, resume=True))["commit"] == "first, resumed at another"
    record = json.loads((tmp_path / "record.json").read_text())
    assert record.pop("commits") == ["first", "another"]
    (tmp_path / "record.json").write_text(json.dumps(record))                    # as older runs wrote it
    assert read_about(run_recipe(longer, tmp_path, resume=True))["commit"] == "an unknown commit, resumed at another"


def test_reading_lessons_are_timed_and_on_the_card(tmp_path, monkeypatch):
    now = [0.0]

    def lessons(recipe, accelerator):
        now[0] += 90
        yield from ()

    monkeypatch.setattr(runs, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(runs, "read_first", lessons)
    recipe = dataclasses.replace(parse_recipe(RECIPE, "tiny"), captions=200)
    file = run_recipe(recipe, tmp_path)
    assert read_about(file)["reading_minutes"] == 1.5
    longer = dataclasses.replace(parse_recipe(RECIPE.replace("steps = 5", "steps = 7"), "tiny"), captions=200)
    assert read_about(run_recipe(longer, tmp_path, resume=True))["reading_minutes"] == 1.5       # those of the beginning
    results = {"sha256": "0" * 64, "protocol": {"n": 8, "seed": 7}, "n": 8, "accuracy": {"seen": {"all": 0.5}, "held_out": {"all": 0.5}}}
    assert "| minutes of reading before | 1.5 |" in card_of(file, results)
    plain = run_recipe(parse_recipe(RECIPE, "tiny"), tmp_path / "plain")
    untimed = tmp_path / "untimed.safetensors"               # as older runs wrote it
    save_checkpoint(untimed, tiny_denoiser(), about={"recipe": RECIPE + "\n[comprehension]\ncaptions = 1_200\n"})
    assert "| minutes of reading before | not timed; the reader learned from 1,200 captions before" in card_of(untimed, results)
    assert "reading_minutes" not in read_about(plain) and "of reading" not in card_of(plain, results)


@pytest.mark.parametrize("old, new, says", [
    ("size = 8", "size = 16", r"\[data\] size is 16, but the run in '.*' was begun with 8: put that back"),
    ("batch_size = 4", "batch_size = 4\nlr = 5e-4", r"\[training\] lr is 0.0005, but .* begun without it"),
    ("embedding = 16", "", r"\[network\] embedding is not given, but .* begun with 16"),
    ("uniform_share = 0.1", "uniform_share = 0.2", r"\[diffusion\] times is .*0.2.*, but .*0.1"),
])
def test_a_run_is_not_resumed_by_another_recipe(tmp_path, old, new, says):
    assert RECIPE.count(old) == 1
    run_recipe(parse_recipe(RECIPE, "tiny"), tmp_path)
    with pytest.raises(ValueError, match=says):
        run_recipe(parse_recipe(RECIPE.replace(old, new), "tiny"), tmp_path, resume=True)
    assert (tmp_path / "recipe.toml").read_text() == RECIPE


def test_a_run_may_be_resumed_for_longer_with_other_strips_and_comments(tmp_path):
    run_recipe(parse_recipe(RECIPE, "tiny"), tmp_path)
    text = "# once more\n" + RECIPE.replace("steps = 5", "steps = 6\ncheckpoint_every = 3").replace('"a frog"', '"a bear"')
    about = read_about(run_recipe(parse_recipe(text, "tiny"), tmp_path, resume=True))
    assert (about["steps"], about["recipe"], (tmp_path / "recipe.toml").read_text()) == (6, text, text)
