"""Do pictures look real? Each figure stands between two others: what real pictures get, and what static gets.

A set of pictures is looked at in three ways, and two sets are compared in each: as points in a classifier's feature space
(what is on them), as details of every size (blur and grain, which the classifier overlooks), and by how near they come to
pictures that were trained on (whether they are copies). No figure means much alone. Beside it stands its floor, the same
figure for real pictures against other real ones, and its ceiling, the same for static against real ones. (The classifier
has never seen static, and takes most of it for one thing: precision can be high even there, recall is not.)
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, product
from statistics import fmean, stdev
from typing import NamedTuple

import torch
from torch import Tensor, nn
from tqdm import tqdm

from .data.pets import PartyPets
from .evaluation import details, frechet_distance, kernel_distance, moved, nearest, precision_recall
from .networks.classifier import Classifier
from .random import CounterGenerator, randn

BATCH = 256
REAL_SETS = 4                                                # sets of real pictures, so that the floor is a mean over 6 pairs
NEAR = 0.05                                                  # the share of fresh real pictures that counts as near to training ones

Figures = dict[str, float]


class Look(NamedTuple):
    """All that the figures have to know of N pictures. features: (N, F). details: as `evaluation.details` gives them.
    nearest: (N,), how far each is, at half its size, from the nearest picture that was trained on."""

    features: Tensor
    details: dict[int, Tensor]
    nearest: Tensor


def real_pictures(n: int, size: int, seed: int, split: str = "validation", scene: bool = False) -> tuple[Tensor, Tensor]:
    """n pictures that no training run has seen, (n, 3, size, size), and their attributes (n, A); of scenes (n, 2, A).

    split, scene: as in `PartyPets`.
    """
    pets = PartyPets(size, split, scene, seed=seed)
    pictures, attributes = zip(*(pets.batch(part) for part in torch.arange(n).split(BATCH)))
    return torch.cat(pictures), torch.cat(attributes)


def training_pictures(n: int, size: int, seed: int = 0, scene: bool = False) -> Iterable[Tensor]:
    """The first n pictures that a run saw, in parts (B, 3, size, size). seed: of the recipe's [data], where it names one."""
    pets = PartyPets(size, "train", scene, seed=seed)
    return (pets.batch(part)[0] for part in tqdm(torch.arange(n).split(BATCH), desc="nearest pictures", unit="part", mininterval=1))


@torch.inference_mode()
def features(classifier: Classifier, x: Tensor) -> Tensor:
    """What the classifier reads its answers from. x: (n, 3, H, W), in [-1, 1]; returns (n, features)."""
    return torch.cat([classifier.features(part) for part in x.split(BATCH)])


def small(x: Tensor) -> Tensor:
    """Pictures at half their size, each as one row of pixels: (N, C, H, W) to (N, C H W / 4). In them copies are looked for.

    At full size a little blur alone brings pictures nearer to all others: it took the share of near copies among 500 real
    pictures from 6 to 17 %, and of training pictures that were moved by one pixel only 17 % were found. At half size these
    are 3 to 7 %, and 57 %; grain changes nothing. (In the classifier's features all of them were found; but it has an eye for
    what it was taught alone, and there a picture that is merely typical of its kind is near to another.)
    """
    return nn.functional.avg_pool2d(x, 2).flatten(1)


class Neighbours(NamedTuple):
    """The pictures of an archive that are most like each of N others. index, distance: (N, k), nearest first."""

    index: Tensor
    distance: Tensor


