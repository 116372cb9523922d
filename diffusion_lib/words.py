"""Text as known words: how a prompt is cut up, and what becomes of words that nobody taught us.

A vocabulary is a plain list of words, and a word's number is its place in that list. Nothing is learned here and nothing
is downloaded. Small slips are repaired and unknown words left out, but never in silence: each leaves a notice.
"""

import difflib
import functools
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

JOINERS = "\u200c\u200d"                                      # invisible signs inside words of Indian scripts
SHORTEST_REPAIRED = 4                                        # letters; in shorter words one letter changes too much
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

    repaired: {word}, {meant}. unknown: {word}; unknown_near: {word}, {near}. more_unknown: {count}. too_long: {length}, {count}.
    alone: {word}, one that is known only as a part of phrases; alone_in: {word}, {phrases}. heard: {words}; heard_nothing: none.
    """

    repaired: str = "read {word!r} as {meant!r}"
    unknown: str = "the word {word!r} is not known here and was left out"
    unknown_near: str = "the word {word!r} is not known here and was left out; near it: {near}"
    more_unknown: str = "{count} more words are not known here and were left out"
    too_long: str = "only the first {length} of {count} known words were read"
    alone: str = "the word {word!r} alone says nothing here"
    alone_in: str = "the word {word!r} alone says nothing here; it is known in: {phrases}"
    heard: str = "Read: {words}"
    heard_nothing: str = "Read: nothing, so whatever comes is drawn"


NOTICES = Notices()


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
    Raises ValueError for a word that `split` would cut up or change, for a word given twice, and for a length below 1.
    """

    words: tuple[str, ...]
    length: int = 32

    def __post_init__(self):
        object.__setattr__(self, "words", tuple(self.words))
        odd = next((word for word in self.words if split(word) != [word]), None)
        twice = next((word for word in self.words if self.words.count(word) > 1), None)
        if odd is not None or twice is not None:
            raise ValueError(f"words holds {(twice if odd is None else odd)!r}, but each has to be one word in lower case, and stand there once")
        if self.length < 1:
            raise ValueError(f"length is {self.length}, but a text has to have room for at least 1 word")

    @functools.cached_property
    def numbers(self) -> dict[str, int]:
        """Word -> number, from 1 on."""
        return {word: number for number, word in enumerate(self.words, start=1)}

    def read(self, text: str, say: Notices = NOTICES) -> Reading:
        """The known words of a text, with one-letter slips repaired, and a notice for each thing that was done to it.

        say: how the notices are worded.
        """
        known, notices, unknown = [], {}, {}
        for word in split(text):
            meant = word if word in self.numbers else self.repaired(word)
            if meant is None:
                unknown[word] = None
            elif meant != word:
                notices[say.repaired.format(word=word, meant=meant)] = None
            known += [meant] if meant else []
        for word in list(unknown)[:NAMED]:
            near = difflib.get_close_matches(word[:40], self.words, n=3)
            notices[(say.unknown_near if near else say.unknown).format(word=word[:40], near=", ".join(near))] = None
        if len(unknown) > NAMED:
            notices[say.more_unknown.format(count=len(unknown) - NAMED)] = None
        if len(known) > self.length:
            notices[say.too_long.format(length=self.length, count=len(known))] = None
        return Reading(tuple(known[:self.length]), tuple(notices))

    @functools.lru_cache(maxsize=1024)
    def repaired(self, word: str) -> str | None:
        """The one known word that is a single slip away: a letter left out, added, changed, or two swapped. Else None."""
        if len(word) < SHORTEST_REPAIRED:
            return None
        near = [known for known in self.words if len(known) >= SHORTEST_REPAIRED - 1 and one_slip(word, known)]
        return near[0] if len(near) == 1 else None

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
            if not all(word in self.numbers for word in words):
                words = self.read(text).words
            numbers = [self.numbers[word] for word in words[:self.length]]
            row[:len(numbers)] = torch.tensor(numbers, dtype=torch.int64)
        return rows

    def decode(self, numbers: Tensor) -> tuple[str, ...]:
        """The words of one row of `encode`, (length,) int64."""
        return tuple(self.words[number - 1] for number in numbers.tolist() if number)


def one_slip(a: str, b: str) -> bool:
    """Whether one letter left out, added or changed, or two neighbours swapped, makes `a` into `b`. False where they are the same."""
    if abs(len(a) - len(b)) > 1 or a == b:
        return False
    at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
    rest, other = a[at:], b[at:]                             # they differ in their first letter, or one is empty
    swapped = len(rest) > 1 and rest[1::-1] + rest[2:] == other
    return rest[1:] == other[1:] or rest[1:] == other or rest == other[1:] or swapped
