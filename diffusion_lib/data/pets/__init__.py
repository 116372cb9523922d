"""PartyPets: little portraits of animals that may wear hats, drawn by the library itself.

    pets = PartyPets(size=32)
    picture, attributes = pets[7]                            # (3, 32, 32) in [-1, 1] and (A,) int64
    decode(attributes)                                       # [{"animal": "cat", "hat": "crown", ...}]
    caption(attributes, grammar=GRAMMARS["te"])              # the same in Telugu; `parse_caption` reads it back
"""

from .asking import Wish, condition_of, hears_of_pets, language_of, tell_sense, wish_in_attributes, wish_in_words
from .attributes import (ATTRIBUTES, HELD_OUT, NAMES, SIZES, UNSAID, decode, encode, is_held_out, sample_attributes)
from .captioned import CaptionedPets, Captions
from .captions import (ENGLISH, GRAMMARS, TELUGU, Grammar, caption, captions, pet_vocabulary, scene_caption, training_caption,
                       training_scene_caption)
from .dataset import PartyPets
from .drawing import draw
from .reading import Understood, parse_caption, parse_scene_caption, understand, understand_scene
from .scenes import draw_scene
