"""The last alerts of all streams, each as it was last told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec
from msgspec import structs

from ecgmon.ecg.types import Alert, AlertKind, AlertState, Severity

_ENCODER: Final = msgspec.json.Encoder()


class Told(NamedTuple):
    """One alert. ``number`` counts what was told and grows whenever the alert is told again; ``first`` is the
    number under which it was told first, and stays."""

    number: int
    first: int
    id: str
    stream: str
    kind: AlertKind
    state: AlertState
    severity: Severity
    json: bytes
    """The whole message, as on MQTT."""
    brief: bytes
    """The same without the samples of its evidence."""


class AlertHistory:
    """Keeps ``size`` alerts; when there are more, the oldest that no longer stands goes first."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._alerts: dict[str, Told] = {}  # by id, in the order in which they were first told
        self._lock = threading.Lock()
        self.last = 0
        """Number of the newest."""

    def add(self, alert: Alert) -> None:
        """Take what was told of an alert."""
        encoded = brief = _ENCODER.encode(alert)
        if alert.evidence is not None:
            evidence = structs.replace(alert.evidence, window=[], reconstruction=[])
            brief = _ENCODER.encode(structs.replace(alert, evidence=evidence))
        with self._lock:
            self.last = number = self.last + 1
            before = self._alerts.get(alert.id)
            first = number if before is None else before.first
            about = alert.id, alert.stream, alert.kind, alert.state, alert.severity
            self._alerts[alert.id] = Told(number, first, *about, encoded, brief)
            if len(self._alerts) > self._size:
                over = (each.id for each in self._alerts.values() if each.state == "cleared")
                del self._alerts[next(over, next(iter(self._alerts)))]

    def newest(self) -> Iterator[Told]:
        """All that are kept, the one that was first told last comes first."""
        with self._lock:
            kept = list(self._alerts.values())
        return reversed(kept)

    def get(self, id_: str) -> Told | None:
        """One of them."""
        return self._alerts.get(id_)

    def since(self, number: int) -> list[Told]:
        """What was told behind ``number``, oldest first."""
        if number >= self.last:
            return []
        with self._lock:
            news = [each for each in self._alerts.values() if each.number > number]
        return sorted(news, key=lambda told: told.number)
