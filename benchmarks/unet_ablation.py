"""What is each part of the U-Net worth? Networks that lack one part each, trained for equally long, from several seeds.

    python benchmarks/unet_ablation.py --seconds 60          # all variants, 3 seeds each; goes on where it was interrupted
    python benchmarks/unet_ablation.py --table               # only prints what has been measured so far

What "equally long" means stands in equal_time.py. The recipe is recipes/pets32-quick.toml but for what a short run needs
(`SHORT`).

Chapter 11 shows the record, diffusion_lib/records/unet_ablation.json, and what each variant drew with seed 0.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import chain

import torch
from torch import Tensor, nn

from diffusion_lib.conditioning import AttributeConditioner
from diffusion_lib.data.pets import SIZES
from diffusion_lib.denoisers import NeuralDenoiser
from diffusion_lib.judging import real_pictures
from diffusion_lib.losses import diffusion_loss, stratified_t
from diffusion_lib.networks.attention import SelfAttention
from diffusion_lib.networks.layers import ResidualBlock, count_flops, count_parameters
from diffusion_lib.networks.unet import UNet
from diffusion_lib.pictures import image_grid, to_image
from diffusion_lib.random import CounterGenerator
from diffusion_lib.recipes import Recipe, read_recipe
from diffusion_lib.training import TIME_BINS
from equal_time import RECORDS, ROOT, SEED, compare, judged, learn

RECORD = RECORDS / "unet_ablation.json"
SHORT = {"batch_size": 32, "warmup": 50, "ema_decay": 0.99}  # smaller batches: more steps; a shorter memory for fewer of them
VALIDATION, PART, SHOWN = 1024, 128, 8


# The variants --------------------------------------------------------------------------------------------------------

def silence_second_half(module: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Forward pre-hook: of the two halves laid side by side, the second one, the copy from the way down, becomes zeros."""
    own, copy = given[0].chunk(2, dim=1)
    return (torch.cat([own, torch.zeros_like(copy)], dim=1),)


def always_the_same(module: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Forward pre-hook: whatever the noise level is, 0 is said."""
    return (torch.zeros_like(given[0]),)


def cut_thin_copy(network: UNet) -> None:
    network.head[0].register_forward_pre_hook(silence_second_half)


def cut_all_copies(network: UNet) -> None:
    cut_thin_copy(network)
    for merge in chain(*network.merge):
        merge.register_forward_pre_hook(silence_second_half)


def take_attention_out(network: UNet) -> None:
    network.middle[0].attention = nn.Identity()


def blindfold(network: UNet) -> None:
    network.log_snr.register_forward_pre_hook(always_the_same)


def normalise_over_the_batch(network: UNet) -> None:
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.GroupNorm):
                setattr(module, name, nn.BatchNorm2d(child.num_channels))


def wake_zeros(network: UNet) -> None:
    """What begins at zero begins with PyTorch's usual random numbers instead."""
    for module in network.modules():
        if isinstance(module, ResidualBlock):
            module.conv2.reset_parameters()
        elif isinstance(module, SelfAttention):
            module.out.reset_parameters()
    network.head[-1].reset_parameters()


VARIANTS: dict[str, tuple[dict, Callable[[UNet], None]]] = {  # name: (changes of the configuration, what is done to the network)
    "as it is": ({}, lambda network: None),
    "no copies": ({}, cut_all_copies),
    "no full-size copy": ({}, cut_thin_copy),
    "no attention": ({}, take_attention_out),
    "blind to the noise level": ({}, blindfold),
    "two thirds of the width": ({"widths": (32, 64)}, lambda network: None),
    "BatchNorm": ({}, normalise_over_the_batch),
    "no zero start": ({}, wake_zeros),
}


def variant(name: str, recipe: Recipe, seed: int) -> NeuralDenoiser:
    """The recipe's model with another network, its first weights drawn from `seed`."""
    changes, operate = VARIANTS[name]
    torch.manual_seed(seed)
    network = UNet(replace(recipe.model.network.config, **changes), AttributeConditioner(SIZES, recipe.model.network.conditioner.width))
    operate(network)
    return NeuralDenoiser(network, recipe.model.schedule, recipe.model.parameterization, recipe.model.data_std)


# One run -------------------------------------------------------------------------------------------------------------

@torch.inference_mode()
def validation_loss(model: NeuralDenoiser) -> dict:
    """The loss on pictures, times and noises that are always the same: its mean over t, and in each tenth of [0, 1]."""
    x0, cond = real_pictures(VALIDATION, 32, SEED)
    parts = [diffusion_loss(model, x, c, times=stratified_t, generator=CounterGenerator(SEED + i))
             for i, (x, c) in enumerate(zip(x0.split(PART), cond.split(PART)))]
    loss, tenth = torch.cat([part.per_sample for part in parts]), (torch.cat([part.t for part in parts]) * TIME_BINS).long()
    return {"loss": float(loss.mean()), "loss_by_t": [float(loss[tenth == k].mean()) for k in range(TIME_BINS)]}


def measure(name: str, seconds: float, seed: int) -> dict:
    """One run from beginning to end. Of seed 0 the first few pictures are kept."""
    recipe = read_recipe(ROOT / "recipes" / "pets32-quick.toml")
    model = variant(name, recipe, seed)
    cost = {"parameters": count_parameters(model), "flops": count_flops(model.network.eval(), recipe.shape)}
    config = replace(recipe.config, steps=None, minutes=seconds / 60, seed=seed, checkpoint_minutes=None, **SHORT)
    trained, steps = learn(model.train(), recipe.dataset, config, recipe.loss, seconds, name)
    for averaged, own in zip(trained.buffers(), model.buffers()):    # BatchNorm's statistics, which the EMA leaves alone
        averaged.copy_(own)
    found, drawn = judged(trained, recipe.shape[-1])
    row = {"steps": steps, "pictures": steps * config.batch_size, **cost, **validation_loss(trained), "found": found}
    return row | ({"strip": keep(drawn[:SHOWN], name)} if seed == 0 else {})


def keep(pictures: Tensor, name: str) -> str:
    """Write pictures beside the record; the name of their file."""
    stem = f"{RECORD.stem}_{''.join(letter if letter.isalnum() else '_' for letter in name.lower())}"
    to_image(image_grid(pictures, columns=SHOWN, gap=0)).save(RECORD.with_name(f"{stem}.webp"), lossless=True, quality=100, method=6)
    return stem


if __name__ == "__main__":
    compare(__doc__.splitlines()[0], RECORD, list(VARIANTS), measure, {"short": SHORT, "validation pictures": VALIDATION}, seconds=60)
