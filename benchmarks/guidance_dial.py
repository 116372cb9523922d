"""What the guidance scale does to pictures, for chapter 19: two models, eight scales, the same wishes from the same statics.

    python benchmarks/guidance_dial.py                       # writes diffusion_lib/records/guidance_dial.json, and a .webp for each model
    python benchmarks/guidance_dial.py --model pupil         # one of the two; they may run side by side

The shipped model obeys nearly always; a pupil that learned for about a minute on one core does not. For both, at every scale:

    obeyed     share of pictures in which the classifier finds all attributes that were asked for, with its 95 % interval
    found      share of asked attributes that it finds
    variety    how far pictures of one wish differ from one another, dot by dot, as a share of what real pets do
    burnt      share of a picture's numbers that lie outside [-1, 1] by more than one level of the screen, and are cut off
"""

import argparse
import json
import sys
import time
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import diffusion_lib as dl  # noqa: E402
from diffusion_lib.evaluation import interval  # noqa: E402
from diffusion_lib.pictures import image_grid, to_image  # noqa: E402
from diffusion_lib.runs import hardware  # noqa: E402
from rows import alone, write  # noqa: E402

RECORDS = ROOT / "diffusion_lib" / "records"
SCALES = (0, 0.5, 1, 2, 3, 5, 7, 10)
PARTS = ((0, 1 / 3), (1 / 3, 2 / 3), (2 / 3, 1))                                        # of [0, 1], in which to guide the shipped model
PART_SCALE = 5
WISHES = ("a happy orange striped cat wearing a top hat on a blue background", "a cat")  # shown
STATICS, SEED, STEPS, LEVELS = 6, 19, 10, 22                 # LEVELS of a channel, in the file
MANY, EACH = 8, 8                                            # wishes, and pictures of each, that are measured
PUPIL_STEPS = 240                                            # of training


@torch.inference_mode()
def drawn(model: dl.Denoiser, cond: Tensor, scale: float, part=(0.0, 1.0)) -> Tensor:
    """One picture a row, from the same statics whatever the scale is; not cut off."""
    guided, generator = dl.ClassifierFreeGuidance(model, scale, part), dl.CounterGenerator(SEED)
    return torch.cat([dl.sample(guided, (len(some), 3, 32, 32), steps=STEPS, sampler=dl.DPMSolverPP2M(), cond=some, generator=generator)
                      for some in cond.split(64)])


def spread(pictures: Tensor) -> Tensor:
    """Of each wish, how far its pictures differ: (MANY,). pictures: (MANY * EACH, 3, H, W)."""
    return pictures.clamp(-1, 1).unflatten(0, (MANY, EACH)).std(1).flatten(1).mean(1)


def measured(pictures: Tensor, asked: Tensor, classifier, real_spread: Tensor) -> dict:
    """The four numbers, with their intervals."""
    right = dl.answers(classifier, pictures.clamp(-1, 1)) == asked
    obeyed = float(right.all(1).float().mean())
    own, burnt = spread(pictures), (pictures.abs() > 1 + 2 / 255).float().flatten(1).mean(1)
    return {"obeyed": obeyed, "obeyed_low_high": interval(obeyed, len(asked)), "found": float(right.float().mean()),
            "variety": float(own.mean() / real_spread.mean()), "variety_error": float((own / real_spread).std() / MANY**0.5),
            "burnt": float(burnt.mean()), "burnt_error": float(burnt.std() / len(burnt) ** 0.5)}


def pupil() -> tuple[dl.Denoiser, dict]:
    """A narrow network after a short training, and how it was made."""
    torch.manual_seed(SEED)
    network = dl.UNet(dl.UNetConfig(stem=8, widths=(32, 64), blocks=(1, 2), embedding=128), dl.AttributeConditioner(dl.pets.SIZES, width=128))
    model = dl.NeuralDenoiser(network, dl.RectifiedFlowSchedule(), dl.FLOW, data_std=0.56)
    loss = partial(dl.diffusion_loss, times=dl.logit_normal_t(uniform_share=0.1), cond_dropout=0.1)
    config = dl.TrainConfig(steps=PUPIL_STEPS, batch_size=32, lr=5e-3, warmup=40, ema_decay=0.98, optimizer="muon", seed=SEED)
    began = time.process_time()
    for step in dl.train(model, dl.PartyPets(size=32), config, loss=loss):
        pass
    return step.ema, {"pictures": PUPIL_STEPS * config.batch_size, "cpu_seconds": round(time.process_time() - began), "parameters": sum(p.numel() for p in network.parameters())}


MODELS = {"shipped": lambda: (dl.zoo.load("pets32"), {}), "pupil": pupil}


def change(file: Path, about: dict, name: str, how) -> None:
    """Put into the record what all models share, and a model's part as `how` makes it of the part that is there.

    It is read again each time, and nobody else meanwhile: the other model may be writing too.
    """
    with alone():
        models = json.loads(file.read_text(encoding="utf-8"))["models"] if file.is_file() else {}
        write(file, json.dumps(about | {"models": models | {name: how(models.get(name, {}))}}, indent=1))


def run(name: str) -> None:
    """Draw and measure one model, and put it into the record."""
    file, classifier = RECORDS / "guidance_dial.json", dl.zoo.load("pets32-classifier")
    few = dl.PartyPets(size=32, split="validation", seed=SEED).batch(range(MANY))[1]
    asked = few.repeat_interleave(EACH, 0)
    real = dl.pets.draw(asked, torch.arange(len(asked)), 32)
    about = {"command": "python benchmarks/guidance_dial.py", "hardware": hardware(torch.device("cpu")), "torch": torch.__version__,
             "sampler": f"DPM-Solver++(2M), {STEPS} steps", "seed": SEED, "scales": SCALES, "wishes": WISHES, "statics": STATICS, "levels": LEVELS,
             "n": {"wishes": MANY, "pictures": len(asked)}, "real": measured(real, asked, classifier, spread(real))}
    model, made = MODELS[name]()
    change(file, about, name, lambda before: before | {"rows": [], "parts": []} | made)
    shown = [dl.pets.parse_caption(wish).repeat(STATICS, 1) for wish in WISHES]
    pictures = torch.cat([drawn(model, wish, scale).clamp(-1, 1) for wish in shown for scale in SCALES])
    coarse = ((pictures + 1) / 2 * (LEVELS - 1)).round() / (LEVELS - 1) * 2 - 1
    to_image(image_grid(coarse, columns=len(coarse), gap=0)).save(RECORDS / f"guidance_dial_{name}.webp", lossless=True, quality=100, method=6)
    for scale, part in tqdm([(scale, (0, 1)) for scale in SCALES] + [(PART_SCALE, part) for part in PARTS if name == "shipped"], desc=name):
        kind = "rows" if part == (0, 1) else "parts"
        row = measured(drawn(model, asked, scale, part), asked, classifier, spread(real))
        row = {"scale": scale, "interval": part} | row
        change(file, about, name, lambda before: before | {kind: [*before[kind], row]})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=MODELS, action="append")
    for name in parser.parse_args().model or MODELS:
        run(name)


if __name__ == "__main__":
    main()
