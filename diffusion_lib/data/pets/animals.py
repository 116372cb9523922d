"""The eight animals, as tables of shapes.

Units: half a cat's head. The origin is the middle of the head, u to the right, v downwards. What makes an animal that
animal (ears, snout, whiskers, beak) stands here; moods, hats and accessories are fitted to it by a few numbers.
"""

from dataclasses import dataclass

from .canvas import Layer
from .shapes import Shape, box, circle, convex, either, ellipse, line, pair, waves

INK, WHITE, ROSE = "#2b2633", "#ffffff", "#f08fa5"


@dataclass(frozen=True)
class Animal:
    """How one animal is drawn.

    ears: behind the head, each with its lining; head: its outline; sides: what lies on the head but under a hat; front: what lies
    on top of all that. furry: where stripes and spots show.
    eyes: (distance from the middle, height, size); mouth: (height, size); hat: (height of the seat, size).
    """

    ears: tuple[Layer, ...]
    head: Shape
    sides: tuple[Layer, ...]
    front: tuple[Layer, ...]
    eyes: tuple[float, float, float]
    mouth: tuple[float, float]
    hat: tuple[float, float]

    @property
    def furry(self) -> Shape:
        return either(self.head, *(layer.shape for layer in self.sides))


def ear(outer: Shape, inner: Shape | None, colour: str = "fur", lining: str = ROSE) -> tuple[Layer, ...]:
    """A pair of ears with their lining."""
    layers = (Layer(pair(outer), colour, outline=True),)
    return layers if inner is None else layers + (Layer(pair(inner), lining),)


WHISKERS = pair(either(line(0.52, 0.30, 1.32, 0.16, 0.075), line(0.52, 0.46, 1.30, 0.54, 0.075)))

CAT = Animal(
    ears=ear(convex((0.16, -0.62), (0.86, -1.28), (0.99, -0.20), (0.5, -0.1), rounding=0.1),
               convex((0.46, -0.62), (0.78, -0.98), (0.86, -0.45), rounding=0.06)),
    head=ellipse(0, 0, 1.0, 0.84),
    sides=(),
    front=(Layer(WHISKERS, INK),
           Layer(ellipse(0, 0.44, 0.46, 0.34), "light"),
           Layer(convex((-0.13, 0.17), (0.13, 0.17), (0, 0.30), rounding=0.04), ROSE, outline=True)),
    eyes=(0.46, -0.10, 0.27), mouth=(0.43, 0.9), hat=(-0.66, 1.0))

DOG = Animal(
    ears=(),
    head=ellipse(0, 0, 0.84, 0.90),
    sides=(Layer(pair(ellipse(0.90, 0.10, 0.27, 0.66, -10)), "dark", outline=True),),
    front=(Layer(ellipse(0, 0.46, 0.47, 0.40), "light"),
           Layer(ellipse(0, 0.20, 0.21, 0.15), INK),
           Layer(ellipse(-0.06, 0.14, 0.06, 0.035), WHITE)),
    eyes=(0.36, -0.18, 0.26), mouth=(0.48, 1.0), hat=(-0.72, 0.94))

RABBIT = Animal(
    ears=ear(ellipse(0.50, -1.05, 0.25, 0.78, 17), ellipse(0.51, -1.02, 0.11, 0.52, 17)),
    head=ellipse(0, 0, 0.86, 0.84),
    sides=(),
    front=(Layer(pair(ellipse(0.20, 0.42, 0.26, 0.24)), "light"),
           Layer(ellipse(0, 0.22, 0.12, 0.085), ROSE, outline=True),
           Layer(box(-0.14, 0.62, 0.14, 0.88, 0.04), WHITE, outline=True)),
    eyes=(0.40, -0.10, 0.26), mouth=(0.40, 0.85), hat=(-0.66, 0.80))

BEAR = Animal(
    ears=ear(circle(0.76, -0.62, 0.33), circle(0.76, -0.62, 0.17), lining="light"),
    head=ellipse(0, 0, 1.0, 0.88),
    sides=(),
    front=(Layer(ellipse(0, 0.38, 0.50, 0.42), "light", outline=True),
           Layer(ellipse(0, 0.16, 0.19, 0.13), INK)),
    eyes=(0.46, -0.18, 0.24), mouth=(0.40, 0.9), hat=(-0.70, 0.94))

MOUSE = Animal(
    ears=ear(circle(0.93, -0.52, 0.55), circle(0.93, -0.52, 0.33)),
    head=convex((-0.54, -0.84), (0.54, -0.84), (0.95, 0.12), (0.40, 0.86), (-0.40, 0.86), (-0.95, 0.12), rounding=0.5),
    sides=(),
    front=(Layer(WHISKERS, INK),
           Layer(ellipse(0, 0.50, 0.34, 0.30), "light"),
           Layer(circle(0, 0.26, 0.13), ROSE, outline=True)),
    eyes=(0.36, -0.12, 0.25), mouth=(0.50, 0.8), hat=(-0.66, 0.84))

