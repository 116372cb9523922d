"""What a check answers: a verdict in plain words.

A check looks at what a reader wrote, compares it with the right answer and with the wrong answers that people often
give, and says which one it is. Inside a check, `call`, `same` and `Wrong` do the work; `@check` turns whatever happens
into one `Verdict`. While somebody is learning, nothing raises and the notebook runs on. Where answers are graded
(nbgrader) and where the book is built (its own solutions have to be right), anything but a pass raises.
"""

import functools
import os
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

STRICT = ("NBGRADER_EXECUTION", "BOOK_BUILD")                # set by nbgrader and by the build of the book
MARKS = {True: "✓ Right.", False: "✗ Not yet.", None: "○ Not attempted yet."}


class CheckFailed(AssertionError):
    """Raised in place of a verdict that is not a pass, where answers are graded."""


class Wrong(Exception):
    """Raised inside a check: a wrong answer; its text says what is wrong."""


class NotAttempted(Exception):
    """Raised inside a check: the exercise still stands as it was handed out."""


@dataclass(frozen=True, repr=False)
class Verdict:
    """What a check found. passed: True, False, or None where nothing was attempted. message: in words."""

    passed: bool | None
    message: str

    def __repr__(self) -> str:
        return textwrap.fill(f"{MARKS[self.passed]} {self.message}", 78)

    def require(self) -> "Verdict":
        """This verdict if it is a pass. Raises CheckFailed otherwise."""
        if not self.passed:
            raise CheckFailed(repr(self))
        return self


def check(body: Callable[..., str]) -> Callable[..., Verdict]:
    """Make a check of a function that returns its praise, or raises Wrong or NotAttempted.

    Its first argument is the reader's answer; what follows are the numbers that the exercise was given.
    """

    @functools.wraps(body)
    def checked(answer, *given) -> Verdict:
        try:
            if answer is None or answer is ...:
                raise NotAttempted
            verdict = Verdict(True, body(answer, *given))
        except NotAttempted:
            verdict = Verdict(None, "Write your answer at the TODO in the cell above, run it, and come back.")
        except Wrong as wrong:
            verdict = Verdict(False, str(wrong))
        strict = any(os.environ.get(name) for name in STRICT)
        return verdict.require() if strict else verdict

    return checked


def call(function, *arguments):
    """What the reader's function returns. Raises Wrong where it is no function, fails, or changes what it was given."""
    if not callable(function):
        raise Wrong(f"The check needs the function itself, but it got {_kind(function)}: hand over its name, without brackets.")
    before = [value.clone() if isinstance(value, Tensor) else value for value in arguments]
    try:
        returned = function(*arguments)
    except Exception as error:
        raise Wrong(f"Your function stopped with {type(error).__name__}: {error}") from error
    if returned is None or returned is ...:
        raise NotAttempted
    if any(isinstance(value, Tensor) and not torch.equal(value, old) for value, old in zip(arguments, before)):
        raise Wrong("Your function changed a picture that it was given (an operation such as x += ... or x.mul_() does). "
                    "Compute a new one and leave the old one as it is.")
    return returned


def same(given, wanted: Tensor, slips: Mapping[str, Tensor], tolerance: float = 1e-4) -> None:
    """Raises Wrong unless `given` is `wanted` to within `tolerance`.

    slips: what is wrong -> what one gets that way; the first that fits is named. After them come the general ones:
    another shape, numbers that are none, the wrong sign, a constant factor.
    """
    given = as_numbers(given, wanted)
    if given.shape != wanted.shape:
        raise Wrong(f"The shape is {tuple(given.shape)}, but it has to be {tuple(wanted.shape)}.")
    if not torch.isfinite(given).all():
        raise Wrong("Some numbers are infinite or no numbers at all (nan): look for a division by zero or the root of a negative number.")
    if _close(given, wanted, tolerance):
        return
    for what_is_wrong, value in slips.items():
        if _close(given, value, tolerance):
            raise Wrong(what_is_wrong)
    if _close(given, -wanted, tolerance):
        raise Wrong("The size is right and the sign is wrong: every number is the negative of what it has to be.")
    factor = float((given * wanted).sum() / (wanted**2).sum())
    if abs(factor) > tolerance and _close(given, factor * wanted, tolerance * abs(factor)):
        raise Wrong(f"It is right up to its scale: every number is {factor:.3g} times what it has to be.")
    off = (given - wanted).abs()
    raise Wrong(f"It is not this yet, and not one of the usual slips: the largest error is {float(off.max()):.3g}, "
                f"where your number is {float(given.flatten()[off.argmax()]):.4g} and {float(wanted.flatten()[off.argmax()]):.4g} is right.")


def as_numbers(given, like: Tensor) -> Tensor:
    """A reader's answer as a tensor of the dtype of `like`. Raises Wrong where it is not made of numbers."""
    try:
        return torch.as_tensor(given, dtype=like.dtype, device="cpu").detach()
    except (TypeError, ValueError, RuntimeError) as error:
        raise Wrong(f"The check needs numbers (a tensor of shape {tuple(like.shape)}), but it got {_kind(given)}.") from error


def one_number(answer, what: str = "one number") -> float:
    """A reader's answer as a number. Raises Wrong where it is none, or several; `what` says which one was asked for."""
    given = as_numbers(answer, torch.zeros((), dtype=torch.float64))
    if given.ndim:
        raise Wrong(f"The check needs {what}, but it got several: {given.numel()} of them.")
    if not torch.isfinite(given):
        raise Wrong(f"The check needs {what} (whole numbers and fractions will do), but it got {float(given)}.")
    return float(given)


def _kind(value) -> str:
    return f"{type(value).__name__}: {value!r}"[:80]


def _close(a: Tensor, b: Tensor, tolerance: float) -> bool:
    return a.shape == b.shape and bool(((a - b).abs() <= tolerance).all())
