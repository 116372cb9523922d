"""The 2x2: every row on every schedule inverts, and one belief says the same in every language."""

import math

import pytest
import torch

import diffusion_lib as dl
from diffusion_lib.process import parameterization_named
from exact import INSIDE, ROWS, SCHEDULES, float64_noise, max_error

by_schedule = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES.keys())
by_row = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
X0, EPS = float64_noise(25, 2, 3, seed=1), float64_noise(25, 2, 3, seed=2)


def belief(schedule, seed=1, t=INSIDE, shape=(2, 3)):
    """A prediction made of random x0 and eps."""
    x0, eps = float64_noise(25, *shape, seed=seed), float64_noise(25, *shape, seed=seed + 100)
    return dl.Prediction(x0, eps, dl.coefficients(schedule, t, x0))


@by_schedule
@by_row
def test_every_row_inverts_exactly(row, schedule):
    c = dl.coefficients(schedule, INSIDE, X0)
    y, x_t = row.target(X0, EPS, c), dl.diffuse(X0, EPS, INSIDE, schedule)
    found = row.invert(y, x_t, c)
    assert max_error(found.x0, X0) < 1e-8 and max_error(found.eps, EPS) < 1e-8
    assert max_error(row.target(found.x0, found.eps, c), y) < 1e-8 and max_error(found.x_t, x_t) < 1e-8


@by_schedule
def test_targets_are_what_their_names_say(schedule):
    c = dl.coefficients(schedule, INSIDE, X0)
    known = dl.Prediction(X0, EPS, c)
    for row, wanted in [(dl.EPS, EPS), (dl.X0, X0), (dl.V, known.v), (dl.SCORE, known.score), (dl.FLOW, known.velocity)]:
        assert max_error(row.target(X0, EPS, c), wanted) < 1e-12


def test_diffuse_by_hand():
    """Claim 1.2, with numbers that can be checked in the head."""
    x0, eps = torch.tensor([[1.0, -1.0]]), torch.tensor([[0.5, 2.0]])
    assert max_error(dl.diffuse(x0, eps, 0.25, dl.RectifiedFlowSchedule()), torch.tensor([[0.875, -0.25]])) < 1e-7


@by_schedule
def test_diffuse_has_the_mean_and_variance_of_q(schedule):
    """What Claim 8.10 finds on one schedule, on all of them."""
    t, n = 0.3, 100_000
    x_t = dl.diffuse(torch.full((n, 1), 0.7, dtype=torch.float64), float64_noise(n, 1), t, schedule)
    alpha, sigma = float(schedule.alpha(t)), float(schedule.sigma(t))
    assert abs(x_t.mean() - 0.7 * alpha) < 4 * sigma / math.sqrt(n)
    assert abs(x_t.std() / sigma - 1) < 4 / math.sqrt(2 * n)


@by_schedule
def test_each_row_has_the_determinant_of_the_table(schedule):
    """The table of the 2x2: what each row's determinant is."""
    c = dl.coefficients(schedule, INSIDE, INSIDE)
    det = {name: c.alpha * row.row(c)[1] - c.sigma * row.row(c)[0] for name, row in ROWS.items()}
    assert max_error(det["eps"], c.alpha) < 1e-14
    assert max_error(det["x0"], -c.sigma) < 1e-12
    assert max_error(det["v"], c.alpha**2 + c.sigma**2) < 1e-11
    assert max_error(det["score"], -c.alpha / c.sigma) < 1e-12
    for sd in (1.0, 0.5):
        r = torch.sqrt(c.sigma**2 + c.alpha**2 * sd**2)
        assert max_error(det[f"edm({sd:g})"], -r / sd) < 1e-11


def test_flow_determinants():
    for name, wanted in [("flow", 1.0), ("cosine", math.pi / 2)]:
        c = dl.coefficients(SCHEDULES[name], INSIDE, INSIDE)
        assert max_error(c.alpha * c.d_sigma - c.sigma * c.d_alpha, torch.full_like(INSIDE, wanted)) < 1e-13


