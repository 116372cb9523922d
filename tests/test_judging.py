"""Judging, with a judge who cannot err and painters whose mistakes are known.

Each painter writes the index of every attribute into a pixel of its picture, and the judge reads it there. So what the
results have to be is known exactly.
"""

import pytest
import torch
from torch import nn

import diffusion_lib as dl
from diffusion_lib.data.pets import ATTRIBUTES, NAMES, SIZES, is_held_out
from diffusion_lib.evaluation import share
from diffusion_lib.judging import Protocol, attribute_accuracy, draw, judge, judge_classifier, prompts, real_pictures
from diffusion_lib.networks.classifier import ClassifierConfig
from tiny import tiny_classifier, tiny_denoiser

HAT, CROWN = NAMES.index("hat"), ATTRIBUTES["hat"].index("crown")


class Painter(dl.Denoiser):
    """Answers each prompt with a picture whose first row is the prompt itself; `always` overwrites some of it."""

    def __init__(self, always: dict[int, int] = {}):
        super().__init__()
        self.schedule, self.always, self.anything = dl.RectifiedFlowSchedule(), always, nn.Parameter(torch.zeros(()))

    def forward(self, x_t, t, cond=None, keep=None):
        cond = cond.clone()
        for column, value in self.always.items():
            cond[:, column] = value
        x0 = torch.zeros_like(x_t)
        x0[:, 0, 0, :len(NAMES)] = cond / 10                 # exact: the last step of every sampler goes to x0
        c = dl.coefficients(self.schedule, t, x_t)
        return dl.Prediction(x0, (x_t - c.alpha * x0) / c.sigma, c)


class Reader(nn.Module):
    """Reads what a `Painter` wrote; its features are the first row of the picture."""

    config = ClassifierConfig(SIZES, side=8)

    def features(self, x):
        return x[:, 0, 0]

    def forward(self, x):
        values = (x[:, 0, 0, :len(NAMES)] * 10).round().long()
        return tuple(nn.functional.one_hot(values[:, a].clamp(0, size - 1), size).float() for a, size in enumerate(SIZES))


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


def test_a_perfect_painter_gets_full_marks():
    protocol = Protocol(n=40, steps=2, sweep_n=5, sweep=((1.0, 2), (3.0, 1)))
    result = judge(Painter(), Reader(), protocol)
    assert all(value == 1 for law in ("seen", "held_out") for value in result["accuracy"][law].values())
    assert [(row["guidance"], row["steps"], row["all"]) for row in result["sweep"]["rows"]] == [(1.0, 2, 1.0), (3.0, 1, 1.0)]
    assert result["n"] == 40 and result["sweep"]["n"] == 5


def test_a_painter_of_crowns_is_caught():
    """It puts a crown on everybody: right exactly where a crown was asked for, which differs between the two laws."""
    protocol = Protocol(n=300, steps=1, sweep_n=0)
    result = judge(Painter({HAT: CROWN}), Reader(), protocol)
    for law, held_out in (("seen", False), ("held_out", True)):
        expected = share(prompts(300, protocol.seed, held_out)[:, HAT] == CROWN)
        assert result["accuracy"][law]["hat"] == result["accuracy"][law]["all"] == expected.value
        assert result["standard_error"][law]["hat"] == expected.standard_error
        assert result["accuracy"][law]["animal"] == 1
    assert 0.05 < result["accuracy"]["seen"]["hat"] < 0.2 and result["accuracy"]["held_out"]["hat"] > 0.25
    assert result["sweep"] == {"n": 0, "rows": []}


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

    protocol = Protocol(n=200, steps=1, guidance=1.0, sweep_n=0)
    classifier = tiny_classifier()
    real = judge(Copyist(real_pictures(200, 8, seed=99)[0]), classifier, protocol)
    same = judge(Copyist(real_pictures(1, 8, seed=99)[0].expand(200, -1, -1, -1)), classifier, protocol)
    f = real["frechet"]
    assert abs(f["value"] - f["floor"]) < 4 * f["standard_deviation"] and f["n"] == 200
    assert abs(real["recall"] - 1) < 0.1
    assert same["frechet"]["value"] > 10 * same["frechet"]["floor"] and same["recall"] < 0.1
    assert real["recall"] == real["recalls"]["generated"] / real["recalls"]["real"]


def test_a_picture_does_not_depend_on_how_many_are_drawn(monkeypatch):
    denoiser, cond = tiny_denoiser(), prompts(7, 1)
    together = draw(denoiser, cond, 8, 2.0, 3, seed=5)
    monkeypatch.setattr("diffusion_lib.judging.BATCH", 3)
    assert (draw(denoiser, cond, 8, 2.0, 3, seed=5) - together).abs().max() < 1e-5
    assert (draw(denoiser, cond[:2], 8, 2.0, 3, seed=5) - together[:2]).abs().max() < 1e-5
    assert (draw(denoiser, cond, 8, 2.0, 3, seed=6) - together).abs().max() > 0.1


def test_draw_is_what_sample_gives():
    denoiser, cond = tiny_denoiser(), prompts(4, 1)
    expected = dl.sample(dl.ClassifierFreeGuidance(denoiser, 2.5), (4, 3, 8, 8), steps=3, sampler=dl.DPMSolverPP2M(), cond=cond,
                         generator=dl.CounterGenerator(5)).clamp(-1, 1)
    assert (draw(denoiser, cond, 8, 2.5, 3, seed=5) - expected).abs().max() < 1e-6


def test_a_classifier_is_judged_on_real_pictures():
    result = judge_classifier(tiny_classifier(), Protocol(n=50))
    x, asked = real_pictures(50, 8, Protocol.seed, "held_out")
    assert is_held_out(asked).all()
    logits = tiny_classifier()(x)
    assert result["accuracy"]["held_out"]["mood"] == share(logits[NAMES.index("mood")].argmax(1) == asked[:, NAMES.index("mood")]).value


@pytest.mark.parametrize("call", [lambda: Protocol(n=2), lambda: Protocol(sweep_n=-1),
                                  lambda: attribute_accuracy(torch.zeros(3, 7), torch.zeros(2, 7))])
def test_bad_input_is_refused(call):
    with pytest.raises(ValueError, match="but"):
        call()
