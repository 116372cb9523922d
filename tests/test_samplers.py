"""Samplers: how fast the error falls with the number of steps, and what each is the same as.

The oracle is a Gaussian, whose probability flow and marginals are known exactly. A deterministic sampler's order is the
slope of its error on a log-log plot. A stochastic sampler's step is affine on a Gaussian, x_s = A x + b + G z, so mean
and covariance are carried through all steps without drawing a single number, and their error has a slope too.
"""

import pytest
import torch

import diffusion_lib as dl
from exact import (COV, MEAN, SCHEDULES, RandomNetwork, exact_flow, float64_noise, max_error, moments_at, rings, slope)

DETERMINISTIC = [dl.Euler(), dl.DDIM(), dl.Heun(), dl.DPMSolverPP2M()]
STOCHASTIC = [dl.Ancestral(), dl.DDIM(eta=0.5), dl.EulerMaruyama()]
STEPS = [80, 160, 320]
by_schedule = pytest.mark.parametrize("name", SCHEDULES)


def named(sampler):
    return f"{type(sampler).__name__}{getattr(sampler, 'eta', '')}"


def inside(name, steps):
    """From t = 0.98 to 0.02, evenly; on EDM's schedule evenly in t^(1/7), as Karras et al. do."""
    rho = 7 if name == "edm" else 1
    return torch.linspace(0.98 ** (1 / rho), 0.02 ** (1 / rho), steps + 1, dtype=torch.float64) ** rho


def walk(denoiser, x, times, sampler, **rest):
    return [state.x for state in dl.trajectory(denoiser, x, times, sampler, **rest)][-1]


def flow_errors(name, sampler, grid):
    schedule = SCHEDULES[name]
    denoiser, errors = dl.GaussianDenoiser(MEAN, COV, schedule), []
    for steps in STEPS:
        times = grid(steps)
        x = moments_at(times[0], schedule)[0] + float(schedule.sigma(times[0])) * float64_noise(6, 3)
        wanted = exact_flow(x, times[0], times[-1], schedule)
        errors.append(max_error(walk(denoiser, x, times, sampler), wanted))
    return errors


@by_schedule
@pytest.mark.parametrize("sampler", DETERMINISTIC, ids=named)
def test_order(name, sampler):
    errors = flow_errors(name, sampler, lambda steps: inside(name, steps))
    assert abs(slope(errors, STEPS) - sampler.order) < 0.1
    assert errors[-1] < 0.05


@pytest.mark.parametrize("name", ["cosine", "flow"])
@pytest.mark.parametrize("sampler", [dl.Euler(), dl.DDIM(), dl.Heun()], ids=named)
def test_order_from_pure_noise_to_clean_data(name, sampler):
    errors = flow_errors(name, sampler, dl.uniform_times)
    assert abs(slope(errors, STEPS) - sampler.order) < 0.1


@pytest.mark.parametrize("name", ["cosine", "flow"])
def test_multistep_from_pure_noise_to_clean_data(name):
    """Its first update and its last are of first order there, where log-SNR is infinite; it still wins by far."""
    two, one = (flow_errors(name, sampler, dl.uniform_times)[-1] for sampler in (dl.DPMSolverPP2M(), dl.DDIM()))
    assert two < one / 8


def affine_map(sampler, denoiser, t, s):
    """A (3, 3), b (3,), G (3, 3) of one step, by probing it with zeros and with unit vectors."""
    eye, zeros = torch.eye(3, dtype=torch.float64), torch.zeros(3, 3, dtype=torch.float64)
    x, z = torch.cat([zeros[:1], eye, zeros]), torch.cat([zeros[:1], zeros, eye])
    state = dl.State(x, t, denoiser(x, t))
    out = sampler.step(state, s, denoiser, denoiser.schedule, lambda: z)
    return (out[1:4] - out[0]).T, out[0], (out[4:] - out[0]).T


def propagated_moments(sampler, denoiser, times):
    mean, cov = moments_at(times[0], denoiser.schedule)
    for t, s in zip(times[:-1], times[1:]):
        a, b, g = affine_map(sampler, denoiser, t, s)
        mean, cov = a @ mean + b, a @ cov @ a.T + g @ g.T
    return mean, cov


