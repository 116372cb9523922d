"""Is the machine quiet enough to measure times on? Whoever measures asks here first."""

import os
import sys

import psutil

BUSY = 0.5  # processors that others may keep busy before a measurement is worth nothing


def others_keep_busy(seconds: float = 2.0) -> float:
    """How many processors other programs use, measured over so many seconds in which this one does nothing."""
    return psutil.cpu_percent(interval=seconds) / 100 * os.cpu_count()


def refuse_when_busy(anyway: bool) -> float:
    """How many processors others use. Ends the program where it is more than BUSY, or with `anyway` warns of it."""
    others = others_keep_busy()
    if others > BUSY:
        complaint = f"Other programs keep {others:.1f} processors busy, so times would be too long."
        if not anyway:
            raise SystemExit(f"{complaint} Wait, or say --anyway.")
        print(f"{complaint} Measuring --anyway.", file=sys.stderr)
    return others
