"""Distances against closed forms: Gaussians whose moments are made exact, sets small enough to work out by hand."""

import math

import pytest
import torch

import diffusion_lib as dl
from diffusion_lib.evaluation import frechet_distance, kernel_distance, precision_recall, share, sliced_wasserstein


def noise(*shape, seed=1):
    return dl.randn(shape, dl.CounterGenerator(seed), dtype=torch.float64)


def gaussian_with(mean, cov, n=50, seed=1):
    """n points whose sample mean and sample covariance are exactly these."""
    mean, cov = torch.as_tensor(mean, dtype=torch.float64), torch.as_tensor(cov, dtype=torch.float64)
    x = noise(n, len(mean), seed=seed)
    x = x - x.mean(0)
    whitened = torch.linalg.solve_triangular(torch.linalg.cholesky(torch.cov(x.T)), x.T, upper=False).T
    return mean + whitened @ torch.linalg.cholesky(cov).T


# Fréchet

def test_frechet_of_gaussians_with_diagonal_covariances():
    """d^2 = |difference of means|^2 + sum of (s_i - r_i)^2."""
    a = gaussian_with([1.0, 2.0, 0.0], torch.diag(torch.tensor([4.0, 1.0, 9.0])))
    b = gaussian_with([0.0, 0.0, 0.0], torch.diag(torch.tensor([1.0, 25.0, 9.0])), n=70, seed=2)
    assert abs(frechet_distance(a, b) - (1 + 4 + (2 - 1) ** 2 + (1 - 5) ** 2 + 0)) < 1e-10


def test_frechet_of_covariances_that_do_not_commute():
    """In two dimensions tr (A B)^(1/2) = sqrt(tr(A B) + 2 sqrt(det A det B)), whatever the axes."""
    A = torch.tensor([[2.0, 0.9], [0.9, 1.0]], dtype=torch.float64)
    B = torch.tensor([[0.5, -0.3], [-0.3, 3.0]], dtype=torch.float64)
    exact = (A + B).trace() - 2 * torch.sqrt((A @ B).trace() + 2 * torch.sqrt(torch.det(A) * torch.det(B)))
    assert abs(frechet_distance(gaussian_with([0.0, 0.0], A), gaussian_with([0.0, 0.0], B, seed=2)) - float(exact)) < 1e-10


def test_frechet_of_flat_clouds():
    """Fewer points than dimensions: the covariances are singular, and the distance is still that of the means."""
    a = noise(5, 20)
    assert abs(frechet_distance(a, a + 0.5) - 20 * 0.25) < 1e-9
    assert frechet_distance(a, a) < 1e-9


def test_frechet_of_one_dimension():
    assert abs(frechet_distance(torch.tensor([[0.0], [2.0]]), torch.tensor([[5.0], [5.0]])) - (16 + 2)) < 1e-10


def test_frechet_is_symmetric_and_takes_float32():
    a, b = noise(40, 6).float(), (2 * noise(60, 6, seed=2) + 1).float()
    assert abs(frechet_distance(a, b) - frechet_distance(b, a)) < 1e-10
    assert abs(frechet_distance(a, b) - frechet_distance(a.double(), b.double())) < 1e-12


# Kernel

def test_kernel_distance_of_four_points():
    """D = 1 and k(x, y) = (x y + 1)^3: within a k(0, 1) = 1, within b k(2, 3) = 343, across 1, 1, 27, 64."""
    a, b = torch.tensor([[0.0], [1.0]]), torch.tensor([[2.0], [3.0]])
    assert abs(kernel_distance(a, b) - (1 + 343 - 2 * (1 + 1 + 27 + 64) / 4)) < 1e-10


def test_kernel_distance_is_unbiased():
    """Many pairs of small sets from one law: the mean lies within three standard errors of 0, and some are negative."""
    values = torch.tensor([kernel_distance(noise(8, 3, seed=2 * i), noise(8, 3, seed=2 * i + 1)) for i in range(400)])
    assert abs(values.mean()) < 3 * values.std() / 20
    assert values.min() < 0


