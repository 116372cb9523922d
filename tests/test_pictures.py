"""Tensors as bytes and as characters, value by value."""

import math

import pytest
import torch
from PIL import Image

from diffusion_lib.pictures import clamped_picture, enlargement, image_grid, save_gif, side_by_side, text_picture, to_image


def test_bytes_of_a_picture():
    x = torch.tensor([-1.0, -0.5, 0.0, 1.0, 1.3, -7.0]).reshape(1, 2, 3).expand(3, -1, -1)
    assert list(to_image(x).tobytes()[::3]) == [0, 64, 128, 255, 255, 0]
    assert to_image(x).size == (3, 2)


def test_channels_come_out_as_red_green_and_blue():
    assert to_image(torch.tensor([1.0, 0.0, -1.0]).reshape(3, 1, 1)).getpixel((0, 0)) == (255, 128, 0)


def test_enlarged_pixels_are_squares():
    x = torch.tensor([[-1.0, 1.0]]).expand(3, 1, 2)
    image = to_image(x, enlarge=3)
    assert image.size == (6, 3) and {image.getpixel((i, j))[0] for i in range(3) for j in range(3)} == {0}
    assert {image.getpixel((i, j))[0] for i in range(3, 6) for j in range(3)} == {255}
    assert (enlargement(32), enlargement(8), enlargement(500)) == (4, 16, 1)


def test_a_grid_puts_each_picture_in_its_place():
    x = torch.arange(5.0).div(4).sub(0.5).reshape(5, 1, 1, 1).expand(5, 1, 2, 3)
    grid = image_grid(x, columns=2, gap=1)
    assert grid.shape == (3, 3 * 2 + 2, 2 * 3 + 1)
    for i, value in enumerate((-0.5, -0.25, 0.0, 0.25, 0.5)):
        top, left = i // 2 * 3, i % 2 * 4
        assert (grid[:, top:top + 2, left:left + 3] == value).all(), i
    assert (grid[:, 2] == 1).all() and (grid[:, :, 3] == 1).all() and (grid[:, 6:, 4:] == 1).all()   # gaps and the empty place: white
    assert image_grid(x[:2], columns=8, gap=0).shape == (3, 2, 6)


@pytest.mark.parametrize("x, words", [
    (torch.zeros(2, 2, 3, dtype=torch.uint8), "uint8"),
    (torch.full((3, 2, 2), 200.0), "200"),
    (torch.full((3, 2, 2), math.nan), "NaN"),
])
def test_what_is_no_picture_is_refused(x, words):
    with pytest.raises(ValueError, match=words):
        clamped_picture(x)


@pytest.mark.parametrize("value, words", [(math.nan, "NaN"), (math.inf, "infinity"), (200, "int64")])
def test_what_is_no_picture_has_no_characters_either(value, words):
    with pytest.raises(ValueError, match=words):
        text_picture(torch.full((3, 8, 8), value))


def test_a_grey_picture_is_an_image_too():
    x = torch.tensor([[-1.0, 0.0, 1.0]])[None]
    assert to_image(x).tobytes() == to_image(x.expand(3, -1, -1)).tobytes() and to_image(x).mode == "RGB"


@pytest.mark.parametrize("call", [lambda: image_grid(torch.zeros(3, 4, 4)), lambda: image_grid(torch.zeros(1, 2, 4, 4)),
                                  lambda: image_grid(torch.zeros(1, 3, 4, 4), columns=0), lambda: text_picture(torch.zeros(1, 3, 4, 4)),
                                  lambda: to_image(torch.zeros(2, 4, 4)), lambda: to_image(torch.zeros(1, 3, 4, 4)),
                                  lambda: to_image(torch.zeros(3, 4, 4), enlarge=0)])
def test_wrong_shapes_are_refused(call):
    with pytest.raises(ValueError, match="but"):
        call()


def test_a_picture_in_characters():
    """Five shades, each a fifth of [-1, 1]; two rows of pixels make one line of text."""
    row = torch.tensor([-1.0, -0.5, 0.0, 0.5, 1.0])
    assert text_picture(row.expand(3, 4, 5), width=5) == "█▓▒░ \n█▓▒░ "
    assert text_picture(row.expand(1, 10, 5), width=5).count("\n") == 4
    assert text_picture(9 * row.expand(3, 2, 5), width=5) == "██▒  "                # static is cut off


def test_brightness_is_what_the_eye_says():
    colours = torch.eye(3).mul(2).sub(1)[:, None, :]         # pure red, green and blue, side by side: (3, 1, 3)
    assert text_picture(colours.expand(3, 2, 3), width=3) == "▓▒█"


def test_blocks_of_text_side_by_side():
    blocks = ["ab\ncd", "ef\ngh", "ij\nkl"]
    assert side_by_side(blocks, 100) == "ab  ef  ij\ncd  gh  kl"
    assert side_by_side(blocks, 6) == "ab  ef\ncd  gh\n\nij\nkl"
    assert side_by_side(blocks, 1) == "ab\ncd\n\nef\ngh\n\nij\nkl"


def test_a_gif_rests_on_its_last_frame(tmp_path):
    frames = [Image.new("RGB", (4, 4), (60 * i, 0, 0)) for i in range(4)]
    save_gif(frames, tmp_path / "a.gif", seconds=2.0, rest=3.0)
    gif, durations = Image.open(tmp_path / "a.gif"), []
    for i in range(gif.n_frames):
        gif.seek(i)
        durations.append(gif.info["duration"])
    assert durations == [500, 500, 500, 3000] and gif.info["loop"] == 0
