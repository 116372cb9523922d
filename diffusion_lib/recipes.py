"""A recipe: one short text that says how a model was made, so that anyone can make it again.

    [data]       name = "party pets"         size = 32        what to learn from
    [network]    name = "unet"               ...              the shape of the network
    [diffusion]  parameterization = "flow"   ...              schedule, target, how times are drawn
    [training]   minutes = 60                ...              how long and how fast

The tables below are all that a recipe can name: each maps a word to the function it calls, and the other keys of the
section are that function's arguments. Whatever a recipe says beyond that is refused, in one sentence.
"""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset, default_collate

from .classification import classification_loss
from .comprehension import BATCH
from .conditioning import AttributeConditioner, ClassConditioner, Conditioner, TextConditioner
from .data.images import PictureFolder, cifar_10, fashion_mnist
from .data.pets import SIZES, CaptionedPets, PartyPets, hears_of_pets, pet_vocabulary, understand, understand_scene
from .denoisers import NeuralDenoiser
from .losses import TimeLaw, Weighting, as_velocity, diffusion_loss, logit_normal_t, min_snr, stratified_t, uniform_t, unit
from .networks.classifier import Classifier, ClassifierConfig, PairClassifier
from .networks.unet import UNet, UNetConfig
from .process import V, Parameterization, parameterization_named
from .random import torch_generator
from .schedules import CosineSchedule, EDMSchedule, LinearBetaSchedule, RectifiedFlowSchedule
from .settings import RecipeError, blamed_on, called, listed, named
from .training import Loss, TrainConfig


