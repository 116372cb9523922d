"""Step by step: where the walk stands, what the model believes, what the step takes away and what it puts back."""

import traitlets

from ._base import NOISE_RANGE, LiveFigure, film, module_source, present, recorded, still_row
from ._walks import T, Walk


class StepByStep(LiveFigure):
    """The widget behind `step_by_step`."""

    stem = "step_by_step"
    room = (70, 69.5)
    _esm = module_source(stem)
    noise_range = traitlets.Float().tag(sync=True)
    walks = traitlets.List().tag(sync=True)                  # each `recorded`, and kind, eta, loudness, noises


def step_by_step(with_z: Walk, without_z: Walk, strides: Walk):
    """Go through a walk one step at a time: x_t, the guess of x0, the predicted noise, what is removed, what is added.

        x_s = alpha_s x0 + sqrt(sigma_s^2 - n^2) eps + n z        removed = x_t - (x_s - n z),   added = n z

    with_z, without_z: from `record_ancestral`. strides: one of `record_walks`. Returns a widget, or HTML for the
    published book. Pictures are stored in 8 bits, so eps is right to 1 / 64.
    """
    traits = {"noise_range": NOISE_RANGE, "walks": [
        {**recorded(with_z), "kind": "ancestral", "eta": 1.0, "loudness": 1.0, "noises": film(with_z.noises, NOISE_RANGE)},
        {**recorded(without_z), "kind": "ancestral", "eta": 1.0, "loudness": 0.0, "noises": film(without_z.noises, NOISE_RANGE)},
        {**recorded(strides), "kind": "ddim", "eta": 0.0, "loudness": 0.0, "noises": ""},
    ]}
    return present(StepByStep, traits, _still(with_z))


def _still(walk: Walk) -> str:
    places = [i * (len(walk.stops) - 1) // 4 for i in range(5)]
    rows = [("x_t", walk.states, "the walk"), ("guess", walk.guesses, "the model's guess of the clean picture"),
            ("noise", walk.noises / NOISE_RANGE, "the noise that the model sees")]
    return "".join(still_row([pictures[i] for i in places], [f"{name}, t = {walk.stops[i]}" for i in places],
                             [f"{what} at t = {walk.stops[i]} of {T}" for i in places]) for name, pictures, what in rows)
