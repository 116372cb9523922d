"""Pets in words, in every language that has a table.

`caption` says a pet in one of a language's ways. `training_caption` draws lots among all its ways, words and instructions,
so that a network that reads captions hears of a pet as many people would speak of it.
"""

from collections.abc import Iterable, Sequence
from functools import cache

from torch import Tensor

from ...words import Vocabulary
from .attributes import UNSAID, check_attributes, column
from .english import ENGLISH
from .grammar import ANIMAL, Grammar, Word
from .sense import sense_of
from .telugu import TELUGU

GRAMMARS: dict[str, Grammar] = {"en": ENGLISH, "te": TELUGU}


def caption(attributes: Tensor, order: int = 0, brief: bool = True, grammar: Grammar = ENGLISH) -> str:
    """One pet in words: "a happy grey cat wearing a crown on a pink background".

    attributes: (A,) int64, -1 for what is not to be said; order: which phrasing, 0 to len(grammar.orders) - 1;
    brief: leave out what is not there to be seen ("no hat", "no accessory", "plain").
    Raises ValueError for an order that the language does not have.
    """
    _check("order", order, grammar.orders)
    return grammar.say(_usual(check_attributes(attributes)[0].tolist(), brief, grammar), order)


def captions(attributes: Tensor, brief: bool = True, grammar: Grammar = ENGLISH) -> list[str]:
    """A batch of pets in words, taking turns with the phrasings. attributes: (B, A) int64."""
    turns = len(grammar.orders)
    return [caption(row, number % turns, brief, grammar) for number, row in enumerate(check_attributes(attributes))]


def scene_caption(attributes: Tensor, order: int = 0, brief: bool = True, grammar: Grammar = ENGLISH, relation: int = 0) -> str:
    """Two pets in words; their common background is said once, with the one that is named first.

    attributes: (2, A) int64, left pet first. order: the phrasing of both pets, 0 to len(grammar.orders) - 1; of those
    that may stand inside a sentence it is number `order`, counted round and round. brief: as in `caption`.
    relation: how it is said where they are, 0 to len(grammar.scenes) - 1. Raises ValueError for an order or relation that the language does not have.
    """
    _check("order", order, grammar.orders)
    _check("relation", relation, grammar.scenes)
    order = grammar.closed[order % len(grammar.closed)]
    return _scene(check_attributes(attributes).tolist(), relation, grammar, "",
                  lambda row, form: grammar.say(_usual(row, brief, grammar), order, form))


def training_caption(attributes: Tensor | Sequence[int], key: int, grammar: Grammar = ENGLISH) -> str:
    """One pet in words drawn by lot: phrasing, order of adjectives, synonyms, words as loose as "a hat", and in half of them an instruction.

    attributes: (A,), -1 for what is not to be said; they are not checked. key: a whole number, which alone decides the lots.
    What is not there to be seen ("no hat") is said in half of the captions.
    """
    row = attributes.tolist() if isinstance(attributes, Tensor) else attributes
    lots = Lots(key)
    if lots.draw(2):
        return grammar.say(_drawn(row, lots, grammar), lots.draw(len(grammar.orders)), turn=lots.turn())
    before, form, behind = lots.pick(grammar.frames)
    return before + grammar.say(_drawn(row, lots, grammar), lots.pick(grammar.closed), form, lots.turn()) + behind


def training_scene_caption(attributes: Tensor | Sequence[Sequence[int]], key: int, grammar: Grammar = ENGLISH) -> str:
    """Two pets in words drawn by lot, as in `training_caption`; their background is said with one of them.

    attributes: (2, A), left pet first. key: as in `training_caption`.
    """
    rows = attributes.tolist() if isinstance(attributes, Tensor) else attributes
    lots = Lots(key)
    before, form, behind = ("", "", "") if lots.draw(2) else lots.pick(grammar.frames)
    text = _scene(rows, lots.draw(len(grammar.relations)), grammar, form,
                  lambda row, form: grammar.say(_drawn(row, lots, grammar), lots.pick(grammar.closed), form, lots.turn()), lots.draw(2))
    return before + text + behind


@cache
def pet_vocabulary(length: int = 32) -> Vocabulary:
    """Every word that a caption, a scene's caption or an instruction may hold in any language, each once, in a fixed order.

    length: of the longest text, in words: 32 are enough for a pet, 64 for a scene.
    """
    return vocabulary_of(GRAMMARS.values(), length)


def vocabulary_of(grammars: Iterable[Grammar], length: int) -> Vocabulary:
    """Every word of some languages, each once, in the order of their tables, and what they mean. length: of the longest text, in words."""
    grammars = tuple(grammars)
    return Vocabulary(tuple(dict.fromkeys(word for grammar in grammars for word in grammar.vocabulary)), length).with_sense(sense_of(grammars))


class Lots:
    """Small random choices that a key alone decides: a few plain integer operations each, for there are millions of captions.

    (A linear congruential generator with the constants of Knuth's MMIX, of whose 64 bits the upper ones are used.)
    """

    def __init__(self, key: int):
        self.state = (key * 0x9E3779B97F4A7C15 + 0x2545F4914F6CDD1D) % 2**64
        self.draw(2), self.draw(2)                           # neighbouring keys begin alike; two steps part them

    def draw(self, count: int) -> int:
        """0 to count - 1, each as likely as the others."""
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % count

    def pick(self, things: Sequence):
        """One of them, each as likely as the others."""
        return things[self.draw(len(things))]

    def turn(self) -> int:
        """How far things that may swap are turned round: not at all in three captions of four."""
        return max(self.draw(12) - 8, 0)


def _usual(row: Sequence[int], brief: bool, grammar: Grammar) -> list[Word | None]:
    """The usual word for everything that is to be said."""
    said = [None if value == UNSAID or brief and value == absent else words[value]
            for value, words, absent in zip(row, grammar.usual, grammar.absences)]
    said[ANIMAL] = said[ANIMAL] or grammar.anybody[0]
    return said


def _drawn(row: Sequence[int], lots: Lots, grammar: Grammar) -> list[Word | None]:
    """A word drawn by lot for everything that is to be said."""
    brief = lots.draw(2)
    said = [None if value == UNSAID or brief and value == absent else lots.pick(words[value])
            for value, words, absent in zip(row, grammar.choices, grammar.absences)]
    said[ANIMAL] = said[ANIMAL] or lots.pick(grammar.anybody)
    return said


def _scene(rows: Sequence[Sequence[int]], relation: int, grammar: Grammar, form: str, say, place: int = 0) -> str:
    """Two pets and how they stand. say(row, form) says one of them; whose form the relation leaves open stands in `form`.
    place: with which the background is said, the pet that is named first (0) or second (1)."""
    pets = dict(zip(("left", "right"), map(list, rows)))
    pieces = grammar.relations[relation]
    silent = [piece[0] for piece in pieces if not isinstance(piece, str)][1 - place]
    pets[silent][column("background")] = UNSAID
    spoken = [piece if isinstance(piece, str) else say(pets[piece[0]], piece[1] or form) for piece in pieces]
    return grammar.repaired("".join(spoken))


def _check(name: str, number: int, rows: Sequence) -> None:
    if not 0 <= number < len(rows):
        raise ValueError(f"{name} is {number}, but it has to lie between 0 and {len(rows) - 1}")