@dataclass(frozen=True)
class Recipe:
    """A recipe, read and understood. name: of its file, without the ending. text: all of it, as it was written.
    prompts: what the run draws every minute to show how far it is; may be empty. captions: how many the reader learns from before
    there are pictures; 0 where it learns from pictures."""

    name: str
    text: str
    model: NeuralDenoiser | Classifier
    dataset: Dataset
    loss: Loss
    config: TrainConfig
    prompts: tuple[str, ...]
    captions: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one picture, (C, H, W)."""
        sample = self.dataset[0]
        return tuple((sample[0] if isinstance(sample, tuple | list) else sample).shape)


# What can be named ---------------------------------------------------------------------------------------------------

def attribute_conditioner(width: int = 256) -> AttributeConditioner:
    """For the seven attributes of PartyPets."""
    return AttributeConditioner(SIZES, width)


def text_conditioner(width: int = 128, layers: int = 2, length: int = 32) -> TextConditioner:
    """For prompts about PartyPets, in every language that has a grammar. length: of the longest prompt, in words."""
    return TextConditioner(pet_vocabulary(length), width, layers)


def min_snr_weight(gamma: float = 5.0) -> Callable[[Parameterization], Weighting]:
    """`min_snr`, which also has to know what the network predicts."""
    return partial(min_snr, gamma)


def velocity_weight(cleanest: float = 0.05) -> Callable[[Parameterization], Weighting]:
    """`as_velocity`, which also has to know what the network predicts."""
    return partial(as_velocity, cleanest)


def pet_classifier(width: int = 48, features: int = 64, side: int = 32) -> Classifier:
    """Asks about the seven attributes of PartyPets."""
    return Classifier(ClassifierConfig(SIZES, width, features, side=side))


def pair_classifier(width: int = 32, features: int = 128, side: int = 64) -> PairClassifier:
    """Asks about the seven attributes of each pet of a scene."""
    return PairClassifier(ClassifierConfig(SIZES + SIZES, width, features, side=side))


DATA = {"party pets": PartyPets, "captioned pets": CaptionedPets, "fashion-mnist": fashion_mnist, "cifar-10": cifar_10, "folder": PictureFolder}
DENOISING_NETWORKS = {"unet": UNetConfig}
CLASSIFYING_NETWORKS = {"pet classifier": pet_classifier, "pair classifier": pair_classifier}
CONDITIONERS = {"attributes": attribute_conditioner, "text": text_conditioner, "classes": ClassConditioner}
SCHEDULES = {"cosine": CosineSchedule, "linear beta": LinearBetaSchedule, "rectified flow": RectifiedFlowSchedule, "edm": EDMSchedule}
TIMES = {"uniform": lambda: uniform_t, "stratified": lambda: stratified_t, "logit-normal": logit_normal_t}
WEIGHTS = {"unit": lambda: lambda parameterization: unit, "min-snr": min_snr_weight, "velocity": velocity_weight}


@dataclass(frozen=True)
class Diffusion:
    """The section [diffusion]; its inline tables `schedule`, `times` and `weight` are {name = ..., argument = ...}."""

    schedule: dict
    parameterization: str = V.name
    data_std: float = 1.0
    times: dict | None = None
    weight: dict | None = None
    cond_dropout: float = 0.1

    def __post_init__(self):
        if not 0 <= self.cond_dropout < 1:
            raise ValueError(f"cond_dropout is {self.cond_dropout}, but it has to be a share, from 0 to below 1")


@dataclass(frozen=True)
class Lessons:
    """The section [comprehension]. captions: how many the reader learns from before there are pictures; then it stays as it is."""

    captions: int

    def __post_init__(self):
        if self.captions and self.captions < BATCH:
            raise ValueError(f"captions is {self.captions}, but it has to be at least {BATCH}, one lesson, or 0")


@dataclass(frozen=True)
class Strip:
    """The section [strip]. prompts: pets in words, or scenes where the data are scenes."""

    prompts: tuple[str, ...]


@dataclass(frozen=True)
class Classification:
    """The section [classification]: how training pictures are disturbed. noise: largest standard deviation; shift: pixels."""

    noise: float = 0.15
    shift: int = 2

    def __post_init__(self):
        if self.noise < 0 or self.shift < 0:
            raise ValueError(f"noise is {self.noise} and shift is {self.shift}, but neither can be negative")


SECTIONS = ("data", "network", "conditioner", "comprehension", "diffusion", "classification", "training", "strip")


# Reading -------------------------------------------------------------------------------------------------------------

def read_recipe(path: str | Path) -> Recipe:
    """The recipe in a TOML file. Raises RecipeError naming section, key and value, and what would be right, and DownloadError (an
    OSError) where the pictures it names cannot be had."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise RecipeError(f"recipe is {str(path)!r}, but it has to be a TOML file that can be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: {error}") from error
    try:
        return parse_recipe(text, path.stem)
    except RecipeError as error:
        raise RecipeError(f"{path}: {error}") from error


def parse_recipe(text: str, name: str) -> Recipe:
    """The recipe that a text describes, its network with fresh weights of its own seed. Raises as `read_recipe`."""
    try:
        sections = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"this is no TOML: {error}") from error
    for section, content in sections.items():
        if section not in SECTIONS or not isinstance(content, dict):
            raise RecipeError(f"{section} is not a section of a recipe; there are {listed(f'[{s}]' for s in SECTIONS)}")
    for section in ("data", "network", "training"):
        if section not in sections:
            raise RecipeError(f"the section [{section}] is missing")
    if ("diffusion" in sections) == ("classification" in sections):
        raise RecipeError("a recipe has to have one of the sections [diffusion] and [classification]")
    config = called("[training]", TrainConfig, sections["training"])
    with torch.random.fork_rng():                            # the first weights depend on the recipe's seed alone
        torch.manual_seed(config.seed)
        model, loss = _denoiser(sections) if "diffusion" in sections else _classifier(sections)
    prompts = _prompts(sections["strip"], model, bool(sections["data"].get("scene"))) if "strip" in sections else ()
    dataset = named("[data]", DATA, sections["data"])
    captions = _captions(sections["comprehension"], model, dataset) if "comprehension" in sections else 0
    _try(model, dataset, loss, config.seed)
    return Recipe(name, text, model, dataset, loss, config, prompts, captions)


