"""The four moods: eyes, brows and mouths that read from across the room.

Eyes are drawn in the folded frame of one eye (unit: its radius; negative u is towards the nose), mouths in the frame of
the mouth (unit: half a cat's head). Only pupils know where the pet looks.
"""

from dataclasses import dataclass

from .animals import INK, WHITE
from .canvas import Layer
from .shapes import both, bow, circle, ellipse, line, pair, under


@dataclass(frozen=True)
class Mood:
    """eyes: drawn in place; pupils: drawn where the pet looks; lids: on top of both; mouth; cheeks: in the head's frame."""

    eyes: tuple[Layer, ...]
    pupils: tuple[Layer, ...]
    lids: tuple[Layer, ...]
    mouth: tuple[Layer, ...]
    cheeks: tuple[Layer, ...] = ()


HAPPY = Mood(
    eyes=(Layer(ellipse(0, 0, 1.0, 1.1), WHITE, outline=True),),
    pupils=(Layer(circle(0, 0, 0.68), INK), Layer(circle(0.2, -0.3, 0.27), WHITE)),
    lids=(),
    mouth=(Layer(both(ellipse(0, -0.02, 0.36, 0.38), under(0.0)), "#8c1f38", outline=True),
           Layer(both(ellipse(0, 0.36, 0.22, 0.18), ellipse(0, -0.02, 0.36, 0.38)), "#ff7d8f")),
    cheeks=(Layer(pair(ellipse(0.66, 0.22, 0.17, 0.10)), "#ff6f8a", opacity=0.75),))

SAD = Mood(
    eyes=(Layer(ellipse(0, 0.1, 1.0, 1.0), WHITE, outline=True),),
    pupils=(Layer(circle(0, 0.35, 0.62), INK), Layer(circle(0.2, 0.1, 0.2), WHITE)),
    lids=(Layer(line(-1.0, -1.95, 1.1, -1.15, 0.42), "brow"),
          Layer(ellipse(0.35, 1.95, 0.50, 0.72), "#6fc3ff", outline=True)),
    mouth=(Layer(bow(0, 0.26, 0.27, -0.17, 0.13), INK),))

SLEEPY = Mood(
    eyes=(),
    pupils=(),
    lids=(Layer(ellipse(0, 0.0, 1.15, 1.0), "light"),
          Layer(bow(0, 0.12, 1.05, 0.55, 0.5), INK)),
    mouth=(Layer(line(-0.12, 0.15, 0.12, 0.15, 0.11), INK),))

SURPRISED = Mood(
    eyes=(Layer(circle(0, 0, 1.28), WHITE, outline=True),),
    pupils=(Layer(circle(0, 0, 0.5), INK),),
    lids=(Layer(bow(0, -1.95, 0.85, -0.4, 0.4), "brow"),),
    mouth=(Layer(ellipse(0, 0.20, 0.20, 0.26), "#3a1226", outline=True),))

MOODS: dict[str, Mood] = {"happy": HAPPY, "sad": SAD, "sleepy": SLEEPY, "surprised": SURPRISED}
