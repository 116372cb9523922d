"""The colours of the world, chosen so that no two names of one kind look alike, to colour-blind readers either.

They were searched for by the least CIELAB distance of any two over normal, protan and deutan sight (Machado et al. 2009),
within the hues that a child would call by that name.
"""

import torch
from torch import Tensor

from .attributes import ATTRIBUTES, NAMES
from .canvas import Palette, rgb
from .clothes import CLOTH_COLOURS, HAT_COLOURS

FUR = {"white": "#fcfaee", "grey": "#7d818d", "black": "#2a2933", "brown": "#915e40", "orange": "#ec7a2c",
       "yellow": "#fde14a", "pink": "#f5a9c6", "green": "#79c475", "blue": "#4a7dea"}
BACKGROUND = {"white": "#fffef9", "yellow": "#feec80", "pink": "#f1b8cf", "orange": "#f3a071",
              "green": "#ade8b4", "blue": "#98cafa", "purple": "#8d6bb6", "grey": "#8e919a"}

DARK_FURS = ("black", "brown", "blue", "grey")               # markings are light on these
DARKEST = "#1d1826"


# the furs that need another ink than the rest
MARK_INK = {"white": "#3c3c46"}
EAR, BROW = {"black": ("#ffffff", 0.16)}, {"black": ("#ffffff", 0.85)}


def toward(colour: Tensor, other: str, share: float) -> Tensor:
    """Mix a colour (..., 3) with "#rrggbb": share 0 leaves it, 1 replaces it."""
    return torch.lerp(colour, colour.new_tensor(rgb(other)), share)


def _fur_roles(name: str) -> Tensor:
    """The seven colours that follow from one fur, in the order of `ROLES`: (7, 3)."""
    fur = torch.tensor(rgb(FUR[name]))
    mark = toward(fur, "#ffffff", 0.70) if name in DARK_FURS else toward(fur, MARK_INK.get(name, "#3f1c10"), 0.72)
    dark, brow = toward(fur, *EAR.get(name, ("#2b2633", 0.25))), toward(fur, *BROW.get(name, (DARKEST, 0.85)))
    return torch.stack([fur, toward(fur, "#fff6e6", 0.62), dark, mark, toward(fur, DARKEST, 0.70), brow, torch.tensor(rgb(DARKEST))])


# fur, muzzle and belly, darker ears, markings, outline, brows, frames of glasses; then what does not follow from the fur
ROLES = ("fur", "light", "dark", "mark", "line", "brow", "frames", "background", "near", "far", "hat", "trim", "cloth", "stripe")
FUR_ROLES = torch.stack([_fur_roles(name) for name in ATTRIBUTES["fur"]])


def _table(colours) -> Tensor:
    """Alternatives as (values, most alternatives, 2, 3); a value with fewer of them repeats its own."""
    most = max(len(options) for options in colours)
    return torch.tensor([[[rgb(code) for code in options[k % len(options)]] for k in range(most)] for options in colours])


HAT_TABLE = _table([HAT_COLOURS[name] for name in ATTRIBUTES["hat"]])
CLOTH_TABLE = _table([CLOTH_COLOURS])
BACKGROUND_TABLE = torch.tensor([rgb(BACKGROUND[name]) for name in ATTRIBUTES["background"]])


def palette(attributes: Tensor, shade: Tensor, choice: Tensor) -> Palette:
    """Every pet's own colours.

    attributes: (B, A) int64; shade: (B,), -1 to 1, how much darker or lighter its fur is; choice: (B, 2), uniform in
    [0, 1), picks the unnamed colours of the hat and of the cloth.
    """
    column = dict(zip(NAMES, attributes.T))
    device = attributes.device
    fur = FUR_ROLES.to(device)[column["fur"]]
    fur = (fur + (fur + 1) * 0.06 * shade[:, None, None]).clamp(-1, 1)
    background = BACKGROUND_TABLE.to(device)[column["background"]][:, None]
    grounds = [background, toward(background, "#2f5d50", 0.30), toward(background, "#2f5d50", 0.18)]
    rows = torch.arange(len(attributes), device=device)
    hats = HAT_TABLE.to(device)[column["hat"]]
    hat = hats[rows, (choice[:, 0] * hats.shape[1]).long()]
    cloth = CLOTH_TABLE.to(device)[0, (choice[:, 1] * CLOTH_TABLE.shape[1]).long()]
    return Palette(ROLES, torch.cat([fur, *grounds, hat, cloth], 1).float())
