"""The training loop: it learns, it can be killed and go on, it averages what it should, and it says what is wrong."""

import dataclasses
import itertools
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import Dataset

import diffusion_lib as dl
from diffusion_lib.averaging import EMA
from diffusion_lib.checkpoints import load_checkpoint, load_training
from diffusion_lib.conditioning import AttributeConditioner
from diffusion_lib.networks.unet import UNet, UNetConfig
from diffusion_lib.training import TIME_BINS, TrainConfig, train
from exact import max_error
from training_worker import CONFIG, DTYPES, Blots, fresh_model, noiseless

WORKER = Path(__file__).with_name("training_worker.py")


class OneBatch(Dataset):
    """The same few pictures, always."""

    def __init__(self, pictures, labels):
        self.pictures, self.labels = pictures, labels

    def __len__(self):
        return len(self.pictures)

    def __getitem__(self, index):
        return self.pictures[index], self.labels[index]


def finished(model, dataset, config, **rest):
    """The last step of a run."""
    for step in train(model, dataset, config, **rest):
        pass
    return step


each_dtype = pytest.mark.parametrize("dtype", DTYPES)


def weights(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


# It learns -----------------------------------------------------------------------------------------------------------

def test_one_batch_is_learned_by_heart():
    """Four patterns, told by their number, are drawn again from pure noise."""
    patterns = torch.where(torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0)) < 0.5, -0.8, 0.8)
    torch.manual_seed(0)
    network = UNet(UNetConfig(channels=1, stem=16, widths=(32, 64), blocks=(1, 1), attention=(False, False), embedding=64),
                   AttributeConditioner((4,), 32))
    model = dl.NeuralDenoiser(network, dl.RectifiedFlowSchedule(), dl.FLOW, 0.8)
    labels = torch.arange(4)[:, None]
    step = finished(model, OneBatch(patterns, labels), TrainConfig(steps=300, batch_size=32, lr=3e-3, warmup=20, ema_decay=0.98))
    drawn = dl.sample(step.ema, (4, 1, 8, 8), steps=20, cond=labels, generator=dl.CounterGenerator(7))
    assert max_error(drawn, patterns) < 0.4
    assert step.history.loss[-1] < 0.25 * step.history.loss[0]


@each_dtype
def test_raw_and_averaged_weights_are_two_models(dtype):
    model = fresh_model()
    before = weights(model)
    step = finished(model, Blots(), dataclasses.replace(CONFIG, dtype=dtype))
    assert max_error(weights(model), before) > 1e-3          # trained in place
    assert 1e-5 < max_error(weights(step.ema), weights(model)) < max_error(weights(model), before)
    assert not any(parameter.requires_grad for parameter in step.ema.parameters())


def test_any_model_learns_with_a_loss_of_its_own():
    def squared_error(model, x0, cond, *, generator):
        per_sample = (model(x0.flatten(1))[:, 0] - cond.sum(1)).square()
        return dl.LossTerms(per_sample.mean(), per_sample, torch.zeros(len(x0)))

    torch.manual_seed(0)
    step = finished(nn.Linear(192, 1), Blots(), TrainConfig(steps=200, batch_size=20, lr=1e-2, warmup=0), loss=squared_error)
    assert step.history.loss[-1] < 0.5 * step.history.loss[0]


# It can be killed ----------------------------------------------------------------------------------------------------

def environment():
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(WORKER.parents[1])}


def run_worker(checkpoint, *arguments):
    return subprocess.Popen([sys.executable, WORKER, checkpoint, *arguments], stdout=subprocess.PIPE, text=True, env=environment())


def everything(checkpoint):
    """All that a finished run leaves behind, but for its clock."""
    model, state = load_training(checkpoint)
    values = {key: value for key, value in state.values.items() if key != "seconds"}
    values["history"] = {key: value for key, value in values["history"].items() if key != "seconds"}
    return {f"ema.{name}": tensor for name, tensor in model.state_dict().items()} | state.tensors, values


