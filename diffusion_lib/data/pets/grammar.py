"""A language as one table, and the few lines that speak it.

A `Grammar` holds the words of every value, the parts that captions are made of, and the instructions that a caption may
stand in. What is not said about a pet has no word, so the part that would name it is left out. To add a language, write
one more table: `english.py` is the simplest example, `telugu.py` shows endings that depend on the sentence.
"""

import re
from collections.abc import Hashable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property

from ...words import NOTICES, Notices, split
from .attributes import ATTRIBUTES, NAMES

Word = str | Mapping[str, str]                               # a word that never changes, or form -> text; "" is the plain form
Slot = tuple[int | str, str]                                 # whose word, in which form
Alternative = tuple[tuple[int, ...], tuple[str | Slot, ...]]  # the columns it needs, and texts and slots in turn

ANIMAL = NAMES.index("animal")
HOLE = re.compile(r"{([^}:]*)(?::([^}]*))?}")                # {attribute}, {attribute:form}, and in an instruction {form}


@dataclass(frozen=True, eq=False)
class Grammar:
    """A language.

    name: what the language is called.
    words: attribute -> value -> the words for it, the usual one first.
    loose: words that leave open which of several values is meant: (attribute, word, values), as "a hat" does.
    anybody: what a pet is called whose animal is not said.
    orders: the ways to say everything, each a row of parts, which a space joins. A part names attributes in braces, if need
        be with the form of the word: "{hat:worn}". It is left out where one of them is not said; of several parts with "|"
        between them, the first counts that can be said. Parts in brackets of their own may swap their places.
    closed: the numbers of those orders that may stand inside a sentence, in an instruction or a scene.
    instructions: what may stand around a caption; the braces name the form of the animal: "turn this into {}".
    scenes: the ways to say where two pets are: "{left} left of {right}".
    absent: attribute -> the value that need not be said where there is nothing to be seen.
    negations: words that turn the words beside them into their opposite. negation_follows: whether they stand behind them.
    fillers: words that are passed over even inside a phrase, as "a" in "without a hat". The words of `orders`, `instructions`
        and `anybody` say nothing either, but part what stands on both sides: "black in a hat" names no black hat.
    repairs: (pattern, replacement), applied to the finished caption, as for "a orange" -> "an orange".
    plural: an ending that makes many of one thing. also: words that no caption holds -> the word that is read in their place,
        as an irregular plural; "" for a word that is no slip of the one beside which it stands.
    notices: how it is said what became of a prompt.
    """

    name: str
    words: Mapping[str, Mapping[str, tuple[Word, ...]]]
    loose: tuple[tuple[str, Word, tuple[str, ...]], ...]
    anybody: tuple[Word, ...]
    orders: tuple[tuple[str | tuple[str, ...], ...], ...]
    closed: tuple[int, ...]
    instructions: tuple[str, ...]
    scenes: tuple[str, ...]
    absent: Mapping[str, str]
    negations: frozenset[str]
    fillers: frozenset[str]
    negation_follows: bool = False
    repairs: tuple[tuple[str, str], ...] = ()
    plural: str = ""
    also: Mapping[str, str] = field(default_factory=dict)
    notices: Notices = NOTICES

    def say(self, said: Sequence[Word | None], order: int = 0, form: str = "", turn: int = 0) -> str:
        """One caption. said: the word for each attribute, or None; the animal's stands in `form`. turn: how the parts that may
        swap their places do."""
        texts = []
        for group in self.parts[order]:
            spoken = [text for part in group if (text := _spoken(part, said, form))]
            if turn and len(spoken) > 1:
                spoken = spoken[turn % len(spoken):] + spoken[:turn % len(spoken)]
            texts += spoken
        return self.repaired(" ".join(texts))

    def repaired(self, text: str) -> str:
        """The text as it is written: no space before a comma, and `repairs`."""
        text = text.replace(" ,", ",")
        for pattern, replacement in self.compiled_repairs:
            text = pattern.sub(replacement, text)
        return text

    @cached_property
    def compiled_repairs(self) -> tuple[tuple[re.Pattern, str], ...]:
        """`repairs`, ready for use."""
        return tuple((re.compile(pattern), replacement) for pattern, replacement in self.repairs)

    @cached_property
    def parts(self) -> tuple[tuple[tuple[tuple[Alternative, ...], ...], ...], ...]:
        """`orders`, ready for use: orders, groups of parts that may swap, parts, alternatives."""
        groups = (((group,) if isinstance(group, str) else group for group in order) for order in self.orders)
        return tuple(tuple(tuple(tuple(_alternative(text) for text in part.split("|")) for part in group) for group in order)
                     for order in groups)

    @cached_property
    def frames(self) -> tuple[tuple[str, str, str], ...]:
        """`instructions`, ready for use: what stands before, the form of the animal, what stands behind."""
        return tuple((text[:hole.start()], hole[1], text[hole.end():]) for text in self.instructions for hole in [HOLE.search(text)])

    @cached_property
    def relations(self) -> tuple[tuple[str | Slot, ...], ...]:
        """`scenes`, ready for use: texts, and slots for "left" and "right", in turn."""
        return tuple(_pieces(text) for text in self.scenes)

    @cached_property
    def usual(self) -> tuple[tuple[Word, ...], ...]:
        """For each attribute, the usual word of each value."""
        return tuple(tuple(self.words[name][value][0] for value in values) for name, values in ATTRIBUTES.items())

    @cached_property
    def absences(self) -> tuple[int | None, ...]:
        """For each attribute, the number of its value in `absent`, or None."""
        return tuple(values.index(self.absent[name]) if name in self.absent else None for name, values in ATTRIBUTES.items())

    @cached_property
    def choices(self) -> tuple[tuple[tuple[Word, ...], ...], ...]:
        """For each attribute and value, the words to choose from: the usual one as often as all others together, or more."""
        return tuple(tuple(self._choices(name, value) for value in values) for name, values in ATTRIBUTES.items())

    def _choices(self, name: str, value: str) -> tuple[Word, ...]:
        usual, *others = self.words[name][value]
        others += [word for attribute, word, values in self.loose if attribute == name and value in values]
        return (usual,) * max(2, len(others)) + tuple(others)

    @cached_property
    def parting(self) -> frozenset[str]:
        """The words that say nothing about a pet, and part what stands on both sides."""
        texts = (*self._templates(), *self.instructions, *(text for each in self.anybody for text in forms(each)))
        return frozenset(word for text in texts for word in split(HOLE.sub(" ", text))) - self.fillers

    def _templates(self) -> list[str]:
        """All parts of all orders, as they stand in the table."""
        return [part for order in self.orders for group in order for part in ((group,) if isinstance(group, str) else group)]

    @cached_property
    def lexicon(self) -> Mapping[str, tuple[str, frozenset[str]]]:
        """The words of a phrase that say something -> (attribute, the values that it may mean)."""
        meant = [(name, word, (value,)) for name, values in self.words.items() for value, words in values.items() for word in words]
        found: dict[str, tuple[str, frozenset[str]]] = {}
        for name, word, values in (*meant, *self.loose):
            for text in forms(word):
                phrase = " ".join(part for part in split(text) if part not in self.fillers | self.parting)
                meaning = name, frozenset(values)
                if not phrase or found.setdefault(phrase, meaning) != meaning:
                    raise ValueError(f"{self.name}: {text!r} is to mean {meaning}, but {phrase!r} means {found.get(phrase, 'nothing')}")
        return found

    @cached_property
    def meanings(self) -> Mapping[str, Hashable]:
        """Word -> what it means by itself, or else the meanings of all phrases that hold it. Words of no phrase mean
        nothing, and negations only with others."""
        held: dict[str, set] = {}
        for phrase, meaning in self.lexicon.items():
            for word in set(phrase.split()) - self.negations:
                held.setdefault(word, set()).add(meaning)
        return {word: self.lexicon.get(word, frozenset(meanings)) for word, meanings in held.items()}

    @cached_property
    def subjects(self) -> frozenset[str]:
        """The words for a pet."""
        return frozenset(word for noun in self._nouns() for text in forms(noun) for word in split(text))

    @cached_property
    def instead(self) -> Mapping[str, str]:
        """Words that no caption holds -> the word that is read in their place: `also`, and plurals of things."""
        things = ("animal", "hat", "accessory", "background")
        phrases = [phrase for phrase, (name, _) in self.lexicon.items() if name in things] if self.plural else []
        plurals = {word + self.plural: word for phrase in phrases for word in phrase.split()[-1:] if not word.endswith(self.plural)}
        return {word: other for word, other in (plurals | dict(self.also)).items() if word not in self.vocabulary}

    @cached_property
    def of_scenes(self) -> Mapping[str, str]:
        """The words that only captions of two pets hold -> the word that means the same of one pet, or "" where there is none."""
        spoken = {"", *(form for _, form, _ in self.frames)}
        elsewhere = {word for text in (*self._texts(spoken), *self._templates(), *self.instructions) for word in split(HOLE.sub(" ", text))}
        found = {word: "" for text in self.scenes for word in split(HOLE.sub(" ", text))}
        for noun in (noun for noun in self._nouns() if not isinstance(noun, str)):
            found |= {word: plain for form in noun if form not in spoken for word, plain in zip(split(noun[form]), split(noun[""]))}
        return {word: plain for word, plain in found.items() if word not in elsewhere}

    def _nouns(self) -> list[Word]:
        """What a pet may be called."""
        return [word for words in self.words["animal"].values() for word in words] + list(self.anybody)

    def _texts(self, spoken: Set[str]) -> list[str]:
        """All texts of all words; of the pet's those in some forms."""
        others = [word for name, values in self.words.items() if name != "animal" for words in values.values() for word in words]
        texts = [text for word in (*others, *(word for _, word, _ in self.loose)) for text in forms(word)]
        return texts + [inflected(noun, form) for noun in self._nouns() for form in spoken]

    @cached_property
    def vocabulary(self) -> tuple[str, ...]:
        """Every word of the language, each once, in the order in which the table names them."""
        words = [word for values in self.words.values() for synonyms in values.values() for word in synonyms]
        words += [*(word for _, word, _ in self.loose), *self.anybody]
        texts = [text for word in words for text in forms(word)]
        texts += [*self._templates(), *self.instructions, *self.scenes, *sorted(self.fillers), *sorted(self.negations)]
        return tuple(dict.fromkeys(word for text in texts for word in split(HOLE.sub(" ", text))))


