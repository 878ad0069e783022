"""A sink that remembers: the in-memory twin for tests and for programs that embed the monitor."""

from __future__ import annotations

from typing import Literal

from ecgmon.config import Settings
from ecgmon.ecg.types import Alert
from ecgmon.sinks.base import State


class MemorySettings(Settings, frozen=True, tag="memory", tag_field="type"):
    """Keep alerts in memory; of use inside a program only."""


class MemorySink:
    """Keeps every alert in order and the newest state of each stream."""

    def __init__(self, settings: MemorySettings | None = None) -> None:
        self.settings = settings or MemorySettings()
        self.alerts: list[Alert] = []
        self.states: dict[str, State] = {}
        self.phase: Literal["new", "open", "closed"] = "new"

    def open(self) -> None:
        self.phase = "open"

    def alert(self, alert: Alert) -> None:
        self.alerts.append(alert)

    def state(self, stream: str, state: State) -> None:
        if state:
            self.states[stream] = state
        else:
            self.states.pop(stream, None)

    def close(self, deadline: float) -> int:  # noqa: ARG002 - nothing here takes time
        self.phase = "closed"
        return 0

    def stats(self) -> dict[str, int]:
        return {"delivered": len(self.alerts), "failed": 0}
