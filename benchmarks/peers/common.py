"""What all libraries are given alike: the pictures, the conditions, the clock, the question asked of the network.

Every peer's network is wrapped as one of our denoisers, `NeuralDenoiser(network, schedule, parameterization)`: the
library's own arithmetic behind our interface. `agrees` holds the wrapping against the library's own functions.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from diffusion_lib.batching import batches
from diffusion_lib.conditioning import UNSAID
from diffusion_lib.data.pets import SIZES, PartyPets
from diffusion_lib.denoisers import NeuralDenoiser
from diffusion_lib.hardware import fastest_dtype
from diffusion_lib.process import diffuse

SIZE, SILENT, GUIDANCE = 32, 0.1, 2.0                        # pixels; the share of pictures of which nothing is told
# Of a norm, in networks that are a quarter as wide as those of their documentation: a quarter of its 32, so 4 and 8 channels to a group
# as there. 32 would leave one, whose mean the norm takes away, and with it what the embedding of time and wish had just added.
GROUPS = 8
PARTS = ("data", "optimizer", "averaging")                   # of a step's time; the rest is the network's


class Stopwatch:
    """CPU seconds of this process, but for what happens while it is paused. `parts` says where they went."""

    def __init__(self):
        self.begun, self.parts, self.inside = time.process_time(), dict.fromkeys(PARTS, 0.0), False

    def __call__(self) -> float:
        return time.process_time() - self.begun

    def set(self, seconds: float) -> None:
        """Go on as if so many seconds had passed."""
        self.begun = time.process_time() - seconds

    @contextmanager
    def paused(self) -> Iterator[float]:
        """Stand still for what happens inside; gives the seconds at which it stands."""
        seconds = self()
        yield seconds
        self.set(seconds)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count what happens inside as `name`; a part inside a part is the outer one's."""
        outermost, begun = not self.inside, self()
        self.inside = True
        yield
        if outermost:
            self.inside = False
            self.parts[name] += self() - begun

    def timed(self, name: str, function: Callable) -> Callable:
        """The same function, counted as a part."""
        def counted(*arguments, **named):
            with self.part(name):
                return function(*arguments, **named)
        return counted

    def watch_optimizers(self) -> None:
        """Count the steps of all optimizers, whoever makes them."""
        entered: list = []

        def before(*_):
            entered.append(self.part("optimizer"))
            entered[-1].__enter__()

        register_optimizer_step_pre_hook(before)
        register_optimizer_step_post_hook(lambda *_: entered.pop().__exit__(None, None, None))


class TimedPets(PartyPets):
    """The pictures of our recipe, recipes/pets32-sprint.toml; drawing them is timed."""

    def __init__(self, watch: Stopwatch):
        super().__init__(SIZE, unsaid=0.15)
        self.watch = watch

    def __getitems__(self, indices):
        with self.watch.part("data"):
            return super().__getitems__(indices)


class Desk:
    """What lies before a pupil: the clock, the pictures, and the folder in which an interrupted run left its state."""

    def __init__(self, folder: Path):
        self.folder, self.watch = folder, Stopwatch()
        self.pets = TimedPets(self.watch)


class View(NamedTuple):
    """What a library itself says of a picture that it noised itself: log-SNR (B,), and its guess of the noise (B, C, H, W)."""

    log_snr: Tensor
    eps: Tensor


class Pupil(ABC):
    """A model that a library is teaching. Each adapter has one, `Taught`.

    settings: one of the library's choices in settings.toml. seed: of weights, times and noise. minutes: of the run.
    """

    sampler = ""                                             # the library's own, of `draws`

    def __init__(self, settings: dict, seed: int, minutes: float, desk: Desk):
        self.settings, self.seed, self.minutes, self.desk, self.steps = settings, seed, minutes, desk, 0
        self.data: Iterator | None = None

    @property
    def pictures(self) -> int:
        return self.steps * self.settings["batch"]

    def lesson(self, progress: float) -> Tensor:
        """One step of training at a share of the run in [0, 1); its loss."""
        if self.data is None:
            self.data = batches(self.desk.pets, self.settings["batch"], self.seed, start=self.steps)
        loss = self.teach(*next(self.data), progress)
        self.steps += 1
        return loss.detach()

    @abstractmethod
    def teach(self, x0: Tensor, cond: Tensor, progress: float) -> Tensor:
        """The same, of pictures x0 (B, 3, 32, 32) in [-1, 1] and their attributes cond (B, A)."""

    @abstractmethod
    def averaged(self) -> NeuralDenoiser:
        """A copy with averaged weights, asked as ours are."""

    @abstractmethod
    def keeps(self) -> dict:
        """What a run needs to go on: things with state_dict and load_state_dict, by name."""

    @abstractmethod
    def view(self, model: NeuralDenoiser, x0: Tensor, eps: Tensor, share: float, cond: Tensor) -> View:
        """What the library's own functions say of x0 with noise eps, at a share of its noise levels. model: of `averaged`."""

    @abstractmethod
    def draws(self, model: NeuralDenoiser, cond: Tensor) -> Tensor:
        """Pictures by the library's own `sampler`, with a guidance of 2."""


