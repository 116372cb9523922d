"""Our models opened in diffusers, the library that most of the world's diffusion models are published with.

There a model is three parts. A *unet* takes (sample, timestep) and answers in one language; a *scheduler* is what we
call schedule, time grid and sampler together; a *pipeline* is the loop around both:

    pipe = open_in_diffusers(zoo.load("pets32"), FlowMatchEulerDiscreteScheduler())
    pipe(attributes, latents=static, num_inference_steps=30, guidance_scale=2.0).images

Given the same static it draws the picture that `sample` draws. `pipe.save_pretrained(folder)` writes safetensors and
JSON; `BridgedPipeline.from_pretrained(folder)` reads them, once this module is imported.

Needs the package diffusers, which nothing else here does.
"""

import inspect
from typing import NamedTuple

import torch
from diffusers import ConfigMixin, DiffusionPipeline, FlowMatchEulerDiscreteScheduler, ImagePipelineOutput, ModelMixin, SchedulerMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.unets.unet_2d import UNet2DOutput
from torch import Tensor

from .checkpoints import build, describe
from .conditioning import UNSAID, AttributeConditioner
from .denoisers import NeuralDenoiser
from .pictures import to_image
from .random import Generator, randn
from .schedules import LinearBetaSchedule, NoiseSchedule, RectifiedFlowSchedule, uniform_times

# What a scheduler wants to hear (their `prediction_type`), and what our `Prediction` calls it.
LANGUAGES = {"epsilon": "eps", "sample": "x0", "v_prediction": "v", "flow_prediction": "velocity"}


class Clock(NamedTuple):
    """How a scheduler counts time: their timestep i is our t = (i + first) / T on this schedule.

    schedule: ours. first: what we call their step 0. T: how many steps they count. language: a key of `LANGUAGES`.
    """

    schedule: NoiseSchedule
    first: int
    T: int
    language: str


def clock_of(scheduler: SchedulerMixin) -> Clock:
    """The clock of a scheduler of diffusers: a flow's, or that of betas on a line.

    A scheduler made for betas walks a flow where it is made with use_flow_sigmas=True and prediction_type="flow_prediction".
    Raises ValueError for any other (other betas, rescaled betas, flow sigmas with another prediction, dynamic shifting).
    """
    c, name = scheduler.config, type(scheduler).__name__
    flows = isinstance(scheduler, FlowMatchEulerDiscreteScheduler) or c.get("use_flow_sigmas") and c.prediction_type == "flow_prediction"
    if flows and not c.get("use_dynamic_shifting"):
        return Clock(RectifiedFlowSchedule(), 0, c.num_train_timesteps, "flow_prediction")
    odd = [option for option in ("trained_betas", "rescale_betas_zero_snr", "use_flow_sigmas", "use_dynamic_shifting") if c.get(option)]
    if c.get("beta_schedule") != "linear" or odd or c.prediction_type not in LANGUAGES:
        raise ValueError(f"scheduler is a {name} with beta_schedule {c.get('beta_schedule')!r}{''.join(f', {option}' for option in odd)}, "
                         f"but it has to be a FlowMatchEulerDiscreteScheduler, one with use_flow_sigmas=True and "
                         f"prediction_type='flow_prediction', or one with beta_schedule='linear'")
    return Clock(LinearBetaSchedule(c.num_train_timesteps, c.beta_start, c.beta_end), 1, c.num_train_timesteps, c.prediction_type)


class BridgedUNet(ModelMixin, ConfigMixin):
    """A denoiser of ours that is asked and answers as a unet of diffusers does.

    denoiser: a `NeuralDenoiser`, as `describe` tells it. schedule: the clock's, told likewise. first, T, language: as in
    `Clock`. sample_size: width and height of the pictures, in pixels. All of it is JSON, so it is kept in config.json.
    """

    @register_to_config
    def __init__(self, denoiser: dict, schedule: dict, first: int, T: int, language: str, sample_size: int = 32):
        super().__init__()
        self.model, self.clock = build(denoiser), Clock(build(schedule), first, T, language)

    def forward(self, sample: Tensor, timestep: float | Tensor, class_labels: Tensor | None = None, return_dict: bool = True):
        """The answer in the scheduler's language, (B, C, H, W).

        sample: x_t (B, C, H, W). timestep: () or (B,), counted as the scheduler does. class_labels: the condition, one a
        row, or None for "nothing". return_dict: whether it comes as a `UNet2DOutput` or as a tuple of one.
        """
        schedule, first, T, language = self.clock
        t = ((torch.as_tensor(timestep, dtype=torch.float64) + first) / T).clamp(0, 1)
        same = describe(schedule) == describe(self.model.schedule)
        belief = (self.model if same else self.model.under(schedule))(sample, t, class_labels)
        answer = getattr(belief, LANGUAGES[language])
        return UNet2DOutput(sample=answer) if return_dict else (answer,)


