"""Distances against closed forms: Gaussians whose moments are made exact, sets small enough to work out by hand."""

import math
from statistics import fmean

import pytest
import torch

import diffusion_lib as dl
from diffusion_lib import evaluation
from diffusion_lib.evaluation import (details, frechet_distance, interval, kernel_distance, laplacian_pyramid, moved, nearest,
                                      precision_recall, shadows, share, sliced_wasserstein)


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


# Details of each size

def pictures(n, size, seed=1):
    return dl.rand((n, 3, size, size), dl.CounterGenerator(seed)) * 2 - 1


def test_a_flat_picture_has_no_details():
    flat = torch.full((2, 3, 16, 16), 0.3)
    fine, middle, rest = laplacian_pyramid(flat, 3)
    assert [level.shape[-1] for level in (fine, middle, rest)] == [16, 8, 4]
    assert fine.abs().max() < 1e-6 and middle.abs().max() < 1e-6 and (rest - 0.3).abs().max() < 1e-6


def test_the_finest_grain_is_all_in_the_finest_level():
    """A checkerboard: 1 - 4 + 6 - 4 + 1 = 0, so the blurred picture is empty."""
    places = torch.arange(16)
    board = ((places[:, None] + places) % 2 * 2.0 - 1).expand(1, 3, 16, 16)
    fine, rest = laplacian_pyramid(board, 2)
    assert (fine - board).abs().max() < 1e-6 and rest.abs().max() < 1e-6


def test_a_smooth_slope_is_in_the_last_level_alone():
    slope = torch.linspace(-1, 1, 32).expand(1, 3, 32, 32)
    fine, rest = laplacian_pyramid(slope, 2)
    assert fine[..., 4:-4].abs().max() < 1e-6                # at its ends it is mirrored, which is a bend
    assert (rest[..., 2:-2] - slope[..., ::2, ::2][..., 2:-2]).abs().max() < 1e-6


def test_the_pyramid_holds_the_whole_picture():
    x = pictures(2, 16)
    fine, rest = laplacian_pyramid(x, 2)
    pulled = torch.nn.functional.conv_transpose2d(rest.flatten(0, 1)[:, None], WEIGHT[None, None], stride=2)  # 2 k - 2 ... 2 k + 2
    assert (fine.flatten(0, 1) + pulled[:, 0, 2:18, 2:18] - x.flatten(0, 1))[:, 2:-2, 2:-2].abs().max() < 1e-6


WEIGHT = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0])[:, None] * torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 64


def test_brightness_is_no_detail_but_contrast_is():
    x = pictures(20, 32)
    a, brighter, harder = details(x), details(x + 0.25), details(3 * x)
    assert list(a) == [32, 16] and list(details(x, sizes=1)) == [32]
    for side in a:
        assert moved(a[side], brighter[side]) < 1e-6 and moved(a[side], a[side]) == 0
        assert abs(moved(a[side], harder[side]) - 2 * float(a[side].abs().mean())) < 1e-6


@pytest.mark.parametrize("n", [15, 20, 32])
def test_of_a_shadow_nothing_is_left_out(n, monkeypatch):
    """Also where its parts cannot be equal: 15 pictures have 960 patches, and there are 512 parts."""
    shadow = torch.arange(64.0 * n)[:, None].expand(-1, 128)
    monkeypatch.setattr(evaluation, "shadows", lambda patches, directions: shadow)
    kept = details(pictures(n, 16))[16]
    assert kept.shape == (512, 128) and kept[-1, 0] >= 64 * n - 1 - n / 8 and abs(kept.mean() - shadow.mean()) < 0.5


def test_details_do_not_depend_on_the_order_of_the_pictures():
    """As far as random places allow: the shadows of 600 patches from the same pictures are near those of 600 others."""
    x = pictures(100, 16)
    a, turned, softer = (details(y)[16] for y in (x, x.flip(0), 0.5 * x))
    assert moved(a, turned) < 0.1 * moved(a, softer)


@pytest.fixture(scope="module")
def real_details():
    """Three sets of a thousand real pictures: the third of them, and the details of all."""
    sets = [dl.judging.real_pictures(1000, 32, seed=100 + i)[0] for i in range(3)]
    return sets[2], [details(x) for x in sets]