def test_velocity_is_v_turned_by_the_clock():
    """On the cosine schedule velocity = (pi / 2) v; on any variance-preserving one it is phi'(t) v, tan phi = sigma / alpha."""
    cosine = belief(dl.CosineSchedule())
    assert max_error(cosine.velocity, math.pi / 2 * cosine.v) < 1e-12
    schedule, h = dl.LinearBetaSchedule(), 1e-6
    phi = lambda t: torch.atan2(schedule.sigma(t), schedule.alpha(t))
    turning = ((phi(INSIDE + h) - phi(INSIDE - h)) / (2 * h)).reshape(-1, 1, 1)
    assert max_error(belief(schedule).velocity, turning * belief(schedule).v) < 1e-7


def test_velocity_and_v_of_rectified_flow():
    b, t = belief(dl.RectifiedFlowSchedule()), INSIDE.reshape(-1, 1, 1)
    assert max_error(b.velocity, b.eps - b.x0) < 1e-13
    assert max_error(b.velocity, (b.v + (2 * t - 1) * b.x_t) / ((1 - t) ** 2 + t**2)) < 1e-12


@pytest.mark.parametrize("name", ["cosine", "linear beta"])
def test_edm_with_unit_data_is_minus_v(name):
    c = dl.coefficients(SCHEDULES[name], INSIDE, X0)
    assert max_error(dl.edm(1.0).target(X0, EPS, c), -dl.V.target(X0, EPS, c)) < 1e-13
    y, x_t = EPS.flip(0), X0.flip(0)
    assert max_error(dl.edm(1.0).invert(y, x_t, c).x0, dl.V.invert(-y, x_t, c).x0) < 1e-12


def test_edm_is_karras_et_al_preconditioning():
    """D(x) = c_skip x + c_out F with the paper's own four numbers (table 1)."""
    sd, sigma = 0.5, 80 * INSIDE.reshape(-1, 1, 1)
    c_skip, c_out = sd**2 / (sigma**2 + sd**2), sigma * sd / torch.sqrt(sigma**2 + sd**2)
    x_t, y = 10 * X0, EPS
    found = dl.edm(sd).invert(y, x_t, dl.coefficients(dl.EDMSchedule(), INSIDE, x_t))
    assert max_error(found.x0, c_skip * x_t + c_out * y) < 1e-12


@by_schedule
def test_score_of_one_picture(schedule):
    """score = (alpha x0 - x_t) / sigma^2: the slope of log N(x_t; alpha x0, sigma^2)."""
    b = belief(schedule)
    assert max_error(b.score, (b.at.alpha * b.x0 - b.x_t) / b.at.sigma**2) < 1e-9


@by_schedule
@pytest.mark.parametrize("weight", [0.0, 1.0, -0.5, 3.0])
def test_mix_is_the_same_in_every_language(schedule, weight):
    c = dl.coefficients(schedule, INSIDE, X0)
    x_t = dl.diffuse(X0, EPS, INSIDE, schedule)
    a, b = dl.EPS.invert(float64_noise(25, 2, 3, seed=3), x_t, c), dl.EPS.invert(float64_noise(25, 2, 3, seed=4), x_t, c)
    mixed = a.mix(b, weight)
    for language in ("x0", "eps", "v", "score", "velocity", "x_t"):
        own, other = getattr(a, language), getattr(b, language)
        wanted = weight * own + (1 - weight) * other
        assert max_error(getattr(mixed, language), wanted) < 1e-12 * (1 + float(wanted.abs().max()))
    assert weight != 0 or torch.equal(mixed.x0, b.x0)


