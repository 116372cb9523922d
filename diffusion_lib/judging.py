"""Is a model of pets any good? What it is asked, what it draws, and how often that is what was asked for.

Does it obey: does a classifier find in each picture every attribute that was asked for, also in combinations that
training never showed? A model that reads is asked the same in each of its languages. Does it look real: see `realism`.
Everything is asked with the same sampler and the same static, so that two models differ in nothing but themselves.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any, NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from .binding import bindings, relations
from .data.pets import NAMES, UNSAID, Grammar, captions, sample_attributes, scene_caption
from .data.pets.scenes import sample_scenes
from .denoisers import Denoiser
from .evaluation import Share, interval, share
from .guidance import ClassifierFreeGuidance
from .networks.classifier import Classifier, answers
from .random import CounterGenerator, bits
from .realism import compared, real_pictures, training_pictures
from .samplers import DPMSolverPP2M, static, trajectory
from .schedules import uniform_times

BATCH = 256
LAWS = {"seen": False, "held_out": True}                     # which combinations are asked for

Say = Callable[[Tensor], Any]                                # pets -> how a model is asked for them


class Setting(NamedTuple):
    """A way to sample. guidance, steps: of DPM-Solver++(2M). n: pictures a question."""

    guidance: float
    steps: int
    n: int


@dataclass(frozen=True)
class Protocol:
    """What to measure. n: pictures a question, at least 5. guidance, steps: of the sampler, DPM-Solver++(2M). seed: of prompts,
    static and real pictures. sweep: other settings, at which only obedience is measured; may be empty. distance_n: pictures of
    each set whose distance is measured, at most n. training_n: pictures that were trained on, to be looked at for copies."""

    n: int = 1000
    guidance: float = 2.0
    steps: int = 30
    seed: int = 7
    sweep: tuple[Setting, ...] = tuple(Setting(guidance, steps, 100) for guidance in (1.0, 2.0, 3.0) for steps in (8, 30))
    distance_n: int = 1000
    training_n: int = 10_000

    def __post_init__(self):
        if min(self.n, self.distance_n) < 5 or self.training_n < 1:
            raise ValueError(f"n is {self.n}, distance_n is {self.distance_n} and training_n is {self.training_n}, but n and distance_n "
                             f"have to be at least 5, and training_n at least 1")
        for setting in self.sweep:
            if setting.n < 1 or setting.steps < 1:
                raise ValueError(f"sweep holds {tuple(setting)}, but steps and n have to be at least 1")

    @property
    def settings(self) -> dict[tuple[float, int], int]:
        """All settings (guidance, steps), the main one first, and how many pictures each needs: none is drawn twice."""
        needed = {(self.guidance, self.steps): self.n}
        for guidance, steps, n in self.sweep:
            needed[guidance, steps] = max(n, needed.get((guidance, steps), 0))
        return needed


# Asking --------------------------------------------------------------------------------------------------------------

def prompts(n: int, seed: int, held_out: bool = False, scene: bool = False) -> Tensor:
    """n pets in which everything is said, (n, A) int64, of seen combinations or of held-out ones; of scenes (n, 2, A).

    seed: in [0, 2^32). The first pets are the same whatever n is.
    """
    return (sample_scenes if scene else sample_attributes)(bits(seed, torch.arange(n)), held_out)


def as_attributes(pets: Tensor) -> Tensor:
    """How a model that takes attributes is asked: as they are."""
    return pets


def in_words(grammar: Grammar) -> Say:
    """How a model that reads is asked, in one language: pets (n, A), or scenes (n, 2, A), to n captions.

    The captions say everything, also "no hat": what a caption leaves out could not be wrong, and the question is whether
    all that was asked for is there. They take turns with the language's phrasings; of scenes, every phrasing meets every
    way to say who stands where.
    """
    def say(pets: Tensor) -> list[str]:
        if pets.ndim == 2:
            return captions(pets, brief=False, grammar=grammar)
        relations, orders = len(grammar.scenes), len(grammar.closed)
        return [scene_caption(pair, number // relations % orders, False, grammar, number % relations)
                for number, pair in enumerate(pets)]
    return say


@torch.inference_mode()
def draw(denoiser: Denoiser, cond, size: int, guidance: float, steps: int, seed: int,
         tick: Callable[[int], object] = lambda pictures: None) -> Tensor:
    """One picture for each condition, (n, 3, size, size) in [-1, 1] on the CPU.

    cond: n conditions, a tensor (n, ...) or a list, whatever the denoiser listens to. guidance, steps, seed: as in
    `Protocol`; picture i begins with the same static whatever n is. tick: told after every step how many pictures made it.
    """
    device, generator = next(denoiser.parameters()).device, CounterGenerator(seed)
    guided, times, drawn = ClassifierFreeGuidance(denoiser, guidance), uniform_times(steps), []
    for first in range(0, len(cond), BATCH):
        part = cond[first:first + BATCH]
        part = part.to(device) if isinstance(part, Tensor) else part
        x = static((len(part), 3, size, size), denoiser.schedule, times[0], generator, device)
        for state in trajectory(guided, x, times, DPMSolverPP2M(), part):
            tick(len(part) * (state.prediction is not None))
        drawn.append(state.x.clamp(-1, 1).cpu())
    return torch.cat(drawn)


# Judging -------------------------------------------------------------------------------------------------------------

def attribute_accuracy(found: Tensor, asked: Tensor) -> dict[str, Share]:
    """How often what was asked was found: "all" asked attributes of a picture together, and each by its name.

    found: (n, A) int64, a classifier's answers. asked: (n, A) int64, -1 where nothing was asked; an attribute nobody
    asked for has no entry. With two pets on a picture both are (n, 2, A), left pet first: "all" is then each pet's attributes all
    right on the right side, and each attribute is counted once a pet. Raises ValueError where the shapes differ.
    """
    if found.shape != asked.shape or asked.ndim not in (2, 3) or asked.shape[-1] != len(NAMES):
        raise ValueError(f"found has shape {tuple(found.shape)} and asked {tuple(asked.shape)}, "
                         f"but both have to be (n, {len(NAMES)}) or (n, 2, {len(NAMES)})")
    right, said = found == asked, asked != UNSAID
    each = {name: share(right[..., a][said[..., a]]) for a, name in enumerate(NAMES) if said[..., a].any()}
    return {"all": share((right | ~said).flatten(1).all(1))} | each


class Interview(NamedTuple):
    """What a model was asked and what a classifier found in its pictures. asked: law -> pets, (n, A) or (n, 2, A). found:
    (way of asking, guidance, steps, law) -> the same for its pictures. pictures: way -> the seen ones of the main setting."""

    asked: dict[str, Tensor]
    found: dict[tuple[str, float, int, str], Tensor]
    pictures: dict[str, Tensor]

    def shares(self, ways: Iterable[str], setting: Setting) -> dict[str, dict[str, Share]]:
        """How often the model obeyed at a setting, for both laws; all of these ways of asking together."""
        return {law: attribute_accuracy(*self.pairs(ways, setting, law)) for law in LAWS}

    def pairs(self, ways: Iterable[str], setting: Setting, law: str) -> tuple[Tensor, Tensor]:
        """What was found and what was asked at a setting, each (N, A) or (N, 2, A); all of these ways together."""
        guidance, steps, n = setting
        return torch.cat([self.found[way, guidance, steps, law][:n] for way in ways]), torch.cat([self.asked[law][:n] for _ in ways])

    def of_scenes(self, names: list[str], setting: Setting, languages: Mapping[str, Grammar]) -> dict:
        """What `binding` says about scenes, as JSON; of one language also how well each way of saying where they are is understood."""
        shares = {law: bindings(*self.pairs(names, setting, law)) for law in LAWS}
        found = {"binding": {law: _values(each) for law, each in shares.items()},
                 "binding_interval": {law: _intervals(each, setting.n) for law, each in shares.items()}}
        if len(names) == 1 and names[0] in languages:
            ways = languages[names[0]].scenes
            shares = {law: relations(*self.pairs(names, setting, law), ways) for law in LAWS}
            found["relations"] = {law: _values(each) for law, each in shares.items()}
            asked = {way: len(range(number, setting.n, len(ways))) for number, way in enumerate(ways)}
            found["relations_interval"] = {law: {way: _interval(s, asked[way]) for way, s in each.items()} for law, each in shares.items()}
        return found


def interview(denoiser: Denoiser, classifier: Classifier, protocol: Protocol, ways: Mapping[str, Say]) -> Interview:
    """Ask a model for everything that a protocol wants to know. ways: name -> how it is asked; the rest as in `judge`."""
    p, scene = protocol, _sees_scenes(classifier)
    asked = {law: prompts(max(p.settings.values()), p.seed, held_out, scene) for law, held_out in LAWS.items()}
    found, pictures = {}, {}
    work = len(ways) * len(LAWS) * sum(n * steps * _calls(guidance) for (guidance, steps), n in p.settings.items())
    with tqdm(total=work, desc="draw", unit="call", unit_scale=True, mininterval=1) as bar:
        for (way, say), ((guidance, steps), n), law in product(ways.items(), p.settings.items(), LAWS):
            pets, calls = asked[law][:n], _calls(guidance)
            x = draw(denoiser, say(pets), classifier.config.side, guidance, steps, p.seed, lambda made: bar.update(made * calls))
            found[way, guidance, steps, law] = answers(classifier, x).reshape(pets.shape)
            if law == "seen" and (guidance, steps) == (p.guidance, p.steps):
                pictures[way] = x
    return Interview(asked, found, pictures)


def judge(denoiser: Denoiser, classifier: Classifier, protocol: Protocol = Protocol(),
          languages: Mapping[str, Grammar] | None = None, data_seed: int = 0) -> dict:
    """Everything about a model of pets, as JSON: how often it obeys, how real its pictures look, and how sure that is.

    denoiser: takes attributes as condition, or texts. classifier: of the same picture size; where it answers twice as many
    questions as a pet has attributes, the pictures are scenes, and the left pet's answers come first. protocol: what to measure.
    languages: of a denoiser that reads; None for attributes. data_seed: of the recipe's [data], to know what was trained on.

    The results in each language stand under "languages". At the top stand those of all languages together, of n pictures; their
    standard errors take the same wish in two languages for two wishes. Each share has its 95 % interval, [low, high], under
    "interval" (of scenes under "binding_interval" and "relations_interval" too): `evaluation.interval` of as many as there were
    wishes, in how many languages each was said and how many pets it names.
    """
    p, distance_n, scene = protocol, min(protocol.distance_n, protocol.n), _sees_scenes(classifier)
    ways = {name: in_words(grammar) for name, grammar in languages.items()} if languages else {"attributes": as_attributes}
    heard = interview(denoiser, classifier, p, ways)
    training = training_pictures(p.training_n, classifier.config.side, data_seed, scene)
    comparison = compared(classifier, heard.pictures, distance_n, p.seed, training, scene)

    def results(names: list[str]) -> dict:
        figures, main = comparison.figures(names), Setting(p.guidance, p.steps, p.n)
        rows = [{"guidance": setting.guidance, "steps": setting.steps, "n": setting.n * len(names)}
                | {law: shares["all"]._asdict() | {"interval": _interval(shares["all"], setting.n)}
                   for law, shares in heard.shares(names, setting).items()} for setting in p.sweep]
        return _accuracies(heard.shares(names, main), p.n) | {
            "frechet": figures["frechet"] | {"n": distance_n}, "recall": figures["recall"]["value"] / figures["recall"]["floor"],
            "n": p.n * len(names), "figures": figures, "sweep": {"rows": rows}} | (
            heard.of_scenes(names, main, languages or {}) if scene else {})

    each = {"languages": {name: results([name]) for name in ways}} if languages else {}
    return results(list(ways)) | each | {"protocol": asdict(p) | {"sampler": "DPM-Solver++(2M)", "data_seed": data_seed}}


def judge_classifier(classifier: Classifier, protocol: Protocol = Protocol()) -> dict:
    """How often a classifier names every attribute of fresh real pictures, as JSON; of scenes, every attribute of both pets."""
    p, accuracy = protocol, {}
    for law, split in (("seen", "validation"), ("held_out", "held_out")):
        x, asked = real_pictures(p.n, classifier.config.side, p.seed, split, _sees_scenes(classifier))
        accuracy[law] = attribute_accuracy(answers(classifier, x).reshape(asked.shape), asked)
    return _accuracies(accuracy, p.n) | {"n": p.n, "protocol": {"n": p.n, "seed": p.seed}}


def _accuracies(laws: dict[str, dict[str, Share]], wishes: int) -> dict:
    return {"accuracy": {law: _values(shares) for law, shares in laws.items()},
            "standard_error": {law: {name: s.standard_error for name, s in shares.items()} for law, shares in laws.items()},
            "interval": {law: _intervals(shares, wishes) for law, shares in laws.items()}}


def _values(shares: Mapping[str, Share]) -> dict[str, float]:
    return {name: s.value for name, s in shares.items()}


def _intervals(shares: Mapping[str, Share], n: int) -> dict[str, list[float]]:
    return {name: _interval(s, n) for name, s in shares.items()}


def _interval(found: Share, n: int) -> list[float]:
    """The 95 % interval of a share, as JSON keeps it. n: wishes."""
    return [*interval(found.value, n)]


def _calls(guidance: float) -> int:
    """Network calls a step and picture: guidance asks twice, except at 1."""
    return 1 if guidance == 1 else 2


def _sees_scenes(classifier: Classifier) -> bool:
    """Whether it is asked about two pets."""
    return len(classifier.config.sizes) == 2 * len(NAMES)
