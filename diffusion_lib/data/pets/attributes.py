"""What can be said about a pet: seven named attributes, their values, and the combinations that are held out.

A pet is a row of integers, one column per attribute in the order of `ATTRIBUTES`: the index of its value, or -1 for
"not said". The combinations in `HELD_OUT` never occur in training, so "a picture that has never existed" can be measured.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ...conditioning import UNSAID
from ...random import uniform

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "animal": ("cat", "dog", "rabbit", "bear", "mouse", "frog", "pig", "chick"),
    "fur": ("white", "grey", "black", "brown", "orange", "yellow", "pink", "green", "blue"),
    "pattern": ("plain", "striped", "spotted"),
    "hat": ("none", "party hat", "top hat", "crown", "wizard hat", "cowboy hat", "red beanie", "blue beanie"),
    "accessory": ("none", "glasses", "bow tie", "scarf"),
    "mood": ("happy", "sad", "sleepy", "surprised"),
    "background": ("white", "yellow", "pink", "orange", "green", "blue", "purple", "grey"),
}
NAMES = tuple(ATTRIBUTES)
SIZES = tuple(len(values) for values in ATTRIBUTES.values())

HELD_OUT: tuple[dict[str, str], ...] = (
    {"animal": "dog", "hat": "crown"},
    {"animal": "pig", "fur": "green"},
    {"accessory": "bow tie", "mood": "sleepy"},
    {"hat": "wizard hat", "background": "yellow"},
)


def column(attribute: str) -> int:
    """The column of an attribute. Raises ValueError for a name that is not one."""
    if attribute not in ATTRIBUTES:
        raise ValueError(f"attribute is {attribute!r}, but it has to be one of: {', '.join(NAMES)}")
    return NAMES.index(attribute)


def value_index(attribute: str, value: str) -> int:
    """The number of a value. Raises ValueError for an attribute or a value that does not exist."""
    values = ATTRIBUTES[NAMES[column(attribute)]]
    if value not in values:
        raise ValueError(f"{attribute} is {value!r}, but it has to be one of: {', '.join(values)}")
    return values.index(value)


def encode(pets: Mapping[str, str] | Sequence[Mapping[str, str]]) -> Tensor:
    """Names to numbers: {"animal": "cat", "hat": "crown"} -> (B, A) int64, -1 where nothing is said.

    pets: one dict of attribute -> value (B = 1), or a sequence of B of them. Raises ValueError for unknown names.
    """
    pets = [pets] if isinstance(pets, Mapping) else list(pets)
    rows = torch.full((len(pets), len(NAMES)), UNSAID)
    for row, pet in zip(rows, pets):
        for attribute, value in pet.items():
            row[column(attribute)] = value_index(attribute, value)
    return rows


def decode(attributes: Tensor) -> list[dict[str, str]]:
    """Numbers to names: the inverse of `encode`. attributes: (A,) or (B, A); what is not said is left out."""
    rows = check_attributes(attributes).tolist()
    return [{name: ATTRIBUTES[name][value] for name, value in zip(NAMES, row) if value != UNSAID} for row in rows]


def check_attributes(attributes: Tensor) -> Tensor:
    """The attributes as (B, A) int64. Raises ValueError where the shape or a number is impossible."""
    attributes = torch.atleast_2d(torch.as_tensor(attributes))
    if attributes.ndim != 2 or attributes.shape[1] != len(NAMES) or attributes.is_floating_point():
        raise ValueError(f"attributes have shape {tuple(attributes.shape)} and type {attributes.dtype}, "
                         f"but they have to be integers of shape (B, {len(NAMES)}): {', '.join(NAMES)}")
    for name, size, values in zip(NAMES, SIZES, attributes.T):
        if values.numel() and not (UNSAID <= values.min() and values.max() < size):
            raise ValueError(f"{name} holds {values.min()} ... {values.max()}, but it has to lie between -1 and {size - 1}")
    return attributes.long()


def held_out_rules(device=None) -> Tensor:
    """`HELD_OUT` as numbers: (rules, A) int64, -1 in the columns a rule does not ask for."""
    return encode(HELD_OUT).to(device)


def is_held_out(attributes: Tensor) -> Tensor:
    """Whether a pet is one of the held-out combinations. attributes: (..., A) int64. Returns (...) bool."""
    rules = held_out_rules(attributes.device)
    agree = (attributes[..., None, :] == rules) | (rules == UNSAID)
    return agree.all(-1).any(-1)


def sample_attributes(keys: Tensor, held_out: bool | None = False) -> Tensor:
    """Pets drawn evenly from all combinations that are not held out, from those that are (True), or from both (None).

    keys: (B,) int64, one random key per pet; the same key gives the same pet in every batch. Returns (B, A) int64.
    A pet that falls on the wrong side is drawn again, from the next numbers of its own key. Held-out pets are drawn
    freely and then given one of the rules, each as often as the others.
    """
    pets = _draw(keys, 0)
    if held_out is None:
        return pets
    if held_out:
        rules = held_out_rules(keys.device)
        rule = rules[(uniform(keys, torch.full_like(keys, 999)) * len(rules)).long()]
        return torch.where(rule == UNSAID, pets, rule)
    attempt = 1
    while (wrong := is_held_out(pets)).any():
        pets[wrong] = _draw(keys[wrong], attempt)
        attempt += 1
    return pets


def _draw(keys: Tensor, attempt: int) -> Tensor:
    places = torch.arange(1000 + attempt * len(NAMES), 1000 + (attempt + 1) * len(NAMES), device=keys.device)
    sizes = torch.tensor(SIZES, device=keys.device)
    return (uniform(keys[:, None], places) * sizes).long()
