"""Text as known words: how a prompt is cut up, and what becomes of words that nobody taught us.

A vocabulary is a plain list of words, and a word's number is its place in that list. Nothing is learned here and nothing
is downloaded. Small slips are repaired and unknown words left out, but never in silence: each leaves a notice.
"""

import difflib
import functools
import unicodedata
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

JOINERS = "\u200c\u200d"                                      # invisible signs inside words of Indian scripts
SHORTEST_REPAIRED = 4                                        # letters; in shorter words one letter changes too much, see `Sense.subjects`
ALIKE = 0.6                                                  # share of letters in common, from which a word counts as near
NAMED = 8                                                    # unknown words that are named one by one


def split(text: str) -> list[str]:
    """The words of a text, lower case: runs of letters, marks and digits of any script. Punctuation only separates.

    (A regular expression's `\\w` would not do: it takes the vowel signs of Telugu for the end of a word.)
    """
    text = unicodedata.normalize("NFC", text).lower()
    return "".join(c if unicodedata.category(c)[0] in "LMN" else "" if c in JOINERS else " " for c in text).split()


@dataclass(frozen=True)
class Notices:
    """How it is said in some language what was done to a text. Each is a sentence with places in braces.

    repaired: {word}, {meant}. unknown: {word}, {near}. more_unknown: {count}. too_long: {length}, {count}.
    alone: {word}, one that is known only as a part of phrases; alone_in: {word}, {phrases}. twice: {name}, {first}, {second}, two phrases
    that contradict each other; sides: {text}, {examples}, where it is not said of two which is where. heard: {words}; heard_nothing: none.
    """

    repaired: str = "read {word!r} as {meant!r}"
    unknown: str = "the word {word!r} is not known here and was left out; near it: {near}"
    more_unknown: str = "{count} more words are not known here and were left out"
    too_long: str = "only the first {length} of {count} known words were read"
    alone: str = "the word {word!r} alone says nothing here"
    alone_in: str = "the word {word!r} alone says nothing here; it is known in: {phrases}"
    twice: str = "the caption says two things about the {name}: {first!r} and {second!r}; say one"
    sides: str = "the caption is {text!r}, but a scene needs two pets and where they are: {examples}"
    heard: str = "Read: {words}"
    heard_nothing: str = "Read: nothing, so whatever comes is drawn"


NOTICES = Notices()


@dataclass(frozen=True, eq=False)
class Sense:
    """What is known of words besides their spelling. Of nothing is known: each word means itself.

    means: word -> what it means, anything that can be compared. The others mean nothing by themselves, as "the" does.
    instead: word -> the word that is read in its place, with a notice; "": none, it counts as unknown, whether the network has a
        number for it or not.
    subjects: the words for what a text is about. A slip in a word that is too short to be repaired is taken for one of them where
        the text has none: "a dgo", but not "a big cat".
    """

    means: Mapping[str, Hashable] = field(default_factory=dict)
    instead: Mapping[str, str] = field(default_factory=dict)
    subjects: frozenset[str] = frozenset()


NO_SENSE = Sense()


