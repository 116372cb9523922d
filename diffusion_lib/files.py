"""Files that are never half written."""

import os
from pathlib import Path


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write a file beside its place, wait until it is on the disk, then give it its name: whoever reads finds the old or the new one.

    path: of the file; folders that are missing are made. content: bytes, or text, which is written as UTF-8.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(part, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
