"""Words back to pets: what a caption asks for, in any of the languages.

Words that say nothing are passed over or part what stands on both sides; the rest is cut into the longest phrases that some
language's table holds. Each phrase leaves an attribute some of its values ("a hat": all of them but none); two phrases leave what both allow.
"""

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from ...words import NOTICES, Notices, Vocabulary, split
from .attributes import ATTRIBUTES, column, encode
from .captions import GRAMMARS, vocabulary_of
from .grammar import HOLE, Grammar

LONGEST_TEXT = 10_000                                        # words
PART = ","                                                   # stands for every word that only parts those on both sides


@dataclass(frozen=True)
class Understood:
    """What was understood of a caption. attributes: (A,) int64, -1 where it leaves a choice; in scenes (2, A). words: the known
    words that it says it with. notices: what was repaired or left out, a sentence each."""

    attributes: Tensor
    words: tuple[str, ...]
    notices: tuple[str, ...]


def understand(text: str, grammar: Grammar | None = None, say: Notices = NOTICES) -> Understood:
    """What a caption asks for, and what became of its words.

    grammar: its language; None: whichever knows the words. say: how the notices are worded.

    The order of the words does not matter, instructions and filling words say nothing, one-letter slips are repaired, and
    unknown words are left out; a notice tells of each. Raises ValueError that names two phrases that contradict each other.
    """
    reading = _vocabulary(grammar).read(text, say)
    attributes, notices = _attributes(_content(reading.words, grammar), grammar, say)
    return Understood(attributes, reading.words, reading.notices + notices)


def understand_scene(text: str, grammar: Grammar | None = None, say: Notices = NOTICES) -> Understood:
    """What a scene's caption asks for: `attributes` are (2, A), left pet first. Arguments and errors as in `understand`.

    Raises ValueError where it does not say of two pets which is on the left.
    """
    reading = _vocabulary(grammar).read(text, say)
    content = " ".join(_content(reading.words, grammar))
    match = next((match for pattern in _relations(grammar) if (match := pattern.fullmatch(content))), None)
    if match is None:
        examples = "; ".join(HOLE.sub("...", each.scenes[0]) for each in _grammars(grammar))
        raise ValueError(say.sides.format(text=text[:200], examples=examples))
    left, right = (_attributes(match[side].split(), grammar, say) for side in ("left", "right"))
    pets = torch.stack([left[0], right[0]])
    background = column("background")
    pets[:, background] = pets[:, background].max()          # said of one, it holds for both
    return Understood(pets, reading.words, reading.notices + left[1] + right[1])


def parse_caption(text: str, grammar: Grammar | None = None) -> Tensor:
    """What a caption asks for: (A,) int64, -1 for what it does not say. As `understand`, whose notices become warnings."""
    return _warned(understand(text, grammar))


def parse_scene_caption(text: str, grammar: Grammar | None = None) -> Tensor:
    """What a scene's caption asks for: (2, A) int64. As `understand_scene`, whose notices become warnings."""
    return _warned(understand_scene(text, grammar))


def _warned(understood: Understood) -> Tensor:
    for notice in understood.notices:
        warnings.warn(notice, stacklevel=3)
    return understood.attributes


def _content(words: Sequence[str], grammar: Grammar | None) -> list[str]:
    """The words that say something, and `PART` for those that only part them."""
    fillers, parting = _silent(grammar)
    return [PART if word in parting else word for word in words if word not in fillers]


def _attributes(words: Sequence[str], grammar: Grammar | None, say: Notices) -> tuple[Tensor, tuple[str, ...]]:
    """The attributes that `_content` asks for, (A,), and notices about words that ask for nothing by themselves."""
    said: dict[str, tuple[str, frozenset[str]]] = {}
    lexicon, longest = _lexicon(grammar)
    negations, follows = _negations(grammar)
    notices, at, negated = [], 0, ""
    while at < len(words):
        phrases = (" ".join(words[at:at + n]) for n in range(min(longest, len(words) - at), 0, -1))
        phrase = next((phrase for phrase in phrases if phrase in lexicon), None)
        if phrase is None:
            if words[at] in negations:
                negated = words[at]
            elif words[at] != PART:
                notices.append(_alone(words[at], lexicon, say))
            at += 1
            continue
        name, values = lexicon[phrase]
        at += phrase.count(" ") + 1
        if at < len(words) and words[at] in follows:
            phrase, values, at = f"{phrase} {words[at]}", frozenset(ATTRIBUTES[name]) - values, at + 1
        elif negated:
            phrase, values, negated = f"{negated} {phrase}", frozenset(ATTRIBUTES[name]) - values, ""
        before, left = said.get(name, (phrase, values))
        if not left & values:
            raise ValueError(say.twice.format(name=name, first=before, second=phrase))
        said[name] = (phrase if values < left else before), left & values
    if negated:                                              # "a cat without": without what?
        notices.append(_alone(negated, lexicon, say))
    pet = {name: next(iter(values)) for name, (_, values) in said.items() if len(values) == 1}
    return encode(pet)[0], tuple(dict.fromkeys(notices))


def _alone(word: str, lexicon: Mapping[str, object], say: Notices) -> str:
    """What to answer to a word that says something only together with others."""
    phrases = [phrase for phrase in lexicon if word in phrase.split()][:5]
    return (say.alone_in if phrases else say.alone).format(word=word, phrases=", ".join(phrases))


def _grammars(grammar: Grammar | None) -> tuple[Grammar, ...]:
    return tuple(GRAMMARS.values()) if grammar is None else (grammar,)


@cache
def _vocabulary(grammar: Grammar | None) -> Vocabulary:
    return vocabulary_of(_grammars(grammar), LONGEST_TEXT)


@cache
def _lexicon(grammar: Grammar | None) -> tuple[dict[str, tuple[str, frozenset[str]]], int]:
    """Phrase -> meaning, and the length of the longest phrase in words."""
    phrases = {phrase: meaning for each in _grammars(grammar) for phrase, meaning in each.lexicon.items()}
    return phrases, max(phrase.count(" ") + 1 for phrase in phrases)


@cache
def _negations(grammar: Grammar | None) -> tuple[frozenset[str], frozenset[str]]:
    """The words that negate what follows, and those that negate what they follow."""
    before, behind = (frozenset(word for each in _grammars(grammar) if each.negation_follows == follows for word in each.negations)
                      for follows in (False, True))
    return before, behind


@cache
def _silent(grammar: Grammar | None) -> tuple[frozenset[str], frozenset[str]]:
    """The words that are passed over, and those that part phrases."""
    return (frozenset().union(*(each.fillers for each in _grammars(grammar))), frozenset().union(*(each.parting for each in _grammars(grammar))))


@cache
def _relations(grammar: Grammar | None) -> tuple[re.Pattern, ...]:
    """How two pets may be told apart, as patterns over `_content`; those with more words of their own first."""
    patterns: dict[str, int] = {}
    for each in _grammars(grammar):
        for pieces in each.relations:
            said = [[word for word in _content(split(piece), grammar) if word != PART] if isinstance(piece, str) else piece for piece in pieces]
            words = [" ".join(piece) if isinstance(piece, list) else f"(?P<{piece[0]}>.+)" for piece in said]
            pattern = " ".join(word for word in words if word)
            patterns[f"(?:{PART} )*{pattern}(?: {PART})*"] = sum(len(piece) for piece in said if isinstance(piece, list))
    return tuple(re.compile(pattern) for pattern in sorted(patterns, key=lambda pattern: -patterns[pattern]))