def most_alike(x: Tensor, archive: Tensor, k: int = 1) -> Neighbours:
    """Has this picture existed before? The k pictures of an archive that are most like each picture, and how far away they are.

        d(a, b) = sqrt(mean((half(a) - half(b))^2)),     half = means of 2 x 2 pixels, see `small`

    x: (N, 3, H, W), archive: (M, 3, H, W), in [-1, 1], H and W even. k: at least 1, at most M. Distances are in the units of
    a pixel: 0 is the same picture, 2 black against white. One alone says little; beside it belongs the distance of fresh real
    pictures from the same archive. Raises ValueError where shapes do not fit, or k is out of range.
    """
    if x.ndim != 4 or x.shape[1:] != archive.shape[1:] or any(side % 2 for side in x.shape[2:]):
        raise ValueError(f"x has shape {tuple(x.shape)} and archive {tuple(archive.shape)}, but they have to be (N, C, H, W) and "
                         f"(M, C, H, W) with even H and W")
    if not 1 <= k <= len(archive):
        raise ValueError(f"k is {k}, but it has to be at least 1 and at most {len(archive)}, the size of the archive")
    own, others = small(x), small(archive)
    every = torch.cdist(own, others, compute_mode="donot_use_mm_for_euclid_dist") / own.shape[1] ** 0.5
    distance, index = every.topk(k, dim=1, largest=False)
    return Neighbours(index, distance)


def looks(classifier: Classifier, sets: Sequence[Tensor], training: Iterable[Tensor]) -> list[Look]:
    """Look at each set of pictures once. sets: each (N, 3, H, W). training: pictures that were trained on, in parts."""
    distances = nearest(torch.cat([small(x) for x in sets]), map(small, training)).split([len(x) for x in sets])
    shown = tqdm(list(zip(sets, distances)), desc="looks", unit="set", mininterval=1)
    return [Look(features(classifier, x), details(x), distance) for x, distance in shown]


def compare(real: Look, other: Look) -> Figures:
    """Every figure of one set of pictures against one set of real ones, equally many."""
    precision, recall = precision_recall(real.features, other.features)
    moves = {f"wasserstein {side}": moved(real.details[side], other.details[side]) for side in real.details}
    return {"frechet": frechet_distance(real.features, other.features), "kernel": kernel_distance(real.features, other.features),
            "precision": precision, "recall": recall, "wasserstein": fmean(moves.values()), **moves,
            "near copies": float((other.nearest < real.nearest.quantile(NEAR)).double().mean())}


class Comparison(NamedTuple):
    """The figures of single pairs of sets. generated: name -> (generated, real). floor: (real, real). ceiling: (static, real)."""

    generated: dict[str, list[Figures]]
    floor: list[Figures]
    ceiling: list[Figures]

    def figures(self, names: Iterable[str]) -> dict[str, Figures]:
        """Each figure of the generated pictures of these names, its floor and its ceiling: means, and spreads from pair to pair."""
        generated = [pair for name in names for pair in self.generated[name]]

        def of(pairs: list[Figures], figure: str) -> list[float]:
            return [pair[figure] for pair in pairs]

        return {figure: {"value": fmean(of(generated, figure)), "spread": stdev(of(generated, figure)),
                         "floor": fmean(of(self.floor, figure)), "floor_spread": stdev(of(self.floor, figure)),
                         "ceiling": fmean(of(self.ceiling, figure))} for figure in self.floor[0]}


def compared(classifier: Classifier, drawn: Mapping[str, Tensor], n: int, seed: int, training: Iterable[Tensor],
             scene: bool = False) -> Comparison:
    """Compare generated pictures with real ones and these with each other, looking at every picture once.

    drawn: name -> at least n generated pictures (N, 3, H, W), which are taken in sets of n. seed: the real ones are those of
    the seeds after it. training: pictures that were trained on, in parts. scene: whether there are two pets on each.
    """
    size = classifier.config.side
    real = [real_pictures(n, size, (seed + 1 + i) % 2**32, scene=scene)[0] for i in range(REAL_SETS)]
    static = randn((n, 3, size, size), CounterGenerator(seed)).clamp(-1, 1)
    sets = {name: [part for part in x.split(n) if len(part) == n] for name, x in drawn.items()}
    seen = iter(looks(classifier, [*real, static, *(part for parts in sets.values() for part in parts)], training))
    real, static = [next(seen) for _ in real], next(seen)
    generated = {name: [next(seen) for _ in parts] for name, parts in sets.items()}
    return Comparison({name: [compare(a, b) for a, b in product(real, own)] for name, own in generated.items()},
                      [compare(a, b) for a, b in combinations(real, 2)], [compare(a, static) for a in real])
