"""Noise schedules: the curves, their slopes, their inverse, and grids of times."""

import math

import pytest
import torch

import diffusion_lib as dl
from exact import INSIDE, SCHEDULES, max_error

EVERYWHERE = torch.linspace(0, 1, 4001, dtype=torch.float64)
by_schedule = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES.keys())


@pytest.mark.parametrize("name, alpha, sigma", [
    ("cosine", lambda t: math.cos(math.pi * t / 2), lambda t: math.sin(math.pi * t / 2)),
    ("flow", lambda t: 1 - t, lambda t: t),
    ("shifted flow", lambda t: (1 - t) / (1 + 2 * t), lambda t: 3 * t / (1 + 2 * t)),
    ("edm", lambda t: 1.0, lambda t: 80 * t),
])
def test_definitions(name, alpha, sigma):
    for t in (0.0, 0.001, 0.1, 0.5, 0.9, 1.0):
        assert abs(float(SCHEDULES[name].alpha(t)) - alpha(t)) < 1e-14
        assert abs(float(SCHEDULES[name].sigma(t)) - sigma(t)) < 1e-12


@pytest.mark.parametrize("name", ["cosine", "linear beta"])
def test_variance_is_preserved(name):
    """Claim 8.4, everywhere between the steps too."""
    schedule = SCHEDULES[name]
    assert max_error(schedule.alpha(EVERYWHERE) ** 2 + schedule.sigma(EVERYWHERE) ** 2, torch.ones_like(EVERYWHERE)) < 1e-14


@pytest.mark.parametrize("num_steps", [2, 10, 50, 1000])
def test_linear_betas_on_the_grid(num_steps):
    schedule = dl.LinearBetaSchedule(num_steps)
    alpha_bar = 1.0
    for i in range(num_steps + 1):                           # the product written out
        if i:
            alpha_bar *= 1 - (1e-4 + (2e-2 - 1e-4) * (i - 1) / (num_steps - 1))
        assert abs(float(schedule.alpha(i / num_steps)) ** 2 - alpha_bar) < 1e-12
        assert abs(float(schedule.sigma(i / num_steps)) ** 2 - (1 - alpha_bar)) < 1e-12


def test_linear_betas_of_ho_et_al():
    """The numbers of Claim 8.11."""
    schedule = dl.LinearBetaSchedule()
    assert (float(schedule.betas[0]), float(schedule.betas[-1]), len(schedule.betas)) == (1e-4, 2e-2, 1000)
    assert abs(float(schedule.alpha_bar[1000]) - 4.0358e-5) < 1e-9           # the picture's share of variance at T


@pytest.mark.parametrize("num_steps", [2, 3, 10, 50, 100, 1000])
def test_linear_betas_between_the_grid(num_steps):
    schedule = dl.LinearBetaSchedule(num_steps)
    assert schedule.sigma(EVERYWHERE).diff().min() > 0       # NaN fails too
    assert schedule.alpha(EVERYWHERE).diff().max() < 0


def test_linear_betas_are_smooth():
    """Value and slope meet at the grid points, and the curve follows the schedule's continuous limit between them."""
    schedule = dl.LinearBetaSchedule()
    knots = torch.arange(1, 1000, dtype=torch.float64) / 1000
    for value_or_slope in (schedule.alpha, schedule.sigma, lambda t: schedule.rates(t)[0], lambda t: schedule.rates(t)[1]):
        left, right = value_or_slope(knots - 1e-10), value_or_slope(knots + 1e-10)
        assert max_error(left, right) < 1e-5                 # slopes of straight pieces would jump by 1e-2
    # Between i and i + 1, betas on a line make log alpha_bar almost a parabola: cumulated beta grows as i^2.
    middle = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000
    i, slope = middle * 1000, (2e-2 - 1e-4) / 999
    beta, parabola = 1e-4 + slope * (i - 0.5), -(1e-4 * i + slope * i * (i - 1) / 2)
    second_order = -(1e-8 * i + 1e-4 * slope * i * (i - 1) + slope**2 * i * (i - 1) * (2 * i - 1) / 6) / 2     # -sum beta^2 / 2
    third_order = -(beta**3).cumsum(0) / 3
    assert max_error(2 * schedule.alpha(middle).log(), parabola + second_order + third_order) < 2e-5


