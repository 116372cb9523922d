"""The word highlighter: where the picture looks for each word of a prompt, step by step, and what it is without the word."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import traitlets
from torch import Tensor, nn
from tqdm import tqdm

from ..data.pets import ATTRIBUTES, NAMES
from ..denoisers import NeuralDenoiser
from ..guidance import ClassifierFreeGuidance
from ..networks import attention
from ..random import CounterGenerator
from ..samplers import DDIM, static, trajectory
from ..schedules import uniform_times
from ._base import LiveFigure, film, grey_film, module_source, present, recorded, still_row
from ._walks import SCHEDULE, T, Walk, on_the_clock, stops_of
from .dream_machine import JUDGE, NETWORK, names, notices

MARKER = (1.0, 0.75, -0.8)                                   # the colour of the pen, in [-1, 1]


@dataclass(frozen=True)
class Highlights:
    """A recorded walk that listens to a prompt, and all its looks at the words.

    language: of the prompt, "en" or "te". walk: by DDIM, guided. words: those that were understood, W. looks: name of a
    block -> (N, heads, places, 1 + W), the shares at each stop of the walk; the first token is the beginning of the text.
    without: (W, 3, H, H), the ends of the walks from the same static whose prompts lack one of the words.
    """

    language: str
    walk: Walk
    words: tuple[str, ...]
    looks: dict[str, Tensor]
    without: Tensor


def record_highlights(denoiser: NeuralDenoiser, prompts: Mapping[str, str], *, seed: int, steps: int = 20, guidance: float = 2.0,
                      size: int = 32) -> list[Highlights]:
    """Walk back from one static for each prompt, and for each of its words once more without that word; keep every look.

    denoiser: one that reads texts. prompts: language -> prompt. seed: of the static. steps: a divisor of 1000.
    guidance: scale, as in `ClassifierFreeGuidance`. size: side of the pictures, in pixels.
    """
    return [_record(denoiser, language, prompt, seed, steps, guidance, size) for language, prompt in prompts.items()]


def _record(denoiser: NeuralDenoiser, language: str, prompt: str, seed: int, steps: int, guidance: float, size: int) -> Highlights:
    stops = stops_of(steps)[:-1]
    words = denoiser.network.conditioner.vocabulary.read(prompt).words
    asked = [" ".join(words), *(" ".join(words[:k] + words[k + 1:]) for k in range(len(words)))]
    x = static((1, 3, size, size), SCHEDULE, generator=CounterGenerator(seed)).expand(len(asked), -1, -1, -1)
    guided = on_the_clock(ClassifierFreeGuidance(denoiser, guidance))
    with attention.recorded(denoiser.network) as calls:
        *states, last = tqdm(trajectory(guided, x, uniform_times(steps), DDIM(), asked), total=steps + 1, desc=f"walking back ({language})")
    looks = {block: torch.stack([call[block][0] for call in calls]) for block in calls[0]}   # row 0: the whole prompt
    columns = (torch.stack(column) for column in zip(*((s.x[0], s.prediction.x0[0], s.prediction.eps[0]) for s in states)))
    walk = Walk(" ".join(words), seed, steps, stops, *columns, last.x[0])
    return Highlights(language, walk, words, looks, last.x[1:])


@dataclass(frozen=True)
class View:
    """One way to look at the looks. of: {side, blocks} for all heads of so many blocks on side x side places, or {side, block,
    head, heads} for one of them. shares: (N, 1 + W, h, h), of each place for each token."""

    of: dict
    shares: Tensor


def views_of(looks: Mapping[str, Tensor]) -> list[View]:
    """All blocks of one resolution averaged, the finest resolution first; then the heads of the last block of each, one by one."""
    sizes = sorted({look.shape[2] for look in looks.values()}, reverse=True)
    averages, heads = [], []
    for places in sizes:
        side, own = round(places**0.5), {block: look for block, look in looks.items() if look.shape[2] == places}
        mean = torch.stack([look.mean(1) for look in own.values()]).mean(0)                  # (N, places, 1 + W)
        averages.append(View({"side": side, "blocks": len(own)}, _as_maps(mean)))
        block, last = list(own.items())[-1]
        heads += [View({"side": side, "block": block.removesuffix(".words"), "head": head + 1, "heads": last.shape[1]}, _as_maps(last[:, head]))
                  for head in range(last.shape[1])]
    return averages + heads


def _as_maps(shares: Tensor) -> Tensor:
    """(N, places, tokens) -> (N, tokens, h, h)."""
    side = round(shares.shape[1] ** 0.5)
    return shares.transpose(1, 2).unflatten(2, (side, side))


# The figure ----------------------------------------------------------------------------------------------------------

class WordHighlighter(LiveFigure):
    """The widget behind `word_highlighter`."""

    stem = "word_highlighter"
    room = (73.75, 62)
    _esm = module_source(stem)
    prompts = traitlets.List().tag(sync=True)                # each `recorded`, and language, words, views, ends, read
    about = traitlets.Dict().tag(sync=True)                  # the pen's colour, and words for what was read and seen


def word_highlighter(highlights: list[Highlights], classifier: nn.Module):
    """Pick a word and see where the picture looks for it at each step, and what is drawn from the same static without it.

    For a sentence of the reader's own, the zoo's "pets32-text" walks in the page: 20 steps, guidance 2.
    highlights: from `record_highlights`. classifier: names what is in the ends of the walks. A map is stored in 8 bits,
    from 0 to the largest share that its word has anywhere in this view. Returns a widget, or HTML for the published book.
    """
    about = {"marker": list(MARKER), "notices": notices(), "values": {"en": ATTRIBUTES, "te": names()["te"]}}
    traits = {"prompts": [_traits(one, classifier) for one in highlights], "about": about}
    return present(WordHighlighter, traits, _still(highlights[0]), models=(NETWORK, JUDGE))


def _traits(one: Highlights, classifier: nn.Module) -> dict:
    """One prompt as the module reads it."""
    ends = torch.cat([one.walk.result[None], one.without])
    return {**recorded(one.walk), "caption": one.walk.caption, "language": one.language, "words": list(one.words), "ends": film(ends, 1.0),
            "read": read_by(classifier, ends), "views": [_view_traits(view) for view in views_of(one.looks)]}


def _view_traits(view: View) -> dict:
    high = view.shares.amax((0, 2, 3))                       # (1 + W,)
    levels = 2 * view.shares / high.clamp(min=1e-12)[:, None, None] - 1
    return {"of": view.of, "high": [round(value, 5) for value in high.tolist()],
            "means": [[round(value, 4) for value in row] for row in view.shares.mean((2, 3)).tolist()],
            "maps": grey_film(levels.flatten(0, 1))}


@torch.no_grad()
def read_by(classifier: nn.Module, pictures: Tensor) -> list[dict[str, list]]:
    """What a classifier finds in each picture: attribute -> [number of the value, its probability]. pictures: (N, 3, H, H), in [-1, 1]."""
    chances = [logits.softmax(1) for logits in classifier(pictures.clamp(-1, 1))]
    return [{name: [int(chance[k].argmax()), round(float(chance[k].max()), 3)] for name, chance in zip(NAMES, chances)} for k in range(len(pictures))]


def highlighted(picture: Tensor, shares: Tensor) -> Tensor:
    """A picture in grey with the pen's colour over it, as strong as the shares. picture: (3, H, H). shares: (h, h), in [0, 1]."""
    times = picture.shape[1] // shares.shape[0]
    ink = 0.85 * shares.repeat_interleave(times, 0).repeat_interleave(times, 1)
    return (1 - ink) * 0.6 * picture.clamp(-1, 1).mean(0) + ink * torch.tensor(MARKER)[:, None, None]


def _still(one: Highlights) -> str:
    places = [i * (len(one.walk.stops) - 1) // 4 for i in range(5)]
    times, (view, *_) = [one.walk.stops[i] for i in places], views_of(one.looks)
    rows = still_row([one.walk.states[i] for i in places], [f"x_t, t = {t}" for t in times], [f"the walk at t = {t} of {T}" for t in times])
    rows += still_row([one.walk.guesses[i] for i in places], [f"guess, t = {t}" for t in times], [f"the model's guess at t = {t}" for t in times])
    loudest = sorted(range(1, 1 + len(one.words)), key=lambda token: -float(view.shares[:, token].amax()))[:2]
    for token in sorted(loudest):
        high, word = view.shares[:, token].amax(), one.words[token - 1]
        rows += still_row([highlighted(one.walk.guesses[i], view.shares[i, token] / high) for i in places], [f"looks for “{word}”"] * 5,
                          [f"where the picture looks for the word {word} at t = {t}" for t in times])
    return rows
