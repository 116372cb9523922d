"""Reading arguments, so that whoever mistypes one is told which, what was given, and what would be right."""

import argparse
import re
from collections.abc import Callable

from .judging import Setting


class UsageError(ValueError):
    """An argument that makes no sense."""


class Parser(argparse.ArgumentParser):
    """argparse, but its complaints read like ours and are raised, as `UsageError`, instead of printed."""

    WORDINGS = (
        (r"argument (\S+): invalid choice: (\S+) \(choose from (.*)\)", r"\1 is \2, but it has to be one of: \3"),
        (r"argument (\S+): expected.*", r"\1 is given without its value"),
        (r"argument (\S+): (is .*)", r"\1 \2"),
        (r"the following arguments are required: (.*)", r"\1 is missing; --help says what is needed"),
        (r"unrecognized arguments: (.*)", r"\1 is given, but nothing of that name is known here; --help says what is"),
    )

    def error(self, message):
        for theirs, ours in self.WORDINGS:
            message = re.sub(theirs, ours, message)
        raise UsageError(message)

    def parse_args(self, args=None, namespace=None):
        """As argparse, but a PROMPT may stand behind options, and one that lost its quotation marks is told so."""
        options, left = self.parse_known_args(args, namespace)
        words = [*filter(None, [getattr(options, "prompt", None)]), *left]
        if left and hasattr(options, "prompt") and not any(word.startswith("-") for word in left):
            if len(words) > 1:
                raise UsageError(f"PROMPT is {words[0]!r} and more words follow it, but a prompt of several words has to stand in quotation marks: "
                                 f'"{" ".join(words)}"')
            options.prompt, left = words[0], []
        if left:
            self.error(f"unrecognized arguments: {' '.join(left)}")
        return options


def number(kind: type, low: float, high: float, rule: str) -> Callable[[str], float]:
    """A reader of numbers for argparse. kind: int or float. low, high: what is allowed, both included. rule: that in words, for messages."""
    def read(text: str):
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not low <= value <= high:
            raise argparse.ArgumentTypeError(f"is {text!r}, but it has to be {rule}")
        return value
    return read


def whole(low: int, high: int) -> Callable[[str], int]:
    """A reader of whole numbers for argparse. low, high: what is allowed, both included."""
    return number(int, low, high, f"a whole number from {low} to {high}")


def setting(text: str) -> Setting:
    """A reader of W:STEPS and W:STEPS:N for argparse; N is 0 where it is not given."""
    found = re.fullmatch(r"(\d{1,2}(?:\.\d+)?):([1-9]\d{0,2})(?::([1-9]\d{0,5}))?", text)
    if not found:
        raise argparse.ArgumentTypeError(f"is {text!r}, but it has to be W:STEPS or W:STEPS:N, such as 2:8 or 2:8:2000")
    return Setting(float(found[1]), int(found[2]), int(found[3] or 0))
