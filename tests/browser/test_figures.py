"""The live figures: each test changes an input and asserts that what is drawn or printed becomes the right thing.

Right is what the library says: `diffuse`, the schedule, the samplers, `text_picture`, from the same seeds.
"""

import json

import pytest
import torch

import diffusion_lib as dl
from conftest import ROOT, figure_data
from diffusion_lib.pictures import text_picture
from reading import (SCHEDULE, T, canvas, canvas_pixels, ddim_walk, film, guesses_of, levels_apart, number, on_screen, picture,
                     set_time, static, step_with)

TIMES = (0, 1, 50, 300, 999, 1000)


# ---- What all figures share --------------------------------------------------------------------------------------------

@pytest.fixture
def shared(open_page):
    """The numbers of the shared module, as the page computes them."""
    page = open_page("search.html")
    source = (ROOT / "diffusion_lib" / "figures" / "js" / "_shared.js").read_text(encoding="utf-8")
    page.evaluate("async source => { window.shared = await import(URL.createObjectURL(new Blob([source], { type: 'text/javascript' }))); }", source)
    return lambda expression, argument=None: page.evaluate(f"argument => {{ const m = window.shared; return {expression}; }}", argument)


def test_javascript_draws_the_golden_numbers(shared):
    golden = json.loads((ROOT / "tests/golden/random.json").read_text())
    rows = shared("argument.map(({ seed, index }) => ({ bits: m.bits(seed, index), uniform: m.uniform(seed, index), normal: m.normal(seed, index) }))", golden)
    for row, drawn in zip(golden, rows, strict=True):
        assert drawn["bits"] == row["bits"]
        assert abs(drawn["uniform"] - row["uniform"]) < 1e-12 and abs(drawn["normal"] - row["normal"]) < 1e-12


def test_javascript_has_the_same_schedule(shared):
    bar = torch.tensor(shared("Array.from(m.ALPHA_BAR)"), dtype=torch.float64)
    assert (bar - SCHEDULE.alpha_bar).abs().max() < 1e-12


# ---- flow_of_time ------------------------------------------------------------------------------------------------------

@pytest.fixture
def flow(open_figure):
    return open_figure("flow_of_time")[1]


def photo_at(t: int) -> torch.Tensor:
    data = figure_data("flow_of_time")
    x0 = picture(data["photo"])
    return dl.diffuse(x0, static(data["seed"], x0.shape[-1]), t / T, SCHEDULE)


def test_photo_dissolves_by_the_formula(flow):
    data = figure_data("flow_of_time")
    x0 = picture(data["photo"])
    assert levels_apart(on_screen(dl.figures.cat_photo(x0.shape[-1])), on_screen(x0)) == 0
    for t in TIMES:
        set_time(flow, t)
        assert levels_apart(canvas(flow, "what you see"), on_screen(photo_at(t))) <= 1
        alpha, sigma = float(SCHEDULE.alpha(t / T)), float(SCHEDULE.sigma(t / T))
        assert levels_apart(canvas(flow, "· picture"), on_screen(alpha * x0)) <= 1
        assert levels_apart(canvas(flow, "· static"), on_screen(sigma * static(data["seed"], x0.shape[-1]))) <= 1


def test_printed_numbers(flow):
    for t in TIMES:
        set_time(flow, t)
        x, bar = photo_at(t), float(SCHEDULE.alpha_bar[t])
        assert number(flow, "t") == t
        assert abs(number(flow, "alpha") - bar**0.5) <= 0.5e-4 and abs(number(flow, "sigma") - (1 - bar) ** 0.5) <= 0.5e-4
        assert abs(number(flow, "signal") - 100 * bar) <= 0.051 and abs(number(flow, "noise") - 100 * (1 - bar)) <= 0.051
        assert abs(number(flow, "mean") - float(x.mean())) <= 0.6e-3 and abs(number(flow, "spread") - float(x.std())) <= 0.6e-3


def test_histogram_becomes_a_bell(flow):
    for t in (50, 1000):
        set_time(flow, t)
        path = flow.locator(".live-area").get_attribute("d")
        tops = torch.tensor([float(part.split(",")[1].split("h")[0]) for part in path.split("L")[1:-1]])
        shown = (96 - tops) / 96 * 1.15
        expected = torch.histogram(photo_at(t).flatten(), bins=56, range=(-3.5, 3.5)).hist / photo_at(t).numel() / 0.125
        assert (shown - expected.clamp(max=1.15)).abs().max() < 0.005
    centres = torch.linspace(-3.4375, 3.4375, 56)
    bell = torch.exp(-centres**2 / 2) / (2 * torch.pi) ** 0.5
    assert (shown - bell).abs().max() < 0.03                 # at t = 1000; 49152 numbers, so a bin's error is below 0.02


