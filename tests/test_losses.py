"""The loss of a perfect denoiser is the variance that nobody can know away; the laws of times; the weights."""

import math

import pytest
import torch
from torch import nn

import diffusion_lib as dl
from exact import COV, INSIDE, MEAN, ROWS, SCHEDULES, RandomNetwork, float64_noise, ks_distance, max_error

by_schedule = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES.keys())
by_row = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())


class PerfectNetwork(nn.Module):
    """Answers what the exact denoiser of N(MEAN, COV) would answer, from the scaled picture and the log-SNR."""

    def __init__(self, schedule, row):
        super().__init__()
        self.oracle, self.row = dl.GaussianDenoiser(MEAN, COV, schedule), row

    def forward(self, x, log_snr, cond, keep):
        t = self.oracle.schedule.time_of(log_snr)
        c = dl.coefficients(self.oracle.schedule, t, x)
        belief = self.oracle(x * torch.sqrt(c.alpha**2 + c.sigma**2), t)
        return self.row.target(belief.x0, belief.eps, c)


def at(t):
    """The law of times that always says t."""
    return lambda n, generator=None: torch.full((n,), t, dtype=torch.float64)


def perfect(schedule, row):
    return dl.NeuralDenoiser(PerfectNetwork(schedule, row), schedule, row)


def clean(n):
    return dl.GaussianDenoiser(MEAN, COV, dl.CosineSchedule()).sample(n, dl.CounterGenerator(1))


@by_schedule
@by_row
@pytest.mark.parametrize("t", [0.1, 0.5, 0.9])
def test_a_perfect_denoiser_is_left_with_the_posterior_variance(schedule, row, t):
    """E|y - target|^2 = (det / sigma)^2 Var[x0 | x_t], and of a Gaussian that variance is known."""
    n = 20_000
    terms = dl.diffusion_loss(perfect(schedule, row), clean(n), times=at(t), generator=dl.CounterGenerator(2))
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    variances = torch.linalg.eigvalsh(COV)
    posterior = (variances * sigma**2 / (alpha**2 * variances + sigma**2)).mean()
    a, b = row.row(dl.coefficients(schedule, t, alpha))
    wanted = float(posterior * ((alpha * b - sigma * a) / sigma) ** 2)
    assert abs(float(terms.mean) / wanted - 1) < 4 * math.sqrt(2 / n)         # 4 standard errors of one squared normal


def test_a_worse_denoiser_loses_more():
    schedule = dl.CosineSchedule()
    wrong = dl.GaussianDenoiser(MEAN, 1.5 * COV, schedule)
    model = perfect(schedule, dl.V)
    best = dl.diffusion_loss(model, clean(20_000), generator=dl.CounterGenerator(2)).mean
    model.network.oracle = wrong
    assert dl.diffusion_loss(model, clean(20_000), generator=dl.CounterGenerator(2)).mean > 1.005 * best


def test_the_terms_by_hand():
    """Times first, then noise, from one generator; per picture the mean over pixels; the mean of those is the loss."""
    schedule, network, x0 = dl.RectifiedFlowSchedule(), RandomNetwork(), clean(6)
    model = dl.NeuralDenoiser(network, schedule, dl.FLOW, data_std=0.5)
    terms = dl.diffusion_loss(model, x0, generator=dl.CounterGenerator(3), weight=lambda c: 2 * c.sigma)
    replay = dl.CounterGenerator(3)
    t, eps = dl.rand((6,), replay, dtype=torch.float64), dl.randn((6, 3), replay, dtype=torch.float64)
    s = t[:, None]
    y = network(((1 - s) * x0 + s * eps) / torch.sqrt(((1 - s) / 2) ** 2 + s**2), schedule.log_snr(t))
    assert max_error(terms.t, t) == 0
    assert max_error(terms.per_sample, (2 * s * (y - (eps - x0)) ** 2).mean(1)) < 1e-12
    assert max_error(terms.mean, terms.per_sample.mean()) == 0


def test_the_loss_reaches_every_weight():
    network = RandomNetwork()
    dl.diffusion_loss(dl.NeuralDenoiser(network, dl.CosineSchedule()), clean(8), generator=dl.CounterGenerator(1)).mean.backward()
    assert all(p.grad.abs().max() > 0 for p in network.parameters())


