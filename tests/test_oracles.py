"""Exact denoisers, checked without their own formulas: by autodiff, by numerical integration, by matrix inverses."""

import pytest
import torch
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

import diffusion_lib as dl
from exact import COV, INSIDE, MEAN, SCHEDULES, float64_noise, max_error, moments_at, rings

by_schedule = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES.keys())
EYE = torch.eye(3, dtype=torch.float64)


def plain_mixture(denoiser, t):
    """torch's own distribution of x_t, from the mixture's parts."""
    alpha, sigma = denoiser.schedule.alpha(t), denoiser.schedule.sigma(t)
    covs = denoiser.axes @ torch.diag_embed(denoiser.eigenvalues) @ denoiser.axes.mT
    return MixtureSameFamily(Categorical(logits=denoiser.log_weights),
                             MultivariateNormal(alpha * denoiser.means, alpha**2 * covs + sigma**2 * EYE))


@by_schedule
@pytest.mark.parametrize("t", [0.0, 0.02, 0.4, 0.98, 1.0])
def test_log_prob_is_that_of_torch(schedule, t):
    denoiser = rings(schedule)
    x_t = dl.diffuse(denoiser.sample(25, dl.CounterGenerator(1)), float64_noise(25, 3), t, schedule)
    assert max_error(denoiser.log_prob(x_t, t), plain_mixture(denoiser, t).log_prob(x_t)) < 1e-9


@by_schedule
def test_score_is_the_slope_of_log_prob(schedule):
    denoiser = rings(schedule)
    x_t = dl.diffuse(denoiser.sample(25, dl.CounterGenerator(1)), float64_noise(25, 3), INSIDE, schedule).requires_grad_()
    slope = torch.autograd.grad(denoiser.log_prob(x_t, INSIDE).sum(), x_t)[0]
    assert max_error(denoiser(x_t, INSIDE).score, slope) < 1e-9


@by_schedule
def test_the_guess_of_x0_follows_from_the_score(schedule):
    """E[x0 | x_t] = (x_t + sigma^2 score) / alpha, with the score of torch's own density."""
    denoiser = rings(schedule)
    for t in (0.05, 0.5, 0.95):
        x_t = dl.diffuse(denoiser.sample(25, dl.CounterGenerator(1)), float64_noise(25, 3), t, schedule).requires_grad_()
        slope = torch.autograd.grad(plain_mixture(denoiser, t).log_prob(x_t).sum(), x_t)[0]
        wanted = (x_t + schedule.sigma(t) ** 2 * slope) / schedule.alpha(t)
        assert max_error(denoiser(x_t, t).x0, wanted) < 1e-8


@by_schedule
def test_a_wish_names_one_component(schedule):
    """With cond = k the mixture is the Gaussian k; where nothing is said or kept, it is all of them."""
    mixture = rings(schedule)
    x_t = dl.diffuse(mixture.sample(25, dl.CounterGenerator(1)), float64_noise(25, 3), INSIDE, schedule)
    everything = mixture(x_t, INSIDE)
    covs = mixture.axes @ torch.diag_embed(mixture.eigenvalues) @ mixture.axes.mT
    for k, (mean, cov) in enumerate(zip(mixture.means, covs)):
        found, wanted = mixture(x_t, INSIDE, torch.full((25,), k)), dl.GaussianDenoiser(mean, cov, schedule)(x_t, INSIDE)
        assert max_error(found.x0, wanted.x0) < 1e-10 and max_error(found.eps, wanted.eps) < 1e-10
    cond, keep = torch.arange(25) % 3 - 1, torch.arange(25) % 2 == 0
    found = mixture(x_t, INSIDE, cond, keep)
    silent = (cond == -1) | ~keep
    assert 10 < silent.sum() < 20 and max_error(found.x0[silent], everything.x0[silent]) < 1e-12
    assert max_error(found.x0[~silent], mixture(x_t, INSIDE, cond).x0[~silent]) < 1e-12
    assert max_error(mixture(x_t, INSIDE, torch.full((25,), -1)).x0, everything.x0) == 0
    assert max_error(mixture(x_t, INSIDE, cond, torch.zeros(25, dtype=torch.bool)).x0, everything.x0) == 0


