"""Asking in words: what a model is told, what is said about it, and the same through the command line."""

import sys

import pytest
import torch
from PIL import Image

import diffusion_lib as dl
from diffusion_lib.checkpoints import load_checkpoint, save_checkpoint
from diffusion_lib.data.pets import GRAMMARS, TELUGU, caption, encode, language_of, pet_vocabulary, wish_in_attributes, wish_in_words
from diffusion_lib.networks.unet import UNet, UNetConfig
from diffusion_lib.pictures import image_grid, text_picture, to_image
from tiny import randomised, run, tiny_denoiser

READER = dl.TextConditioner(pet_vocabulary(), width=32, layers=1)
CAT = {"animal": "cat", "hat": "top hat"}


@pytest.fixture
def reader(tmp_path) -> str:
    """The path of a model of 8x8 pictures that reads, and draws nonsense."""
    network = UNet(UNetConfig(stem=8, widths=(32,), blocks=(1,), attention=(False,), reads=(0,), embedding=32), READER)
    path = tmp_path / "reader.safetensors"
    save_checkpoint(path, randomised(dl.NeuralDenoiser(network, dl.RectifiedFlowSchedule(), dl.FLOW)), about={"shape": [3, 8, 8]}, dtype=torch.float16)
    return str(path)


# what a model is told

def test_a_reader_is_told_the_words_and_others_the_attributes():
    prompt = "denoise this into a cat wearing a top hat"
    assert wish_in_words(prompt, READER).rows(3) == [prompt] * 3
    listener = tiny_denoiser().network.conditioner
    assert torch.equal(wish_in_words(prompt, listener).rows(3), encode(CAT).expand(3, -1))
    assert torch.equal(wish_in_attributes(CAT, listener).cond, encode(CAT))


@pytest.mark.parametrize("language", GRAMMARS)
def test_attributes_are_said_to_a_reader_in_the_language_asked_for(language):
    wish = wish_in_attributes(CAT | {"pattern": "plain"}, READER, language)
    assert wish.cond == [caption(encode(CAT | {"pattern": "plain"}), brief=False, grammar=GRAMMARS[language])]
    assert wish.cond[0] in wish.heard and wish.notices == ()


@pytest.mark.parametrize("text, language", [("a cat", "en"), ("పిల్లి", "te"), ("పిల్లి with a hat", "en"), ("a దీని నాయిస్ తీసివేసి కుక్కలా మార్చు", "te"),
                                            ("", "en"), ("🐱", "en"), ("ねこ", "en"), ("CAT", "en")])
def test_the_letters_tell_the_language(text, language):
    assert language_of(text) == language


def test_notices_come_in_the_language_of_the_prompt_or_the_one_asked_for():
    repaired = "'corwn'"
    english, telugu = (wish_in_words("a corwn", READER, language) for language in (None, "te"))
    assert english.heard == "Read: a crown" and english.notices == ("read 'corwn' as 'crown'",)
    assert telugu.heard == "చదివినవి: a crown" and repaired in telugu.notices[0] and "చదివాం" in telugu.notices[0]
    for conditioner in (READER, tiny_denoiser().network.conditioner):
        typed = wish_in_words("డ్రాగన్ మీద పిల్లి", conditioner)
        assert typed.heard == "చదివినవి: మీద పిల్లి" and "'డ్రాగన్'" in typed.notices[0] and "తెలియదు" in typed.notices[0]
        assert wish_in_words("dragon", conditioner).heard == GRAMMARS["en"].notices.heard_nothing


def test_notices_of_all_languages_have_the_same_places():
    """Each can be filled in as the English one is."""
    places = {"word": "x", "meant": "y", "near": "z", "count": 1, "length": 2, "phrases": "p", "words": "w", "name": "n",
              "first": "f", "second": "s", "text": "t", "examples": "e"}
    for name, english in vars(GRAMMARS["en"].notices).items():
        used = {place for place in places if f"{{{place}" in english}
        assert used == {place for place in places if f"{{{place}" in getattr(TELUGU.notices, name)}, name
        assert getattr(TELUGU.notices, name).format(**places) != english.format(**places)


# what a model was taught

SCENES, SINGLE = ("scenes64-text", "pets32-text")


@pytest.fixture(scope="module")
def shipped():
    return {name: dl.zoo.load(name).network.conditioner for name in (SINGLE, SCENES, "pets32")}


