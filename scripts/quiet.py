"""Is the machine quiet enough to measure times on? Whoever measures asks here first."""

import os
import resource
import sys
import time

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


class Meanwhile:
    """How many processors other programs used on average since this was made. Programs that this one started and saw end are no others."""

    def __init__(self):
        self.began = self.now()

    @staticmethod
    def now() -> tuple[float, float]:
        """Seconds on the wall; seconds in which others kept a processor busy."""
        times, own = psutil.cpu_times(), [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        busy = sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
        return time.monotonic(), busy - sum(one.ru_utime + one.ru_stime for one in own)

    def others(self) -> float:
        (began, before), (now, after) = self.began, self.now()
        return max(0.0, (after - before) / (now - began))
