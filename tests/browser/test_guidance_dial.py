"""The figure `guidance_dial`: pictures and numbers at each scale are the record's, and the exact world is the library's."""

import math
import re

import pytest
import torch

import diffusion_lib as dl
from conftest import figure_data
from reading import canvas_pixels, levels_apart, on_screen

STEM = "guidance_dial"
LABELS = {"shipped": "shipped model", "pupil": "a pupil"}
DOUBLE = torch.float64


@pytest.fixture
def figure(open_figure):
    return open_figure(STEM)[1]


@pytest.fixture(scope="module")
def record():
    return dl.records.read(STEM)


@pytest.fixture(scope="module")
def drawn(record):
    """The record's pictures: name -> (wishes, scales, statics, 3, H, H)."""
    shape = len(record["wishes"]), len(record["scales"]), record["statics"]
    return {name: dl.records.pictures(f"{STEM}_{name}").unflatten(0, shape) for name in LABELS}


def turn_to(figure, record, scale: float) -> None:
    slider = figure.get_by_label("guidance scale", exact=True)
    slider.evaluate("(s, k) => { s.value = k; s.dispatchEvent(new Event('input', { bubbles: true })); }", record["scales"].index(scale))


def choose(figure, name: str) -> None:
    figure.get_by_role("radio", name=name, exact=True).check(force=True)


def text(figure, name: str) -> str:
    return figure.locator(f'[data-number="{name}"]').first.text_content().replace("\u00a0", " ").replace("−", "-")


def row_of(record, name: str, scale: float) -> dict:
    return next(row for row in record["models"][name]["rows"] if row["scale"] == scale)


# ---- What was recorded ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", list(LABELS))
def test_pictures_are_the_recorded_ones(figure, record, drawn, name):
    choose(figure, LABELS[name])
    for wish, radio in enumerate(("a long wish", "“a cat”")):
        choose(figure, radio)
        for scale in (0, 1, 10):
            turn_to(figure, record, scale)
            tiles = figure.locator(".live-statics canvas").all()
            assert len(tiles) == record["statics"]
            for tile, picture in zip(tiles, drawn[name][wish, record["scales"].index(scale)]):
                assert levels_apart(canvas_pixels(tile), on_screen(picture)) <= 1
        assert f"Asked for: {record['wishes'][wish]}" in figure.locator("[data-wish]").text_content()


@pytest.mark.parametrize("name", list(LABELS))
def test_numbers_are_the_recorded_ones(figure, record, name):
    choose(figure, LABELS[name])
    for scale in (0, 1, 3, 10):
        turn_to(figure, record, scale)
        row = row_of(record, name, scale)
        assert text(figure, "w") == str(scale)
        for number, digits in (("obeyed", 1), ("variety", 0), ("burnt", 1), ("found", 1)):
            assert abs(float(text(figure, number).rstrip(" %")) - 100 * row[number]) <= 0.51 * 10**-digits + 0.005, number
        low, high = (float(part) for part in re.findall(r"[\d.]+(?= %)", figure.locator("[data-obeyed]").text_content().replace("\u00a0", " ")))
        assert abs(low - 100 * row["obeyed_low_high"][0]) < 0.06 and abs(high - 100 * row["obeyed_low_high"][1]) < 0.06
        assert low <= 100 * row["obeyed"] + 0.1 and high >= 100 * row["obeyed"] - 0.1


def test_curves_and_bands_have_the_heights_of_the_record(figure, record):
    charts = figure.locator(".live-measures svg")
    for chart, (name, most) in enumerate((("found", 1), ("variety", 3), ("burnt", 0.75))):
        path = charts.nth(chart).locator(".live-line-belief").get_attribute("d")
        points = [tuple(map(float, point.split(","))) for point in path[1:].split("L")]
        assert len(points) == len(record["scales"])
        for (x, y), scale in zip(points, record["scales"]):
            assert abs(x - 28 * scale) < 0.1 and abs(most * (1 - y / 92) - min(most, row_of(record, "shipped", scale)[name])) < 0.002 * most
        band = charts.nth(chart).locator(".live-band").get_attribute("d")
        assert len(band.rstrip("Z")[1:].split("L")) == 2 * len(points)
    cursor = charts.first.locator(".live-cursor")
    turn_to(figure, record, 5)
    assert cursor.get_attribute("d").startswith("M140.0 ")


@pytest.mark.parametrize("scale, paper, pipeline", [(0, "-1", "nothing"), (1, "0", "off"), (3, "2", "guidance_scale = 3"), (10, "9", "guidance_scale = 10")])
def test_both_conventions(figure, record, scale, paper, pipeline):
    turn_to(figure, record, scale)
    assert text(figure, "paper") == paper and pipeline in text(figure, "pipeline")


