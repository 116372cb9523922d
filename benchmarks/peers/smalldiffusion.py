"""smalldiffusion: its U-Net in its own training_loop, as in its examples cifar_unet.py and imagenet_dit.py.

The table of labels becomes a sum of one learned vector an attribute, with the library's SiLU and Linear behind it; a
dropped condition has all attributes unsaid, as the library's own has a label for "none".
"""

import torch
from accelerate import Accelerator
from smalldiffusion import (PredFlow, Scaled, ScheduleFlow, ScheduleLogLinear, ScheduleLogNormalFlow, ScheduleSigmoid, Unet,
                            model_unet, samples, training_loop)
from torch import nn
from torch_ema import ExponentialMovingAverage

from diffusion_lib.conditioning import UNSAID
from diffusion_lib.denoisers import NeuralDenoiser
from diffusion_lib.process import EPS, FLOW
from diffusion_lib.schedules import LinearBetaSchedule, RectifiedFlowSchedule

from .common import GROUPS, GUIDANCE, SIZE, AttributeSum, Pupil, View, mixed_precision, silenced, told

WIDTH, MULTIPLES = 32, (1, 2, 2, 2)                          # examples/cifar_unet.py, a quarter as wide
model_unet.Normalize = lambda channels: nn.GroupNorm(GROUPS, channels, eps=1e-6)     # always 32 groups in the library


class Wish(nn.Module):
    """The library's CondEmbedderLabel, for seven attributes."""

    null_cond = UNSAID

    def __init__(self, width: int):
        super().__init__()
        self.embeddings, self.mlp = AttributeSum(width), nn.Sequential(nn.SiLU(), nn.Linear(width, width))

    def forward(self, cond):
        return self.mlp(self.embeddings(told(cond) if self.training else cond))


class Network(nn.Module):
    """A U-Net, asked as our networks are: what it takes is x0 + sigma eps, or (1 - sigma) x0 + sigma eps."""

    def __init__(self, flow: bool, dropout: float):
        super().__init__()
        kind = PredFlow(Unet) if flow else Scaled(Unet)
        self.unet = kind(SIZE, 3, 3, ch=WIDTH, ch_mult=MULTIPLES, attn_resolutions=(16,), dropout=dropout, cond_embed=Wish(4 * WIDTH))
        self.flow = flow

    def forward(self, x, log_snr, cond=None, keep=None):
        ratio = torch.exp(-log_snr / 2).view(-1, 1, 1, 1)    # sigma / alpha
        sigma = ratio / (1 + ratio) if self.flow else ratio
        alpha = 1 - sigma if self.flow else 1.0
        return self.unet(x * (alpha**2 + sigma**2) ** 0.5, sigma, cond=silenced(cond, keep, len(x)))


class InsideTheLoop:
    """The optimizer that training_loop makes for itself: seen once the loop has yielded."""

    def __init__(self):
        self.optimizer, self.waiting = None, None

    def seen(self, optimizer) -> None:
        if self.waiting is not None:
            optimizer.load_state_dict(self.waiting)
        self.optimizer, self.waiting = optimizer, None

    def state_dict(self):
        return self.waiting if self.optimizer is None else self.optimizer.state_dict()       # no lesson yet: as it was read

    def load_state_dict(self, state) -> None:
        self.waiting = state


class Taught(Pupil):
    """The loop and its lr: training_loop. EMA: torch-ema, as in the examples."""

    sampler = "samples with gam = 1.6, 20 steps"

    def __init__(self, settings, seed, minutes, desk):
        super().__init__(settings, seed, minutes, desk)
        self.network = Network(settings["flow"], settings["dropout"])
        self.average = ExponentialMovingAverage(self.network.parameters(), decay=0.9999)
        schedule = ScheduleLogNormalFlow() if settings["flow"] else ScheduleSigmoid(N=1000)
        self.handed, self.inside = [], InsideTheLoop()
        pictures = iter(self.handed.pop, None)               # what lies there when the loop asks for it
        self.loop = training_loop(pictures, self.network.unet, schedule, Accelerator(mixed_precision=mixed_precision(), cpu=True),
                                  epochs=1, lr=settings["lr"], conditional=True)

    def teach(self, x0, cond, progress):
        self.handed.append((x0, cond))
        now = next(self.loop)                                # it yields before the step that belongs to this loss
        if self.inside.optimizer is not now.optimizer:
            self.inside.seen(now.optimizer)
            now.pbar.disable = True
        with self.desk.watch.part("averaging"):
            self.average.update()
        return now.loss

    def averaged(self):
        copy = Network(self.settings["flow"], self.settings["dropout"])
        self.average.copy_to(copy.parameters())
        schedule, language = (RectifiedFlowSchedule(), FLOW) if copy.flow else (LinearBetaSchedule(), EPS)
        return NeuralDenoiser(copy, schedule, language).eval()

    def keeps(self):
        return {"network": self.network, "average": self.average, "optimizer": self.inside}

    def view(self, model, x0, eps, share, cond):
        sigma = (ScheduleFlow() if model.network.flow else ScheduleSigmoid(N=1000))[int(share * 1000)].expand(len(x0), 1, 1, 1)
        if not model.network.flow:
            return View(-2 * sigma.flatten().log().double(), model.network.unet(x0 + sigma * eps, sigma, cond=cond))
        x_t = (1 - sigma) * x0 + sigma * eps
        velocity = model.network.unet(x_t, sigma, cond=cond)
        return View(2 * ((1 - sigma) / sigma).flatten().log().double(), x_t + (1 - sigma) * velocity)

    def draws(self, model, cond):
        schedule = ScheduleFlow(t_min=0.04) if model.network.flow else ScheduleLogLinear(sigma_min=0.01, sigma_max=35, N=1000)
        *_, x = samples(model.network.unet, schedule.sample_sigmas(20), gam=1.6, cfg_scale=GUIDANCE - 1, batchsize=len(cond), cond=cond,
                        accelerator=Accelerator(cpu=True))
        return x.float()