def test_bayes_for_scores():
    """score(x | c) - score(x) is the slope of log p(c | x), which torch's own densities and autograd give."""
    mixture, t = rings(dl.CosineSchedule()), 0.4
    x_t = dl.diffuse(mixture.sample(25, dl.CounterGenerator(1)), float64_noise(25, 3), t, mixture.schedule).requires_grad_()
    parts = plain_mixture(mixture, t)
    log_p = (parts.component_distribution.log_prob(x_t[:, None]) + mixture.log_weights).log_softmax(1)[:, 1]
    slope = torch.autograd.grad(log_p.sum(), x_t)[0]
    found = mixture(x_t, t, torch.ones(25, dtype=torch.long)).score - mixture(x_t, t).score
    assert max_error(found, slope) < 1e-9


@pytest.mark.parametrize("cond", [[9] * 25, [-2] * 25, [0] * 24, [0.5] * 25, [1.0] * 25])
def test_a_wish_that_names_no_component(cond):
    mixture = rings(dl.CosineSchedule())
    with pytest.raises(ValueError, match="has to name one of"):
        mixture(float64_noise(25, 3), 0.5, torch.tensor(cond))


def test_a_wish_for_what_never_comes():
    mixture = dl.MixtureDenoiser(torch.tensor([1.0, 0.0]), torch.tensor([[0.0], [1.0]]), torch.ones(2, 1, 1), dl.CosineSchedule())
    with pytest.raises(ValueError, match="component of weight 0"):
        mixture(torch.zeros(2, 1), 0.5, torch.tensor([0, 1]))
    assert max_error(mixture(torch.ones(2, 1), 0.5, torch.tensor([0, -1])).x0[0], mixture(torch.ones(2, 1), 0.5).x0[1]) < 1e-6


@by_schedule
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_flat_components_near_clean_data(schedule, dtype):
    """Of two lines through the plane the nearer one takes all, and on it nothing is moved."""
    lines = dl.MixtureDenoiser(torch.ones(2), torch.tensor([[0.0, -1.0], [0.0, 1.0]]), torch.diag(torch.tensor([1.0, 0.0])).expand(2, 2, 2), schedule)
    x_t = torch.tensor([[0.3, -0.9], [30.0, 0.8], [0.3, 1.0]], dtype=dtype)
    found = lines.to(dtype)(x_t, 0.0)
    assert max_error(found.x0, torch.tensor([[0.3, -1.0], [30.0, 1.0], [0.3, 1.0]], dtype=dtype)) < 1e-5
    assert found.eps.isfinite().all() and lines.log_prob(x_t, 0.0).isfinite().all()


@pytest.mark.parametrize("oracle", [dl.GaussianDenoiser(torch.zeros(3), torch.eye(3), dl.CosineSchedule()),
                                    dl.EmpiricalDenoiser(torch.zeros(2, 3), dl.CosineSchedule())], ids=["gaussian", "empirical"])
def test_pictures_of_another_type_are_refused(oracle):
    with pytest.raises(ValueError, match="x_t has the type torch.float64, but this oracle is made of torch.float32"):
        oracle(float64_noise(25, 3), 0.5)


@by_schedule
def test_posterior_mean_by_integration(schedule):
    """E[x0 | x_t] as the integral that defines it, on a fine grid of one-dimensional x0."""
    weights, means, stds = (torch.tensor(v, dtype=torch.float64) for v in ([0.2, 0.5, 0.3], [-1.0, 0.1, 0.9], [0.2, 0.1, 0.3]))
    denoiser = dl.MixtureDenoiser(weights, means[:, None], (stds**2)[:, None, None], schedule)
    x0 = torch.linspace(-4, 4, 8001, dtype=torch.float64)
    prior = (weights / stds * torch.exp(-((x0[:, None] - means) / stds) ** 2 / 2)).sum(1)
    for t in (0.02, 0.3, 0.8, 1.0):
        alpha, sigma = schedule.alpha(t), schedule.sigma(t)
        x_t = alpha * torch.linspace(-1.5, 1.5, 7, dtype=torch.float64) + 0.5 * sigma
        joint = prior * torch.exp(-((x_t[:, None] - alpha * x0) / sigma) ** 2 / 2)
        wanted = (joint * x0).sum(1) / joint.sum(1)
        assert max_error(denoiser(x_t[:, None], t).x0[:, 0], wanted) < 1e-7


@by_schedule
def test_gaussian_closed_form(schedule):
    denoiser = dl.GaussianDenoiser(MEAN, COV, schedule)
    for t in (0.0, 0.1, 0.6, 1.0):
        alpha, sigma = schedule.alpha(t), schedule.sigma(t)
        mean_t, cov_t = moments_at(t, schedule)
        x_t = float64_noise(25, 3) * (alpha + sigma)
        pull = torch.linalg.solve(cov_t, (x_t - mean_t).T).T
        found = denoiser(x_t, t)
        assert max_error(found.x0, MEAN + alpha * pull @ COV) < 1e-10
        assert max_error(found.eps, sigma * pull) < 1e-10


