"""The dial of guidance: what a scale from 0 to 10 does to a reader's own wish, to recorded pictures, and to a world of one number."""

from collections.abc import Mapping, Sequence

import traitlets
from torch import Tensor

from ..data.pets import NAMES
from ..evaluation import interval
from ._base import LiveFigure, film, module_source, present, still_row
from ._languages import in_each_language
from .dream_machine import NETWORK, notices

STILL = (0, 1, 3, 5, 10)                                     # scales on paper
TOLD = ("obeyed", "found", "variety", "burnt")
WISH = "a sleepy white rabbit wearing a crown on a green background"
OWN_STEPS = 10                                               # of a walk in the page; as many as in the record


class GuidanceDial(LiveFigure):
    """The widget behind `guidance_dial`."""

    stem = "guidance_dial"
    room = (133, 82)
    _esm = module_source(stem)
    scales = traitlets.List().tag(sync=True)
    wishes = traitlets.List().tag(sync=True)                 # each language -> text, as are the labels of `measured`
    measured = traitlets.List().tag(sync=True)               # models, each {name, label, rows, best, films}: a film a wish, scale after scale
    real = traitlets.Dict().tag(sync=True)                   # the same numbers, of real pets
    n = traitlets.Dict().tag(sync=True)
    about = traitlets.Dict().tag(sync=True)                  # language -> how the pictures were drawn
    own = traitlets.Dict().tag(sync=True)                    # of the reader's own wish: how it begins, and the words for what was read


def guidance_dial(record: dict, pictures: Mapping[str, Tensor], labels: Mapping[str, str], *, prompt: str = WISH, seed: int = 19):
    """Turn the guidance scale: a wish of your own, drawn in the page; recorded pictures, and what was measured; an exact world of one number.

        x0 = x0(nothing) + w (x0(wish) - x0(nothing))

    record: "guidance_dial", as benchmarks/guidance_dial.py writes it. pictures: a model's name -> its pictures in that record,
    (N, 3, H, H), wish after wish, scale after scale. labels: a model's name -> how readers call it; the first is shown first.
    prompt, seed: with what the reader's own wish begins. It is drawn at each of the record's scales, when asked for, by the network that
    the dream machine runs, in 10 steps: as `diffusion_lib sample` draws it.
    The exact world (two bells, walked by Heun in 60 steps of the cosine schedule) is computed by the module itself. Returns a
    widget, or HTML for the published book. Raises ValueError where the pictures do not fit the record.
    """
    shape = len(record["wishes"]), len(record["scales"]) * record["statics"]
    if len(labels) != 2:
        raise ValueError(f"labels names {list(labels)}, but the figure compares two models")
    for name in labels:
        if len(pictures[name]) != shape[0] * shape[1]:
            raise ValueError(f"there are {len(pictures[name])} pictures of {name}, but the record speaks of {shape[0]} wishes and {shape[1]} pictures of each")
    films = {name: pictures[name].unflatten(0, shape) for name in labels}               # name -> (wishes, scales * statics, 3, H, H)
    rows = {name: [_numbers(row, record["n"]["pictures"]) for row in record["models"][name]["rows"]] for name in labels}
    measured = [{"name": name, "label": in_each_language(label), "rows": rows[name], "best": _best(record["scales"], rows[name]),
                 "films": [film(of_wish, 1.0) for of_wish in films[name]]} for name, label in labels.items()]
    traits = {"scales": list(record["scales"]), "wishes": [in_each_language(wish) for wish in record["wishes"]], "measured": measured, "n": record["n"],
              "real": {name: record["real"][name] for name in TOLD}, "about": in_each_language(f"{record['sampler']}, {record['hardware']}"),
              "own": {"prompt": prompt, "seed": seed, "steps": OWN_STEPS, "notices": notices()}}
    return present(GuidanceDial, traits, _still(record, films[next(iter(labels))][0]), models=(NETWORK,))


def _best(scales: Sequence[float], rows: Sequence[dict]) -> int:
    """The place of the scale, from 1 upwards, at which most of what was asked for is found."""
    return max((k for k, scale in enumerate(scales) if scale >= 1), key=lambda k: rows[k]["found"])


def _numbers(row: dict, pictures: int) -> dict:
    """A row of the record, with its uncertainties as bands [low, high]: 95 %, attributes counted as if they were independent."""
    bands = {"obeyed": row["obeyed_low_high"], "found": interval(row["found"], pictures * len(NAMES))}
    for name in ("variety", "burnt"):
        reach = 1.96 * row[f"{name}_error"]
        bands[name] = max(0.0, row[name] - reach), row[name] + reach
    return {name: round(row[name], 4) for name in TOLD} | {"bands": {name: [round(v, 4) for v in band] for name, band in bands.items()}}


def _still(record: dict, of_first_wish: Tensor) -> str:
    places = [list(record["scales"]).index(scale) * record["statics"] for scale in STILL]
    wish = record["wishes"][0]
    return "".join(still_row([of_first_wish[place + k] for place in places], [f"w = {scale}" for scale in STILL],
                             [f"{wish}, drawn with guidance scale {scale}" for scale in STILL]) for k in (0, 1))
