"""The flow of time: pictures dissolve into static, and beside them a trained model walks out of static again."""

import torch
import torch.nn.functional as F
import traitlets
from torch import Tensor

from ..process import diffuse
from ..random import CounterGenerator, randn
from ._base import LiveFigure, lossless, module_source, present, recorded, still_row
from ._walks import SCHEDULE, T, Walk


class FlowOfTime(LiveFigure):
    """The widget behind `flow_of_time`."""

    stem = "flow_of_time"
    room = (111.5, 63)
    _esm = module_source(stem)
    seed = traitlets.Int().tag(sync=True)
    photo = traitlets.Unicode().tag(sync=True)               # data: address
    pet = traitlets.Dict().tag(sync=True)                    # `recorded`, and its picture
    walks = traitlets.List().tag(sync=True)                  # each `recorded`


def cat_photo(size: int = 128) -> Tensor:
    """The cat Chelsea, whose photo comes with scikit-image: (3, size, size), in [-1, 1]."""
    import skimage.data

    face = torch.from_numpy(skimage.data.chelsea()[:, 75:375]).permute(2, 0, 1) / 127.5 - 1        # (3, 300, 300)
    return F.interpolate(face[None], (size, size), mode="bicubic", antialias=True)[0].clamp(-1, 1)


def flow_of_time(walks: list[Walk], pet: Walk, *, photo: Tensor | None = None, seed: int = 7):
    """Drag time from t = 0 to 1000: a photo, a pet or the reader's own picture on one side, the walk back on the other.

        x_t = sqrt(alpha_bar_t) x0 + sqrt(1 - alpha_bar_t) eps,      on `LinearBetaSchedule`, T = 1000

    walks: from `record_walks`; the reader chooses one. pet: from `record_guesses`. photo: (3, H, H), in [-1, 1]; by default
    `cat_photo()`. seed: of the static laid over photo and own picture. Returns a widget, or HTML for the published book.
    """
    photo = cat_photo() if photo is None else photo
    traits = {
        "seed": seed,
        "photo": lossless(photo),
        "pet": {**recorded(pet), "picture": lossless(pet.result)},
        "walks": [recorded(walk) for walk in walks],
    }
    return present(FlowOfTime, traits, _still(photo, walks[0], seed))


def _still(photo: Tensor, walk: Walk, seed: int) -> str:
    times = (0, 50, 200, 500, 1000)
    eps = randn(photo.shape, CounterGenerator(seed))
    forward = still_row([diffuse(photo, eps, t / T, SCHEDULE) for t in times], [f"t = {t}" for t in times],
                        [f"the photo of a cat with static, t = {t}" for t in times])
    places = [i * (len(walk.stops) - 1) // 3 for i in range(4)]
    back = still_row([*(walk.states[i] for i in places), walk.result], [*(f"walk, t = {walk.stops[i]}" for i in places), "walk, t = 0"],
                     [*(f"the model's walk back at t = {walk.stops[i]}" for i in places), f"the end of the walk: {walk.caption}"])
    guess = still_row([*(walk.guesses[i] for i in places), walk.result], [*(f"guess, t = {walk.stops[i]}" for i in places), "the end"],
                      [*(f"the model's guess of the clean picture at t = {walk.stops[i]}" for i in places), walk.caption])
    return forward + back + guess