@by_schedule
@pytest.mark.parametrize("sampler", STOCHASTIC, ids=named)
def test_weak_order(name, sampler):
    schedule = SCHEDULES[name]
    denoiser, errors = dl.GaussianDenoiser(MEAN, COV, schedule), []
    for steps in STEPS:
        times = inside(name, steps)
        (mean, cov), (true_mean, true_cov) = propagated_moments(sampler, denoiser, times), moments_at(times[-1], schedule)
        errors.append(max(max_error(mean, true_mean), max_error(cov, true_cov)))
    assert sampler.stochastic and errors[-1] < 0.1
    assert abs(slope(errors, STEPS) - sampler.order) < 0.15


@by_schedule
def test_ancestral_is_exact_for_one_picture(name):
    """With one possible picture the guess is right, and each step draws from q(x_s | x_t, x0): the marginals are exact (Claim 13.1)."""
    schedule, nothing = SCHEDULES[name], torch.zeros(3, 3, dtype=torch.float64)
    denoiser, times = dl.GaussianDenoiser(MEAN, nothing, schedule), inside(name, 7)
    for sampler in (dl.Ancestral(), dl.DDIM(eta=0.5), dl.DDIM()):
        mean, cov = schedule.alpha(times[0]) * MEAN, schedule.sigma(times[0]) ** 2 * torch.eye(3, dtype=torch.float64)
        for t, s in zip(times[:-1], times[1:]):
            a, b, g = affine_map(sampler, denoiser, t, s)
            mean, cov = a @ mean + b, a @ cov @ a.T + g @ g.T
        assert max_error(mean, schedule.alpha(times[-1]) * MEAN) < 1e-11
        assert max_error(cov, schedule.sigma(times[-1]) ** 2 * torch.eye(3, dtype=torch.float64)) < 1e-11


@by_schedule
@pytest.mark.parametrize("steps", [1, 2, 9])
@pytest.mark.parametrize("sampler", DETERMINISTIC + STOCHASTIC, ids=named)
def test_finite_over_the_whole_range(name, steps, sampler):
    schedule = SCHEDULES[name]
    denoiser = dl.NeuralDenoiser(RandomNetwork(), schedule)
    for times in (dl.uniform_times(steps), dl.karras_times(steps, schedule), dl.log_snr_times(steps, schedule)):
        if isinstance(sampler, dl.EulerMaruyama) and schedule.alpha(times[0]) < 1e-8:
            continue
        x = float64_noise(6, 3) * schedule.sigma(times[0])
        out = walk(denoiser, x, times, sampler, generator=dl.CounterGenerator(1))
        assert out.isfinite().all() and out.abs().max() < 400


@by_schedule
@pytest.mark.parametrize("sampler", DETERMINISTIC + STOCHASTIC, ids=named)
def test_the_whole_walk_arrives(name, sampler):
    """From static to data on the grid meant for it: the mean and the spread of the answer are those of the data."""
    schedule, steps = SCHEDULES[name], 200
    denoiser = dl.GaussianDenoiser(MEAN, COV, schedule)
    times = dl.karras_times(steps, schedule)
    mean, cov = moments_at(times[0], schedule)
    if sampler.stochastic:
        mean, cov = propagated_moments(sampler, denoiser, times)
    else:                                                    # an affine map, probed as a whole
        x = torch.cat([torch.zeros(1, 3, dtype=torch.float64), torch.eye(3, dtype=torch.float64)])
        out = walk(denoiser, x, times, sampler)
        a = (out[1:] - out[0]).T
        mean, cov = a @ mean + out[0], a @ cov @ a.T
    assert max_error(mean, MEAN) < 0.03 and max_error(cov, COV) < 0.06


def test_ancestral_is_algorithm_2_of_ho_et_al():
    """The thousand steps of the paper, written out with its betas, with the same noise (Claim 13.3)."""
    schedule = dl.LinearBetaSchedule()
    denoiser = rings(schedule)
    states = dl.trajectory(denoiser, float64_noise(4, 3, seed=9), dl.uniform_times(1000), dl.Ancestral(), generator=dl.CounterGenerator(5))
    beta = torch.linspace(1e-4, 2e-2, 1000, dtype=torch.float64)
    alpha_bar, noise = torch.cumprod(1 - beta, 0), dl.CounterGenerator(5)
    x = next(states).x
    for i in range(1000, 0, -1):
        z = dl.randn((4, 3), noise, dtype=torch.float64)
        eps = denoiser(x, i / 1000).eps
        b, bar, bar_before = beta[i - 1], alpha_bar[i - 1], alpha_bar[i - 2] if i > 1 else torch.tensor(1.0)
        variance = (1 - bar_before) / (1 - bar) * b          # beta-tilde, eq. 7; zero at the last step
        x = (x - b / torch.sqrt(1 - bar) * eps) / torch.sqrt(1 - b) + torch.sqrt(variance) * z
        assert max_error(next(states).x, x) < 1e-10