@pytest.mark.parametrize("language, prompt, plain", [("en", "a dog left of a cat", "a dog of a cat"), ("te", "కుక్కకు కిరీటం", "కుక్క కిరీటం"),
                                                     ("te", "పిల్లికి కుడి వైపు టోపీ", "పిల్లి టోపీ")])
def test_words_that_only_scenes_taught_are_not_read_by_a_model_of_single_pets(shipped, language, prompt, plain):
    """With a notice for each; and the model is told the numbers of what it read."""
    single, scenes = (shipped[name].vocabulary for name in (SINGLE, SCENES))
    changed = set(prompt.split()) - set(plain.split())
    wish = wish_in_words(prompt, shipped[SINGLE])
    assert wish.heard == GRAMMARS[language].notices.heard.format(words=plain)
    assert all(any(repr(word) in notice for notice in wish.notices) for word in changed)
    assert torch.equal(single.encode([prompt]), single.encode([plain])) and not torch.equal(scenes.encode([prompt]), scenes.encode([plain]))
    assert scenes.read(prompt).notices == () and len(single.taught) < len(scenes.taught) == len(scenes.words)


def test_a_file_of_ones_own_tells_by_its_recipe_what_was_taught(tmp_path):
    network = UNet(UNetConfig(stem=8, widths=(32,), blocks=(1,), attention=(False,), reads=(0,), embedding=32), READER)
    for k, (about, left) in enumerate(((None, True), ("", False), ("scene = true", True))):
        about = {} if about is None else {"recipe": f"[data]\n{about}"}
        save_checkpoint(tmp_path / f"{k}.safetensors", dl.NeuralDenoiser(network, dl.RectifiedFlowSchedule(), dl.FLOW), about=about)
        vocabulary = dl.zoo.load(tmp_path / f"{k}.safetensors").network.conditioner.vocabulary
        assert ("left" in vocabulary.read("a cat left of a dog").words) == left
        assert vocabulary.read("hats").words == ("hat",)


@pytest.mark.parametrize("name", [SINGLE, "pets32"])
@pytest.mark.parametrize("prompt, words", [
    ("dogs wearing hats", "dog wearing hat"), ("bears", "bear"), ("mice", "mouse"), ("కుక్కా", "కుక్క"), ("పిల్లులు", "పిల్లి"), ("a mouze", "a mouse"), ("a cat from a house", "a cat a"), ("a frog near a road", "a frog a"),
    ("a dgo", "a dog"), ("ct", "cat"), ("a big cat", "a cat"), ("a hot dog", "a dog"), ("a big crown", "a crown"), ("dogs wear a crown", "dog wears a crown")])
def test_slips_and_plurals_are_read_as_what_is_meant(shipped, name, prompt, words):
    wish = wish_in_words(prompt, shipped[name])
    assert wish.heard.partition(": ")[2] == words and len(wish.notices) == len(set(prompt.split()) - set(words.split()))


@pytest.mark.parametrize("prompt", ["a unicorn", "make this into", "draw a pet", "fedora", "bat", "no", "దీన్ని మార్చు", "🐱"])
def test_words_that_mean_nothing_are_no_wish(shipped, prompt):
    for conditioner in shipped.values():
        wish = wish_in_words(prompt, conditioner)
        assert wish.cond is None and wish.heard == GRAMMARS[language_of(prompt)].notices.heard_nothing


@pytest.mark.parametrize("name, prompt, said", [
    (SINGLE, "a dog and a cat", ["two things about the animal: 'dog' and 'cat'"]), (SINGLE, "a red cat", ["'red' alone says nothing here", "red beanie"]),
    (SINGLE, "కుక్క పిల్లి", ["'కుక్క', 'పిల్లి'; ఒకటే చెప్పండి"]), (SINGLE, "a cat without", ["'without' alone"]), (SINGLE, "a black cat in a red hat", []),
    (SCENES, "a cat and a dog", ["two pets and where they are: ... left of ..."]), (SCENES, "పిల్లి, కుక్క", ["ఎటువైపు ఉన్నాయో"]),
    (SCENES, "a cat left of a dog", []), (SCENES, "a cat, black and white, left of a dog", ["two things about the fur: 'black' and 'white'"])])
def test_a_reader_says_what_words_cannot_mean_together_and_takes_them_all_the_same(shipped, name, prompt, said):
    wish = wish_in_words(prompt, shipped[name])
    assert wish.cond == [prompt] and len(wish.notices) == bool(said) and all(part in wish.notices[0] for part in said)


# the command line