@each_dtype
def test_resumed_after_kill_is_the_uninterrupted_run_bit_for_bit(dtype, tmp_path):
    whole, broken = tmp_path / "whole.safetensors", tmp_path / "broken.safetensors"
    with run_worker(whole, dtype) as uninterrupted:
        assert uninterrupted.stdout.read().split()[-1] == "30"
    with run_worker(broken, dtype, "19") as victim:          # where it stops, between the checkpoints of steps 16 and 24
        assert os.WIFSTOPPED(os.waitpid(victim.pid, os.WUNTRACED)[1])
        victim.send_signal(signal.SIGKILL)
        assert victim.stdout.read().split()[-1] == "19"
    assert load_training(broken)[1].values["steps"] == 16
    with run_worker(broken, dtype, "resume") as resumed:     # its fresh weights are of another seed
        assert resumed.stdout.read().split() == [str(index) for index in range(17, 31)]
    (tensors_a, values_a), (tensors_b, values_b) = everything(whole), everything(broken)
    assert tensors_a.keys() == tensors_b.keys() and len(tensors_a) > 100
    assert [name for name in tensors_a if not torch.equal(tensors_a[name], tensors_b[name])] == []
    assert repr(values_a) == repr(values_b)                  # repr, so that NaN equals NaN


@each_dtype
def test_checkpoint_on_the_way_is_the_averaged_model(dtype, tmp_path):
    path = tmp_path / "run.safetensors"
    step = finished(fresh_model(), Blots(), dataclasses.replace(CONFIG, dtype=dtype), checkpoint=path)
    assert max_error(weights(load_checkpoint(path)), weights(step.ema)) == 0


def test_checkpoints_follow_the_clock_too(tmp_path):
    path = tmp_path / "run.safetensors"
    config = dataclasses.replace(CONFIG, checkpoint_every=None, checkpoint_minutes=1e-9)
    for step in train(fresh_model(), Blots(), config, checkpoint=path):
        assert load_training(path)[1].values["steps"] == step.index
        if step.index == 2:
            break


@pytest.mark.parametrize("change, says", [(dict(seed=12), "seed is 12, .* begun with 11"), (dict(batch_size=7), "batch_size is 7, .* begun with 6")])
def test_another_runs_checkpoint_is_refused(tmp_path, change, says):
    path = tmp_path / "run.safetensors"
    finished(fresh_model(), Blots(), dataclasses.replace(CONFIG, steps=2), checkpoint=path)
    with pytest.raises(ValueError, match=says):
        next(train(fresh_model(), Blots(), dataclasses.replace(CONFIG, **change), resume=path))


def test_another_models_checkpoint_is_refused(tmp_path):
    path = tmp_path / "run.safetensors"
    finished(fresh_model(), Blots(), dataclasses.replace(CONFIG, steps=2), checkpoint=path)
    other = fresh_model()
    other.schedule = dl.CosineSchedule()
    with pytest.raises(ValueError, match="run.safetensors holds another model"):
        next(train(other, Blots(), CONFIG, resume=path))


# It can be shared ----------------------------------------------------------------------------------------------------

def test_two_processes_are_one(tmp_path):
    """They begin with the first one's weights, share each batch, and end where one process alone ends (but for rounding)."""
    whole, shared = tmp_path / "whole.safetensors", tmp_path / "shared.safetensors"
    finished(fresh_model(seed=0), Blots(), CONFIG, loss=noiseless, checkpoint=whole)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", WORKER, shared, "shared"]
    subprocess.run(command, check=True, env=environment(), capture_output=True, timeout=300)
    alone, together = load_checkpoint(whole), load_checkpoint(shared)
    assert max_error(weights(alone), weights(fresh_model(seed=0))) > 1e-2
    assert max_error(weights(alone), weights(together)) < 1e-4


