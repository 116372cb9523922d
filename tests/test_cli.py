"""The command line: what it writes is what the library computes, and wrong input gets one sentence and exit code 2."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import diffusion_lib as dl
from diffusion_lib import records, zoo
from diffusion_lib.checkpoints import load_checkpoint, load_training, read_about, save_checkpoint
from diffusion_lib.conditioning import TextConditioner
from diffusion_lib.data.pets import NAMES, encode, pet_vocabulary
from diffusion_lib.networks.unet import UNet, UNetConfig
from diffusion_lib.pictures import image_grid, text_picture, to_image
from diffusion_lib.zoo.card import card_of, number, percent
from tiny import CLASSIFIER_RECIPE, RECIPE, randomised, run, tiny_denoiser

ROOT = Path(__file__).resolve().parent.parent


# sample

def test_a_png_holds_what_the_library_samples(models, tmp_path):
    assert run("sample", models[0], "a cat wearing a crown", "--steps", 3, "--guidance", 4, "--seed", 5, "--count", 3, "--out", tmp_path / "a.png") == 0
    cond = encode({"animal": "cat", "hat": "crown"}).expand(3, -1)
    x = dl.sample(dl.ClassifierFreeGuidance(load_checkpoint(models[0]), 4.0), (3, 3, 8, 8), steps=3, sampler=dl.DPMSolverPP2M(), cond=cond,
                  generator=dl.CounterGenerator(5))
    expected = to_image(image_grid(x.clamp(-1, 1), columns=4), enlarge=16)
    image = Image.open(tmp_path / "a.png")
    assert image.size == (16 * (3 * 8 + 2 * 2), 16 * 8)      # three pictures and two gaps, every pixel 16 x 16
    assert image.tobytes() == expected.tobytes()


def test_the_seed_the_prompt_and_the_steps_count(models, tmp_path):
    def draw(name, *arguments):
        assert run("sample", models[0], *arguments, "--count", 2, "--out", tmp_path / name) == 0
        return (tmp_path / name).read_bytes()

    base = draw("0.png", "a cat", "--steps", 3)
    assert draw("1.png", "a cat", "--steps", 3) == base
    for name, arguments in {"seed": ("a cat", "--steps", 3, "--seed", 8), "prompt": ("a dog", "--steps", 3), "nothing": ("--steps", 3),
                            "steps": ("a cat", "--steps", 4), "guidance": ("a cat", "--steps", 3, "--guidance", 0)}.items():
        assert draw(f"{name}.png", *arguments) != base, name
    assert draw("2.png", "--steps", 3, "--attributes", "animal=cat") == base
    assert draw("3.png", "--steps", 3) == draw("4.png", "a cat", "--steps", 3, "--guidance", 0)      # guidance 0 hears nothing


def test_attributes_may_be_written_with_hyphens(models, tmp_path):
    for name, value in (("a", "hat=top-hat"), ("b", "hat=top hat"), ("c", "hat=crown")):
        assert run("sample", models[0], "--attributes", value, "accessory=bow_tie", "--steps", 2, "--count", 1, "--out", tmp_path / f"{name}.png") == 0
    a, b, c = ((tmp_path / f"{name}.png").read_bytes() for name in "abc")
    assert a == b != c


def test_a_gif_is_the_walk_with_the_guess_beside_it(models, tmp_path):
    assert run("sample", models[0], "a frog", "--steps", 4, "--count", 1, "--out", tmp_path / "walk.gif") == 0
    gif = Image.open(tmp_path / "walk.gif")
    assert gif.n_frames == 5 and gif.size == (16 * (8 + 8 + 8), 16 * 8)
    noise = to_image(dl.randn((1, 3, 8, 8), dl.CounterGenerator(7))[0].clamp(-1, 1), enlarge=16)
    first = torch.tensor(list(gif.convert("RGB").crop((0, 0, 128, 128)).tobytes())) - torch.tensor(list(noise.tobytes()))
    assert first.abs().float().mean() < 8                    # a GIF has 256 colours
    gif.seek(4)
    last = gif.convert("RGB")
    assert last.crop((0, 0, 128, 128)).tobytes() == last.crop((256, 0, 384, 128)).tobytes()          # at the end they agree


def test_a_long_walk_makes_a_gif_of_sixty_frames(models, tmp_path):
    assert run("sample", models[0], "--steps", 200, "--count", 1, "--out", tmp_path / "walk.gif") == 0
    assert Image.open(tmp_path / "walk.gif").n_frames <= 60


def test_the_walk_in_the_terminal(models, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert run("sample", models[0], "a frog", "--steps", 5, "--count", 2, "--ascii") == 0
    heard, *lines = capsys.readouterr().out.splitlines()
    assert heard == "Read: a frog" and lines[0].split() == ["Step", "0", "Step", "1", "Step", "3", "Step", "5"]
    assert len(lines) == 1 + 16 and all(len(line) == 4 * 32 + 3 * 2 for line in lines)
    noise = text_picture(dl.randn((2, 3, 8, 8), dl.CounterGenerator(7))[0]).split("\n")
    assert [line[:32] for line in lines[1:]] == noise
    monkeypatch.setenv("COLUMNS", "80")
    assert run("sample", models[0], "a frog", "--steps", 5, "--count", 2, "--ascii") == 0
    assert max(len(line) for line in capsys.readouterr().out.splitlines()) == 2 * 32 + 2


def test_a_bigger_picture_is_wider_as_far_as_the_terminal_is(tmp_path, capsys, monkeypatch):
    """A character a pixel, so that nothing is left out; while it moves, as wide as leaves all of it on the screen."""
    path = tmp_path / "wide.safetensors"
    save_checkpoint(path, tiny_denoiser(), about={"shape": [3, 64, 64]}, dtype=torch.float16)

    def drawn(columns):
        monkeypatch.setenv("COLUMNS", str(columns))
        assert run("sample", path, "--steps", 2, "--ascii") == 0
        return capsys.readouterr().out

    noise = text_picture(dl.randn((1, 3, 64, 64), dl.CounterGenerator(7))[0], 64).split("\n")
    assert [line[:64] for line in drawn(200).splitlines()[1:33]] == noise
    assert [max(map(len, drawn(columns).splitlines())) for columns in (64, 50, 20)] == [64, 50, 32]
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    for lines, risen in ((24, 1 + 22), (100, 1 + 32), (5, 1 + 16)):              # the line that says which step, and the picture
        monkeypatch.setenv("LINES", str(lines))
        assert set(re.findall(r"\x1b\[(\d+)F", drawn(200))) == {str(risen)}


def test_a_prompt_may_stand_behind_options(models, tmp_path):
    assert run("sample", models[0], "a cat", "--steps", 2, "--count", 1, "--out", tmp_path / "a.png") == 0
    assert run("sample", models[0], "--steps", 2, "--count", 1, "--out", tmp_path / "b.png", "a cat") == 0
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


# evaluate

QUICK = ("--training-n", 20)


def test_evaluate_prints_json_and_nothing_else(models, capsys):
    assert run("evaluate", models[0], "--classifier", models[1], "--json", "--n", 12, "--steps", 2, "--sweep-n", 2, *QUICK) == 0
    result = json.loads(capsys.readouterr().out)
    assert {"accuracy", "frechet", "recall", "n", "sweep", "standard_error", "figures"} <= set(result) and "languages" not in result
    for table in (result["accuracy"], result["standard_error"]):
        assert set(table) == {"seen", "held_out"}
        assert all(set(row) == {"all", *NAMES} for row in table.values())
    assert {"value", "floor", "n"} <= set(result["frechet"]) and result["frechet"]["n"] == result["n"] == 12
    assert [(row["guidance"], row["steps"], row["n"]) for row in result["sweep"]["rows"]] == [(g, s, 2) for g in (1, 2, 3) for s in (8, 30)]
    for law in ("seen", "held_out"):
        for name, p in result["accuracy"][law].items():
            assert result["standard_error"][law][name] == pytest.approx((p * (1 - p) / 12) ** 0.5)
            assert p * 12 == pytest.approx(round(p * 12))
    for figure in result["figures"].values():
        assert set(figure) == {"value", "spread", "floor", "floor_spread", "ceiling"}


def test_evaluate_repeats_itself_and_follows_its_settings(models, capsys):
    def evaluate(*arguments):
        assert run("evaluate", models[0], "--classifier", models[1], "--json", "--n", 8, *QUICK, *arguments) == 0
        return json.loads(capsys.readouterr().out)

    base = evaluate("--steps", 2, "--sweep-n", 0)
    assert evaluate("--steps", 2, "--sweep-n", 0) == base and base["sweep"]["rows"] == []
    assert evaluate("--steps", 2, "--sweep-n", 0, "--seed", 8)["frechet"] != base["frechet"]
    assert evaluate("--steps", 3, "--sweep-n", 0)["frechet"]["value"] != base["frechet"]["value"]
    assert evaluate("--steps", 2, "--sweep-n", 0, "--guidance", 1)["frechet"]["value"] != base["frechet"]["value"]
    rows = evaluate("--steps", 2, "--sweep", "1:3", "2.5:2:9", "--sweep-n", 4)["sweep"]["rows"]
    assert [(row["guidance"], row["steps"], row["n"]) for row in rows] == [(1.0, 3, 4), (2.5, 2, 9)]


def test_a_model_that_reads_is_evaluated_in_each_language(models, tmp_path, capsys):
    network = UNet(UNetConfig(stem=8, widths=(32,), blocks=(1,), attention=(False,), embedding=32), TextConditioner(pet_vocabulary(), width=32))
    path = tmp_path / "reader.safetensors"
    save_checkpoint(path, randomised(dl.NeuralDenoiser(network, dl.RectifiedFlowSchedule(), dl.FLOW)), about={}, dtype=torch.float16)
    assert run("evaluate", path, "--classifier", models[1], "--json", "--n", 6, "--steps", 1, "--sweep", "1:1:5", *QUICK) == 0
    result = json.loads(capsys.readouterr().out)
    assert set(result["languages"]) == {"en", "te"} and (result["n"], result["languages"]["te"]["n"]) == (12, 6)
    for law in ("seen", "held_out"):
        both = [section["accuracy"][law]["mood"] for section in result["languages"].values()]
        assert result["accuracy"][law]["mood"] == pytest.approx(sum(both) / 2)
    assert run("evaluate", path, "--classifier", models[1], "--n", 6, "--steps", 1, "--sweep", "1:1:5", *QUICK) == 0
    printed = capsys.readouterr().out
    assert "English, seen" in printed and "Telugu, held out" in printed and "says everything" in printed


def test_a_classifier_is_evaluated_too(models, capsys):
    assert run("evaluate", models[1], "--n", 20, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert set(result["accuracy"]["held_out"]) == {"all", *NAMES} and "frechet" not in result


def test_the_card_comes_from_the_file_and_the_results(models, tmp_path, capsys):
    assert run("evaluate", models[0], "--classifier", models[1], "--n", 8, "--steps", 2, "--sweep", "1:2:5", "--card", *QUICK) == 0
    printed = capsys.readouterr().out.strip()
    card, results = (tmp_path / "tiny.md").read_text(), json.loads((tmp_path / "tiny.json").read_text())
    assert card == card_of(Path(models[0]), results) and printed in card
    for fact in ("tiny: as small as it gets.", "| pictures seen | 20,000 |", "| commit | c0ffee, the last when it was trained; the recipe that was run stands below |", "a toaster",
                 f"{sum(p.numel() for p in tiny_denoiser().parameters()):,}", "seed = 3"):
        assert fact in card, fact
    assert percent(results["accuracy"]["seen"]["animal"], 8) in card and results["measured"]["hardware"] in card
    bounds = results["figures"]["frechet"]
    assert f"{number(bounds['value'], bounds['spread'])} | {number(bounds['floor'], bounds['floor_spread'])}" in re.sub(" +", " ", card)


EMPTY = {"seen": {"all": 0.5}, "held_out": {"all": 0.5}}


def results(**settings) -> dict:
    """Of an evaluation of 8 pictures, as a card needs them."""
    return {"sha256": "0" * 64, "protocol": {"n": 8, "seed": 7} | settings, "n": 8, "accuracy": EMPTY}


DRAWN = results(steps=2, sampler="DDIM", guidance=2.0)
READER = DRAWN | {"languages": {"en": {"accuracy": EMPTY, "n": 8}}}


@pytest.fixture
def card(models, tmp_path, monkeypatch):
    """card(results, model) beside an invented record of what each training step bought."""
    def once(variant, seed, pictures, share):
        return {"variant": variant, "seed": seed, "pictures": pictures, "found": {"all": share, "hat": 1.0}}

    runs = [once("full recipe", 0, 1000, 0.5), once("full recipe", 1, 3000, 0.75), once("no averaging", 0, 4500, 0.125), once("no averaging", 1, 4500, 0.375),
            once("bigger", 1, 900, 0.8)]
    record = {"seconds": 240, "judged pictures": 128, "sampler steps": 12, "guidance": 2.0, "recipe": "recipes/some.toml", "runs": runs}
    (tmp_path / "training_tricks.json").write_text(json.dumps(record))
    monkeypatch.setattr(records, "FOLDER", tmp_path)
    return lambda results, model=models[0]: re.sub(" +", " ", card_of(Path(model), results))


def test_the_card_shows_what_each_step_bought(card):
    """The means and differences of the record, and how it was made."""
    text = card(READER)
    assert "| full recipe | 2 | 2,000 | 62.5 % ± 17.7 | |" in text and "| no averaging | 2 | 4,500 | 25.0 % ± 17.7 | -37.5 |" in text
    assert "| bigger | 1 | 900 | 80.0 % | +5.0 |" in text         # from the full recipe with that seed, not from its mean
    assert "A difference smaller than the spread over the seeds, and a row of one seed, say nothing yet" in text
    assert "`recipes/some.toml`" in text and "240 CPU seconds" in text


def test_only_a_model_that_reads_is_told_what_each_step_bought(card, models, tmp_path, monkeypatch):
    assert "each step bought" in card(READER) and "each step bought" not in card(DRAWN) + card(results(), models[1])
    monkeypatch.setattr(records, "FOLDER", tmp_path / "there is none")
    assert "each step bought" not in card(DRAWN)              # which needs no record


def test_the_card_of_scenes_says_that_the_table_is_of_single_pets(card):
    binding = {law: {"right": 0.5} for law in EMPTY}
    scenes = READER | {"binding": binding, "languages": {"en": READER["languages"]["en"] | {"binding": binding}}}
    assert "The table is of single pets, not of scenes." in card(scenes) and "scoreboard" not in card(READER)
    assert "not of scenes" not in card(READER)


# models and the zoo

def test_models_lists_what_lies_in_the_zoo(models, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(zoo, "FOLDER", tmp_path)
    assert run("models") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["judge", "tiny"] and "20,000 pictures in 0.5 minutes on a toaster" in lines[1]
    expected, loaded = load_checkpoint(models[0]).state_dict(), zoo.load("tiny").state_dict()
    assert all(torch.equal(expected[name], loaded[name]) for name in expected)
    with pytest.raises(ValueError, match="'pets33'.*judge, tiny"):
        zoo.load("pets33")


# train

def test_train_leaves_a_folder_that_tells_the_whole_story(tmp_path, capsys):
    (tmp_path / "tiny.toml").write_text(RECIPE)
    assert run("train", tmp_path / "tiny.toml", "--out", tmp_path / "run") == 0
    folder = tmp_path / "run"
    assert str(folder / "tiny.safetensors") in capsys.readouterr().out
    assert (folder / "recipe.toml").read_text() == RECIPE
    record = json.loads((folder / "record.json").read_text())
    assert record["history"]["step"] == [2, 4, 5] and record["history"]["pictures"] == [8, 16, 20]
    assert all(len(row) == 10 for row in record["history"]["loss_by_t"])
    assert record["prompts"] == ["a cat wearing a crown", "a frog"]
    assert [strip["step"] for strip in record["strips"]] == [1, 5]
    for strip in record["strips"]:
        assert all(Image.open(folder / strip[name]).size == (2 * 8 + 2, 8) for name in ("ema", "raw"))
    about = read_about(folder / "tiny.safetensors")
    assert (about["recipe"], about["seed"], about["steps"], about["pictures"], about["shape"]) == (RECIPE, 3, 5, 20, [3, 8, 8])


def test_what_is_shipped_is_the_average_rounded_once(tmp_path):
    (tmp_path / "tiny.toml").write_text(RECIPE)
    assert run("train", tmp_path / "tiny.toml", "--out", tmp_path / "run") == 0
    stored = load_file(tmp_path / "run" / "tiny.safetensors")
    exact = load_checkpoint(tmp_path / "run" / "checkpoint.safetensors").state_dict()
    assert stored and all(tensor.dtype == torch.float16 and torch.equal(tensor, exact[name.removeprefix("model.")].half())
                          for name, tensor in stored.items())


def test_a_classifier_is_trained_by_its_recipe(tmp_path):
    (tmp_path / "judge.toml").write_text(CLASSIFIER_RECIPE)
    assert run("train", tmp_path / "judge.toml", "--out", tmp_path / "run") == 0
    assert zoo.load(tmp_path / "run" / "judge.safetensors").config.features == 6
    assert json.loads((tmp_path / "run" / "record.json").read_text())["history"]["step"] == [3]


# The command line, in a process that stops itself at step 25: between two checkpoints.
STOPS = """
import os, signal, sys
from diffusion_lib import cli, runs
learn = runs.train
def train(*arguments, **named):
    for step in learn(*arguments, **named):
        yield step
        if step.index == 25:
            os.kill(os.getpid(), signal.SIGSTOP)