FROG = Animal(
    ears=(Layer(pair(circle(0.58, -0.42, 0.42)), "fur", outline=True),),
    head=ellipse(0, 0.16, 1.14, 0.70),
    sides=(Layer(ellipse(0, 0.48, 0.84, 0.33), "light"),),
    front=(Layer(pair(ellipse(0.58, -0.30, 0.34, 0.28)), "fur"),
           Layer(pair(ellipse(0.11, 0.12, 0.06, 0.05)), INK)),
    eyes=(0.58, -0.40, 0.27), mouth=(0.42, 1.3), hat=(-0.72, 0.90))

PIG = Animal(
    ears=(),
    head=ellipse(0, 0, 1.0, 0.88),
    sides=(Layer(pair(convex((0.28, -0.80), (0.70, -1.20), (0.98, -0.66), (0.84, -0.44), rounding=0.12)), "dark", outline=True),),
    front=(Layer(ellipse(0, 0.18, 0.40, 0.28), ROSE, outline=True),
           Layer(pair(ellipse(0.15, 0.18, 0.075, 0.12)), INK)),
    eyes=(0.48, -0.18, 0.24), mouth=(0.53, 0.8), hat=(-0.72, 0.92))

CHICK = Animal(
    ears=(Layer(either(line(0, -0.8, -0.16, -1.14, 0.16), line(0, -0.8, 0.06, -1.20, 0.16), line(0, -0.8, 0.26, -1.08, 0.14)),
                  "fur", outline=True),),
    head=circle(0, 0, 0.90),
    sides=(),
    front=(Layer(convex((-0.52, 0.30), (-0.16, 0.10), (0.16, 0.10), (0.52, 0.30), (0.0, 0.78), rounding=0.08), "#ff9a1f", outline=True),),
    eyes=(0.40, -0.20, 0.26), mouth=(0.33, 0.75), hat=(-0.70, 0.9))

ANIMALS: dict[str, Animal] = {"cat": CAT, "dog": DOG, "rabbit": RABBIT, "bear": BEAR,
                              "mouse": MOUSE, "frog": FROG, "pig": PIG, "chick": CHICK}

# The body is the same for all of them: shoulders, arms, a light belly.
BODY = ellipse(0, 1.52, 0.92, 0.84)
BELLY = Layer(ellipse(0, 1.60, 0.42, 0.50), "light")

# Markings: on the face, on the ears under their lining, and on the body. They are clipped to each.
FACE_MARKINGS: dict[str, Shape] = {
    "striped": either(pair(convex((1.3, -0.22), (1.3, 0.12), (0.50, 0.03), (0.50, -0.11), rounding=0.03)),
                      pair(convex((1.3, 0.34), (1.3, 0.68), (0.42, 0.54), (0.42, 0.40), rounding=0.03)),
                      pair(convex((0.26, -1.1), (0.52, -1.1), (0.32, -0.42), rounding=0.02)),
                      convex((-0.13, -1.1), (0.13, -1.1), (0.0, -0.22), rounding=0.02)),
    "spotted": either(ellipse(-0.52, -0.56, 0.32, 0.27, 20), ellipse(0.24, -0.68, 0.21, 0.16),
                      ellipse(0.74, 0.34, 0.28, 0.26), ellipse(-0.64, 0.46, 0.24, 0.22), ellipse(-0.95, 0.02, 0.17, 0.17))}
EAR_MARKINGS: dict[str, Shape] = {
    "striped": waves(0.44, 0.21, phase=0.1),
    "spotted": pair(either(circle(0.70, -1.62, 0.18), circle(0.30, -1.12, 0.15), circle(0.76, -1.18, 0.16), circle(1.42, -0.62, 0.21),
                      circle(1.06, -1.02, 0.20), circle(1.30, -0.12, 0.20), circle(0.50, -0.86, 0.16)))}
BODY_MARKINGS: dict[str, Shape] = {
    "striped": either(pair(convex((1.1, 0.94), (1.1, 1.14), (0.30, 1.07), (0.30, 1.03), rounding=0.02)),
                      pair(convex((1.1, 1.26), (1.1, 1.48), (0.32, 1.40), (0.32, 1.34), rounding=0.02))),
    "spotted": either(ellipse(-0.62, 1.12, 0.20, 0.18), ellipse(0.70, 1.30, 0.23, 0.19), ellipse(-0.80, 1.46, 0.16, 0.14),
                      ellipse(0.50, 0.98, 0.12, 0.10))}
