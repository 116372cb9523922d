"""What is each part of the U-Net worth? Networks that lack one part each, trained for equally long, from several seeds.

    python benchmarks/unet_ablation.py --seconds 150         # all variants, 3 seeds each; goes on where it was interrupted
    python benchmarks/unet_ablation.py --table               # only prints what has been measured so far

Equal means: the same CPU seconds of one thread, counted by the process itself, so that a busy machine changes nothing.
A variant that is cheaper a step takes more steps. All read the same pictures in the same order; the seed decides first
weights, times and noise. The recipe is recipes/pets32.toml but for what a short run needs (`SHORT`). Several processes
may work on one record, each with seeds of its own.

Chapter 11 shows the record, diffusion_lib/records/unet_ablation.json, and what each variant drew with seed 0.
"""

import argparse
import fcntl
import json
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from pathlib import Path
from statistics import fmean, stdev

import torch
from torch import Tensor, nn
from tqdm import tqdm

from diffusion_lib import zoo
from diffusion_lib.conditioning import AttributeConditioner
from diffusion_lib.data.pets import SIZES
from diffusion_lib.denoisers import NeuralDenoiser
from diffusion_lib.judging import attribute_accuracy, draw, prompts, real_pictures
from diffusion_lib.losses import diffusion_loss, stratified_t
from diffusion_lib.networks.classifier import answers
from diffusion_lib.networks.layers import GROUPS, ResidualBlock, SelfAttention, count_flops, count_parameters
from diffusion_lib.networks.unet import UNet
from diffusion_lib.pictures import image_grid, to_image
from diffusion_lib.random import CounterGenerator
from diffusion_lib.recipes import Recipe, read_recipe
from diffusion_lib.training import TIME_BINS, train

ROOT = Path(__file__).resolve().parents[1]
RECORD = ROOT / "diffusion_lib" / "records" / "unet_ablation.json"
SHORT = {"batch_size": 32, "warmup": 100, "ema_decay": 0.99}  # smaller batches: more steps; a shorter memory for fewer of them
VALIDATION, PART, JUDGED, SHOWN, SAMPLER_STEPS, GUIDANCE, SEED = 1024, 128, 128, 8, 12, 2.0, 11


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
    "half the width": ({"stem": GROUPS, "widths": (32, 64)}, lambda network: None),
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

def learn(model: NeuralDenoiser, recipe: Recipe, seconds: float, seed: int, name: str) -> tuple[nn.Module, int]:
    """Train for so many CPU seconds; the averaged model, and the steps taken."""
    config = replace(recipe.config, steps=None, minutes=seconds / 60, seed=seed, checkpoint_minutes=None, **SHORT)
    with tqdm(total=round(seconds), desc=f"{name}, seed {seed}", unit="CPU s", mininterval=1) as bar:
        for step in train(model, recipe.dataset, config, loss=recipe.loss, clock=time.process_time):
            bar.update(round(step.progress * seconds) - bar.n)
            bar.set_postfix(step=step.index, refresh=False)
    for averaged, own in zip(step.ema.buffers(), model.buffers()):   # BatchNorm's statistics, which the EMA leaves alone
        averaged.copy_(own)
    return step.ema, step.index


@torch.inference_mode()
def validation_loss(model: NeuralDenoiser) -> dict:
    """The loss on pictures, times and noises that are always the same: its mean over t, and in each tenth of [0, 1]."""
    x0, cond = real_pictures(VALIDATION, 32, SEED)
    parts = [diffusion_loss(model, x, c, times=stratified_t, generator=CounterGenerator(SEED + i))
             for i, (x, c) in enumerate(zip(x0.split(PART), cond.split(PART)))]
    loss, tenth = torch.cat([part.per_sample for part in parts]), (torch.cat([part.t for part in parts]) * TIME_BINS).long()
    return {"loss": float(loss.mean()), "loss_by_t": [float(loss[tenth == k].mean()) for k in range(TIME_BINS)]}


