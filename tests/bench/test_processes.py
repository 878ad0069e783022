"""What processes cost, and helpers that answer, or do not."""

from __future__ import annotations

import os
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from ecgmon.bench.daemon import Daemon
from ecgmon.bench.processes import (
    Helper,
    cpu_seconds,
    main_thread_seconds,
    resident_bytes,
    whole_process,
)
from ecgmon.errors import EcgmonError


def busy(pipe: Connection, seconds: float) -> None:
    """Computes for so long at each question, then says how long by its own clock."""
    try:
        while True:
            question = pipe.recv()
            if question == "die":
                os._exit(3)
            began = time.process_time()
            while time.process_time() < began + seconds:
                pass
            pipe.send(time.process_time() - began)
    except EOFError:
        return


def test_a_process_is_charged_what_it_computed() -> None:
    helper = Helper(busy, 0.3)
    try:
        helper.ask("warm")
        before, first = cpu_seconds(helper.pid), main_thread_seconds(helper.pid)
        took = helper.ask("again")
        assert cpu_seconds(helper.pid) - before == pytest.approx(took, abs=0.05)
        assert main_thread_seconds(helper.pid) - first == pytest.approx(took, abs=0.05)
        time.sleep(0.2)
        assert cpu_seconds(helper.pid) - before < took + 0.05
        assert resident_bytes(helper.pid) > 1_000_000
    finally:
        helper.stop()
    with pytest.raises(EcgmonError, match="has ended"):
        cpu_seconds(helper.pid)


def test_a_helper_that_dies_is_an_error_and_not_a_wait() -> None:
    helper = Helper(busy, 0.0)
    with pytest.raises(EcgmonError, match=r"does not answer \(exit 3\)"):
        helper.ask("die")
    helper.stop()


def test_a_whole_process_is_charged_with_its_start() -> None:
    took = whole_process([sys.executable, "-c", "x = bytearray(60_000_000); sum(range(3_000_000))"])
    assert 0.02 < took.cpu < 20
    assert took.wall > 0
    assert took.memory > 60_000_000


def test_a_whole_process_that_fails_says_why() -> None:
    with pytest.raises(EcgmonError, match="ended with 1: ValueError: no"):
        whole_process([sys.executable, "-c", "raise ValueError('no')"])


def test_a_daemon_that_does_not_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(EcgmonError, match=r"did not become ready: .*url"):
        Daemon(tmp_path, "nonsense", 1, 1)
