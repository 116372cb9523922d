"""A training run in a process of its own, for tests/test_training.py to kill: python training_worker.py CHECKPOINT DTYPE [STEP | resume].

At STEP the process stops itself. With "shared" in the place of DTYPE, the run is one of several processes that torchrun started.
"""

import dataclasses
import os
import signal
import sys
from pathlib import Path

import torch
from torch.utils.data import Dataset

import diffusion_lib as dl
from diffusion_lib.conditioning import AttributeConditioner
from diffusion_lib.networks.unet import UNet, UNetConfig
from diffusion_lib.training import TrainConfig, train

CONFIG = TrainConfig(steps=30, batch_size=6, lr=3e-3, warmup=5, log_every=4, checkpoint_every=8, checkpoint_minutes=None, seed=11,
                     dtype="float32")
DTYPES = "float32", "bfloat16"                               # each machine trains in the one that is faster there; tests in both


class Blots(Dataset):
    """Twenty pictures of one colour each; the condition says which. Finite, so that epochs come round within a run."""

    def __len__(self):
        return 20

    def __getitem__(self, index):
        return torch.full((3, 8, 8), index / 10 - 1), torch.tensor([index % 4, index // 4])


def fresh_model(seed=0):
    torch.manual_seed(seed)
    config = UNetConfig(stem=8, widths=(16, 32), blocks=(1, 1), attention=(False, False), embedding=32)
    model = dl.NeuralDenoiser(UNet(config, AttributeConditioner((4, 5), 16)), dl.RectifiedFlowSchedule(), dl.FLOW, 0.5)
    model.network.conditioner.table.requires_grad_(False)    # a part that is not to learn, as a reader that has learned before
    return model


def noiseless(model, x0, cond, *, generator):
    """A loss that does not depend on who computes which part of the batch."""
    y, c = model.output(x0, torch.full((len(x0),), 0.3), cond)
    per_sample = (y - x0).square().flatten(1).mean(1)
    return dl.LossTerms(per_sample.mean(), per_sample, torch.full((len(x0),), 0.3))


def main(checkpoint, dtype, how=""):
    """A run that can be killed; the seed of its fresh weights is another one when it goes on."""
    config, resume = dataclasses.replace(CONFIG, dtype=dtype), how == "resume"
    for step in train(fresh_model(seed=int(resume)), Blots(), config, checkpoint=checkpoint, resume=checkpoint if resume else None):
        print(step.index, flush=True)
        if str(step.index) == how:
            os.kill(os.getpid(), signal.SIGSTOP)


def main_shared(checkpoint):
    """A run of several processes, each of which begins with other weights."""
    from accelerate import Accelerator
    accelerator = Accelerator(cpu=True)
    for _ in train(fresh_model(seed=accelerator.process_index), Blots(), CONFIG, loss=noiseless, accelerator=accelerator, checkpoint=checkpoint):
        pass


if __name__ == "__main__":
    if sys.argv[2:] == ["shared"]:
        main_shared(Path(sys.argv[1]))
    else:
        main(Path(sys.argv[1]), *sys.argv[2:])