def test_pet_and_its_guess(flow):
    pet = figure_data("flow_of_time")["pet"]
    x0, guesses = picture(pet["picture"]), guesses_of(pet)
    flow.get_by_role("radio", name="A pet").check(force=True)
    for t in (1000, 501, 500, 20, 0):
        set_time(flow, t)
        asked = max(k for k, stop in enumerate(pet["stops"]) if stop >= t)
        assert levels_apart(canvas(flow, "what you see"), on_screen(dl.diffuse(x0, static(pet["seed"], 32), t / T, SCHEDULE))) <= 1
        assert levels_apart(canvas(flow, "the model’s guess"), on_screen(guesses[asked])) <= 1


def test_walk_back_is_ddim(flow):
    """At every stop the walk shows what the library's own DDIM makes of the recorded guesses; in between, part of a stride."""
    for index, walk in enumerate(figure_data("flow_of_time")["walks"]):
        flow.get_by_label("what the walk was asked for").select_option(index=index)
        guesses = guesses_of(walk)
        states = ddim_walk(walk["seed"], walk["stops"], guesses)
        for k in (0, 1, 25, 49, 50):
            set_time(flow, [*walk["stops"], 0][k])
            assert levels_apart(canvas(flow, "the walk"), on_screen(states[k])) <= 1
            assert levels_apart(canvas(flow, "its guess"), on_screen(guesses[min(k, 49)])) <= 1
        set_time(flow, 507)
        between = step_with(dl.DDIM(), states[24][None], guesses[24][None], 520, 507)[0]
        assert levels_apart(canvas(flow, "the walk"), on_screen(between)) <= 1


def test_walks_differ_and_end_in_pictures(flow):
    """Not a test of pixels but of the model: at the end the guess is a picture, far from grey and far from static."""
    set_time(flow, 0)
    ends = []
    for index in range(len(figure_data("flow_of_time")["walks"])):
        flow.get_by_label("what the walk was asked for").select_option(index=index)
        ends.append(canvas(flow, "the walk"))
        rough = (ends[-1][1:] - ends[-1][:-1]).abs().mean()
        assert ends[-1].std() > 25 and rough < 40            # static of full loudness has 84 and 97
    assert all((a - b).abs().mean() > 5 for i, a in enumerate(ends) for b in ends[:i])


def test_walk_in_letters(flow):
    for index, walk in enumerate(figure_data("flow_of_time")["walks"]):
        flow.get_by_label("what the walk was asked for").select_option(index=index)
        states = ddim_walk(walk["seed"], walk["stops"], guesses_of(walk))
        shown = flow.locator(".live-typed pre").all_text_contents()
        for step, text in zip((0, 10, 30, 50), shown, strict=True):
            expected = text_picture(states[step], width=32)
            assert len(text) == len(expected) and sum(a != b for a, b in zip(text, expected)) <= 2     # rounding at a shade's edge
    flow.get_by_role("button", name="Step 30").click()
    assert number(flow, "t") == 400


def test_letters_are_ink_on_paper_in_the_dark_too(open_figure):
    _, flow = open_figure("flow_of_time", color_scheme="dark")
    ink, paper = flow.locator(".live-typed pre").first.evaluate("e => { const { color, backgroundColor } = getComputedStyle(e); return [color, backgroundColor]; }")
    assert (ink, paper) == ("rgb(34, 37, 42)", "rgb(248, 246, 240)")


