"""The figure `guidance_dial`: a reader's own wish is drawn as Python draws it, recorded pictures and numbers are the record's, and the
exact world is the library's."""

import math
import re

import pytest
import torch

import diffusion_lib as dl
import test_every_figure as every
from conftest import figure_data
from diffusion_lib.data.pets import GRAMMARS
from reading import NETWORK, canvas_pixels, levels_apart, on_screen, spoil, static, told_of

STEM = "guidance_dial"
LABELS = {"shipped": "shipped model", "pupil": "a pupil"}
PATIENCE = 240_000                                           # milliseconds, on a machine that is busy with other things
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


def cells(table) -> list[list[str]]:
    """The rows of a table's body."""
    rows = table.evaluate("table => [...table.tBodies[0].rows].map(row => [...row.cells].map(cell => cell.textContent))")
    return [[cell.replace("\u00a0", " ").replace("−", "-") for cell in row] for row in rows]


def world(figure) -> dict[str, float]:
    """What stands beside the chart of the exact world."""
    (_, *sharp), (_, *guided), (_, common, _) = cells(figure.locator(".live-numbers table"))
    names = "sharp-mean", "sharp-spread", "guided-mean", "guided-spread", "common"
    return dict(zip(names, map(float, (*sharp, *guided, common.rstrip(" %")))))


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
    found = world(figure)
    for name, value in wanted.items():
        assert abs(found[name] - value) < 0.012, name
    edges = torch.linspace(-6, 6, 121, dtype=DOUBLE)
    boxes = [torch.histogram(values, edges, weight=weight).hist for values, weight in ((ends, torch.full_like(ends, 1 / len(ends))), (LINE, share))]
    assert abs(found["common"] - 100 * float(torch.minimum(*boxes).sum())) < 5


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


# ---- Your own wish -------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def network():
    return dl.zoo.load("pets32-text")


@pytest.fixture(scope="module")
def own():
    return figure_data(STEM)["own"]


def prompt_of(figure):
    return figure.locator(".live-ask input")


def ask(figure, prompt: str, wait: bool = True) -> None:
    prompt_of(figure).fill(prompt)
    prompt_of(figure).press("Enter")
    if wait:
        rest(figure)


def rest(figure) -> None:
    """Until a picture stands at every mark, and at the dial's a large one."""
    figure.page.wait_for_function("figure => figure.querySelectorAll('.live-dialled canvas[aria-label*=\", burnt\"]').length === 9", arg=figure.element_handle(), timeout=PATIENCE)


def wishes_drawn(figure) -> list[torch.Tensor]:
    """The large picture, and those at the marks."""
    return [canvas_pixels(tile) for tile in figure.locator(".live-dialled canvas").all()]


def right(network, own, prompt: str, scale: float, seed: int | None = None) -> torch.Tensor:
    x = static(own["seed"] if seed is None else seed, 32)[None]
    *_, end = dl.trajectory(dl.ClassifierFreeGuidance(network, scale), x, dl.uniform_times(own["steps"]), dl.DPMSolverPP2M(), [prompt])
    return end.x[0]


def burnt(x: torch.Tensor) -> float:
    return float((x.abs() > 1 + 2 / 255).float().mean())


COUNTED = """(() => { const post = Worker.prototype.postMessage; window.asked = 0;
    Worker.prototype.postMessage = function (message) { window.asked += 'query' in message; return post.call(this, message); }; })()"""


