"""Compiles engine/unet.c to diffusion_lib/engine/unet.wasm. Only whoever changes the source needs it: the binary is in git.

    python engine/build.py                              # with a pinned compiler from PyPI, in an environment of its own

The compiler is zig's clang, which pip can install everywhere. Into the binary goes the SHA-256 of what it was made from
(the source, the compiler's version, its options), as a section of its own; tests/test_engine.py asks for it to be that
of the source beside it.
"""

import gzip
import hashlib
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE, BINARY, COMPILERS = ROOT / "engine" / "unet.c", ROOT / "diffusion_lib" / "engine" / "unet.wasm", ROOT / ".venv-engine"
ZIG = "ziglang==0.14.1"
OPTIONS = ("-target", "wasm32-freestanding", "-mcpu=generic+simd128+bulk_memory+nontrapping_fptoint", "-std=gnu99",
           "-O3", "-ffast-math", "-mllvm", "-inline-threshold=60",       # long functions are called, not copied: half the bytes
           "-fno-sanitize=undefined", "-nostdlib", "-s", "-Wall", "-Wextra", "-Werror", "-Wl,--no-entry")
SECTION = b"source"


def digest() -> bytes:
    """SHA-256 of everything that decides what the binary is, as 64 hexadecimal digits."""
    return hashlib.sha256("\n".join((ZIG, *OPTIONS, SOURCE.read_text(encoding="utf-8"))).encode()).hexdigest().encode()


def section() -> bytes:
    """A custom section of WebAssembly: 0, its length, the length of its name, its name, its content (lengths below 128)."""
    content = bytes([len(SECTION)]) + SECTION + digest()
    return bytes([0, len(content)]) + content


def compiler() -> Path:
    """A Python that has the compiler, installed where it is missing."""
    python = COMPILERS / "bin" / "python"
    if not python.exists():
        venv.create(COMPILERS, with_pip=True)
    subprocess.run([python, "-m", "pip", "install", "-qq", "--disable-pip-version-check", ZIG], check=True)
    return python


def main() -> None:
    subprocess.run([compiler(), "-m", "ziglang", "cc", *OPTIONS, "-o", BINARY, SOURCE], check=True)
    BINARY.write_bytes(BINARY.read_bytes() + section())
    print(f"{BINARY.relative_to(ROOT)}: {BINARY.stat().st_size:,} bytes, {len(gzip.compress(BINARY.read_bytes(), 9)):,} gzip")


if __name__ == "__main__":
    sys.exit(main())