@by_schedule
def test_rates_are_the_slopes(schedule):
    d_alpha, d_sigma = schedule.rates(INSIDE)
    h = 1e-6
    assert max_error(d_alpha, (schedule.alpha(INSIDE + h) - schedule.alpha(INSIDE - h)) / (2 * h)) < 1e-7
    assert max_error(d_sigma, (schedule.sigma(INSIDE + h) - schedule.sigma(INSIDE - h)) / (2 * h)) < 1e-7


def test_at_the_picture_static_begins_infinitely_fast():
    schedule = dl.LinearBetaSchedule()
    assert math.copysign(1, float(schedule.sigma(0.0))) == 1 and float(schedule.rates(0.0)[1]) == math.inf


@by_schedule
def test_rates_are_the_derivatives(schedule):
    t = INSIDE.clone().requires_grad_()
    for curve, rate in zip((schedule.alpha, schedule.sigma), schedule.rates(INSIDE)):
        by_autodiff = torch.autograd.grad(curve(t).sum() + 0 * t.sum(), t)[0]
        assert max_error(by_autodiff, rate) < 1e-11


@by_schedule
def test_log_snr_falls(schedule):
    """Claim 8.12, for every schedule of the library."""
    log_snr = schedule.log_snr(EVERYWHERE)
    assert log_snr.diff().max() <= 0 and schedule.log_snr(INSIDE).diff().max() < 0
    assert float(log_snr[0]) == 20.0 and log_snr.min() >= -20


@by_schedule
def test_log_snr_formula(schedule):
    assert max_error(schedule.log_snr(INSIDE), 2 * (schedule.alpha(INSIDE) / schedule.sigma(INSIDE)).log()) < 1e-12


@by_schedule
def test_time_of_is_the_inverse(schedule):
    assert max_error(schedule.time_of(schedule.log_snr(INSIDE)), INSIDE) < 1e-12
    assert max_error(dl.NoiseSchedule.time_of(schedule, schedule.log_snr(INSIDE)), INSIDE) < 1e-12     # bisection agrees
    assert float(schedule.time_of(50.0)) < 1e-4 and float(schedule.time_of(-50.0)) > 1 - 1e-4


def test_equal_log_snr_is_the_same_state_at_another_scale():
    """Claim 8.5: the ratio of the knobs is the same, so a state divided by its alpha is, too."""
    for log_snr in (-8.0, -2.0, 0.0, 5.0):
        ratios = [float(s.sigma(s.time_of(log_snr)) / s.alpha(s.time_of(log_snr))) for s in SCHEDULES.values()]
        assert ratios == pytest.approx([math.exp(-log_snr / 2)] * len(ratios), rel=1e-10)


def test_a_shift_lowers_log_snr_by_twice_its_logarithm():
    """Claim 8.9, for shifts in both directions."""
    for shift in (0.5, 3.0, 8.0):
        moved = dl.RectifiedFlowSchedule().log_snr(INSIDE) - dl.RectifiedFlowSchedule(shift).log_snr(INSIDE)
        assert max_error(moved, torch.full_like(moved, 2 * math.log(shift))) < 1e-10


@by_schedule
def test_shapes_and_precision(schedule):
    t = torch.rand(2, 3, generator=torch.Generator().manual_seed(0))
    for value in (schedule.alpha(t), schedule.sigma(t), *schedule.rates(t), schedule.log_snr(t), schedule.time_of(t)):
        assert value.shape == (2, 3) and value.dtype == torch.float64
    assert float(schedule.alpha(0.25)) == float(schedule.alpha(torch.tensor(0.25)))