@by_schedule
def test_clamp_keeps_x_t(schedule):
    b = belief(schedule)
    clamped = b.clamp(-0.7, 0.4)
    assert max_error(clamped.x0, b.x0.clip(-0.7, 0.4)) == 0 and max_error(clamped.x0, b.x0) > 1
    assert max_error(clamped.x_t, b.x_t) < 1e-12


@by_schedule
def test_clamp_at_time_zero(schedule):
    b = belief(schedule, t=0.0)
    clamped = b.clamp()
    assert torch.equal(clamped.x0, b.x0.clip(-1, 1)) and torch.equal(clamped.eps, b.eps)


@by_schedule
@by_row
def test_one_time_for_all_or_one_for_each(schedule, row):
    t = torch.tensor([0.2, 0.7, 0.4], dtype=torch.float64)
    x0, eps = X0[:3], EPS[:3]
    together, c = dl.diffuse(x0, eps, t, schedule), dl.coefficients(schedule, t, x0)
    for i in range(3):
        alone = dl.diffuse(x0[i:i + 1], eps[i:i + 1], float(t[i]), schedule)
        assert max_error(together[i:i + 1], alone) == 0
        own = row.invert(eps[i:i + 1], alone, dl.coefficients(schedule, t[i], x0))
        assert max_error(row.invert(eps, together, c).x0[i:i + 1], own.x0) < 1e-11


@by_schedule
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_pictures_keep_their_precision(schedule, dtype):
    """A float64 schedule must not push float64 into a float32 network."""
    x0, t = X0.to(dtype), INSIDE
    assert dl.diffuse(x0, EPS.to(dtype), t, schedule).dtype == dtype
    b = dl.V.invert(x0, x0, dl.coefficients(schedule, t, x0))
    assert {value.dtype for value in (b.x0, b.eps, b.v, b.score, b.velocity, b.clamp().eps, b.mix(b, 2.0).x0)} == {dtype}


def test_coefficients_are_cast_once_from_float64():
    c = dl.coefficients(dl.LinearBetaSchedule(), 0.001, torch.zeros(1, 2))
    assert float(c.sigma) == float(torch.tensor(0.01, dtype=torch.float32))      # sqrt(1e-4); from float32 steps it would be off


def test_names_find_their_rows():
    for row in [*ROWS.values(), dl.edm(0.123456789), dl.edm(1e-5), dl.edm(1.5e-7), dl.edm(1e16)]:
        found, c = parameterization_named(row.name), dl.coefficients(dl.CosineSchedule(), INSIDE, X0)
        assert found == row and torch.equal(found.target(X0, EPS, c), row.target(X0, EPS, c))


@pytest.mark.parametrize("make, message", [
    (lambda: dl.diffuse(X0, EPS[:1], 0.5, dl.CosineSchedule()), r"eps has shape \(1, 2, 3\), .* x0, \(25, 2, 3\)"),
    (lambda: dl.diffuse(X0, EPS, torch.rand(24), dl.CosineSchedule()), r"t has shape \(24,\), .* 25 rows"),
    (lambda: dl.diffuse(X0, EPS, torch.rand(25, 1), dl.CosineSchedule()), r"t has shape \(25, 1\)"),
    (lambda: dl.diffuse(X0, EPS, 1.5, dl.CosineSchedule()), "t is 1.5"),
    (lambda: dl.diffuse(torch.full((2, 3), 200, dtype=torch.uint8), torch.ones(2, 3), 0.5, dl.CosineSchedule()), "type torch.uint8.* floats"),
    (lambda: dl.coefficients(dl.CosineSchedule(), 0.5, torch.ones(2, dtype=torch.int64)), "type torch.int64"),
    (lambda: parameterization_named("edm(1.2.3)"), r"parameterization is 'edm\(1.2.3\)', but it has to be one of"),
    (lambda: dl.edm(0), "sigma_data is 0"), (lambda: parameterization_named("epsilon"), "parameterization is 'epsilon'"),
    (lambda: parameterization_named("edm(half)"), r"parameterization is 'edm\(half\)'"),
])
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
