"""Plots: the pictures, schedules, paths, arrows and losses of the book, all in one style.

Every function draws into `ax` and returns it. Without `ax` it draws into the figure that was just opened by
`plt.figure()`, or into a new one. Nothing here changes matplotlib's settings for other plots.

Colours are those of Okabe and Ito, which stay apart for colour-blind readers; line styles say the same once more.
"""

from collections.abc import Iterable, Sequence

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from torch import Tensor

from .denoisers import Denoiser
from .pictures import clamped_picture
from .samplers import State
from .schedules import NoiseSchedule
from .training import History

BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
INK, GREY, LINE = "#333333", "#8a8a8a", 1.8


# Frames --------------------------------------------------------------------------------------------------------------

def _axes(ax: Axes | None, width: float = 6.0, height: float = 3.4) -> Axes:
    """The axes to draw into; sizes are in inches, of a new figure."""
    if ax is not None:
        return ax
    if plt.get_fignums() and not plt.gcf().axes:             # a fresh plt.figure(...)
        return plt.gcf().add_subplot()
    return plt.figure(figsize=(width, height), dpi=110, facecolor="white", layout="constrained").add_subplot()


def _dressed(ax: Axes, x: str, y: str) -> Axes:
    """The book's frame: two thin axes with their names, and a faint grid behind."""
    ax.set_xlabel(x, color=INK)
    ax.set_ylabel(y, color=INK)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set(color=GREY, linewidth=0.8)
    ax.tick_params(colors=INK, labelsize=9, color=GREY, width=0.8)
    ax.grid(color=GREY, alpha=0.2, linewidth=0.6)
    ax.set_axisbelow(True)
    if ax.get_legend_handles_labels()[1]:
        ax.legend(frameon=False, fontsize=9, labelcolor=INK)
    return ax


# Pictures ------------------------------------------------------------------------------------------------------------

