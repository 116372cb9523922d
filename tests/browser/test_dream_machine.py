"""The dream machine draws what Python draws, says what the judge says, clears only what was rubbed, and says so when it cannot.

On a page the shipped network runs in the browser; here the same network runs in PyTorch, as the oracle.
"""

import re

import pytest
import torch
from torch import Tensor

import diffusion_lib as dl
import test_every_figure as every
from conftest import figure_data
from diffusion_lib.data.pets import GRAMMARS, decode, understand
from diffusion_lib.pictures import side_by_side, text_picture
from diffusion_lib.realism import most_alike
from reading import NETWORK, canvas_pixels, film, levels_apart, on_screen, set_time, spoil, static, told_of

STEM, SIDE = "dream_machine", 32
PATIENCE = 240_000                                           # milliseconds, on a machine that is busy with other things
UNDER_WAY = re.compile(r"step ([1-9]|[1-3]\d) of 50")
PROMPTS = (
    "make this into a cat!", "turn this static into a cat wearing a hat", "denoise this into a dog",
    "దీని నాయిస్ తీసివేసి కుక్కలా మార్చు",
    "a white rabbit in a party hat on a green background", "a sleepy brown bear with a scarf",
    "a blue mouse wearing a crown", "an orange frog with glasses",
    "a happy pink pig in a cowboy hat", "a yellow chick in a wizard hat on a blue background",
    "a surprised black cat in a top hat", "a grey dog in a red beanie",
    "కిరీటం పెట్టుకున్న కుందేలు", "నీలి కప్ప బొమ్మ", "కళ్ళద్దాలు పెట్టుకున్న పిల్లిని గీయి", "టాప్ హ్యాట్ పెట్టుకున్న ఎలుగుబంటి",
    "draw a kitten", "please draw a purple background with a bunny", "a spotted white dog", "PUPPY!!!",
)


@pytest.fixture(scope="module")
def network() -> dl.NeuralDenoiser:
    return dl.zoo.load("pets32-text")


@pytest.fixture(scope="module")
def judge():
    return dl.zoo.load("pets32-classifier")


@pytest.fixture
def machine(open_figure):
    """machine(**context options) -> (page, figure)."""
    return lambda **options: open_figure(STEM, **options)


def rest(figure) -> None:
    """Until it has drawn."""
    figure.locator(".live-dream:not([aria-busy])").wait_for(timeout=PATIENCE)


def ask(figure, prompt: str, steps: int | None = None) -> None:
    if steps:
        figure.locator(".live-knob input").first.fill(str(steps))
    box = figure.locator(".live-ask input")
    box.fill(prompt)
    box.press("Enter")
    rest(figure)


def state_of(figure) -> Tensor:
    return canvas_pixels(figure.locator(".live-card canvas"))


def guess_of(figure) -> Tensor:
    return canvas_pixels(figure.locator(".live-belief-side canvas"))


def walk_of(network, prompt: str, *, seed: int = 7, steps: int) -> list[dl.State]:
    x = static(seed, SIDE)[None]
    return list(dl.trajectory(dl.ClassifierFreeGuidance(network, 2.0), x, dl.uniform_times(steps), dl.DPMSolverPP2M(), [prompt]))


def told(figure) -> list[str]:
    return figure.locator(".live-status > :is(strong, * + *)").all_text_contents()


def test_it_draws_what_is_asked(machine, judge):
    """The animal of twenty wishes, in six steps, and whatever else each of them says of what the judge can see."""
    page, figure = machine()
    found, asked = [], []
    for prompt in PROMPTS:
        ask(figure, prompt, steps=6)
        found.append(dl.answers(judge, state_of(figure).permute(2, 0, 1)[None] / 127.5 - 1)[0])
        asked.append(understand(prompt).attributes)
    wrong = [(prompt, decode(seen[None])) for prompt, seen, wish in zip(PROMPTS, found, asked) if -1 < wish[0] != seen[0]]
    assert not wrong
    found, asked = torch.stack(found), torch.stack(asked)
    said = asked >= 0
    assert said.sum() > 35 and (found == asked)[said].float().mean() > 0.9