def test_a_readers_wish_is_drawn_as_python_draws_it(figure, record, own, network):
    prompt = "a happy orange cat with glasses"
    fetched = []
    figure.page.on("request", lambda request: fetched.append(request.url) if "/models/" in request.url else None)
    prompt_of(figure).fill(prompt)
    figure.page.wait_for_timeout(600)
    assert not fetched and figure.locator(".live-dialled").is_hidden(), "nothing is fetched before anybody asks for a picture"
    ask(figure, prompt)
    assert len(fetched) == 2 and figure.locator(".live-statics").is_hidden()
    every.press(figure, "numbers")
    told, (large, *marks) = dict(cells(figure.locator(".live-table table").first)), wishes_drawn(figure)
    for scale in (0, 1, 3, 10):
        picture, k = right(network, own, prompt, scale), record["scales"].index(scale)
        assert levels_apart(marks[k], on_screen(picture)) <= 1, scale
        assert abs(float(told[str(scale)].rstrip(" %")) - 100 * burnt(picture)) < 0.1
    assert levels_apart(large, marks[record["scales"].index(1)]) == 0
    turn_to(figure, record, 3)
    assert levels_apart(wishes_drawn(figure)[0], marks[record["scales"].index(3)]) == 0
    assert f"w = 3, burnt {told['3']}" == figure.locator(".live-dialled figcaption").first.text_content().replace("\u00a0", " ")
    by = figure.locator(".live-dialled + div").text_content()
    assert f"pets32-text, seed {own['seed']}, {own['steps']} steps" in by and prompt in by and "recorded" in by


def test_only_the_last_of_many_words_and_turns_is_drawn(figure, record, own, network):
    page = figure.page
    ask(figure, "a cat")
    page.evaluate(COUNTED)
    prompt_of(figure).evaluate("""input => { for (const text of ['a', 'a f', 'a fr', 'a fro', 'a frog', 'a frog w', 'a frog']) {
        input.value = text; input.dispatchEvent(new Event('input', { bubbles: true })); } }""")
    for scale in (2, 10, 5):
        turn_to(figure, record, scale)
    rest(figure)
    assert page.evaluate("window.asked") == own["steps"] * (2 * len(record["scales"]) - 1)          # at w = 1 one question is enough
    large, *marks = wishes_drawn(figure)
    for shown in (large, marks[record["scales"].index(5)]):
        assert levels_apart(shown, on_screen(right(network, own, "a frog", 5))) <= 1


@pytest.mark.parametrize("code", ["en", "te"])
def test_what_was_done_to_the_words_is_said(figure, network, code):
    figure.locator(".live-foot select").select_option(code)
    say = GRAMMARS[code].notices
    for prompt in ("🙂🙂", "a sleppy cat with a zebra", "పిల్లీ tiger"):        # what is heard differs from one to the next
        ask(figure, prompt, wait=False)
        read = network.network.conditioner.vocabulary.read(prompt, say)
        heard = say.heard.format(words=" ".join(read.words)) if read.words else say.heard_nothing
        figure.locator(".live-status", has_text=heard).wait_for(timeout=PATIENCE)
        assert figure.locator(".live-status > * + *").all_text_contents() == [re.sub(r"'([^']*)'", r"“\1”", notice) for notice in read.notices]


def test_who_asks_for_nothing_gets_the_same_at_every_scale(figure, own, network):
    ask(figure, "")
    expected = on_screen(right(network, own, "", 1))
    assert all(levels_apart(shown, expected) <= 1 for shown in wishes_drawn(figure))


def test_a_link_brings_wish_static_and_scale_back(figure, open_page, address, record):
    page = figure.page
    ask(figure, "a pig & a crown: 50%", wait=False)
    figure.get_by_role("button", name="Another static").click()
    turn_to(figure, record, 7)
    rest(figure)
    page.wait_for_timeout(300)
    here, shown = figure.get_by_role("link", name="Link to this state").get_attribute("href"), wishes_drawn(figure)
    there = open_page(page.url.removeprefix(address).split("#")[0] + here).locator(f'[data-figure="{STEM}"]').first
    there.page.wait_for_function("figure => figure.dataset.state === 'live'", arg=there.element_handle())
    rest(there)
    assert prompt_of(there).input_value() == "a pig & a crown: 50%" and text(there, "w") == "7"
    assert all(levels_apart(a, b) == 0 for a, b in zip(shown, wishes_drawn(there), strict=True))
    every.press(there, "reset")
    assert there.locator(".live-dialled").is_hidden() and there.locator(".live-statics").is_visible()


