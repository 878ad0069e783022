"""The daemon's loop, in parts: what counts as alive, and what a stop leaves behind."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from ecgmon.ecg.types import Alert
from ecgmon.monitor.service import Service
from ecgmon.monitor.settings import ServeSettings


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


@pytest.mark.parametrize("keeps", [True, False])
def test_a_stop_clears_what_stands_unless_the_streams_are_kept(tmp_path: Path, *, keeps: bool) -> None:
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

    def alerts() -> list[Alert]:
        path = tmp_path / "alerts.jsonl"
        lines = path.read_bytes().splitlines() if path.exists() else []
        return [msgspec.json.decode(line, type=Alert) for line in lines]

    service = Service(settings)
    thread = threading.Thread(target=service.run)
    thread.start()
    until = time.monotonic() + 60
    while len(alerts()) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    service.stop()
    thread.join(30)
    assert not thread.is_alive()
    assert [alert.kind for alert in alerts()[:2]] == ["lead-off"] * 2
    assert [alert.state for alert in alerts()] == ["raised"] * 2 + ([] if keeps else ["cleared"] * 2)
    if keeps:
        again = Service(settings)
        thread = threading.Thread(target=again.run)
        thread.start()

        def restored() -> bool:
            made = hasattr(again, "health")  # the last part of it
            return made and b"ecgmon_state_restored_streams 2.0" in again.metrics.page()[1]

        until = time.monotonic() + 60
        while not restored() and time.monotonic() < until:
            time.sleep(0.05)
        assert restored()
        assert b"ecgmon_state_durable 1.0" in again.metrics.page()[1]
        assert again.health.durable is not None
        assert again.health.durable()
        again.stop()
        thread.join(30)