class BridgedPipeline(DiffusionPipeline):
    """Static in, pictures out: the loop of diffusers' own pipelines (ask, guide, step) around one network of ours.

    unet: a `BridgedUNet`. scheduler: the one that it was bridged for.
    """

    def __init__(self, unet: BridgedUNet, scheduler: SchedulerMixin):
        super().__init__()
        self.register_modules(unet=unet, scheduler=scheduler)

    @torch.no_grad()
    def __call__(self, attributes: Tensor, latents: Tensor | None = None, num_inference_steps: int = 30, guidance_scale: float = 1.0,
                 generator: Generator | None = None) -> ImagePipelineOutput:
        """One picture for each row of `attributes`, as PIL images.

        attributes: (B, A) integers, -1 for what is not said. latents: the static, (B, C, H, W), standard normal; None
        draws it from `generator`. num_inference_steps: at least 1. guidance_scale: 0 unconditional, 1 as trained, as in
        `ClassifierFreeGuidance`.
        """
        scheduler, attributes = self.scheduler, attributes.to(self.device)
        if latents is None:
            size, channels = self.unet.config.sample_size, self.unet.model.network.config.channels
            latents = randn((len(attributes), channels, size, size), generator, self.device)
        set_uniform_times(scheduler, num_inference_steps)
        x = latents.to(self.device) * getattr(scheduler, "init_noise_sigma", 1.0)
        both = torch.cat([attributes, torch.full_like(attributes, UNSAID)])
        own = isinstance(generator, torch.Generator) and "generator" in inspect.signature(scheduler.step).parameters
        draws = {"generator": generator} if own else {}      # a scheduler that adds noise draws it from the same seed
        for i in self.progress_bar(scheduler.timesteps):
            seen = scheduler.scale_model_input(x, i) if hasattr(scheduler, "scale_model_input") else x
            told, untold = self.unet(torch.cat([seen, seen]), i, both).sample.chunk(2)
            x = scheduler.step(untold + guidance_scale * (told - untold), i, x, **draws).prev_sample
        return ImagePipelineOutput(images=[to_image(picture) for picture in x])


def set_uniform_times(scheduler: SchedulerMixin, steps: int) -> None:
    """Let a scheduler stop where `uniform_times(steps)` does: at 1, 1 - 1/steps, ..., 0.

    A flow's scheduler takes them as sigmas. One of betas does it if it was made with timestep_spacing="trailing"; the
    defaults are "leading" (DDPM, DDIM: never asks at t = 1) and "linspace" (Euler, DPM-Solver: never steps from 1/steps to 0).
    Their timesteps are whole numbers, so the stops agree exactly where `steps` divides T.
    """
    if isinstance(scheduler, FlowMatchEulerDiscreteScheduler):
        scheduler.set_timesteps(sigmas=uniform_times(steps)[:-1].tolist())
    else:
        scheduler.set_timesteps(steps)


def open_in_diffusers(denoiser: NeuralDenoiser, scheduler: SchedulerMixin, sample_size: int = 32) -> BridgedPipeline:
    """A pipeline of diffusers around a model of ours. sample_size: width and height of its pictures, in pixels.

    Raises ValueError for a scheduler whose clock we do not have (see `clock_of`), and for a model that listens to texts or to nothing.
    """
    if not isinstance(denoiser.network.conditioner, AttributeConditioner):
        raise ValueError(f"denoiser listens to {type(denoiser.network.conditioner).__name__}, but the pipeline hands on attributes: "
                         f"it has to have an AttributeConditioner")
    clock = clock_of(scheduler)
    unet = BridgedUNet(describe(denoiser), describe(clock.schedule), clock.first, clock.T, clock.language, sample_size)
    unet.model.load_state_dict(denoiser.state_dict())
    return BridgedPipeline(unet.eval(), scheduler)
