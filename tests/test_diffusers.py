"""The same numbers as a production library: whole trajectories, step by step, against the schedulers of diffusers.

Both sides ask one denoiser, a mixture of Gaussians that is not linear in x_t, in float64. diffusers keeps its tables of
betas and sigmas in float32; where they are written in float64 here, the formulas themselves are compared and agree to
1e-9. Some of its schedulers also round the picture to float32 at each step; those agree to 1e-6 of the picture's scale.
"""

import diffusers
import pytest
import torch

import diffusion_lib as dl
from exact import float64_noise, max_error, rings

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")       # theirs, under numpy 2
ROUNDED = 1e-6                                               # of the largest value: about ten steps of float32's last bit
EXACT = 1e-9


def assert_same_walk(states, theirs, tolerance):
    """Every state of our walk against theirs (the same number of them)."""
    ours = [state.x for state in states]
    assert len(ours) == len(theirs) > 10
    for a, b in zip(ours, theirs):
        assert max_error(a, b.double()) < tolerance * max(1.0, float(a.abs().max()))


def in_float64(scheduler):
    """The scheduler with its tables made anew in float64, from its own formula: betas on a line, their cumulated product."""
    c = scheduler.config
    scheduler.betas = torch.linspace(c.beta_start, c.beta_end, c.num_train_timesteps, dtype=torch.float64)
    scheduler.alphas = 1 - scheduler.betas
    scheduler.alphas_cumprod = torch.cumprod(scheduler.alphas, 0)
    return scheduler


def test_betas_and_alpha_bar():
    scheduler, schedule = diffusers.DDPMScheduler(beta_start=1e-4, beta_end=2e-2, beta_schedule="linear"), dl.LinearBetaSchedule()
    assert max_error(scheduler.betas.double(), schedule.betas) < 2e-9         # float32
    assert max_error(scheduler.alphas_cumprod.double(), schedule.alpha_bar[1:]) < 1e-6
    assert max_error(scheduler.alphas_cumprod.double(), schedule.alpha((torch.arange(1000) + 1).double() / 1000) ** 2) < 1e-6
    t = torch.tensor([0, 20, 500, 999])                      # theirs; ours is (t + 1) / 1000
    x0, eps = float64_noise(4, 3, seed=1), float64_noise(4, 3, seed=2)
    assert max_error(in_float64(scheduler).add_noise(x0, eps, t), dl.diffuse(x0, eps, (t + 1).double() / 1000, schedule)) < 1e-12
    assert max_error(scheduler.get_velocity(x0, eps, t), dl.V.target(x0, eps, dl.coefficients(schedule, (t + 1).double() / 1000, x0))) < 1e-12


@pytest.mark.parametrize("steps", [50, 250])
@pytest.mark.parametrize("row", ["epsilon", "sample", "v_prediction"])
def test_ddpm(steps, row):
    scheduler = in_float64(diffusers.DDPMScheduler(clip_sample=False, variance_type="fixed_small", timestep_spacing="trailing", prediction_type=row))
    scheduler.set_timesteps(steps)
    denoiser, noise = rings(dl.LinearBetaSchedule()), torch.Generator().manual_seed(1)
    theirs = [float64_noise(4, 3)]
    for i in scheduler.timesteps:
        belief = denoiser(theirs[-1], (int(i) + 1) / 1000)
        answer = {"epsilon": belief.eps, "sample": belief.x0, "v_prediction": belief.v}[row]
        theirs.append(scheduler.step(answer, int(i), theirs[-1], generator=noise).prev_sample)
    ours = dl.trajectory(denoiser, theirs[0], dl.uniform_times(steps), dl.Ancestral(), generator=torch.Generator().manual_seed(1))
    assert_same_walk(ours, theirs, EXACT)


@pytest.mark.parametrize("steps", [20, 50])
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_ddim(steps, eta):
    scheduler = in_float64(diffusers.DDIMScheduler(clip_sample=False, set_alpha_to_one=True, timestep_spacing="trailing"))
    scheduler.set_timesteps(steps)
    denoiser, noise = rings(dl.LinearBetaSchedule()), torch.Generator().manual_seed(1)
    theirs = [float64_noise(4, 3)]
    for i in scheduler.timesteps:
        eps = denoiser(theirs[-1], (int(i) + 1) / 1000).eps
        theirs.append(scheduler.step(eps, int(i), theirs[-1], eta=eta, generator=noise).prev_sample)
    ours = dl.trajectory(denoiser, theirs[0], dl.uniform_times(steps), dl.DDIM(eta), generator=torch.Generator().manual_seed(1))
    assert_same_walk(ours, theirs, EXACT)


