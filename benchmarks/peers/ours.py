"""Ours: a recipe of this repository through `train`, as it stands there."""

from dataclasses import replace

import diffusion_lib.averaging
import diffusion_lib.training
from diffusion_lib.checkpoints import load_training
from diffusion_lib.recipes import parse_recipe
from diffusion_lib.training import train

from . import ROOT
from .common import Pupil, View


class Taught(Pupil):
    """`train` keeps its own state and reads its own clock, which is ours."""

    def __init__(self, settings, seed, minutes, desk):
        super().__init__(settings, seed, minutes, desk)
        text = (ROOT / "recipes" / f"{settings['recipe']}.toml").read_text(encoding="utf-8")
        self.recipe = parse_recipe(text.replace("seed = 7", f"seed = {seed}"), settings["recipe"])
        config = replace(self.recipe.config, steps=None, minutes=minutes, checkpoint_minutes=0.5)
        file, self.model = desk.folder / "ours.safetensors", self.recipe.model
        if file.is_file():                                   # its averaged weights, should no lesson follow
            self.model, state = load_training(file)
            self.steps = state.values["steps"]
            desk.watch.set(state.values["seconds"])
        diffusion_lib.averaging.EMA.update = desk.watch.timed("averaging", diffusion_lib.averaging.EMA.update)
        diffusion_lib.training.save_checkpoint = desk.watch.paused()(diffusion_lib.training.save_checkpoint)
        self.run = train(self.recipe.model, desk.pets, config, loss=self.recipe.loss, clock=desk.watch, checkpoint=file,
                         resume=file if file.is_file() else None)

    @property
    def pictures(self):
        return self.steps * self.recipe.config.batch_size

    def lesson(self, progress):
        step = next(self.run)
        self.model, self.steps = step.ema, step.index
        return step.terms.mean

    def teach(self, x0, cond, progress):
        raise NotImplementedError("train draws its own batches")

    def averaged(self):
        return self.model.eval()

    def keeps(self):
        return {}

    def view(self, model, x0, eps, share, cond):
        belief = model((1 - share) * x0 + share * eps, share, cond)
        return View(model.schedule.log_snr(share).expand(len(x0)), belief.eps)

    def draws(self, model, cond):
        raise NotImplementedError("our own sampler is the one that judges all")
