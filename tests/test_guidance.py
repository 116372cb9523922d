"""Guidance: a mixture of two beliefs, and no sampler of the sharpened density."""

import pytest
import torch

import diffusion_lib as dl
from exact import INSIDE, SCHEDULES, RandomNetwork, float64_noise, max_error

by_schedule = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES.keys())
X, COND, KEEP_ALL = float64_noise(25, 3, seed=1), float64_noise(25, seed=2), torch.ones(25, dtype=torch.bool)
WEIGHTS, MEANS, STDS = torch.tensor([0.5, 0.5]).double(), torch.tensor([[-1.0], [1.0]]).double(), torch.tensor([0.5, 0.5]).double()


def model_on(schedule):
    return dl.NeuralDenoiser(RandomNetwork(), schedule)


@by_schedule
def test_scale_zero_and_one_are_the_two_models(schedule):
    model = model_on(schedule)
    conditional, nothing = model(X, INSIDE, COND, KEEP_ALL), model(X, INSIDE, COND, ~KEEP_ALL)
    assert max_error(conditional.x0, nothing.x0) > 1e-3
    for scale, wanted in ((0, nothing), (1, conditional)):
        found = dl.ClassifierFreeGuidance(model, scale)(X, INSIDE, COND)
        assert max_error(found.x0, wanted.x0) < 1e-12 and max_error(found.eps, wanted.eps) < 1e-12


@by_schedule
@pytest.mark.parametrize("scale", [-1.0, 0.3, 2.0, 7.3])
def test_guidance_is_one_affine_combination_in_every_language(schedule, scale):
    model = model_on(schedule)
    conditional, nothing = model(X, INSIDE, COND, KEEP_ALL), model(X, INSIDE, COND, ~KEEP_ALL)
    found = dl.ClassifierFreeGuidance(model, scale)(X, INSIDE, COND)
    for language in ("x0", "eps", "v", "score", "velocity"):
        wanted = getattr(nothing, language) + scale * (getattr(conditional, language) - getattr(nothing, language))
        assert max_error(getattr(found, language), wanted) < 1e-12 * (1 + float(wanted.detach().abs().max()))
    assert max_error(found.x_t, X) < 1e-10


def test_paper_weight_is_scale_minus_one():
    """Ho and Salimans 2022, eq. 6: (1 + w) eps(cond) - w eps(nothing)."""
    model, w = model_on(dl.CosineSchedule()), 1.5
    conditional, nothing = model(X, INSIDE, COND, KEEP_ALL), model(X, INSIDE, COND, ~KEEP_ALL)
    found = dl.ClassifierFreeGuidance(model, 1 + w)(X, INSIDE, COND)
    assert max_error(found.eps, (1 + w) * conditional.eps - w * nothing.eps) < 1e-12


@pytest.mark.parametrize("t", [INSIDE, 0.6])
def test_both_beliefs_come_from_one_call(t):
    model = model_on(dl.CosineSchedule())
    dl.ClassifierFreeGuidance(model, 3.0)(X, t, COND)
    (x, log_snr, cond, keep), = model.network.asked
    assert len(x) == len(log_snr) == len(cond) == 50 and torch.equal(cond, torch.cat([COND, COND]))
    assert torch.equal(x[:25], x[25:]) and torch.equal(keep, torch.cat([KEEP_ALL, ~KEEP_ALL]))


def test_rows_that_keep_nothing_are_not_guided():
    model, keep = model_on(dl.CosineSchedule()), torch.arange(25) % 2 == 0
    found = dl.ClassifierFreeGuidance(model, 3.0)(X, INSIDE, COND, keep)
    assert max_error(found.x0[~keep], model(X, INSIDE, COND, ~KEEP_ALL).x0[~keep]) < 1e-12
    assert max_error(found.x0[keep], dl.ClassifierFreeGuidance(model, 3.0)(X, INSIDE, COND).x0[keep]) < 1e-12


class ListensToLists(dl.Denoiser):
    """Its condition is a list of words; the guess of x0 is their length, or 0 where nothing is kept."""

    schedule = dl.CosineSchedule()

    def forward(self, x_t, t, cond=None, keep=None):
        assert isinstance(cond, list) and len(cond) == len(x_t)
        length = torch.tensor([[float(len(word))] for word in cond], dtype=x_t.dtype)
        x0 = (length if keep is None else torch.where(keep[:, None], length, 0)).expand_as(x_t)
        return dl.X0.invert(x0, x_t, dl.coefficients(self.schedule, t, x_t))


def test_the_condition_may_be_a_list():
    found = dl.ClassifierFreeGuidance(ListensToLists(), 2.5)(X[:2], 0.5, ["cat", "a frog"])
    assert max_error(found.x0, torch.tensor([[7.5], [15.0]], dtype=torch.float64).expand(2, 3)) < 1e-12


