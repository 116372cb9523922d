"""The figure word_highlighter: maps, walks and ends are what the shipped network gives, computed here once more and by hand.

For recorded prompts and for sentences that readers type, which the network walks in the page.
"""

import re
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

import diffusion_lib as dl
import test_every_figure as every
from conftest import figure_data
from diffusion_lib.networks.attention import CrossAttention
from reading import NETWORK, SCHEDULE, canvas, ddim_walk, guesses_of, levels_apart, number, on_screen, set_time, spoil, static, told_of

DATA = "word_highlighter"
STEPS, PATIENCE = 20, 240_000                                # of a walk in the page; milliseconds, on a machine that is busy
PROBED = (1, 3)                                              # words that are left out here, by their place


class Walked(NamedTuple):
    """states: (N + 1, 3, H, H). shares: block -> (N, heads, places, tokens). without: place of a word -> the end without it."""

    states: Tensor
    shares: dict[str, Tensor]
    without: dict[int, Tensor]


@pytest.fixture(scope="module")
def model():
    return dl.zoo.load("pets32-text")


@pytest.fixture(scope="module")
def walked(model) -> dict[str, Walked]:
    """The walks of both languages, with shares from the inputs of every block, written out."""
    return {prompt["language"]: _walk(model, prompt["words"], prompt["seed"], prompt["steps"], PROBED) for prompt in figure_data(DATA)["prompts"]}


def _walk(model, words: list[str], seed: int, steps: int, probed: tuple[int, ...]) -> Walked:
    found = {}

    def by_hand(name: str):
        def hook(block: CrossAttention, given: tuple, _) -> None:
            x, said, mask = (one[:1] for one in given)       # row 0: the whole prompt, with its condition
            q = block.q(block.norm(x).flatten(2).transpose(1, 2)).unflatten(2, (block.attend.heads, -1))
            k = block.kv(said).chunk(2, 2)[0].unflatten(2, (block.attend.heads, -1))
            scores = torch.einsum("bphd,bwhd->bhpw", q, k) / q.shape[3] ** 0.5
            found.setdefault(name, []).append(scores.masked_fill(~mask[:, None, None], -torch.inf).softmax(3)[0])
        return hook

    handles = [part.register_forward_hook(by_hand(name)) for name, part in model.named_modules() if isinstance(part, CrossAttention)]
    texts = [" ".join(words), *(" ".join(words[:k] + words[k + 1:]) for k in probed)]
    guided = dl.ClassifierFreeGuidance(model, 2.0).under(SCHEDULE)
    x = (static(seed, 32) * SCHEDULE.sigma(1.0).float())[None].repeat(len(texts), 1, 1, 1)
    *states, last = dl.trajectory(guided, x, dl.uniform_times(steps), dl.DDIM(), texts)
    for handle in handles:
        handle.remove()
    shares = {name.removeprefix("network."): torch.stack(rows) for name, rows in found.items()}
    return Walked(torch.stack([s.x[0] for s in (*states, last)]), shares, {k: last.x[1 + i] for i, k in enumerate(probed)})


@pytest.fixture
def highlighter(open_figure):
    return open_figure(DATA)[1]


def choose(figure, token: int) -> None:
    figure.locator(".live-word input").nth(token).check(force=True)


def view(figure, v: int) -> None:
    figure.get_by_label("which of its looks").select_option(str(v))


def at_step(figure, k: int) -> None:
    """Step k of the walk, 0 the first: the slider's right end."""
    set_time(figure, figure_data(DATA)["prompts"][0]["steps"] - 1 - k)


def expected_maps(shares: dict[str, Tensor], v: int) -> Tensor:
    """View v as (N, tokens, h, h): the two averages, then the heads of the last block of each size."""
    by_size = {places: [one for one in shares.values() if one.shape[2] == places] for places in (256, 64)}
    views = [torch.stack([one.mean(1) for one in own]).mean(0) for own in by_size.values()]
    views += [own[-1][:, head] for own in by_size.values() for head in range(own[-1].shape[1])]
    side = round(views[v].shape[1] ** 0.5)
    return views[v].transpose(1, 2).unflatten(2, (side, side))


def painted_over(guess: Tensor, share: Tensor, marker: list[float]) -> Tensor:
    """The guess in grey under the pen, as the figure says it is drawn."""
    ink = 0.85 * torch.nn.functional.interpolate(share[None, None], guess.shape[1:], mode="nearest")[0, 0]
    return (1 - ink) * 0.6 * guess.clamp(-1, 1).mean(0) + ink * torch.tensor(marker)[:, None, None]


