"""The comparisons with other libraries: their arithmetic, and that nobody is given less than the others. No peer is needed."""

import argparse
import importlib
import json
import re
import sys
import time
import tomllib
from collections import namedtuple
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace

import psutil
import pytest
import torch
from tiny import RECIPE, write_tiny_models
from torch import nn

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import learning_speed as speed  # noqa: E402
from peers import OURS, SETTINGS, standings  # noqa: E402
from peers.common import AttributeSum, Desk, Pupil, Steps, Stopwatch, View, agrees, silenced, told  # noqa: E402
from scripts import quiet  # noqa: E402

from diffusion_lib import zoo  # noqa: E402
from diffusion_lib.conditioning import UNSAID  # noqa: E402
from diffusion_lib.data.pets import SIZES  # noqa: E402
from diffusion_lib.denoisers import NeuralDenoiser  # noqa: E402
from diffusion_lib.judging import prompts  # noqa: E402
from diffusion_lib.networks.layers import Norm  # noqa: E402
from diffusion_lib.process import EPS  # noqa: E402
from diffusion_lib.recipes import read_recipe  # noqa: E402
from diffusion_lib.schedules import LinearBetaSchedule  # noqa: E402


def point(minute, seen=0.5, held_out=0.4, frechet=9.0):
    return {"minute": minute, "steps": 1, "pictures": int(100 * minute), "loss": 0.1, "seen": seen, "held_out": held_out,
            "frechet": frechet, "guess": 0.1, "parts": {"data": 0.1, "optimizer": 0.1, "averaging": 0.0, "network": 0.8}}


def a_run(library, minutes, seed, *points, **more):
    return {"library": library, "choice": standings.chosen(library, []), "minutes": minutes, "seed": seed, "points": list(points),
            "parameters": 1000, "flops": 10**6, "judging": {"pictures": 8}, "dtype": "bfloat16", **more}


# Fairness ------------------------------------------------------------------------------------------------------------

def test_peers_are_pinned_and_never_dependencies_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = {re.split(r"[<>=\[ ;]", line)[0].lower() for line in project["dependencies"]}
    for library, given in SETTINGS.items():
        assert all("==" in requirement for requirement in given["requirements"])
        assert library not in needed
        assert library == OURS or next(iter(given["choices"])) == "as documented"


@pytest.mark.parametrize("choice", SETTINGS[OURS]["choices"].values(), ids=list(SETTINGS[OURS]["choices"]))
def test_all_learn_from_the_pictures_and_with_the_silence_of_our_recipe(choice, tmp_path):
    from peers.common import SILENT, SIZE, Desk
    recipe = read_recipe(ROOT / "recipes" / f"{choice['recipe']}.toml")
    assert (SIZE, SILENT) == (recipe.shape[-1], recipe.loss.keywords["cond_dropout"])
    ours, theirs = recipe.dataset.__getitems__([5, 6, 70]), Desk(tmp_path).pets.__getitems__([5, 6, 70])
    for (picture, wish), (same, same_wish) in zip(ours, theirs):
        assert torch.equal(picture, same) and torch.equal(wish, same_wish)


def test_a_run_with_other_parameters_judge_or_numbers_is_refused():
    ours = a_run(OURS, 6, 0)
    speed.check_alike(a_run("azula", 6, 0, parameters=1099), [ours])
    for change in ({"parameters": 1101}, {"parameters": 899}, {"judging": {"pictures": 9}}, {"dtype": "float32"}):
        word = next(iter(change))
        with pytest.raises(ValueError, match=word):
            speed.check_alike(a_run("azula", 6, 0, **change), [ours])
        with pytest.raises(ValueError, match=word):          # whichever of the two was run first
            speed.check_alike(ours, [a_run("azula", 6, 0, **change)])


def test_nothing_is_told_of_one_pet_in_ten():
    torch.manual_seed(0)
    cond = torch.zeros(20_000, len(SIZES), dtype=torch.long)
    share = float((told(cond) == UNSAID).all(1).float().mean())
    assert abs(share - 0.1) < 4 * (0.1 * 0.9 / 20_000) ** 0.5
    assert (silenced(None, None, 3) == UNSAID).all()
    assert silenced(cond[:2], torch.tensor([True, False]), 2).tolist() == [[0] * len(SIZES), [UNSAID] * len(SIZES)]


