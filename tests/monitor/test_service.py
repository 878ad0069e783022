"""The daemon's loop, in parts: what counts as alive, and what a stop leaves behind."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from ecgmon.ecg.types import Alert, Chunk
from ecgmon.monitor.service import Service, load_scorer
from ecgmon.monitor.settings import ServeSettings
from tests.monitor.killable import Daemon, rows


def test_a_pipeline_that_fails_again_and_again_does_not_count_as_alive() -> None:
    settings = msgspec.convert(
        {"source": {"type": "simulator"}, "sinks": [{"type": "console"}]}, ServeSettings
    )
    service = Service(settings)
    beats: list[int] = []
    service.health = SimpleNamespace(beat=lambda: beats.append(1))  # type: ignore[assignment]
    service.pipeline = SimpleNamespace(failing=False)  # type: ignore[assignment]
    service._beat()
    assert beats == [1]
    service.pipeline = SimpleNamespace(failing=True)  # type: ignore[assignment]
    service._beat()
    assert beats == [1]


def alerts_in(path: Path) -> list[Alert]:
    lines = path.read_bytes().splitlines() if path.exists() else []
    return [msgspec.json.decode(line, type=Alert) for line in lines]


@pytest.mark.parametrize("keeps", [True, False])
def test_a_stop_clears_what_stands_in_a_ward_that_begins_anew_with_state_dir_or_without(
    tmp_path: Path, *, keeps: bool
) -> None:
    tree = {
        "source": {"type": "simulator", "streams": 2, "speed": 50, "start_time": 1.7e9,
                   "script": [{"kind": "lead-off", "at": 20, "seconds": 10_000}]},
        "sinks": [{"type": "jsonl", "path": str(tmp_path / "alerts.jsonl")}],
        "model": {"device": "cpu"},
        "http": {"enabled": False},
        "alerts": {"lead_off": {"clear_seconds": 3600}},
        **({"state_dir": str(tmp_path / "state")} if keeps else {}),
    }  # fmt: skip
    settings = msgspec.convert(tree, ServeSettings)
    for run in (1, 2):
        service = Service(settings)
        thread = threading.Thread(target=service.run)
        thread.start()
        until = time.monotonic() + 60
        while len(alerts_in(tmp_path / "alerts.jsonl")) < 4 * run - 2 and time.monotonic() < until:
            time.sleep(0.05)
        service.stop()
        thread.join(30)
        assert not thread.is_alive()
    alerts = alerts_in(tmp_path / "alerts.jsonl")
    assert {alert.kind for alert in alerts} == {"lead-off"}
    assert [alert.state for alert in alerts] == [*["raised"] * 2, *["cleared"] * 2] * 2
    assert [alert.id for alert in alerts[:2]] == [alert.id for alert in alerts[4:6]]


def test_a_signal_while_streams_are_taken_up_ends_the_start_and_loses_nothing(
    pieces: list[Chunk], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    systemd.bind(str(tmp_path / "notify"))
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    broker = {"url": "mqtt://127.0.0.1:1", "client_id": "ward"}
    tree = {
        "source": {"type": "mqtt", "broker": broker},
        "sinks": [{"type": "jsonl", "path": str(tmp_path / "alerts.jsonl")}],
        "model": {"device": "cpu"},
        "http": {"enabled": False},
        "state_dir": str(tmp_path),
    }
    settings = msgspec.convert(tree, ServeSettings)
    daemon = Daemon(tmp_path, load_scorer(settings))
    daemon.play(pieces)
    daemon.keep().close()
    before = rows(tmp_path)
    service = Service(settings)
    service.stop()
    assert service.run() == 0
    assert rows(tmp_path) == before
    assert service.source.connected is False  # type: ignore[attr-defined]
    assert service.source.stats()["now"]["attempts"] == 0  # type: ignore[attr-defined]
    assert "stopped while the streams were taken up" in caplog.text
    assert systemd.recv(4096).startswith(b"EXTEND_TIMEOUT_USEC=")
    assert systemd.recv(4096).startswith(b"STOPPING=1")
    systemd.close()
    again = Service(settings)
    thread = threading.Thread(target=again.run)
    thread.start()
    until = time.monotonic() + 60
    while not (hasattr(again, "source") and again.source.stats()["now"]["attempts"]):  # type: ignore[attr-defined]
        assert time.monotonic() < until
        time.sleep(0.05)
    assert b"ecgmon_state_restored_streams 2.0" in again.metrics.page()[1]
    assert b"ecgmon_state_durable 1.0" in again.metrics.page()[1]
    assert again.health.durable is not None
    assert again.health.durable()
    again.stop()
    thread.join(30)
    assert rows(tmp_path) == (2, 0)
