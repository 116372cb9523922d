"""What is drawn is what was given: the numbers are read back from the plots."""

import math

import matplotlib
import pytest
import torch

import diffusion_lib as dl
from diffusion_lib.training import History

matplotlib.use("agg")
import matplotlib.pyplot as plt                              # noqa: E402

from diffusion_lib import plotting                           # noqa: E402


@pytest.fixture(autouse=True)
def no_figures_left():
    plt.close("all")
    yield
    plt.close("all")


def close(a, b, tolerance=1e-6):
    return float((torch.as_tensor(a, dtype=torch.float64) - torch.as_tensor(b, dtype=torch.float64)).abs().max()) < tolerance


def history(rows=30) -> History:
    return History(step=list(range(rows)), pictures=[10 * i for i in range(rows)], loss=[1 / (i + 1) for i in range(rows)],
                   loss_by_t=[[i + 1.0, math.nan, 3.0] for i in range(rows)])


# Where it is drawn

def test_without_axes_a_fresh_figure_is_used_and_otherwise_a_new_one():
    fresh = plt.figure()
    first = plotting.plot_histogram(torch.zeros(4))
    second = plotting.plot_histogram(torch.zeros(4))
    assert first.figure is fresh and second.figure is not fresh
    given = plt.figure().add_subplot()
    assert plotting.plot_schedule(dl.CosineSchedule(), ax=given) is given


def test_other_plots_keep_their_settings():
    before = dict(matplotlib.rcParams)
    plotting.plot_schedule(dl.CosineSchedule())
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("draw", [
    lambda: plotting.plot_histogram(torch.zeros(4)),
    lambda: plotting.plot_schedule(dl.CosineSchedule()),
    lambda: plotting.plot_loss(history()),
    lambda: plotting.plot_loss_by_t(history()),
    lambda: plotting.plot_trajectory([dl.State(torch.zeros(3, 1), torch.tensor(1.0)), dl.State(torch.ones(3, 1), torch.tensor(0.0))]),
])
def test_axes_are_named(draw):
    ax = draw()
    assert ax.get_xlabel() and ax.get_ylabel()


# Pictures

def test_images_show_the_pictures_in_rows():
    x = torch.linspace(-1, 1, 5 * 3 * 2 * 4).reshape(5, 3, 2, 4)
    ax = plotting.show_images(x, [f"number {i}" for i in range(5)], columns=3)
    assert len(ax.images) == 5 and [text.get_text() for text in ax.texts] == [f"number {i}" for i in range(5)]
    for picture, drawn in zip(x, ax.images):
        assert close(drawn.get_array(), (picture.permute(1, 2, 0) + 1) / 2)
        left, right, bottom, top = drawn.get_extent()
        assert abs((right - left) / (bottom - top) - 2) < 1e-9                      # 4 wide, 2 high, and not upside down
    places = [drawn.get_extent() for drawn in ax.images]
    assert places[0][3] == places[2][3] < places[3][3] and places[0][0] == places[3][0] < places[1][0]
    for left, right, bottom, top in places:                  # nothing is cut off
        assert ax.get_xlim()[0] <= left and right <= ax.get_xlim()[1] + 1e-9
        assert ax.get_ylim()[1] <= top and bottom <= ax.get_ylim()[0] + 1e-9


def test_grey_pictures_and_static_are_shown_too():
    ax = plotting.show_images(torch.tensor([-3.0, -1.0, 0.0, 3.0]).reshape(1, 1, 2, 2))
    assert close(ax.images[0].get_array()[..., 0], [[0.0, 0.0], [0.5, 1.0]]) and ax.images[0].get_array().shape == (2, 2, 3)


@pytest.mark.parametrize("arguments, words", [
    ((torch.zeros(3, 8, 8),), r"\(3, 8, 8\)"),
    ((torch.zeros(2, 4, 8, 8),), r"\(2, 4, 8, 8\)"),
    ((torch.full((1, 3, 8, 8), 255.0),), "255"),
    ((torch.zeros(1, 3, 8, 8, dtype=torch.uint8),), "uint8"),
    ((torch.zeros(2, 3, 8, 8), ["one"]), "1 titles for 2"),
])
def test_what_is_no_picture_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        plotting.show_images(*arguments)


