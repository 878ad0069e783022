"""``bradycardia`` and ``tachycardia``: the heart rate over the last beats is beyond a limit.

Two rates are taken of the last RR intervals between good beats: of their mean, and of their median. Both must
be beyond the limit to raise: a single pause moves only the mean, bigeminy only the median. The mean, which is
the true rate, clears when it is back by ``hysteresis``. Four intervals are told of within 10 s down to rates
where each RR is a pause of its own; eight fast ones take no longer, and no short run fills them.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Annotated, Final

import numpy as np
from msgspec import Meta

from ecgmon.config import Settings
from ecgmon.ecg.types import AlertKind, Beat, Quality, Score
from ecgmon.monitor.policies.base import Change, Standing
from ecgmon.monitor.policies.line import Line

SLOW_BEATS: Final = 4
FAST_BEATS: Final = 8
"""RR intervals that are looked at."""

KNOWN_SECONDS: Final = 10.0
"""Without another interval for so long the rate is not known, and an alert is cleared, s."""

Rate = Annotated[float, Meta(gt=0, le=400, description="beats/min")]


class BradycardiaSettings(Settings, frozen=True):
    """The heart beats slowly."""

    enabled: bool = True
    below: Rate = 40.0
    hysteresis: Annotated[float, Meta(ge=0, le=100, description="beats/min above, to clear")] = 5.0


class TachycardiaSettings(Settings, frozen=True):
    """The heart beats fast."""

    enabled: bool = True
    above: Rate = 140.0
    hysteresis: Annotated[float, Meta(ge=0, le=100, description="beats/min below, to clear")] = 10.0


class RateLimit:
    """One limit of one stream. ``sign`` is 1 for an upper limit, -1 for a lower one."""

    def __init__(self, kind: AlertKind, line: Line, beats: int, limit: float, back: float) -> None:
        self._line = line
        self._sign = 1.0 if limit >= back else -1.0
        self._limit = limit
        self._back = back
        self._rr: deque[float] = deque(maxlen=beats)
        self._after_good = False
        self._last = -math.inf
        self._alert = Standing(kind, "warning")

    def beat(self, beat: Beat, score: Score | None) -> list[Change]:  # noqa: ARG002 - the protocol's
        usable = beat.good and self._line.heart
        follows, self._after_good = usable and self._after_good, usable
        if not usable:
            return []
        if not math.isfinite(beat.rr):
            self._rr.clear()
        elif follows:
            self._rr.append(beat.rr)
            self._last = beat.r
            return self._judge(beat)
        return []

    def second(self, quality: Quality) -> list[Change]:
        now = quality.second + 1.0
        if now - self._last < KNOWN_SECONDS:
            return []
        self._rr.clear()
        return self._alert.clear(now)

    def end(self, t: float) -> list[Change]:
        return self._alert.clear(t)

    def _judge(self, beat: Beat) -> list[Change]:
        if len(self._rr) < (self._rr.maxlen or 0):
            return []
        mean = 60.0 / float(np.mean(self._rr))
        median = 60.0 / float(np.median(self._rr))
        if all(self._sign * rate > self._sign * self._limit for rate in (mean, median)):
            return self._alert.begin(beat.r - sum(self._rr), beat.r, beat.ready, len(self._rr))
        if self._sign * mean < self._sign * self._back:
            return self._alert.clear(beat.ready)
        if self._alert.on:
            self._alert.end = beat.r
        return []


def bradycardia(settings: BradycardiaSettings, line: Line) -> RateLimit:
    """A lower limit."""
    return RateLimit(
        "bradycardia",
        line,
        SLOW_BEATS,
        settings.below,
        math.nextafter(settings.below, math.inf) + settings.hysteresis,
    )


def tachycardia(settings: TachycardiaSettings, line: Line) -> RateLimit:
    """An upper limit."""
    return RateLimit("tachycardia", line, FAST_BEATS, settings.above, settings.above - settings.hysteresis)
