"""The machine at hand, told by files and libraries that are put in its place: Intel, AMD, ARM, a Mac, CUDA cards old and new."""

import os
import platform
from types import SimpleNamespace

import pytest
import torch

from diffusion_lib import hardware

INTEL = "processor\t: 0\nmodel\t\t: 143\nmodel name\t: Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz\nflags\t\t: fpu avx512f avx512_bf16 amx_bf16 amx_tile\n"
OLD_INTEL = "processor\t: 0\nmodel name\t: Intel(R) Xeon(R) CPU @ 2.20GHz\nflags\t\t: fpu sse avx2 fma\n"
AMD = "processor\t: 0\nmodel name\t: AMD EPYC: 9B14\nflags\t\t: fpu avx512f avx512_bf16\n\nprocessor\t: 1\nmodel name\t: another\n"
AMX = "processor\t: 0\nmodel name\t: Intel(R) Xeon(R) 6\nflags\t\t: fpu amx_bf16\n"
ARM = "processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd bf16\nCPU implementer\t: 0x41\n"       # says no model name


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """machine(text, ...): /proc/cpuinfo holds the text, or is not there; Python's own answers are the others."""
    def machine(text: str | None, processor: str = "", architecture: str = "aarch64"):
        monkeypatch.setattr(hardware, "CPUINFO", tmp_path / "cpuinfo")
        (tmp_path / "cpuinfo").unlink(missing_ok=True)
        if text is not None:
            (tmp_path / "cpuinfo").write_text(text)
        monkeypatch.setattr(platform, "processor", lambda: processor)
        monkeypatch.setattr(platform, "machine", lambda: architecture)
        hardware.fastest_dtype.cache_clear()

    yield machine
    hardware.fastest_dtype.cache_clear()


def test_tests_see_no_gpu_unless_asked():
    """tests/conftest.py hides it: what is compared byte for byte is drawn by the processor."""
    assert not torch.cuda.is_available() or os.environ.get("DIFFUSION_TEST_GPU") == "1"


@pytest.mark.parametrize("text, processor, name", [
    (INTEL, "x86_64", "Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz"), (AMD, "", "AMD EPYC: 9B14"), (ARM, "", "aarch64"), (ARM, "Neoverse", "Neoverse"),
    ("", "", "aarch64"), (None, "arm", "arm"), (None, "", "aarch64")])
def test_a_processor_has_the_name_that_the_machine_says_first(machine, text, processor, name):
    machine(text, processor)
    assert hardware.processor_name() == name


@pytest.mark.parametrize("text, dtype", [
    (INTEL, torch.bfloat16), (AMD, torch.bfloat16), (AMX, torch.bfloat16), (OLD_INTEL, torch.float32), (ARM, torch.float32), ("", torch.float32), (None, torch.float32)])
def test_a_processor_is_fastest_in_bfloat16_where_it_has_instructions_for_it(machine, text, dtype):
    machine(text)
    assert hardware.fastest_dtype(torch.device("cpu")) == dtype
    assert hardware.fastest_dtype(torch.device("meta")) == torch.float32         # of other devices nothing is known


@pytest.mark.parametrize("capability, dtype", [((7, 5), torch.float16), ((8, 0), torch.bfloat16), ((9, 0), torch.bfloat16), ((12, 0), torch.bfloat16)])
def test_a_cuda_card_is_fastest_in_bfloat16_from_ampere_on(machine, monkeypatch, capability, dtype):
    machine(None)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert hardware.fastest_dtype(torch.device("cuda")) == dtype


@pytest.mark.parametrize("system, has_it, asked", [
    ("linux", True, {-3: 32 * 2**20, -1: 2**31 - 1}), ("linux", False, {}), ("darwin", True, {})])
def test_only_glibc_is_asked_to_keep_memory(monkeypatch, system, has_it, asked):
    """Where the C library has no such call, or is another system's, nothing happens."""
    told = {}
    libc = SimpleNamespace(**({"mallopt": told.__setitem__} if has_it else {}))
    monkeypatch.setattr(hardware.sys, "platform", system)
    monkeypatch.setattr(hardware.ctypes, "CDLL", lambda name: libc)
    hardware.keep_freed_memory()
    assert told == asked
