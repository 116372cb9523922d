"""diffusers: UNet2DModel and DDPMScheduler in the loop of its own training example, with the EMA of its training script.

The wish goes in where a class does: with class_embed_type "identity" the U-Net adds a given vector to that of the
timestep. The vector is the sum of one learned vector an attribute.
"""

import math

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from diffusers import DDIMScheduler, DDPMScheduler, UNet2DModel
from diffusers.training_utils import EMAModel
from torch import nn

from diffusion_lib.denoisers import NeuralDenoiser
from diffusion_lib.process import EPS, V
from diffusion_lib.schedules import LinearBetaSchedule

from .common import GROUPS, GUIDANCE, SIZE, AttributeSum, Pupil, Steps, View, mixed_precision, silenced, told

WIDTHS = (32, 64, 64, 64)                                    # google/ddpm-cifar10-32, a quarter as wide
CLOCK = Steps(DDPMScheduler(num_train_timesteps=1000).alphas_cumprod)
LANGUAGES = {"epsilon": EPS, "v_prediction": V}              # what the network predicts, as the library calls it


class Network(nn.Module):
    """The U-Net and its embedding; called, it is asked as our networks are."""

    def __init__(self):
        super().__init__()
        self.unet = UNet2DModel(sample_size=SIZE, block_out_channels=WIDTHS, layers_per_block=2, norm_num_groups=GROUPS,
                                class_embed_type="identity", attention_head_dim=None,    # None: one head, as there
                                down_block_types=("DownBlock2D", "AttnDownBlock2D", *["DownBlock2D"] * (len(WIDTHS) - 2)),
                                up_block_types=(*["UpBlock2D"] * (len(WIDTHS) - 2), "AttnUpBlock2D", "UpBlock2D"))
        self.wish = AttributeSum(4 * WIDTHS[0])

    def predict(self, noisy, timesteps, cond):
        return self.unet(noisy, timesteps, class_labels=self.wish(cond), return_dict=False)[0]

    def forward(self, x, log_snr, cond=None, keep=None):
        return self.predict(x, CLOCK(log_snr), silenced(cond, keep, len(x)))


class Taught(Pupil):
    """Loop, clipping and cosine: docs/source/en/tutorials/basic_training.md. Betas, weight decay and EMA:
    examples/unconditional_image_generation/train_unconditional.py."""

    sampler = "DDIMScheduler, 50 steps"

    def __init__(self, settings, seed, minutes, desk):
        super().__init__(settings, seed, minutes, desk)
        self.accelerator, self.network = Accelerator(mixed_precision=mixed_precision(), cpu=True), Network()
        self.scheduler = DDPMScheduler(num_train_timesteps=1000, prediction_type=settings["predicts"])
        self.optimizer = torch.optim.AdamW(self.network.parameters(), settings["lr"], betas=(0.95, 0.999), weight_decay=1e-6)
        self.ema = EMAModel(self.network.parameters(), decay=0.9999, use_ema_warmup=True, inv_gamma=1.0, power=3 / 4, foreach=True)

    def teach(self, x0, cond, progress):
        noise = torch.randn(x0.shape)
        timesteps = torch.randint(0, self.scheduler.config.num_train_timesteps, (len(x0),))
        noisy = self.scheduler.add_noise(x0, noise, timesteps)
        target = noise if self.settings["predicts"] == "epsilon" else self.scheduler.get_velocity(x0, noise, timesteps)
        with self.accelerator.autocast():
            predicted = self.network.predict(noisy, timesteps, told(cond))
        loss = F.mse_loss(predicted.float(), target)
        self.accelerator.backward(loss)
        self.accelerator.clip_grad_norm_(self.network.parameters(), 1.0)
        rise = min(1, (self.steps + 1) / self.settings["warmup"])
        for group in self.optimizer.param_groups:            # get_cosine_schedule_with_warmup, by the clock
            group["lr"] = self.settings["lr"] * rise * (1 + math.cos(math.pi * progress)) / 2
        self.optimizer.step()
        self.optimizer.zero_grad()
        with self.desk.watch.part("averaging"):
            self.ema.step(self.network.parameters())
        return loss

    def averaged(self):
        copy = Network()
        self.ema.copy_to(copy.parameters())
        return NeuralDenoiser(copy, LinearBetaSchedule(), LANGUAGES[self.settings["predicts"]]).eval()

    def keeps(self):
        return {"network": self.network, "optimizer": self.optimizer, "ema": self.ema}

    def view(self, model, x0, eps, share, cond):
        timesteps = torch.full((len(x0),), int(share * 1000))
        noisy = self.scheduler.add_noise(x0, eps, timesteps)
        said = model.network.predict(noisy, timesteps, cond)
        if self.settings["predicts"] == "v_prediction":
            bar = self.scheduler.alphas_cumprod[timesteps].view(-1, 1, 1, 1)
            said = bar.sqrt() * said + (1 - bar).sqrt() * noisy
        return View(CLOCK.log_snr[timesteps], said)

    def draws(self, model, cond):
        scheduler, x = DDIMScheduler.from_config(self.scheduler.config), torch.randn(len(cond), 3, SIZE, SIZE)
        scheduler.set_timesteps(50)
        both = torch.cat([cond, silenced(None, None, len(cond))])
        for timestep in scheduler.timesteps:
            said, unsaid = model.network.predict(torch.cat([x, x]), timestep, both).chunk(2)
            x = scheduler.step(unsaid + GUIDANCE * (said - unsaid), timestep, x).prev_sample
        return x