@pytest.mark.parametrize("fault", ["404", "damaged", "broken off"])
def test_without_its_network_it_says_so_and_shows_what_was_recorded(figure, record, drawn, fault):
    page = figure.page
    spoil(page, fault)
    ask(figure, "a cat", wait=False)
    figure.locator(".live-status strong").wait_for(timeout=PATIENCE)
    assert told_of(fault) in figure.locator(".live-status").text_content()
    assert figure.get_by_role("radio", name="shipped model").is_checked() and "Recorded" in figure.locator("[data-wish]").text_content()
    for tile, picture in zip(figure.locator(".live-statics canvas").all(), drawn["shipped"][0, record["scales"].index(1)]):
        assert levels_apart(canvas_pixels(tile), on_screen(picture)) <= 1
    page.unroute(NETWORK)
    page.faults.clear()
    choose(figure, "your own wish")
    figure.locator(".live-status", has_text="a cat").wait_for(timeout=PATIENCE)


def test_it_stops_where_it_is_left(figure):
    page = figure.page
    page.evaluate(COUNTED)
    ask(figure, "a dog", wait=False)
    page.wait_for_function("window.asked > 5", timeout=PATIENCE)
    choose(figure, "a pupil")
    asked = page.evaluate("window.asked")
    page.wait_for_timeout(500)
    assert page.evaluate("window.asked") == asked
    choose(figure, "your own wish")
    page.wait_for_function("asked => window.asked > asked", arg=asked, timeout=PATIENCE)
    figure.evaluate("figure => figure.remove()")
    page.wait_for_function("outOfStaticOpened.size === 0", timeout=PATIENCE)


# ---- Its use -------------------------------------------------------------------------------------------------------------

def test_keyboard_and_names(figure, record):
    slider = figure.get_by_label("guidance scale", exact=True)
    slider.focus()
    for key, scale in (("Home", 0), ("ArrowLeft", 0), ("ArrowRight", 0.5), ("End", 10), ("ArrowRight", 10), ("ArrowLeft", 7)):
        slider.press(key)
        assert text(figure, "w") == str(scale)
    assert slider.get_attribute("aria-valuetext").startswith("w = 7: obedience")
    figure.get_by_role("button", name=re.compile("^1 ▸")).click()
    assert text(figure, "w") == "10"
    labels = figure.locator(".live-statics canvas").evaluate_all("all => all.map(c => c.getAttribute('aria-label'))")
    assert labels[0] == f"{record['wishes'][0]}: shipped model, w = 10, static 1" and len(set(labels)) == record["statics"]


def test_it_begins_at_one(figure):
    assert text(figure, "w") == "1" and world(figure)["guided-mean"] == 1 and math.isclose(world(figure)["guided-spread"], 0.5, abs_tol=0.005)


def test_a_wish_fits_every_screen(open_figure):
    """In Telugu, from a phone in the dark to the widest page; axe finds nothing."""
    page, figure = open_figure(STEM, viewport={"width": 320, "height": 640}, has_touch=True, color_scheme="dark")
    figure.locator(".live-foot select").select_option("te")
    every.press(figure, "numbers")
    prompt_of(figure).fill("కిరీటం పెట్టుకున్న కుందేలు")
    figure.locator(".live-go").tap()
    page.wait_for_function("figure => figure.querySelector('.live-table td').textContent && figure.querySelector('[aria-valuetext*=\"%\"]')", arg=figure.element_handle(), timeout=PATIENCE)
    every.assert_speaks_telugu(figure)
    every.assert_it_fits(page, figure, 320)
    every.assert_fingers_fit(figure)
    page.add_script_tag(content=every.AXE.read_text(encoding="utf-8"))
    faults = figure.evaluate("figure => axe.run(figure).then(result => result.violations)")
    assert not faults, [(fault["id"], [node["html"][:200] for node in fault["nodes"][:3]]) for fault in faults]
    for width in (768, 2560):
        page.set_viewport_size({"width": width, "height": 900})
        every.assert_it_fits(page, figure, width)


@pytest.mark.parametrize("width", [390, 1280])
def test_fits_the_page(open_figure, width):
    page, figure = open_figure(STEM, viewport={"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    boxes = [tile.bounding_box() for tile in figure.locator(".live-statics canvas").all()]
    assert len({round(box["y"]) for box in boxes}) == (2 if width == 390 else 1) and min(box["width"] for box in boxes) > 60
