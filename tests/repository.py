"""The files of the repository: those that git knows and could add, or, in a copy without its history, those that lie there."""

import subprocess
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def files_of(root: Path = ROOT, *, added: bool = False) -> list[Path]:
    """Every file of the repository at `root`, as full paths, in order; never an empty list.

    added: also those that the next `git add` would take. Where git is missing, or `root` is not the top of a repository, all that
    lies there and that .gitignore does not leave out.
    """
    found = _of_git(root, ["--cached", "--others", "--exclude-standard"] if added else ["--cached"])
    files = sorted(path for path in (_lying(root) if found is None else found) if path.is_file())
    assert files, f"no files in {root}"
    return files


def _of_git(root: Path, which: list[str]) -> list[Path] | None:
    """What git lists, or None where it has no answer: a folder inside somebody else's repository is none of git's business."""
    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=root, capture_output=True, check=True).stdout.decode()

    try:
        if Path(git("rev-parse", "--show-toplevel").rstrip("\n")).resolve() != root.resolve():
            return None
        return [root / name for name in git("ls-files", "-z", *which).split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        return None


def _lying(root: Path) -> list[Path]:
    """All files but those of .gitignore: "name/" and "a/b/" are folders, "*.x" names of files and folders alike."""
    kept_out = root / ".gitignore"
    patterns = [".git", *(kept_out.read_text(encoding="utf-8").split() if kept_out.is_file() else ())]

    def ignored(path: Path) -> bool:
        place = path.relative_to(root).as_posix()
        return any(fnmatch(place if "/" in pattern.rstrip("/") else path.name, pattern.rstrip("/"))
                   and (path.is_dir() or not pattern.endswith("/")) for pattern in patterns)

    def below(folder: Path):
        for path in folder.iterdir():
            if not ignored(path):
                yield from below(path) if path.is_dir() and not path.is_symlink() else [path]

    return list(below(root))
