"""Those who watch the pipeline and cannot break it: metrics, recorders, whatever comes.

An observer overrides what it wants to hear. What it raises is logged once and counted, and the pipeline
goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

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
    """Tells several observers, and keeps their failures from the pipeline.

    What happens thousands of times a second, chunks, beats and seconds, is told to those alone who want to
    hear it, and has a method each.
    """

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = tuple(observers)
        self._complained: set[int] = set()
        self._of_chunks = self._who_hears("chunk")
        self._of_beats = self._who_hears("beat")
        self._of_seconds = self._who_hears("quality")
        self.failures = 0
        """What observers raised so far."""

    def tell(self, call: Callable[[Observer], None]) -> None:
        """Make ``call`` with each observer."""
        for observer in self._observers:
            try:
                call(observer)
            except Exception as error:  # noqa: BLE001 - said and counted
                self._failed(observer, error)

    def chunk(self, chunk: Chunk) -> None:
        """As :meth:`Observer.chunk`."""
        for observer in self._of_chunks:
            try:
                observer.chunk(chunk)
            except Exception as error:  # noqa: BLE001 - said and counted
                self._failed(observer, error)

    def beat(self, stream: str, beat: Beat, score: Score | None, latency: float) -> None:
        """As :meth:`Observer.beat`."""
        for observer in self._of_beats:
            try:
                observer.beat(stream, beat, score, latency)
            except Exception as error:  # noqa: BLE001 - said and counted
                self._failed(observer, error)

    def quality(self, stream: str, quality: Quality) -> None:
        """As :meth:`Observer.quality`."""
        for observer in self._of_seconds:
            try:
                observer.quality(stream, quality)
            except Exception as error:  # noqa: BLE001 - said and counted
                self._failed(observer, error)

    def _who_hears(self, what: str) -> tuple[Observer, ...]:
        plain: Any = getattr(Observer, what)
        return tuple(each for each in self._observers if getattr(type(each), what) is not plain)

    def _failed(self, observer: Observer, error: Exception) -> None:
        self.failures += 1
        if id(observer) not in self._complained:
            self._complained.add(id(observer))
            log.error(
                "an observer failed (%s); its further failures are only counted",
                type(observer).__name__, exc_info=error,
            )  # fmt: skip
