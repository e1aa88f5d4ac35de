"""What the library asks of the machine: threads that do not spin, memory that stays."""

import os
import subprocess
import sys

import pytest

from rl_coordconv._util.errors import InputError
from rl_coordconv.machine import hardware

SHOW = """
import os, sys
from rl_coordconv.machine.hardware import limit_openmp_spinning, openmp_as_it_comes
{before}
limit_openmp_spinning()
print(os.environ.get("GOMP_SPINCOUNT"))
with openmp_as_it_comes():
    print(os.environ.get("GOMP_SPINCOUNT"))
print(os.environ.get("GOMP_SPINCOUNT"))
"""


@pytest.mark.parametrize(
    ("before", "settings", "shown"),
    [
        ("", {}, ["10000", "None", "10000"]),
        ("", {"GOMP_SPINCOUNT": "77"}, ["77", "77", "77"]),
        ("", {"OMP_WAIT_POLICY": "ACTIVE"}, ["None", "None", "None"]),
        ("import torch", {}, ["None", "None", "None"]),
    ],
    ids=["set", "decided", "policy decided", "too late"],
)
def test_openmps_spinning_is_limited_where_nobody_else_decides(before, settings, shown):
    kept = {name: value for name, value in os.environ.items()
            if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}  # fmt: skip
    result = subprocess.run([sys.executable, "-c", SHOW.format(before=before)],
                            env=kept | settings, capture_output=True, text=True,
                            check=True)  # fmt: skip
    assert result.stdout.split() == shown


@pytest.mark.parametrize(
    ("name", "spins"),
    [(None, True), ("GOMP_SPINCOUNT", False), ("OMP_WAIT_POLICY", False), ("KMP_BLOCKTIME", False),
     ("OMP_NUM_THREADS", True)],
)  # fmt: skip
def test_threads_spin_unless_somebody_has_decided(name, spins, monkeypatch):
    for other in hardware._OPENMP_NAMES:
        monkeypatch.delenv(other, raising=False)
    if name:
        monkeypatch.setenv(name, "1")
    assert hardware.openmp_spins() is spins


def test_the_settings_in_force_are_told(monkeypatch):
    for name in hardware._OPENMP_NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GOMP_SPINCOUNT", "5")
    assert hardware.openmp_settings() == {"GOMP_SPINCOUNT": "5"}


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("model name\t: A\nflags\t\t: fpu sse2 avx512_bf16\n\nflags\t\t: other\n",
         {"fpu", "sse2", "avx512_bf16"}),
        ("processor\t: 0\nFeatures\t: fp asimd bf16\n", {"fp", "asimd", "bf16"}),
        ("nothing of the kind\n", set()),
        (None, set()),
    ],
    ids=["x86", "ARM", "unknown", "not Linux"],
)  # fmt: skip
def test_the_processors_instructions_are_read(monkeypatch, tmp_path, text, want):
    file = tmp_path / "cpuinfo"
    if text is not None:
        file.write_text(text)
    monkeypatch.setattr(hardware, "_CPU_INFO", file)
    assert hardware.cpu_flags() == want


def test_memory_is_the_smallest_limit(tmp_path, monkeypatch):
    physical = hardware.memory_bytes()
    limit, unlimited = tmp_path / "memory.max", tmp_path / "none"
    limit.write_text("1048576\n")
    unlimited.write_text("max\n")
    monkeypatch.setattr(hardware, "_MEMORY_LIMITS", (limit, unlimited, tmp_path / "missing"))
    assert hardware.memory_bytes() == 2**20
    limit.write_text(f"{2**62}\n")
    assert hardware.memory_bytes() == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert physical is not None
    assert physical <= hardware.memory_bytes()


@pytest.mark.parametrize(("cores", "most"), [(2, 64), (16, 64), (48, 192)])
def test_threads_have_bounds(monkeypatch, cores, most):
    monkeypatch.setattr(hardware, "available_cores", lambda: cores)
    for threads in (None, 1, most):
        hardware.check_threads(threads)
    for threads in (0, -1, most + 1):
        bound = rf"threads {threads} is not at least 1 and at most {most} \({cores} cores"
        with pytest.raises(InputError, match=bound):
            hardware.check_threads(threads, "threads")