@dataclass(frozen=True)
class Reading:
    """What was understood of a text. words: the known ones, in their order. notices: what was repaired or left out."""

    words: tuple[str, ...]
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Vocabulary:
    """The words a network knows.

    words: all of them, each once and as `split` would give it; word k has the number k + 1, and 0 means "no word".
    length: of the longest text, in words; what comes after is left out.
    sense: what is known of the words; it is no part of a model's file, see `with_sense`.
    Raises ValueError for a word that `split` would cut up or change, for a word given twice, and for a length below 1.
    """

    words: tuple[str, ...]
    length: int = 32
    sense: Sense = field(default=NO_SENSE, init=False, repr=False)

    def __post_init__(self):
        object.__setattr__(self, "words", tuple(self.words))
        odd = next((word for word in self.words if split(word) != [word]), None)
        twice = next((word for word in self.words if self.words.count(word) > 1), None)
        if odd is not None or twice is not None:
            raise ValueError(f"words holds {(twice if odd is None else odd)!r}, but each has to be one word in lower case, and stand there once")
        if self.length < 1:
            raise ValueError(f"length is {self.length}, but a text has to have room for at least 1 word")

    def with_sense(self, sense: Sense) -> "Vocabulary":
        """The same words, of which more is known."""
        other = Vocabulary(self.words, self.length)
        object.__setattr__(other, "sense", sense)
        return other

    @functools.cached_property
    def numbers(self) -> dict[str, int]:
        """Word -> number, from 1 on."""
        return {word: number for number, word in enumerate(self.words, start=1)}

    @functools.cached_property
    def instead(self) -> dict[str, str]:
        """Word -> the word of ours that is read in its place, or ""."""
        return {word: other if other in self.numbers else "" for word, other in self.sense.instead.items()}

    @functools.cached_property
    def taught(self) -> tuple[str, ...]:
        """Those of the words that are read as they stand."""
        return tuple(word for word in self.words if word not in self.instead)

    @functools.cached_property
    def means(self) -> dict[str, Hashable]:
        """Those that mean something by themselves, and what."""
        means = self.sense.means or dict(zip(self.words, self.words))
        return {word: means[word] for word in self.taught if word in means}

    @functools.cached_property
    def subjects(self) -> tuple[str, ...]:
        """Those for what a text is about."""
        return tuple(word for word in self.taught if word in self.sense.subjects)

    @functools.cached_property
    def telling(self) -> tuple[str, ...]:
        """The subjects that mean something, as "cat" does and "pet" does not: those that a short word may be by a slip."""
        return tuple(word for word in self.subjects if word in self.means)

    @functools.cached_property
    def repairable(self) -> tuple[str, ...]:
        """Those that a longer word may be by a slip."""
        return tuple(word for word in self.taught if len(word) >= SHORTEST_REPAIRED - 1)

    def read(self, text: str, say: Notices = NOTICES) -> Reading:
        """The known words of a text, with one-letter slips repaired, and a notice for each thing that was done to it.

        say: how the notices are worded.
        """
        known, notices, unknown = [], {}, {}
        for word, meant in self._meant(split(text)):
            if not meant:
                unknown[word] = None
            elif meant != word:
                notices[say.repaired.format(word=word, meant=meant)] = None
            known += [meant] if meant else []
        for word in list(unknown)[:NAMED]:
            notices[say.unknown.format(word=word[:40], near=", ".join(nearest(word[:40], self.means)))] = None
        if len(unknown) > NAMED:
            notices[say.more_unknown.format(count=len(unknown) - NAMED)] = None
        if len(known) > self.length:
            notices[say.too_long.format(length=self.length, count=len(known))] = None
        return Reading(tuple(known[:self.length]), tuple(notices))

    def _meant(self, words: Sequence[str]) -> list[tuple[str, str | None]]:
        """Each word and the one of ours that is read for it, or nothing."""
        meant = [self.instead[word] if word in self.instead else word if word in self.numbers else self.repaired(word) for word in words]
        if not set(self.subjects) & set(meant):
            meant = [self.subject(word) if known is None else known for word, known in zip(words, meant)]
        return list(zip(words, meant))

    @functools.lru_cache(maxsize=1024)
    def repaired(self, word: str) -> str | None:
        """The known word that is a single slip away: a letter left out, added, changed, or two swapped. Words that mean something go
        before those that do not. None where there is no such word, where they mean several things, and for short words."""
        if len(word) < SHORTEST_REPAIRED:
            return None
        return self._picked(word, self.repairable)

    @functools.lru_cache(maxsize=1024)
    def subject(self, word: str) -> str | None:
        """The subject that is a single slip away from a short word, if it can be only one; else None."""
        return self._picked(word, self.telling) if len(word) < SHORTEST_REPAIRED else None

    def _picked(self, word: str, words: Iterable[str]) -> str | None:
        near = [known for known in words if one_slip(word, known)]
        near = [known for known in near if known in self.means] or near
        return near[0] if len({self.means.get(known, known) for known in near}) == 1 else None

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Texts as numbers: (B, length) int64, a row a text, 0 after its last word. Notices are not given here: see `read`.

        texts: B of them, of any length; words after the first `length` that are known are left out.
        Raises ValueError where something is no text.
        """
        if isinstance(texts, str):
            raise ValueError(f"texts is {texts!r}, but it has to be a list of texts, one a row, such as [{texts!r}]")
        rows = torch.zeros(len(texts), self.length, dtype=torch.int64)
        for row, text in zip(rows, texts):
            if not isinstance(text, str):
                raise ValueError(f"texts holds {text!r}, but each has to be a text, such as 'a cat wearing a crown'")
            words = split(text)
            if not all(word in self.numbers and word not in self.instead for word in words):
                words = self.read(text).words
            numbers = [self.numbers[word] for word in words[:self.length]]
            row[:len(numbers)] = torch.tensor(numbers, dtype=torch.int64)
        return rows

    def decode(self, numbers: Tensor) -> tuple[str, ...]:
        """The words of one row of `encode`, (length,) int64."""
        return tuple(self.words[number - 1] for number in numbers.tolist() if number)


def nearest(word: str, words: Iterable[str]) -> list[str]:
    """The word that has most letters in common with `word`, in the same order, and up to two more that have many."""
    matcher = difflib.SequenceMatcher(b=word)

    def alike(known: str) -> float:
        matcher.set_seq1(known)
        return matcher.ratio()

    ranked = sorted(((alike(known), known) for known in words), key=lambda pair: -pair[0])
    return [known for place, (share, known) in enumerate(ranked[:3]) if not place or share >= ALIKE]


def one_slip(a: str, b: str) -> bool:
    """Whether one letter left out, added or changed, or two neighbours swapped, makes `a` into `b`. False where they are the same."""
    if abs(len(a) - len(b)) > 1 or a == b:
        return False
    at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
    rest, other = a[at:], b[at:]                             # they differ in their first letter, or one is empty
    swapped = len(rest) > 1 and rest[1::-1] + rest[2:] == other
    return rest[1:] == other[1:] or rest[1:] == other or rest == other[1:] or swapped
