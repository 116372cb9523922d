"""The dream machine: the book's own text-to-image network draws in the reader's browser, and every step can be looked at.

The network, the judge that says what it sees, and the engine that runs both come as files (engine/). What stands here is
what surrounds them: a walk recorded beforehand, for readers whom the network does not reach; the words for what is seen;
and an archive of training pictures, in which the page looks for the one that was drawn.
"""

import torch
import traitlets
from torch import Tensor

from .. import zoo
from ..checkpoints import read_about
from ..data.pets import ATTRIBUTES, GRAMMARS, PartyPets
from ..data.pets.grammar import Word
from ..denoisers import Denoiser
from ..guidance import ClassifierFreeGuidance
from ..pictures import image_grid
from ..random import CounterGenerator, randn
from ..realism import NEAR, most_alike, small
from ..samplers import DPMSolverPP2M, State, trajectory
from ..schedules import uniform_times
from ._base import GUESS_RANGE, NOISE_RANGE, LiveFigure, film, lossless, module_source, present, still_row

NETWORK, JUDGE = "pets32-text", "pets32-classifier"
EXAMPLES = (
    ("en", "make this into a cat!"), ("en", "turn this static into a cat wearing a hat"), ("en", "denoise this into a dog"),
    ("te", "దీని నాయిస్ తీసివేసి కుక్కలా మార్చు"), ("en", "a sleepy green frog with glasses on a pink background"),
    ("te", "కిరీటం పెట్టుకున్న కుందేలు"))
RECORDED_STEPS = 10
ARCHIVE, FRESH = 660, 100                                    # training pictures that are searched, and fresh real ones
COLUMNS = 30                                                 # of the archive's sheet


class DreamMachine(LiveFigure):
    """The widget behind `dream_machine`."""

    stem = "dream_machine"
    room = (61, 49.75)
    _esm = module_source(stem)
    about = traitlets.Dict().tag(sync=True)                  # how it opens, words, a recorded walk, the archive


class SmallDreamMachine(DreamMachine):
    """The same as a small form."""

    room = (45.75, 53.5)


def dream_machine(prompt: str = "a cat wearing a hat", *, seed: int = 7, steps: int = 30, guidance: float = 2.0,
                  scratch: bool = False, small: bool = False):
    """A prompt box, and a network that draws what stands in it, step by step, where the reader is.

    prompt, seed, steps, guidance: with what it opens; they are those of `diffusion_lib sample`, which draws the same picture.
    scratch: whether it opens as a card of static that clears only where it is rubbed. small: only the box, the button and
    the picture. Returns a widget, or HTML for the published book.
    Raises ValueError for steps outside 1 to 50 and for guidance outside 0 to 8.
    """
    if not 1 <= steps <= 50 or not 0 <= guidance <= 8:
        raise ValueError(f"steps is {steps} and guidance is {guidance}, but they have to lie in 1 to 50 and in 0 to 8")
    states = _walk(zoo.load(NETWORK), prompt, seed, guidance)
    about = {"prompt": prompt, "seed": seed, "steps": steps, "guidance": float(guidance), "scratch": scratch, "small": small,
             "examples": [list(example) for example in EXAMPLES], "names": names(), "notices": notices(),
             "recorded": _recorded(states, prompt, seed), "archive": {} if small else archive()}
    figure = SmallDreamMachine if small else DreamMachine
    return present(figure, {"about": about}, _still(states, prompt), models=(NETWORK, JUDGE))


def names() -> dict[str, dict[str, list[str]]]:
    """What the page calls the things it sees: language -> attribute -> a word for each value."""
    return {code: {attribute: [grammar.repaired(_name(grammar.words[attribute][value][0], attribute)) for value in values]
                   for attribute, values in ATTRIBUTES.items()} for code, grammar in GRAMMARS.items()}


def _name(word: Word, attribute: str) -> str:
    """An English animal is the one name that stands in its table without its article."""
    if isinstance(word, str):
        return f"a {word}" if attribute == "animal" else word
    return word.get("a", word[""])


def notices() -> dict[str, dict[str, str]]:
    """How it is said in each language what was done to a prompt, with places in braces."""
    wanted = ("repaired", "unknown", "more_unknown", "too_long", "heard", "heard_nothing")
    return {code: {key: getattr(grammar.notices, key) for key in wanted} for code, grammar in GRAMMARS.items()}


def archive(count: int = ARCHIVE, fresh: int = FRESH) -> dict:
    """The first pictures that the network was trained on, at half size, and how far fresh real ones are from them.

    count: a multiple of 30. fresh: real pictures that no training saw. Distances are those of `realism.most_alike`, the
    median and the quantile below which a picture counts as a near copy.
    """
    trained, real = PartyPets(32).batch(torch.arange(count))[0], PartyPets(32, "validation").batch(torch.arange(fresh))[0]
    distance = most_alike(real, trained).distance[:, 0]
    sheet = image_grid(small(trained).unflatten(1, (3, 16, 16)), columns=COLUMNS, gap=0)
    return {"sheet": lossless(sheet), "count": count, "of": read_about(zoo.file_of(NETWORK))["pictures"], "fresh": fresh,
            "median": float(distance.median()), "near": float(distance.quantile(NEAR))}


def _walk(model: Denoiser, prompt: str, seed: int, guidance: float) -> list[State]:
    x = randn((1, 3, 32, 32), CounterGenerator(seed))
    return list(trajectory(ClassifierFreeGuidance(model, guidance), x, uniform_times(RECORDED_STEPS), DPMSolverPP2M(), [prompt]))


def _recorded(states: list[State], prompt: str, seed: int) -> dict:
    """A walk for readers whom the network does not reach."""
    return {"prompt": prompt, "seed": seed, "guess_range": GUESS_RANGE, "noise_range": NOISE_RANGE,
            "states": film(torch.cat([state.x for state in states]), NOISE_RANGE),
            "guesses": film(torch.cat([_guess(state)[None] for state in states]), GUESS_RANGE)}


def _guess(state: State) -> Tensor:
    return state.x[0] if state.prediction is None else state.prediction.x0[0]


def _still(states: list[State], prompt: str) -> str:
    steps = [0, 2, 5, 7, RECORDED_STEPS]

    def row(name: str, what: str, picture) -> str:
        return still_row([picture(states[k]) for k in steps], [f"{name}, step {k}" for k in steps],
                         [f"{what} “{prompt}” after {k} of {RECORDED_STEPS} steps" for k in steps])

    return row("x_t", "static on its way to", lambda state: state.x[0]) + row("guess", "the model's guess of", _guess)
