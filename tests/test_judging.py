"""Judging, with a judge who cannot err and painters whose mistakes are known.

Each painter writes the index of every attribute into a pixel of its picture, and the judge reads it there. So what the
results have to be is known exactly.
"""

import re

import pytest
import torch
from torch import nn

import diffusion_lib as dl
from diffusion_lib.data.pets import ATTRIBUTES, GRAMMARS, NAMES, SIZES, is_held_out, understand, understand_scene
from diffusion_lib.evaluation import interval, share
from diffusion_lib.judging import (LAWS, Protocol, Setting, attribute_accuracy, draw, in_words, interview, judge, judge_classifier,
                                   prompts)
from diffusion_lib.realism import real_pictures
from diffusion_lib.networks.classifier import Classifier, ClassifierConfig
from diffusion_lib.zoo.card import measurements
from tiny import randomised, tiny_classifier, tiny_denoiser

HAT, CROWN = NAMES.index("hat"), ATTRIBUTES["hat"].index("crown")


class Painter(dl.Denoiser):
    """Answers each prompt with a picture whose first rows, one a pet, are the prompt itself; `always` overwrites some of it."""

    def __init__(self, always: dict[int, int] = {}):
        super().__init__()
        self.schedule, self.always, self.anything = dl.RectifiedFlowSchedule(), always, nn.Parameter(torch.zeros(()))

    def forward(self, x_t, t, cond=None, keep=None):
        pets = self.understood(cond).reshape(len(x_t), -1, len(NAMES)).clone()
        for column, value in self.always.items():
            pets[..., column] = value
        x0 = torch.zeros_like(x_t)
        x0[:, 0, :pets.shape[1], :len(NAMES)] = pets / 10    # exact: the last step of every sampler goes to x0
        c = dl.coefficients(self.schedule, t, x_t)
        return dl.Prediction(x0, (x_t - c.alpha * x0) / c.sigma, c)


    def understood(self, cond):
        return cond


class Listener(Painter):
    """A painter who is told in words, and understands some of the languages."""

    def __init__(self, *languages: str, always: dict[int, int] = {}):
        super().__init__(always)
        self.languages = [GRAMMARS[language] for language in languages]

    def understood(self, cond):
        return torch.stack([self.pets(text) for text in cond])

    def pets(self, text):
        for grammar in self.languages:
            try:
                return self.parse(text, grammar)
            except ValueError:
                pass
        return torch.zeros(len(NAMES), dtype=torch.int64)

    def parse(self, text, grammar):
        return understand(text, grammar).attributes


class Mirrored(Listener):
    """Understands scenes, and paints each pet on the other's side."""

    def parse(self, text, grammar):
        return understand_scene(text, grammar).attributes.flip(0)


class Reader(nn.Module):
    """Reads what a `Painter` wrote of so many pets; its features are the first row of the picture."""

    def __init__(self, pets: int = 1):
        super().__init__()
        self.pets, self.config = pets, ClassifierConfig(SIZES * pets, side=8)

    def features(self, x):
        return x[:, 0, 0]

    def forward(self, x):
        values = (x[:, 0, :self.pets, :len(NAMES)] * 10).round().long().flatten(1)
        columns = zip(values.T, self.config.sizes)
        return tuple(nn.functional.one_hot(column.clamp(0, size - 1), size).float() for column, size in columns)


def few(n: int, *sweep: Setting, **others) -> Protocol:
    """A protocol without anything that takes long."""
    return Protocol(n=n, sweep=sweep, training_n=20, **others)


def test_accuracy_by_hand():
    asked = torch.tensor([[0, 0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1, 1], [2, -1, 2, 2, 2, 2, 2], [3, -1, -1, -1, -1, -1, -1]])
    found = torch.tensor([[0, 0, 0, 0, 0, 0, 0], [1, 1, 1, 5, 1, 1, 1], [2, 7, 2, 2, 2, 2, 2], [4, 0, 0, 0, 0, 0, 0]])
    result = attribute_accuracy(found, asked)
    assert result["all"] == (0.5, 0.25)                      # rows 0 and 2; sqrt(1/4 / 4)
    assert result["animal"].value == 3 / 4
    assert result["fur"] == (1.0, 0.0)                       # asked twice, found twice
    assert result["hat"].value == 2 / 3
    assert list(result) == ["all", *NAMES]


