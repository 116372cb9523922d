"""The book's models outside Python: one flat file of numbers, and a small engine that runs it in a page.

    unet.wasm     the network in WebAssembly, made from engine/unet.c by engine/build.py
    engine.js     JavaScript around it: reads the file, the words of a prompt, and walks from static to picture
    pack(model)   a model as the file that both read

The file: length of the JSON (uint32), the JSON, filled up with spaces to a multiple of 8; the walks (float64); the
weights (float16), in the order in which one answer of the network asks for them. The walks are the schedule as numbers,
so that JavaScript needs to know neither schedules nor what a network's output means: for 1, 2, ... 50 steps, a row
(alpha, sigma, a, b) a stop, which is the 2x2 matrix of process.py. A judge has no walks.
"""

import json
import re
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..conditioning import AttributeConditioner, TextConditioner
from ..denoisers import NeuralDenoiser
from ..networks.attention import Attention
from ..networks.classifier import Classifier
from ..networks.text import TextEncoder
from ..networks.unet import UNet
from ..process import coefficients
from ..schedules import uniform_times
from ..words import Vocabulary

FOLDER = Path(__file__).parent
MOST_STEPS = 50
LEVELS, DEPTH, HEAD = 8, 64, 32                              # as in engine/unet.c


def wasm() -> bytes:
    """The engine: a WebAssembly module."""
    return (FOLDER / "unet.wasm").read_bytes()


def module_source() -> str:
    """The engine's JavaScript; it needs figures/js/_shared.js before it."""
    return (FOLDER / "engine.js").read_text(encoding="utf-8")


def is_asked_for(source: str) -> bool:
    """Whether a figure's JavaScript opens a model, and so needs `module_source` before it."""
    return re.search(r"\bopen(Model|Judge|Both)\(", source) is not None


def pack(model: NeuralDenoiser, size: int = 32) -> bytes:
    """A model as the engine reads it. Weights are rounded to float16: of the shipped models, which are float16, nothing is lost.

    model: a U-Net's denoiser, without a condition, or with attributes or a text. size: height and width of its pictures.
    Raises ValueError for a network that engine/unet.c cannot run.
    """
    network = model.network
    shape = shape_of(network, size)
    weights = in_order(network, torch.zeros(1, network.config.channels, size, size), torch.zeros(1))
    return _file(weights, walks_of(model), shape=shape, steps=MOST_STEPS, data_std=model.data_std, wish=_wish(network.conditioner))


def pack_judge(judge: Classifier, questions: Mapping[str, Sequence[str]]) -> bytes:
    """A judge of pictures as the engine reads it: its answers are a number for each answer to each question, one question after the other.

    questions: what it is asked, and the answers in their order. Raises ValueError where these are not the judge's, and for a
    judge that engine/unet.c cannot run.
    """
    config = judge.config
    if type(judge) is not Classifier or config.side != 32 and config.side % 64:
        raise ValueError(f"judge is a {type(judge).__name__} of {config.side} pixels, but the engine runs a Classifier of 32 or a multiple of 64")
    if tuple(map(len, questions.values())) != config.sizes:
        raise ValueError(f"questions have {[*map(len, questions.values())]} answers, but the judge gives {list(config.sizes)}")
    body, heads = [], list(judge.heads.parameters())
    for weight in in_order(judge, torch.zeros(1, config.channels, config.side, config.side)):
        if not any(weight is own for own in heads):
            body.append(weight)
    shape = [config.channels, config.side, config.width, 0, 0, config.features, 0, 0, sum(config.sizes)]
    questions = {question: list(answers) for question, answers in questions.items()}
    return _file([*body, *heads[::2], *heads[1::2]], torch.zeros(0, 4), shape=shape, steps=0, answers=sum(config.sizes), questions=questions)


def _file(weights: list[Tensor], walks: Tensor, **about) -> bytes:
    """The head (its length, JSON, blanks) and the two blocks of numbers."""
    halves = torch.cat([weight.detach().flatten() for weight in weights]).numpy().astype("<f2")
    content = walks.numpy().astype("<f8").tobytes() + halves.tobytes() + bytes(halves.nbytes % 4)
    head = {"format": 2, **about, "weights": halves.size, "sum": checksum(content)}
    text = json.dumps(head, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-(len(text) + 4) % 8)
    return struct.pack("<I", len(text)) + text + content


