"""Is a model of pets any good? Three questions, each asked of real pictures too.

Does it obey: does a classifier find in each picture every attribute that was asked for, also in combinations that
training never showed? Does it look right: are its pictures, as points in the classifier's feature space, as far from
real ones as other real ones are (Fréchet distance)? Does it know everything: which share of the real pictures lies on
its manifold (recall)? The last two compare it with the floor: what fresh real pictures get at the same sample size.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import combinations
from statistics import fmean, stdev

import torch
from torch import Tensor
from tqdm import tqdm

from .data.pets import NAMES, UNSAID, PartyPets, sample_attributes
from .denoisers import Denoiser
from .evaluation import Share, frechet_distance, precision_recall, share
from .guidance import ClassifierFreeGuidance
from .networks.classifier import Classifier, answers
from .random import CounterGenerator, bits
from .samplers import DPMSolverPP2M, static, trajectory
from .schedules import uniform_times

BATCH = 256
REAL_SETS = 4                                                # sets of real pictures, so that the floor is a mean over 6 pairs


@dataclass(frozen=True)
class Protocol:
    """What to measure. n: pictures a question, at least 5. guidance, steps: of the sampler, DPM-Solver++(2M). seed: of prompts,
    static and real pictures. distance_n: pictures of each set whose distance is measured, at most n. sweep_n: pictures for
    each row of the sweep over guidance and steps; 0 leaves it out."""

    n: int = 1000
    guidance: float = 2.0
    steps: int = 30
    seed: int = 7
    distance_n: int = 1000
    sweep_n: int = 100
    sweep: tuple[tuple[float, int], ...] = tuple((guidance, steps) for guidance in (1.0, 2.0, 3.0) for steps in (10, 30))

    def __post_init__(self):
        if self.n < 5 or self.sweep_n < 0:
            raise ValueError(f"n is {self.n} and sweep_n is {self.sweep_n}, but n has to be at least 5, and sweep_n at least 0")


def prompts(n: int, seed: int, held_out: bool = False) -> Tensor:
    """n pets in which everything is said, (n, A) int64, of seen combinations or of held-out ones. seed: in [0, 2^32)."""
    return sample_attributes(bits(seed, torch.arange(n)), held_out)


@torch.inference_mode()
def draw(denoiser: Denoiser, cond: Tensor, size: int, guidance: float, steps: int, seed: int,
         tick: Callable[[int], object] = lambda pictures: None) -> Tensor:
    """One picture for each row of `cond` (n, A), as (n, 3, size, size) in [-1, 1] on the CPU.

    guidance, steps, seed: as in `Protocol`; picture i begins with the same static whatever n is. tick: told after every
    step how many pictures made it.
    """
    device, generator = next(denoiser.parameters()).device, CounterGenerator(seed)
    guided, times, drawn = ClassifierFreeGuidance(denoiser, guidance), uniform_times(steps), []
    for part in cond.split(BATCH):
        x = static((len(part), 3, size, size), denoiser.schedule, times[0], generator, device)
        for state in trajectory(guided, x, times, DPMSolverPP2M(), part.to(device)):
            tick(len(part) * (state.prediction is not None))
        drawn.append(state.x.clamp(-1, 1).cpu())
    return torch.cat(drawn)


def attribute_accuracy(found: Tensor, asked: Tensor) -> dict[str, Share]:
    """How often what was asked was found: "all" asked attributes of a picture together, and each by its name.

    found: (n, A) int64, a classifier's answers. asked: (n, A) int64, -1 where nothing was asked; an attribute nobody
    asked for has no entry. Raises ValueError where the shapes differ.
    """
    if found.shape != asked.shape or asked.ndim != 2 or asked.shape[1] != len(NAMES):
        raise ValueError(f"found has shape {tuple(found.shape)} and asked {tuple(asked.shape)}, but both have to be (n, {len(NAMES)})")
    right, said = found == asked, asked != UNSAID
    each = {name: share(right[said[:, a], a]) for a, name in enumerate(NAMES) if said[:, a].any()}
    return {"all": share((right | ~said).all(1))} | each


@torch.inference_mode()
def features(classifier: Classifier, x: Tensor) -> Tensor:
    """What the classifier reads its answers from. x: (n, 3, H, W), in [-1, 1]; returns (n, features)."""
    return torch.cat([classifier.features(part) for part in x.split(BATCH)])


def judge(denoiser: Denoiser, classifier: Classifier, protocol: Protocol = Protocol()) -> dict:
    """Everything about a model of pets, as JSON: accuracy, Fréchet distance, recall, and their standard errors.

    denoiser: takes attributes as condition. classifier: of the same picture size. protocol: what to measure.
    """
    p, size = protocol, classifier.config.side
    sweep_n = min(p.sweep_n, p.n)
    work = 2 * p.n * p.steps * _calls(p.guidance) + sum(sweep_n * steps * _calls(guidance) for guidance, steps in p.sweep)
    with tqdm(total=work, desc="evaluate", unit="call", unit_scale=True, mininterval=1) as bar:

        def ask(n: int, held_out: bool, guidance: float, steps: int) -> tuple[Tensor, dict[str, Share]]:
            asked = prompts(n, p.seed, held_out)
            x = draw(denoiser, asked, size, guidance, steps, p.seed, lambda pictures: bar.update(pictures * _calls(guidance)))
            return x, attribute_accuracy(answers(classifier, x), asked)

        pictures, seen = ask(p.n, False, p.guidance, p.steps)
        held_out = ask(p.n, True, p.guidance, p.steps)[1]
        sweep = [(guidance, steps, ask(sweep_n, False, guidance, steps)[1]["all"]) for guidance, steps in p.sweep] if sweep_n else []
    rows = [{"guidance": guidance, "steps": steps, "all": s.value, "standard_error": s.standard_error} for guidance, steps, s in sweep]
    return _accuracies(seen, held_out) | _distances(classifier, pictures[:p.distance_n], p.seed) | {
        "n": p.n, "sweep": {"n": sweep_n, "rows": rows}, "protocol": asdict(p) | {"sampler": "DPM-Solver++(2M)"}}


def judge_classifier(classifier: Classifier, protocol: Protocol = Protocol()) -> dict:
    """How often a classifier names every attribute of fresh real pictures, as JSON."""
    p, accuracy = protocol, {}
    for law, split in (("seen", "validation"), ("held_out", "held_out")):
        x, asked = real_pictures(p.n, classifier.config.side, p.seed, split)
        accuracy[law] = attribute_accuracy(answers(classifier, x), asked)
    return _accuracies(accuracy["seen"], accuracy["held_out"]) | {"n": p.n, "protocol": {"n": p.n, "seed": p.seed}}


def real_pictures(n: int, size: int, seed: int, split: str = "validation") -> tuple[Tensor, Tensor]:
    """n pictures that no training run has seen, (n, 3, size, size), and their attributes (n, A). split: as in `PartyPets`."""
    pictures, attributes = zip(*(PartyPets(size, split, seed=seed).batch(part) for part in torch.arange(n).split(BATCH)))
    return torch.cat(pictures), torch.cat(attributes)


def _distances(classifier: Classifier, pictures: Tensor, seed: int) -> dict:
    """Fréchet distance and recall of generated pictures, beside those of real ones; means over several real sets."""
    fake, size = features(classifier, pictures), classifier.config.side
    real = [features(classifier, real_pictures(len(fake), size, (seed + 1 + i) % 2**32)[0]) for i in range(REAL_SETS)]
    floors = [frechet_distance(a, b) for a, b in combinations(real, 2)]
    recall = fmean(precision_recall(a, fake).recall for a in real)
    attainable = fmean(precision_recall(a, b).recall for a, b in combinations(real, 2))
    return {"frechet": {"value": fmean(frechet_distance(a, fake) for a in real), "floor": fmean(floors), "n": len(fake),
                        "standard_deviation": stdev(floors)},
            "recall": recall / attainable, "recalls": {"generated": recall, "real": attainable}}


def _accuracies(seen: dict[str, Share], held_out: dict[str, Share]) -> dict:
    laws = {"seen": seen, "held_out": held_out}
    return {"accuracy": {law: {name: s.value for name, s in shares.items()} for law, shares in laws.items()},
            "standard_error": {law: {name: s.standard_error for name, s in shares.items()} for law, shares in laws.items()}}


def _calls(guidance: float) -> int:
    """Network calls a step and picture: guidance asks twice, except at 1."""
    return 1 if guidance == 1 else 2
