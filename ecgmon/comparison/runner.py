"""Cells on several processes, one thread each: what is finished is on disk, and stays there whatever happens.

The workers do not listen to SIGINT, which the terminal sends to all: the main process ends them. Where that
is killed, they notice and end themselves. A worker that dies takes its cell with it, and another one goes on
with the rest.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final

from tqdm import tqdm

from ecgmon.comparison import store
from ecgmon.comparison.cell import Cell
from ecgmon.comparison.cells import run_cell
from ecgmon.comparison.progress import Progress, duration
from ecgmon.errors import EcgmonError

log = logging.getLogger(__name__)

ONE_THREAD: Final = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)
"""For the workers, before they load any library."""

GRACE: Final = 10.0
"""Seconds for a worker to end."""

Pipe = connection.Connection


@dataclass(frozen=True, slots=True)
class Done:
    """What a worker says of a cell: how long it took, s, its AUROC by the first reading, or the problem."""

    key: str
    seconds: float
    auroc: float | None = None
    problem: str = ""


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    pipe: Pipe
    key: str = ""
    since: float = field(default_factory=time.monotonic)


def run_cells(
    cells: Mapping[str, Cell], names: Mapping[str, str], out: Path, workers: int, progress: Progress
) -> dict[str, str]:
    """Run cells and keep them in ``out / "cells"``; returns what went wrong, by key.

    ``names`` are for the log. KeyboardInterrupt ends the workers and goes on.
    """
    failed: dict[str, str] = {}
    waiting = list(cells)
    pool = [_start(out) for _ in range(min(workers, len(cells)))]
    try:
        while waiting or any(worker.key for worker in pool):
            for worker in pool:
                if waiting and not worker.key:
                    worker.key, worker.since = waiting.pop(0), time.monotonic()
                    _hand_over(worker, cells[worker.key])
            for i, done in _news(pool):
                if done.problem:
                    failed[done.key] = done.problem
                    progress.drop(done.key)
                else:
                    progress.finish(done.key, done.seconds)
                _tell(names[done.key], done, progress)
                pool[i].key = ""
                if not pool[i].process.is_alive() and waiting:
                    pool[i] = _start(out)
    finally:
        _end(pool)
    return failed


def _tell(name: str, done: Done, progress: Progress) -> None:
    left = progress.left()
    after = "" if left is None or progress.finished == progress.total else f"; {duration(left)} left"
    place = f"{progress.finished}/{progress.total} {name}"
    if done.problem:
        log.error("%s failed: %s%s", place, done.problem, after)
    else:
        auroc = "-" if done.auroc is None else f"{done.auroc:.3f}"
        log.info("%s: AUROC %s, %s%s", place, auroc, duration(done.seconds), after)


def _start(out: Path) -> _Worker:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_work, args=(there, out), daemon=True)
    with _environment():
        process.start()
    there.close()
    return _Worker(process, here)


@contextmanager
def _environment() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _hand_over(worker: _Worker, cell: Cell) -> None:
    try:
        worker.pipe.send(cell)
    except OSError:
        log.debug("a worker is gone before its cell came")  # its sentinel tells, and the cell is counted


def _news(pool: list[_Worker]) -> list[tuple[int, Done]]:
    """Wait until something happens; what became of cells, by index into ``pool``."""
    busy = [i for i, worker in enumerate(pool) if worker.key]
    ready = set(connection.wait([pool[i].pipe for i in busy] + [pool[i].process.sentinel for i in busy]))
    found = []
    for i in busy:
        worker = pool[i]
        if worker.pipe not in ready and worker.process.sentinel not in ready:
            continue
        try:
            found.append((i, worker.pipe.recv()))
        except (EOFError, OSError):
            worker.process.join()
            found.append((i, Done(worker.key, 0.0, problem=_died(worker.process.exitcode))))
    return found


def _died(code: int | None) -> str:
    if code is not None and code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = str(-code)
        return f"its process was killed by {name}; is there enough memory?"
    return f"its process ended with {code}"


def _end(pool: list[_Worker]) -> None:
    for worker in pool:
        worker.pipe.close()
        if worker.key:  # the others end by themselves
            worker.process.terminate()
    deadline = time.monotonic() + GRACE
    for worker in pool:
        worker.process.join(max(0.0, deadline - time.monotonic()))
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()


def _work(pipe: Pipe, out: Path) -> None:
    """A worker: cells in, :class:`Done` out, until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(level=logging.ERROR)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    tqdm.set_lock(threading.RLock())  # its own is shared between processes, and left behind by a killed one
    while True:
        try:
            cell: Cell = pipe.recv()
        except (EOFError, OSError):
            return
        pipe.send(_run(cell, out))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # files appear whole or not at all: nothing is lost but the cell


def _run(cell: Cell, out: Path) -> Done:
    key, began = cell.key, time.monotonic()
    try:
        result, arrays = run_cell(cell, out / "data")
        store.save(out / "cells", result, arrays)
    except EcgmonError as error:
        return Done(key, time.monotonic() - began, problem=str(error))
    except MemoryError:
        return Done(key, time.monotonic() - began, problem="out of memory")
    except Exception as error:  # noqa: BLE001 - one cell of many: the others go on, and it is counted
        text = " ".join(f"unexpected {type(error).__name__}: {error}".split())
        return Done(key, time.monotonic() - began, problem=text)
    return Done(key, time.monotonic() - began, next(iter(result.readings.values())).auroc)
