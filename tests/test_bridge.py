"""Our weights in a pipeline of diffusers: the same static becomes the same picture, with their scheduler in charge."""

import functools
import json
import re
from pathlib import Path

import diffusers
import pytest
import torch
from diffusers import (DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler,
                       FlowMatchEulerDiscreteScheduler)
from diffusers.training_utils import EMAModel

import diffusion_lib as dl
from diffusion_lib.bridge import LANGUAGES, BridgedPipeline, clock_of, open_in_diffusers

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")       # theirs, under numpy 2
STEPS, GUIDANCE = 20, 2.0                                  # steps divide 1,000: their stops are whole numbers
BETAS = dict(beta_start=1e-4, beta_end=2e-2, beta_schedule="linear", timestep_spacing="trailing")
LINEAR = dl.LinearBetaSchedule()
WISH = dl.pets.parse_caption("a happy orange cat wearing a top hat on a blue background")[None]
STATIC = dl.randn((1, 3, 32, 32), dl.CounterGenerator(7))


@pytest.fixture(scope="module")
def pets32():
    return dl.zoo.load("pets32")


def levels(image) -> torch.Tensor:
    """A PIL image as numbers 0 to 255."""
    return torch.tensor(list(image.tobytes()))


def our_picture(denoiser, sampler):
    guided, x = dl.ClassifierFreeGuidance(denoiser, GUIDANCE), STATIC * float(denoiser.schedule.sigma(1.0))
    *_, last = dl.trajectory(guided, x, dl.uniform_times(STEPS), sampler, WISH)
    return dl.to_image(last.x[0])


def their_picture(pipe):
    pipe.set_progress_bar_config(disable=True)
    return pipe(WISH, latents=STATIC, num_inference_steps=STEPS, guidance_scale=GUIDANCE).images[0]


@pytest.mark.parametrize("scheduler, schedule, sampler", [
    (FlowMatchEulerDiscreteScheduler(), None, dl.Euler()),
    (DDIMScheduler(**BETAS, clip_sample=False), LINEAR, dl.DDIM()),
    (DPMSolverMultistepScheduler(**BETAS, final_sigmas_type="zero", prediction_type="v_prediction"), LINEAR, dl.DPMSolverPP2M()),
    (EulerDiscreteScheduler(**BETAS), LINEAR, dl.DDIM()),    # theirs works on an unshrunk picture
], ids=["FlowMatchEuler", "DDIM", "DPMSolverMultistep", "EulerDiscrete"])
def test_the_same_static_becomes_the_same_picture(pets32, scheduler, schedule, sampler):
    ours = our_picture(pets32 if schedule is None else pets32.under(schedule), sampler)
    theirs = their_picture(open_in_diffusers(pets32, scheduler))
    assert theirs.size == (32, 32) and (levels(ours) - levels(theirs)).abs().max() <= 1
    assert levels(ours).double().std() > 40                  # a picture, not a flat square


def test_a_scheduler_made_for_betas_walks_the_straight_path_too(pets32):
    """With flow sigmas theirs stops at 0.999 (1 - i / steps); stopping there too, ours draws the same picture."""
    scheduler = DPMSolverMultistepScheduler(use_flow_sigmas=True, prediction_type="flow_prediction")
    theirs = their_picture(open_in_diffusers(pets32, scheduler))
    *_, last = dl.trajectory(dl.ClassifierFreeGuidance(pets32, GUIDANCE), STATIC, scheduler.sigmas.double(), dl.DPMSolverPP2M(), WISH)
    assert (levels(theirs) - levels(dl.to_image(last.x[0]))).abs().max() <= 1 and levels(theirs).double().std() > 40


