"""What just was, in all streams: written by the compute thread, read by those who look.

It costs the compute thread a few microseconds for each second of a stream, whoever looks, and no lock is
held while it writes but that of the alerts. Readers read without disturbing it: what they take in one step
is whole, and what they take later is newer.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Final, Protocol

from ecgmon.ecg.types import Alert, Beat, Chunk, Quality, Score
from ecgmon.monitor.observers import Observer
from ecgmon.monitor.web.history import AlertHistory
from ecgmon.monitor.web.strip import Published, Strip
from ecgmon.sinks.base import State

ENDED_SECONDS: Final = 60.0
"""A stream that ended is shown so long, s."""

ENDED_MOST: Final = 200
"""And no more of them."""


FORGOTTEN: Final = 8
"""When one ends, so many that ended long ago are forgotten at most: many may end at once."""


class Selector(Protocol):
    """Which lead is watched."""

    @property
    def lead(self) -> str | None:
        """Its name; None while it is not chosen."""


class Live(Protocol):
    """What a live stream is asked."""

    @property
    def epoch(self) -> float:
        """UTC of its stream time 0, s."""

    @property
    def selector(self) -> Selector:
        """Which lead is watched."""


class RecentStore(Observer):
    """An observer and a sink of one pipeline; ``clock`` is monotonic.

    ``live`` gives the live streams, ``alerts`` is how many alerts to keep. A stream is known from its second
    chunk on, when the pipeline has accepted it.
    """

    def __init__(
        self, live: Callable[[], Mapping[str, Live]], clock: Callable[[], float], alerts: int
    ) -> None:
        self._live = live
        self._clock = clock
        self._strips: dict[str, Strip] = {}
        self._ended: dict[str, Strip] = {}  # of them, in the order in which they ended
        self._made = 0
        self.run = secrets.token_hex(4)
        """Names this run: numbers of streams, samples and alerts mean nothing to another."""
        self.alerts = AlertHistory(alerts)

    # What readers ask.

    def strips(self) -> list[Strip]:
        """Live streams, and those that ended a moment ago."""
        now = self._clock()
        return [s for s in list(self._strips.values()) if s.ended is None or now - s.ended < ENDED_SECONDS]

    def named(self, name: str) -> Strip | None:
        """One of them by its name."""
        found = self._strips.get(name)
        if found is None or (found.ended is not None and self._clock() - found.ended >= ENDED_SECONDS):
            return None
        return found

    def epoch(self, name: str) -> float | None:
        """UTC of a stream's time 0, s; None when it is no longer live."""
        state = self._live().get(name)
        return None if state is None else state.epoch

    def age(self, strip: Strip) -> float:
        """How old the newest sample is, s."""
        return strip.age(self._clock())

    def since(self, strip: Strip) -> float:
        """How long ago its last samples came, s."""
        return max(0.0, self._clock() - strip.heard)

    # What the pipeline tells.

    def chunk(self, chunk: Chunk) -> None:
        state = self._live().get(chunk.stream)
        if state is None:
            return
        strip = self._strips.get(chunk.stream)
        if strip is None or strip.ended is not None:
            strip = self._new(chunk.stream)
        received = chunk.received
        strip.chunk(chunk, state.selector.lead, self._clock() if received is None else received)

    def beat(self, stream: str, beat: Beat, score: Score | None, latency: float) -> None:  # noqa: ARG002
        strip = self._strips.get(stream)
        if strip is not None:
            strip.beat(beat, score)

    def quality(self, stream: str, quality: Quality) -> None:
        strip = self._strips.get(stream)
        if strip is not None:
            strip.quality = "good" if quality.good else word(quality)

    def ended(self, stream: str, seconds: float, lead: str | None) -> None:  # noqa: ARG002 - Observer
        strip = self._strips.get(stream)
        if strip is None:
            return
        now = self._clock()
        strip.ended = now
        self._ended.pop(stream, None)
        self._ended[stream] = strip
        for name, each in list(islice(self._ended.items(), FORGOTTEN)):
            since = now if each.ended is None else each.ended
            if len(self._ended) > ENDED_MOST or now - since >= ENDED_SECONDS:
                del self._ended[name], self._strips[name]

    def state(self, stream: str, state: State) -> None:
        """As :class:`~ecgmon.sinks.base.Sink`: the newest state of a stream."""
        strip = self._strips.get(stream)
        if strip is not None:
            told = state.get
            alerts = told("alerts") or ()
            strip.state = Published(told("heart_rate"), told("beats", 0), told("odd_beats", 0), alerts)

    def _new(self, name: str) -> Strip:
        self._made += 1
        self._ended.pop(name, None)
        self._strips.pop(name, None)  # one that ended: the newcomer stands last
        strip = self._strips[name] = Strip(self._made, name)
        return strip


class StoreSink:
    """The store's ear among the sinks: it keeps alerts and states, and owes nobody anything."""

    def __init__(self, store: RecentStore) -> None:
        self._store = store

    def open(self) -> None:
        """Nothing to do."""

    def alert(self, alert: Alert) -> None:
        self._store.alerts.add(alert)

    def state(self, stream: str, state: State) -> None:
        self._store.state(stream, state)

    def close(self, deadline: float) -> int:  # noqa: ARG002 - nothing waits
        return 0

    def stats(self) -> dict[str, int]:
        return {}


def word(quality: Quality) -> str:
    """The gravest thing that is wrong with a second of signal."""
    return next(word for word in ("missing", "flat", "clipped", "noisy") if getattr(quality, word))
