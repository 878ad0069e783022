"""The daemon's loop, in parts: what counts as alive."""

from __future__ import annotations

from types import SimpleNamespace

import msgspec

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