@pytest.mark.parametrize("change, says", [(dict(minutes=1.0), "minutes is 1"), (dict(batch_size=7), "batch_size is 7, .* a multiple of the 2 processes")])
def test_what_cannot_be_shared_is_refused(change, says):
    class TwoProcesses:
        process_index, num_processes, device = 0, 2, torch.device("cpu")

    with pytest.raises(ValueError, match=says):
        next(train(fresh_model(), Blots(), dataclasses.replace(CONFIG, **change), accelerator=TwoProcesses()))


# Averages ------------------------------------------------------------------------------------------------------------

def test_ema_follows_its_formula():
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    ema, expected = EMA(model, 0.5), model.weight.detach().clone()
    for n in range(12):
        with torch.no_grad():
            model.weight.add_(torch.randn(2, 3))
        decay = min(0.5, (1 + n) / (10 + n))                 # 0.1, 0.18, 0.25, ..., 0.5 from the ninth update on
        expected = decay * expected + (1 - decay) * model.weight.detach()
        ema.update(model)
        assert max_error(ema.model.weight, expected) < 1e-6


def test_ema_touches_parameters_only():
    model = dl.NeuralDenoiser(nn.BatchNorm2d(3), dl.LinearBetaSchedule())
    ema = EMA(model, 0.9)
    with torch.no_grad():
        model.network.running_mean += 5
        model.network.weight += 5
        model.schedule.alpha_bar += 5
    ema.update(model)
    assert max_error(ema.model.network.weight, torch.full((3,), 5.5)) < 1e-6      # 0.1 of 1 and 0.9 of 6
    assert not ema.model.network.running_mean.any()
    assert ema.model.schedule.alpha_bar.max() == 1


@pytest.mark.parametrize("decay", [1, 1.5, -0.1, math.nan])
def test_an_average_that_would_never_move_is_refused(decay):
    with pytest.raises(ValueError, match=rf"decay is {decay}, but it has to lie in \[0, 1\)"):
        EMA(nn.Linear(3, 2), decay)


def test_no_schedule_among_the_weights():
    assert all("schedule" not in name and "alpha" not in name for name in fresh_model().state_dict())


# How fast, for how long ---------------------------------------------------------------------------------------------------------

def test_learning_rate_rises_holds_and_falls():
    config = TrainConfig(steps=100, lr=2.0, warmup=10, cooldown=0.25)
    rates = [config.learning_rate(step, 0.0) for step in range(100)]
    assert rates[0] == 0.2 and rates[4] == 1.0 and rates[9:76] == [2.0] * 67
    assert max(abs(a - b) for a, b in zip(rates[75:], [2 * (100 - step) / 25 for step in range(75, 100)])) < 1e-12


def test_another_clock_can_be_counted():
    """Here a second passes whenever the clock is looked at: once at the start, and once a step."""
    config = dataclasses.replace(CONFIG, steps=None, minutes=10 / 60)
    step = finished(fresh_model(), Blots(), config, clock=itertools.count(100.0).__next__)
    assert step.index == 10 and step.history.seconds == [4.0, 8.0]


def test_learning_rate_follows_the_clock_where_minutes_are_given():
    config = TrainConfig(minutes=10, lr=2.0, warmup=0, cooldown=0.5)
    assert [config.learning_rate(3, 60 * minutes) for minutes in (0, 5, 7.5, 10)] == [2.0, 2.0, 1.0, 0.0]
    both = dataclasses.replace(config, steps=100)
    assert both.progress(80, 60) == 0.8 and both.progress(10, 540) == 0.9


