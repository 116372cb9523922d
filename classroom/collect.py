"""What came back: every file in the folder of submissions, down into folders and zip archives, and whose it is.

Who a file belongs to is said by the folder it lies in, directly below the folder of submissions; where it lies in
none, by its name, without the chapter ("ada_13.ipynb", "Copy of 13_sampling - ada (2).ipynb": ada). A zip archive is
a folder of the same name; one that holds several folders with notebooks, and no notebook beside them, holds one student in each.
Nothing is unpacked to disk and no link is followed.
"""

import io
import json
import lzma
import os
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath

LARGEST_FILE, LARGEST_ARCHIVE, MOST_FILES = 50 * 2**20, 500 * 2**20, 5_000
COPIED = re.compile(r"^(copy of|kopie von|copie de|copia de|cópia de)\s+", flags=re.IGNORECASE)
BETWEEN = r"[\s_-]+"                                         # what stands between the words of a file's name


@dataclass
class Found:
    """One file. place: where it was found. folder: the one that says whose it is, "" where there is none. modified: when.

    content: its bytes, until they are read. fate: what became of it.
    """

    place: str
    folder: str
    content: bytes = b""
    modified: float = 0.0
    fate: str = ""
    cells: list = field(default_factory=list)                # (kind, source, metadata) of each cell


def collect(folder: Path) -> list[Found]:
    """Every file below `folder`, in order; notebooks with their cells, others with their fate. Raises SystemExit without one."""
    if not folder.is_dir():
        raise SystemExit(f"SUBMISSIONS={folder}: there is no such folder.")
    found = []
    everything = [(Path(place), folders, names) for place, folders, names in os.walk(folder)]
    linked = [place / name for place, folders, _ in everything for name in folders if (place / name).is_symlink()]
    for path in sorted([place / name for place, _, names in everything for name in names] + linked):
        inside = PurePosixPath(os.fsencode(path.relative_to(folder)).decode("utf-8", "replace"))      # a name may be anything
        one = Found(str(inside), inside.parts[0] if len(inside.parts) > 1 else "", modified=path.lstat().st_mtime)
        if path.is_symlink() or not path.is_file():
            found.append(_said(one, "not read: it is a link or a device, not a file"))
        elif path.stat().st_size > LARGEST_FILE:
            found.append(_said(one, f"not read: larger than {LARGEST_FILE // 2**20} MB"))
        else:
            one.content = path.read_bytes()
            found += _looked_at(one, inside.name)
    return found


def _said(one: Found, fate: str) -> Found:
    one.fate, one.content = fate, b""
    return one


def _looked_at(one: Found, name: str, depth: int = 0) -> Iterator[Found]:
    """The file with its cells; for an archive, itself and what is in it."""
    if name.lower().endswith(".zip") or one.content[:4] == b"PK\x03\x04":
        yield from _unpacked(one, name, depth)
        return
    try:
        one.cells, one.content = read(one.content), b""
        yield one
    except ValueError as error:
        if name.lower().endswith(".ipynb"):
            yield _said(one, f"not graded: {error}")
        else:
            hint = "; ask for the .ipynb" if name.lower().endswith((".py", ".pdf", ".html")) else ""
            yield _said(one, f"not a notebook, left alone{hint}")


def _unpacked(one: Found, name: str, depth: int) -> Iterator[Found]:
    try:
        archive = zipfile.ZipFile(io.BytesIO(one.content))
        entries = [entry for entry in archive.infolist() if entry.filename and not entry.is_dir()]
        if depth == 2 or len(entries) > MOST_FILES or sum(entry.file_size for entry in entries) > LARGEST_ARCHIVE:
            yield _said(one, "not unpacked: archives inside archives inside archives, too many files, or too large")
            return
        owners = _owners([PurePosixPath(entry.filename).parts for entry in entries], PurePosixPath(name).stem)
        contents = [archive.read(entry) for entry in entries]
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError, NotImplementedError, EOFError, OSError, ValueError) as error:
        yield _said(one, f"not unpacked: {error or type(error).__name__}")
        return
    place, folder = one.place, one.folder
    yield _said(one, f"an archive of {len(entries)} file{'' if len(entries) == 1 else 's'}, each listed by itself")
    for entry, owner, content in zip(entries, owners, contents):
        inner = Found(f"{place}: {entry.filename}", folder or owner, content, _when(entry, one.modified))
        yield from _looked_at(inner, PurePosixPath(entry.filename).name, depth + 1)


