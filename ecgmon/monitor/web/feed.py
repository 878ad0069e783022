"""What goes on in the streams that somebody looks at, as server-sent events: one connection for all of them.

There is no queue: the store is one. Each viewer has a position in each stream, and its own thread fetches
several times a second what is new behind it. One that reads slowly is not waited for: what the store has
forgotten meanwhile is skipped, and counted.

=========  ============================================================================================
event      data
=========  ============================================================================================
hello      the run, the step of the samples, the thresholds
status     streams that are new or changed, numbers of those that are gone, the age of every stream (s),
           which parts of the monitor are why it is not ready, and when it was told (s, from any origin)
data       samples ``[stream, number of the first, base64 of 16-bit steps]``, and beats ``[stream, number,
           at which sample, rr, score, p-value, flags]``, of the streams that are seen
beat       a beat of the stream in focus, whole
alerts     alerts, oldest first, without the samples of their evidence; ``past``: they are no news
=========  ============================================================================================
"""

from __future__ import annotations

import base64
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import msgspec

from ecgmon.monitor.web.asked import Query, Refused
from ecgmon.monitor.web.shapes import StreamStatus, beat_row
from ecgmon.monitor.web.statuses import Statuses
from ecgmon.monitor.web.store import RecentStore
from ecgmon.monitor.web.strip import WATCHED_BEATS, Figures, Strip
from ecgmon.monitor.web.trace import STEP_MV, Trace

TICK: Final = 0.2
"""Seconds between two looks."""

STATUS: Final = 5
"""Every so many looks the status of all streams is told."""

PAST: Final = 100
"""Alerts that are told at first."""

_encode: Final = msgspec.json.Encoder().encode


class Facts(NamedTuple):
    """What never changes in a run."""

    model: str
    threshold: float
    beat_threshold: float


class Wish(NamedTuple):
    """What a viewer wants: stream number to sample, the stream in focus, the last alert it knows."""

    see: Mapping[int, int]
    focus: int
    alerts: int | None

    @staticmethod
    def of(query: Query, run: str) -> Wish:
        """From the keys ``run see focus alerts``; positions of another run are worth nothing."""
        see = query.positions("see")
        focus, alerts = query.whole("focus", 0, 0, 10**15), query.whole("alerts", 0, 0, 10**15)
        if query.text("run") == run:
            return Wish(see, focus, alerts if query.text("alerts") is not None else None)
        return Wish({}, 0, None)


class Feed:
    """Lets ``viewers`` look at a time."""

    def __init__(
        self, store: RecentStore, facts: Facts, viewers: int, amiss: Callable[[], list[str]]
    ) -> None:
        self.store = store
        self.facts = facts
        self.amiss = amiss
        self.statuses = Statuses(store)
        self._most = viewers
        self._lock = threading.Lock()
        self._watched: dict[int, int] = {}
        self.closing = threading.Event()
        self.viewers = 0
        """Who looks now."""
        self.skipped = 0
        """Samples that were not sent because a viewer was too slow."""

    def view(self, wish: Wish) -> View:
        """For one more; :class:`Refused` when there are too many."""
        with self._lock:
            if self.viewers >= self._most or self.closing.is_set():
                raise Refused(
                    HTTPStatus.SERVICE_UNAVAILABLE,
                    f"as many look already as may (page.viewers: {self._most})",
                )
            self.viewers += 1
        return View(self, wish)

    def close(self) -> None:
        """End all views."""
        self.closing.set()

    def left(self, skipped: int) -> None:
        """A viewer is gone."""
        with self._lock:
            self.viewers -= 1
            self.skipped += skipped

    def watch(self, strip: Strip, by: int) -> None:
        """One more (1) or one less (-1) looks at this stream alone: while one does, beats are kept whole."""
        with self._lock:
            count = self._watched[strip.id] = self._watched.get(strip.id, 0) + by
            if not count:
                del self._watched[strip.id]
                strip.watched = None
            elif strip.watched is None:
                latest = strip.latest
                strip.watched = deque([] if latest is None else [latest], WATCHED_BEATS)


