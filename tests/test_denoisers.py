"""Denoisers: what the network is shown and told, and the same network asked on another schedule."""

import copy
import itertools

import pytest
import torch

import diffusion_lib as dl
from exact import COV, INSIDE, MEAN, ROWS, SCHEDULES, RandomNetwork, float64_noise, max_error, rings

NAMES = list(SCHEDULES)
by_schedule = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=NAMES)
X0, EPS = 0.5 * float64_noise(25, 3, seed=1), float64_noise(25, 3, seed=2)
# The noise levels that all five schedules reach, so that each has a time for them.
LOG_SNR = torch.linspace(-8.5, 8.5, 25, dtype=torch.float64)


def seen_under(schedule):
    """Times of equal log-SNR, and the same noisy picture at this schedule's scale."""
    t = schedule.time_of(LOG_SNR)
    return dl.diffuse(X0, EPS, t, schedule), t


@by_schedule
@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_forward_is_network_then_inverse(schedule, row):
    network = RandomNetwork()
    model = dl.NeuralDenoiser(network, schedule, row, data_std=0.5)
    x_t = dl.diffuse(X0, EPS, INSIDE, schedule)
    alpha, sigma = schedule.alpha(INSIDE)[:, None], schedule.sigma(INSIDE)[:, None]
    y = network(x_t / torch.sqrt(0.25 * alpha**2 + sigma**2), schedule.log_snr(INSIDE))
    found = model(x_t, INSIDE)
    assert max_error(found.x_t, x_t) < 1e-10
    assert max_error(row.target(found.x0, found.eps, found.at), y) < 1e-9


@by_schedule
@pytest.mark.parametrize("data_std", [1.0, 0.3])
def test_the_network_sees_unit_variance(schedule, data_std):
    network = RandomNetwork(64)
    model = dl.NeuralDenoiser(network, schedule, data_std=data_std)
    for t in (0.0, 0.01, 0.5, 0.99, 1.0):
        x0 = data_std * float64_noise(500, 64, seed=1)
        model(dl.diffuse(x0, float64_noise(500, 64, seed=2), t, schedule), t)
        assert abs(network.asked[-1][0].std() - 1) < 0.02     # 5 standard errors


@by_schedule
def test_of_time_the_network_is_told_only_log_snr(schedule):
    network = RandomNetwork()
    model = dl.NeuralDenoiser(network, schedule)
    model(X0.float(), 0.3)
    told = network.asked[-1][1]
    assert told.shape == (25,) and told.dtype == torch.float32 and max_error(told, schedule.log_snr(0.3).float().expand(25)) < 1e-6
    model(X0, INSIDE)
    assert max_error(network.asked[-1][1], schedule.log_snr(INSIDE)) == 0


@pytest.mark.parametrize("wrap", [lambda model: model, lambda model: model.under(dl.EDMSchedule()), dl.Clamped],
                         ids=["plain", "under", "clamped"])
def test_condition_and_keep_reach_the_network(wrap):
    network = RandomNetwork()
    cond, keep = float64_noise(25), torch.arange(25) % 3 > 0
    wrap(dl.NeuralDenoiser(network, dl.CosineSchedule()))(X0, INSIDE, cond, keep)
    assert network.asked[-1][2] is cond and network.asked[-1][3] is keep


@pytest.mark.parametrize("row", [dl.V, dl.FLOW, dl.EPS, dl.edm(0.5)], ids=["v", "flow", "eps", "edm"])
def test_the_same_guess_at_equal_snr(row):
    """One network read under two schedules, each under each: the same picture at two scales gets the same answer."""
    for trained, read in itertools.product(NAMES, NAMES):
        model = dl.NeuralDenoiser(RandomNetwork(), SCHEDULES[trained], row)
        there, here = model(*seen_under(SCHEDULES[trained])), model.under(SCHEDULES[read])(*seen_under(SCHEDULES[read]))
        # eps near clean data and x0 near static are divided by a small number; there 1e-16 becomes 1e-10.
        errors = {"x0": max_error(here.x0, there.x0), "eps": max_error(here.eps, there.eps),
                  "x_t": max_error(here.x_t, seen_under(SCHEDULES[read])[0])}    # and it is a belief about what was asked
        assert max(errors.values()) < 1e-8, (trained, read, errors)


