"""The same wish for every kind of model: as words where it reads words, as attributes where it was taught attributes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...conditioning import AttributeConditioner, Conditioner, TextConditioner
from ...words import Notices, Sense
from .attributes import SIZES, encode
from .captions import GRAMMARS, caption, pet_vocabulary
from .reading import parse_caption, understand, understand_scene
from .sense import PetSense, sense_of


def hears_of_pets(conditioner: object) -> bool:
    """Whether it can be told of pets: in words, or by the attributes of PartyPets."""
    return isinstance(conditioner, TextConditioner) or isinstance(conditioner, AttributeConditioner) and conditioner.sizes == SIZES


def tell_sense(conditioner: object, scene: bool | None) -> None:
    """Tell a model that reads of pets what its words mean, and which of them it was never taught. Others are left as they are.

    scene: whether its captions were of two pets; None: that is not known, and every word counts as taught.
    """
    if isinstance(conditioner, TextConditioner) and set(conditioner.vocabulary.words) <= set(pet_vocabulary().words):
        conditioner.vocabulary = conditioner.vocabulary.with_sense(sense_of(tuple(GRAMMARS.values()), scene))


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

    A reader takes what is written; what its words cannot mean together is said in a notice.
    Raises ValueError where it says two things about one attribute to a model of attributes.
    """
    say = GRAMMARS[language or language_of(prompt)].notices
    if isinstance(conditioner, TextConditioner):
        vocabulary, cond = conditioner.vocabulary, [prompt]
        read = vocabulary.read(prompt, say)
        notices = read.notices + _doubts(read.words, vocabulary.sense, say)
    else:
        vocabulary, read = pet_vocabulary(), understand(prompt, say=say)
        cond, notices = read.attributes[None], read.notices
    if not any(word in vocabulary.means for word in read.words):
        return Wish(None, say.heard_nothing, notices)
    return Wish(cond, say.heard.format(words=" ".join(read.words)), notices)


def _doubts(words: Sequence[str], sense: Sense, say: Notices) -> tuple[str, ...]:
    """What the tables of the languages find wrong with words that a network reads: those that mean nothing alone, and contradictions."""
    if not isinstance(sense, PetSense) or sense.scene is None:
        return ()
    try:
        return (understand_scene if sense.scene else understand)(" ".join(words), say=say).notices
    except ValueError as contradiction:
        return (str(contradiction),)


def wish_in_attributes(pet: Mapping[str, str], conditioner: Conditioner, language: str = "en") -> Wish:
    """A pet by its attributes, which a model that reads is told in words of `language`. Raises ValueError for unknown names."""
    row, grammar = encode(pet), GRAMMARS[language]
    text = caption(row, brief=False, grammar=grammar)
    return Wish([text] if isinstance(conditioner, TextConditioner) else row, grammar.notices.heard.format(words=text))


def language_of(text: str) -> str:
    """The key of the language whose words have the most letters of the text; the first of `GRAMMARS` where none has any."""
    letters = {name: set("".join(grammar.vocabulary)) for name, grammar in GRAMMARS.items()}
    return max(GRAMMARS, key=lambda name: sum(letter in letters[name] for letter in text.lower()))