def test_outside_its_interval_nothing_is_guided():
    model = model_on(dl.CosineSchedule())
    guided, limited = dl.ClassifierFreeGuidance(model, 4.0), dl.ClassifierFreeGuidance(model, 4.0, interval=(0.3, 0.7))
    free, full = model(X, INSIDE, COND), guided(X, INSIDE, COND)
    within = (INSIDE >= 0.3) & (INSIDE <= 0.7)
    assert 5 < within.sum() < 20
    assert max_error(limited(X, INSIDE, COND).x0, torch.where(within[:, None], full.x0, free.x0)) < 1e-12
    for t, wanted in ((0.2, model), (0.3, guided), (0.5, guided), (0.7, guided), (0.71, model)):
        assert max_error(limited(X, t, COND).x0, wanted(X, t, COND).x0) < 1e-12


def test_nothing_to_guide_costs_nothing():
    """Without a condition, at scale 1, or outside the interval, the model is asked as it is, with B rows."""
    model = model_on(dl.CosineSchedule())
    dl.ClassifierFreeGuidance(model, 3.0)(X, 0.5)
    dl.ClassifierFreeGuidance(model, 1.0)(X, 0.5, COND)
    dl.ClassifierFreeGuidance(model, 3.0, interval=(0.6, 1.0))(X, 0.5, COND)
    assert [len(asked[0]) for asked in model.network.asked] == [25, 25, 25]


class TwoClasses(dl.Denoiser):
    """Knows both exactly: the mixture where nothing is kept, and the class cond (0 or 1) where it is."""

    def __init__(self, schedule):
        super().__init__()
        self.schedule, covs = schedule, (STDS**2)[:, None, None]
        self.all = dl.MixtureDenoiser(WEIGHTS, MEANS, covs, schedule)
        self.one = [dl.GaussianDenoiser(MEANS[k], covs[k], schedule) for k in (0, 1)]

    def forward(self, x_t, t, cond=None, keep=None):
        everything = self.all(x_t, t)
        if cond is None:
            return everything
        x0 = torch.where((cond == 0)[:, None], self.one[0](x_t, t).x0, self.one[1](x_t, t).x0)
        x0 = x0 if keep is None else torch.where(keep[:, None], x0, everything.x0)
        return dl.X0.invert(x0, x_t, everything.at)


def sharpened_moments(scale):
    """Mean and standard deviation of p(x) p(class 1 | x)^scale, by integration."""
    x = torch.linspace(-6, 6, 12001, dtype=torch.float64)
    each = WEIGHTS / STDS * torch.exp(-((x[:, None] - MEANS[:, 0]) / STDS) ** 2 / 2)
    density = each.sum(1) * (each[:, 1] / each.sum(1)) ** scale
    density = density / density.sum()
    mean = (density * x).sum()
    return float(mean), float(((x - mean) ** 2 * density).sum().sqrt())


def sampled_moments(scale):
    """The same of what guided sampling makes: 2,001 evenly spread quantiles of the static, carried by Heun."""
    x = torch.special.ndtri((torch.arange(2001, dtype=torch.float64) + 0.5) / 2001)[:, None]
    guided = dl.ClassifierFreeGuidance(TwoClasses(dl.CosineSchedule()), scale)
    for state in dl.trajectory(guided, x, dl.uniform_times(60), dl.Heun(), cond=torch.ones(2001, dtype=torch.long)):
        pass
    return float(state.x.mean()), float(state.x.std())


def test_guidance_does_not_sample_the_sharpened_density():
    """At scale 1 both are class 1. Above it they part: guidance goes too far and grows too narrow."""
    (mean, std), (sharp_mean, sharp_std) = sampled_moments(1.0), sharpened_moments(1.0)
    assert abs(mean - sharp_mean) < 0.01 and abs(std - sharp_std) < 0.01
    (mean, std), (sharp_mean, sharp_std) = sampled_moments(4.0), sharpened_moments(4.0)
    assert mean > sharp_mean + 0.5 and std < 0.7 * sharp_std


def test_one_text_is_no_condition_of_many_pictures():
    with pytest.raises(ValueError, match="cond is 'a cat', .* list of 3 texts"):
        dl.ClassifierFreeGuidance(model_on(dl.CosineSchedule()), 2.0)(torch.zeros(3, 1), 0.5, "a cat")


@pytest.mark.parametrize("interval", [(-0.1, 1.0), (0.0, 1.1), (0.7, 0.3)])
def test_an_interval_outside_the_clock_or_upside_down_is_refused(interval):
    with pytest.raises(ValueError, match="interval is .* 0 <= low <= high <= 1"):
        dl.ClassifierFreeGuidance(model_on(dl.CosineSchedule()), 2.0, interval)