def test_a_wish_is_the_sum_of_its_attributes():
    wish = AttributeSum(4)
    row, other = torch.zeros(1, len(SIZES), dtype=torch.long), torch.zeros(1, len(SIZES), dtype=torch.long)
    other[0, 2] = SIZES[2] - 1
    first = wish.unsaid[2] + 1                               # row 0 of each attribute is "unsaid"
    difference = wish.table.weight[first + SIZES[2] - 1] - wish.table.weight[first]
    torch.testing.assert_close(wish(other)[0] - wish(row)[0], difference)
    torch.testing.assert_close(wish(silenced(None, None, 1))[0], wish.table.weight[wish.unsaid].sum(0))


# The wrapping --------------------------------------------------------------------------------------------------------

BAR = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0)


def test_between_two_numbered_steps_lies_the_straight_line():
    clock = Steps(BAR)
    numbers = torch.tensor([0, 1, 17, 500, 999])
    torch.testing.assert_close(clock(clock.log_snr[numbers]), numbers.float())
    half = (clock.log_snr[40] + clock.log_snr[41]) / 2
    torch.testing.assert_close(clock(half[None]), torch.tensor([40.5]))
    assert clock(torch.tensor([50.0, -50.0])).tolist() == [0.0, 999.0]           # beyond the library's own ends


class Fading(torch.nn.Module):
    """A library's network: what it answers depends on picture and step number."""

    def __init__(self, late: int):
        super().__init__()
        self.clock, self.late = Steps(BAR), late

    def predict(self, x, steps):
        return x * (1 + steps.view(-1, 1, 1, 1) / 250)

    def forward(self, x, log_snr, cond=None, keep=None):
        return self.predict(x, self.clock(log_snr) + self.late)


class Foreign(Pupil):
    def view(self, model, x0, eps, share, cond):
        steps = torch.full((len(x0),), int(1000 * share))
        bar = BAR[steps].float().view(-1, 1, 1, 1)
        return View(self.clock.log_snr[steps], model.network.predict(bar.sqrt() * x0 + (1 - bar).sqrt() * eps, steps))

    clock, teach, averaged, keeps, draws = Steps(BAR), None, None, None, None


def test_a_wrapping_that_asks_at_another_step_is_found_out(tmp_path):
    pupil = Foreign({}, 0, 1.0, None)
    assert agrees(pupil, NeuralDenoiser(Fading(late=0), LinearBetaSchedule(), EPS)) < 1e-3
    assert agrees(pupil, NeuralDenoiser(Fading(late=10), LinearBetaSchedule(), EPS)) > 0.02


# The clock -----------------------------------------------------------------------------------------------------------

def test_the_clock_stands_still_while_a_run_is_judged(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "process_time", lambda: now[0])
    watch = Stopwatch()
    now[0] += 3
    with watch.paused() as seconds:
        now[0] += 50
    now[0] += 2
    assert seconds == 3
    assert watch() == 5
    with watch.part("optimizer"):
        now[0] += 1
        with watch.part("optimizer"):                        # Muon calls AdamW: counted once
            now[0] += 1
    watch.timed("data", lambda: now.__setitem__(0, now[0] + 4))()
    assert watch.parts == {"data": 4, "optimizer": 2, "averaging": 0} and watch() == 11
    watch.set(60.0)
    assert watch() == 60


