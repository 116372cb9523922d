"""What is known of the words of pets besides their spelling: what they mean, and which of them a model was taught."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from ...words import Sense
from .grammar import Grammar


@dataclass(frozen=True, eq=False)
class PetSense(Sense):
    """scene: whether the model that reads was taught captions of two pets, or of one; None: that is not known."""

    scene: bool | None = None


@cache
def sense_of(grammars: Sequence[Grammar], scene: bool | None = None) -> PetSense:
    """What the tables of some languages say of their words. grammars: a tuple of them. scene: as in `PetSense`; where it is False,
    words that only captions of two pets hold are read as what they mean of one pet ("కుక్కకు", to a dog, as "కుక్క"), or not at all ("left")."""
    means = {word: meaning for grammar in grammars for word, meaning in grammar.meanings.items()}
    instead = {word: other for grammar in grammars for word, other in grammar.instead.items()}
    if scene is False:
        instead |= {word: other for grammar in grammars for word, other in grammar.of_scenes.items()}
    return PetSense(means, instead, frozenset().union(*(grammar.subjects for grammar in grammars)), scene)
