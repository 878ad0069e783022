"""The disk under the streams' state fails while a ward is being watched."""

from __future__ import annotations

import json
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path

from tests.integration.watched_ward import LAZY, Broker, Daemon, Devices, Plan


def test_a_full_disk_stops_nothing_and_is_used_again_when_there_is_room(
    new_mosquitto: Callable[[str, str], Broker], mitdb: Path, tmp_path: Path
) -> None:
    """The kernel refuses the daemon to make files longer: what is left of a full disk, without being root."""
    plan = Plan(mitdb, streams=3, seconds=1200.0, speed=40.0, kills=0)
    broker = new_mosquitto("full", LAZY)
    devices, daemon = Devices(plan, broker.url), Daemon(tmp_path, broker.url, plan.streams)

    def wait(name: str, value: float) -> None:
        until = time.monotonic() + 30
        while daemon.metric(name) != value:
            assert time.monotonic() < until, f"{name} is not {value}\n{daemon.log.read_text()}"
            time.sleep(0.1)

    try:
        daemon.start()
        assert daemon.process is not None
        pid = daemon.process.pid
        devices.start()
        wait("ecgmon_streams", plan.streams)
        room = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (20_000, room[1]))
        wait("ecgmon_state_durable", 0.0)
        before = daemon.metric("ecgmon_chunks_total")
        assert daemon.metric("ecgmon_state_errors_total") > 0
        assert daemon.page("/readyz")[0] == 200
        assert json.loads(daemon.page("/readyz")[1])["state"] == {"durable": False}
        wait("ecgmon_queue_depth", 0.0)
        time.sleep(1.0)
        assert daemon.metric("ecgmon_chunks_total") > before + 20
        resource.prlimit(pid, resource.RLIMIT_FSIZE, room)
        wait("ecgmon_state_durable", 1.0)
        daemon.end(signal.SIGKILL)
        daemon.start()
        assert daemon.metric("ecgmon_state_restored_streams") == plan.streams
    finally:
        daemon.end(signal.SIGKILL)
    text = daemon.log.read_text()
    assert text.count("monitoring goes on, but until it can be used again a restart would miss") == 1
    assert "can be used again: " in text
    assert "Traceback" not in text


def test_a_disk_that_is_full_from_the_start_stops_nothing_and_is_used_when_there_is_room(
    new_mosquitto: Callable[[str, str], Broker], mitdb: Path, tmp_path: Path
) -> None:
    plan = Plan(mitdb, streams=2, seconds=1200.0, speed=40.0, kills=0)
    broker = new_mosquitto("full", LAZY)
    devices, daemon = Devices(plan, broker.url), Daemon(tmp_path, broker.url, plan.streams)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, before[1]))  # inherited: less than the tables take
        try:
            daemon.start()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert daemon.process is not None
        assert daemon.metric("ecgmon_state_durable") == 0.0
        assert daemon.metric("ecgmon_outbox_durable") == 0.0
        devices.start()
        until = time.monotonic() + 60
        while daemon.metric("ecgmon_beats_total") < 50:
            assert time.monotonic() < until, daemon.log.read_text()
            time.sleep(0.1)
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, before)
        while daemon.metric("ecgmon_state_durable") != 1.0:
            assert time.monotonic() < until, daemon.log.read_text()
            time.sleep(0.1)
        assert daemon.page("/readyz")[0] == 200
    finally:
        daemon.end(signal.SIGKILL)
    text = daemon.log.read_text()
    assert "the streams would be lost by a restart" in text
    assert "Traceback" not in text
