"""What tests of models share: numbers in the place of pictures and of weights, a recipe and a model small enough for a second."""

import torch

import diffusion_lib as dl
from diffusion_lib.checkpoints import save_checkpoint
from diffusion_lib.cli import main
from diffusion_lib.conditioning import AttributeConditioner
from diffusion_lib.data.pets import SIZES
from diffusion_lib.networks.classifier import Classifier, ClassifierConfig
from diffusion_lib.networks.unet import UNet, UNetConfig


def picture(*shape: int, seed: int = 0) -> torch.Tensor:
    """Normal random numbers, the same every time."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


RECIPE = """# tiny: as small as it gets.
# It learns nothing.

[data]
name = "party pets"
size = 8

[network]
name = "unet"
stem = 8
widths = [32]
blocks = [1]
attention = [false]
embedding = 16

[conditioner]
name = "attributes"
width = 16

[diffusion]
schedule = { name = "rectified flow" }
parameterization = "flow"
times = { name = "logit-normal", uniform_share = 0.1 }

[training]
steps = 5
batch_size = 4
seed = 3
dtype = "float32"
log_every = 2

[strip]
prompts = ["a cat wearing a crown", "a frog"]
"""

CLASSIFIER_RECIPE = """# judge: as small as it gets.

[data]
name = "party pets"
size = 8

[network]
name = "pet classifier"
width = 8
features = 6
side = 8

[classification]
noise = 0.1
shift = 1

[training]
steps = 3
batch_size = 4
dtype = "float32"
"""


def randomised(model: torch.nn.Module, scale: float = 0.1) -> torch.nn.Module:
    """The same model with every weight random, also those that begin at zero."""
    with torch.no_grad():
        for i, parameter in enumerate(model.parameters()):
            parameter.copy_(scale * dl.randn(parameter.shape, dl.CounterGenerator(i)))
    return model


def tiny_denoiser() -> dl.NeuralDenoiser:
    """Of 8x8 pictures of pets; listens to all attributes, and draws nonsense."""
    network = UNet(UNetConfig(stem=8, widths=(32,), blocks=(1,), attention=(False,), embedding=16), AttributeConditioner(SIZES, 16))
    return randomised(dl.NeuralDenoiser(network, dl.RectifiedFlowSchedule(), dl.FLOW))


def tiny_classifier() -> Classifier:
    """Of 8x8 pictures of pets."""
    return randomised(Classifier(ClassifierConfig(SIZES, width=8, features=6, side=8)))


def write_tiny_models(folder) -> tuple[str, str]:
    """The paths of a denoiser and a classifier, with what a card needs to know about them."""
    about = {"name": "tiny", "shape": [3, 8, 8], "recipe": RECIPE, "seed": 3, "commit": "c0ffee", "hardware": "a toaster",
             "steps": 5, "pictures": 20_000, "minutes": 0.5, "licence": "Apache-2.0"}
    paths = folder / "tiny.safetensors", folder / "judge.safetensors"
    for path, model in zip(paths, (tiny_denoiser(), tiny_classifier())):
        save_checkpoint(path, model, about=about, dtype=torch.float16)
    return tuple(map(str, paths))


def run(*arguments) -> int:
    """The exit code of a command, without a process of its own: run("sample", path, "--steps", 3)."""
    return main([str(argument) for argument in arguments])