@pytest.mark.parametrize("prompt", ["a cat wearing a top hat", "దీని నాయిస్ తీసివేసి కుక్కలా మార్చు"])
def test_a_reader_draws_what_the_library_samples(reader, prompt, tmp_path, capsys):
    assert run("sample", reader, prompt, "--steps", 3, "--count", 2, "--guidance", 3, "--out", tmp_path / "a.png") == 0
    x = dl.sample(dl.ClassifierFreeGuidance(load_checkpoint(reader), 3.0), (2, 3, 8, 8), steps=3, sampler=dl.DPMSolverPP2M(), cond=[prompt] * 2,
                  generator=dl.CounterGenerator(7))
    assert Image.open(tmp_path / "a.png").tobytes() == to_image(image_grid(x.clamp(-1, 1), columns=4), enlarge=16).tobytes()
    out, err = capsys.readouterr()
    assert out.splitlines()[0].endswith(f": {prompt}") and "left out" not in err


def test_words_change_the_picture_and_attributes_are_said(reader, tmp_path):
    def draw(name, *arguments):
        assert run("sample", reader, *arguments, "--steps", 2, "--count", 1, "--out", tmp_path / name) == 0
        return (tmp_path / name).read_bytes()

    base = draw("0.png", "a cat wearing a top hat")
    assert draw("1.png", "--attributes", "animal=cat", "hat=top-hat") == base
    assert draw("2.png", "A cat, wearing a top hat!") == draw("3.png", "a cat waering a dragon top hat") == base
    others = [draw("4.png", "a cat"), draw("5.png", "--attributes", "animal=cat", "hat=top-hat", "--lang", "te"), draw("6.png")]
    assert len({base, *others}) == 4
    assert draw("7.png", "టాప్ హ్యాట్ పెట్టుకున్న పిల్లి") == others[1]
    assert draw("8.png", "") == draw("9.png", "🐱🐱") == others[2]                  # nothing known: as if nothing were said


def test_notices_go_to_stderr_one_line_each(reader, models, tmp_path, capsys):
    for model in (reader, models[0]):
        assert run("sample", model, "a corwn on a dragon\n\n and a cat", "--steps", 1, "--count", 1, "--out", tmp_path / "a.png") == 0
        out, err = capsys.readouterr()
        lines = [line for line in err.replace("\r", "\n").splitlines() if line.startswith("diffusion-lib:")]
        assert lines[0] == "diffusion-lib: read 'corwn' as 'crown'" and "'dragon'" in lines[1] and len(lines) == 2
        assert out.splitlines()[0] == "Read: a crown on a and a cat"
        assert run("sample", model, "a corwn", "--lang", "te", "--steps", 1, "--count", 1, "--out", tmp_path / "a.png") == 0
        out, err = capsys.readouterr()
        assert out.splitlines()[0] == "చదివినవి: a crown" and "చదివాం" in err


def test_a_reader_takes_what_is_written_where_attributes_would_contradict(reader, models, tmp_path, capsys):
    assert run("sample", reader, "a cat dog", "--steps", 1, "--count", 1, "--out", tmp_path / "a.png") == 0
    assert run("sample", models[0], "a cat dog", "--steps", 1, "--count", 1, "--out", tmp_path / "b.png") == 2
    assert "'cat'" in capsys.readouterr().err and not (tmp_path / "b.png").exists()


def test_the_terminal_alone_gets_one_picture_and_its_walk(reader, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert run("sample", reader, "a frog", "--steps", 5, "--ascii") == 0
    heard, steps, *lines = capsys.readouterr().out.splitlines()
    assert heard == "Read: a frog" and steps.split()[::2] == ["Step"] * 4 and len(lines) == 16
    x = dl.sample(dl.ClassifierFreeGuidance(load_checkpoint(reader), 2.0), (1, 3, 8, 8), steps=5, sampler=dl.DPMSolverPP2M(), cond=["a frog"],
                  generator=dl.CounterGenerator(7))
    assert [line[-32:] for line in lines] == text_picture(x[0]).split("\n")


def test_in_a_terminal_the_walk_moves(reader, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert run("sample", reader, "a frog", "--steps", 3, "--ascii") == 0
    out = capsys.readouterr().out
    frames = out.split("\x1b[17F")                           # 16 lines of picture and one of title, and back up again
    assert [frame.split("\n")[-18 if k == 0 else 0] for k, frame in enumerate(frames[:-1])] == [f"Step {k}" for k in range(4)]
    assert frames[-1].startswith("\x1b[J") and frames[-1].count("Step") == 4
