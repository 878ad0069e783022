"""The machine that figures are from: without it they mean nothing."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Final

import msgspec

PACKAGES: Final = ("ecgmon", "numpy", "torch", "numba", "wfdb", "neurokit2", "sleepecg")


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """``cores`` may be used by this process; ``load`` is the mean of runnable processes in the last minute,
    when the run began: above 0 others compute too."""

    cpu: str
    cores: int
    load: float
    python: str
    packages: dict[str, str]

    def line(self) -> str:
        """All of it on one line."""
        versions = " ".join(f"{name} {version}" for name, version in self.packages.items())
        return f"{self.cpu}, {self.cores} cores, load {self.load:.1f}; python {self.python}, {versions}"


def machine() -> Machine:
    """The one we run on."""
    return Machine(
        cpu=_cpu(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        load=round(os.getloadavg()[0], 2),
        python=platform.python_version(),
        packages={name: version for name in PACKAGES if (version := _version(name)) is not None},
    )


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
