"""Hats and accessories.

Hats are drawn in the frame of their seat (the origin is where the hat sits on the head, v downwards), glasses in the
folded frame of one eye, scarf and bow tie in the frame of the head. "hat" and "trim" vary without a name.
"""

from .animals import WHITE
from .canvas import Layer
from .shapes import both, bow, box, circle, convex, either, ellipse, line, outside, pair, ring

GOLD = "#ffc928"

CONE = convex((0, -1.16), (0.56, 0.12), (-0.56, 0.12), rounding=0.06)
PARTY_HAT = (
    Layer(CONE, "hat", outline=True),
    Layer(both(CONE, either(box(-0.6, -0.22, 0.6, -0.04, 0.01), box(-0.6, -0.66, 0.6, -0.48, 0.01))), "trim"),
    Layer(circle(0, -1.08, 0.19), "trim", outline=True))

TOP_HAT = (
    Layer(either(box(-0.50, -1.04, 0.50, 0.05, 0.06), bow(0, 0.02, 0.76, 0.04, 0.22)), "hat", outline=True),
    Layer(box(-0.50, -0.34, 0.50, -0.10, 0.02), "trim"))

CROWN = (
    Layer(either(convex((-0.66, -0.80), (-0.10, 0.06), (-0.54, 0.12), rounding=0.04),
                 convex((0.66, -0.80), (0.54, 0.12), (0.10, 0.06), rounding=0.04),
                 convex((0, -0.92), (0.36, 0.08), (-0.36, 0.08), rounding=0.04),
                 box(-0.57, -0.34, 0.57, 0.14, 0.05)), GOLD, outline=True),
    Layer(either(circle(0, -0.14, 0.14), pair(circle(0.37, -0.12, 0.11))), "trim"))

WIZARD_HAT = (
    Layer(either(convex((0.16, -1.20), (0.58, 0.05), (-0.58, 0.05), rounding=0.05), bow(0, 0.0, 0.88, 0.07, 0.27)), "hat", outline=True),
    Layer(either(circle(0.02, -0.52, 0.17), circle(0.27, -0.17, 0.09), circle(-0.28, -0.20, 0.10)), GOLD))

COWBOY_HAT = (
    Layer(bow(0, -0.14, 0.98, 0.20, 0.24), "hat", outline=True),
    Layer(either(convex((-0.44, -0.62), (0.44, -0.62), (0.52, 0.04), (-0.52, 0.04), rounding=0.12), pair(circle(0.24, -0.60, 0.20))),
          "hat", outline=True),
    Layer(box(-0.52, -0.22, 0.52, -0.02, 0.02), "trim"))

BEANIE = (
    Layer(both(ellipse(0, 0.02, 0.70, 0.76), box(-1, -1, 1, 0.02, 0.01)), "hat", outline=True),
    Layer(box(-0.76, -0.16, 0.76, 0.14, 0.1), WHITE, outline=True),
    Layer(circle(0, -0.80, 0.24), WHITE, outline=True))

HATS = {"party hat": PARTY_HAT, "top hat": TOP_HAT, "crown": CROWN, "wizard hat": WIZARD_HAT,
        "cowboy hat": COWBOY_HAT, "red beanie": BEANIE, "blue beanie": BEANIE}

# (hat, trim): what a hat may be made of. Where there are several, the pet's own number picks one.
HAT_COLOURS = {"none": (("#000000", "#000000"),),
               "party hat": (("#ff4f6d", "#ffe14d"), ("#3fa7ff", "#ffffff"), ("#9b5de5", "#ffe14d")),
               "top hat": (("#322d42", "#e8384f"), ("#322d42", "#3f8cff"), ("#322d42", "#ffffff")),
               "crown": ((GOLD, "#e8384f"), (GOLD, "#2f7de1"), (GOLD, "#19a974")),
               "wizard hat": (("#4a35a8", GOLD), ("#5b2a91", GOLD), ("#27479e", GOLD)),
               "cowboy hat": (("#9c6b3c", "#5a3418"), ("#b98347", "#6d4020"), ("#8a5a3a", "#e9d3a8")),
               "red beanie": (("#e3263f", WHITE),),
               "blue beanie": (("#2563d9", WHITE),)}

GLASSES = (Layer(circle(0, 0, 1.55), WHITE, opacity=0.20),
           Layer(either(ring(0, 0, 1.55, 0.46), line(-9, -0.1, -1.6, -0.1, 0.36)), "frames"))

BOW_TIE = (Layer(pair(convex((0.05, 0.96), (0.58, 0.70), (0.58, 1.32), (0.05, 1.06), rounding=0.05)), "cloth", outline=True),
           Layer(box(-0.15, 0.86, 0.15, 1.16, 0.06), "stripe", outline=True))

BAND = ellipse(0, 0.80, 0.84, 0.32)
COLLAR = both(BAND, outside(ellipse(0, 0.36, 0.95, 0.37)))
SCARF = (Layer(convex((0.20, 0.86), (0.54, 0.86), (0.60, 1.38), (0.24, 1.38), rounding=0.04), "cloth", outline=True),
         Layer(COLLAR, "cloth", outline=True),
         Layer(both(COLLAR, pair(line(0.34, 0.6, 0.26, 1.2, 0.16))), "stripe"))

CLOTH_COLOURS = (("#e8384f", "#ffe9a8"), ("#2f7de1", "#ffffff"), ("#19976b", "#ffe14d"), ("#8e44cf", "#ffd1ec"))

EYEWEAR = {"glasses": GLASSES}
NECKWEAR = {"bow tie": BOW_TIE, "scarf": SCARF}