def test_same_seed_same_loss():
    model = dl.NeuralDenoiser(RandomNetwork(), dl.CosineSchedule())
    losses = [dl.diffusion_loss(model, clean(16), cond=float64_noise(16), cond_dropout=0.3, times=dl.logit_normal_t(),
                                generator=dl.CounterGenerator(seed)).per_sample for seed in (5, 5, 6)]
    assert torch.equal(losses[0], losses[1]) and max_error(losses[0], losses[2]) > 1e-3


@pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
def test_dropout_replaces_that_share_of_conditions(share):
    network, n = RandomNetwork(), 20_000
    cond = float64_noise(n)
    dl.diffusion_loss(dl.NeuralDenoiser(network, dl.CosineSchedule()), clean(n), cond, cond_dropout=share, generator=dl.CounterGenerator(4))
    _, _, seen, keep = network.asked[-1]
    assert seen is cond and keep.dtype == torch.bool and keep.shape == (n,)
    assert abs((~keep).double().mean() - share) <= 4 * math.sqrt(share * (1 - share) / n)


def test_no_condition_is_dropped_unasked():
    network = RandomNetwork()
    dl.diffusion_loss(dl.NeuralDenoiser(network, dl.CosineSchedule()), clean(50), float64_noise(50))
    assert network.asked[-1][3].all()


def logit_normal_cdf(mean, std):
    return lambda t: torch.special.ndtr((torch.logit(t) - mean) / std)


@pytest.mark.parametrize("generator", [lambda: dl.CounterGenerator(7), lambda: torch.Generator().manual_seed(7)])
@pytest.mark.parametrize("law, cdf", [
    (dl.uniform_t, lambda t: t), (dl.stratified_t, lambda t: t), (dl.logit_normal_t(), logit_normal_cdf(0, 1)),
    (dl.logit_normal_t(-0.5, 1.6), logit_normal_cdf(-0.5, 1.6)),
    (dl.logit_normal_t(0.4, 0.8, 0.25), lambda t: 0.25 * t + 0.75 * logit_normal_cdf(0.4, 0.8)(t)),
    (dl.logit_normal_t(0.4, 0.8, 1.0), lambda t: t),
])
def test_laws_of_times(law, cdf, generator):
    n = 40_000
    t = law(n, generator())
    assert t.shape == (n,) and t.dtype == torch.float64 and 0 <= t.min() and t.max() <= 1
    assert ks_distance(t, cdf) < 0.011                       # a right law stays below it 9,999 times in 10,000


def test_stratified_has_one_time_in_each_part():
    for law in (dl.stratified_t, dl.logit_normal_t()):
        u = law(64, dl.CounterGenerator(1))
        u = u if law is dl.stratified_t else torch.special.ndtr(torch.logit(u))
        assert torch.equal((u * 64).long().sort().values, torch.arange(64))
    assert len((dl.uniform_t(64, dl.CounterGenerator(1)) * 64).long().unique()) < 64


def test_the_uniform_share_is_taken_from_everywhere():
    """Of a small batch, the uniform share must not always be the same part of [0, 1]."""
    generator, law = dl.CounterGenerator(7), dl.logit_normal_t(0.0, 0.1, uniform_share=0.25)
    t = torch.cat([law(8, generator) for _ in range(2_000)])
    outside = t[(t - 0.5).abs() > 0.15]                      # only the uniform share can lie there
    assert abs(len(outside) / len(t) - 0.25 * 0.7) < 0.01
    assert abs((outside > 0.5).double().mean() - 0.5) < 0.04


@pytest.mark.parametrize("gamma", [1.0, 5.0])
def test_min_snr_weights_of_the_paper(gamma):
    """min(SNR, gamma) on x0, / SNR on eps, / (SNR + 1) on v: on a variance-preserving schedule."""
    c = dl.coefficients(dl.LinearBetaSchedule(), INSIDE, INSIDE)
    snr = (c.alpha / c.sigma) ** 2
    capped = torch.minimum(snr, torch.full_like(snr, gamma))
    for row, wanted in [(dl.X0, capped), (dl.EPS, capped / snr), (dl.V, capped / (snr + 1))]:
        assert max_error(dl.min_snr(gamma, row)(c), wanted) < 1e-9


