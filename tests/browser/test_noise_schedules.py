"""The figure noise_schedules: each test changes an input and compares what is drawn or printed with the library's schedules."""

import math

import pytest
import torch
from scipy.interpolate import PchipInterpolator

import diffusion_lib as dl
from conftest import figure_data
from reading import canvas, canvas_pixels, levels_apart, number, on_screen, picture, set_time, static

SCHEDULES = {"Linear β": dl.LinearBetaSchedule(), "Cosine": dl.CosineSchedule(), "Flow": dl.RectifiedFlowSchedule()}
COUNTS = [10, 20, 25, 40, 50, 100, 125, 200, 250, 500, 1000]
SIZE = 64
GRID = torch.linspace(0, 1, 1001, dtype=torch.float64)


@pytest.fixture
def figure(open_figure):
    return open_figure("noise_schedules")[1]


def choose(figure, name: str) -> None:
    figure.get_by_role("radio", name=name, exact=True).check(force=True)


def set_steps(figure, steps: int) -> None:
    slider = figure.get_by_label("number of steps T")
    slider.evaluate("(s, v) => { s.value = v; s.dispatchEvent(new Event('input', { bubbles: true })); }", COUNTS.index(steps))


def source(name: str = "photo") -> torch.Tensor:
    return picture(figure_data("noise_schedules")[name])


def state(x0: torch.Tensor, alpha: float, sigma: float) -> torch.Tensor:
    return on_screen(alpha * x0 + sigma * static(figure_data("noise_schedules")["seed"], SIZE))


def shares(schedule, steps: int) -> torch.Tensor:
    """The picture's share of the variance before the first and after each of the steps, from the library's log-SNR-free knobs."""
    t = torch.arange(steps + 1) / steps
    alpha2, sigma2 = schedule.alpha(t) ** 2, schedule.sigma(t) ** 2
    return alpha2 / (alpha2 + sigma2)


def line(figure, chart: int, kind: str) -> torch.Tensor:
    """The points (x, y) of a drawn curve, in the chart's own units: x over 280, y from 0 (top) to 112."""
    path = figure.locator(".live-chart").nth(chart).locator(f".live-plot path.{kind}:not(.live-dots)").first.get_attribute("d")
    return torch.tensor([[float(v) for v in point.split(",")] for point in path.lstrip("M").split("L")], dtype=torch.float64)


def dots(figure, chart: int, kind: str) -> torch.Tensor:
    path = figure.locator(".live-chart").nth(chart).locator(f".live-plot path.{kind}.live-dots").get_attribute("d") or ""
    return torch.tensor([[float(v) for v in point.removesuffix("h0").split(",")] for point in path.split("M")[1:]], dtype=torch.float64)


# ---- What a schedule does ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", list(SCHEDULES))
def test_strip_is_the_librarys_diffuse(figure, name):
    choose(figure, name)
    eps = static(figure_data("noise_schedules")["seed"], SIZE)
    for picked, x0 in (("A pet", source("pet")), ("A cat", source("photo"))):
        choose(figure, picked)
        tiles = figure.locator(".live-strip canvas").all()
        assert len(tiles) == 11
        for k in (0, 1, 5, 9, 10):
            assert levels_apart(canvas_pixels(tiles[k]), on_screen(dl.diffuse(x0, eps, k / 10, SCHEDULES[name]))) <= 1


def test_pictures_are_the_cat_and_a_pet(figure):
    assert levels_apart(on_screen(source("photo")), on_screen(dl.figures.cat_photo(SIZE))) == 0
    x, words = dl.PartyPets(size=SIZE)[5]
    assert levels_apart(on_screen(source("pet")), on_screen(x)) == 0
    assert figure_data("noise_schedules")["pet_caption"] == {code: dl.pets.caption(words, grammar=grammar) for code, grammar in dl.pets.GRAMMARS.items()}


@pytest.mark.parametrize("name", list(SCHEDULES))
def test_curves_are_the_librarys(figure, name):
    choose(figure, name)
    schedule = SCHEDULES[name]
    for kind, knob in (("live-line-signal", schedule.alpha), ("live-line-noise", schedule.sigma)):
        drawn = line(figure, 0, kind)
        assert len(drawn) == 1001 and (1 - drawn[:, 1] / 112 - knob(GRID)).abs().max() < 1e-4
    drawn = line(figure, 1, "live-line-plain")
    assert (12 - drawn[:, 1] / 112 * 24 - schedule.log_snr(GRID).clamp(-12, 12)).abs().max() < 2e-3


