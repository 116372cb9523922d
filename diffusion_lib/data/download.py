"""Files from the network: fetched once, checked against a published checksum, and never left half written."""

import hashlib
import os
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from tqdm import tqdm

from ..files import replacing

PAUSES = (1.0, 4.0, 15.0)                                    # seconds before each further attempt
CHUNK = 2**18                                                # bytes


@dataclass(frozen=True)
class Source:
    """A public file. url: where it is. md5: its checksum, as its authors published it."""

    url: str
    md5: str

    @property
    def name(self) -> str:
        """The last part of the address."""
        return self.url.rsplit("/", 1)[-1]


class DownloadError(OSError):
    """A file that could not be had, or was not the one that was promised."""


def cache_folder() -> Path:
    """Where downloads are kept: $XDG_CACHE_HOME/diffusion_lib, by default ~/.cache/diffusion_lib."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "diffusion_lib"


def fetch(source: Source, folder: Path | None = None) -> Path:
    """The local path of a file, downloaded if it is not there yet.

    source: what to fetch. folder: where to keep it, by default `cache_folder()`. Tries again after 1, 4 and 15 seconds.
    Raises DownloadError, naming the address and what went wrong last.
    """
    path = (folder or cache_folder()) / source.name
    if path.is_file() and _md5(path) == source.md5:
        return path
    with replacing(path) as part:
        for pause in (*PAUSES, None):
            trouble = _attempt(source, part)
            if trouble is None:
                return path
            if pause is None:
                raise DownloadError(f"{source.url} could not be downloaded in {len(PAUSES) + 1} attempts: {trouble}")
            time.sleep(pause)


def _attempt(source: Source, part: Path) -> str | None:
    """Download to `part`; what went wrong, or None. Raises DownloadError where trying again is pointless."""
    try:
        with urllib.request.urlopen(source.url, timeout=30) as response, open(part, "wb") as file:
            total = int(response.headers.get("Content-Length") or 0)
            with tqdm(total=total or None, unit="B", unit_scale=True, desc=source.name) as bar:
                while chunk := response.read(CHUNK):
                    file.write(chunk)
                    bar.update(len(chunk))
    except urllib.error.HTTPError as error:
        if 400 <= error.code < 500 and error.code != 429:    # 429: come back later
            raise DownloadError(f"{source.url} could not be downloaded: the server says {error.code} {error.reason}") from error
        return f"the server says {error.code} {error.reason}"
    except (OSError, HTTPException) as error:
        return f"{error}" or type(error).__name__
    got, size = _md5(part), part.stat().st_size
    return None if got == source.md5 else f"{size} bytes came with MD5 {got}, but {source.md5} was promised"


def _md5(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