@pytest.mark.parametrize("prompt", ["turn this static into a cat wearing a hat", "దీని నాయిస్ తీసివేసి కుక్కలా మార్చు"])
def test_every_step_is_pythons(machine, network, judge, prompt):
    page, figure = machine()
    ask(figure, prompt, steps=5)
    states, chances = walk_of(network, prompt, steps=5), []
    for k, state in enumerate(states):
        set_time(figure, 5 - k)
        guess = state.x if state.prediction is None else state.prediction.x0
        assert levels_apart(state_of(figure), on_screen(state.x[0])) <= 1
        assert levels_apart(guess_of(figure), on_screen(guess[0])) <= 1
        with torch.no_grad():
            chances.append(torch.softmax(judge(guess.clamp(-1, 1))[0], 1)[0])
        share, value = chances[-1].max(0)
        animal = figure_data(STEM)["about"]["names"]["en"]["animal"][int(value)]
        sight = figure.locator(".live-sight").text_content()
        assert abs(int(re.search(rf"{animal} \((\d+)\s%\)", sight)[1]) - 100 * float(share)) <= 1
        assert f"step {k} of 5" in figure.locator(".live-card canvas").get_attribute("aria-label")
    strip = figure.locator(".live-decided li").first.locator("i")                    # what the last guess shows, at each step, as the slider runs
    shares = strip.evaluate_all("all => all.map(one => Number(one.style.getPropertyValue('--part')))")
    assert shares == pytest.approx([float(chance[value]) for chance in reversed(chances)], abs=0.01)
    assert every.left_out(figure) == []


@pytest.mark.parametrize("code", ["en", "te"])
def test_what_was_done_to_the_words_is_said(machine, network, code):
    page, figure = machine()
    figure.locator(".live-foot select").select_option(code)
    unknown = " ".join(f"xx{i}yy" for i in range(20))
    for prompt in ("a sleppy cat with a hatt and a zebra", "పిల్లీ tiger", "a cat " * 40, f"qwxyz 🐈 {unknown}", "🙂🙂"):
        ask(figure, prompt, steps=1)
        read = network.network.conditioner.vocabulary.read(prompt, GRAMMARS[code].notices)
        expected = [re.sub(r"'([^']*)'", r"“\1”", notice) for notice in read.notices]
        assert told(figure) == expected
        say = GRAMMARS[code].notices
        heard = say.heard.format(words=" ".join(read.words)) if read.words else say.heard_nothing
        assert heard in figure.locator(".live-status").text_content()
        if code == "te":
            every.assert_speaks_telugu(figure, "Step", *re.findall("[a-z]+", " ".join([prompt, *expected])))


def test_the_archive_is_searched_as_in_python(machine):
    page, figure = machine()
    ask(figure, "a black cat in a top hat on a blue background", steps=6)
    figure.locator("summary", has_text="existed before").click()
    figure.locator(".live-alike canvas").nth(3).wait_for()
    archive = figure_data(STEM)["about"]["archive"]
    trained = dl.PartyPets(SIDE).batch(torch.arange(archive["count"]))[0]
    real = dl.PartyPets(SIDE, "validation").batch(torch.arange(archive["fresh"]))[0]
    own = state_of(figure).permute(2, 0, 1)[None] / 127.5 - 1
    distances = most_alike(own, trained, k=3).distance[0].tolist()
    shown = [float(text) for text in figure.locator(".live-alike figcaption").all_text_contents()[1:]]
    assert shown == pytest.approx(distances, abs=0.006)
    fresh = most_alike(real, trained).distance[:, 0]
    assert archive["median"] == pytest.approx(float(fresh.median()), abs=1e-5)
    assert archive["near"] == pytest.approx(float(fresh.quantile(0.05)), abs=1e-5)
    text = figure.locator("details", has_text="existed before").locator("p").text_content()
    assert f"{shown[0]:.3f}" in text and f"{archive['median']:.3f}" in text
    assert ("near copy" in text) == (distances[0] < archive["near"])


def test_letters_are_the_terminals(machine, network):
    page, figure = machine(permissions=["clipboard-read", "clipboard-write"])
    ask(figure, "a cat", steps=5)
    figure.locator("summary", has_text="letters").click()
    figure.get_by_role("button", name="Copy", exact=True).click()
    states = walk_of(network, "a cat", steps=5)
    expected = side_by_side([f"{f'Step {k}':<32}\n{text_picture(states[k].x[0])}" for k in (0, 1, 3, 5)], 1000)
    copied = page.evaluate("navigator.clipboard.readText()")
    # A number next to the border of two shades may fall on its other side: float32 is added up in another order.
    assert sum(a != b for a, b in zip(copied, expected, strict=True)) <= 6


