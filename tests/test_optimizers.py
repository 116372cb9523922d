"""Muon: its direction is the gradient's with all singular values alike, and what is no matrix is AdamW's."""

import copy
import dataclasses

import pytest
import torch
from torch import nn

import diffusion_lib as dl
from diffusion_lib.optimizers import Muon, orthogonal
from exact import max_error
from training_worker import CONFIG, DTYPES, Blots, fresh_model


@pytest.mark.parametrize("shape", [(32, 32), (24, 90), (90, 24)])
def test_orthogonal_keeps_the_directions_and_evens_out_their_lengths(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1)) * 0.01
    u, s, vt = torch.linalg.svd(matrix, full_matrices=False)
    assert s.max() / s.min() > 2
    lengths = u.T @ orthogonal(matrix[None])[0] @ vt.T       # diagonal, if it has the same singular vectors
    assert max_error(lengths, torch.diag(lengths.diagonal())) < 0.03
    assert 0.65 < lengths.diagonal().min() and lengths.diagonal().max() < 1.25


def test_orthogonal_does_not_mind_the_scale():
    matrix = torch.randn(20, 50, generator=torch.Generator().manual_seed(2))
    of_each = orthogonal(torch.stack([matrix, 1e-4 * matrix]))
    assert max_error(of_each[0], of_each[1]) < 0.02


def test_a_step_is_the_formula():
    layer = nn.Conv2d(16, 32, 3)
    optimizer, before = Muon(layer, weight_decay=0.1), layer.weight.detach().clone()
    optimizer.param_groups[0]["lr"] = 0.01
    m = torch.zeros_like(before)
    for seed in (1, 2):
        g = torch.randn(before.shape, generator=torch.Generator().manual_seed(seed))
        layer.weight.grad = g.clone()
        optimizer.step()
        m = 0.95 * m + 0.05 * g
        direction = orthogonal((0.05 * g + 0.95 * m).flatten(1)[None]).view_as(before)
        before = before - 0.01 * (0.2 * (16 * 9) ** 0.5 * direction + 0.1 * before)
    assert max_error(layer.weight.detach(), before) < 1e-3   # bfloat16 rounds the direction


def test_matrices_of_one_shape_step_as_each_would_alone():
    model = nn.ModuleList([nn.Linear(32, 48), nn.Linear(32, 48), nn.Linear(48, 32), nn.Linear(32, 48)])
    frozen = model[1].weight.detach().clone()
    alone = [copy.deepcopy(layer) for layer in model]
    for layer, twin in zip(model, alone):
        layer.weight.grad = None if layer is model[1] else torch.randn(layer.weight.shape, generator=torch.Generator().manual_seed(3))
        twin.weight.grad = layer.weight.grad
        Muon(twin, weight_decay=0.01).step()
    Muon(model, weight_decay=0.01).step()
    assert torch.equal(model[1].weight, frozen)              # it has no gradient
    assert all(max_error(layer.weight, twin.weight) < 1e-6 for layer, twin in zip(model, alone))


def test_embeddings_biases_and_thin_layers_are_left_to_adamw():
    model = nn.Sequential(nn.Embedding(40, 32), nn.Linear(32, 32), nn.Linear(32, 3))
    optimizer = Muon(model, weight_decay=0.01)
    assert [[tuple(weight.shape) for weight in weights] for weights in optimizer.alike] == [[(32, 32)]]
    others = [p for p in model.parameters() if p.shape != (32, 32)]
    twins = [nn.Parameter(p.detach().clone()) for p in others]
    adamw = torch.optim.AdamW(twins, weight_decay=0.01)
    for parameter, twin in zip(others, twins):
        parameter.grad = torch.ones_like(parameter)
        twin.grad = torch.ones_like(twin)
    optimizer.step()
    adamw.step()
    assert all(torch.equal(p, twin) for p, twin in zip(others, twins))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_run_with_muon_goes_on_where_it_was_stopped(dtype, tmp_path):
    config = dataclasses.replace(CONFIG, optimizer="muon", dtype=dtype)
    for step in dl.train(fresh_model(), Blots(), config):
        pass
    whole = step.ema
    for step in dl.train(fresh_model(), Blots(), config, checkpoint=tmp_path / "run"):
        if step.index == 19:                                 # the file was written at step 16
            break
    for step in dl.train(fresh_model(1), Blots(), config, resume=tmp_path / "run"):
        pass
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), step.ema.parameters()))
    with pytest.raises(ValueError, match="optimizer is adamw"):
        next(dl.train(fresh_model(), Blots(), CONFIG, resume=tmp_path / "run"))


def test_an_unknown_optimizer_is_refused_by_name():
    with pytest.raises(ValueError, match="optimizer is 'sgd', but it has to be one of .*adamw.*muon"):
        dl.TrainConfig(steps=1, optimizer="sgd")


def test_a_hook_runs_once_a_step():
    """Also after an AdamW was made, which puts its own hooks around the step that Muon ends with."""
    model, calls = nn.Linear(32, 32), []
    torch.optim.AdamW(model.parameters())
    optimizer = Muon(model, weight_decay=0.0)
    optimizer.register_step_pre_hook(lambda *_: calls.append("before"))
    optimizer.register_step_post_hook(lambda *_: calls.append("after"))
    model(torch.ones(1, 32)).sum().backward()
    optimizer.step()
    assert calls == ["before", "after"]


def test_a_closure_is_refused():
    with pytest.raises(ValueError, match="closure is given"):
        Muon(nn.Linear(32, 32), weight_decay=0.0).step(lambda: 0.0)
