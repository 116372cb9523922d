"""The one judge of all: our sampler, our prompts, our classifier, whatever library the network comes from."""

from dataclasses import dataclass

import torch
from torch import Tensor

from diffusion_lib import zoo
from diffusion_lib.denoisers import Clamped, Denoiser
from diffusion_lib.evaluation import frechet_distance
from diffusion_lib.guidance import ClassifierFreeGuidance
from diffusion_lib.judging import attribute_accuracy, draw, prompts, real_pictures
from diffusion_lib.losses import stratified_t
from diffusion_lib.networks.classifier import answers
from diffusion_lib.networks.layers import count_flops, count_parameters
from diffusion_lib.process import diffuse
from diffusion_lib.random import CounterGenerator, randn
from diffusion_lib.realism import features
from diffusion_lib.schedules import RectifiedFlowSchedule

from .common import GUIDANCE, SIZE


@dataclass(frozen=True)
class Judging:
    """pictures: of seen combinations, and as many of held-out ones. steps: of DPM-Solver++(2M). real: pictures that the
    Fréchet distance is measured to. guesses: pictures whose guess is measured. own: pictures by the library's own sampler."""

    pictures: int = 128
    steps: int = 15
    real: int = 2000
    guesses: int = 256
    own: int = 32
    seed: int = 11


class Judge:
    """Looks at denoisers, always with the same prompts, static and real pictures."""

    def __init__(self, judging: Judging = Judging()):
        self.rules, self.classifier = judging, zoo.load("pets32-classifier")
        self.real = features(self.classifier, real_pictures(judging.real, SIZE, judging.seed + 1)[0])

    def floor(self) -> float:
        """The Fréchet distance that as many fresh real pictures have."""
        fresh = real_pictures(self.rules.pictures, SIZE, self.rules.seed + 2)[0]
        return frechet_distance(features(self.classifier, fresh), self.real)

    def looks_at(self, model: Denoiser) -> dict:
        """How often everything asked for is found, of seen and held-out combinations; the Fréchet distance; the error of a guess.

        All walk along the straight path: equal strides of another path can be far too long where its noise grows fast.
        """
        rules, straight = self.rules, model.under(RectifiedFlowSchedule())
        guided = Clamped(ClassifierFreeGuidance(straight, GUIDANCE))
        asked = [prompts(rules.pictures, rules.seed, held_out) for held_out in (False, True)]
        drawn = [draw(guided, wishes, SIZE, 1.0, rules.steps, rules.seed) for wishes in asked]  # 1: guided as it is
        seen, held_out = (self.found(pictures, wishes) for pictures, wishes in zip(drawn, asked))
        return {"seen": seen, "held_out": held_out, "frechet": frechet_distance(features(self.classifier, drawn[0]), self.real),
                "guess": self.guess(straight)}

    def found(self, pictures: Tensor, asked: Tensor) -> float:
        """The share of pictures with every attribute that was asked for."""
        return attribute_accuracy(answers(self.classifier, pictures.clamp(-1, 1)), asked)["all"].value

    @torch.inference_mode()
    def guess(self, model: Denoiser) -> float:
        """The mean squared error of one guess of the clean picture, kept in [-1, 1], at all times of the model's path."""
        x0, cond = real_pictures(self.rules.guesses, SIZE, self.rules.seed)
        luck = CounterGenerator(self.rules.seed)
        t = stratified_t(len(x0), luck)
        belief = model(diffuse(x0, randn(x0.shape, luck), t, model.schedule), t, cond)
        return float((belief.x0.clamp(-1, 1) - x0).square().mean())


def cost(model: Denoiser) -> dict[str, float]:
    """Of what is asked: its parameters, and the operations of one answer about one picture (2 a multiply-add)."""
    return {"parameters": count_parameters(model), "flops": count_flops(model.network, (3, SIZE, SIZE), prompts(1, 0))}