# ---- The card --------------------------------------------------------------------------------------------------------

class Held(dl.Denoiser):
    """A denoiser that knows a part of the picture."""

    def __init__(self, denoiser, clear: Tensor, known: Tensor):
        super().__init__()
        self.denoiser, self.schedule, self.clear, self.known = denoiser, denoiser.schedule, clear, known

    def forward(self, x_t, t, cond=None, keep=None):
        belief = self.denoiser(x_t, t, cond, keep)
        x0 = torch.where(self.clear, self.known, belief.x0)
        return dl.Prediction(x0, (x_t - belief.at.alpha * x0) / belief.at.sigma, belief.at)


def card_of(machine, prompt: str, steps: int = 4, **options):
    page, figure = machine(**options)
    figure.get_by_label("Rub the static").check(force=True)
    figure.get_by_label("steps").fill(str(steps))
    figure.get_by_label("steps").press("Tab")
    figure.locator(".live-ask input").fill(prompt)
    canvas = figure.locator(".live-card canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    return page, figure, lambda u, v: (box["x"] + u / SIDE * box["width"], box["y"] + v / SIDE * box["height"])


def drag(page, *places) -> None:
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=3)
    page.mouse.up()


def near(places, reach: float) -> Tensor:
    """The pixels within reach of a line through these places, (32, 32)."""
    points = torch.cat([torch.lerp(torch.tensor(a, dtype=torch.float), torch.tensor(b, dtype=torch.float), w)[None]
                        for a, b in zip(places, places[1:]) for w in torch.linspace(0, 1, 100)])
    v, u = torch.meshgrid(torch.arange(SIDE) + 0.5, torch.arange(SIDE) + 0.5, indexing="ij")
    return torch.cdist(torch.stack([u.flatten(), v.flatten()], 1), points).amin(1).reshape(SIDE, SIDE) < reach


def test_only_what_was_rubbed_changes_and_the_rest_is_held(machine, network):
    page, figure, at = card_of(machine, "a cat in a top hat")
    covered = state_of(figure)
    assert levels_apart(covered, on_screen(static(7, SIDE))) == 0
    first = [(6, 12), (26, 12)]
    drag(page, *(at(*place) for place in first))
    rest(figure)
    once = state_of(figure)
    changed = (once != covered).any(2)
    assert changed[near(first, 2.6)].all() and not changed[~near(first, 3.8)].any()
    cleared = changed | near(first, 2.6)

    def drawn(prompt: str, clear: Tensor, known: Tensor) -> Tensor:
        held = Held(dl.ClassifierFreeGuidance(network, 2.0), clear.expand(1, 3, -1, -1), known)
        *_, end = dl.trajectory(held, static(7, SIDE)[None], dl.uniform_times(4), dl.DPMSolverPP2M(), [prompt])
        return end.x

    nothing = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    expected = drawn("a cat in a top hat", nothing, torch.zeros(1, 3, SIDE, SIDE))
    assert (once - on_screen(expected[0]))[cleared].abs().max() <= 3               # a stroke may be drawn in two parts
    share = re.search(r"(\d+)\s% of the card", figure.locator(".live-card + figcaption").text_content())[1]
    assert abs(int(share) - 100 * float(cleared.float().mean())) <= 1

    figure.locator(".live-ask input").fill("a cat in a crown")                       # other words, for another place
    second = [(16, 6), (16.1, 6)]
    page.mouse.click(*at(16, 6))
    rest(figure)
    twice = state_of(figure)
    changed = (twice != once).any(2)
    assert not changed[~near(second, 3.8)].any() and not changed[cleared].any()
    expected = drawn("a cat in a crown", cleared, expected.clamp(-1, 1))
    assert changed.sum() > 5 and (twice - on_screen(expected[0]))[changed].abs().max() <= 2

    figure.get_by_role("button", name="Clear the rest").click()
    rest(figure)
    whole = state_of(figure)
    kept = cleared | changed
    assert (whole == twice)[kept].all() and (whole != covered).any(2).float().mean() > 0.99

    figure.get_by_label("lay static").check(force=True)
    drag(page, at(8, 26), at(24, 26))
    again = state_of(figure)
    assert (again != whole).any(2)[near([(8, 26), (24, 26)], 2.6)].all()
    assert (again == whole).all(2)[~near([(8, 26), (24, 26)], 3.8)].all()