def test_what_nobody_asked_has_no_entry():
    asked = torch.full((5, len(NAMES)), -1)
    asked[:, 0] = 2
    assert set(attribute_accuracy(torch.zeros_like(asked), asked)) == {"all", "animal"}


def test_prompts_keep_to_their_law():
    assert not is_held_out(prompts(500, 7)).any()
    assert is_held_out(prompts(500, 7, held_out=True)).all()
    assert torch.equal(prompts(20, 7), prompts(500, 7)[:20]) and not torch.equal(prompts(20, 7), prompts(20, 8))


def test_of_scenes_each_pet_has_to_be_right_on_its_side():
    asked = prompts(6, 1, scene=True)
    found = asked.clone()
    found[0] = found[0].flip(0)                              # both pets are there, on the wrong sides
    found[1, 1, HAT] = (found[1, 1, HAT] + 1) % 8            # one wrong hat on twelve heads
    result = attribute_accuracy(found, asked)
    wrong = [int(found[0, 0, a] != asked[0, 0, a]) * 2 + int(a == HAT) for a in range(len(NAMES))]
    assert result["all"].value == 4 / 6 and sum(wrong) > 3
    for a, name in enumerate(NAMES):
        assert result[name].value == pytest.approx(1 - wrong[a] / 12)


def test_a_perfect_painter_gets_full_marks():
    result = judge(Painter(), Reader(), few(40, Setting(1.0, 2, 5), Setting(3.0, 1, 60), steps=2))
    assert all(value == 1 for law in LAWS for value in result["accuracy"][law].values())
    assert [(row["guidance"], row["steps"], row["n"]) for row in result["sweep"]["rows"]] == [(1.0, 2, 5), (3.0, 1, 60)]
    assert all(row[law] == {"value": 1.0, "standard_error": 0.0, "interval": [*interval(1.0, row["n"])]} for row in result["sweep"]["rows"] for law in LAWS)
    assert all(low < 0.93 and high == 1 for law in LAWS for low, high in result["interval"][law].values())   # 40 hits of 40 prove no certainty
    assert result["n"] == 40 and "languages" not in result


def test_a_painter_of_crowns_is_caught():
    """It puts a crown on everybody: right exactly where a crown was asked for, which differs between the two laws."""
    protocol = few(300, Setting(2.0, 1, 100), steps=1)
    result = judge(Painter({HAT: CROWN}), Reader(), protocol)
    for law, held_out in LAWS.items():
        crowns = prompts(300, protocol.seed, held_out)[:, HAT] == CROWN
        expected = share(crowns)
        assert result["accuracy"][law]["hat"] == result["accuracy"][law]["all"] == expected.value
        assert result["standard_error"][law]["hat"] == expected.standard_error
        assert result["accuracy"][law]["animal"] == 1
        assert result["interval"][law]["hat"] == [*interval(expected.value, 300)]
        few_crowns = share(crowns[:100])
        assert result["sweep"]["rows"][0][law] == few_crowns._asdict() | {"interval": [*interval(few_crowns.value, 100)]}
    assert 0.05 < result["accuracy"]["seen"]["hat"] < 0.2 and result["accuracy"]["held_out"]["hat"] > 0.25


@pytest.mark.parametrize("language", GRAMMARS)
def test_captions_ask_for_everything(language):
    """Read back, each phrasing is the row that it was made of; also "no hat"."""
    pets = prompts(60, 3)
    said = in_words(GRAMMARS[language])(pets)
    assert (pets == 0).any(0).all() and len(set(said)) == 60
    assert torch.equal(torch.stack([understand(text, GRAMMARS[language]).attributes for text in said]), pets)
    assert in_words(GRAMMARS[language])(pets[:7]) == said[:7]


@pytest.mark.parametrize("language", GRAMMARS)
def test_scenes_are_asked_for_in_words(language):
    pets = prompts(24, 3, scene=True)
    said = in_words(GRAMMARS[language])(pets)
    assert torch.equal(torch.stack([understand_scene(text, GRAMMARS[language]).attributes for text in said]), pets)


@pytest.mark.parametrize("language", GRAMMARS)
def test_scenes_are_asked_for_in_every_way(language):
    """One scene again and again: each phrasing of a pet meets each way to say who stands where, before any comes again."""
    ways = len(GRAMMARS[language].scenes) * len(GRAMMARS[language].closed)
    said = in_words(GRAMMARS[language])(prompts(1, 3, scene=True).expand(2 * ways, -1, -1))
    assert len(set(said[:ways])) == ways and said[ways:] == said[:ways]


