"""English, as a table."""

from .attributes import ATTRIBUTES
from .grammar import Grammar, Word


# Everyday words that are a slip away from words of ours, and mean something else: "a cat from a house" is no frog and no mouse.
NO_SLIPS = """back bean beard beat beer big cape car care cart coat dead ear eight fig four from funny gave grew hard hear heat here house light lizard
    log lots near night part pear pick pie pin plaid ran read road said sand scary stop thick time told what while write year""".split()


def _a(*nouns: str) -> tuple[Word, ...]:
    """Nouns as they stand in a list, after a verb, and with "with"."""
    return tuple({"": noun, "a": f"a {noun}", "with": f"with a {noun}"} for noun in nouns)


def _some(*nouns: str) -> tuple[Word, ...]:
    """Nouns that take no article."""
    return tuple({"": noun, "with": f"with {noun}"} for noun in nouns)


def _no(noun: str) -> tuple[Word, ...]:
    """Its absence, in the same places."""
    return ({"": f"no {noun}", "a": f"no {noun}", "with": f"without a {noun}"},)


ENGLISH = Grammar(
    name="English",
    words={
        "animal": {"cat": ("cat", "kitten", "kitty"), "dog": ("dog", "puppy", "doggy"), "rabbit": ("rabbit", "bunny", "hare"),
                   "bear": ("bear", "teddy"), "mouse": ("mouse", "rat"), "frog": ("frog", "toad"),
                   "pig": ("pig", "piglet", "piggy"), "chick": ("chick", "bird", "chicken")},
        "fur": {**{colour: (colour,) for colour in ATTRIBUTES["fur"]}, "grey": ("grey", "gray"), "orange": ("orange", "ginger")},
        "pattern": {"plain": ({"": "plain", "with": "plain fur"},),
                    "striped": ({"": "striped", "with": "stripes"}, {"": "stripy", "with": "stripes"}),
                    "spotted": ({"": "spotted", "with": "spots"}, {"": "spotty", "with": "dots"})},
        "hat": {"none": _no("hat"), "party hat": _a("party hat", "birthday hat"), "top hat": _a("top hat", "black hat", "tophat"),
                "crown": _a("crown", "golden crown"), "wizard hat": _a("wizard hat", "magic hat", "wizard's hat"),
                "cowboy hat": _a("cowboy hat", "brown hat"), "red beanie": _a("red beanie", "red hat", "red cap", "santa hat"),
                "blue beanie": _a("blue beanie", "blue hat", "blue cap")},
        "accessory": {"none": _no("accessory"), "glasses": _some("glasses", "spectacles"), "bow tie": _a("bow tie", "bowtie", "bow"),
                      "scarf": _a("scarf")},
        "mood": {"happy": ("happy", "smiling", "cheerful"), "sad": ("sad", "unhappy", "crying"),
                 "sleepy": ("sleepy", "tired", "sleeping"), "surprised": ("surprised", "amazed", "astonished")},
        "background": {**{colour: _a(f"{colour} background", f"{colour} backdrop") for colour in ATTRIBUTES["background"]},
                       "grey": _a("grey background", "gray background", "grey backdrop")},
    },
    loose=(*(("hat", word, ATTRIBUTES["hat"][1:]) for word in _a("hat")),
           *(("hat", word, ("red beanie", "blue beanie")) for word in _a("beanie", "cap", "woolly hat")),
           *(("accessory", word, ATTRIBUTES["accessory"][1:]) for word in _a("accessory"))),
    anybody=("pet", "animal"),
    orders=(
        ("a", ("{mood}", "{fur}", "{pattern}"), "{animal}", "wearing {hat:a}", "{accessory:with}", "on {background:a}"),
        ("a", ("{mood}", "{pattern}", "{fur}"), "{animal}", "with {hat:a} and {accessory:a} | {hat:with} | {accessory:with}",
         "on {background:a}"),
        ("a", ("{pattern}", "{fur}"), "{animal}", "in {hat:a}", "{accessory:with}", "looking {mood}", "against {background:a}"),
        ("on {background:a}", "a", ("{mood}", "{fur}", "{pattern}"), "{animal}", "in {hat:a}", "{accessory:with}"),
        ("the", ("{mood}", "{fur}"), "{animal}", "with {pattern:with}",
         "that wears {hat:a} and {accessory:a} | that wears {hat:a} | that wears {accessory:a}", "in front of {background:a}"),
        ("a", ("{mood}", "{pattern}", "{fur}"), "{animal}", "that has {hat:a} on its head", "wearing {accessory:a}",
         "in front of {background:a}"),
        (("{mood}", "{fur}", "{pattern}"), "{animal}", (", {hat}", ", {accessory}", ", {background}")),
        ("a", ("{mood}", "{pattern}", "{fur}"), "{animal}", "{hat:with} and {accessory:with} | {hat:with} | {accessory:with}",
         "against {background:a}"),
    ),
    closed=(0, 1, 2, 4, 5, 7),
    instructions=("make this into {}!", "turn this static into {}", "denoise this into {}", "draw {}", "a picture of {}",
                  "make {}", "change this to {}", "turn this noise into {}", "turn it into {}", "please draw {}", "draw me {}", "show me {}",
                  "a portrait of {}", "i want {}", "this is {}", "there is {}", "generate {}", "create {}", "give me {}",
                  "a drawing of {}", "a photo of {}", "paint {} please", "can you make this static into {}?", "an image of {}"),
    scenes=("{left} left of {right}", "{right} right of {left}", "{left} to the left of {right}", "{right} to the right of {left}",
            "on the left {left}, on the right {right}", "{left} on the left and {right} on the right"),
    absent={"pattern": "plain", "hat": "none", "accessory": "none"},
    negations=frozenset({"no", "without"}),
    fillers=frozenset({"a", "an", "the", "fur", "s"}),
    repairs=((r"\b([aA])(?= [aeiou])", r"\1n"),),
    plural="s",
    also={"mice": "mouse", "puppies": "puppy", "doggies": "doggy", "bunnies": "bunny", "kitties": "kitty", "piggies": "piggy", "scarves": "scarf",
          "wear": "wears", "have": "has", "hog": "pig", **dict.fromkeys(NO_SLIPS, "")},
)