def test_a_drawn_picture_can_be_rubbed_off_in_part(machine):
    page, figure = machine()
    ask(figure, "a cat in a top hat", steps=6)
    drawn = state_of(figure)
    figure.get_by_label("Rub the static").check(force=True)
    figure.get_by_role("button", name="Take the drawn picture").click()
    assert levels_apart(state_of(figure), drawn) == 0 and figure.get_by_label("lay static").is_checked()


def test_a_finger_rubs(machine):
    page, figure, at = card_of(machine, "a frog", steps=2, has_touch=True, viewport={"width": 390, "height": 844})
    covered = state_of(figure)
    page.touchscreen.tap(*at(16, 10))
    rest(figure)
    changed = (state_of(figure) != covered).any(2)
    assert changed[near([(16, 10), (16, 10.1)], 2.6)].all() and not changed[~near([(16, 10), (16, 10.1)], 3.8)].any()


def test_keys_rub_and_walk(machine):
    page, figure, at = card_of(machine, "a frog", steps=2)
    covered = state_of(figure)
    figure.locator(".live-card canvas").focus()
    for key in ("ArrowUp", "ArrowUp", "ArrowLeft", "Space"):
        page.keyboard.press(key)
    rest(figure)
    changed = (state_of(figure) != covered).any(2)
    assert changed[near([(14, 12), (14, 12.1)], 2.6)].all() and not changed[~near([(14, 12), (14, 12.1)], 3.8)].any()
    figure.get_by_label("Watch it come").check(force=True)
    ask(figure, "a frog", steps=3)
    slider = figure.locator(".live-time input[type=range]")
    slider.focus()
    for key, k in (("End", 0), ("ArrowLeft", 1), ("Home", 3)):
        slider.press(key)
        assert f"step {k} of 3" in figure.locator(".live-card + figcaption").text_content()
        assert f"step {k} of 3" in slider.get_attribute("aria-valuetext")


# ---- What readers do --------------------------------------------------------------------------------------------------

def test_absurd_input_and_rapid_clicking(machine):
    page, figure = machine(viewport={"width": 390, "height": 844})
    for prompt in ("a cat " + "z" * 10_000, "🐈‍⬛" * 3_000, "a" * 399 + "🐈", "\u202eقطة ترتدي قبعة", "\x00\u200b<img src=x onerror=alert(1)>", ""):
        ask(figure, prompt, steps=1)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert figure.locator(".live-status").text_content() and figure.locator("img[src=x]").count() == 0
    for name, value, right in (("steps", "999", "50"), ("steps", "-3", "1"), ("seed", "", "0"), ("guidance", "1e9", "8")):
        figure.get_by_label(name).fill(value)
        figure.get_by_label(name).press("Tab")
        assert figure.get_by_label(name).input_value() == right
    button = figure.locator(".live-go")
    for _ in range(15):
        button.click(no_wait_after=True)
    for _ in range(5):
        figure.get_by_role("button", name="Another one").click(no_wait_after=True)
    ask(figure, "a dog", steps=2)
    assert "step 2 of 2" in figure.locator(".live-card + figcaption").text_content() and button.text_content() == "Generate"


def test_stop_stops_and_what_is_there_stays(machine):
    page, figure = machine()
    ask(figure, "a dog", steps=1)
    figure.get_by_label("steps").fill("50")
    box = figure.locator(".live-ask input")
    box.press("Enter")
    figure.get_by_text(UNDER_WAY).first.wait_for(timeout=PATIENCE)
    figure.get_by_role("button", name="Stop").click()
    rest(figure)
    assert figure.locator(".live-go").text_content() == "Generate" and not figure.locator("details").first.is_visible()
    caption = figure.locator(".live-card + figcaption").text_content()
    assert "of 50" in caption and "step 50" not in caption
    figure.get_by_label("Rub the static").check(force=True)
    assert not figure.get_by_role("button", name="Take the drawn picture").is_visible()        # it is none yet
    figure.get_by_label("Watch it come").check(force=True)
    assert figure.locator(".live-card + figcaption").text_content() == caption
    set_time(figure, 50)
    assert levels_apart(state_of(figure), on_screen(static(7, SIDE))) <= 1


def test_a_hidden_tab_draws_on(machine):
    page, figure = machine()
    ask(figure, "a dog", steps=1)
    figure.get_by_label("steps").fill("12")
    figure.locator(".live-ask input").press("Enter")
    other = page.context.new_page()
    other.bring_to_front()
    rest(figure)
    other.close()
    assert "step 12 of 12" in figure.locator(".live-card + figcaption").text_content()