@by_schedule
def test_min_snr_is_one_loss_whatever_is_predicted(schedule):
    """The same perfect guess, told in seven languages, loses the same under this weight."""
    losses = [dl.diffusion_loss(perfect(schedule, row), clean(50), weight=dl.min_snr(5.0, row), times=at(0.4),
                                generator=dl.CounterGenerator(3)).per_sample for row in ROWS.values()]
    for other in losses[1:]:
        assert max_error(other / losses[0], torch.ones(50, dtype=torch.float64)) < 1e-7


@by_schedule
def test_as_velocity_is_the_error_of_the_velocity(schedule):
    """Whatever is predicted: change the answer a little, and the velocity moves by what the weight says."""
    x0, t = clean(50), torch.linspace(0.3, 0.9, 50, dtype=torch.float64)
    eps = float64_noise(*x0.shape)
    c, x_t = dl.coefficients(schedule, t, x0), dl.diffuse(x0, eps, t, schedule)
    for row in ROWS.values():
        y = row.target(x0, eps, c)
        moved = row.invert(y + 1e-3, x_t, c).velocity - row.invert(y, x_t, c).velocity
        weighted = dl.as_velocity(0.05, row)(c) * 1e-3**2
        assert max_error(moved**2 / weighted, torch.ones_like(moved)) < 1e-6


def test_as_velocity_leaves_a_flow_as_it_is_and_grows_no_more_near_clean_data():
    c = dl.coefficients(dl.RectifiedFlowSchedule(), INSIDE, INSIDE)
    inside = c.sigma > 0.1
    assert max_error(dl.as_velocity(0.1, dl.FLOW)(c)[inside], torch.ones_like(c.sigma[inside])) < 1e-12
    assert max_error(dl.as_velocity(0.1, dl.X0)(c)[inside], 1 / c.sigma[inside] ** 2) < 1e-9
    assert (dl.as_velocity(0.1, dl.X0)(c)[~inside] <= (1 + 1 / 0.1) ** 2).all() and (~inside).any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weights_have_their_limits_at_both_ends(dtype):
    """Where alpha or sigma is 0, the weight is what it comes to nearby."""
    schedule = dl.RectifiedFlowSchedule()
    first, near, last, nearly = (dl.coefficients(schedule, t, torch.zeros(1, 1, dtype=dtype)) for t in (0.0, 1e-6, 1.0, 1 - 1e-6))
    for law in (lambda row: dl.min_snr(5.0, row), lambda row: dl.as_velocity(0.05, row)):
        for row in (dl.X0, dl.EPS, dl.V, dl.FLOW):
            assert max_error(law(row)(first), law(row)(near)) < 2e-3, row.name
    for row in (dl.X0, dl.EPS, dl.V, dl.FLOW):
        assert max_error(dl.min_snr(5.0, row)(last), dl.min_snr(5.0, row)(nearly)) < 2e-2, row.name
    for row in (dl.X0, dl.V, dl.FLOW):
        assert max_error(dl.as_velocity(0.05, row)(last), dl.as_velocity(0.05, row)(nearly)) < 2e-3, row.name


def test_unit_weight():
    c = dl.coefficients(dl.CosineSchedule(), INSIDE, float64_noise(25, 3))
    assert torch.equal(dl.unit(c), torch.ones(25, 1, dtype=torch.float64))


@pytest.mark.parametrize("make, message", [
    (lambda: dl.logit_normal_t(std=0), "std is 0"), (lambda: dl.logit_normal_t(uniform_share=1.5), "uniform_share is 1.5"),
    (lambda: dl.min_snr(0, dl.V), "gamma is 0"), (lambda: dl.as_velocity(0, dl.X0), "cleanest is 0"),
    (lambda: dl.diffusion_loss(perfect(dl.CosineSchedule(), dl.V), clean(2), cond_dropout=-0.1), "cond_dropout is -0.1"),
    (lambda: dl.diffusion_loss(perfect(dl.CosineSchedule(), dl.V), clean(2), cond_dropout=1.1), "cond_dropout is 1.1"),
])
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
