"""Training as a generator: every optimizer step is handed to the caller, who may plot, sample, stop or go on.

    for step in train(model, dataset, TrainConfig(steps=5_000)):
        ...                                                  # step.loss, step.ema, step.history

The batch, the times and the noise of step n are functions of (seed, n) alone, so a run that was killed and resumed is
the run that was never interrupted: bit for bit on one CPU. Several processes (Accelerate) share each batch and
average their gradients; the networks here are small enough to do that in one go, without wrapping the model.
"""

import functools
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, fields
from numbers import Integral
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from .averaging import EMA
from .batching import batches
from .checkpoints import TrainingState, describe, load_training, save_checkpoint
from .hardware import fastest_dtype, keep_freed_memory
from .losses import LossTerms, diffusion_loss, stratified_t
from .optimizers import OPTIMIZERS
from .random import MASK, torch_generator

Loss = Callable[..., LossTerms]                              # (model, x0, cond, generator=...) -> LossTerms
TIME_BINS = 10                                               # equal parts of [0, 1] in which the loss is recorded

# Noise and times as in `diffusion_loss`; one wish in ten is not told, so that guidance works later.
DENOISING = functools.partial(diffusion_loss, times=stratified_t, cond_dropout=0.1)


@dataclass(frozen=True)
class TrainConfig:
    """How long and how fast to learn. Give `steps`, or `minutes`, or both (the first to be reached ends the run).

    batch_size: pictures a step, over all processes. lr: the highest learning rate; it rises to it over `warmup` steps
    and falls to 0 in a straight line over the last `cooldown` share of the run. optimizer: a name in `OPTIMIZERS`.
    weight_decay: of the optimizer. grad_clip: the longest gradient; None for any length. ema_decay: in [0, 1), of the averaged
    weights. seed: of data order, times and noise, in [0, 2^32).
    channels_last: whether the numbers of one place lie side by side in memory, rather than those of one channel; the
    networks here take shorter steps so. dtype: "float32", "bfloat16" or "float16" for the network's arithmetic (the
    weights stay float32); None takes the fastest that the device is good at. compile: whether torch.compile translates
    the network first (a minute; then faster on a GPU). workers: processes that prepare batches ahead. log_every:
    steps a row of the history.
    checkpoint_every, checkpoint_minutes: how often the file is written, in steps and in minutes; None for never.
    Raises ValueError where a number makes no sense.
    """

    steps: int | None = None
    minutes: float | None = None
    batch_size: int = 64
    lr: float = 1e-3
    warmup: int = 200
    cooldown: float = 0.5
    optimizer: str = "adamw"
    weight_decay: float = 0.01
    grad_clip: float | None = 1.0
    ema_decay: float = 0.999
    seed: int = 0
    channels_last: bool = True
    dtype: str | None = None
    compile: bool = False
    workers: int = 0
    log_every: int = 20
    checkpoint_every: int | None = None
    checkpoint_minutes: float | None = 5.0

    def __post_init__(self):
        if self.steps is None and self.minutes is None:
            raise ValueError("steps and minutes are both missing, but a run has to end: give one of them")
        optional = ("steps", "minutes", "grad_clip", "checkpoint_every", "checkpoint_minutes")
        for name in ("steps", "batch_size", "warmup", "seed", "workers", "log_every", "checkpoint_every"):
            value = getattr(self, name)
            _require(isinstance(value, Integral) or (value is None and name in optional), name, value, "has to be a whole number")
        for name in ("batch_size", "lr", "log_every", *optional):
            value = getattr(self, name)
            _require(value > 0 if value is not None else name in optional, name, value, "has to be above 0")
        for name in ("warmup", "weight_decay", "workers"):
            _require(getattr(self, name) >= 0, name, getattr(self, name), "cannot be negative")
        _require(0 <= self.seed <= MASK, "seed", self.seed, f"has to lie between 0 and {MASK}")
        _require(0 < self.cooldown <= 1, "cooldown", self.cooldown, "is a share of the run, above 0 and at most 1")
        _require(0 <= self.ema_decay < 1, "ema_decay", self.ema_decay, "has to lie in [0, 1)")
        _require(self.optimizer in OPTIMIZERS, "optimizer", self.optimizer, f"has to be one of {tuple(OPTIMIZERS)}")
        known = (None, "float32", "bfloat16", "float16")
        _require(self.dtype in known, "dtype", self.dtype, f"has to be one of {known[1:]}, or None for the fastest")

    def progress(self, steps: int, seconds: float) -> float:
        """The share of the run that is over after so many steps and seconds, in [0, 1]."""
        by_steps = steps / self.steps if self.steps else 0.0
        by_clock = seconds / (60 * self.minutes) if self.minutes else 0.0
        return min(1.0, max(by_steps, by_clock))

    def learning_rate(self, steps: int, seconds: float) -> float:
        """The learning rate of the step that follows so many steps and seconds."""
        rise = min(1.0, (steps + 1) / self.warmup) if self.warmup else 1.0
        return self.lr * rise * min(1.0, (1 - self.progress(steps, seconds)) / self.cooldown)


