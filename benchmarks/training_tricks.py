"""What did each choice in recipes/pets32-quick.toml buy? The recipe, and the recipe with one choice undone, equally long.

    python benchmarks/training_tricks.py --seconds 240       # all variants, 3 seeds each; goes on where it was interrupted
    python benchmarks/training_tricks.py --variants "predicts v, not flow" "torch.compile"
    python benchmarks/training_tricks.py --table             # only prints what has been measured so far

What "equally long" means stands in equal_time.py. Chapter 12 and the cards of the models show the record,
diffusion_lib/records/training_tricks.json.
"""

import re
from dataclasses import replace

import torch
from torch import nn

from diffusion_lib.networks.layers import Norm, count_flops, count_parameters
from diffusion_lib.recipes import Recipe, parse_recipe
from equal_time import RECORDS, ROOT, compare, judged, learn

NARROW = "norms in bfloat16"                                 # no choice of the recipe: `narrow_norms` makes it
VARIANTS: dict[str, dict[str, str]] = {                      # name: what stands in the recipe instead
    "full recipe": {},
    "AdamW, not Muon": {"optimizer": '"adamw"', "lr": "2e-3"},
    "no fold: full size": {"patch": "1", "stem": "48"},
    "wider: 64 and 128": {"widths": "[64, 128]", "stem": "16"},
    "predicts eps, not flow": {"parameterization": '"eps"'},
    "times uniform": {"times": '{ name = "stratified" }'},
    "no cooldown": {"cooldown": "1e-6"},
    "no averaging": {"ema_decay": "0.0"},
    "float32, not bfloat16": {"dtype": '"float32"'},
    "predicts v, not flow": {"parameterization": '"v"'},
    "predicts EDM's F": {"parameterization": '"edm(0.56)"'},
    "min-SNR weighting": {"diffusion.weight": '{ name = "min-snr" }'},
    "batches of 48": {"batch_size": "48"},
    "batches of 192": {"batch_size": "192"},
    "not channels-last": {"channels_last": "false"},
    "torch.compile": {"compile": "true"},                    # the translation is part of the run
    "stem 16, not 8": {"stem": "16"},
    NARROW: {},
}


def changed(text: str, changes: dict[str, str]) -> str:
    """The recipe `text` with other values for some keys. What it leaves open is added: to [training], or for "diffusion.weight" to [diffusion]."""
    for place, value in changes.items():
        section, _, key = place.rpartition(".")
        text, count = re.subn(rf"(?m)^{key} = [^#\n]*", f"{key} = {value}  ", text)
        if not count:
            heading = f"[{section or 'training'}]"
            text = text.replace(heading, f"{heading}\n{key} = {value}")
    return text


def recipe_of(name: str, seed: int) -> Recipe:
    """The recipe of a variant; the seed decides its first weights too."""
    text = (ROOT / "recipes" / "pets32-quick.toml").read_text(encoding="utf-8")
    return parse_recipe(changed(text, {**VARIANTS[name], "seed": str(seed)}), "pets32-quick")


def narrow_norms(model: nn.Module) -> None:
    """Let the norms compute in bfloat16 too, as a processor's autocast has it."""
    for module in model.modules():
        if isinstance(module, Norm):
            module.__class__ = nn.GroupNorm


def measure(name: str, seconds: float, seed: int) -> dict:
    """One run from beginning to end. loss: of the last tenth of it, on its own scale."""
    recipe = recipe_of(name, seed)
    if name == NARROW:
        narrow_norms(recipe.model)
    cost = {"parameters": count_parameters(recipe.model), "flops": count_flops(recipe.model.network, recipe.shape)}
    config = replace(recipe.config, steps=None, minutes=seconds / 60, checkpoint_minutes=None)
    losses: list[torch.Tensor] = []

    def loss(*arguments, **rest):
        terms = recipe.loss(*arguments, **rest)
        losses.append(terms.mean.detach())
        return terms

    trained, steps = learn(recipe.model, recipe.dataset, config, loss, seconds, name)
    found, _ = judged(trained, recipe.shape[-1])
    return {"steps": steps, "pictures": steps * config.batch_size, **cost, "loss": float(torch.stack(losses[-len(losses) // 10:]).mean()), "found": found}


if __name__ == "__main__":
    compare(__doc__.splitlines()[0], RECORDS / "training_tricks.json", list(VARIANTS), measure, {"recipe": "recipes/pets32-quick.toml"}, seconds=240)
