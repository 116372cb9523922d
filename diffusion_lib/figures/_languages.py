"""What Python tells the readers of a live figure, in every language that figures speak; the module picks `caption[language]`.

    in_each_language("a sad dog")            {"en": "a sad dog", "te": "విచారంగా ఉన్న కుక్క"}
"""

import json
import re
from contextlib import suppress
from pathlib import Path

from ..data.pets import GRAMMARS, UNSAID, caption, language_of, scene_caption, understand, understand_scene

RECORDED = json.loads((Path(__file__).parent / "words" / "_recorded.json").read_text(encoding="utf-8"))


def in_each_language(text: str) -> dict[str, str]:
    """A text of any language: language -> what it says there.

    What tells of a pet, or of two, and of nothing else is said by the grammars, which pass over what leaves a choice ("a hat"). Any
    other goes by its parts between commas: words/_recorded.json has what records speak of ("12 steps"), and the rest are names ("GPU").
    """
    for read, say in ((understand_scene, scene_caption), (understand, caption)):
        with suppress(ValueError):                           # not two pets, or one that contradicts itself
            pets = read(text)
            if not pets.notices and (pets.attributes != UNSAID).any():
                return {code: say(pets.attributes, brief=False, grammar=grammar) for code, grammar in GRAMMARS.items()} | {language_of(text): text}
    return {code: ", ".join(_said(part, table) for part in text.split(", ")) for code, table in RECORDED.items()}


def _said(part: str, table: dict[str, str]) -> str:
    """A phrase of the English table, as another table has it with the same numbers and names in its places."""
    for key, phrase in RECORDED["en"].items():
        if found := re.fullmatch(re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+)", re.escape(phrase)), part):
            return table[key].format(**found.groupdict())
    return part
