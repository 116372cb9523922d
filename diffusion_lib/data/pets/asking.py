"""The same wish for every kind of model: as words where it reads words, as attributes where it was taught attributes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...conditioning import AttributeConditioner, Conditioner, TextConditioner
from .attributes import SIZES, encode
from .captions import GRAMMARS, caption
from .reading import parse_caption, understand


def hears_of_pets(conditioner: object) -> bool:
    """Whether it can be told of pets: in words, or by the attributes of PartyPets."""
    return isinstance(conditioner, TextConditioner) or isinstance(conditioner, AttributeConditioner) and conditioner.sizes == SIZES


def condition_of(texts: Sequence[str], conditioner: Conditioner) -> Tensor | list[str]:
    """Pets in words, as a model with that conditioner takes them: the texts themselves, or (B, A) int64 attributes.

    What a text holds besides known words is left out; `parse_caption` warns of it. Raises ValueError where a text says two
    things about one attribute to a model of attributes (a reader takes what is written).
    """
    if isinstance(conditioner, TextConditioner):
        return list(texts)
    return torch.stack([parse_caption(text) for text in texts])


@dataclass(frozen=True)
class Wish:
    """One wish, heard by a model. cond: one row of what the model takes, or None where nothing was understood. heard: in words,
    for whoever asked. notices: what was repaired or left out, a sentence each."""

    cond: Tensor | list[str] | None
    heard: str
    notices: tuple[str, ...] = ()

    def rows(self, count: int, device: torch.device | str = "cpu") -> Tensor | list[str] | None:
        """The condition of `count` pictures that all follow the wish."""
        return self.cond.expand(count, -1).to(device) if isinstance(self.cond, Tensor) else self.cond and self.cond * count


def wish_in_words(prompt: str, conditioner: Conditioner, language: str | None = None) -> Wish:
    """A prompt as typed. language: a key of `GRAMMARS`, in which is said what became of it; None: its own.

    Raises ValueError where it says two things about one attribute to a model of attributes.
    """
    say = GRAMMARS[language or language_of(prompt)].notices
    if isinstance(conditioner, TextConditioner):
        read, cond = conditioner.vocabulary.read(prompt, say), [prompt]
    else:
        read = understand(prompt, say=say)
        cond = read.attributes[None]
    if not read.words:
        return Wish(None, say.heard_nothing, read.notices)
    return Wish(cond, say.heard.format(words=" ".join(read.words)), read.notices)


def wish_in_attributes(pet: Mapping[str, str], conditioner: Conditioner, language: str = "en") -> Wish:
    """A pet by its attributes, which a model that reads is told in words of `language`. Raises ValueError for unknown names."""
    row, grammar = encode(pet), GRAMMARS[language]
    text = caption(row, brief=False, grammar=grammar)
    return Wish([text] if isinstance(conditioner, TextConditioner) else row, grammar.notices.heard.format(words=text))


def language_of(text: str) -> str:
    """The key of the language whose words have the most letters of the text; the first of `GRAMMARS` where none has any."""
    letters = {name: set("".join(grammar.vocabulary)) for name, grammar in GRAMMARS.items()}
    return max(GRAMMARS, key=lambda name: sum(letter in letters[name] for letter in text.lower()))
