"""Those who watch the pipeline and cannot break it: metrics, recorders, whatever comes.

An observer overrides what it wants to hear. What it raises is logged once and counted, and the pipeline
goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from ecgmon.ecg.types import Alert, Beat, Chunk, Quality, Score

log = logging.getLogger(__name__)


class Observer:
    """Hears everything that happens in a pipeline, on the compute thread; must not block."""

    def chunk(self, chunk: Chunk) -> None:
        """A chunk arrived, good or not."""

    def dropped(self, stream: str, reason: str) -> None:
        """A chunk was not used."""

    def gap(self, stream: str, seconds: float) -> None:
        """Samples are missing between two chunks."""

    def reordered(self, stream: str) -> None:
        """A chunk that had overtaken another waited for it, and it came."""

    def corrected(self, stream: str, seconds: float) -> None:
        """The stream's time was moved by ``seconds`` to follow the device's clock."""

    def restarted(self, stream: str, reason: str) -> None:
        """Numbers, clock, rate or lead of a stream began anew; it goes on."""

    def streams(self, count: int) -> None:
        """The number of live streams changed."""

    def batch(self, beats: int, seconds: float) -> None:
        """So many beats were scored together, in so many seconds."""

    def beat(self, stream: str, beat: Beat, score: Score | None, latency: float) -> None:
        """A beat is through; ``latency`` (s) from the arrival of its last sample to here."""

    def quality(self, stream: str, quality: Quality) -> None:
        """A verdict over one second of signal."""

    def alert(self, alert: Alert, latency: float) -> None:
        """An alert was handed to every sink, ``latency`` s after the sample that decided it arrived."""

    def ended(self, stream: str, seconds: float, lead: str | None) -> None:
        """A stream ended after ``seconds`` of stream time."""


class Observers:
    """Tells several observers, and keeps their failures from the pipeline."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = tuple(observers)
        self._complained: set[int] = set()
        self.failures = 0
        """What observers raised so far."""

    def tell(self, call: Callable[[Observer], None]) -> None:
        """Make ``call`` with each observer."""
        for observer in self._observers:
            try:
                call(observer)
            except Exception:
                self.failures += 1
                if id(observer) not in self._complained:
                    self._complained.add(id(observer))
                    log.exception(
                        "an observer failed (%s); its further failures are only counted",
                        type(observer).__name__,
                    )
