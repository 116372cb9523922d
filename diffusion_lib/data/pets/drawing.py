"""Attributes in, pictures out: each pet is painted from the back to the front.

Pets that share a value (an animal, a hat, a mood) are painted together, so a batch costs few, large tensor operations.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ...random import uniform
from .animals import ANIMALS, BELLY, BODY, BODY_MARKINGS, EAR_MARKINGS, FACE_MARKINGS
from .attributes import ATTRIBUTES, NAMES, UNSAID, check_attributes
from .canvas import Frame, Layer, Rows, Sheet, frame, rows_of
from .clothes import EYEWEAR, HATS, NECKWEAR
from .faces import MOODS
from .palette import palette
from .shapes import Shape

HEAD = (0.0, 0.215, 0.55)                                    # a portrait's head: x, y and size, in picture coordinates
LEAN = 0.2                                                   # the body leans with the head, but less
GAZE = 0.32                                                  # how far pupils wander, in radii of the eye
FAR = 9.0                                                    # a distance outside everything, in units of the head
BELOW_ONE = 1 - 2**-24                                       # the largest such number of float32
EVERYONE = slice(None)


class Fit(NamedTuple):
    """How moods and hats fit an animal, from its table; each (B, 1, 1, 1)."""

    eye_x: Tensor
    eye_y: Tensor
    eye_size: Tensor
    mouth_y: Tensor
    mouth_size: Tensor
    hat_y: Tensor
    hat_size: Tensor


FITS = torch.tensor([[*animal.eyes, *animal.mouth, *animal.hat] for animal in ANIMALS.values()])


@dataclass(frozen=True)
class Looks:
    """What varies without a name. Each (B,): x, y offsets and size factor of the head; tilt, radians; gaze, right and
    down, -1 to 1; shade of the fur, -1 to 1; choice (B, 2), uniform in (0, 1), of unnamed colours."""

    x: Tensor
    y: Tensor
    size: Tensor
    tilt: Tensor
    gaze_x: Tensor
    gaze_y: Tensor
    shade: Tensor
    choice: Tensor


def looks(keys: Tensor) -> Looks:
    """The unnamed looks of each pet, from its key (B,) int64."""
    u = uniform(keys[:, None], torch.arange(10, device=keys.device)).float()
    s = 2 * u - 1
    return Looks(x=0.07 * s[:, 0], y=0.035 * s[:, 1], size=1 + 0.06 * s[:, 2], tilt=0.14 * s[:, 3], gaze_x=s[:, 4],
                 gaze_y=s[:, 5], shade=s[:, 6], choice=u[:, 7:9].clamp(max=BELOW_ONE))


def draw(attributes: Tensor, keys: Tensor, size: int = 32) -> Tensor:
    """Portraits of pets.

    attributes: (B, A) int64, everything said; keys: (B,) int64, one random key per pet (`random.bits` makes them), which
    decides its unnamed looks; size: pixels. Returns (B, 3, size, size) in [-1, 1]. Raises ValueError for a -1.
    """
    attributes = check_attributes(attributes)
    if (attributes == UNSAID).any():
        raise ValueError("attributes hold -1 (not said), but to draw a pet each of them has to be said")
    order = attributes[:, 0].argsort(stable=True)            # pets of one kind side by side: they can be painted without copies
    attributes, style = attributes[order], looks(keys[order])
    colours = palette(attributes, style.shade, style.choice)
    pictures = colours.colour("background").expand(-1, -1, size, size).clone()
    x, y, unit = HEAD
    place = (x + style.x, y + style.y, unit * style.size)
    draw_pets(Sheet(pictures, colours), attributes, style, frame(size, *place, style.tilt), frame(size, *place, LEAN * style.tilt))
    return torch.empty_like(pictures).index_copy_(0, order, pictures)


def draw_pets(sheet: Sheet, attributes: Tensor, style: Looks, head: Frame, torso: Frame) -> None:
    """Paint one pet on each picture, in place. head, torso: the frames of its head and of its body."""
    kind = {name: named_rows(name, values) for name, values in zip(NAMES, attributes.T)}
    fit = Fit(*FITS.to(attributes.device)[attributes[:, 0]].T.reshape(7, -1, 1, 1, 1))
    sheet.paint(EVERYONE, torso, (Layer(BODY, "fur", outline=True), BELLY))
    draw_markings(sheet, kind["pattern"], torso, BODY_MARKINGS, BODY(torso.u, torso.v))
    draw_heads(sheet, kind["animal"], kind["pattern"], head)
    seat = head.moved(0.0, fit.hat_y, fit.hat_size)
    for name, rows in kind["hat"].items():
        sheet.paint(rows, seat, HATS.get(name, ()))
    for name, rows in kind["animal"].items():
        sheet.paint(rows, head, ANIMALS[name].front)
    eye = head.moved(0.0, fit.eye_y).folded(fit.eye_x).moved(0.0, 0.0, fit.eye_size)
    gaze_x, gaze_y = (GAZE * gaze.reshape(-1, 1, 1, 1) * fit.eye_size for gaze in (style.gaze_x, style.gaze_y))
    pupil = head.moved(gaze_x, fit.eye_y + gaze_y).folded(fit.eye_x).moved(0.0, 0.0, fit.eye_size)
    mouth = head.moved(0.0, fit.mouth_y, fit.mouth_size)
    for name, rows in kind["mood"].items():
        mood = MOODS[name]
        for where, layers in ((head, mood.cheeks), (eye, mood.eyes), (pupil, mood.pupils), (eye, mood.lids), (mouth, mood.mouth)):
            sheet.paint(rows, where, layers)
    for name, rows in kind["accessory"].items():
        sheet.paint(rows, eye, EYEWEAR.get(name, ()))
        sheet.paint(rows, torso, NECKWEAR.get(name, ()))


def draw_heads(sheet: Sheet, animals: dict[str, Rows], patterns: dict[str, Rows], head: Frame) -> None:
    """Paint ears and heads: the outer ears of all animals, their markings, then the rest and the markings of the face."""
    coat = torch.full_like(head.u, FAR)                      # distance from the edge of what bears the markings
    for name, rows in animals.items():
        if outer := ANIMALS[name].ears[:1]:
            sheet.paint(rows, head, outer)
            coat[rows] = outer[0].shape(head.u[rows], head.v[rows])
    draw_markings(sheet, patterns, head, EAR_MARKINGS, coat)
    for name, rows in animals.items():
        animal = ANIMALS[name]
        sheet.paint(rows, head, animal.ears[1:] + (Layer(animal.head, "fur", outline=True),) + animal.sides)
        coat[rows] = animal.furry(head.u[rows], head.v[rows])
    draw_markings(sheet, patterns, head, FACE_MARKINGS, coat)


def draw_markings(sheet: Sheet, patterns: dict[str, Rows], where: Frame, shapes: dict[str, Shape], coat: Tensor) -> None:
    """Paint stripes and spots on a coat, which is given by the distance from its edge."""
    for name, rows in patterns.items():
        if name in shapes:
            sheet.paint(rows, where, (Layer(shapes[name], "mark"),), coat)


def named_rows(attribute: str, values: Tensor) -> dict[str, Rows]:
    """Each value of an attribute that occurs, by name, and where."""
    return {ATTRIBUTES[attribute][value]: rows for value, rows in sorted(rows_of(values).items())}