# What adapters share -------------------------------------------------------------------------------------------------

class AttributeSum(nn.Module):
    """The class embedding of the libraries, for seven classes at once: the sum of one learned vector each, or of "unsaid".

    (B, A) integers, -1 for "unsaid" -> (B, width).
    """

    def __init__(self, width: int):
        super().__init__()
        rows = torch.tensor([size + 1 for size in SIZES])
        self.register_buffer("unsaid", rows.cumsum(0) - rows, persistent=False)
        self.table = nn.Embedding(int(rows.sum()), width)
        nn.init.normal_(self.table.weight, std=len(SIZES) ** -0.5)

    def forward(self, cond: Tensor) -> Tensor:
        return self.table(cond - UNSAID + self.unsaid).sum(1)


def silenced(cond: Tensor | None, keep: Tensor | None, batch: int) -> Tensor:
    """The conditions, with all attributes unsaid where keep is False (or where there is no condition)."""
    if cond is None:
        return torch.full((batch, len(SIZES)), UNSAID)
    return cond if keep is None else torch.where(keep[:, None], cond, UNSAID)


def told(cond: Tensor) -> Tensor:
    """The conditions of a training batch, for libraries that drop none themselves."""
    return silenced(cond, torch.rand(len(cond)) >= SILENT, len(cond))


class Steps:
    """Which of a library's numbered steps has a log-SNR: between two of them, in a straight line.

    alphas_cumprod: (T,), the library's own.
    """

    def __init__(self, alphas_cumprod: Tensor):
        bar = alphas_cumprod.double()
        self.log_snr = torch.log(bar) - torch.log1p(-bar)    # (T,), falling

    def __call__(self, log_snr: Tensor) -> Tensor:
        rising, wanted = self.log_snr.flip(0), log_snr.double().clamp(self.log_snr[-1], self.log_snr[0])
        after = torch.searchsorted(rising, wanted).clamp(1, len(rising) - 1)
        place = after - 1 + (wanted - rising[after - 1]) / (rising[after] - rising[after - 1])
        return (len(rising) - 1 - place).float()


def mixed_precision() -> str:
    """What accelerate calls the number type that ours trains in on this machine."""
    return {torch.bfloat16: "bf16", torch.float16: "fp16"}.get(fastest_dtype(torch.device("cpu")), "no")


def warm_decay(decay: float, n: int) -> float:
    """Of averaged weights, after n updates, with the warm-up that most libraries have: min(decay, (1 + n) / (10 + n))."""
    return min(decay, (1 + n) / (10 + n))


# The proof that the wrapping is right ----------------------------------------------------------------------------------

def agrees(pupil: Pupil, model: NeuralDenoiser) -> float:
    """The largest difference between the noise that the library itself guesses and what the wrapped network does, over its size."""
    generator = torch.Generator().manual_seed(5)
    x0, cond = PartyPets(SIZE, split="validation").batch(range(4))
    eps, worst = torch.randn(x0.shape, generator=generator), 0.0
    for share in (0.1, 0.5, 0.8):
        with torch.no_grad():
            view = pupil.view(model, x0, eps, share, cond)
            t = model.schedule.time_of(view.log_snr)
            belief = model(diffuse(x0, eps, t, model.schedule), t, cond)
        worst = max(worst, float((belief.eps - view.eps).abs().max() / view.eps.square().mean().sqrt()))
    return worst