@pytest.mark.parametrize("name", list(SCHEDULES))
@pytest.mark.parametrize("steps", [10, 50, 1000])
def test_numbers_of_each_step(figure, name, steps):
    choose(figure, name)
    set_steps(figure, steps)
    schedule, share = SCHEDULES[name], shares(SCHEDULES[name], steps)
    for i in (0, 1, steps // 2, steps):
        set_time(figure, i)
        t = i / steps
        assert number(figure, "i") == i and abs(number(figure, "t") - t) < 0.6e-3
        assert abs(number(figure, "alpha") - float(schedule.alpha(t))) < 0.6e-4
        assert abs(number(figure, "sigma") - float(schedule.sigma(t))) < 0.6e-4
        assert abs(number(figure, "bar") - 100 * float(share[i])) < 0.6e-2
        if i:
            assert number(figure, "beta") == pytest.approx(float(1 - share[i] / share[i - 1]), rel=6e-3)
        if 0 < t < 1:
            assert abs(number(figure, "snr") - float(schedule.log_snr(t))) < 0.6e-2
        assert levels_apart(canvas(figure, "what you see"), state(source(), float(schedule.alpha(t)), float(schedule.sigma(t)))) <= 1


def test_a_thousand_betas_are_those_of_the_paper(figure):
    drawn = line(figure, 2, "live-line-plain")
    betas = 10 ** (-6 * drawn[:, 1] / 112)
    assert len(drawn) == 1000 and (betas / SCHEDULES["Linear β"].betas - 1).abs().max() < 2e-3
    set_steps(figure, 10)
    few = 10 ** (-6 * dots(figure, 2, "live-line-plain")[:, 1] / 112)
    share = shares(SCHEDULES["Linear β"], 10)
    assert (few / (1 - share[1:] / share[:-1]) - 1).abs().max() < 2e-3
    assert len(dots(figure, 0, "live-line-signal")) == 11     # with few steps each is a dot on both knobs


def test_time_is_kept_when_the_number_of_steps_changes(figure):
    set_time(figure, 400)
    for steps in (10, 250, 1000):
        set_steps(figure, steps)
        assert number(figure, "t") == 0.4 and number(figure, "i") == 0.4 * steps
        assert figure.locator(".live-time input").get_attribute("max") == str(steps)


# ---- What a curve does wrong -------------------------------------------------------------------------------------------

def verdicts(figure) -> list[tuple[bool, str]]:
    return [("live-good" in item.get_attribute("class"), item.inner_text()) for item in figure.locator(".live-verdicts li").all()]


def test_linear_beta_does_not_end_in_static(figure):
    (start, _), (end, ended), (waste, wasted), (steps, _) = verdicts(figure)
    schedule = SCHEDULES["Linear β"]
    ratio = float(schedule.alpha(1.0) / schedule.sigma(1.0))
    told = 0.5 * (1 + math.erf(ratio * math.sqrt(3) * SIZE / math.sqrt(2)))
    assert start and steps and not end and not waste
    assert f"α/σ = {ratio:.4f}" in ended and f"{100 * told:.0f}" in ended
    assert f"{100 * float((shares(schedule, 1000)[:-1] < 0.01).double().mean()):.0f}" in wasted


def test_cosine_and_flow_do_well_and_ten_steps_are_no_little_steps(figure):
    for name in ("Cosine", "Flow"):
        choose(figure, name)
        set_steps(figure, 1000)
        assert all(good for good, _ in verdicts(figure)), verdicts(figure)
        set_steps(figure, 10)
        assert [good for good, _ in verdicts(figure)] == [True, True, True, False]


# ---- The reader's own curve --------------------------------------------------------------------------------------------

def handle(figure, k: int):
    return figure.locator(".live-handle").nth(k)


def points(figure) -> list[float]:
    return [float(v) for v in figure.locator('[data-number="points"]').text_content().split(", ")]


def test_own_curve_begins_as_the_one_seen_last_and_obeys_the_keys(figure):
    assert figure.locator(".live-handle:visible").count() == 0
    choose(figure, "Cosine")
    choose(figure, "Your own")
    assert points(figure) == [round(float(v), 2) for v in SCHEDULES["Cosine"].alpha(torch.linspace(0, 1, 6))]
    third = handle(figure, 2)
    assert third.get_attribute("role") == "slider" and third.get_attribute("aria-label").endswith("t = 0.4")
    third.focus()
    for key, value in (("ArrowUp", 0.82), ("ArrowRight", 0.83), ("ArrowDown", 0.82), ("PageDown", 0.72), ("ArrowLeft", 0.71)):
        third.press(key)
        assert points(figure)[2] == pytest.approx(value) == float(third.get_attribute("aria-valuenow"))


def test_own_curve_can_only_fall(figure):
    choose(figure, "Your own")
    figure.get_by_role("button", name="Straight line").click()
    assert points(figure) == [1, 0.8, 0.6, 0.4, 0.2, 0]
    handle(figure, 3).press("End")                           # to the top: those before it come along
    assert points(figure) == [1, 1, 1, 1, 0.2, 0]
    handle(figure, 1).press("Home")                          # to the bottom: those after it come along
    assert points(figure) == [1, 0, 0, 0, 0, 0]
    alpha = 1 - line(figure, 0, "live-line-signal")[:, 1] / 112
    assert (alpha.diff() <= 1e-9).all() and alpha.min() >= 0 and alpha.max() <= 1


def test_own_curve_is_the_monotone_cubic_through_its_points(figure):
    choose(figure, "Your own")
    figure.get_by_role("button", name="Straight line").click()
    for k, keys in ((1, ["PageUp"]), (2, ["PageDown"] * 2), (4, ["PageDown", "ArrowDown"])):
        for key in keys:
            handle(figure, k).press(key)
    heights = points(figure)
    alpha = torch.from_numpy(PchipInterpolator(torch.linspace(0, 1, 6), heights)(GRID))
    assert (1 - line(figure, 0, "live-line-signal")[:, 1] / 112 - alpha).abs().max() < 1e-4
    sigma = (1 - alpha**2).sqrt()
    assert (1 - line(figure, 0, "live-line-noise")[:, 1] / 112 - sigma).abs().max() < 1e-4
    for k, tile in ((3, figure.locator(".live-strip canvas").nth(3)), (8, figure.locator(".live-strip canvas").nth(8))):
        assert levels_apart(canvas_pixels(tile), state(source(), float(alpha[100 * k]), float(sigma[100 * k]))) <= 1


def test_points_can_be_dragged(figure):
    choose(figure, "Your own")
    figure.get_by_role("button", name="Straight line").click()
    box, mouse = handle(figure, 2).locator("circle").last.bounding_box(), figure.page.mouse
    chart = figure.locator(".live-chart").first.bounding_box()
    unit = chart["width"] / 324                              # the width of the chart's view box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    mouse.move(x, y)
    mouse.down()
    mouse.move(x + 15, y - 0.15 * 112 * unit, steps=5)
    mouse.up()
    assert points(figure)[2] == pytest.approx(0.75, abs=0.011) and points(figure)[3:] == [0.4, 0.2, 0]
    mouse.move(x, y + 40)                                    # let go is let go
    assert points(figure)[2] == pytest.approx(0.75, abs=0.011)


def test_what_is_wrong_with_an_own_curve(figure):
    choose(figure, "Your own")
    figure.get_by_role("button", name="Straight line").click()
    assert [good for good, _ in verdicts(figure)] == [True, True, True, True]
    for _ in range(3):
        handle(figure, 0).press("PageDown")                  # no clean start
    good, text = verdicts(figure)[0]
    assert not good and f"σ = {math.sqrt(1 - 0.7**2):.2f}" in text
    figure.get_by_role("button", name="Straight line").click()
    handle(figure, 5).press("PageUp")                        # an end that is not static
    assert not verdicts(figure)[1][0] and "0.1005" in verdicts(figure)[1][1]
    figure.get_by_role("button", name="Straight line").click()
    handle(figure, 2).press("Home")                          # three fifths of the time with nothing left
    assert not verdicts(figure)[2][0]
    figure.get_by_role("button", name="Straight line").click()
    handle(figure, 2).press("End")                           # two fifths of the time nothing happens
    good, text = verdicts(figure)[3]
    assert not good and "400 of 1,000 steps change nothing" in text


# ---- The question, and what a screen reader hears ----------------------------------------------------------------------

def test_question_before_the_answer(figure):
    figure.get_by_role("button", name="Flow", exact=True).click()
    told = figure.locator(".live-bet p").inner_text().replace("\u00a0", " ")
    assert "You said “Flow”." in told
    assert f"{100 * float(shares(SCHEDULES['Linear β'], 2)[1]):.1f} % with linear β" in told and told.count("50.0 %") == 2


def test_pictures_and_controls_have_names(figure):
    labels = figure.locator("canvas").evaluate_all("all => all.map(c => c.getAttribute('aria-label'))")
    assert all(labels) and "the photo of a cat with static, t = 0.5" in labels
    choose(figure, "A pet")
    assert figure_data("noise_schedules")["pet_caption"]["en"] in figure.locator("canvas").first.get_attribute("aria-label")
    slider = figure.get_by_label("number of steps T")
    slider.focus()
    slider.press("ArrowLeft")
    assert slider.get_attribute("aria-valuetext") == "500 steps" and number(figure, "of") == 500