def measure(name: str, seconds: float, seed: int) -> tuple[dict, Tensor]:
    """One run from beginning to end: a row of the record, and the first few pictures that were drawn."""
    recipe = read_recipe(ROOT / "recipes" / "pets32.toml")
    model = variant(name, recipe, seed)
    cost = {"parameters": count_parameters(model), "flops": count_flops(model.network.eval(), recipe.shape)}
    model.train()
    trained, steps = learn(model, recipe, seconds, seed, name)
    asked = prompts(JUDGED, SEED)
    drawn = draw(trained, asked, recipe.shape[-1], GUIDANCE, SAMPLER_STEPS, SEED)
    found = attribute_accuracy(answers(zoo.load("pets32-classifier"), drawn), asked)
    row = {"variant": name, "seed": seed, "steps": steps, "pictures": steps * SHORT["batch_size"], **cost, **validation_loss(trained)}
    return row | {"found": {attribute: share.value for attribute, share in found.items()}}, drawn[:SHOWN]


# The record ----------------------------------------------------------------------------------------------------------

def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"runs": []}


def add(path: Path, head: dict, row: dict) -> None:
    """Write one more run down, whoever else is writing."""
    with Path(__file__).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        runs = sorted([*read(path)["runs"], row], key=lambda run: (list(VARIANTS).index(run["variant"]), run["seed"]))
        lines = ",\n".join(f"  {json.dumps(run)}" for run in runs)
        path.write_text("{" + json.dumps(head)[1:-1] + ',\n "runs": [\n' + lines + "\n ]}\n", encoding="utf-8")


def slug(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name.lower())


def table(runs: list[dict]) -> str:
    """One line a variant: mean and spread over its seeds."""
    lines = [f"{'variant':<26}{'seeds':>6}{'steps':>7}{'M parameters':>14}{'MFLOP':>8}{'loss':>18}{'all found':>19}{'each found':>19}"]
    for name in VARIANTS:
        own = [run for run in runs if run["variant"] == name]
        if own:
            each = [fmean(v for key, v in run["found"].items() if key != "all") for run in own]
            lines.append(f"{name:<26}{len(own):>6}{fmean(run['steps'] for run in own):>7.0f}{own[0]['parameters'] / 1e6:>14.2f}"
                         f"{own[0]['flops'] / 1e6:>8.0f}{_spread([run['loss'] for run in own], 4):>18}"
                         f"{_spread([run['found']['all'] for run in own], 3):>19}{_spread(each, 3):>19}")
    return "\n".join(lines)


def _spread(values: list[float], digits: int) -> str:
    return f"{fmean(values):.{digits}f}" + (f" ± {stdev(values):.{digits}f}" if len(values) > 1 else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=150.0, help="CPU seconds of training for each run")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS), metavar="NAME")
    parser.add_argument("--record", type=Path, default=RECORD)
    parser.add_argument("--table", action="store_true", help="print the record and stop")
    options = parser.parse_args()
    head = {"made by": f"benchmarks/unet_ablation.py --seconds {options.seconds:g}", "seconds": options.seconds, "short": SHORT,
            "validation pictures": VALIDATION, "judged pictures": JUDGED, "sampler steps": SAMPLER_STEPS, "guidance": GUIDANCE}
    if not options.table:
        torch.set_num_threads(1)
        there = read(options.record).get("seconds", options.seconds)
        if there != options.seconds:
            raise SystemExit(f"{options.record} holds runs of {there:g} s, which cannot be compared with {options.seconds:g} s: "
                             "give the same number, or remove the file")
        for seed in options.seeds:                           # seeds outside, so that an interrupted bench has all variants
            for name in options.variants:
                if not any((run["variant"], run["seed"]) == (name, seed) for run in read(options.record)["runs"]):
                    row, shown = measure(name, options.seconds, seed)
                    if seed == 0:
                        row["strip"] = f"{options.record.stem}_{slug(name)}"
                        strip = to_image(image_grid(shown, columns=SHOWN, gap=0))
                        strip.save(options.record.with_name(f"{row['strip']}.webp"), lossless=True, quality=100, method=6)
                    add(options.record, head, row)
    print(table(read(options.record)["runs"]))


if __name__ == "__main__":
    main()