def forms(word: Word) -> tuple[str, ...]:
    """All texts of a word."""
    return (word,) if isinstance(word, str) else tuple(word.values())


def inflected(word: Word, form: str) -> str:
    """The word in a form; a word that lacks it stays plain."""
    return word if isinstance(word, str) else word.get(form, word[""])


def _spoken(part: tuple[Alternative, ...], said: Sequence[Word | None], form: str) -> str:
    """The first alternative all of whose attributes are said, or nothing."""
    for needs, pieces in part:
        if all(said[column] is not None for column in needs):
            return "".join([piece if isinstance(piece, str) else inflected(said[piece[0]], form if piece[0] == ANIMAL else piece[1])
                            for piece in pieces])
    return ""


def _alternative(text: str) -> Alternative:
    pieces = tuple(piece if isinstance(piece, str) else (NAMES.index(piece[0]), piece[1]) for piece in _pieces(text.strip()))
    return tuple(piece[0] for piece in pieces if not isinstance(piece, str)), pieces


def _pieces(text: str) -> tuple[str | Slot, ...]:
    """A text cut at its holes: "with {hat:a}" -> "with ", ("hat", "a")."""
    pieces, at = [], 0
    for hole in HOLE.finditer(text):
        pieces += [text[at:hole.start()], (hole[1], hole[2] or "")]
        at = hole.end()
    return tuple(piece for piece in (*pieces, text[at:]) if piece)
