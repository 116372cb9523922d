"""Pets in words, and words back to pets.

One table, a `Grammar`, holds a whole language: the words of every value, the phrases they stand in and the orders of the
phrases. What is not said about a pet has no word, so its phrase is left out. Another language is another `Grammar`.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .attributes import ATTRIBUTES, UNSAID, check_attributes, column, decode, encode

Words = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Grammar:
    """A language.

    words: attribute -> value -> how it is said.
    anybody: what a pet is called whose animal is not said.
    orders: the ways to say everything: each a row of phrases, and each phrase names one attribute in braces.
    absent: attribute -> the value that is only said where everything is.
    also: other words that are understood -> (attribute, value).
    fillers: words that carry no value.
    repairs: (pattern, replacement), applied to the finished caption, as for "a orange" -> "an orange".
    scene: how two captions make one.
    """

    words: Words
    anybody: str
    orders: tuple[tuple[str, ...], ...]
    absent: Mapping[str, str]
    also: Mapping[str, tuple[str, str]]
    fillers: frozenset[str]
    repairs: tuple[tuple[str, str], ...]
    scene: str
    lexicon: Mapping[str, tuple[str, str]] = field(init=False)

    def __post_init__(self):
        said = {word: (attribute, value) for attribute, words in self.words.items() for value, word in words.items()}
        object.__setattr__(self, "lexicon", {**said, **self.also})


def _same(attribute: str, **but: str) -> dict[str, str]:
    """The words that are the values' own names, but for those given."""
    return {value: value for value in ATTRIBUTES[attribute]} | but


ENGLISH = Grammar(
    words={"animal": _same("animal"), "fur": _same("fur"), "pattern": _same("pattern"), "mood": _same("mood"),
           "hat": _same("hat", none="no hat"), "accessory": _same("accessory", none="no accessory"),
           "background": {value: f"{value} background" for value in ATTRIBUTES["background"]}},
    anybody="pet",
    orders=(("a", "{mood}", "{fur}", "{pattern}", "{animal}", "wearing a {hat}", "with a {accessory}", "on a {background}"),
            ("a", "{mood}", "{pattern}", "{fur}", "{animal}", "with a {hat}", "and a {accessory}", "on a {background}"),
            ("a", "{pattern}", "{fur}", "{animal}", "in a {hat}", "with a {accessory}", "looking {mood}", "against a {background}"),
            ("on a {background}", "a", "{mood}", "{fur}", "{pattern}", "{animal}", "in a {hat}", "with a {accessory}")),
    absent={"pattern": "plain", "hat": "none", "accessory": "none"},
    also={"gray": ("fur", "grey"), "kitten": ("animal", "cat"), "puppy": ("animal", "dog"), "bunny": ("animal", "rabbit"),
          "piglet": ("animal", "pig"), "bird": ("animal", "chick"), "gray background": ("background", "grey"),
          "without a hat": ("hat", "none"), "stripes": ("pattern", "striped"), "spots": ("pattern", "spotted"),
          "stripy": ("pattern", "striped"), "tired": ("mood", "sleepy")},
    fillers=frozenset("a an the with wearing in on and against looking picture portrait of pet that is has".split()),
    repairs=((r"\ba (?=no |glasses)", ""), (r"\ba (?=[aeiou])", "an "), (r"^((?:(?! with ).)*?) and ", r"\1 with ")),
    scene="{left} left of {right}")


def caption(attributes: Tensor, order: int = 0, brief: bool = True, grammar: Grammar = ENGLISH) -> str:
    """One pet in words: "a happy grey cat wearing a crown on a pink background".

    attributes: (A,) int64, -1 for what is not to be said; order: which phrasing, 0 to len(grammar.orders) - 1;
    brief: leave out what is not there to be seen ("no hat", "no accessory", "plain").
    """
    if not 0 <= order < len(grammar.orders):
        raise ValueError(f"order is {order}, but it has to lie between 0 and {len(grammar.orders) - 1}")
    pet = decode(attributes)[0]
    said = {name: grammar.words[name][value] for name, value in pet.items()
            if not (brief and grammar.absent.get(name) == value)}
    said.setdefault("animal", grammar.anybody)
    asked = ((phrase, re.findall(r"{(\w+)}", phrase)) for phrase in grammar.orders[order])
    text = " ".join(phrase.format(**said) for phrase, names in asked if all(name in said for name in names))
    for pattern, replacement in grammar.repairs:
        text = re.sub(pattern, replacement, text)
    return text


def captions(attributes: Tensor, brief: bool = True, grammar: Grammar = ENGLISH) -> list[str]:
    """A batch of pets in words, taking turns with the phrasings. attributes: (B, A) int64."""
    turns = len(grammar.orders)
    return [caption(row, number % turns, brief, grammar) for number, row in enumerate(check_attributes(attributes))]


def parse_caption(text: str, grammar: Grammar = ENGLISH) -> Tensor:
    """What a caption asks for: (A,) int64, -1 for what it does not say. Order and filling words do not matter.

    Raises ValueError that names a word nobody taught us, or an attribute that is said twice.
    """
    words = re.findall(r"[^\W_]+", text.lower())
    longest = max(phrase.count(" ") + 1 for phrase in grammar.lexicon)
    pet: dict[str, str] = {}
    while words:
        phrases = (" ".join(words[:n]) for n in range(min(longest, len(words)), 0, -1))
        phrase = next((phrase for phrase in phrases if phrase in grammar.lexicon), None)
        if phrase is None:
            if words[0] not in grammar.fillers:
                raise ValueError(_unknown(words[0], grammar))
            words = words[1:]
            continue
        attribute, value = grammar.lexicon[phrase]
        if pet.get(attribute, value) != value:
            raise ValueError(f"the caption says two things about the {attribute}: {pet[attribute]!r} and {value!r}; say one")
        pet[attribute] = value
        words = words[phrase.count(" ") + 1:]
    return encode(pet)[0]


def _unknown(word: str, grammar: Grammar) -> str:
    """What to answer to a word that is not in the language."""
    near = [phrase for phrase in grammar.lexicon if word in phrase.split()]
    near = near or difflib.get_close_matches(word, grammar.lexicon, n=3)
    if near:
        return f"the word {word!r} is not known here; did you mean: {', '.join(near)}?"
    return (f"the word {word!r} is not known here; animals are: {', '.join(grammar.words['animal'].values())}; "
            f"hats are: {', '.join(grammar.words['hat'].values())}")


def scene_caption(attributes: Tensor, order: int = 0, brief: bool = True, grammar: Grammar = ENGLISH) -> str:
    """Two pets in words; their common background is said once. attributes: (2, A) int64, left pet first."""
    left, right = check_attributes(attributes).clone()
    right[column("background")] = UNSAID
    left, right = (caption(pet, order, brief, grammar) for pet in (left, right))
    return grammar.scene.format(left=left, right=right)


def parse_scene_caption(text: str, grammar: Grammar = ENGLISH) -> Tensor:
    """What a scene's caption asks for: (2, A) int64. Raises ValueError where it does not name two pets."""
    link = grammar.scene.format(left="", right="")
    parts = text.lower().split(link)
    if len(parts) != 2:
        raise ValueError(f"the caption is {text!r}, but a scene needs two pets joined by {link.strip()!r}")
    pets = torch.stack([parse_caption(part, grammar) for part in parts])
    background = column("background")
    pets[:, background] = pets[:, background].max()          # said of one, it holds for both
    return pets
