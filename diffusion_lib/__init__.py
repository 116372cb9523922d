"""Diffusion models in four nouns and two verbs.

A `NoiseSchedule` says what x_t is made of, a `Denoiser` guesses the clean picture from it, the guess is a `Prediction`,
and a `Sampler` uses it for one step back. `train` yields steps, `trajectory` yields states.

Conventions: t in [0, 1], 0 = data and 1 = noise. Pictures are floats in [-1, 1], channels first.
Names are grouped below as the modules are, lowest layer first; a module imports only from the layers above its own line.
"""

import importlib

# layer 0: numbers, schedules, networks, data, distances
from .random import CounterGenerator, rand, randn
from .schedules import (Coefficients, CosineSchedule, EDMSchedule, LinearBetaSchedule, NoiseSchedule, RectifiedFlowSchedule,
                        karras_times, log_snr_times, uniform_times)
from .evaluation import frechet_distance, kernel_distance, precision_recall, share, sliced_wasserstein
from .words import Vocabulary
from .conditioning import AttributeConditioner, ClassConditioner, Conditioner, TextConditioner
from .networks import attention
from .networks.classifier import Classifier, ClassifierConfig, answers
from .networks.unet import UNet, UNetConfig
from .data import pets, toys
from .data.pets import CaptionedPets, PartyPets, pet_vocabulary
# layer 1: the 2x2
from .process import EPS, FLOW, SCORE, V, X0, Parameterization, Prediction, coefficients, diffuse, edm
# layer 2: the interface
from .denoisers import Clamped, Denoiser, NeuralDenoiser, Rescheduled
# layer 3: denoisers made of denoisers, steps, losses
from .guidance import ClassifierFreeGuidance
from .losses import LossTerms, as_velocity, diffusion_loss, logit_normal_t, min_snr, stratified_t, uniform_t, unit
from .oracles import EmpiricalDenoiser, GaussianDenoiser, MixtureDenoiser
from .samplers import DDIM, Ancestral, DPMSolverPP2M, Euler, EulerMaruyama, Heun, Sampler, State, sample, trajectory
# layer 4: learning
from .averaging import EMA
from .checkpoints import load_checkpoint, save_checkpoint
from .training import History, TrainConfig, TrainStep, train

# layer 5, and what needs more than torch and numpy: imported when first asked for
_LEAVES = {
    "pictures": ("image_grid", "text_picture", "to_image"),
    "plotting": ("plot_histogram", "plot_loss", "plot_loss_by_t", "plot_schedule", "plot_score_field", "plot_trajectory", "show_images"),
    "sources": ("show_source",),
}
_LEAF_OF = {name: module for module, names in _LEAVES.items() for name in names}
_MODULES = {"images": "data.images", **{name: name for name in ("bridge", "checks", "figures", "judging", "plotting", "recipes", "records", "zoo")}}


def __getattr__(name: str):
    if name in _LEAF_OF:
        return getattr(importlib.import_module(f".{_LEAF_OF[name]}", __name__), name)
    if name in _MODULES:
        return importlib.import_module(f".{_MODULES[name]}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *_LEAF_OF, *_MODULES})