def test_keyboard_and_step_buttons(flow):
    slider = flow.get_by_label("time t", exact=True)
    slider.focus()
    for key, t in (("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("End", 1000), ("ArrowRight", 1000), ("Home", 0), ("ArrowLeft", 0)):
        slider.press(key)
        assert number(flow, "t") == t
    flow.get_by_role("button", name="+1").click()
    assert number(flow, "t") == 1
    assert "t = 1 of 1000" in slider.get_attribute("aria-valuetext")
    flow.get_by_role("button", name="−1").press("Enter")
    assert number(flow, "t") == 0
    assert slider.evaluate("s => getComputedStyle(s).outlineStyle") == "none" and slider.focus() is None
    slider.press("ArrowRight")
    assert slider.evaluate("s => getComputedStyle(s).outlineStyle") == "solid"


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_play_and_pause(open_figure, motion):
    page, flow = open_figure("flow_of_time", reduced_motion=motion)
    seen = "() => { window.times = []; new MutationObserver(() => times.push(Number(document.querySelector('[data-number=t]').textContent)))" \
           ".observe(document.querySelector('[data-figure=flow_of_time] .live-readout'), { childList: true, subtree: true }); }"
    page.evaluate(seen)
    play = flow.get_by_role("button", name="Add static")
    play.click()
    page.wait_for_function("times.at(-1) >= 100")
    play.click()
    times = page.evaluate("times")
    page.wait_for_timeout(900)
    assert page.evaluate("times").__len__() == len(times)    # it has stopped
    assert times == sorted(times)
    assert (motion == "reduce") == all(t % 50 == 0 for t in times)
    flow.get_by_role("button", name="Walk back").click()
    page.wait_for_function("times.at(-1) === 0")


def test_own_picture_from_a_file(flow, tmp_path):
    from PIL import Image

    pixels = torch.randint(0, 256, (128, 256, 3), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    Image.fromarray(pixels.numpy()).save(tmp_path / "mine.png")
    flow.get_by_role("radio", name="Your own").check(force=True)
    flow.locator("input[type=file]").set_input_files(tmp_path / "mine.png")
    flow.page.wait_for_function("() => document.querySelector('.live-note').textContent.includes('mine.png')")
    x0 = pixels[:, 64:192].permute(2, 0, 1) / 127.5 - 1      # the square in the middle
    for t in (0, 300):
        set_time(flow, t)
        expected = dl.diffuse(x0, static(figure_data("flow_of_time")["seed"], 128), t / T, SCHEDULE)
        assert levels_apart(canvas(flow, "what you see"), on_screen(expected)) <= 1


def test_odd_files_are_refused_in_words(flow, tmp_path):
    flow.get_by_role("radio", name="Your own").check(force=True)
    before = canvas(flow, "what you see")
    for name, content in (("notes.txt", b"no picture"), ("empty.png", b""), ("half.png", b"\x89PNG\r\n\x1a\n\0\0")):
        (tmp_path / name).write_bytes(content)
        flow.locator("input[type=file]").set_input_files(tmp_path / name)
        flow.get_by_text(f"{name} cannot be opened as a picture").wait_for()
        assert levels_apart(canvas(flow, "what you see"), before) == 0


def test_own_picture_by_hand(flow):
    flow.get_by_role("radio", name="Your own").check(force=True)
    set_time(flow, 500)
    square = flow.locator(".live-tile", has_text="what you see").locator("canvas")
    square.scroll_into_view_if_needed()
    box = square.bounding_box()
    mouse = flow.page.mouse
    mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    mouse.down()
    mouse.move(box["x"] + box["width"] * 0.75, box["y"] + box["height"] / 2, steps=20)
    mouse.up()
    drawn = canvas_pixels(square)
    assert number(flow, "t") == 0                            # drawing goes back to the clean picture
    assert drawn[64, 64:96].max() < 60 and drawn[30].min() > 200 and drawn[64, :60].min() > 200
    flow.get_by_role("button", name="Clear").click()
    assert canvas_pixels(square).min() > 200


def test_bet_before_the_answer(flow):
    assert flow.locator(".live-mark").count() == 0           # nothing is told before the bet
    flow.get_by_label("your bet").evaluate("s => { s.value = 400; s.dispatchEvent(new Event('input')); }")
    flow.get_by_role("button", name="That is my bet").click()
    set_time(flow, 120)
    flow.get_by_role("button", name="Gone!").click()
    told = flow.locator(".live-bet p").inner_text().replace("\u00a0", " ")
    assert "You bet t = 400" in told and "at t = 120" in told and f"static is {100 * (1 - float(SCHEDULE.alpha_bar[120])):.0f} %" in told
    flow.get_by_role("button", name="Again").click()
    flow.get_by_role("button", name="Skip").click()
    assert flow.locator(".live-mark").count() > 0


def test_marks_say_where_static_overtakes_details(flow):
    flow.get_by_role("button", name="Skip").click()
    shown = flow.locator(".live-marks").get_attribute("aria-label")
    x0 = picture(figure_data("flow_of_time")["photo"])[None]
    eps = static(3, 128)[None]
    expected = []
    for width in (1, 2, 4, 8, 16, 32):
        details = []
        for x in (x0, eps):
            fine, coarse = torch.nn.functional.avg_pool2d(x, width), torch.nn.functional.avg_pool2d(x, 2 * width)
            details.append(float((fine**2).mean() - (coarse**2).mean()))
        # A share of real static, not its expectation: close to the page's number, by another road.
        expected.append(next(t for t in range(T + 1) if SCHEDULE.alpha_bar[t] * details[0] <= (1 - SCHEDULE.alpha_bar[t]) * details[1]))
    times = [int(part.rsplit("= ", 1)[1]) for part in shown.split("; ")]
    assert times == sorted(times) and len(times) == 6
    assert all(abs(a - b) <= 2 + 0.04 * b for a, b in zip(times, expected)), (times, expected)


# ---- from_static -------------------------------------------------------------------------------------------------------

def test_wall_walks_out_of_static(open_figure):
    _, wall = open_figure("from_static")
    walks = figure_data("from_static")["walks"]
    assert len(walks) == 12
    tiles = wall.locator("canvas").all()
    walked = [ddim_walk(w["seed"], w["stops"], guesses_of(w)) for w in walks]
    for t, step in ((1000, 0), (600, 8), (0, 20)):
        set_time(wall, t)
        for tile, states in zip(tiles, walked, strict=True):
            assert levels_apart(canvas_pixels(tile), on_screen(states[step])) <= 1
    wall.get_by_role("radio", name="the model’s guess").check(force=True)
    set_time(wall, 600)
    assert levels_apart(canvas_pixels(tiles[3]), on_screen(guesses_of(walks[3])[8])) <= 1


def test_wall_is_the_work_of_the_shipped_model():
    """The recorded guesses are those of the shipped weights, for the wishes that stand under them: other weights fail here."""
    walks = figure_data("from_static")["walks"]
    cond = torch.stack([dl.pets.parse_caption(walk["caption"]["en"]) for walk in walks])
    model = dl.ClassifierFreeGuidance(dl.zoo.load("pets32"), scale=2.0)
    again = dl.figures.record_walks(model, [w["caption"]["en"] for w in walks], seeds=[w["seed"] for w in walks], cond=cond, steps=walks[0]["steps"])
    for walk, fresh in zip(walks, again, strict=True):
        assert walk["stops"] == fresh.stops
        first = fresh.guesses[0].clamp(-walk["guess_range"], walk["guess_range"])
        assert (guesses_of(walk)[0] - first).abs().max() < 0.02              # stored in steps of 3 / 255
        assert (guesses_of(walk)[-1] - fresh.guesses[-1]).abs().mean() < 0.02


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_wall_plays_by_itself_only_where_motion_is_welcome(open_figure, motion):
    page, wall = open_figure("from_static", reduced_motion=motion)
    if motion == "no-preference":
        page.wait_for_function("Number(document.querySelector('[data-figure=from_static] [data-number=t]').textContent) < 900")
    else:
        page.wait_for_timeout(2_500)
        assert number(wall, "t") == 1000


# ---- step_by_step ------------------------------------------------------------------------------------------------------

@pytest.fixture
def steps(open_figure):
    return open_figure("step_by_step")[1]


def taken_apart(walk: dict, k: int):
    """t, s, x_t and x_s of recorded step k, by the library's ancestral sampler."""
    t = walk["stops"][k]
    s, n = t - T // walk["steps"], 3 * 32 * 32
    x0, eps = guesses_of(walk)[k], film(walk["noises"], figure_data("step_by_step")["noise_range"])[k]
    at = dl.coefficients(SCHEDULE, t / T, x0)
    x = at.alpha * x0 + at.sigma * eps
    z = static(walk["seed"], 32, n * (1 + 2 * (T - t))) * walk["loudness"]
    return t, s, x, step_with(dl.Ancestral(), x[None], x0[None], t, s, z[None])[0]


def test_small_steps_are_ancestral(steps):
    walk = figure_data("step_by_step")["walks"][0]
    last = len(walk["stops"]) - 1
    assert walk["stops"][:2] == [1000, 999] and walk["stops"][-1] == 1
    for k in (0, 1, 10, last - 1, last):
        set_time(steps, last - k)
        t, s, x, after = taken_apart(walk, k)
        assert f"t = {t} → {s}" in steps.locator(".live-readout").text_content()
        assert levels_apart(canvas(steps, "where it stands"), on_screen(x)) <= 1
        assert levels_apart(canvas(steps, "and stands here"), on_screen(after)) <= 1
        assert levels_apart(canvas(steps, "believes"), on_screen(guesses_of(walk)[k])) <= 1


def test_walk_begins_with_the_static_of_its_seed(steps):
    walk = figure_data("step_by_step")["walks"][0]
    expected = on_screen(static(walk["seed"], 32) * SCHEDULE.sigma(1.0).float())
    assert levels_apart(canvas(steps, "where it stands"), expected) <= 3         # eps is stored to 1 / 64: two levels and rounding


def test_next_recorded_state_follows(steps):
    """1000 -> 999 is done literally: what the first step leads to is what the model was asked next."""
    walk = figure_data("step_by_step")["walks"][0]
    _, _, _, after = taken_apart(walk, 0)
    _, _, next_x, _ = taken_apart(walk, 1)
    assert (after - next_x).abs().max() < 4 / 127.5


def test_numbers_of_a_step(steps):
    last = len(figure_data("step_by_step")["walks"][0]["stops"]) - 1
    for v, t in ((last, 1000), (0, 1)):
        set_time(steps, v)
        s, bar, beta = t - 1, SCHEDULE.alpha_bar, float(SCHEDULE.betas[t - 1])
        fresh = beta * float((1 - bar[s]) / (1 - bar[t]))    # Ho et al. 2020, eq. 7: beta tilde, written out
        kept = float(1 - bar[s]) - fresh
        assert abs(number(steps, "alpha") - float(bar[s]) ** 0.5) < 0.6e-4
        assert abs(number(steps, "fresh") - fresh**0.5) < 0.6e-4 and abs(number(steps, "kept") - kept**0.5) < 0.6e-4
        assert abs(number(steps, "taken") - (float(1 - bar[t]) - kept)) < 0.6e-5 and abs(number(steps, "back") - fresh) < 0.6e-5
        assert abs(number(steps, "left") - float(1 - bar[s])) < 0.6e-5


def test_z_can_be_left_out(steps):
    walks = figure_data("step_by_step")["walks"]
    last = len(walks[1]["stops"]) - 1
    set_time(steps, last - 10)
    loud = canvas(steps, "and stands here")
    steps.get_by_role("radio", name="z left out").check(force=True)
    assert number(steps, "fresh") == 0 and number(steps, "back") == 0
    assert (canvas(steps, "puts this back") == 128).all()
    assert f"t = {walks[1]['stops'][10]}" in steps.locator(".live-readout").text_content()      # the place is kept
    _, _, _, after = taken_apart(walks[1], 10)
    assert levels_apart(canvas(steps, "and stands here"), on_screen(after)) <= 1
    assert (canvas(steps, "and stands here") - loud).abs().mean() > 5


def test_strides_are_ddim(steps):
    walk = figure_data("step_by_step")["walks"][2]
    steps.get_by_role("radio", name="50 strides").check(force=True)
    assert steps.get_by_role("radio", name="z added").is_disabled()
    guesses = guesses_of(walk)
    states = ddim_walk(walk["seed"], walk["stops"], guesses)
    for k in (0, 20, 49):
        set_time(steps, 49 - k)
        t = walk["stops"][k]
        at = dl.coefficients(SCHEDULE, t / T, states[k])
        assert levels_apart(canvas(steps, "where it stands"), on_screen(states[k])) <= 1
        assert levels_apart(canvas(steps, "sees this noise"), on_screen((states[k] - at.alpha * guesses[k]) / at.sigma)) <= 1
        assert levels_apart(canvas(steps, "and stands here"), on_screen(states[k + 1])) <= 1
        assert number(steps, "back") == 0


def test_steps_by_keyboard(steps):
    stops = figure_data("step_by_step")["walks"][0]["stops"]
    slider = steps.get_by_label("step of the walk")
    slider.press("ArrowLeft")
    assert f"t = {stops[1]} → {stops[1] - 1}" in steps.locator(".live-readout").text_content()
    steps.get_by_role("button", name="next recorded step").press("Enter")
    assert f"t = {stops[2]} → {stops[2] - 1}" in steps.locator(".live-readout").text_content()
    slider.press("Home")
    assert "t = 1 → 0" in steps.locator(".live-readout").text_content()


def test_question_about_the_first_step(steps):
    steps.get_by_role("button", name="More is taken away").click()
    told = steps.locator(".live-bet p").inner_text().replace("\u00a0", " ")
    bar, beta = SCHEDULE.alpha_bar, float(SCHEDULE.betas[-1])
    back = beta * float((1 - bar[999]) / (1 - bar[1000]))
    assert "You said “More is taken away”." in told and f"puts {100 * back:.2f} % back" in told