def _require(holds: bool, name: str, value, rule: str) -> None:
    if not holds:
        raise ValueError(f"{name} is {value!r}, but it {rule}")


@dataclass(frozen=True)
class History:
    """The run so far, one entry in each list for every `log_every` steps; a checkpoint on the way, and the end, add one of the
    fewer steps since the last.

    step, seconds, pictures: where the run stood. loss: mean of those steps. loss_by_t: the same in each tenth of [0, 1],
    TIME_BINS numbers (NaN where no time fell). grad_norm: before clipping. lr: learning rate.
    """

    step: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    pictures: list[int] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    loss_by_t: list[list[float]] = field(default_factory=list)
    grad_norm: list[float] = field(default_factory=list)
    lr: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class TrainStep:
    """One step of training. index: counted from 1. ema: the model with averaged weights, in evaluation mode (it goes on
    changing as the run does). lr: its learning rate. progress: share of the run that is over. history: the run so far."""

    index: int
    terms: LossTerms
    lr: float
    progress: float
    ema: nn.Module
    history: History

    @property
    def loss(self) -> float:
        """The mean loss of this step's batch. (On a GPU, reading it waits for the step to finish.)"""
        return float(self.terms.mean)


class _Run:
    """Everything that changes while a model learns, and the one step that changes it."""

    def __init__(self, model: nn.Module, config: TrainConfig, accelerator):
        self.config, self.accelerator = config, accelerator
        self.rank, self.processes = (accelerator.process_index, accelerator.num_processes) if accelerator else (0, 1)
        self.device = accelerator.device if accelerator else next(model.parameters()).device
        self.model = model.to(self.device, memory_format=torch.channels_last if config.channels_last else torch.contiguous_format)
        self.dtype = getattr(torch, config.dtype) if config.dtype else fastest_dtype(self.device)
        self.ema, self.history = EMA(model, config.ema_decay), History()
        self.optimizer = OPTIMIZERS[config.optimizer](model, config.weight_decay)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.dtype == torch.float16)
        self.steps, self.seconds = 0, 0.0
        self.unlogged: list[tuple[LossTerms, Tensor]] = []

    def advance(self, batch, loss: Loss, lr: float) -> LossTerms:
        """One step: noise, answer, error, gradient, weights, averaged weights."""
        x0, cond = (self._moved(part) for part in (batch if isinstance(batch, tuple | list) else (batch, None)))
        # Noise is drawn where it is needed on CUDA; other accelerators lack the float64 that times are drawn in.
        noise_device = self.device if self.device.type == "cuda" else "cpu"
        generator = torch_generator(self.config.seed, self.steps * self.processes + self.rank, noise_device)
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            terms = loss(self.model, x0, cond, generator=generator)
        self.scaler.scale(terms.mean).backward()
        if self.processes > 1:
            self._reduce([parameter.grad for parameter in self.model.parameters() if parameter.requires_grad], "mean")
        self.scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.config.grad_clip or math.inf)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()
        self.ema.update(self.model)
        self.steps += 1
        terms = LossTerms(*(term.detach() for term in terms))
        self.unlogged.append((terms, norm))
        return terms

    def log(self) -> None:
        """Add a row to the history: the only place where a GPU is waited for."""
        if not self.unlogged:
            return
        per_sample = torch.cat([terms.per_sample.float() for terms, _ in self.unlogged]).cpu()
        t = torch.cat([terms.t for terms, _ in self.unlogged]).cpu()
        norm = torch.stack([norm for _, norm in self.unlogged]).mean()
        self.unlogged.clear()
        loss = float(per_sample.mean())
        if not math.isfinite(loss):                          # the scaler deals with gradients that overflow, not with this
            raise FloatingPointError(f"the loss is {loss} at step {self.steps}: a lower lr ({self.config.lr:g} now) or a longer warmup may help")
        bins = [per_sample[(t * TIME_BINS).long().clamp(max=TIME_BINS - 1) == k].mean() for k in range(TIME_BINS)]
        row = (self.steps, self.seconds, self.steps * self.config.batch_size, loss, [float(b) for b in bins], float(norm),
               self.optimizer.param_groups[0]["lr"])
        for column, value in zip(fields(self.history), row):
            getattr(self.history, column.name).append(value)

    def save(self, path: str | Path) -> None:
        """Write a checkpoint: the averaged model, and all that `restore` needs. Only the first process writes."""
        self.log()
        if self.rank:
            return
        tensors = {f"weights.{name}": tensor for name, tensor in self.model.state_dict().items()}
        for index, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": tensor for name, tensor in moments.items()}
        values = {"config": asdict(self.config), "steps": self.steps, "seconds": self.seconds, "updates": self.ema.updates,
                  "scaler": self.scaler.state_dict(), "history": asdict(self.history)}
        save_checkpoint(path, self.ema.model, training=TrainingState(tensors, values))

    def restore(self, path: str | Path) -> None:
        """Go back to where a checkpoint was written. Raises ValueError where it belongs to another run."""
        averaged, state = load_training(path)
        if describe(averaged) != describe(self.model):
            raise ValueError(f"{path} holds another model than the one to be trained: {describe(averaged)} instead of {describe(self.model)}")
        for name in ("seed", "batch_size", "optimizer"):
            if state.values["config"].get(name) != getattr(self.config, name):
                raise ValueError(f"{name} is {getattr(self.config, name)}, but the run in {path} was begun with {state.values['config'].get(name)}")
        self.ema.model.load_state_dict(averaged.state_dict())
        self.model.load_state_dict({name.removeprefix("weights."): tensor for name, tensor in state.tensors.items() if name.startswith("weights.")})
        for index, parameter in enumerate(self.model.parameters()):
            moments = {name.split(".")[2]: tensor for name, tensor in state.tensors.items() if name.startswith(f"optimizer.{index}.")}
            self.optimizer.state[parameter] = {name: _like(parameter, tensor) for name, tensor in moments.items()}
        self.steps, self.seconds, self.ema.updates = (state.values[name] for name in ("steps", "seconds", "updates"))
        self.scaler.load_state_dict(state.values["scaler"])
        self.history = History(**state.values["history"])

    def share_weights(self) -> None:
        """Give every process the weights of the first one."""
        with torch.no_grad():
            self._reduce([p.mul_(self.rank == 0) for p in self.model.parameters()], "sum")
            self.ema.model.load_state_dict(self.model.state_dict())

    def _reduce(self, tensors: list[Tensor], reduction: str) -> None:
        """Replace tensors by their sum or mean over all processes, sent as one."""
        flat = self.accelerator.reduce(torch.cat([tensor.reshape(-1) for tensor in tensors]), reduction)
        for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors])):
            tensor.copy_(part.view(tensor.shape))

    def _moved(self, part):
        return part.to(self.device, non_blocking=True) if isinstance(part, Tensor) else part