def checksum(content: bytes) -> int:
    """Sum of w_i (2 i + 1) modulo 2^32 over 32-bit words: a change of any one word changes it. content: whole words."""
    words = np.frombuffer(content, "<u4")
    return int((words * (2 * np.arange(len(words), dtype=np.uint32) + 1)).sum(dtype=np.uint32))


def walks_of(model: NeuralDenoiser) -> Tensor:
    """The schedule at the stops of `uniform_times(n)`, n = 1 ... 50, one walk after the other.

    Returns (rows, 4) float64: alpha, sigma, a, b.
    """
    times = torch.cat([uniform_times(steps) for steps in range(1, MOST_STEPS + 1)])
    at = coefficients(model.schedule, times, torch.zeros(len(times), dtype=torch.float64))
    return torch.stack([at.alpha, at.sigma, *model.parameterization.row(at)], dim=1)


def shape_of(network: UNet, size: int) -> list[int]:
    """The whole numbers at the head of engine/unet.c, in its order."""
    if not isinstance(network, UNet):
        raise ValueError(f"the network is a {type(network).__name__}, but the engine runs a UNet")
    config, conditioner = network.config, network.conditioner
    if size % (8 * config.factor):
        raise ValueError(f"size is {size}, but the engine works on eight places at once: it has to be a multiple of {8 * config.factor}")
    if len(config.widths) > LEVELS or sum(config.blocks) > DEPTH:
        raise ValueError(f"blocks is {config.blocks}, but the engine has room for {LEVELS} levels and {DEPTH} blocks")
    attending = (module for module in network.modules() if isinstance(getattr(module, "attend", None), Attention))
    heads = {module.out.in_features // module.attend.heads for module in attending}
    if heads - {HEAD}:
        raise ValueError(f"attention has heads of {sorted(heads)} channels, but the engine's have {HEAD}")
    if conditioner and conditioner.width % 8:
        raise ValueError(f"the conditioner's width is {conditioner.width}, but the engine needs a multiple of 8")
    text = isinstance(conditioner, TextConditioner)
    rows = (len(conditioner.vocabulary.words) + 1 if text else conditioner.table.num_embeddings) if conditioner else 0
    reads = [level in config.reads for level in range(len(config.widths))]
    levels = [int(value) for row in (config.widths, config.blocks, config.attention, reads) for value in (*row, *[0] * (LEVELS - len(row)))]
    return [config.channels, size, config.stem, config.patch, int(config.places), config.embedding, len(network.log_snr.frequencies),
            conditioner.width if conditioner else 0, rows, *((conditioner.vocabulary.length, conditioner.layers) if text else (0, 0)),
            len(config.widths), *levels]


def in_order(network: nn.Module, *question: Tensor) -> list[Tensor]:
    """All weights, in the order in which the answer to a question, the network's arguments, asks for them."""
    asked: dict[str, Tensor] = {}

    def listen(module: nn.Module, name: str):
        def hook(*_):
            if isinstance(module, TextEncoder):              # it reads the positions without calling them
                asked[f"{name}.positions.weight"] = module.positions.weight
            asked.update((f"{name}.{own}", weight) for own, weight in module.named_parameters(recurse=False))
        return module.register_forward_pre_hook(hook)

    hooks = [listen(module, name) for name, module in network.named_modules()]
    try:
        with torch.no_grad():
            network(*question)
    finally:
        for hook in hooks:
            hook.remove()
    missing = [name for name, _ in network.named_parameters() if name not in asked]
    if missing:
        raise ValueError(f"the network has weights that no answer asks for: {', '.join(missing)}")
    return list(asked.values())


def words_of(vocabulary: Vocabulary) -> dict:
    """A vocabulary and its sense, as the page reads with them; what a word means is a number there."""
    meanings = list(dict.fromkeys(vocabulary.means.values()))
    means = [(word, meanings.index(meaning)) for word, meaning in vocabulary.means.items()]
    return {"words": vocabulary.words, "length": vocabulary.length,
            "sense": [means, list(vocabulary.instead.items()), list(vocabulary.subjects), vocabulary.repairable, vocabulary.telling]}


def _wish(conditioner) -> dict:
    """What JavaScript has to know to turn a wish into rows of a table."""
    if isinstance(conditioner, TextConditioner):
        return words_of(conditioner.vocabulary)
    return {"sizes": list(conditioner.sizes)} if isinstance(conditioner, AttributeConditioner) else {}