def test_each_language_is_judged_by_itself():
    """Who knows no Telugu paints there what was not asked for, and half of everything is wrong."""
    result = judge(Listener("en"), Reader(), few(60, Setting(1.0, 1, 30), steps=1), GRAMMARS)
    english, telugu = result["languages"]["en"], result["languages"]["te"]
    assert english["accuracy"]["seen"]["all"] == 1 and telugu["accuracy"]["seen"]["all"] == 0
    assert result["accuracy"]["seen"]["all"] == 0.5
    assert result["standard_error"]["seen"]["all"] == pytest.approx((0.25 / 120) ** 0.5)
    assert (english["n"], result["n"]) == (60, 120)
    assert result["interval"]["seen"]["all"] == [*interval(0.5, 60)]         # 60 wishes, though each was said twice
    assert result["sweep"]["rows"][0]["seen"]["interval"] == [*interval(0.5, 30)]
    assert [section["sweep"]["rows"][0]["held_out"]["value"] for section in (english, telugu, result)] == [1.0, 0.0, 0.5]
    assert english["frechet"]["value"] < telugu["frechet"]["value"] and english["frechet"]["floor"] == telugu["frechet"]["floor"]
    assert english["frechet"]["value"] < result["frechet"]["value"] < telugu["frechet"]["value"]


def test_scenes_are_judged_by_the_same_functions():
    """A crown for everybody is right where both wanted one; told in words, who swaps the sides is caught."""
    protocol = few(100, steps=1)
    heard = interview(Painter({HAT: CROWN}), Reader(pets=2), protocol, {"attributes": lambda pets: pets})
    crowns = prompts(100, protocol.seed, scene=True)[..., HAT] == CROWN
    shares = heard.shares(["attributes"], Setting(2.0, 1, 100))["seen"]
    assert shares["all"] == share(crowns.all(1)) and shares["hat"] == share(crowns.flatten())

    heard = interview(Mirrored("en"), Reader(pets=2), few(30, steps=1), {"en": in_words(GRAMMARS["en"])})
    shares = heard.shares(["en"], Setting(2.0, 1, 30))["seen"]
    assert shares["all"].value == 0 and shares["background"].value == 1


def test_the_card_says_what_became_of_scenes():
    """Of a painter who swaps the sides, in each language and for each way of saying where the pets are."""
    results = judge(Mirrored("en", "te"), Reader(pets=2), few(36, steps=1), GRAMMARS)
    for language, section in results["languages"].items():
        for law in LAWS:
            assert section["binding"][law] == {"right": 0, "swapped": 1, "mixed": 0, "wrong": 0}
            assert section["relations"][law] == dict.fromkeys(GRAMMARS[language].scenes, 0)
            assert section["binding_interval"][law] == {kind: [*interval(value, 36)] for kind, value in section["binding"][law].items()}
            assert section["relations_interval"][law] == dict.fromkeys(GRAMMARS[language].scenes, [*interval(0.0, 6)])
    assert results["binding"]["seen"]["swapped"] == 1 and "relations" not in results and results["binding_interval"]["seen"]["right"] == [*interval(0.0, 36)]
    text = measurements(results)
    assert re.search(r"\| swapped +\|( 100\.0 % \(90\.4 to 100\.0\) \|){4}\n", text)                  # 36 of 36
    assert re.search(r"\| {left} left of {right} +\|( +0\.0 % \(0\.0 to 39\.0\) \|){2}\n", text)        # none of 6


def test_nothing_is_drawn_twice(monkeypatch):
    """A setting of the sweep that is the main one, or stands there twice, shares its pictures."""
    asked = []

    def noted(denoiser, cond, size, guidance, steps, seed, tick):
        asked.append((len(cond), (guidance, steps)))
        return draw(denoiser, cond, size, guidance, steps, seed, tick)

    monkeypatch.setattr(dl.judging, "draw", noted)
    result = judge(Painter({HAT: CROWN}), Reader(), few(20, Setting(2.0, 2, 10), Setting(1.0, 1, 5), Setting(1.0, 1, 30), steps=2))
    assert asked == [(20, (2.0, 2))] * 2 + [(30, (1.0, 1))] * 2
    assert [row["n"] for row in result["sweep"]["rows"]] == [10, 5, 30]