@by_schedule
def test_a_belief_is_about_x_t(schedule):
    for denoiser in (rings(schedule), dl.EmpiricalDenoiser(float64_noise(9, 3), schedule)):
        x_t = dl.diffuse(float64_noise(25, 3, seed=1), float64_noise(25, 3), INSIDE, schedule)
        assert max_error(denoiser(x_t, INSIDE).x_t, x_t) < 1e-11


@by_schedule
def test_empirical_is_a_mixture_of_points(schedule):
    data = float64_noise(9, 3, seed=4)
    points = dl.MixtureDenoiser(torch.ones(9, dtype=torch.float64), data, torch.zeros(9, 3, 3, dtype=torch.float64), schedule)
    x_t = dl.diffuse(data[torch.arange(25) % 9], float64_noise(25, 3), INSIDE, schedule)
    assert max_error(dl.EmpiricalDenoiser(data, schedule)(x_t, INSIDE).x0, points(x_t, INSIDE).x0) < 1e-9


@by_schedule
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_empirical_copies_the_nearest_picture_near_clean_data(schedule, dtype):
    data = float64_noise(40, 2, 4, 4, seed=4).to(dtype)
    x_t = 0.7 * data[torch.arange(25)] + 0.3 * data[torch.arange(25) + 10]
    for t in (0.0, 1e-6):
        found = dl.EmpiricalDenoiser(data, schedule)(x_t, t)
        assert max_error(found.x0, data[:25]) == 0 and found.eps.isfinite().all()


@pytest.mark.parametrize("name", ["cosine", "flow", "shifted flow"])
def test_empirical_is_the_mean_in_pure_noise(name):
    data = float64_noise(40, 2, 4, 4, seed=4)
    found = dl.EmpiricalDenoiser(data, SCHEDULES[name])(float64_noise(3, 2, 4, 4), 1.0)
    assert max_error(found.x0, data.mean(0).expand(3, 2, 4, 4)) < 1e-12


def test_empirical_weights():
    """Two pictures, one distance twice the other: the weights are the softmax written out."""
    data, schedule, t = torch.tensor([[0.0], [1.0]], dtype=torch.float64), dl.RectifiedFlowSchedule(), 0.5
    weights = dl.EmpiricalDenoiser(data, schedule).weights(torch.tensor([[0.1]], dtype=torch.float64), t)
    near, far = torch.tensor(-(0.1**2) / 0.5).exp(), torch.tensor(-(0.4**2) / 0.5).exp()
    assert max_error(weights, torch.tensor([[near, far]], dtype=torch.float64) / (near + far)) < 1e-7


def test_sample_has_the_right_moments():
    n = 100_000
    x0 = dl.GaussianDenoiser(MEAN, COV, dl.CosineSchedule()).sample(n, dl.CounterGenerator(7))
    assert ((x0.mean(0) - MEAN).abs() < 4 * (COV.diagonal() / n).sqrt()).all()
    spread = torch.sqrt((COV.diagonal()[:, None] * COV.diagonal() + COV**2) / n)      # standard error of a covariance
    assert ((torch.cov(x0.T) - COV).abs() < 4 * spread).all()
    mixture = dl.MixtureDenoiser(torch.tensor([1.0, 3.0]), torch.tensor([[-5.0], [5.0]]), torch.full((2, 1, 1), 0.04), dl.CosineSchedule())
    x0 = mixture.sample(n, dl.CounterGenerator(7))
    assert abs((x0 > 0).double().mean() - 0.75) < 4 * (0.75 * 0.25 / n) ** 0.5
    assert abs(x0[x0 > 0].std() - 0.2) < 0.003


@pytest.mark.parametrize("make, message", [
    (lambda: dl.MixtureDenoiser(torch.ones(2), torch.zeros(3, 2), torch.zeros(3, 2, 2), dl.CosineSchedule()), r"weights \(2,\)"),
    (lambda: dl.MixtureDenoiser(torch.ones(3), torch.zeros(3, 2), torch.zeros(3, 2), dl.CosineSchedule()), r"covs \(3, 2\)"),
    (lambda: dl.MixtureDenoiser(torch.tensor([1.0, -1.0]), torch.zeros(2, 1), torch.zeros(2, 1, 1), dl.CosineSchedule()), "below 0"),
    (lambda: dl.EmpiricalDenoiser(torch.zeros(0, 3), dl.CosineSchedule()), "data is empty"),
])
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