def test_on_a_busy_machine_nothing_is_measured(monkeypatch, capsys):
    monkeypatch.setattr(quiet.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(psutil, "cpu_percent", lambda interval: 45.0)
    with pytest.raises(SystemExit, match="0.9 processors busy"):
        quiet.refuse_when_busy(anyway=False)
    assert quiet.refuse_when_busy(anyway=True) == 0.9 and "0.9 processors busy" in capsys.readouterr().err
    monkeypatch.setattr(psutil, "cpu_percent", lambda interval: 20.0)
    assert quiet.refuse_when_busy(anyway=False) == 0.4


def test_others_are_the_machines_work_less_our_own(monkeypatch):
    wall, machine, own = [100.0], [50.0], [20.0]
    monkeypatch.setattr(quiet.time, "monotonic", lambda: wall[0])
    monkeypatch.setattr(quiet.psutil, "cpu_times", lambda: namedtuple("times", "user idle")(machine[0], 7.0))
    monkeypatch.setattr(quiet.resource, "getrusage", lambda who: SimpleNamespace(ru_utime=own[0] * (who == quiet.resource.RUSAGE_CHILDREN), ru_stime=0.0))
    meanwhile = quiet.Meanwhile()
    wall[0], machine[0], own[0] = 110.0, 65.0, 30.0          # 15 processor seconds in 10, and 10 of them were ours
    assert meanwhile.others() == pytest.approx(0.5)
    own[0] = 40.0
    assert meanwhile.others() == 0.0


# The record ----------------------------------------------------------------------------------------------------------

def test_runs_are_judged_at_their_end_whatever_their_length():
    assert speed.moments(3) == [1, 2, 3] and speed.moments(2.5) == [1, 2, 2.5] and speed.moments(30)[-1] == 30


def test_a_run_that_went_on_keeps_its_earlier_points(tmp_path):
    file = tmp_path / "record.json"
    for row in (a_run("azula", 6, 1), a_run("azula", 6, 0, point(1, seen=0.1), point(2)), a_run(OURS, 6, 0, point(1)),
                a_run("azula", 6, 0, point(2, seen=0.9), point(4))):
        speed.change(file, lambda whole: {**whole, "runs": speed.with_run(whole["runs"], row)})
    record = json.loads(file.read_text())
    assert [(run["library"], run["seed"]) for run in record["runs"]] == [(OURS, 0), ("azula", 0), ("azula", 1)]
    assert [(p["minute"], p["seen"]) for p in record["runs"][1]["points"]] == [(1, 0.1), (2, 0.9), (4, 0.5)]
    assert speed.read(tmp_path / "none.json") == {"search": [], "runs": []}


def test_a_table_prints_from_nothing_and_from_half_of_it():
    assert "library" in speed.table({"search": [], "runs": []})
    runs = [a_run(OURS, 30, 0, point(1)), a_run("azula", 30, 0), a_run("diffusers", 30, 0, point(30, seen=0.25))]
    text = speed.table({"search": [], "runs": runs})
    assert "(so far)" in text and "0.250" in text and "azula" not in text


def test_the_best_choice_is_that_of_the_longest_search():
    tried = [{"library": "azula", "choice": choice, "minutes": minutes, "guess": guess}
             for choice, minutes, guess in (("faster", 1, 0.01), ("faster", 3, 0.05), ("as documented", 3, 0.04))]
    assert standings.chosen("azula", tried) == "as documented"
    assert standings.chosen("diffusers", tried) == "as documented"                   # not searched
    assert standings.chosen(OURS, tried) == "pets32-sprint"


# The goal ------------------------------------------------------------------------------------------------------------

RUNS = [a_run("diffusers", 30, 0, point(30, seen=0.70, frechet=8.0)),
        a_run("diffusers", 30, 1, point(30, seen=0.80, frechet=6.0)),
        a_run("azula", 30, 0, point(30, seen=0.72, frechet=9.0)),
        a_run(OURS, 6, 0, point(3, seen=0.70, frechet=9.0), point(6, seen=0.90, frechet=7.5)),
        a_run(OURS, 6, 1, point(3, seen=0.70, frechet=8.0), point(6, seen=0.60, frechet=6.0)),
        a_run(OURS, 30, 0, point(6, seen=0.60, frechet=9.0), point(10, seen=0.8, frechet=5.0))]


def test_a_run_that_goes_on_has_not_lost_the_time_of_its_judge(tmp_path, monkeypatch):
    from peers import learner
    now = [100.0]
    monkeypatch.setattr(time, "process_time", lambda: now[0])
    desk, weights = Desk(tmp_path), nn.Linear(1, 1)
    pupil = SimpleNamespace(sampler="", steps=7, keeps=lambda: {"weights": weights}, lesson=lambda share: now.__setitem__(0, now[0] + 20))
    monkeypatch.setattr(learner, "point", lambda *_: now.__setitem__(0, now[0] + 500) or {"minute": 1})
    learner.learn(pupil, None, desk, argparse.Namespace(at=[1.0], minutes=2.0, folder=tmp_path))
    assert desk.watch() == 60
    pupil.desk = desk = Desk(tmp_path)
    learner.restore(pupil, tmp_path / "state.pt")
    assert desk.watch() == 60


def test_the_goal_asks_for_the_best_of_the_others_on_the_mean_of_the_seeds():
    found = standings.goal(RUNS, 30, "seen")
    assert found["best"] == "diffusers" and found["value"] == pytest.approx(0.75)
    assert found["ours after"] == 6 and found["met"]         # the mean of 0.9 and 0.6
    assert standings.goal(RUNS, 30, "frechet")["ours after"] == 6                    # smaller is better: 6.75 below 7


def test_the_goal_is_missed_where_ours_needs_longer_or_never_gets_there():
    late = [run for run in RUNS if (run["library"], run["minutes"]) != (OURS, 6)]
    assert standings.goal(late, 30, "seen")["ours after"] == 10 and not standings.goal(late, 30, "seen")["met"]
    never = standings.goal([a_run("smalldiffusion", 30, 0, point(30, seen=0.99)), *RUNS], 30, "seen")
    assert never["ours after"] is None and not never["met"]
    assert "not met" in speed.table({"search": [], "runs": late})


def test_the_goal_is_not_judged_before_it_is_measured():
    for runs, minutes in ((RUNS[:3], 30), (RUNS[3:], 30), (RUNS, 20)):
        assert standings.goal(runs, minutes, "seen") is None


# Other settings, another judge ---------------------------------------------------------------------------------------

def test_a_run_does_not_go_on_with_other_settings_another_judge_or_another_recipe(tmp_path, monkeypatch):
    from peers import learner
    begin, rules, given = learner.begin, learner.Judging(), {"lr": 1e-3, "batch": 64}
    for folder in ("theirs", "ours", "recipes"):
        (tmp_path / folder).mkdir()
    (tmp_path / "theirs" / "points.jsonl").write_text("{}")
    for _ in range(2):                                       # older runs have no head.json, and go on
        begin(tmp_path / "theirs", given, rules)
    for other in ({"lr": 1e-4, "batch": 64}, {"lr": 1e-3}, given | {"flow": True}):
        with pytest.raises(SystemExit, match="theirs holds a run with settings: (lr|batch|flow) = .* put that back, or move"):
            begin(tmp_path / "theirs", other, rules)
    with pytest.raises(SystemExit, match="judging: pictures = 128, but now it is 8"):
        begin(tmp_path / "theirs", given, learner.Judging(pictures=8))
    begin(tmp_path / "theirs", given, rules)
    monkeypatch.setattr(learner, "ROOT", tmp_path)
    recipe = tmp_path / "recipes" / "pets32-quick.toml"
    for text in (RECIPE, "# a comment\n" + RECIPE):
        recipe.write_text(text)
        begin(tmp_path / "ours", {"recipe": "pets32-quick"}, rules)
    recipe.write_text(RECIPE.replace("batch_size = 4", "batch_size = 5"))
    with pytest.raises(SystemExit, match=r"recipe: \[training\] batch_size = 4, but now it is 5"):
        begin(tmp_path / "ours", {"recipe": "pets32-quick"}, rules)


def test_a_record_does_not_go_on_with_other_settings_or_another_judge(tmp_path, monkeypatch):
    file, settings = tmp_path / "record.json", SETTINGS["azula"]["choices"]["as documented"]
    there = a_run("azula", 1, 0, point(1), settings=settings)
    speed.change(file, lambda whole: {**whole, "runs": [there]})
    monkeypatch.setattr(speed, "lines", lambda *_: pytest.fail("it was run again"))
    speed.run("azula", "as documented", 1, 0, {}, file)                     # all its points are there
    with pytest.raises(ValueError, match="judging of azula, .* are {'pictures': 9}.* had {'pictures': 8}: take it out"):
        speed.run("azula", "as documented", 1, 0, {"pictures": 9}, file)
    speed.change(file, lambda whole: {**whole, "runs": [there | {"settings": settings | {"lr": 7.0}}]})
    with pytest.raises(ValueError, match="settings of azula, as documented, are .* had .*7.0"):
        speed.run("azula", "as documented", 1, 0, {}, file)


def test_only_runs_with_the_chosen_settings_are_counted():
    runs = [a_run("azula", 30, 0, point(30, seen=0.5), choice="faster"), a_run("azula", 30, 1, point(30, seen=0.125))]
    tried = [{"library": "azula", "choice": choice, "minutes": 3, "guess": guess}
             for choice, guess in (("faster", 0.1), ("as documented", 0.2))]
    for search, seen, left in (([], "0.125", "faster, 30 min, seed 0"), (tried, "0.500", "as documented, 30 min, seed 1")):
        text = speed.table({"search": search, "runs": [*runs, a_run(OURS, 6, 0, point(6))]})
        assert re.search(rf"azula .* 1 .*{seen}", text) and f"not counted, as other settings were chosen: azula, {left}" in text
        assert f"azula, has {seen} after 30 minutes" in text


@pytest.mark.parametrize("arguments, searched, ran", [
    (["--search", "--minutes", "30"], 30.0, None), (["--search"], 3.0, None), ([], None, 30.0), (["--minutes", "6"], None, 6.0)])
def test_minutes_are_those_that_were_asked_for(arguments, searched, ran, tmp_path, monkeypatch):
    asked = {"search": [], "run": []}
    monkeypatch.setattr(speed, "install", lambda library: None)
    monkeypatch.setattr(speed, "refuse_when_busy", lambda anyway: 0.0)
    monkeypatch.setattr(speed, "search", lambda libraries, minutes, record: asked["search"].append(minutes))
    monkeypatch.setattr(speed, "run", lambda library, choice, minutes, *_: asked["run"].append(minutes))
    usual = ["--only", "azula", "--seeds", "0", "--record", str(tmp_path / "none.json")]
    monkeypatch.setattr(sys, "argv", ["learning_speed.py", *arguments, *usual])
    speed.main()
    assert asked == {"search": [searched] if searched else [], "run": [ran] if ran else []}


def test_what_training_loop_keeps_before_the_first_lesson_is_what_it_read(monkeypatch):
    """The library itself lives in an environment of its own: empty modules stand in for it."""
    for name, words in (("accelerate", "Accelerator"), ("torch_ema", "ExponentialMovingAverage"),
                        ("smalldiffusion", "PredFlow Scaled ScheduleFlow ScheduleLogLinear ScheduleLogNormalFlow ScheduleSigmoid "
                                           "Unet samples training_loop")):
        module = ModuleType(name)
        vars(module).update(dict.fromkeys(words.split()))
        monkeypatch.setitem(sys.modules, name, module)
    parts = sys.modules["smalldiffusion"].model_unet = SimpleNamespace()
    monkeypatch.delitem(sys.modules, "peers.smalldiffusion", raising=False)
    inside = importlib.import_module("peers.smalldiffusion").InsideTheLoop()
    monkeypatch.delitem(sys.modules, "peers.smalldiffusion")
    assert parts.Normalize(32).num_groups == 8               # four channels to a group, as in the network that it is made narrower from
    assert inside.state_dict() is None
    inside.load_state_dict({"lr": 3})
    assert inside.state_dict() == {"lr": 3}
    inside.seen(SimpleNamespace(load_state_dict=lambda state: None, state_dict=lambda: {"lr": 4}))
    assert inside.state_dict() == {"lr": 4}


def test_our_clock_stands_still_while_the_run_is_saved(tmp_path, monkeypatch):
    from diffusion_lib import averaging, training
    from peers.common import Desk
    from peers.ours import Taught
    now, saved = [100.0], []

    def slow(*arguments):
        now[0] += 9
        saved.append(arguments)

    monkeypatch.setattr(time, "process_time", lambda: now[0])
    monkeypatch.setattr(training, "save_checkpoint", slow)
    monkeypatch.setattr(averaging.EMA, "update", averaging.EMA.update)           # put back afterwards
    desk = Desk(tmp_path)
    Taught({"recipe": "pets32-quick"}, 0, 1.0, desk)
    now[0] += 2
    for _ in range(2):
        training.save_checkpoint("file", "model")
    assert desk.watch() == 2 and saved == [("file", "model")] * 2


# The quick start -----------------------------------------------------------------------------------------------------

@pytest.fixture
def quick(tmp_path, monkeypatch):
    """The module, with a recipe of its own, and a process that writes a model instead of training for minutes."""
    import quick_start
    (tmp_path / "tiny.toml").write_text(RECIPE)
    commands = []

    def process(command, **_):
        commands.append(command)
        folder = Path(command[command.index("--out") + 1])
        folder.mkdir(exist_ok=True)
        Path(write_tiny_models(folder)[0]).rename(folder / f"{folder.name}.safetensors")         # of RECIPE, whose seed is 3

    monkeypatch.setattr(quick_start, "RECIPE", tmp_path / "tiny.toml")
    monkeypatch.setattr(quick_start.subprocess, "run", process)
    monkeypatch.setattr(quick_start, "refuse_when_busy", lambda anyway: 0.256)
    return SimpleNamespace(module=quick_start, train=quick_start.train, commands=commands,
                           runs=tmp_path / "runs", recipe=tmp_path / "tiny.toml")


def test_a_quick_start_is_timed_on_a_quiet_machine_only(quick, monkeypatch):
    def busy(anyway):
        raise SystemExit("Other programs keep 1.0 processors busy")

    monkeypatch.setattr(quick.module, "refuse_when_busy", busy)
    with pytest.raises(SystemExit, match="busy"):
        quick.train(3, False, quick.runs)
    assert not quick.commands


def test_a_finished_quick_start_is_found_and_one_of_another_recipe_is_refused(quick):
    model, others = quick.train(3, False, quick.runs)
    assert others == 0.26 and len(quick.commands) == 1 and "--resume" not in quick.commands[0]
    quick.recipe.write_text("# a comment\n" + RECIPE)
    assert quick.train(3, False, quick.runs) == (model, None) and len(quick.commands) == 1
    quick.recipe.write_text(RECIPE.replace("batch_size = 4", "batch_size = 5"))
    with pytest.raises(SystemExit, match="was made by another recipe than .*tiny.toml is now"):
        quick.train(3, False, quick.runs)


def test_a_quick_start_that_was_killed_goes_on(quick):
    (quick.runs / "pets32-quick-3").mkdir(parents=True)
    (quick.runs / "pets32-quick-3" / "checkpoint.safetensors").touch()
    quick.train(3, False, quick.runs)
    assert quick.commands[0][-1] == "--resume"


def test_how_busy_others_were_stands_in_the_row(quick, tmp_path, monkeypatch):
    monkeypatch.setattr(quick.module, "RECORD", tmp_path / "record.json")
    monkeypatch.setattr(quick.module, "train", lambda seed, anyway: (Path(write_tiny_models(tmp_path)[0]), 0.25))
    both = {split: {"all": 0.5} for split in ("seen", "held_out")}
    monkeypatch.setattr(quick.module, "read_about", lambda file: {"minutes": 7.0, "pictures": 9000, "hardware": "an abacus", "date": "2026-11-22"})
    monkeypatch.setattr(quick.module, "judge", lambda *_: {"accuracy": both, "standard_error": both})
    for seed in (8, 7):
        monkeypatch.setattr(sys, "argv", ["quick_start.py", "--seeds", str(seed)])
        quick.module.main()
    rows = json.loads((tmp_path / "record.json").read_text())["runs"]
    assert [(row["seed"], row["minutes"], row["others"]) for row in rows] == [(7, 7.0, 0.25), (8, 7.0, 0.25)]


# The guidance dial ---------------------------------------------------------------------------------------------------

def test_two_models_do_not_overwrite_each_others_rows(tmp_path, monkeypatch):
    """Whoever waits for its turn finds what the other one has written meanwhile."""
    import guidance_dial as dial
    file, inside = tmp_path / "dial.json", []
    write = dial.write

    @contextmanager
    def in_turn():
        file.write_text(json.dumps({"models": {"pupil": {"rows": [1], "parts": []}}}))         # the other process was before us
        inside.append(True)
        yield
        inside.clear()

    monkeypatch.setattr(dial, "alone", in_turn)
    monkeypatch.setattr(dial, "write", lambda *arguments: write(*arguments) if inside else pytest.fail("written out of turn"))
    dial.change(file, {"seed": 19}, "shipped", lambda before: before | {"rows": [2], "parts": []})
    models = {"pupil": {"rows": [1], "parts": []}, "shipped": {"rows": [2], "parts": []}}
    assert json.loads(file.read_text()) == {"seed": 19, "models": models}


# Training tricks -----------------------------------------------------------------------------------------------------

def test_each_trick_changes_its_own_place_in_the_recipe_and_nothing_else():
    import training_tricks as tricks
    text = (ROOT / "recipes" / "pets32-quick.toml").read_text(encoding="utf-8")
    usual = tomllib.loads(text)
    for name, changes in tricks.VARIANTS.items():
        found = tomllib.loads(tricks.changed(text, changes))
        different = {f"{section}.{key}": found[section][key] for section in found for key in found[section]
                     if found[section][key] != usual[section].get(key)}
        assert {place.rpartition(".")[2] for place in changes} == {place.rpartition(".")[2] for place in different}, name
        assert sum(map(len, found.values())) - sum(map(len, usual.values())) <= 1


def test_tricks_are_what_they_are_called():
    import training_tricks as tricks
    recipes = {name: tricks.recipe_of(name, 3) for name in ("full recipe", "min-SNR weighting", "predicts EDM's F", "not channels-last", "torch.compile")}
    full, weighted, edm, plain, translated = recipes.values()
    near, far = (full.model.schedule.at(torch.tensor(t)) for t in (0.1, 0.9))
    assert full.loss.keywords["weight"](near) == full.loss.keywords["weight"](far) == 1
    for c in (near, far):                                    # min(SNR, 5) on x0's error, which is sigma times that of a flow's answer
        assert float(weighted.loss.keywords["weight"](c)) == pytest.approx(min(float(c.alpha / c.sigma) ** 2, 5) * float(c.sigma) ** 2)
    assert edm.model.parameterization.name == "edm(0.56)" and edm.model.data_std == 0.56
    tricks.narrow_norms(edm.model)
    assert any(type(module) is torch.nn.GroupNorm for module in edm.model.modules()) and not any(isinstance(module, Norm) for module in edm.model.modules())
    assert not plain.config.channels_last and translated.config.compile and full.config.channels_last and not full.config.compile


# Sampling speed ------------------------------------------------------------------------------------------------------

def test_equal_calls_are_fewer_steps_for_who_asks_twice():
    diffusers = pytest.importorskip("diffusers")
    import sampling_speed as sampling
    assert [sampling.steps_of(calls, 2) for calls in (5, 8, 15)] == [3, 4, 8] and sampling.steps_of(8, 1) == 8
    import diffusion_lib as dl
    shape = dl.UNetConfig(stem=8, widths=(32,), blocks=(1,), attention=(False,), embedding=16)
    network = dl.UNet(shape, dl.AttributeConditioner(SIZES, 16))
    model, asked = dl.NeuralDenoiser(network.eval(), dl.RectifiedFlowSchedule(), dl.FLOW), sampling.Calls()
    static, wishes = torch.randn(2, 3, 32, 32), torch.zeros(2, len(SIZES), dtype=torch.long)
    for name in ("ours: Heun", "diffusers: HeunDiscrete", "ours: DPM-Solver++(2M)", "diffusers: UniPCMultistep"):
        draw, a_step = sampling.SAMPLERS[name]
        asked.count = 0
        drawn = draw(model, static, wishes, sampling.steps_of(5, a_step))
        assert asked.count == 5 and drawn.shape == static.shape
    assert diffusers.__version__


def test_every_sampler_without_luck_goes_towards_one_end():
    """The static is the same for all, so more calls bring each of them nearer to the picture of Heun's method with many."""
    pytest.importorskip("diffusers")
    import sampling_speed as sampling
    model, names = zoo.load(sampling.MODEL), ("ours: DDIM", "ours: DPM-Solver++(2M)", "diffusers: DPMSolverMultistep, flow", "diffusers: DDIM")
    judge = sampling.Judge.__new__(sampling.Judge)           # without pictures to compare with
    judge.static, judge.asked = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(3)), prompts(1, 3)
    end = judge.drawn(sampling.ours(sampling.Heun()), model, 20)
    for name in names:
        few, many = ((judge.drawn(sampling.SAMPLERS[name][0], model, steps) - end).square().mean().sqrt() for steps in (4, 20))
        assert many < 0.6 * few and many < 0.05, (name, few, many)


def test_the_table_of_samplers_prints_what_there_is():
    import sampling_speed as sampling
    rows = [{"sampler": "ours: DDIM", "budget": 10, "found": 0.5, "frechet": 3.25, "error": 0.0625},
            {"sampler": "ours: Heun", "budget": 5, "found": 0.125, "frechet": 7.0, "error": 0.25},
            {"sampler": "ours: ancestral", "budget": 5, "found": 0.25, "frechet": 8.0, "error": None}]
    text = sampling.table({"rows": rows, "loop": [{"model": "pets32", "batch": 16, "ms a call": 2.0, "ms a step": 2.02, "overhead": 0.01}]})
    assert re.search(r"ours: DDIM +- +0\.500", text) and re.search(r"ours: Heun +7\.00 +-", text) and "+1.0%" in text
    assert re.search(r"ours: DDIM +- +0\.0625", text) and text.count("ours: ancestral") == 2