def karras_walk(steps=30):
    schedule = dl.EDMSchedule()
    times = dl.karras_times(steps, schedule)
    return rings(schedule), times, schedule.sigma(times), 80 * float64_noise(4, 3)


def test_euler_discrete():
    denoiser, times, sigmas, x = karras_walk()
    scheduler = diffusers.EulerDiscreteScheduler()
    scheduler.set_timesteps(sigmas=sigmas.tolist())
    scheduler.set_begin_index(0)                             # go by position: their own time labels end at sigma = 157
    scheduler.is_scale_input_called = True                   # our denoiser scales its input itself
    theirs = [x]
    for i, label in enumerate(scheduler.timesteps):
        theirs.append(scheduler.step(denoiser(theirs[-1], times[i]).eps, label, theirs[-1]).prev_sample)
    assert_same_walk(dl.trajectory(denoiser, x, times, dl.Euler()), theirs, ROUNDED)


def test_heun_discrete():
    denoiser, times, sigmas, x = karras_walk()
    scheduler = diffusers.HeunDiscreteScheduler()
    scheduler.set_timesteps(30)
    scheduler.set_begin_index(0)
    scheduler.sigmas = torch.cat([sigmas[:1], sigmas[1:-1].repeat_interleave(2), sigmas[-1:]])
    theirs, between = [x], x
    for k, label in enumerate(scheduler.timesteps):          # two calls a step, one in the last
        between = scheduler.step(denoiser(between, scheduler.sigmas[k] / 80).eps, label, between).prev_sample
        if k % 2 or k == len(scheduler.timesteps) - 1:
            theirs.append(between)
    assert_same_walk(dl.trajectory(denoiser, x, times, dl.Heun()), theirs, EXACT)


@pytest.mark.parametrize("shift, sampler", [(1.0, dl.Euler()), (1.0, dl.DDIM()), (3.0, dl.DDIM())], ids=["Euler", "DDIM", "DDIM shifted"])
def test_flow_match_euler_discrete(shift, sampler):
    """With a shift, their Euler step is straight in sigma, not in t: that is our DDIM."""
    scheduler, times = diffusers.FlowMatchEulerDiscreteScheduler(shift=shift), dl.uniform_times(30)
    scheduler.set_timesteps(sigmas=times[:-1].tolist())
    schedule = dl.RectifiedFlowSchedule(shift)
    denoiser, theirs = rings(schedule), [float64_noise(4, 3)]
    for t, label in zip(times, scheduler.timesteps):
        belief = denoiser(theirs[-1], t)
        theirs.append(scheduler.step(belief.eps - belief.x0, label, theirs[-1]).prev_sample)
    assert_same_walk(dl.trajectory(denoiser, theirs[0], times, sampler), theirs, ROUNDED)


@pytest.mark.parametrize("steps", [20, 50])
def test_dpm_solver_multistep(steps):
    scheduler = diffusers.DPMSolverMultistepScheduler(algorithm_type="dpmsolver++", solver_order=2, solver_type="midpoint",
                                                      final_sigmas_type="zero", timestep_spacing="trailing")
    scheduler.set_timesteps(steps)
    schedule, times = dl.LinearBetaSchedule(), dl.uniform_times(steps)
    assert max_error((scheduler.timesteps + 1).double() / 1000, times[:-1]) < 1e-12
    sigmas = schedule.sigma(times) / schedule.alpha(times)   # theirs is the noise on an unshrunk picture
    assert max_error(scheduler.sigmas.double() / sigmas.clamp(min=1), sigmas / sigmas.clamp(min=1)) < 1e-5
    scheduler.sigmas = sigmas
    denoiser, theirs = rings(schedule), [float64_noise(4, 3)]
    for t, label in zip(times, scheduler.timesteps):
        theirs.append(scheduler.step(denoiser(theirs[-1], t).eps, label, theirs[-1]).prev_sample)
    assert_same_walk(dl.trajectory(denoiser, theirs[0], times, dl.DPMSolverPP2M()), theirs, ROUNDED)
