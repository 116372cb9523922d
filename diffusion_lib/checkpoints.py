"""A trained model as one file that needs nothing else.

    model.safetensors = weights (tensors) + how to build the model (JSON) + a SHA-256 over both

The JSON is made of class names and constructor arguments. Each class in `CLASSES` keeps its arguments as attributes of
the same name, so to describe a model is to read them, and to rebuild it is to call the class. Only classes in that
table are ever called, and nothing is unpickled: a file from a stranger can be wrong, but it cannot run code.

A checkpoint of a running training is the same file with more tensors in it (training.py), so it too can be sampled from.
"""

import hashlib
import inspect
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from .conditioning import AttributeConditioner, ClassConditioner, TextConditioner
from .denoisers import NeuralDenoiser
from .files import write_atomically
from .networks.classifier import Classifier, ClassifierConfig, PairClassifier
from .networks.unet import UNet, UNetConfig
from .process import Parameterization, parameterization_named
from .schedules import CosineSchedule, EDMSchedule, LinearBetaSchedule, RectifiedFlowSchedule
from .words import Vocabulary

CLASSES: dict[str, type] = {cls.__name__: cls for cls in (
    NeuralDenoiser, UNet, UNetConfig, ClassConditioner, AttributeConditioner, TextConditioner, Vocabulary,
    Classifier, ClassifierConfig, PairClassifier,
    CosineSchedule, LinearBetaSchedule, RectifiedFlowSchedule, EDMSchedule)}

FORMAT = "diffusion_lib checkpoint 1"
MODEL, TRAINING = "model.", "training."                      # prefixes of tensor names


class CheckpointError(ValueError):
    """A file that is no checkpoint of ours, or no longer the one that was written."""


@dataclass(frozen=True)
class TrainingState:
    """What a training run needs besides the model, to go on as if it had never stopped.

    tensors: named tensors (raw weights, optimizer moments). values: anything that JSON can hold (step, seconds, history).
    """

    tensors: dict[str, Tensor]
    values: dict[str, Any]


# Models as JSON ------------------------------------------------------------------------------------------------------

def describe(value) -> Any:
    """`value` in terms of JSON: numbers, strings, lists, and {"class": name, argument: ...} for the classes of the table.

    Raises CheckpointError for an object of any other class, and for a parameterization that `build` would not find by its name.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple | list):
        return [describe(item) for item in value]
    if isinstance(value, Parameterization):
        _check_findable(value)
        return {"class": "Parameterization", "name": value.name}
    name = type(value).__name__
    if CLASSES.get(name) is not type(value):
        raise CheckpointError(f"cannot describe a {name} in a checkpoint: only {', '.join(CLASSES)} are known")
    return {"class": name} | {argument: describe(getattr(value, argument)) for argument in _arguments(type(value))}


def build(description) -> Any:
    """The inverse of `describe`, with fresh weights. Raises CheckpointError for a class outside the table."""
    if isinstance(description, list):
        return tuple(build(item) for item in description)
    if not isinstance(description, dict):
        return description
    name, arguments = description.get("class"), {key: build(value) for key, value in description.items() if key != "class"}
    if name == "Parameterization":
        return parameterization_named(**arguments)
    if name not in CLASSES:
        raise CheckpointError(f"asks for the class {name!r}, but only {', '.join(CLASSES)} are known")
    return CLASSES[name](**arguments)


def _check_findable(parameterization: Parameterization) -> None:
    """Raises CheckpointError unless the name of a parameterization says which row it has: a file can hold no other."""
    try:
        known = parameterization_named(parameterization.name)
    except ValueError as error:
        raise CheckpointError(f"cannot describe a parameterization of your own in a checkpoint: its {error}") from error
    if known != parameterization:
        raise CheckpointError(f"cannot describe a parameterization in a checkpoint that is called {known.name!r}, but has another row than that one")


def _arguments(cls: type) -> list[str]:
    """The names of a class's constructor arguments; none where it has no constructor of its own."""
    return [] if cls.__init__ is object.__init__ else list(inspect.signature(cls).parameters)


# Files ---------------------------------------------------------------------------------------------------------------

