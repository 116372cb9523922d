"""Tensors as pictures that can be looked at: in a file, or in characters.

Everywhere else in the library a picture is a tensor of floats in [-1, 1], channels first. Here, and only here, it
becomes bytes: 0 for -1, 255 for 1.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

FARTHEST = 10.0                                              # static goes to 6 or so, and bytes go to 255
SHADES = "█▓▒░ "                                             # from black to white
GAP = 2                                                      # pixels between pictures in a grid
LUMINANCE = (0.299, 0.587, 0.114)                            # how bright red, green and blue look (ITU-R BT.601)


def clamped_picture(x: Tensor) -> Tensor:
    """x on the CPU, cut off at -1 and 1, as a screen would.

    x: any shape, floats. What a model draws overshoots a little, and static does by far. Raises ValueError where x is not
    finite, or has another type or size than any picture or static in our range: it will be bytes, 0 to 255.
    """
    _check_numbers(x)
    low, high = float(x.min()), float(x.max())
    if max(-low, high) > FARTHEST:
        raise ValueError(f"x runs from {low:.3g} to {high:.3g}, but a picture lies in [-1, 1]: bytes become one by x / 127.5 - 1, "
                         f"and EDM's static by division by its sigma")
    return x.detach().float().cpu().clamp(-1, 1)


def _check_numbers(x: Tensor) -> None:
    if not x.is_floating_point():
        raise ValueError(f"x has the type {x.dtype}, but a picture is made of floats in [-1, 1]: bytes become one by x / 127.5 - 1")
    if not torch.isfinite(x).all():
        raise ValueError("x holds NaN or infinity, but a picture is made of numbers in [-1, 1]")


def image_grid(x: Tensor, columns: int = 8, gap: int = GAP) -> Tensor:
    """Many pictures side by side on white, row after row, as one picture.

    x: (B, C, H, W), in [-1, 1] with C = 1 or 3. columns: how many in a row, at least 1. gap: pixels between them.
    Returns (3, rows (H + gap) - gap, columns (W + gap) - gap). Raises ValueError for another shape or range.
    """
    if x.ndim != 4 or x.shape[1] not in (1, 3) or not len(x):
        raise ValueError(f"x has shape {tuple(x.shape)}, but it has to be (B, C, H, W) with C = 1 (grey) or 3 (colour)")
    if columns < 1 or gap < 0:
        raise ValueError(f"columns is {columns} and gap is {gap}, but columns has to be at least 1, and gap at least 0")
    x = clamped_picture(x).expand(-1, 3, -1, -1)
    B, _, H, W = x.shape
    columns = min(columns, B)
    rows = math.ceil(B / columns)
    grid = torch.ones(3, rows * (H + gap) - gap, columns * (W + gap) - gap)
    for i, picture in enumerate(x):
        top, left = i // columns * (H + gap), i % columns * (W + gap)
        grid[:, top:top + H, left:left + W] = picture
    return grid


def to_image(x: Tensor, enlarge: int = 1) -> Image.Image:
    """One picture as a PIL image. x: (C, H, W) with C = 1 (grey) or 3, in [-1, 1]. enlarge: each pixel becomes a square of that
    side, at least 1. Raises ValueError for another shape or range."""
    if x.ndim != 3 or x.shape[0] not in (1, 3) or enlarge < 1:
        raise ValueError(f"x has shape {tuple(x.shape)} and enlarge is {enlarge}, but x has to be (C, H, W) with C = 1 or 3, and enlarge at least 1")
    levels = ((clamped_picture(x).expand(3, -1, -1) + 1) * 127.5).round().to(torch.uint8)
    image = Image.fromarray(levels.permute(1, 2, 0).contiguous().numpy())
    return image.resize((enlarge * image.width, enlarge * image.height), Image.Resampling.NEAREST)


def enlargement(size: int) -> int:
    """How often a pixel of a small picture is repeated so that it can be seen: up to about 128 pixels a side."""
    return max(1, 128 // size)


def save_gif(frames: Sequence[Image.Image], path: str | Path, seconds: float = 4.0, rest: float = 2.0) -> None:
    """Write an endless animation. seconds: of one round; rest: how long the last frame stays."""
    stride = max(20, round(1000 * seconds / len(frames)))    # ms
    durations = [stride] * (len(frames) - 1) + [round(1000 * rest)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=durations, loop=0, disposal=1)


def text_picture(x: Tensor, width: int = 32) -> str:
    """A picture in shaded characters: `width` of them a line, and half as many lines, as a character is twice as tall.

    x: (C, H, W) with C = 1 or 3, in [-1, 1]; what lies outside is cut off. Each character shows the pixel at its place,
    from black (a full block) to white (a space). Raises ValueError for another shape, and where x is not finite.
    """
    if x.ndim != 3 or x.shape[0] not in (1, 3) or width < 1:
        raise ValueError(f"x has shape {tuple(x.shape)} and width is {width}, but x has to be (C, H, W) with C = 1 or 3, and width at least 1")
    _check_numbers(x)
    lines = max(1, round(width * x.shape[1] / x.shape[2] / 2))
    colours = x.detach().float().cpu().clamp(-1, 1).expand(3, -1, -1)
    grey = (colours * torch.tensor(LUMINANCE)[:, None, None]).sum(0)                  # (H, W)
    # One pixel, not a mean of several: a mean of static is flat.
    small = interpolate(grey[None, None], (lines, width), mode="nearest-exact")[0, 0]
    shades = ((small + 1) / 2 * len(SHADES)).long().clamp(max=len(SHADES) - 1)
    return "\n".join("".join(SHADES[shade] for shade in line) for line in shades.tolist())


def side_by_side(texts: Sequence[str], columns: int) -> str:
    """Blocks of text, each of lines of one width, next to each other; as many in a row as fit into `columns` characters."""
    blocks = [text.split("\n") for text in texts]
    fitting = max(1, (columns + 2) // (len(blocks[0][-1]) + 2))
    rows = [blocks[i:i + fitting] for i in range(0, len(blocks), fitting)]
    return "\n\n".join("\n".join("  ".join(lines) for lines in zip(*row)) for row in rows)
