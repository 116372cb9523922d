"""Noise schedules: how fast a picture sinks into static, on three well-known curves and on one that the reader draws."""

import torch
import traitlets
from torch import Tensor

from ..data.pets import PartyPets, caption
from ..process import diffuse
from ..random import CounterGenerator, randn
from ..schedules import CosineSchedule, LinearBetaSchedule, NoiseSchedule, RectifiedFlowSchedule
from ._base import LiveFigure, lossless, module_source, present, still_row
from ._languages import in_each_language
from .flow_of_time import cat_photo

SIZE = 64                                                    # of both pictures: equally many pixels, so equally much static
PRESETS = {"linear beta": LinearBetaSchedule(), "cosine": CosineSchedule(), "rectified flow": RectifiedFlowSchedule()}
STOPS = (0.0, 0.25, 0.5, 0.75, 1.0)


class NoiseSchedules(LiveFigure):
    """The widget behind `noise_schedules`."""

    stem = "noise_schedules"
    room = (130.5, 77.5)
    _esm = module_source(stem)
    seed = traitlets.Int().tag(sync=True)
    photo = traitlets.Unicode().tag(sync=True)               # data: address
    pet = traitlets.Unicode().tag(sync=True)                 # data: address
    pet_caption = traitlets.Dict().tag(sync=True)            # language -> what the pet is


def noise_schedules(*, pet: int = 5, seed: int = 7):
    """Choose or draw a schedule, and see what it does to a picture: strip, alpha and sigma, log-SNR, the beta of each step.

        x_t = alpha(t) x0 + sigma(t) eps,    beta_i = 1 - bar_i / bar_(i-1),    bar = alpha^2 / (alpha^2 + sigma^2),   t = i / T

    pet: which picture of PartyPets stands beside the cat's photo. seed: of the static. The module computes everything from
    these formulas; of the reader's own curve it knows alpha at t = 0, 0.2, ... 1, joins these points by a monotone cubic
    (Fritsch and Butland 1984), and takes sigma = sqrt(1 - alpha^2). Returns a widget, or HTML for the published book.
    """
    picture, attributes = PartyPets(size=SIZE)[pet]
    photo = cat_photo(SIZE)
    traits = {"seed": seed, "photo": lossless(photo), "pet": lossless(picture), "pet_caption": in_each_language(caption(attributes))}
    still = "".join(_still(name, schedule, photo, seed) for name, schedule in PRESETS.items())
    return present(NoiseSchedules, traits, still)


def _still(name: str, schedule: NoiseSchedule, photo: Tensor, seed: int) -> str:
    eps = randn(photo.shape, CounterGenerator(seed))
    states = [diffuse(photo, eps, torch.tensor(t), schedule) for t in STOPS]
    return still_row(states, [f"{name}, t = {t:g}" for t in STOPS],
                     [f"the photo of a cat with static: {name} schedule at t = {t:g}" for t in STOPS])