def test_minutes_end_a_run_and_resume_continues_the_clock(tmp_path):
    """A second passes with every step, on clocks that do not begin at the same time."""
    path = tmp_path / "run.safetensors"
    config = dataclasses.replace(CONFIG, steps=None, minutes=10 / 60, checkpoint_every=4)
    for step in train(fresh_model(), Blots(), config, checkpoint=path, clock=itertools.count(100.0).__next__):
        if step.index == 6:
            break
    assert load_training(path)[1].values["seconds"] == 4
    rest = list(train(fresh_model(), Blots(), config, checkpoint=path, resume=path, clock=itertools.count(9000.0).__next__))
    assert [step.index for step in rest] == [5, 6, 7, 8, 9, 10] and [step.progress for step in rest] == [0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    assert load_training(path)[1].values["seconds"] == 10
    assert list(train(fresh_model(), Blots(), config, resume=path, clock=itertools.count(50.0).__next__)) == []


def test_first_step_is_the_same_for_one_process_and_by_hand():
    """One step of AdamW on the mean loss of the batch, clipped: nothing else happens."""
    config = TrainConfig(steps=1, batch_size=6, lr=1e-3, warmup=0, cooldown=0.5, grad_clip=0.1, dtype="float32", seed=3)
    seen = []

    def spy(model, x0, cond, *, generator):
        seen.append((x0, cond, generator.get_state()))
        return dl.diffusion_loss(model, x0, cond, generator=generator)

    model, by_hand = fresh_model(), fresh_model()
    finished(model, Blots(), config, loss=spy)
    (x0, cond, state), = seen
    generator = torch.Generator()
    generator.set_state(state)
    by_hand.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(by_hand.parameters(), lr=1e-3, weight_decay=0.01)
    dl.diffusion_loss(by_hand, x0, cond, generator=generator).mean.backward()
    assert nn.utils.clip_grad_norm_(by_hand.parameters(), 0.1) > 0.1
    optimizer.step()
    assert max_error(weights(model), weights(by_hand)) < 1e-6


def test_a_gradient_of_any_length_may_pass():
    config = TrainConfig(steps=3, batch_size=6, warmup=0, optimizer="muon", dtype="float32")
    free, wide, short = (weights(finished(fresh_model(), Blots(), dataclasses.replace(config, grad_clip=clip)).ema) for clip in (None, 1e9, 1e-3))
    assert torch.equal(free, wide) and max_error(free, short) > 1e-6


def test_memory_layout_and_compiler_are_options_and_change_no_answer(monkeypatch):
    """A compiler that changes nothing stands in for torch's, which takes a minute: what counts is who is handed to it."""
    compiled, usual = [], finished(fresh_model(), Blots(), CONFIG)
    monkeypatch.setattr(torch, "compile", lambda call, **options: compiled.append(call.__self__) or call)
    for change in ({"channels_last": False}, {"compile": True}):
        model = fresh_model()
        step = finished(model, Blots(), dataclasses.replace(CONFIG, **change))
        assert max_error(weights(step.ema), weights(usual.ema)) < 1e-4
        wide = model.network.down[0][0].block.conv1.weight
        assert wide.is_contiguous(memory_format=torch.channels_last) == ("compile" in change) and wide.is_contiguous() == ("compile" not in change)
        assert compiled == ([model.network] if "compile" in change else [])


# What it tells -------------------------------------------------------------------------------------------------------

def test_history_has_the_loss_of_every_tenth_of_time():
    def loss_is_time(model, x0, cond, *, generator):
        t = dl.stratified_t(len(x0), generator)
        nothing = sum(parameter.sum() for parameter in model.parameters()) * 0
        return dl.LossTerms(t.mean() + nothing, t + nothing, t)

    history = finished(fresh_model(), Blots(), dataclasses.replace(CONFIG, steps=20, batch_size=50), loss=loss_is_time).history
    assert history.step == [4, 8, 12, 16, 20] and history.pictures == [200, 400, 600, 800, 1000]
    assert all(abs(loss - 0.5) < 0.01 for loss in history.loss)
    for row in history.loss_by_t:
        assert len(row) == TIME_BINS and all(abs(value - (k + 0.5) / TIME_BINS) < 0.02 for k, value in enumerate(row))
    assert sorted(history.seconds) == history.seconds and history.lr[-1] < history.lr[0]


class Unread(list):
    """A column of a history that nobody may go through."""

    def __iter__(self):
        raise AssertionError("a row is added at the end, whatever stands before")


def test_a_row_costs_the_same_however_many_there_are():
    run = train(fresh_model(), Blots(), dataclasses.replace(CONFIG, log_every=1))
    history = next(run).history
    for column in dataclasses.fields(history):
        object.__setattr__(history, column.name, Unread(getattr(history, column.name)))
    next(run)
    assert {len(getattr(history, column.name)) for column in dataclasses.fields(history)} == {2}


def test_a_checkpoint_adds_a_shorter_row(tmp_path):
    """A row every 4 steps, and one of the rest where a checkpoint is written: after 6, and at the end."""
    config = dataclasses.replace(CONFIG, steps=9, log_every=4, checkpoint_every=6)
    assert finished(fresh_model(), Blots(), config, checkpoint=tmp_path / "run.safetensors").history.step == [4, 6, 8, 9]


def test_step_tells_its_loss():
    losses = [step.loss for step in train(fresh_model(), Blots(), dataclasses.replace(CONFIG, steps=4))]
    assert all(math.isfinite(loss) and 0.1 < loss < 10 for loss in losses) and len(set(losses)) == 4


def test_exploding_run_is_stopped():
    with pytest.raises(FloatingPointError, match=r"loss is (nan|inf) at step \d+: a lower lr"):
        finished(fresh_model(), Blots(), dataclasses.replace(CONFIG, steps=200, lr=1e18, warmup=0, dtype="float32"))


def of_the_weights(value):
    """A loss that is `value` of the sum of all weights, whatever the pictures are."""
    def loss(model, x0, cond, *, generator):
        per_sample = value(sum(parameter.sum() for parameter in model.parameters())).expand(len(x0))
        return dl.LossTerms(per_sample.mean(), per_sample, torch.zeros(len(x0)))
    return loss


def test_a_run_in_float16_is_stopped_by_its_loss_and_not_by_its_gradients():
    """Gradients that overflow are the scaler's business: it halves its factor until they fit. No factor mends the loss itself."""
    config = dataclasses.replace(CONFIG, steps=8, dtype="float16", log_every=1)
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    before = weights(model)
    norms = finished(model, Blots(), config, loss=of_the_weights(lambda total: (4 * total.half()).float())).history.grad_norm
    assert not math.isfinite(norms[0]) and math.isfinite(norms[-1]) and max_error(weights(model), before) > 0
    with pytest.raises(FloatingPointError, match="loss is nan at step 1: a lower lr"):
        finished(nn.Linear(3, 2), Blots(), config, loss=of_the_weights(lambda total: total * math.nan))


@pytest.mark.parametrize("wrong, says", [
    (dict(), "steps and minutes are both missing"), (dict(steps=0), "steps is 0"), (dict(minutes=-1), "minutes is -1"),
    (dict(steps=5, batch_size=0), "batch_size is 0"), (dict(steps=5, lr=0.0), "lr is 0"), (dict(steps=5, warmup=-1), "warmup is -1"),
    (dict(steps=5, cooldown=0.0), "cooldown is 0"), (dict(steps=5, ema_decay=1.0), "ema_decay is 1"),
    (dict(steps=5, batch_size=None), "batch_size is None"), (dict(steps=5, lr=None), "lr is None"), (dict(steps=5, log_every=None), "log_every is None"),
    (dict(steps=2.5), "steps is 2.5, .* whole number"), (dict(steps=5, batch_size=4.0), "batch_size is 4.0"), (dict(steps=5, workers=0.5), "workers is 0.5"),
    (dict(steps=5, seed=2**32), "seed is 4294967296, .* between 0 and 4294967295"), (dict(steps=5, seed=7.5), "seed is 7.5"),
    (dict(steps=5, dtype="bf16"), "dtype is 'bf16', but it has to be one of"), (dict(steps=5, grad_clip=0), "grad_clip is 0"),
])
def test_impossible_configs_are_refused(wrong, says):
    with pytest.raises(ValueError, match=says):
        TrainConfig(**wrong)
