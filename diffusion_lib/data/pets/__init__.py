"""PartyPets: little portraits of animals that may wear hats, drawn by the library itself.

    pets = PartyPets(size=32)
    picture, attributes = pets[7]                            # (3, 32, 32) in [-1, 1] and (A,) int64
    decode(attributes)                                       # [{"animal": "cat", "hat": "crown", ...}]
"""

from .attributes import (ATTRIBUTES, HELD_OUT, NAMES, SIZES, UNSAID, decode, encode, is_held_out, sample_attributes)
from .captions import ENGLISH, Grammar, caption, captions, parse_caption, parse_scene_caption, scene_caption
from .dataset import PartyPets
from .drawing import draw
from .scenes import draw_scene
