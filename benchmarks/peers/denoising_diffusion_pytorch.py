"""denoising-diffusion-pytorch: the U-Net and GaussianDiffusion of its classifier_free_guidance module, in the loop of its Trainer.

(Its Trainer reads a folder of pictures without classes, so the loop is written out, with the Trainer's settings.) The
table of classes becomes a sum of one learned vector an attribute, as wide as what comes after it (the library's 16 numbers
for a network this narrow would hold seven attributes one above the other); the vector for "nothing" and the dropping of
conditions are the library's own.
"""

import torch
from accelerate import Accelerator
from denoising_diffusion_pytorch.classifier_free_guidance import GaussianDiffusion, Unet
from ema_pytorch import EMA
from torch import nn

from diffusion_lib.denoisers import NeuralDenoiser
from diffusion_lib.process import EPS, V
from diffusion_lib.schedules import CosineSchedule

from .common import GUIDANCE, SILENT, SIZE, AttributeSum, Pupil, Steps, View, mixed_precision, silenced

WIDTH, MULTIPLES = 16, (1, 2, 4, 7)                          # the README's 64 and (1, 2, 4, 8), a quarter as wide and no wider than ours


def fresh(settings: dict) -> GaussianDiffusion:
    unet = Unet(dim=WIDTH, dim_mults=MULTIPLES, num_classes=1, cond_drop_prob=SILENT)
    wide = unet.classes_mlp[-1].in_features
    unet.classes_emb, unet.null_classes_emb = AttributeSum(wide), nn.Parameter(torch.randn(wide))
    unet.classes_mlp[0] = nn.Linear(wide, wide)
    return GaussianDiffusion(unet, image_size=SIZE, timesteps=1000, sampling_timesteps=50, objective=settings["objective"],
                             min_snr_loss_weight=settings["min_snr"])


class Network(nn.Module):
    """A diffusion's U-Net, asked as our networks are."""

    def __init__(self, diffusion: GaussianDiffusion):
        super().__init__()
        self.diffusion, self.clock = diffusion, Steps(diffusion.alphas_cumprod)

    def forward(self, x, log_snr, cond=None, keep=None):
        keep = torch.full((len(x),), cond is not None) if keep is None else keep
        return self.diffusion.model(x, self.clock(log_snr), silenced(cond, None, len(x)), cond_keep_mask=keep)


class Taught(Pupil):
    """Optimizer, clipping and EMA: class Trainer of denoising_diffusion_pytorch.py.

    Its average looks at the weights every 10 steps, so of a run of 2,000 steps it would be half as long; looking at each, it is a tenth.
    """

    sampler = "DDIM with eta = 1, 50 steps"

    def __init__(self, settings, seed, minutes, desk):
        super().__init__(settings, seed, minutes, desk)
        self.accelerator, self.diffusion = Accelerator(mixed_precision=mixed_precision(), cpu=True), fresh(settings)
        self.optimizer = torch.optim.Adam(self.diffusion.parameters(), settings["lr"], betas=(0.9, 0.99))
        self.ema = EMA(self.diffusion, beta=0.995, update_every=settings["average_every"])

    def teach(self, x0, cond, progress):
        with self.accelerator.autocast():
            loss = self.diffusion((x0 + 1) / 2, classes=cond)                    # it takes pictures in [0, 1]
        self.accelerator.backward(loss)
        self.accelerator.clip_grad_norm_(self.diffusion.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        with self.desk.watch.part("averaging"):
            self.ema.update()
        return loss

    def averaged(self):
        copy = fresh(self.settings)
        copy.load_state_dict(self.ema.ema_model.state_dict())
        return NeuralDenoiser(Network(copy), CosineSchedule(), V if copy.objective == "pred_v" else EPS).eval()

    def keeps(self):
        return {"network": self.diffusion, "optimizer": self.optimizer, "ema": self.ema}

    def view(self, model, x0, eps, share, cond):
        diffusion, steps = model.network.diffusion, torch.full((len(x0),), int(share * 1000))
        noisy = diffusion.q_sample(x0, steps, eps)
        said = diffusion.model(noisy, steps, cond, cond_drop_prob=0.0)
        if diffusion.objective == "pred_v":
            said = diffusion.predict_noise_from_start(noisy, steps, diffusion.predict_start_from_v(noisy, steps, said))
        return View(model.network.clock.log_snr[steps], said)

    def draws(self, model, cond):
        return model.network.diffusion.sample(cond, cond_scale=GUIDANCE) * 2 - 1
