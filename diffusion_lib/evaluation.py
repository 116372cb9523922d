"""How far apart are two sets of samples?

Two sets of pictures are turned into points (their features, or for toys the points themselves), and the question becomes
one about two clouds of points. No single number says it all: the Fréchet and kernel distances see a wrong cloud but not
what is wrong with it; precision asks whether each sample looks real, recall whether each real thing can be made.

Everything here is a pure function of tensors, computed in float64. All distances between finite sets depend on how many
points there are; the fair yardstick is the same distance between two sets of real ones of that size.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from .random import CounterGenerator, Generator, randn


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """The squared Fréchet distance of the two Gaussians that have the means and covariances of the sets.

        d^2 = |mean_a - mean_b|^2 + tr(A + B - 2 (A B)^(1/2)),     tr (A B)^(1/2) = sum of singular values of B^(1/2) A^(1/2)

    a: (N, D), b: (M, D), features, N and M at least 2. On the features of an Inception network it is called FID. It is
    biased upwards by a term that shrinks like 1/N.
    Reference: Heusel et al. 2017, eq. 6.
    """
    a, b = _checked(a, b, at_least=2)
    mean = ((a.mean(0) - b.mean(0)) ** 2).sum()
    A, B = torch.cov(a.T).reshape(a.shape[1], -1), torch.cov(b.T).reshape(b.shape[1], -1)
    overlap = torch.linalg.matrix_norm(_root(B) @ _root(A), "nuc")
    return max(0.0, float(mean + A.trace() + B.trace() - 2 * overlap))


def _root(covariance: Tensor) -> Tensor:
    """The symmetric square root of a positive semi-definite matrix (D, D)."""
    values, axes = torch.linalg.eigh(covariance)
    return axes * values.clamp(min=0).sqrt() @ axes.T        # rounding can make a zero eigenvalue slightly negative


def kernel_distance(a: Tensor, b: Tensor) -> float:
    """The squared maximum mean discrepancy under a cubic kernel, without bias; it can come out slightly below 0.

        d^2 = mean k(a_i, a_j) + mean k(b_i, b_j) - 2 mean k(a_i, b_j),     k(x, y) = (x . y / D + 1)^3,     i != j in the first two

    a: (N, D), b: (M, D), features, N and M at least 2. On Inception features it is called KID.
    Reference: Binkowski et al. 2018, eq. 4 and section 4.
    """
    a, b = _checked(a, b, at_least=2)

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        return (x @ y.T / x.shape[1] + 1) ** 3               # (N, M)

    def within(x: Tensor) -> Tensor:
        pairs = kernel(x, x)
        return (pairs.sum() - pairs.trace()) / (len(x) * (len(x) - 1))

    return float(within(a) + within(b) - 2 * kernel(a, b).mean())


def sliced_wasserstein(a: Tensor, b: Tensor, directions: int = 256, generator: Generator | None = None) -> float:
    """Look at both clouds from many directions; from each, sort the shadows and see how far apart they are.

        d^2 = mean over directions u and ranks i of (sorted(a u)_i - sorted(b u)_i)^2

    a, b: (N, D), as many points in one as in the other. directions: unit vectors u, at least 1. generator: where they
    come from; None always takes the same ones. Returns d, in the units of a.
    Reference: Bonneel et al. 2015 (here of order 2).
    """
    a, b = _checked(a, b, at_least=1)
    if len(a) != len(b) or directions < 1:
        raise ValueError(f"a has {len(a)} points, b {len(b)}, and directions is {directions}, but the sets have to be of one size, "
                         f"and directions at least 1")
    u = randn((a.shape[1], directions), generator or CounterGenerator(0), a.device, torch.float64)
    u = u / u.norm(dim=0)
    return float(((a @ u).sort(dim=0).values - (b @ u).sort(dim=0).values).square().mean().sqrt())


class PrecisionRecall(NamedTuple):
    """precision: share of the fakes that look real. recall: share of the reals that could be faked. Both in [0, 1]."""

    precision: float
    recall: float


def precision_recall(real: Tensor, fake: Tensor, k: int = 3, chunk: int = 1024) -> PrecisionRecall:
    """How much of one set lies on the other's manifold, taken to be the balls around its points up to their k-th neighbour.

    real: (N, D), fake: (M, D), features. k: at least 1, below N and M. chunk: how many points are compared at a time.
    Reference: Kynkaanniemi et al. 2019, eq. 1 and 2.
    """
    real, fake = _checked(real, fake, at_least=2)
    if not 1 <= k < min(len(real), len(fake)):
        raise ValueError(f"k is {k}, but it has to be at least 1 and below the size of the sets, {len(real)} and {len(fake)}")
    return PrecisionRecall(precision=_covered(fake, real, k, chunk), recall=_covered(real, fake, k, chunk))


def _covered(points: Tensor, manifold: Tensor, k: int, chunk: int) -> float:
    """The share of `points` that lie within some ball of `manifold`."""
    radii = torch.cat([_distances(part, manifold).kthvalue(k + 1).values for part in manifold.split(chunk)])  # + 1: itself
    return float(torch.cat([(_distances(part, manifold) <= radii).any(1) for part in points.split(chunk)]).double().mean())


def _distances(x: Tensor, y: Tensor) -> Tensor:
    """All distances (N, M), each by subtraction: the faster way with products would lose half the digits."""
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")


class Share(NamedTuple):
    """A measured share in [0, 1], and the standard error of that measurement."""

    value: float
    standard_error: float


def share(hits: Tensor) -> Share:
    """How often it was true: p and sqrt(p (1 - p) / N). hits: (N,) bool, N at least 1. (At p = 0 and 1 the estimated error is 0.)"""
    if hits.ndim != 1 or hits.dtype != torch.bool or not len(hits):
        raise ValueError(f"hits are {hits.dtype} of shape {tuple(hits.shape)}, but they have to be one or more bools in one row")
    p = float(hits.double().mean())
    return Share(p, (p * (1 - p) / len(hits)) ** 0.5)


def _checked(a: Tensor, b: Tensor, at_least: int) -> tuple[Tensor, Tensor]:
    """Both sets as float64. Raises ValueError unless they are (N, D) and (M, D), finite, with enough points."""
    for name, x in (("the first set", a), ("the second set", b)):
        if x.ndim != 2 or len(x) < at_least or not torch.isfinite(x).all():
            raise ValueError(f"{name} has shape {tuple(x.shape)}, but it has to be (N, D), finite, with N at least {at_least}")
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"the sets have {a.shape[1]} and {b.shape[1]} numbers a point, but they have to have as many")
    return a.detach().double(), b.detach().double()