class View:
    """What one viewer gets."""

    def __init__(self, feed: Feed, wish: Wish) -> None:
        self._feed = feed
        self._store = feed.store
        self._wish = wish
        self._at = dict(wish.see)
        self._beats: dict[int, int] = {}
        self._whole = 0
        self._told: dict[int, StreamStatus] = {}
        self._alerts = wish.alerts
        self._skipped = 0
        self._focus: Strip | None = None
        self._open = True

    def __iter__(self) -> Iterator[bytes]:
        facts = self._feed.facts
        hello = {"run": self._store.run, "step_mv": STEP_MV, "tick": TICK, "threshold": facts.threshold}
        yield _event("hello", {**hello, "beat_threshold": facts.beat_threshold, "model": facts.model})
        looks = 0
        while not self._feed.closing.is_set():
            began = time.monotonic()
            strips = {strip.id: strip for strip in self._store.strips()}
            told = self._alerts
            parts = list(self._news(strips))
            if looks % STATUS == 0 or self._alerts != told:
                parts.insert(0, self._status())
            yield b"".join(parts)  # or nothing: whether the viewer is still there is asked each time
            looks += 1
            self._feed.closing.wait(max(TICK / 4, TICK - (time.monotonic() - began)))

    def close(self) -> None:
        if self._open:
            self._open = False
            if self._focus is not None:
                self._feed.watch(self._focus, -1)
            self._feed.left(self._skipped)

    def _status(self) -> bytes:
        made, _, streams = self._feed.statuses.newest()
        news = []
        for number, known in streams.items():
            if self._told.get(number) != known.shown or number == self._wish.focus:
                self._told[number] = known.shown
                news.append(known.now.stream)
        gone = [number for number in self._told if number not in streams]
        for number in gone:
            del self._told[number]
        ages = [(number, known.now.age) for number, known in streams.items()]
        told = {"streams": news, "gone": gone, "ages": ages, "skipped": self._skipped}
        told["amiss"] = self._feed.amiss()
        return _event("status", {"now": round(made, 3), **told})

    def _news(self, strips: Mapping[int, Strip]) -> Iterator[bytes]:
        samples: list[tuple[int, int, str]] = []
        beats: list[tuple[Any, ...]] = []
        for number in self._wish.see:
            strip = strips.get(number)
            if strip is not None and strip.trace is not None:
                self._samples(strip, strip.trace, samples)
                self._figures(strip, strip.trace, beats)
        if samples or beats:
            yield _event("data", {"samples": samples, "beats": beats})
        if self._wish.focus in strips:
            yield from self._whole_beats(strips[self._wish.focus])
        last = self._store.alerts.last
        if self._alerts is None or self._alerts < last:
            yield self._new_alerts(last)

    def _samples(self, strip: Strip, trace: Trace, samples: list[tuple[int, int, str]]) -> None:
        since = self._at.get(strip.id, 0)
        first, found = trace.read(since)
        if not len(found):
            return
        if since:
            self._skipped += max(0, first - since)
        self._at[strip.id] = first + len(found)
        samples.append((strip.id, first, base64.b64encode(found.astype("<i2").tobytes()).decode()))

    def _figures(self, strip: Strip, trace: Trace, beats: list[tuple[Any, ...]]) -> None:
        since = self._beats.get(strip.id, 0)
        epoch = self._store.epoch(strip.name)
        if strip.n_beats == since or epoch is None:
            return
        for one in strip.figures(since):
            at = round(trace.at(epoch + one.r), 1)
            beats.append((strip.id, one.number, at, *_shown(one)))
        self._beats[strip.id] = strip.n_beats

    def _whole_beats(self, strip: Strip) -> Iterator[bytes]:
        if self._focus is None:
            self._focus = strip
            self._feed.watch(strip, 1)
        known = {one.number: one for one in strip.figures()}
        epoch = self._store.epoch(strip.name)
        for whole in list(strip.watched or ()):
            number = whole[0]
            if number >= self._whole and number in known:
                self._whole = number + 1
                yield _event("beat", {"id": strip.id, "beat": beat_row(known[number], epoch, whole)})

    def _new_alerts(self, last: int) -> bytes:
        history, past = self._store.alerts, self._alerts is None
        told = history.since(self._alerts or 0)[-PAST:]
        self._alerts = told[-1].number if told else last
        alerts = [msgspec.Raw(one.brief) for one in told]
        return _event("alerts", {"past": past, "last": self._alerts, "alerts": alerts}, self._alerts)


def _shown(one: Figures) -> tuple[Any, ...]:
    return round(one.rr, 4), round(one.score, 3), float(f"{one.p_value:.4g}"), one.flags


def _event(name: str, data: Any, number: int | None = None) -> bytes:
    ident = b"" if number is None else b"id: %d\n" % number
    return b"event: %s\n%sdata: %s\n\n" % (name.encode(), ident, _encode(data))
