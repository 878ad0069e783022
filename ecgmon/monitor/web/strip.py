"""What is kept of one stream for those who look."""

from __future__ import annotations

import math
import struct
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from ecgmon.ecg.types import Beat, Chunk, Samples, Score
from ecgmon.monitor.middle import median
from ecgmon.monitor.web.trace import BACK, Trace

BEATS: Final = 48
"""Beats whose figures are kept."""

WATCHED_BEATS: Final = 32
"""Beats kept whole while somebody looks at the stream alone."""

RATE_BEATS: Final = 8
"""RR intervals that the shown heart rate is the median of, as in alerts."""

SILENCE: Final = 5.0
"""No beat for so long, s, and what a chunk takes: the last intervals tell nothing of now."""

LONG_CHUNK: Final = 5.0
"""Of a chunk's length so much counts at most, s."""

DRIFT: Final = 1e-3
"""A device's clock may lose so much of each second for ever, and what comes is not late for that."""

_FIGURES: Final = struct.Struct("<dfffB3x")
GOOD: Final = 1
ODD: Final = 2
ALARMING: Final = 4
SCORED: Final = 8


_FLAGS: Final = {
    (odd, alarming): GOOD | SCORED | ODD * odd | ALARMING * alarming
    for odd in (False, True)
    for alarming in (False, True)
}
"""Of a beat that was scored: only good ones are."""

_pack: Final = _FIGURES.pack_into


class Figures(NamedTuple):
    """One beat in figures. ``number`` counts the beats that were kept, ``r`` is stream time, s."""

    number: int
    r: float
    rr: float
    score: float
    p_value: float
    flags: int


Whole = tuple[int, Samples, Samples | None]
"""A beat's number, window and reconstruction: plain, for one is made for each beat."""


class Published(NamedTuple):
    """What the page shows of a stream's published state."""

    heart_rate: float | None
    beats: int
    odd_beats: int
    alerts: Sequence[Mapping[str, Any]]


NOTHING: Final = Published(None, 0, 0, ())


class Strip:
    """Written by the compute thread alone; each method for readers takes what it needs at once."""

    __slots__ = (
        "_figures", "_lead", "_leads", "_row", "ended", "heard", "id", "late", "latest", "least_late",
        "n_beats", "name", "quality", "span", "state", "trace", "watched",
    )  # fmt: skip

    def __init__(self, number: int, name: str) -> None:
        self.id = number
        self.name = name
        self.trace: Trace | None = None
        self.heard = -math.inf
        """When the last samples came, monotonic, s."""
        self.span = 0.0
        """Length of the last chunk, s."""
        self.late = 0.0
        """By how much the last sample's time lay before ``heard``: the clocks' difference, and what more."""
        self.least_late = math.inf
        self.quality = "unknown"
        self.state: Published = NOTHING
        """As it was last published."""
        self.ended: float | None = None
        self.latest: Whole | None = None
        self.watched: deque[Whole] | None = None
        """More whole beats, while somebody looks."""
        self.n_beats = 0
        self._figures = bytearray(_FIGURES.size * BEATS)
        self._leads: tuple[str, ...] = ()
        self._lead: str | None = None
        self._row = 0

    @property
    def lead(self) -> str | None:
        """Name of the lead that is drawn."""
        return self._leads[self._row] if self._leads else None

    def chunk(self, chunk: Chunk, lead: str | None, received: float) -> None:
        """Samples came; ``lead`` is watched, or not yet chosen."""
        if chunk.leads is not self._leads or lead is not self._lead:
            self._choose(chunk.leads, lead)
        trace = self.trace
        if trace is None:
            trace = self.trace = Trace(chunk.fs, chunk.t)
        elif trace.fs != chunk.fs:
            trace.form(chunk.fs, chunk.t)
        samples, t = chunk.samples, chunk.t
        span = samples.shape[1] / trace.fs
        was_set = t < trace.end - BACK
        before = math.inf if was_set else self.least_late + DRIFT * span
        if trace.put(samples, self._row, t, span):
            self.heard, self.span = received, span
            self.late = late = received - t - span
            self.least_late = min(before, late)

    def beat(self, beat: Beat, score: Score | None) -> None:
        """A beat is through."""
        number = self.n_beats
        if score is None:
            _pack(self._figures, number % BEATS * 24, beat.r, beat.rr, math.nan, math.nan, beat.good)
            whole: Whole = (number, beat.window, None)
        else:
            flags = _FLAGS[score.odd, score.alarming]
            _pack(self._figures, number % BEATS * 24, beat.r, beat.rr, score.score, score.p_value, flags)
            whole = (number, beat.window, score.reconstruction)
        self.latest = whole
        self.n_beats = number + 1
        if self.watched is not None:
            self.watched.append(whole)

    def figures(self, since: int = 0) -> list[Figures]:
        """Of the beats kept, oldest first, from number ``since`` on."""
        n, raw = self.n_beats, bytes(self._figures)
        numbers = range(max(since, n - BEATS + 1, 0), n)  # the oldest may be written over just now
        return [Figures(i, *_FIGURES.unpack_from(raw, i % BEATS * 24)) for i in numbers]

    def age(self, now: float) -> float:
        """How old the newest sample is, s, at ``now`` (monotonic).

        Since it came; and where data come later than they once did (a broker or a device hands over what it
        has kept), by so much more. Device clocks are not compared with ours; they may run slow, and be set.
        """
        return max(0.0, now - self.heard) + max(0.0, self.late - self.least_late)

    def heart_rate(self, epoch: float | None = None) -> float | None:
        """Beats/min: of the last beats where these tell it, else as last published; None where there has been
        no beat for seconds, whatever was published before. ``epoch``: UTC of stream time 0, s."""
        last = self.figures(self.n_beats - RATE_BEATS)
        if last and epoch is not None and self.trace is not None:
            silence = self.trace.end - (epoch + last[-1].r)
            if silence > SILENCE + min(self.span, LONG_CHUNK):
                return None
        rr = [one.rr for one in last if one.flags & GOOD and math.isfinite(one.rr)]
        state = self.state
        if len(rr) < 3 or (state.heart_rate is None and state.beats > RATE_BEATS):
            return state.heart_rate
        return round(60.0 / median(rr), 1)

    def _choose(self, leads: tuple[str, ...], lead: str | None) -> None:
        before = self.lead
        self._leads, self._lead = leads, lead
        self._row = leads.index(lead) if lead in leads else 0
        if before is not None and before != self.lead and self.trace is not None:
            self.trace.form(self.trace.fs, self.trace.end)