def test_removed_in_mid_run_it_gives_its_memory_back(machine):
    page, figure = machine()
    figure.get_by_label("steps").fill("50")
    figure.locator(".live-ask input").press("Enter")
    figure.get_by_text(UNDER_WAY).first.wait_for(timeout=PATIENCE)
    assert page.evaluate("outOfStaticOpened.size") == 2
    figure.evaluate("figure => figure.remove()")
    page.wait_for_function("outOfStaticOpened.size === 0", timeout=PATIENCE)


@pytest.mark.parametrize("fault", ["404", "cut off", "damaged", "broken off"])
def test_without_its_network_it_says_so_and_shows_what_was_recorded(machine, fault):
    page, figure = machine()
    spoil(page, fault)
    ask(figure, "a cat", steps=3)
    recorded = figure_data(STEM)["about"]["recorded"]
    sentence, instead = told(figure)
    assert told_of(fault) in sentence
    assert recorded["prompt"] in instead
    states, guesses = film(recorded["states"], recorded["noise_range"]), film(recorded["guesses"], recorded["guess_range"])
    for k in (10, 4):
        set_time(figure, 10 - k)
        assert levels_apart(state_of(figure), on_screen(states[k])) <= 1
        assert levels_apart(guess_of(figure), on_screen(guesses[k])) <= 1
    page.unroute(NETWORK)
    if fault in ("404", "broken off"):
        assert len(page.faults) <= 2
        page.faults.clear()
    ask(figure, "a cat", steps=2)
    assert "step 2 of 2" in figure.locator(".live-card + figcaption").text_content()


def test_a_link_brings_the_picture_back(machine, open_page, address):
    page, figure = machine()
    figure.get_by_label("seed").fill("3")
    ask(figure, "a pig & a crown, please: 50%", steps=4)
    set_time(figure, 1)
    page.wait_for_timeout(300)
    here, shown = figure.get_by_role("link", name="Link to this state").get_attribute("href"), state_of(figure)
    there = open_page(page.url.removeprefix(address).split("#")[0] + here)
    figure = there.locator(f'[data-figure="{STEM}"]').first
    figure.scroll_into_view_if_needed()
    figure.get_by_text("step 3 of 4").first.wait_for(timeout=PATIENCE)
    rest(figure)
    assert figure.locator(".live-ask input").input_value() == "a pig & a crown, please: 50%"
    assert figure.get_by_label("seed").input_value() == "3"
    assert "step 3 of 4" in figure.locator(".live-card + figcaption").text_content()
    assert levels_apart(state_of(figure), shown) == 0


def test_a_link_to_a_card_rubs_nothing_by_itself(machine, open_page, address):
    page, figure = machine()
    ask(figure, "a pig", steps=2)
    figure.get_by_label("Rub the static").check(force=True)
    here = figure.get_by_role("link", name="Link to this state").get_attribute("href")
    assert "mode:scratch" in here and "k:2" in here
    there = open_page(page.url.removeprefix(address).split("#")[0] + here)
    there.locator(f'[data-figure="{STEM}"][data-state=live]').first.wait_for()
    there.wait_for_timeout(1_000)
    assert there.evaluate("outOfStaticOpened.size") == 0 and "0" in there.locator(f'[data-figure="{STEM}"] .live-card + figcaption').first.text_content()


def test_the_small_form_makes_a_pet_with_one_button(open_page, judge):
    page = open_page("index.html", viewport={"width": 390, "height": 844})
    figure = page.locator(f'[data-figure="{STEM}"]')
    page.wait_for_function("figure => figure.dataset.state === 'live'", arg=figure.element_handle())
    assert figure.locator(".live-body button").count() == 1 and figure.locator(".live-body input").count() == 1
    assert figure.locator(".live-ask").bounding_box()["y"] < 500, "the prompt is on the first screen of a phone"
    figure.get_by_role("button", name="Generate").click()
    figure.get_by_role("button", name="Another one").wait_for(timeout=PATIENCE)
    first = state_of(figure)
    assert decode(dl.answers(judge, first.permute(2, 0, 1)[None] / 127.5 - 1))[0]["animal"] == "cat"
    figure.get_by_role("button", name="Another one").click()
    figure.get_by_role("button", name="Another one").wait_for(timeout=PATIENCE)
    assert levels_apart(first, state_of(figure)) > 50