def _try(model: NeuralDenoiser | Classifier, dataset: Dataset, loss: Loss, seed: int) -> None:
    """Ask about one picture, and learn nothing from it: what does not fit together is refused now, and not when the run begins."""
    with torch.no_grad():
        with blamed_on("[data]"):
            sample = default_collate([dataset[0]])
        x0, cond = sample if isinstance(sample, tuple | list) else (sample, None)
        if isinstance(model, NeuralDenoiser) and cond is not None:
            if (conditioner := _conditioner(model)) is None:
                raise RecipeError("the section [conditioner] is missing, but each picture of [data] comes with a condition")
            if isinstance(conditioner, TextConditioner) and not isinstance(dataset, CaptionedPets):
                raise RecipeError("[conditioner] name is 'text', but only [data] name = \"captioned pets\" comes with words")
            with blamed_on("[conditioner] does not fit [data]:"):
                conditioner(cond, 1)
        try:
            loss(model, x0, cond, generator=torch_generator(seed, 0))
        except (ValueError, IndexError, RuntimeError) as error:
            raise RecipeError(f"[network] does not fit [data]: {error}") from error


def _denoiser(sections: Mapping[str, Any]) -> tuple[NeuralDenoiser, Loss]:
    """The model and what it is to minimise."""
    settings = called("[diffusion]", Diffusion, sections["diffusion"])
    schedule = named("[diffusion] schedule", SCHEDULES, settings.schedule)
    parameterization = called("[diffusion]", parameterization_named, {"name": settings.parameterization})
    conditioner: Conditioner | None = None
    if "conditioner" in sections:
        conditioner = named("[conditioner]", CONDITIONERS, sections["conditioner"])
    with blamed_on("[network]"):
        network = UNet(named("[network]", DENOISING_NETWORKS, sections["network"]), conditioner)
    times: TimeLaw = named("[diffusion] times", TIMES, settings.times or {"name": "stratified"})
    with blamed_on("[diffusion]"):
        weight: Weighting = named("[diffusion] weight", WEIGHTS, settings.weight or {"name": "unit"})(parameterization)
        model = NeuralDenoiser(network, schedule, parameterization, settings.data_std)
    return model, partial(diffusion_loss, times=times, weight=weight, cond_dropout=settings.cond_dropout)


def _classifier(sections: Mapping[str, Any]) -> tuple[Classifier, Loss]:
    """The model and what it is to minimise."""
    settings = called("[classification]", Classification, sections["classification"])
    model = named("[network]", CLASSIFYING_NETWORKS, sections["network"])
    return model, partial(classification_loss, noise=settings.noise, shift=settings.shift)


def _conditioner(model: NeuralDenoiser | Classifier) -> Conditioner | None:
    """What listens to wishes, where anything does."""
    return model.network.conditioner if isinstance(model, NeuralDenoiser) else None


def _captions(section: Mapping[str, Any], model: NeuralDenoiser | Classifier, dataset: Dataset) -> int:
    """How many captions the reader learns from beforehand; then it learns nothing from pictures."""
    conditioner = _conditioner(model)
    if not isinstance(conditioner, TextConditioner) or not isinstance(dataset, CaptionedPets):
        raise RecipeError("[comprehension] is for a recipe with [data] name = \"captioned pets\" and [conditioner] name = \"text\"")
    captions = called("[comprehension]", Lessons, section).captions
    conditioner.reader.requires_grad_(not captions)
    return captions


def _prompts(section: Mapping[str, Any], model: NeuralDenoiser | Classifier, scene: bool) -> tuple[str, ...]:
    """What the strip shows, each text checked. scene: whether they are about two pets."""
    conditioner = _conditioner(model)
    if not hears_of_pets(conditioner):
        raise RecipeError("[strip] prompts are about pets, but this recipe has no [conditioner] name = \"attributes\" or \"text\"")
    prompts = called("[strip]", Strip, section).prompts
    for prompt in prompts:
        with blamed_on(f"[strip] prompts holds {prompt!r}, but"):
            if notices := (understand_scene if scene else understand)(prompt).notices:
                raise ValueError(notices[0])
    return prompts
