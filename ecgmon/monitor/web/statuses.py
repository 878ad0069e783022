"""How all streams are: worked out once for all who look, for it costs the more the more streams there are."""

from __future__ import annotations

import threading
import time
from typing import Final, NamedTuple

from msgspec import structs

from ecgmon.monitor.web.shapes import StreamNow, StreamStatus, status_of
from ecgmon.monitor.web.store import RecentStore

KEPT: Final = 0.5
"""Seconds that it serves whoever asks,"""

KEPT_AT_ALERTS: Final = 0.2
"""and where an alert was told meanwhile."""


class Known(NamedTuple):
    """One stream: how it is, and ``shown``, the same but for what changes with every beat."""

    now: StreamNow
    shown: StreamStatus


class Round(NamedTuple):
    """All streams by number, at ``made`` (monotonic, s), when ``alerts`` was the number of the last alert."""

    made: float
    alerts: int
    streams: dict[int, Known]


class Statuses:
    """Of one store."""

    def __init__(self, store: RecentStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._last: Round | None = None
        self.rounds = 0
        """How often it was worked out."""

    def newest(self) -> Round:
        """Half a second old at most, and its ages are as of then."""
        with self._lock:
            now, alerts, last = time.monotonic(), self._store.alerts.last, self._last
            if last is None or now - last.made >= (KEPT if last.alerts == alerts else KEPT_AT_ALERTS):
                self.rounds += 1
                last = self._last = Round(now, alerts, self._all())
            return last

    def _all(self) -> dict[int, Known]:
        found = {}
        for strip in self._store.strips():
            now = status_of(self._store, strip)
            found[strip.id] = Known(now, structs.replace(now.stream, beats=0, odd_beats=0))
        return found
