"""A wall of pictures that walk out of static together: the book's first picture."""

import traitlets

from ._base import LiveFigure, module_source, present, recorded, still_row
from ._walks import Walk


class FromStatic(LiveFigure):
    """The widget behind `from_static`."""

    stem = "from_static"
    room = (36.5, 46)
    _esm = module_source(stem)
    walks = traitlets.List().tag(sync=True)                  # each `recorded`


def from_static(walks: list[Walk]):
    """Show many walks at once, on one clock.

    walks: from `record_walks`, all with the same number of steps; twelve make a wall. Returns a widget, or HTML for the
    published book. Raises ValueError where there is no walk or their steps differ.
    """
    if len({walk.steps for walk in walks}) != 1:
        raise ValueError(f"the walks have {sorted({walk.steps for walk in walks})} steps, but on one clock they need the same number")
    traits = {"walks": [recorded(walk) for walk in walks]}
    still = still_row((w.result for w in walks), ("" for _ in walks), (w.caption for w in walks))
    return present(FromStatic, traits, still)