def test_the_histogram_counts_and_carries_the_bell():
    x = torch.tensor([-9.0, -0.5, 0.5, 0.5])                 # the first is counted at the edge
    ax = plotting.plot_histogram(x, bins=4, limit=2.0)
    assert close([bar.get_height() for bar in ax.patches], [1 / 4, 1 / 4, 2 / 4, 0])                 # densities of bins of width 1
    at, bell = ax.lines[0].get_data()
    assert close(bell, torch.distributions.Normal(0.0, 1.0).log_prob(torch.as_tensor(at)).exp())


# Noise

def test_schedules_are_drawn_as_they_are():
    ax = plotting.plot_schedule(dl.CosineSchedule(), dl.LinearBetaSchedule())
    names = [line.get_label() for line in ax.lines]
    assert names == ["Cosine: α", "Cosine: σ", "LinearBeta: α", "LinearBeta: σ"]
    t = torch.as_tensor(ax.lines[0].get_xdata())
    assert close(ax.lines[0].get_ydata(), torch.cos(t * math.pi / 2)) and close(ax.lines[3].get_ydata(), dl.LinearBetaSchedule().sigma(t))
    assert ax.lines[0].get_color() == ax.lines[1].get_color() != ax.lines[2].get_color()
    assert ax.lines[0].get_linestyle() != ax.lines[1].get_linestyle()


def test_a_walk_in_the_plane():
    oracle = dl.GaussianDenoiser(torch.zeros(2), torch.eye(2), dl.CosineSchedule())
    states = list(dl.trajectory(oracle, dl.randn((5, 2), dl.CounterGenerator(0)), dl.uniform_times(4), dl.Heun()))
    ax = plotting.plot_trajectory(iter(states), most=3)
    assert len(ax.lines) == 3
    for i, line in enumerate(ax.lines):
        assert close(torch.tensor(line.get_xydata()), torch.stack([state.x[i] for state in states]))
    start, end = ax.collections
    assert close(start.get_offsets(), states[0].x[:3]) and close(end.get_offsets(), states[-1].x[:3])


def test_a_walk_on_a_line_is_drawn_against_time():
    states = [dl.State(torch.tensor([[3.0], [4.0]]), torch.tensor(1.0)), dl.State(torch.tensor([[1.0], [2.0]]), torch.tensor(0.25))]
    ax = plotting.plot_trajectory(states)
    assert close(ax.lines[1].get_xydata(), [[1.0, 4.0], [0.25, 2.0]])
    with pytest.raises(ValueError, match=r"\(2, 3\)"):
        plotting.plot_trajectory([dl.State(torch.zeros(2, 3), torch.tensor(1.0))])


def test_arrows_point_along_the_score():
    """Of N(m, 1) on the cosine schedule, x_t is N(alpha m, 1): the score is alpha m - x."""
    mean, t = torch.tensor([1.0, -0.5]), 0.3
    ax = plotting.plot_score_field(dl.GaussianDenoiser(mean, torch.eye(2), dl.CosineSchedule()), t, reach=2.0, arrows=5)
    arrows = ax.collections[0]
    x = torch.as_tensor(arrows.get_offsets(), dtype=torch.float64)
    score = math.cos(math.pi / 2 * t) * mean - x
    length = score.norm(dim=1)
    assert len(x) == 25 and close(x.abs().max(), 2.0)
    assert close(torch.stack([torch.as_tensor(arrows.U), torch.as_tensor(arrows.V)], 1), score / length[:, None], 1e-4)
    assert close(arrows.get_array(), length, 1e-4)


# Training

def test_the_loss_and_its_running_mean():
    ax = plotting.plot_loss(history(), smooth=3)
    raw, mean = ax.lines
    assert close(raw.get_xydata(), [[10 * i, 1 / (i + 1)] for i in range(30)])
    assert close(mean.get_ydata()[[0, 1, 29]], [1.0, (1 + 1 / 2) / 2, (1 / 28 + 1 / 29 + 1 / 30) / 3]) and ax.get_yscale() == "log"


def test_the_loss_by_time_at_both_ends_of_the_run():
    ax = plotting.plot_loss_by_t(history(), rows=2)
    first, last = ax.patches
    assert close(first.get_data().values[[0, 2]], [1.5, 3.0]) and close(last.get_data().values[[0, 2]], [29.5, 3.0])
    assert close(first.get_data().edges, [0, 1 / 3, 2 / 3, 1])


def test_without_a_schedule_there_is_nothing_to_plot():
    with pytest.raises(ValueError, match="schedules is empty, but there has to be at least one"):
        plotting.plot_schedule()


def test_without_a_row_there_is_nothing_to_plot_by_time():
    with pytest.raises(ValueError, match="history is empty"):
        plotting.plot_loss_by_t(History())