def _when(entry: zipfile.ZipInfo, archive: float) -> float:
    """When a file in an archive was last changed; where no date stands there (1980 is none) or nonsense, when the archive was."""
    try:
        return datetime(*entry.date_time).timestamp() if entry.date_time[0] > 1980 else archive
    except (ValueError, OverflowError, OSError):
        return archive


def _owners(paths: list[tuple[str, ...]], archive: str) -> list[str]:
    """Whose each file of an archive is: the archive's name, or the folders' in it where it holds only folders, and several.

    Only folders with notebooks count, and archives, which are folders too.
    """
    paths = [(*path[:-1], path[-1][:-4], "") if path and path[-1].lower().endswith(".zip") else path for path in paths]
    work = [path for path in paths if path and path[0] != "__MACOSX" and (not path[-1] or path[-1].lower().endswith(".ipynb"))]
    common = os.path.commonprefix([path[:-1] for path in work])
    depth = len(common)
    several = len({path[:depth + 1] for path in work}) > 1 and all(len(path) > depth + 1 for path in work)
    return [path[depth] if several and path[:depth] == common and len(path) > depth + 1 else archive for path in paths]


def read(content: bytes) -> list[tuple[str, str, dict]]:
    """The cells of a notebook of any version: (kind, source, metadata). Raises ValueError, in words, for anything else."""
    if not content.strip():
        raise ValueError("the file is empty")
    try:
        data = json.loads(content.decode("utf-8-sig"))
    except (UnicodeDecodeError, RecursionError):
        raise ValueError("it is not text that a notebook could be") from None
    except ValueError as error:
        raise ValueError(f"its JSON is broken ({error})"[:160]) from None
    cells = data.get("cells") if isinstance(data, dict) else None
    if cells is None and isinstance(data, dict) and isinstance(data.get("worksheets"), list):  # notebooks before 2015
        sheets = [sheet["cells"] for sheet in data["worksheets"] if isinstance(sheet, dict) and isinstance(sheet.get("cells"), list)]
        cells = [cell for sheet in sheets for cell in sheet]
    if not isinstance(cells, list):
        raise ValueError("it is JSON, but not a notebook")
    return [_cell(cell) for cell in cells if isinstance(cell, dict)]


def _cell(cell: dict) -> tuple[str, str, dict]:
    source = cell.get("source", cell.get("input", ""))
    source = "".join(map(str, source)) if isinstance(source, list) else str(source)
    source = source.encode("utf-8", "replace").decode("utf-8")                       # half an emoji, which JSON allows and no file can hold
    metadata = cell.get("metadata")
    return str(cell.get("cell_type")), source.replace("\r\n", "\n"), metadata if isinstance(metadata, dict) else {}


def student_of(one: Found, stem: str) -> str:
    """Whose file it is: the folder's name, or what is left of the file's name without the chapter's. "" if nothing is left.

    The chapter goes once: as a whole, or else the last of each of its words. So a group may have the chapter's number.
    """
    if one.folder:
        return one.folder.strip()
    name = PurePosixPath(one.place).name.rsplit(".", 1)[0]
    while COPIED.match(name):
        name = COPIED.sub("", name)
    name = re.sub(r"\s*\(\d+\)", "", name)
    number, *words = stem.split("_")
    parts = [f"0*{int(number)}", *map(re.escape, words)]
    left = _without(name, BETWEEN.join(parts))
    for part in parts if left == name else ():
        left = _without(left, part)
    drop = ("chapter", "copy", "kopie", "copie", "copia")
    return "_".join(word for word in re.split(BETWEEN, left) if word and word.lower() not in drop)


def _without(name: str, words: str) -> str:
    """The name without these words where they stand by themselves for the last time. words: a regular expression."""
    return re.sub(rf"^(.*)(?<![A-Za-z0-9]){words}(?![A-Za-z0-9])", r"\1 ", name, flags=re.IGNORECASE | re.DOTALL)
