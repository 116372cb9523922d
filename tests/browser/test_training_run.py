"""The figure `training_run`: what is drawn and printed at each minute is what the record says."""

import math

import pytest
import torch

import diffusion_lib as dl
from conftest import figure_data
from diffusion_lib.figures.training_run import found, shown, thinned
from reading import canvas_pixels, levels_apart, on_screen

STEM = "training_run"


@pytest.fixture
def figure(open_figure):
    return open_figure(STEM)[1]


@pytest.fixture(scope="module")
def run():
    """The first row of the figure, from the library's own record."""
    return shown(dl.records.load_run("pets32_two_cores"))


def go_to(figure, k: int) -> None:
    figure.locator(".live-time input[type=range]").evaluate("(s, k) => { s.value = k; s.dispatchEvent(new Event('input', { bubbles: true })); }", k)


def strip(figure, kind: str) -> list[torch.Tensor]:
    return [canvas_pixels(tile) for tile in figure.locator(f'[data-strip="{kind}"] canvas').all()]


def printed(figure, name: str) -> float:
    return float(figure.locator(f'[data-number="{name}"]').text_content().replace(",", ""))


def rows_until(run, k: int) -> dict:
    """The row of the thinned history at the k-th minute."""
    history = thinned(run.history)
    i = max((i for i, step in enumerate(history["step"]) if step <= run.steps[k]), default=0)
    return {name: values[i] for name, values in history.items()}


def test_both_strips_are_the_recorded_ones(figure, run):
    for k in (0, len(run.minutes) // 2, len(run.minutes) - 1):
        go_to(figure, k)
        for kind, pictures in (("ema", run.ema[k]), ("raw", run.raw[k])):
            drawn = strip(figure, kind)
            assert len(drawn) == len(run.prompts)
            for canvas, picture in zip(drawn, pictures):
                assert levels_apart(canvas, on_screen(picture)) <= 7            # 22 levels a channel: 255 / 42, and rounding


def test_averaged_and_raw_are_not_confused(figure, run):
    k = 2
    go_to(figure, k)
    drawn = torch.stack(strip(figure, "ema"))
    own, other = (torch.stack([on_screen(p) for p in pictures]) for pictures in (run.ema[k], run.raw[k]))
    assert (drawn - own).abs().mean() < 4 < (drawn - other).abs().mean()


def test_numbers_follow_the_slider(figure, run):
    for k in (0, 3, len(run.minutes) - 1):
        go_to(figure, k)
        row = rows_until(run, k)
        assert printed(figure, "minute") == run.minutes[k] and printed(figure, "steps") == run.steps[k]
        assert printed(figure, "pictures") == run.pictures[k]
        assert abs(printed(figure, "lr") - row["lr"]) <= 0.5e-5 + 1e-9
        assert abs(printed(figure, "loss") - row["loss"]) <= 0.5e-3 + 1e-9
        assert abs(printed(figure, "end") - row["loss_by_t"][-1]) <= 0.5e-3 + 1e-9


def test_curves_have_the_heights_of_the_history(figure, run):
    go_to(figure, len(run.minutes) - 1)
    paths = figure.locator(".live-line-belief")
    top, bottom, tall = 1.6, 0.01, 132

    def loss_at(y: float) -> float:
        return top * (bottom / top) ** (y / tall)

    points = [tuple(map(float, point.split(","))) for point in paths.nth(0).get_attribute("d")[1:].split("L")]
    history = thinned(run.history)
    assert len(points) == len(history["loss"])
    for (x, y), minute, loss in zip(points, history["minutes"], history["loss"]):
        assert abs(x - 280 * minute / round(run.duration, 1)) < 0.1 and math.isclose(loss_at(y), loss, rel_tol=0.01)
    stairs = [float(piece.split(",")[1].split("h")[0]) for piece in paths.nth(1).get_attribute("d").split("M")[1:]]
    expected = rows_until(run, len(run.minutes) - 1)["loss_by_t"]
    assert all(math.isclose(loss_at(y), loss, rel_tol=0.01) for y, loss in zip(stairs, expected, strict=True))


def test_floor_is_below_the_loss_and_drawn(figure):
    floor = figure_data(STEM)["floor"]
    assert len(floor) == 10 and floor[9] > floor[5] >= 0
    go_to(figure, 5)
    assert abs(printed(figure, "floor") - floor[9]) <= 0.5e-3 + 1e-9
    assert printed(figure, "floor") < printed(figure, "end")


def test_what_the_classifier_finds(figure, run):
    expected = found(run, dl.zoo.load("pets32-classifier"))
    for k in (0, 3, len(run.minutes) - 1):
        go_to(figure, k)
        for name, counts in expected.items():
            text = figure.locator(f'[data-found="{name}"] .live-tally').text_content()
            assert text == f"{counts['right'][k]} of {counts['asked']}"


def test_the_bet_is_answered_from_the_record(figure, run):
    hats = found(run, dl.zoo.load("pets32-classifier"))["hat"]
    since = max(k for k, right in enumerate(hats["right"]) if right < hats["asked"]) + 1       # of the minutes on the page
    figure.get_by_role("button", name="minute 3", exact=True).click()
    text = figure.locator(".live-bet").text_content()
    assert "You said “minute 3”." in text and f"It is minute {run.minutes[since]}:" in text


def test_unmeasured_rows_show_nothing(figure):
    for label in ("GPU", "Colab T4"):
        figure.get_by_role("radio", name=label).check(force=True)
        assert "not measured" in figure.locator(".live-missing").text_content()
        assert figure.locator(".live-missing").is_visible() and not figure.locator(".live-weights").first.is_visible()
    figure.get_by_role("radio", name="2 cores", exact=True).check(force=True)
    assert figure.locator(".live-weights").first.is_visible() and not figure.locator(".live-missing").is_visible()


def test_keyboard(figure, run):
    slider = figure.get_by_label("minutes of training", exact=True)
    slider.focus()
    for key, k in (("Home", 0), ("ArrowRight", 1), ("ArrowLeft", 0), ("ArrowLeft", 0), ("End", len(run.minutes) - 1), ("ArrowRight", len(run.minutes) - 1)):
        slider.press(key)
        assert printed(figure, "minute") == run.minutes[k]
    assert f"minute {run.minutes[-1]}: loss" in slider.get_attribute("aria-valuetext")
    figure.get_by_role("button", name="◂ 1").click()
    assert printed(figure, "minute") == run.minutes[-2]
    first = figure.locator('[data-strip="ema"] canvas').first
    assert first.get_attribute("aria-label") == f"{run.prompts[0]}: averaged weights, minute {run.minutes[-2]}"


@pytest.mark.parametrize("width", [390, 1280])
def test_fits_the_page(open_figure, width):
    page, figure = open_figure(STEM, viewport={"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    boxes = [tile.bounding_box() for tile in figure.locator('[data-strip="ema"] canvas').all()]
    assert len({round(box["y"]) for box in boxes}) == (2 if width == 390 else 1) and min(box["width"] for box in boxes) > 60
