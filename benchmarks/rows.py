"""What every benchmark needs that adds rows to a record, and prints what several seeds gave."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from statistics import fmean, stdev


@contextmanager
def alone() -> Iterator[None]:
    """While this lasts, no other benchmark changes a record: they may run side by side."""
    with Path(__file__).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def write(path: Path, text: str) -> None:
    """All at once: whoever reads finds the old record or the new one, also after an interruption."""
    part = path.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def spread(values: list[float], digits: int) -> str:
    """The mean, and the standard deviation where there are several."""
    return f"{fmean(values):.{digits}f}" + (f" ± {stdev(values):.{digits}f}" if len(values) > 1 else "")


def made_on() -> dict[str, str]:
    """On what a run was made, and when."""
    import torch                                             # here, as learning_speed has to stay free of it

    from diffusion_lib.runs import hardware
    return {"hardware": hardware(torch.device("cpu")), "date": date.today().isoformat()}
