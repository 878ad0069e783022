"""``ecgmon compare``: real processes, stopped and gone on with."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ecgmon.cli import run
from tests.commands.compared import Tree, cells, small, write


@pytest.fixture
def tree(ward: Path, tmp_path: Path) -> Tree:
    return small(ward, tmp_path / "out")


Start = Callable[[Path], subprocess.Popen[str]]


@pytest.fixture
def started() -> Iterator[Start]:
    """Starts ``ecgmon compare``; what a failed test leaves running is ended."""
    processes = []

    def start(config: Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "ecgmon.cli", "compare", "--config", str(config)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def _children(pid: int) -> list[int]:
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    return [int(word) for word in listed.stdout.split()]


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def _wait_until(true: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not true():
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)


def _busy(process: subprocess.Popen[str], out: Path, since: set[Path]) -> int:
    """Wait until a cell is finished that was not there; the process id of the worker, on the next one."""
    _wait_until(lambda: bool(set((out / "cells").glob("*.json")) - since), process)
    (worker,) = [
        pid for pid in _children(process.pid) if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()
    ]
    time.sleep(0.3)
    return worker


def _rows(out: Path) -> dict[str, set[str]]:
    """What the figures have, and the page shows, by experiment."""
    tree, page = json.loads((out / "compare.json").read_text()), (out / "index.html").read_text()
    rows = {name: {row["variant"] for row in each["rows"]} for name, each in tree["experiments"].items()}
    assert all(f">{name}</th>" in page for names in rows.values() for name in names)
    return rows


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def test_what_is_finished_stays_whatever_happens(
    tree: Tree, tmp_path: Path, caplog: pytest.LogCaptureFixture, started: Start
) -> None:
    """A worker is killed, the run is interrupted, the run is killed, files are damaged: each run adds a
    finished cell, and then hangs on an endless one."""
    caplog.set_level(logging.INFO)
    out = tmp_path / "out"
    endless = {"epochs": 10_000, "patience": 10_000, "batch": 2}
    networks = tree["experiments"]["networks"] | {"methods": {}, "vary": [{"endless": endless}]}
    detectors = tree["experiments"]["detectors"]
    tree["experiments"] = {"detectors": detectors, "networks": networks}
    tree["seeds"] = [0]

    def start(rows: int) -> tuple[subprocess.Popen[str], int, set[Path]]:
        since = set((out / "cells").glob("*.json"))
        detectors["methods"] = {
            f"PCA {kept}": {"type": "classical", "detector": {"type": "pca", "kept": kept}}
            for kept in range(1, rows + 1)
        }
        process = started(write(tree, tmp_path))
        return process, _busy(process, out, since), since

    process, worker, _ = start(1)
    os.kill(worker, signal.SIGKILL)
    printed, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "networks: endless (seed 0, fold 0) failed: its process was killed by SIGKILL" in err
    assert "1 of 2 cells" in printed

    process, worker, since = start(2)
    assert len(since) == 1
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it: the workers get it too
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; 2 of 3 cells are finished and kept: the same command goes on" in err
    assert "Traceback" not in err
    assert not _alive(worker)
    assert _rows(out) == {"detectors": {"PCA 1", "PCA 2"}, "networks": set()}

    process, worker, since = start(3)
    assert len(since) == 2
    process.kill()
    process.communicate(timeout=60)
    deadline = time.monotonic() + 30
    while _alive(worker):
        assert time.monotonic() < deadline
        time.sleep(0.02)

    before = {path: path.stat().st_mtime_ns for path in (out / "cells").glob("*.json")}
    first, second, third = before
    assert set(cells(out)) == {path.stem for path in before}
    first.write_text("{")
    _cut(second.with_suffix(".npz"))
    (out / "cells" / ".half.npz.123").write_bytes(b"half")
    networks["vary"] = [{"short": {}}]
    assert run(["compare", "--config", str(write(tree, tmp_path))]) == 0
    assert "4 cells, 1 of them finished before" in caplog.text
    damaged = [message for message in caplog.messages if "damaged, and run again" in message]
    assert len(damaged) == 2
    assert all("\n" not in message for message in damaged)
    assert third.stat().st_mtime_ns == before[third]
    assert first.stat().st_mtime_ns != before[first]
    assert sorted(path.suffix for path in (out / "cells").iterdir()) == [".json"] * 4 + [".npz"] * 4