def show_images(x: Tensor, titles: Sequence[str] | None = None, *, columns: int = 8, ax: Axes | None = None) -> Axes:
    """Show pictures in rows, with a title over each.

    x: (B, C, H, W), in [-1, 1], C = 1 or 3; what lies beyond (static, the overshoot of a model) is cut off as a screen
    would. titles: one a picture, or None. columns: how many in a row, at least 1.
    Raises ValueError for another shape, for bytes or NaN, and where there are more or fewer titles than pictures.
    """
    if x.ndim != 4 or x.shape[1] not in (1, 3) or not len(x) or columns < 1:
        raise ValueError(f"x has shape {tuple(x.shape)} and columns is {columns}, but x has to be (B, C, H, W) with C = 1 (grey) "
                         f"or 3 (colour), and columns at least 1")
    if titles is not None and len(titles) != len(x):
        raise ValueError(f"there are {len(titles)} titles for {len(x)} pictures, but each needs one")
    pictures = ((clamped_picture(x) + 1) / 2).expand(-1, 3, -1, -1).permute(0, 2, 3, 1).numpy()
    columns, ratio = min(columns, len(x)), x.shape[2] / x.shape[3]
    side = min(1.6, 10 / columns)                            # inches
    row = ratio + 0.06 + (0.22 / side if titles else 0)      # all lengths below: 1 is the width of a picture
    rows = -(-len(x) // columns)
    ax = _axes(ax, columns * 1.06 * side, rows * row * side)
    for i, picture in enumerate(pictures):
        left, top = i % columns * 1.06, i // columns * row
        ax.imshow(picture, extent=(left, left + 1, top + ratio, top), interpolation="nearest")
        if titles:
            ax.text(left + 0.5, top - 0.04, titles[i], ha="center", va="bottom", fontsize=min(9.0, 6.5 * side), color=INK)
    ax.set(xlim=(0, columns * 1.06 - 0.06), ylim=(rows * row - 0.06 - (row - ratio - 0.06), -(row - ratio - 0.06)), aspect="equal")
    ax.axis("off")
    return ax


def plot_histogram(x: Tensor, ax: Axes | None = None, *, bins: int = 80, limit: float = 4.0) -> Axes:
    """How often each value occurs among all numbers of x, with the bell curve of static, N(0, 1), over it.

    x: any shape. bins: how many, across [-limit, limit]; what lies outside is counted in the outermost ones.
    """
    ax = _axes(ax)
    values = x.detach().float().cpu().flatten().clamp(-limit, limit)
    ax.hist(values.numpy(), bins=bins, range=(-limit, limit), density=True, color=SKY, label=f"{x.numel():,} values")
    at = torch.linspace(-limit, limit, 201)
    ax.plot(at, torch.exp(-at**2 / 2) / (2 * torch.pi) ** 0.5, color=VERMILION, linewidth=LINE, label="N(0, 1)")
    ax.set_xlim(-limit, limit)
    return _dressed(ax, "value of a pixel", "density")


# Noise ---------------------------------------------------------------------------------------------------------------

def plot_schedule(*schedules: NoiseSchedule, ax: Axes | None = None) -> Axes:
    """How much signal (alpha, solid) and how much noise (sigma, dashed) there is at each time.

    schedules: one colour each. Raises ValueError where there is none.
    """
    if not schedules:
        raise ValueError("schedules is empty, but there has to be at least one to plot")
    ax, t = _axes(ax), torch.linspace(0, 1, 201, dtype=torch.float64)
    for schedule, colour in zip(schedules, COLOURS * len(schedules)):
        name = type(schedule).__name__.removesuffix("Schedule")
        ax.plot(t, schedule.alpha(t), color=colour, linewidth=LINE, label=f"{name}: α")
        ax.plot(t, schedule.sigma(t), color=colour, linewidth=LINE, linestyle="--", label=f"{name}: σ")
    ax.set_xlim(0, 1)
    _dressed(ax, "time t (0 = data, 1 = noise)", "scale")
    ax.legend(frameon=False, fontsize=9, labelcolor=INK, loc="center left", bbox_to_anchor=(1.01, 0.5))
    return ax


def plot_trajectory(states: Iterable[State], ax: Axes | None = None, *, most: int = 200) -> Axes:
    """The walk from static (grey) to data (blue): against time in one dimension, as paths in the plane in two.

    states: of points x (B, 1) or (B, 2), as `trajectory` yields them. most: how many of the points are drawn.
    Raises ValueError for points of another dimension.
    """
    states = list(states)
    x = torch.stack([state.x[:most].detach().double().cpu() for state in states])        # (steps + 1, B, D)
    if x.ndim != 3 or x.shape[2] not in (1, 2):
        raise ValueError(f"the states hold x of shape {tuple(states[0].x.shape)}, but it has to be (B, 1) or (B, 2): points")
    if x.shape[2] == 1:
        t = torch.stack([state.t for state in states]).reshape(-1, 1, 1).expand(-1, x.shape[1], 1)
        x = torch.cat([t.to(x), x], dim=2)
        names = "time t (0 = data, 1 = noise)", "x"
    else:
        names = "first coordinate", "second coordinate"
    ax = _axes(ax) if names[1] == "x" else _axes(ax, 4.6, 4.6)
    ax.plot(x[..., 0], x[..., 1], color=SKY, linewidth=0.8, alpha=0.6)
    ax.scatter(*x[0].T, s=9, color=GREY, label="start: noise", zorder=3)
    ax.scatter(*x[-1].T, s=9, color=BLUE, label="end: data", zorder=3)
    if names[1] != "x":
        ax.set_aspect("equal")
    return _dressed(ax, *names)


def plot_score_field(denoiser: Denoiser, t: float, ax: Axes | None = None, *, reach: float = 3.0, arrows: int = 21) -> Axes:
    """Which way, and how strongly, the score points at time t: uphill towards more likely places.

    denoiser: of points in the plane. t: in (0, 1]. reach: the field is drawn on [-reach, reach]^2. arrows: along a side.
    All arrows have one length; the colour says how long the score is.
    """
    ax, side = _axes(ax, 4.9, 4.2), torch.linspace(-reach, reach, arrows)
    x = torch.cartesian_prod(side, side)                     # (arrows^2, 2)
    with torch.no_grad():
        score = denoiser(x, t).score
    length = score.norm(dim=1).clamp(min=1e-12)
    field = ax.quiver(*x.T, *(score / length[:, None]).T, length, cmap="viridis_r", norm=LogNorm(), angles="xy", pivot="mid",
                      scale=1.3 * arrows, width=0.005)
    ax.figure.colorbar(field, ax=ax, label="length of the score", shrink=0.85)
    ax.set_aspect("equal")
    return _dressed(ax, "first coordinate", "second coordinate")


# Training ------------------------------------------------------------------------------------------------------------

def plot_loss(history: History, ax: Axes | None = None, *, smooth: int = 20) -> Axes:
    """The loss against the pictures seen: each row of the history pale, the mean of the last `smooth` rows strong."""
    ax, loss = _axes(ax), torch.tensor(history.loss, dtype=torch.float64)
    means = torch.stack([loss[max(0, i + 1 - smooth):i + 1].mean() for i in range(len(loss))]) if len(loss) else loss
    ax.plot(history.pictures, loss, color=SKY, linewidth=0.8, alpha=0.7)
    ax.plot(history.pictures, means, color=BLUE, linewidth=LINE)
    ax.set_yscale("log")
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    return _dressed(ax, "pictures seen", "loss")


def plot_loss_by_t(history: History, ax: Axes | None = None, *, rows: int = 20) -> Axes:
    """At which times the network errs: the mean loss in each part of [0, 1], at the beginning and at the end of the run.

    rows: how many rows of the history each of the two curves is a mean of. Raises ValueError where the history has no row yet.
    """
    if not history.loss_by_t:
        raise ValueError("history is empty, but there has to be a row to plot: one is written every log_every steps")
    ax, loss = _axes(ax), torch.tensor(history.loss_by_t, dtype=torch.float64)            # (rows, bins)
    edges = torch.linspace(0, 1, loss.shape[1] + 1)
    for part, name, colour, style in ((loss[:rows], "first", ORANGE, "--"), (loss[-rows:], "last", BLUE, "-")):
        ax.stairs(part.nanmean(0), edges, baseline=None, color=colour, linestyle=style, linewidth=LINE, label=f"{name} {len(part)} rows")
    ax.set(xlim=(0, 1), yscale="log")
    return _dressed(ax, "time t (0 = data, 1 = noise)", "loss")
