"""For how long has there been no beat? What ``asystole`` and ``pause`` rest on.

Silence counts only through seconds in which a beat would have been seen: good ones, and quiet ones (see
:mod:`ecgmon.monitor.policies.line`). It begins with the last beat. Where there was none since the line became
usable (a start, a gap, noise, a lead put back on, a shift), it begins ``RECOVERY`` seconds behind that: the
detector learns, or finds its way back, and tells of no beat meanwhile. So none of these raises an alarm of
itself, and a heart that stopped while nobody could see is still told of.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from ecgmon.ecg.types import Beat, Quality, Score
from ecgmon.monitor.policies.line import Line

RECOVERY: Final = 6.0
"""Seconds behind the first usable one that count for nothing: the detector's 5 s of learning, and the windows
of the first beats."""


class Silence(NamedTuple):
    """A stretch without a beat, stream time, s. ``over``: ``end`` is a beat, else as much as is known."""

    start: float
    end: float
    over: bool

    @property
    def seconds(self) -> float:
        return self.end - self.start


class SilenceWatch:
    """Follows one stream; stands behind ``line`` among its policies, before those that read ``known``."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._from: float | None = None  # begin of the usable seconds that reach to the last one
        self._last = -math.inf
        self._between: list[tuple[float, float]] = []  # neighbouring R-peaks, seconds not all known
        self.known: list[Silence] = []
        """What the last second told: stretches between two beats, and those that go on behind it."""

    def beat(self, beat: Beat, score: Score | None) -> tuple[()]:  # noqa: ARG002 - the protocol's
        if self._line.heart:
            self._between.append((self._last, beat.r))
            self._last = beat.r
        return ()

    def second(self, quality: Quality) -> tuple[()]:
        usable = self._line.signal in {"good", "quiet"}
        self.known = self._ended(quality, usable=usable)
        if not usable:
            self._from = None
            return ()
        if self._from is None:
            self._from = float(quality.second)
        until, since = quality.second + 1.0, self._from
        self.known += [Silence(a, until, over=False) for a, _ in self._between if since <= a < until]
        start = self._last if self._last >= since else since + RECOVERY
        self.known.append(Silence(start, until, over=False))
        return ()

    def end(self, t: float) -> tuple[()]:  # noqa: ARG002 - the protocol's
        return ()

    def _ended(self, quality: Quality, *, usable: bool) -> list[Silence]:
        """Stretches whose second beat lies in this second or before it."""
        known = [pair for pair in self._between if pair[1] < quality.second + 1.0]
        self._between = self._between[len(known) :]
        since = math.inf if self._from is None else self._from
        return [
            Silence(a, b, over=True)
            for a, b in known
            # the gate closes for the whole second, often for what lies behind the beat or is its own doing
            if a >= since
            and (usable or (self._line.signal in {"noise", "closed"} and self._line.quiet_before(quality, b)))
        ]