@pytest.mark.parametrize("trained", NAMES)
@pytest.mark.parametrize("read", NAMES)
def test_there_and_back(trained, read):
    model = dl.NeuralDenoiser(RandomNetwork(), SCHEDULES[trained])
    x_t, t = seen_under(SCHEDULES[trained])
    back = model.under(SCHEDULES[read]).under(SCHEDULES[trained])
    assert max_error(back(x_t, t).x0, model(x_t, t).x0) < 1e-8


@pytest.mark.parametrize("trained", NAMES)
@pytest.mark.parametrize("read", NAMES)
def test_an_oracle_under_another_schedule_is_that_schedules_oracle(trained, read):
    x_t, t = seen_under(SCHEDULES[read])
    asked, built = rings(SCHEDULES[trained]).under(SCHEDULES[read])(x_t, t), rings(SCHEDULES[read])(x_t, t)
    assert max_error(asked.x0, built.x0) < 1e-9 and max_error(asked.eps, built.eps) < 1e-9
    assert max_error(asked.velocity, built.velocity) < 1e-7   # in the new schedule's own rates


@pytest.mark.parametrize("trained", NAMES)
@pytest.mark.parametrize("read", NAMES)
@pytest.mark.parametrize("t", [0.0, 1.0])
def test_the_ends_are_finite(trained, read, t):
    model = dl.NeuralDenoiser(RandomNetwork(), SCHEDULES[trained], dl.V)
    for dtype in (torch.float32, torch.float64):
        found = model.under(SCHEDULES[read])(EPS.to(dtype), t)
        assert found.x0.isfinite().all() and found.eps.isfinite().all()
        assert found.x0.abs().max() < 200 and found.eps.abs().max() < 200     # sigma_max is 80
    found = model(EPS, t)
    assert found.x0.isfinite().all() and found.eps.isfinite().all()


def test_clamped():
    model = dl.NeuralDenoiser(RandomNetwork(), dl.CosineSchedule())
    x_t = 3 * EPS
    free, kept = model(x_t, INSIDE), dl.Clamped(model, -0.5, 0.25)(x_t, INSIDE)
    assert max_error(kept.x0, free.x0.clip(-0.5, 0.25)) == 0 and max_error(kept.x0, free.x0) > 1
    assert max_error(kept.x_t, x_t) < 1e-12
    assert dl.Clamped(model).schedule is model.schedule


def test_the_schedule_is_no_weight():
    model = dl.NeuralDenoiser(RandomNetwork(), dl.LinearBetaSchedule())
    for denoiser in (model, model.under(dl.CosineSchedule()), dl.Clamped(model)):
        assert len(denoiser.state_dict()) == 4 and all("network" in key for key in denoiser.state_dict())
        assert len(list(denoiser.parameters())) == 4
    half = copy.deepcopy(model).half()
    assert half.schedule.alpha_bar.dtype == torch.float64
    assert torch.equal(half.schedule.alpha_bar, model.schedule.alpha_bar)


@pytest.mark.parametrize("make, message", [
    (lambda: dl.NeuralDenoiser(RandomNetwork(), dl.CosineSchedule(), data_std=0), "data_std is 0"),
    (lambda: dl.Clamped(dl.GaussianDenoiser(MEAN, COV, dl.CosineSchedule()), 1.0, 1.0), "low and high are 1.0 and 1.0"),
    (lambda: dl.NeuralDenoiser(RandomNetwork(), dl.CosineSchedule())(X0, torch.rand(3)), r"t has shape \(3,\)"),
    (lambda: dl.NeuralDenoiser(RandomNetwork(), dl.CosineSchedule())(X0, -0.1), "t is -0.1"),
])
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