def test_saved_and_opened_again(pets32, tmp_path):
    """Weights as safetensors, everything else as JSON, and the same picture to the last bit."""
    pipe = open_in_diffusers(pets32, FlowMatchEulerDiscreteScheduler(shift=2.0))
    pipe.save_pretrained(tmp_path)
    files = {file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*") if file.is_file()}
    assert files == {"model_index.json", "scheduler/scheduler_config.json", "unet/config.json", "unet/diffusion_pytorch_model.safetensors"}
    assert json.loads((tmp_path / "unet" / "config.json").read_text())["denoiser"]["class"] == "NeuralDenoiser"
    again = BridgedPipeline.from_pretrained(tmp_path)
    assert (levels(their_picture(pipe)) == levels(their_picture(again))).all()


def test_static_from_a_seed_is_ours(pets32):
    pipe = open_in_diffusers(pets32, FlowMatchEulerDiscreteScheduler())
    pipe.set_progress_bar_config(disable=True)
    image = pipe(WISH, num_inference_steps=1, generator=dl.CounterGenerator(7)).images[0]
    (ours,) = dl.sample(pets32, (1, 3, 32, 32), steps=1, sampler=dl.Euler(), cond=WISH, generator=dl.CounterGenerator(7))
    assert (levels(image) - levels(dl.to_image(ours))).abs().max() <= 1


def test_a_seed_is_for_the_noise_on_the_way_too(pets32):
    pipe = open_in_diffusers(pets32, DDPMScheduler(**BETAS))
    pipe.set_progress_bar_config(disable=True)
    first, second, other = (pipe(WISH, num_inference_steps=3, generator=torch.Generator().manual_seed(seed)).images[0] for seed in (1, 1, 2))
    assert (levels(first) == levels(second)).all() and (levels(first) != levels(other)).any()


def test_models_that_read_are_refused():
    with pytest.raises(ValueError, match="listens to TextConditioner, but"):
        open_in_diffusers(dl.zoo.load("pets32-text"), FlowMatchEulerDiscreteScheduler())


def test_their_timestep_is_our_t():
    """Their timestep i is our t: i / 1000 for flows, (i + 1) / 1000 where there are betas."""
    schedule, first, T, language = clock_of(DDPMScheduler(beta_schedule="linear"))
    table = DDPMScheduler(beta_schedule="linear").alphas_cumprod.double()
    assert language == "epsilon"
    assert (schedule.alpha((torch.arange(1000) + first).double() / T) ** 2 - table).abs().max() < 1e-6
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    scheduler.set_timesteps(10)
    schedule, first, T, language = clock_of(scheduler)
    assert language == "flow_prediction"
    assert (schedule.sigma((scheduler.timesteps.double() + first) / T) - scheduler.sigmas[:-1].double()).abs().max() < 1e-6


@pytest.mark.parametrize("scheduler", [DDIMScheduler(beta_schedule="scaled_linear"), DDIMScheduler(rescale_betas_zero_snr=True),
                                       FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
                                       DPMSolverMultistepScheduler(use_flow_sigmas=True)])
def test_other_clocks_are_refused(scheduler):
    with pytest.raises(ValueError, match="scheduler is a .*beta_schedule='linear'"):
        clock_of(scheduler)


# The page "From here to diffusers".

PAGE = (Path(__file__).resolve().parent.parent / "book" / "from_here_to_diffusers.md").read_text(encoding="utf-8")


def test_what_the_page_says_of_the_average():
    theirs, ours = EMAModel([torch.nn.Parameter(torch.zeros(1))], decay=0.9), lambda n: min(0.9, (1 + n) / (10 + n))
    assert theirs.get_decay(1) == 0                          # the first update copies
    assert [theirs.get_decay(n + 1) for n in range(1, 200)] == pytest.approx([ours(n) for n in range(1, 200)])
    model = torch.nn.Linear(1, 1, bias=False)
    ema = dl.EMA(model, 0.9)
    torch.nn.init.constant_(ema.model.weight, 0), torch.nn.init.constant_(model.weight, 1)
    ema.update(model)
    assert float(ema.model.weight) == pytest.approx(1 - ours(0))


def test_names_on_the_page_exist():
    """The table's second column is ours, its third theirs."""
    rows = [line.split("|")[1:-1] for line in PAGE.splitlines() if line.startswith("| ") and line.count("|") == 4]
    ours = {name.split("(")[0] for row in rows[1:13] for name in re.findall(r"`([\w.]+)[^`]*`", row[1])}
    assert len(ours) > 15
    for name in ours:
        assert functools.reduce(getattr, name.split("."), dl), name
    theirs = set(re.findall(r"\b(?:[A-Z]\w+Scheduler|UNet2DModel|EMAModel)\b", PAGE))
    assert len(theirs) > 5 and all(hasattr(diffusers, name) or hasattr(diffusers.training_utils, name) for name in theirs)


def test_the_page_names_the_languages_of_the_bridge():
    assert all(f"`{language}`" in PAGE for language in LANGUAGES)
