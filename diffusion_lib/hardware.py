"""The machine at hand: what its processor is called, the number type its arithmetic prefers, how it should keep its memory."""

import ctypes
import functools
import platform
import sys
from pathlib import Path

import torch

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3                  # glibc's names, from malloc.h
CPUINFO = Path("/proc/cpuinfo")


def processor_name() -> str:
    """What the machine calls its processor."""
    names = [line.split(":", 1)[1].strip() for line in CPUINFO.read_text().splitlines() if line.startswith("model name")] if CPUINFO.exists() else []
    return names[0] if names else platform.processor() or platform.machine()


@functools.cache
def fastest_dtype(device: torch.device) -> torch.dtype:
    """The number type that a device multiplies fastest without harm to training.

    bfloat16 where the hardware has it (CUDA from Ampere on, CPUs with AVX512-BF16 or AMX), else float16 on CUDA, else
    float32.
    """
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device) >= (8, 0) else torch.float16
    native = device.type == "cpu" and CPUINFO.exists() and any(flag in CPUINFO.read_text() for flag in ("avx512_bf16", "amx_bf16"))
    return torch.bfloat16 if native else torch.float32


def keep_freed_memory() -> None:
    """Ask the C library to keep the memory that a training step frees, for the next step to use.

    By default glibc hands large blocks back to the system at once, and every step pays for getting fresh, zeroed pages:
    about a tenth of its time on a CPU. Does nothing where there is no glibc.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(M_MMAP_THRESHOLD, 32 * 2**20)           # the largest value that glibc takes
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