@by_schedule
@pytest.mark.parametrize("t", [-0.001, 1.001, math.nan, torch.tensor([0.5, 2.0])])
def test_time_outside_is_refused(schedule, t):
    for curve in (schedule.alpha, schedule.sigma, schedule.rates, schedule.log_snr):
        with pytest.raises(ValueError, match="t is .* between 0 .* and 1"):
            curve(t)


@pytest.mark.parametrize("make, argument", [
    (lambda: dl.RectifiedFlowSchedule(shift=0), "shift is 0"), (lambda: dl.EDMSchedule(-1), "sigma_max is -1"),
    (lambda: dl.LinearBetaSchedule(1), "num_steps is 1"), (lambda: dl.LinearBetaSchedule(beta_end=1.5), "beta_start and beta_end"),
    (lambda: dl.uniform_times(0), "steps is 0"), (lambda: dl.uniform_times(2.5), "steps is 2.5"),
    (lambda: dl.karras_times(0, dl.EDMSchedule()), "steps is 0"), (lambda: dl.log_snr_times(-3, dl.EDMSchedule()), "steps is -3"),
    (lambda: dl.karras_times(5, dl.EDMSchedule(), 0.002, 80.0), "noisiest and cleanest are 0.002 and 80"),
    (lambda: dl.log_snr_times(5, dl.CosineSchedule(), 9.0, -9.0), "lowest and highest are 9 and -9"),
    (lambda: dl.karras_times(5, dl.EDMSchedule(1.0), 80.0, 2.0), "noisiest and cleanest are 1 and 2 within this schedule"),
])
def test_bad_arguments(make, argument):
    with pytest.raises(ValueError, match=argument):
        make()


def test_uniform_times():
    assert max_error(dl.uniform_times(4), torch.tensor([1, 0.75, 0.5, 0.25, 0], dtype=torch.float64)) == 0
    assert max_error(dl.uniform_times(1000), (1000 - torch.arange(1001, dtype=torch.float64)) / 1000) < 1e-15
    assert max_error(dl.uniform_times(2, 0.9, 0.1), torch.tensor([0.9, 0.5, 0.1], dtype=torch.float64)) < 1e-15


@by_schedule
@pytest.mark.parametrize("steps", [1, 2, 30, 500])
@pytest.mark.parametrize("grid", [dl.karras_times, dl.log_snr_times])
def test_grids_fall_from_the_start_to_zero(schedule, steps, grid):
    times = grid(steps, schedule)
    assert times.shape == (steps + 1,) and times.dtype == torch.float64
    assert times.diff().max() < 0 and 0.9 < times[0] <= 1 and times[-1] == 0


def test_karras_times_formula():
    ratio = 80 * dl.karras_times(18, dl.EDMSchedule())       # sigma itself on this schedule
    wanted = [(80 ** (1 / 7) + i / 17 * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7 for i in range(18)] + [0.0]
    assert max_error(ratio, torch.tensor(wanted, dtype=torch.float64)) < 1e-11
    cosine = dl.CosineSchedule()
    times = dl.karras_times(18, cosine)[:-1]                 # the same ratios on another schedule
    assert max_error(cosine.sigma(times) / cosine.alpha(times), torch.tensor(wanted[:-1], dtype=torch.float64)) < 1e-10


def test_log_snr_times_are_equally_spaced():
    schedule = dl.LinearBetaSchedule()
    log_snr = schedule.log_snr(dl.log_snr_times(50, schedule)[:-1])
    assert max_error(log_snr, torch.linspace(-9, 9, 50, dtype=torch.float64)) < 1e-9


@pytest.mark.parametrize("schedule", [dl.EDMSchedule(5.0), dl.LinearBetaSchedule(20)])
@pytest.mark.parametrize("grid", [dl.karras_times, dl.log_snr_times])
def test_grids_stop_where_the_schedule_does(schedule, grid):
    times = grid(50, schedule)
    assert abs(float(times[0]) - 1) < 1e-12 and times.diff().max() < 0       # no time twice