@pytest.mark.parametrize("name", ["flow", "edm"])
def test_ddim_is_euler_on_straight_lines(name):
    """Where alpha and sigma are straight lines in t, stepping along the velocity re-mixes x0 and eps."""
    schedule = SCHEDULES[name]
    x, times = float64_noise(4, 3) * float(schedule.sigma(1.0)), dl.uniform_times(20)
    assert max_error(walk(rings(schedule), x, times, dl.DDIM()), walk(rings(schedule), x, times, dl.Euler())) < 1e-12


def test_ddim_is_not_euler_on_curves():
    x, times = float64_noise(4, 3), dl.uniform_times(20)
    curved = rings(dl.CosineSchedule())
    assert max_error(walk(curved, x, times, dl.DDIM()), walk(curved, x, times, dl.Euler())) > 1e-3


@pytest.mark.parametrize("name", ["cosine", "linear beta", "flow"])
def test_ddim_is_k_diffusions_euler(name):
    """DDIM is Euler in x_t / alpha against sigma / alpha, on any schedule."""
    schedule = SCHEDULES[name]
    denoiser, times = rings(schedule), inside(name, 15)
    x, first = float64_noise(4, 3), float64_noise(4, 3)
    for t, s in zip(times[:-1], times[1:]):
        ratio_t, ratio_s = schedule.sigma(t) / schedule.alpha(t), schedule.sigma(s) / schedule.alpha(s)
        scaled = x / schedule.alpha(t)
        x = schedule.alpha(s) * (scaled + (ratio_s - ratio_t) * (scaled - denoiser(x, t).x0) / ratio_t)
    assert max_error(walk(denoiser, first, times, dl.DDIM()), x) < 1e-12


def test_euler_maruyama_is_the_reverse_sde():
    """dx = (f - g^2 score) dt + g dw with DDPM's f = -beta x / 2 and g^2 = beta (Song et al. 2021, eq. 6 and 11)."""
    schedule, t, s = dl.LinearBetaSchedule(), torch.tensor(0.4, dtype=torch.float64), torch.tensor(0.39, dtype=torch.float64)
    denoiser, x, z = rings(schedule), float64_noise(4, 3), float64_noise(4, 3, seed=3)
    d_alpha, alpha = schedule.rates(t)[0], schedule.alpha(t)
    beta, belief = -2 * d_alpha / alpha, denoiser(x, t)
    wanted = x + (s - t) * (-beta * x / 2 - beta * belief.score) + torch.sqrt(beta * (t - s)) * z
    assert max_error(dl.EulerMaruyama().step(dl.State(x, t, belief), s, denoiser, schedule, lambda: z), wanted) < 1e-12


def test_eta_one_is_ancestral_and_eta_zero_draws_nothing():
    model, x, times = rings(dl.CosineSchedule()), float64_noise(4, 3), dl.uniform_times(10)
    one, two = dl.CounterGenerator(1), dl.CounterGenerator(1)
    assert torch.equal(walk(model, x, times, dl.DDIM(eta=1.0), generator=one), walk(model, x, times, dl.Ancestral(), generator=two))
    for sampler in DETERMINISTIC:
        walk(model, x, times, sampler, generator=one)
    assert one.position == two.position == 10 * 12


@pytest.mark.parametrize("sampler", DETERMINISTIC + STOCHASTIC, ids=named)
def test_trajectory(sampler):
    model, x, times = rings(dl.LinearBetaSchedule()), float64_noise(4, 3), dl.uniform_times(6)
    states = list(dl.trajectory(model, x, times, sampler, generator=dl.CounterGenerator(1)))
    assert len(states) == 7 and states[0].x is x
    assert [float(state.t) for state in states] == times.tolist()
    assert states[-1].prediction is None and states[0].previous is None
    for before, state in zip(states, states[1:]):
        assert state.previous.x is before.x and state.previous.prediction is before.prediction
        assert state.previous.previous is None               # a walk of 1,000 steps does not hold 1,000 pictures
        assert max_error(before.prediction.x0, model(before.x, before.t).x0) == 0