def _like(parameter: Tensor, tensor: Tensor) -> Tensor:
    """`tensor`, on the device and (where the shapes agree) in the memory layout of `parameter`."""
    return torch.empty_like(parameter).copy_(tensor) if tensor.shape == parameter.shape else tensor.to(parameter.device)


def train(model: nn.Module, dataset: Dataset, config: TrainConfig, *, loss: Loss = DENOISING, accelerator=None,
          checkpoint: str | Path | None = None, resume: str | Path | None = None,
          clock: Callable[[], float] = time.monotonic) -> Iterator[TrainStep]:
    """Train a model in place, yielding after each step.

    model: a `NeuralDenoiser`, or whatever `loss` understands; it is trained on the device where its weights are.
    dataset: map-style, of pictures (C, H, W) in [-1, 1] or of pairs (picture, condition); see `batches`. loss:
    (model, x0, cond, generator=...) -> LossTerms; `DENOISING` is uniform in time. accelerator: an
    `accelerate.Accelerator`, for several processes. checkpoint: the file that is written from time to time and at the
    end; `load_checkpoint` reads it as the averaged model. resume: such a file, to go on from. clock: what the run's
    seconds are read from; with `time.process_time` they are its own CPU time, whatever else the machine does.

    Raises ValueError where the checkpoint belongs to another model, seed or batch size, and FloatingPointError where the
    loss is no longer a number.
    """
    run = _Run(model, config, accelerator)
    if run.processes > 1:
        _require(config.minutes is None, "minutes", config.minutes, f"has to be left out, in favour of steps, where {run.processes} processes learn")
        _require(config.batch_size % run.processes == 0, "batch_size", config.batch_size, f"has to be a multiple of the {run.processes} processes")
        run.share_weights()
    if resume is not None:
        run.restore(resume)
    if run.device.type == "cpu":
        keep_freed_memory()
    if config.compile:
        getattr(model, "network", model).compile()
    saved, begun = time.monotonic(), clock() - run.seconds
    source = batches(dataset, config.batch_size, config.seed, start=run.steps, rank=run.rank, processes=run.processes,
                     workers=config.workers)
    while config.progress(run.steps, run.seconds) < 1:
        lr = config.learning_rate(run.steps, run.seconds)
        terms = run.advance(next(source), loss, lr)
        run.seconds = clock() - begun
        if run.steps % config.log_every == 0:
            run.log()
        if checkpoint is not None and _due(config, run.steps, time.monotonic() - saved):
            run.save(checkpoint)
            saved = time.monotonic()
        yield TrainStep(run.steps, terms, lr, config.progress(run.steps, run.seconds), run.ema.model, run.history)
    if checkpoint is not None:
        run.save(checkpoint)


def _due(config: TrainConfig, steps: int, seconds_since: float) -> bool:
    """Whether it is time for a checkpoint."""
    by_steps = config.checkpoint_every is not None and steps % config.checkpoint_every == 0
    return by_steps or (config.checkpoint_minutes is not None and seconds_since > 60 * config.checkpoint_minutes)
