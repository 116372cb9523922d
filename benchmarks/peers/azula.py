"""azula: its UNet in KarrasDenoiser, as in its tutorials on MNIST and CIFAR-10.

The wish goes in where the tutorials' label does: its embedding is added to that of the time. It is the sum of one
learned vector an attribute.
"""

import math

import torch
from azula.denoise import KarrasDenoiser
from azula.guidance.cfg import CFGDenoiser
from azula.nn.unet import UNet
from azula.noise import RectifiedSchedule, VPSchedule
from azula.sample import DDIMSampler
from torch import nn

from diffusion_lib.denoisers import NeuralDenoiser
from diffusion_lib.process import edm
from diffusion_lib.schedules import Coefficients, NoiseSchedule, RectifiedFlowSchedule, as_time

from .common import GUIDANCE, SIZE, AttributeSum, Pupil, View, mixed_precision, silenced, told, warm_decay

WIDTHS, BLOCKS, EMBEDDING = (32, 64, 128), (2, 2, 2), 128     # docs/tutorials/mnist.ipynb, twice as wide


class VariancePreserving(NoiseSchedule):
    """azula's VPSchedule: alpha = alpha_min^(t^2), sigma^2 = 1 - alpha^2 + sigma_min^2."""

    def __init__(self, alpha_min: float = 1e-3, sigma_min: float = 1e-3):
        self.alpha_min, self.sigma_min = alpha_min, sigma_min

    def at(self, t):
        t = as_time(t)
        alpha = torch.exp(math.log(self.alpha_min) * t**2)
        sigma, d_alpha = torch.sqrt(1 - alpha**2 + self.sigma_min**2), 2 * math.log(self.alpha_min) * t * alpha
        return Coefficients(alpha, sigma, d_alpha, -alpha * d_alpha / sigma)


class Backbone(nn.Module):
    """The tutorials' UNetWrapper."""

    def __init__(self):
        super().__init__()
        self.unet = UNet(3, 3, hid_channels=WIDTHS, hid_blocks=BLOCKS, mod_features=EMBEDDING)
        self.wish = AttributeSum(EMBEDDING)
        self.time = nn.Sequential(nn.Linear(1, EMBEDDING), nn.SiLU(), nn.Linear(EMBEDDING, EMBEDDING))

    def forward(self, x_t, log_snr_t, label):
        return self.unet(x_t, self.wish(label) + self.time(log_snr_t[..., None]))


class Network(nn.Module):
    """A backbone, asked as our networks are; the library tells it log(sigma / alpha)."""

    def __init__(self, backbone: nn.Module):
        super().__init__()
        self.backbone = backbone

    def forward(self, x, log_snr, cond=None, keep=None):
        return self.backbone(x, -log_snr / 2, silenced(cond, keep, len(x)))


class Taught(Pupil):
    """Loop and optimizer: docs/tutorials/mnist.ipynb. EMA: docs/tutorials/cifar10.ipynb, with a warm-up, which runs as short as
    these need."""

    sampler = "DDIMSampler, 64 steps"

    def __init__(self, settings, seed, minutes, desk):
        super().__init__(settings, seed, minutes, desk)
        schedule = RectifiedSchedule() if settings["flow"] else VPSchedule()
        self.denoiser = KarrasDenoiser(backbone=Backbone(), schedule=schedule).to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.Adam(self.denoiser.parameters(), settings["lr"])
        self.average = torch.optim.swa_utils.AveragedModel(self.denoiser, multi_avg_fn=self.follow)
        self.precision = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(mixed_precision())

    @staticmethod
    @torch.no_grad()
    def follow(averages, weights, updates):
        torch._foreach_lerp_(averages, weights, 1 - warm_decay(0.999, int(updates)))

    def teach(self, x0, cond, progress):
        with torch.autocast("cpu", self.precision, enabled=self.precision is not None):
            loss = self.denoiser.loss(x0, torch.rand(len(x0)), label=told(cond))
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        with self.desk.watch.part("averaging"):
            self.average.update_parameters(self.denoiser)
        return loss

    def averaged(self):
        copy = Backbone()
        copy.load_state_dict(self.average.module.backbone.state_dict())
        return NeuralDenoiser(Network(copy), RectifiedFlowSchedule() if self.settings["flow"] else VariancePreserving(), edm(1.0)).eval()

    def own(self, model) -> KarrasDenoiser:
        return KarrasDenoiser(backbone=model.network.backbone, schedule=self.denoiser.schedule)

    def keeps(self):
        return {"denoiser": self.denoiser, "optimizer": self.optimizer, "average": self.average}

    def view(self, model, x0, eps, share, cond):
        denoiser = self.own(model)
        alpha, sigma = denoiser.schedule(torch.tensor(share))
        x_t = alpha * x0 + sigma * eps
        mean = denoiser(x_t, torch.tensor(share), label=cond).mean
        return View(2 * torch.log(alpha / sigma).double().expand(len(x0)), (x_t - alpha * mean) / sigma)

    def draws(self, model, cond):
        sampler = DDIMSampler(CFGDenoiser(self.own(model)), steps=64, silent=True)
        return sampler(sampler.init((len(cond), 3, SIZE, SIZE)), positive={"label": cond},
                       negative={"label": silenced(None, None, len(cond))}, guidance=GUIDANCE - 1)