# Sliced Wasserstein

def test_sliced_wasserstein_on_a_line():
    """In one dimension every direction is the line itself: sorted pairs (0, 1), (2, 2), (3, 7)."""
    a, b = torch.tensor([[3.0], [0.0], [2.0]]), torch.tensor([[2.0], [7.0], [1.0]])
    assert abs(sliced_wasserstein(a, b) - math.sqrt((1 + 0 + 16) / 3)) < 1e-12


def test_sliced_wasserstein_of_a_shift():
    """A shift by s looks, from a random direction, like one of variance |s|^2 / D."""
    a = noise(30, 4)
    shift = torch.tensor([1.0, -2.0, 0.0, 2.0], dtype=torch.float64)
    assert abs(sliced_wasserstein(a, a + shift, directions=4000) - math.sqrt(9 / 4)) < 0.05
    assert sliced_wasserstein(a, a.flip(0)) < 1e-15


def test_sliced_wasserstein_repeats_itself():
    a, b = noise(20, 5), noise(20, 5, seed=2)
    assert sliced_wasserstein(a, b) == sliced_wasserstein(a, b)
    assert sliced_wasserstein(a, b) != sliced_wasserstein(a, b, generator=dl.CounterGenerator(1))


# Precision and recall

REAL = torch.tensor([[0.0], [1.0], [2.0], [10.0], [11.0], [12.0]])       # two clusters; radii for k = 1 are all 1


def test_dropping_a_mode_costs_recall_only():
    fake = torch.tensor([[0.5], [1.5], [1.0]])               # radii for k = 1: 0.5 each: they cover [0, 2]
    assert precision_recall(REAL, fake, k=1) == (1.0, 0.5)


def test_inventing_a_mode_costs_precision_only():
    fake = torch.tensor([[0.2], [1.1], [1.9], [10.1], [11.1], [12.1], [50.0], [50.5]])
    precision, recall = precision_recall(REAL, fake, k=1)
    assert (precision, recall) == (6 / 8, 1.0)


def test_the_neighbourhood_grows_with_k():
    fake = torch.tensor([[3.5], [3.6], [3.7]])
    assert precision_recall(REAL, fake, k=1).precision == 0.0            # the ball around 2 ends at 3
    assert precision_recall(REAL, fake, k=2).precision == 1.0            # with its second neighbour at 4


def test_chunks_change_nothing_and_identical_sets_agree():
    a, b = noise(300, 5), noise(200, 5, seed=2) + 0.7
    assert precision_recall(a, b, chunk=7) == precision_recall(a, b, chunk=10_000)
    assert precision_recall(a, a) == (1.0, 1.0)
    assert precision_recall(a, b) == tuple(reversed(precision_recall(b, a)))


# Shares

def test_share_and_its_error():
    assert share(torch.tensor([True, True, True, False])) == (0.75, math.sqrt(0.75 * 0.25 / 4))
    assert share(torch.ones(10, dtype=torch.bool)) == (1.0, 0.0)


@pytest.mark.parametrize("call, named", [
    (lambda: frechet_distance(noise(1, 3), noise(4, 3)), "(1, 3)"),
    (lambda: frechet_distance(noise(4, 3), noise(4, 2)), "3 and 2"),
    (lambda: kernel_distance(noise(4), noise(4, 1)), "(4,)"),
    (lambda: kernel_distance(noise(4, 2) / 0, noise(4, 2)), "finite"),
    (lambda: sliced_wasserstein(noise(4, 2), noise(5, 2)), "4 points"),
    (lambda: sliced_wasserstein(noise(4, 2), noise(4, 2), directions=0), "directions is 0"),
    (lambda: precision_recall(noise(3, 2), noise(9, 2), k=3), "k is 3"),
    (lambda: share(torch.tensor([0.5])), "float32"),
])
def test_bad_input_is_named(call, named):
    with pytest.raises(ValueError) as error:
        call()
    assert named in str(error.value)