def test_the_question_is_answered_from_the_record(figure, record):
    figure.get_by_role("button", name="Neither", exact=True).click()
    told = figure.locator(".live-bet").text_content().replace("\u00a0", " ")
    assert "You said “Neither”." in told
    for name, label in LABELS.items():
        rows = [row for row in record["models"][name]["rows"] if row["scale"] >= 1]
        best = max(rows, key=lambda row: row["found"])
        assert f"{label}: {100 * rows[0]['found']:.1f} % at w = 1, {100 * best['found']:.1f} % at its best (w = {best['scale']})" in told


# ---- What is computed ----------------------------------------------------------------------------------------------------

WORLD = dl.MixtureDenoiser(torch.ones(2, dtype=DOUBLE), torch.tensor([[-1.0], [1.0]], dtype=DOUBLE), torch.full((2, 1, 1), 0.25, dtype=DOUBLE), dl.CosineSchedule())
LINE = torch.linspace(-8, 8, 16001, dtype=DOUBLE)


def walked(scale: float, many: int = 1001) -> torch.Tensor:
    z = torch.special.ndtri((torch.arange(many, dtype=DOUBLE) + 0.5) / many)[:, None]
    *_, end = dl.trajectory(dl.ClassifierFreeGuidance(WORLD, scale), z, dl.uniform_times(60), dl.Heun(), torch.ones(many, dtype=torch.long))
    return end.x[:, 0]


def sharpened(scale: float) -> torch.Tensor:
    """p(x) p(rabbit | x)^scale on LINE, summing to 1, from the library's own densities."""
    rabbits = dl.GaussianDenoiser(torch.ones(1, dtype=DOUBLE), torch.full((1, 1), 0.25, dtype=DOUBLE), WORLD.schedule).log_prob(LINE[:, None], 0.0)
    everybody = WORLD.log_prob(LINE[:, None], 0.0)
    return torch.softmax(everybody + scale * (rabbits - everybody), 0)


@pytest.mark.parametrize("scale", [0, 0.5, 1, 5, 10])
def test_the_world_of_one_number_is_the_librarys(figure, record, scale):
    turn_to(figure, record, scale)
    ends, share = walked(scale), sharpened(scale)
    mean = float((share * LINE).sum())
    wanted = {"guided-mean": float(ends.mean()), "guided-spread": float(ends.std()), "sharp-mean": mean,
              "sharp-spread": float((share * (LINE - mean) ** 2).sum().sqrt())}
    for name, value in wanted.items():
        assert abs(float(text(figure, name)) - value) < 0.012, name
    edges = torch.linspace(-6, 6, 121, dtype=DOUBLE)
    boxes = [torch.histogram(values, edges, weight=weight).hist for values, weight in ((ends, torch.full_like(ends, 1 / len(ends))), (LINE, share))]
    assert abs(float(text(figure, "common").rstrip(" %")) - 100 * float(torch.minimum(*boxes).sum())) < 5


def test_drawn_curves_are_densities(figure, record):
    """Both enclose an area of 1, and the drawn one has its peak where the walks end."""
    for scale in (1, 5):
        turn_to(figure, record, scale)
        for kind in ("live-line-signal", "live-line-noise"):
            path = figure.locator(f".live-world .{kind}").get_attribute("d")
            x, y = torch.tensor([[float(v) for v in point.split(",")] for point in path[1:].split("L")], dtype=DOUBLE).T
            place, height = -3 + x / 280 * 7, 1.8 * (1 - y / 92)
            assert abs(float(torch.trapezoid(height, place)) - 1) < 0.02
            if kind == "live-line-noise":
                assert abs(float(place[height.argmax()]) - float(walked(scale).median())) < 0.15


# ---- Its use -------------------------------------------------------------------------------------------------------------

def test_keyboard_and_names(figure, record):
    slider = figure.get_by_label("guidance scale", exact=True)
    slider.focus()
    for key, scale in (("Home", 0), ("ArrowLeft", 0), ("ArrowRight", 0.5), ("End", 10), ("ArrowRight", 10), ("ArrowLeft", 7)):
        slider.press(key)
        assert text(figure, "w") == str(scale)
    assert slider.get_attribute("aria-valuetext").startswith("w = 7: found")
    figure.get_by_role("button", name=re.compile("^1 ▸")).click()
    assert text(figure, "w") == "10"
    labels = figure.locator(".live-statics canvas").evaluate_all("all => all.map(c => c.getAttribute('aria-label'))")
    assert labels[0] == f"{record['wishes'][0]}: shipped model, w = 10, static 1" and len(set(labels)) == record["statics"]


def test_it_begins_at_one(figure):
    assert text(figure, "w") == "1" and text(figure, "guided-mean") == "1.00" and math.isclose(float(text(figure, "guided-spread")), 0.5, abs_tol=0.005)


@pytest.mark.parametrize("width", [390, 1280])
def test_fits_the_page(open_figure, width):
    page, figure = open_figure(STEM, viewport={"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    boxes = [tile.bounding_box() for tile in figure.locator(".live-statics canvas").all()]
    assert len({round(box["y"]) for box in boxes}) == (2 if width == 390 else 1) and min(box["width"] for box in boxes) > 60