def save_checkpoint(path: str | Path, model: nn.Module, *, training: TrainingState | None = None, about: dict[str, Any] | None = None,
                    dtype: torch.dtype | None = None) -> None:
    """Write a model to one file, all at once: whoever reads `path` finds the old file or the new one, never a part.

    model: a `NeuralDenoiser` or any other module of the table. about: how the model came about (recipe, seed, minutes),
    as anything that JSON can hold. dtype: what to store floats as, e.g. torch.float16 for a model to be shipped; None
    stores them as they are. Raises CheckpointError for a model that cannot be described, and
    ValueError where a weight is too large for `dtype`.
    """
    tensors = {MODEL + name: _stored(name, tensor, dtype) for name, tensor in model.state_dict().items()}
    config = {"model": describe(model), "about": about or {}}
    if training is not None:
        tensors |= {TRAINING + name: _stored(name, tensor, None) for name, tensor in training.tensors.items()}
        config["training"] = training.values
    text = json.dumps(config, sort_keys=True)
    metadata = {"format": FORMAT, "config": text, "sha256": _digest(text, tensors)}
    write_atomically(Path(path), _in_fixed_order(safetensors.torch.save(tensors, metadata)))


def load_checkpoint(path: str | Path, device: torch.device | str = "cpu") -> nn.Module:
    """Rebuild a model from its file alone, float32, in evaluation mode.

    path: of a file that `save_checkpoint` wrote. device: where the model is to live. Raises CheckpointError (a ValueError)
    naming the file where it is truncated, altered or not one of ours, and FileNotFoundError where there is none.
    """
    return _read(Path(path))[0].to(device)


def load_training(path: str | Path) -> tuple[nn.Module, TrainingState]:
    """A model and the state of the run that wrote it. Raises as `load_checkpoint`, and where the file holds no run."""
    model, training = _read(Path(path))
    if training is None:
        raise CheckpointError(f"{path} holds a finished model, but no training run to go on with")
    return model, training


def read_about(path: str | Path) -> dict[str, Any]:
    """What `save_checkpoint` was told about the model in a file; raises as `load_checkpoint`."""
    return _read_verified(Path(path))[0].get("about", {})


def _read(path: Path) -> tuple[nn.Module, TrainingState | None]:
    config, tensors = _read_verified(path)
    weights = {name.removeprefix(MODEL): tensor for name, tensor in tensors.items() if name.startswith(MODEL)}
    try:
        with torch.random.fork_rng(devices=[]):              # the fresh weights, overwritten at once, cost no random numbers
            model = build(config["model"])
        model.load_state_dict(weights)                       # copies into float32 parameters
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path} cannot be rebuilt: {' '.join(str(error).split())[:300]}") from error
    training = None
    if "training" in config:
        extra = {name.removeprefix(TRAINING): tensor for name, tensor in tensors.items() if name.startswith(TRAINING)}
        training = TrainingState(extra, config["training"])
    return model.eval(), training


def _read_verified(path: Path) -> tuple[dict, dict[str, Tensor]]:
    """The JSON and the tensors of a file whose checksum holds."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except SafetensorError as error:
        raise CheckpointError(f"{path} is truncated, damaged or no safetensors file: {error}") from error
    if metadata.get("format") != FORMAT:
        raise CheckpointError(f"{path} is a safetensors file, but not a {FORMAT} (its format says {metadata.get('format')!r})")
    if metadata.get("sha256") != _digest(metadata.get("config", ""), tensors):
        raise CheckpointError(f"{path} is damaged: its content does not match its own SHA-256")
    return json.loads(metadata["config"]), tensors


def _stored(name: str, tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
    """A plain copy, on the CPU, with floats in `dtype`."""
    tensor = tensor.detach().cpu()
    if dtype is not None and tensor.is_floating_point():
        if tensor.abs().max() > torch.finfo(dtype).max:
            raise ValueError(f"{name} holds {float(tensor.abs().max()):g}, but {dtype} ends at {torch.finfo(dtype).max:g}")
        tensor = tensor.to(dtype)
    return tensor.clone(memory_format=torch.contiguous_format)


def _digest(text: str, tensors: dict[str, Tensor]) -> str:
    """SHA-256 over the JSON and, in the order of their names, each tensor's name, type, shape and bytes."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"\n{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _in_fixed_order(content: bytes) -> bytes:
    """The same safetensors file with its header sorted: the library's order of metadata is random, so that saving one
    model twice would give two different files. (The format: 8 bytes for the header's length, the header, the tensors.)"""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8:end]), sort_keys=True).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + content[end:]