def test_maps_are_what_the_blocks_compute(highlighter, walked):
    data = figure_data(DATA)
    prompt, shares = data["prompts"][0], walked[data["prompts"][0]["language"]].shares
    guesses, tokens = guesses_of(prompt), 1 + len(prompt["words"])
    assert highlighter.locator(".live-word").count() == tokens
    for v in range(len(prompt["views"])):
        view(highlighter, v)
        maps = expected_maps(shares, v)
        for k, token in ((0, 0), (len(guesses) // 2, tokens - 1), (len(guesses) - 1, 2), (1, 4)):
            at_step(highlighter, k)
            choose(highlighter, token)
            expected = painted_over(guesses[k], maps[k, token] / maps[:, token].max(), data["about"]["marker"])
            assert levels_apart(canvas(highlighter, "where it looks"), on_screen(expected)) <= 3, (v, k, token)
            printed = highlighter.locator(".live-word small").nth(token).text_content()
            assert abs(float(printed.removesuffix("\u00a0%")) - 100 * float(maps[k, token].mean())) <= 0.51
            said = re.findall(r"([\d.]+) %", highlighter.locator("[data-number=share]").text_content().replace("\u00a0", " "))
            for number_said, right in zip(said, (maps[k, token].mean(), maps[:, token].max()), strict=True):
                assert abs(float(number_said) - 100 * float(right)) <= 0.06


def test_shares_of_all_words_sum_to_one(highlighter):
    for prompt in figure_data(DATA)["prompts"]:
        for one in prompt["views"]:
            assert all(abs(sum(row) - 1) < 2e-3 for row in one["means"])


def test_the_walk_is_the_one_of_the_model(highlighter, walked):
    prompt = figure_data(DATA)["prompts"][0]
    guesses, states = guesses_of(prompt), walked[prompt["language"]].states
    from_guesses = ddim_walk(prompt["seed"], prompt["stops"], guesses)
    for k in (0, 1, len(guesses) - 1):
        at_step(highlighter, k)
        assert number(highlighter, "t") == prompt["stops"][k] and number(highlighter, "step") == k + 1
        assert levels_apart(canvas(highlighter, "it is shown"), on_screen(from_guesses[k])) <= 1
        assert levels_apart(canvas(highlighter, "it is shown"), on_screen(states[k])) <= 4           # guesses are stored in 8 bits
        assert levels_apart(canvas(highlighter, "and believes in"), on_screen(guesses[k])) <= 1


def test_muting_shows_what_the_same_static_becomes_without_the_word(highlighter, walked):
    prompt = figure_data(DATA)["prompts"][0]
    own, classifier = walked[prompt["language"]], dl.zoo.load("pets32-classifier")
    assert not highlighter.locator(".live-ends").is_visible()
    highlighter.get_by_role("button", name="Mute this word").click()
    whole = own.states[-1].clamp(-1, 1)
    for k in PROBED:
        choose(highlighter, k + 1)
        without = own.without[k].clamp(-1, 1)
        assert levels_apart(canvas(highlighter, "the end, all words said"), on_screen(whole)) <= 2
        assert levels_apart(canvas(highlighter, "the end without the word"), on_screen(without)) <= 2
        change = ((whole - without).abs().amax(0) - 1).expand(3, -1, -1)
        assert levels_apart(canvas(highlighter, "what that changed"), on_screen(change)) <= 3
        text = highlighter.locator(".live-reads").text_content()
        loudness = float((whole - without).square().mean().sqrt())
        assert f"Without “{prompt['words'][k]}”" in text and abs(float(text.split("loudness of ")[1][:4]) - loudness) < 0.011
        before, after = dl.pets.decode(dl.answers(classifier, torch.stack([whole, without])))
        for name in dl.pets.NAMES:
            assert (f"{name}: {before[name]}" in text and f"→ {after[name]}" in text) == (before[name] != after[name])
    choose(highlighter, 0)
    assert not highlighter.locator(".live-ends").is_visible() and highlighter.get_by_role("button", name="Mute this word").is_disabled()


def test_the_other_language_has_its_own_words_and_looks(highlighter, walked):
    data = figure_data(DATA)
    prompt = data["prompts"][1]
    assert prompt["language"] == "te"
    highlighter.get_by_label("తెలుగు").check(force=True)
    assert highlighter.locator(".live-word bdi").all_text_contents()[1:] == prompt["words"]
    assert set(highlighter.locator(".live-word bdi[lang]").evaluate_all("all => all.map(one => one.lang)")) == {"te"}
    guesses, maps = guesses_of(prompt), expected_maps(walked["te"].shares, 0)
    at_step(highlighter, 2)
    choose(highlighter, 1)
    expected = painted_over(guesses[2], maps[2, 1] / maps[:, 1].max(), data["about"]["marker"])
    assert levels_apart(canvas(highlighter, "where it looks"), on_screen(expected)) <= 3


def test_keyboard(highlighter):
    prompt = figure_data(DATA)["prompts"][0]
    choose(highlighter, 1)
    highlighter.locator(".live-word input").nth(1).focus()
    for token in (2, 3):
        highlighter.page.keyboard.press("ArrowRight")
        assert f"For “{prompt['words'][token - 1]}”" in highlighter.locator("[data-number=share]").text_content()
    slider = highlighter.get_by_label("time t", exact=True)
    slider.focus()
    slider.press("End")
    assert number(highlighter, "t") == prompt["stops"][0]
    slider.press("ArrowLeft")
    assert number(highlighter, "t") == prompt["stops"][1] and f"t = {prompt['stops'][1]}" in slider.get_attribute("aria-valuetext")
    mute = highlighter.get_by_role("button", name="Mute this word")
    mute.focus()
    mute.press("Space")
    assert mute.get_attribute("aria-pressed") == "true" and highlighter.locator(".live-ends").is_visible()


def test_question_is_answered_with_measured_changes(highlighter):
    prompt = figure_data(DATA)["prompts"][0]
    highlighter.locator(".live-bet").get_by_role("button", name=prompt["words"][1], exact=True).click()
    text = highlighter.locator(".live-bet").text_content()
    assert f"You said “{prompt['words'][1]}”" in text
    numbers = [float(part.split("”")[1].strip(" ,.").split(",")[0]) for part in text.split("larger): ")[1].split("“")[1:]]
    assert numbers == sorted(numbers, reverse=True) and len(numbers) == len(set(prompt["words"]))


# ---- A sentence of the reader's own --------------------------------------------------------------------------------------

def rest(figure) -> None:
    figure.locator(".live-body:not([aria-busy])").wait_for(timeout=PATIENCE)


def ask(figure, sentence: str) -> None:
    box = figure.locator(".live-ask input")
    box.fill(sentence)
    box.press("Enter")
    rest(figure)


def told(figure) -> list[str]:
    return figure.locator(".live-status > :is(strong, * + *)").all_text_contents()


def end_of(figure, token: int) -> None:
    """With the word left out, once its walk has ended."""
    choose(figure, token)
    figure.locator(".live-ends").wait_for(timeout=PATIENCE)
    rest(figure)


@pytest.mark.parametrize("sentence, token", [("a sad green frog with a crown", 7), ("కిరీటం పెట్టుకున్న కుందేలు", 1)])
def test_a_sentence_of_ones_own_is_walked_as_in_python(highlighter, model, sentence, token):
    """States, guesses, maps of all views, ends with and without a word, and what the judge finds in these."""
    figure, words, marker = highlighter, sentence.split(), figure_data(DATA)["about"]["marker"]
    figure.get_by_label("seed").fill("3")
    ask(figure, sentence)
    own = _walk(model, words, 3, STEPS, (token - 1,))
    assert figure.get_by_label("mine", exact=True).is_checked() and figure.locator(".live-word bdi").all_text_contents()[1:] == words
    guided = dl.ClassifierFreeGuidance(model, 2.0).under(SCHEDULE)
    choose(figure, token)
    for k in (0, 7, STEPS - 1):
        set_time(figure, STEPS - 1 - k)
        assert number(figure, "t") == 1000 - 50 * k and number(figure, "step") == k + 1
        guess = guided(own.states[k][None], 1 - k / STEPS, [sentence]).x0[0].detach()
        assert levels_apart(canvas(figure, "it is shown"), on_screen(own.states[k])) <= 1
        assert levels_apart(canvas(figure, "and believes in"), on_screen(guess)) <= 1
        for v in range(8):
            view(figure, v)
            maps = expected_maps(own.shares, v)
            drawn = painted_over(guess, maps[k, token] / maps[:, token].max(), marker)
            assert levels_apart(canvas(figure, "where it looks"), on_screen(drawn)) <= 1, (k, v)
            said = re.findall(r"([\d.]+) %", figure.locator("[data-number=share]").text_content().replace("\u00a0", " "))
            for number_said, right in zip(said, (maps[k, token].mean(), maps[:, token].max()), strict=True):
                assert abs(float(number_said) - 100 * float(right)) <= 0.06
    figure.get_by_role("button", name="Mute this word").click()
    end_of(figure, token)
    whole, without = own.states[-1].clamp(-1, 1), own.without[token - 1].clamp(-1, 1)
    assert levels_apart(canvas(figure, "the end, all words said"), on_screen(whole)) <= 1
    assert levels_apart(canvas(figure, "the end without the word"), on_screen(without)) <= 1
    text = figure.locator(".live-reads").text_content()
    assert abs(float(text.split("loudness of ")[1][:4]) - float((whole - without).square().mean().sqrt())) < 0.006
    before, after = dl.pets.decode(dl.answers(dl.zoo.load("pets32-classifier"), torch.stack([whole, without])))
    for name in dl.pets.NAMES:
        assert (f"{name}: {before[name]}" in text and f"→ {after[name]}" in text) == (before[name] != after[name])


def test_the_recorded_prompt_is_what_the_page_would_draw(highlighter, walked):
    """The same sentence and seed, walked here in twice as many steps or as many: the first state is the same, and the first maps."""
    prompt = figure_data(DATA)["prompts"][0]
    ask(highlighter, prompt["caption"])
    set_time(highlighter, STEPS - 1)
    choose(highlighter, 3)
    maps = expected_maps(walked[prompt["language"]].shares, 0)
    printed = highlighter.locator("[data-number=share]").text_content().replace("\u00a0", " ")
    assert abs(float(re.search(r"([\d.]+) %", printed)[1]) - 100 * float(maps[0, 3].mean())) <= 0.06
    highlighter.get_by_label("English", exact=True).check(force=True)
    assert number(highlighter, "t") == 1000 and number(highlighter, "steps") == prompt["steps"]


def test_nothing_is_fetched_before_a_reader_asks(open_figure):
    page, figure = open_figure(DATA)
    fetched = []
    page.on("request", lambda request: "/models/" in request.url and fetched.append(request.url))
    choose(figure, 2)
    figure.get_by_role("button", name="Mute this word").click()
    figure.locator(".live-ask input").fill("a cat")
    page.wait_for_timeout(300)
    assert not fetched and figure.locator(".live-ends").is_visible()
    ask(figure, "a cat")
    assert {url.split("/")[-1].split(".")[0] for url in fetched} == {"unet", "pets32-text", "pets32-classifier"}


def test_words_that_it_does_not_know(highlighter):
    words = highlighter.locator(".live-word bdi").all_text_contents()
    ask(highlighter, "qwxyz 🙂")
    assert "no word" in highlighter.locator(".live-status").text_content() and "qwxyz" in told(highlighter)[0]
    assert highlighter.locator(".live-word bdi").all_text_contents() == words            # the recorded prompt is still there
    ask(highlighter, "a sleppy zebra dog")
    assert highlighter.locator(".live-word bdi").all_text_contents()[1:] == ["a", "sleepy", "dog"]
    assert [word for notice in told(highlighter) for word in ("sleepy", "zebra") if word in notice] == ["sleepy", "zebra"]


@pytest.mark.parametrize("fault", ["404", "damaged", "broken off"])
def test_without_its_network_it_says_so_and_shows_what_was_recorded(open_figure, fault):
    page, figure = open_figure(DATA)
    prompt, before = figure_data(DATA)["prompts"][0], canvas(figure, "where it looks")
    spoil(page, fault)
    ask(figure, "a cat")
    sentence, instead = told(figure)
    assert told_of(fault) in sentence and prompt["caption"] in instead
    assert figure.locator(".live-word bdi").all_text_contents()[1:] == prompt["words"] and figure.get_by_label("English", exact=True).is_checked()
    assert levels_apart(canvas(figure, "where it looks"), before) == 0
    page.unroute(NETWORK)
    page.faults.clear()
    ask(figure, "a cat")
    assert figure.locator(".live-word bdi").all_text_contents()[1:] == ["a", "cat"]


SEEN = """figure => [...figure.querySelectorAll('.live-body canvas, .live-body [data-number], .live-word small, .live-reads')].filter(e => e.checkVisibility())
    .map(e => e.tagName === 'CANVAS' ? e.toDataURL() : e.textContent)"""


def test_a_link_brings_everything_back(open_figure, open_page, address):
    page, figure = open_figure(DATA)
    first = figure.evaluate(SEEN)
    figure.get_by_label("seed").fill("5")
    ask(figure, "a pig & a crown, please: 50%")
    view(figure, 3)
    set_time(figure, 12)
    figure.get_by_role("button", name="Mute this word").click()
    end_of(figure, 4)
    page.wait_for_timeout(300)
    here, shown = figure.get_by_role("link", name="Link to this state").get_attribute("href"), figure.evaluate(SEEN)
    figure.get_by_role("button", name="Reset").click()
    assert figure.evaluate(SEEN) == first
    there = open_page(page.url.removeprefix(address).split("#")[0] + here)
    again = there.locator(f'[data-figure="{DATA}"]').first
    again.locator(".live-ends").wait_for(timeout=PATIENCE)
    rest(again)
    assert again.evaluate(SEEN) == shown and again.locator(".live-ask input").input_value() == "a pig & a crown, please: 50%"
    again.locator(".live-foot select").select_option("te")
    assert again.evaluate(SEEN)[:3] == shown[:3]                                        # another language walks no second time
    recorded = figure_data(DATA)["prompts"][1]
    link = f"{page.url.removeprefix(address).split('#')[0]}#{DATA}=which:te,token:2,view:4,place:0"
    other = open_page(link).locator(f'[data-figure="{DATA}"]').first
    other.locator(".live-word").nth(len(recorded["words"])).wait_for()
    assert other.locator(".live-word :checked").count() == 1 and other.locator(".live-word input").nth(2).is_checked()
    assert number(other, "t") == recorded["stops"][-1]


def test_numbers_are_those_that_are_seen(highlighter):
    ask(highlighter, "a black cat")
    highlighter.get_by_role("button", name="Show me the numbers").click()
    table = highlighter.locator(".live-table")
    highlighter.page.wait_for_function("e => e.textContent.includes('black')", arg=table.element_handle())
    rows = table.locator("tbody tr").evaluate_all("rows => rows.map(row => [...row.cells].map(cell => cell.textContent))")
    assert [row[0] for row in rows] == ["beginning", "a", "black", "cat"] and "a black cat" in table.locator("caption").text_content()
    bars = [float(text.removesuffix("\u00a0%")) for text in highlighter.locator(".live-word small").all_text_contents()]
    shares = [float(row[1].removesuffix("\u00a0%")) for row in rows]
    assert shares == pytest.approx(bars, abs=0.51) and sum(shares) == pytest.approx(100, abs=0.3)


def test_stop_and_another_choice_leave_what_was_there(highlighter):
    figure, words = highlighter, highlighter.locator(".live-word bdi").all_text_contents()
    figure.locator(".live-ask input").fill("a blue mouse")
    figure.locator(".live-go").click()
    figure.get_by_role("button", name="Stop").click()
    rest(figure)
    assert figure.locator(".live-word bdi").all_text_contents() == words and figure.locator(".live-go").text_content() == "Look"
    figure.locator(".live-go").click()
    figure.get_by_label("తెలుగు").check(force=True)
    rest(figure)
    assert figure.locator(".live-word bdi").all_text_contents()[1:] == figure_data(DATA)["prompts"][1]["words"]
    figure.locator(".live-go").click()
    figure.locator(".live-foot select").select_option("te")                             # in the middle of it: it begins again
    figure.get_by_label("నాది", exact=True).and_(figure.locator(":checked")).wait_for(state="attached", timeout=PATIENCE)
    rest(figure)
    assert figure.locator(".live-word bdi").all_text_contents()[1:] == ["a", "blue", "mouse"]
    every.assert_speaks_telugu(figure, "a blue mouse", "blue", "mouse")


def test_fits_a_phone(open_figure):
    page, highlighter = open_figure(DATA, viewport={"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    boxes = [highlighter.locator(".live-word").nth(k).bounding_box() for k in range(highlighter.locator(".live-word").count())]
    assert all(box["width"] >= 40 and box["height"] >= 36 for box in boxes)