def test_distance_and_recall_know_real_pictures_from_others():
    """Real pictures in the place of a painter's stand at the floor; a painter of one picture stands far from it."""

    class Copyist(Painter):
        def __init__(self, pictures):
            super().__init__()
            self.pictures = pictures

        def forward(self, x_t, t, cond=None, keep=None):
            c = dl.coefficients(self.schedule, t, x_t)
            x0 = self.pictures[:len(x_t)]
            return dl.Prediction(x0, (x_t - c.alpha * x0) / c.sigma, c)

    protocol, classifier = few(200, steps=1, guidance=1.0), tiny_classifier()
    real = judge(Copyist(real_pictures(200, 8, seed=99)[0]), classifier, protocol)
    same = judge(Copyist(real_pictures(1, 8, seed=99)[0].expand(200, -1, -1, -1)), classifier, protocol)
    figure = real["figures"]["frechet"]
    assert abs(figure["value"] - figure["floor"]) < 4 * figure["floor_spread"] and real["frechet"]["n"] == 200
    assert real["frechet"]["value"] == figure["value"] and abs(real["recall"] - 1) < 0.1
    assert same["frechet"]["value"] > 10 * same["frechet"]["floor"] and same["recall"] < 0.1
    assert real["recall"] == real["figures"]["recall"]["value"] / real["figures"]["recall"]["floor"]


def test_a_picture_does_not_depend_on_how_many_are_drawn(monkeypatch):
    denoiser, cond = tiny_denoiser(), prompts(7, 1)
    together = draw(denoiser, cond, 8, 2.0, 3, seed=5)
    monkeypatch.setattr("diffusion_lib.judging.BATCH", 3)
    assert (draw(denoiser, cond, 8, 2.0, 3, seed=5) - together).abs().max() < 1e-5
    assert (draw(denoiser, cond[:2], 8, 2.0, 3, seed=5) - together[:2]).abs().max() < 1e-5
    assert (draw(denoiser, cond, 8, 2.0, 3, seed=6) - together).abs().max() > 0.1


def test_texts_are_drawn_in_batches_too(monkeypatch):
    pets = prompts(7, 1)
    together = draw(Painter(), pets, 8, 2.0, 2, seed=5)
    monkeypatch.setattr("diffusion_lib.judging.BATCH", 3)
    assert (draw(Listener("en"), in_words(GRAMMARS["en"])(pets), 8, 2.0, 2, seed=5) - together).abs().max() < 1e-5


def test_draw_is_what_sample_gives():
    denoiser, cond = tiny_denoiser(), prompts(4, 1)
    expected = dl.sample(dl.ClassifierFreeGuidance(denoiser, 2.5), (4, 3, 8, 8), steps=3, sampler=dl.DPMSolverPP2M(), cond=cond,
                         generator=dl.CounterGenerator(5)).clamp(-1, 1)
    assert (draw(denoiser, cond, 8, 2.5, 3, seed=5) - expected).abs().max() < 1e-6


def test_a_classifier_is_judged_on_real_pictures():
    result = judge_classifier(tiny_classifier(), few(50))
    x, asked = real_pictures(50, 8, Protocol.seed, "held_out")
    assert is_held_out(asked).all()
    logits = tiny_classifier()(x)
    assert result["accuracy"]["held_out"]["mood"] == share(logits[NAMES.index("mood")].argmax(1) == asked[:, NAMES.index("mood")]).value


def test_a_classifier_of_scenes_is_judged_on_scenes():
    classifier = randomised(Classifier(ClassifierConfig(SIZES * 2, width=8, features=6, side=8)))
    result = judge_classifier(classifier, few(40))
    x, asked = real_pictures(40, 8, Protocol.seed, scene=True)
    hats = torch.stack([classifier(x)[a].argmax(1) for a in (HAT, HAT + len(NAMES))], 1) == asked[:, :, HAT]
    assert result["accuracy"]["seen"]["hat"] == share(hats.flatten()).value


@pytest.mark.parametrize("call", [lambda: Protocol(n=2), lambda: Protocol(training_n=0), lambda: Protocol(distance_n=2),
                                  lambda: Protocol(sweep=(Setting(1.0, 0, 5),)),
                                  lambda: attribute_accuracy(torch.zeros(3, 7), torch.zeros(2, 7))])
def test_bad_input_is_refused(call):
    with pytest.raises(ValueError, match="but"):
        call()
