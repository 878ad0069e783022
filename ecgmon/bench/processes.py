"""What other processes cost, from Linux's ``/proc``, and processes of our own that answer questions."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from ecgmon.errors import DependencyError, EcgmonError

PATIENCE: Final = 120.0
"""Seconds within which a process of ours answers, or something is wrong."""


def check_proc() -> None:
    """:class:`DependencyError` where there is no ``/proc`` to read."""
    if not Path("/proc/self/stat").exists():
        raise DependencyError("bench live accounts processes by Linux's /proc, which is not here")


def cpu_seconds(pid: int) -> float:
    """CPU time of all threads of a process so far, those that ended included; in steps of 10 ms."""
    return _cpu_seconds(Path(f"/proc/{pid}/stat"))


def main_thread_seconds(pid: int) -> float:
    """CPU time of its first thread."""
    return _cpu_seconds(Path(f"/proc/{pid}/task/{pid}/stat"))


def _cpu_seconds(stat: Path) -> float:
    try:
        fields = stat.read_text().rpartition(")")[2].split()
    except OSError:
        raise EcgmonError("a process that was measured has ended; see above") from None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int) -> int:
    """Memory that it holds in RAM."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Took:
    """A process from its start to its end: CPU and wall time, s, largest resident memory, bytes."""

    cpu: float
    wall: float
    memory: int


def whole_process(command: Sequence[str]) -> Took:
    """Run ``command`` to its end, its output passed over; :class:`EcgmonError` with the last line of its
    errors where it fails."""
    began = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - a command of our own
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise EcgmonError(
            f"{command[0]} ended with {done.returncode}: {said[-1] if said else 'it said nothing'}"
        )
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Took(cpu, time.perf_counter() - began, after.ru_maxrss * 1024)


class Helper:
    """A process of our own: ``target(pipe, *args)`` answers each question that comes through the pipe."""

    def __init__(self, target: Callable[..., None], *args: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_deaf, args=(target, theirs, *args), daemon=True)
        self._process.start()
        theirs.close()

    @property
    def pid(self) -> int:
        return self._process.pid or 0

    def ask(self, question: str) -> Any:
        """Its answer; :class:`EcgmonError` where none comes."""
        try:
            self._pipe.send(question)
            if self._pipe.poll(PATIENCE):
                return self._pipe.recv()
        except (EOFError, OSError):
            self._process.join(1.0)
        raise EcgmonError(f"{self._process.name} does not answer (exit {self._process.exitcode}); see above")

    def stop(self) -> None:
        """End it."""
        with contextlib.suppress(OSError):
            self._pipe.close()
        self._process.join(3.0)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _deaf(target: Callable[..., None], pipe: Connection, *args: Any) -> None:
    """Ctrl-C is for the parent, who then ends us."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    target(pipe, *args)
