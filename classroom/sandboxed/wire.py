"""What goes through the pipe between the examiner and the sandbox.

Into the sandbox go pickled messages: whoever unpickles them is the one who is not trusted. Out of it comes JSON only,
made of the plain values below, and nothing in it can be more than data: numbers, words, lists, tensors, and tokens
for functions that stay inside.
"""

import base64
import itertools
import json
import os
import types

import numpy
import torch

LARGEST = 64 * 2**20                                         # bytes of one message out of the sandbox
DTYPES = {str(d).split(".")[1]: d for d in (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.bool, torch.uint8,
                                            torch.int8, torch.int16, torch.int32, torch.int64, torch.complex64, torch.complex128)}
ITEMS = 10_000                                               # how far an endless generator is followed
DEEPEST = 20


class Garbage(Exception):
    """What came out of the sandbox is not a message."""


class Opaque:
    """Some object that stayed inside the sandbox. It is only good for being named."""

    def __init__(self, kind: str, text: str):
        self.text = text
        self.__class__ = type(kind if kind.isidentifier() else "Opaque", (Opaque,), {})

    def __repr__(self) -> str:
        return self.text


def send(file: int, message: bytes) -> None:
    """Writes one message: its length in 8 bytes, then itself."""
    rest = memoryview(len(message).to_bytes(8, "big") + message)
    while rest:
        rest = rest[os.write(file, rest):]


def receive(file: int) -> bytes:
    """Reads one message. Raises EOFError where the other side is gone, Garbage where the message is too long."""
    length = int.from_bytes(_exactly(file, 8), "big")
    if length > LARGEST:
        raise Garbage(f"a message of {length} bytes")
    return _exactly(file, length)


def _exactly(file: int, length: int) -> bytes:
    parts = []
    while length:
        part = os.read(file, min(length, 2**20))
        if not part:
            raise EOFError
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


def encode(value, functions: list, depth: int = 0):
    """A value as JSON can hold it. What can be called is put into `functions` and becomes its index."""
    def more(items):
        return [encode(item, functions, depth + 1) for item in items]

    if value is None or type(value) in (bool, int, float, str):
        return {"plain": value}
    if value is ...:
        return {"ellipsis": True}
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().contiguous()
        if value.dtype not in DTYPES.values():               # such as uint16
            value = value.to(torch.float64 if value.is_floating_point() else torch.int64)
        data = value.reshape(-1).view(torch.uint8).numpy().tobytes() if value.numel() else b""
        return {"tensor": str(value.dtype).split(".")[1], "shape": list(value.shape), "data": base64.b64encode(data).decode()}
    if isinstance(value, (numpy.ndarray, numpy.generic)) and value.dtype.kind in "biufc":
        return encode(torch.from_numpy(numpy.array(value)), functions) if value.ndim else encode(value.item(), functions)
    if depth < DEEPEST and isinstance(value, (list, tuple, set, frozenset, range)):
        return {"tuple" if isinstance(value, tuple) else "list": more(list(value)[:ITEMS])}
    if depth < DEEPEST and isinstance(value, types.GeneratorType):
        return {"list": more(itertools.islice(value, ITEMS))}
    if depth < DEEPEST and isinstance(value, dict):
        return {"dict": [more(pair) for pair in list(value.items())[:ITEMS]]}
    if callable(value):
        functions.append(value)
        return {"function": len(functions) - 1, "name": str(getattr(value, "__name__", type(value).__name__))[:80]}
    if isinstance(value, (int, float, str, bool)):           # a number of some class of the student's own
        return encode(next(kind for kind in (bool, int, float, str) if isinstance(value, kind))(value), functions)
    return {"opaque": type(value).__name__[:80], "text": repr(value)[:80]}


def decode(data, stand_in, depth: int = 0):
    """The value behind `encode`'s answer. stand_in: (token, name) -> what stands for a function inside. Raises Garbage."""
    if not isinstance(data, dict) or depth > DEEPEST:
        raise Garbage("not a value")
    kind = next(iter(data), "")
    if kind == "plain" and (data[kind] is None or type(data[kind]) in (bool, int, float, str)):
        return data[kind]
    if kind == "ellipsis":
        return ...
    if kind == "tensor":
        return _tensor(data)
    if kind in ("list", "tuple") and isinstance(data[kind], list):
        return (tuple if kind == "tuple" else list)(decode(item, stand_in, depth + 1) for item in data[kind])
    if kind == "dict" and isinstance(data[kind], list):
        try:
            return {decode(key, stand_in, depth + 1): decode(value, stand_in, depth + 1) for key, value in data[kind]}
        except (TypeError, ValueError) as error:
            raise Garbage(f"no dictionary: {error}") from None
    if kind == "function" and type(data[kind]) is int:
        return stand_in(data[kind], str(data.get("name")))
    if kind == "opaque":
        return Opaque(str(data[kind]), str(data.get("text")))
    raise Garbage("not a value")


def _tensor(data: dict) -> torch.Tensor:
    try:
        dtype, shape, content = DTYPES[data["tensor"]], data["shape"], base64.b64decode(data["data"], validate=True)
        if not all(type(n) is int and 0 <= n <= LARGEST for n in shape):
            raise ValueError("no shape")
        flat = torch.frombuffer(bytearray(content), dtype=torch.uint8) if content else torch.zeros(0, dtype=torch.uint8)
        return flat.view(dtype).reshape(shape).clone()
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise Garbage(f"no tensor: {error}") from None


def parse(message: bytes) -> dict:
    """A message out of the sandbox. Raises Garbage."""
    try:
        data = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise Garbage(f"no JSON: {error}"[:80]) from None
    if not isinstance(data, dict):
        raise Garbage("not a message")
    return data