runs.train = train
sys.exit(cli.main(sys.argv[1:]))
"""


def test_a_killed_run_goes_on_as_if_nothing_had_happened(tmp_path):
    """kill -9 after some checkpoint, then --resume: the same file as from a run that was left alone, bit for bit."""
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(RECIPE.replace("steps = 5", "steps = 60\ncheckpoint_every = 10"))
    words = ["train", str(recipe), "--out"]
    command = [sys.executable, "-m", "diffusion_lib", *words]
    assert subprocess.run([*command, str(tmp_path / "left")], cwd=ROOT, capture_output=True).returncode == 0
    killed = subprocess.Popen([sys.executable, "-c", STOPS, *words, str(tmp_path / "killed")], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert os.WIFSTOPPED(os.waitpid(killed.pid, os.WUNTRACED)[1]), "the run ended before it stopped"
    os.kill(killed.pid, signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    assert load_training(tmp_path / "killed" / "checkpoint.safetensors")[1].values["steps"] == 20
    assert not (tmp_path / "killed" / "tiny.safetensors").exists()
    assert subprocess.run([*command, str(tmp_path / "killed"), "--resume"], cwd=ROOT, capture_output=True).returncode == 0
    left, resumed = (load_file(tmp_path / folder / "tiny.safetensors") for folder in ("left", "killed"))
    assert left.keys() == resumed.keys() and all(torch.equal(left[name], resumed[name]) for name in left)


def test_strips_of_a_lost_run_are_not_kept(tmp_path):
    """A run that was killed before its first checkpoint begins anew, and so does its record."""
    recipe, folder = tmp_path / "tiny.toml", tmp_path / "run"
    recipe.write_text(RECIPE)
    assert run("train", recipe, "--out", folder) == 0
    file, whole = folder / "record.json", json.loads((folder / "record.json").read_text())
    lost = whole | {"strips": [*whole["strips"], {"minute": 3, "step": 900, "pictures": 3600, "ema": "gone.webp", "raw": "gone.webp"}]}
    for made in folder.glob("*.safetensors"):
        made.unlink()
    file.write_text(json.dumps(lost))
    assert run("train", recipe, "--out", folder) == 0
    assert [strip["step"] for strip in json.loads(file.read_text())["strips"]] == [strip["step"] for strip in whole["strips"]]


# Bad input

@pytest.mark.parametrize("arguments, words", [
    ((), ("COMMAND",)),
    (("paint",), ("COMMAND", "'paint'", "sample")),
    (("sample",), ("MODEL",)),
    (("sample", "pets99", "--out", "a.png"), ("MODEL", "'pets99'", ".safetensors")),
    (("sample", "MODEL"), ("--out", ".png", ".gif")),
    (("sample", "MODEL", "--out", "a.jpg"), ("--out", "'a.jpg'", ".png")),
    (("sample", "MODEL", "--out", "nowhere/a.png"), ("--out", "'nowhere/a.png'", "folder")),
    (("sample", "MODEL", "a cat", "--lang", "xx", "--out", "a.png"), ("--lang", "'xx'", "en", "te")),
    (("sample", "MODEL", "a cat dog", "--out", "a.png"), ("PROMPT", "'cat'", "'dog'")),
    (("sample", "MODEL", "a cat", "--attributes", "hat=crown", "--out", "a.png"), ("PROMPT", "--attributes", "one of them")),
    (("sample", "MODEL", "--attributes", "hat=crwn", "--out", "a.png"), ("--attributes", "'crwn'", "crown")),
    (("sample", "MODEL", "--attributes", "shoes=red", "--out", "a.png"), ("--attributes", "'shoes'", "hat")),
    (("sample", "MODEL", "--attributes", "crown", "--out", "a.png"), ("--attributes", "'crown'", "NAME=VALUE")),
    (("sample", "MODEL", "--attributes", "hat=crown", "hat=cap", "--out", "a.png"), ("--attributes", "'hat=cap'", "each name once")),
    (("sample", "DEAF", "a cat", "--out", "a.png"), ("MODEL", "deaf.safetensors", "takes no prompt")),
    (("sample", "DEAF", "--attributes", "animal=cat", "--out", "a.png"), ("MODEL", "deaf.safetensors", "takes no prompt")),
    (("evaluate", "DEAF"), ("MODEL", "deaf.safetensors", "only models that take pets")),
    (("sample", "MODEL", "--steps", "0", "--out", "a.png"), ("--steps", "'0'", "from 1 to 1000")),
    (("sample", "MODEL", "--steps", "3.5", "--out", "a.png"), ("--steps", "'3.5'", "whole number")),
    (("sample", "MODEL", "--guidance", "much", "--out", "a.png"), ("--guidance", "'much'", "number")),
    (("sample", "MODEL", "--guidance", "nan", "--out", "a.png"), ("--guidance", "'nan'", "number")),
    (("sample", "MODEL", "--seed", "-1", "--out", "a.png"), ("--seed", "'-1'", "whole number")),
    (("sample", "MODEL", "--count", "0", "--out", "a.png"), ("--count", "'0'", "whole number")),
    (("sample", "MODEL", "--out"), ("--out",)),
    (("sample", "MODEL", "--colour", "red"), ("--colour",)),
    (("sample", "MODEL", "a", "cat", "--colour", "red"), ("--colour",)),
    (("sample", "MODEL", "a", "cat", "wearing", "a", "hat", "--ascii"), ("PROMPT", "'a'", 'in quotation marks: "a cat wearing a hat"')),
    (("sample", "MODEL", "--out", "a.png", "a", "cat"), ("PROMPT", 'in quotation marks: "a cat"')),
    (("sample", "JUDGE", "--out", "a.png"), ("MODEL", "Classifier")),
    (("sample", "BROKEN", "--out", "a.png"), ("broken.safetensors", "damaged")),
    (("evaluate", "MODEL", "--n", "1"), ("--n", "'1'", "whole number")),
    (("evaluate", "MODEL", "--sweep", "2:8", "2x8"), ("--sweep", "'2x8'", "W:STEPS")),
    (("evaluate", "MODEL", "--classifier", "MODEL"), ("--classifier", "NeuralDenoiser", "classifier")),
    (("evaluate", "MODEL", "--classifier", "pets33"), ("--classifier", "'pets33'", "pets32-classifier")),
    (("evaluate", "MODEL", "--classifier", "scenes64-classifier"), ("--classifier", "2 pets on 64 pixels", "draws 1 on 8")),
    (("train", "gone.toml"), ("'gone.toml'", "TOML")),
    (("train", "ODD"), ("odd.toml", "[training]", "steps", "'many'", "whole number")),
    (("train", "TINY", "--out", "OTHER", "--resume"), ("--resume", "checkpoint.safetensors")),
    (("models", "all"), ("all",)),
])
def test_bad_input_gets_one_sentence(arguments, words, models, tmp_path, capsys):
    (tmp_path / "broken.safetensors").write_bytes(Path(models[0]).read_bytes()[:-10])
    (tmp_path / "odd.toml").write_text(RECIPE.replace("steps = 5", 'steps = "many"'))
    (tmp_path / "tiny.toml").write_text(RECIPE)
    network = UNet(UNetConfig(stem=8, widths=(32,), blocks=(1,), attention=(False,), embedding=16))
    save_checkpoint(tmp_path / "deaf.safetensors", dl.NeuralDenoiser(network, dl.RectifiedFlowSchedule(), dl.FLOW), about={"shape": [3, 8, 8]})
    places = {"MODEL": models[0], "DEAF": tmp_path / "deaf.safetensors", "JUDGE": models[1], "BROKEN": tmp_path / "broken.safetensors", "ODD": tmp_path / "odd.toml",
              "TINY": tmp_path / "tiny.toml", "OTHER": tmp_path / "empty"}
    assert run(*(places.get(argument, argument) for argument in arguments)) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("diffusion-lib: ") and err.count("\n") == 1, err
    assert all(word in err for word in words), err


def test_a_run_is_not_overwritten(tmp_path, capsys):
    (tmp_path / "tiny.toml").write_text(RECIPE)
    assert run("train", tmp_path / "tiny.toml", "--out", tmp_path / "run") == 0
    before = (tmp_path / "run" / "checkpoint.safetensors").read_bytes()
    assert run("train", tmp_path / "tiny.toml", "--out", tmp_path / "run") == 2
    assert "--resume" in capsys.readouterr().err and (tmp_path / "run" / "checkpoint.safetensors").read_bytes() == before


def test_the_process_itself_ends_with_code_2_and_no_traceback():
    result = subprocess.run([sys.executable, "-m", "diffusion_lib", "sample", "pets99", "--out", "a.png"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 2 and result.stdout == "" and result.stderr.count("\n") == 1 and "Traceback" not in result.stderr


def test_who_stops_reading_ends_it_quietly():
    """As `| head` does: what is printed into a closed pipe is lost, without a word."""
    process = subprocess.Popen([sys.executable, "-m", "diffusion_lib", "models"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == b"" and process.wait() == 128 + signal.SIGPIPE
    process.stderr.close()