def over_floor(found, real):
    """As the bar has it: the mean over the sizes of detail, in floors."""
    a, b, c = real

    def distance(one, other):
        return fmean(moved(one[side], other[side]) for side in found)
    return fmean([distance(a, found), distance(b, found)]) / fmean([distance(a, b), distance(a, c), distance(b, c)])


def test_real_pictures_stand_near_the_floor(real_details):
    assert over_floor(real_details[1][2], real_details[1]) < 1.3


def test_grain_is_seen(real_details):
    x, real = real_details
    assert over_floor(details(x + 0.02 * dl.randn(x.shape, dl.CounterGenerator(1))), real) > 1.3


def test_blur_is_seen(real_details):
    x, real = real_details
    row = torch.exp(-torch.arange(-2.0, 3) ** 2 / (2 * 0.5**2))
    weight = (row[:, None] * row / row.sum() ** 2).expand(3, 1, 5, 5)
    blurred = torch.nn.functional.conv2d(torch.nn.functional.pad(x, (2, 2, 2, 2), mode="reflect"), weight, groups=3)
    assert over_floor(details(blurred), real) > 1.3


def test_a_shadow_asks_for_no_gradient():
    points = noise(20, 3)
    assert torch.equal(shadows(points.clone().requires_grad_()), shadows(points))


# Nearest

def test_nearest_by_hand():
    points = torch.tensor([[0.0, 0.0], [3.0, 4.0], [10.0, 0.0]])
    parts = [torch.tensor([[0.0, 5.0]]), torch.tensor([[3.0, 0.0], [0.0, -2.0]])]
    assert (nearest(points, parts) - torch.tensor([2.0, 10**0.5, 7.0])).abs().max() < 1e-6


def test_nearest_takes_parts_as_they_come():
    a, b = noise(50, 40).float(), noise(300, 40, seed=2).float()
    whole = torch.cdist(a.double(), b.double(), compute_mode="donot_use_mm_for_euclid_dist").amin(1)
    assert (nearest(a, [b]) - whole).abs().max() < 1e-4 and (nearest(a, iter(b.split(7))) - whole).abs().max() < 1e-4
    assert nearest(b, iter(b.split(100))).max() < 1e-2       # itself is among them


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


def test_interval_of_wilson():
    """Worked out on paper with z^2 = 4: middle 0 + 0.2 and half width 2 sqrt(0 + 0.01), both over 1.4; and so on."""
    assert interval(0.0, 10, z=2.0) == pytest.approx((0.0, 0.4 / 1.4))
    assert interval(1.0, 10, z=2.0) == pytest.approx((1 / 1.4, 1.0))
    low, high = interval(0.5, 100, z=2.0)
    assert (low + high) / 2 == pytest.approx(0.5) and high - low == pytest.approx(2 * 2 * (0.0026**0.5) / 1.04)


def test_the_interval_holds_the_true_share_as_often_as_it_says():
    draws = (dl.rand((2000, 50), dl.CounterGenerator(1)) < 0.9).double().mean(1)
    inside = [low <= 0.9 <= high for low, high in (interval(float(p), 50) for p in draws)]
    assert 0.93 < sum(inside) / len(inside) < 0.98


@pytest.mark.parametrize("call, named", [
    (lambda: laplacian_pyramid(pictures(1, 12), 4), "levels is 4"),
    (lambda: shadows(noise(4, 2), directions=0), "directions is 0"),
    (lambda: interval(1.5, 10), "p is 1.5"),
    (lambda: frechet_distance(noise(1, 3), noise(4, 3)), "(1, 3)"),
    (lambda: frechet_distance(noise(4, 3), noise(4, 2)), "3 and 2"),
    (lambda: kernel_distance(noise(4), noise(4, 1)), "(4,)"),
    (lambda: kernel_distance(noise(4, 2) / 0, noise(4, 2)), "finite"),
    (lambda: sliced_wasserstein(noise(4, 2), noise(5, 2)), "4 points"),
    (lambda: sliced_wasserstein(noise(4, 2), noise(4, 2), directions=0), "directions is 0"),
    (lambda: precision_recall(noise(3, 2), noise(9, 2), k=3), "k is 3"),
    (lambda: share(torch.tensor([0.5])), "float32"),
    (lambda: nearest(noise(4, 2), []), "others is empty"),
])
def test_bad_input_is_named(call, named):
    with pytest.raises(ValueError) as error:
        call()
    assert named in str(error.value)