@pytest.mark.parametrize("sampler", DETERMINISTIC + STOCHASTIC, ids=named)
def test_questions_to_the_denoiser(sampler):
    """One a step, two for Heun; each with the condition, which the sampler itself never sees."""
    network, cond = RandomNetwork(), float64_noise(4)
    model = dl.NeuralDenoiser(network, dl.LinearBetaSchedule())
    walk(model, float64_noise(4, 3), dl.uniform_times(6), sampler, cond=cond, generator=dl.CounterGenerator(1))
    assert len(network.asked) == (11 if isinstance(sampler, dl.Heun) else 6)
    assert all(asked[2] is cond for asked in network.asked)
    assert not any(asked[0].requires_grad for asked in network.asked)


@by_schedule
def test_a_step_may_ask_the_schedule_about_any_time(name):
    """The rows of a walk are computed beforehand; they, and all others, are those of the denoiser's own schedule."""
    model, asked = rings(SCHEDULES[name]), []

    class Asks(dl.Euler):
        def step(self, state, s, denoise, schedule, noise):
            for t in (state.t, s, (state.t + s) / 2, torch.stack([state.t, s]), 0.3):
                for found, wanted in zip(schedule.at(t), model.schedule.at(t), strict=True):
                    assert max_error(found / wanted.abs().clamp(min=1), wanted / wanted.abs().clamp(min=1)) < 1e-12
            asked.append(float(s))
            return super().step(state, s, denoise, schedule, noise)

    walk(model, float64_noise(4, 3), inside(name, 4), Asks())
    assert asked == inside(name, 4)[1:].tolist()


def test_same_seed_same_pictures():
    model = rings(dl.CosineSchedule()).float()
    a, b, c = (dl.sample(model, (5, 3), steps=8, sampler=dl.Ancestral(), generator=dl.CounterGenerator(seed)) for seed in (7, 7, 8))
    assert torch.equal(a, b) and max_error(a, c) > 0.1


@by_schedule
def test_sample_begins_in_the_schedules_own_static(name):
    """sample is trajectory from sigma(times[0]) times normal noise."""
    schedule = SCHEDULES[name]
    model, times = rings(schedule).float(), dl.karras_times(8, schedule)
    x = dl.randn((5, 3), dl.CounterGenerator(7)) * float(schedule.sigma(times[0]))
    assert torch.equal(dl.sample(model, (5, 3), times=times, generator=dl.CounterGenerator(7)), walk(model, x, times, dl.DDIM()))


@by_schedule
def test_samples_have_the_moments_of_the_data(name):
    n, schedule = 20_000, SCHEDULES[name]
    model = dl.GaussianDenoiser(MEAN.float(), COV.float(), schedule)
    x0 = dl.sample(model, (n, 3), times=dl.karras_times(40, schedule), sampler=dl.DPMSolverPP2M(), generator=dl.CounterGenerator(7)).double()
    assert max_error(x0.mean(0), MEAN) < 0.03 and max_error(torch.cov(x0.T), COV) < 0.03


@pytest.mark.parametrize("times", [[0.0, 1.0], [1.0, 0.5, 0.5, 0.0], [1.0], 1.0, [[1.0, 0.0]]])
def test_times_that_do_not_fall_are_refused(times):
    with pytest.raises(ValueError, match="times are .* falling"):
        next(dl.trajectory(rings(dl.CosineSchedule()), float64_noise(4, 3), torch.tensor(times)))


@pytest.mark.parametrize("make, message", [
    (lambda: dl.DDIM(eta=1.5), "eta is 1.5"),
    (lambda: dl.sample(rings(dl.CosineSchedule()).float(), (4, 3), sampler=dl.EulerMaruyama()), "t is 1, .* below t = 1"),
    (lambda: dl.sample(rings(dl.CosineSchedule()).float(), (4, 3), steps=0), "steps is 0"),
    (lambda: walk(rings(dl.CosineSchedule()), float64_noise(4, 3), torch.tensor([1.5, 0.0]), dl.DDIM()), "t is 1.5"),
])
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
