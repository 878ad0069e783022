"""``bradycardia`` and ``tachycardia``: the heart rate over the last beats is beyond a limit.

Two rates are taken of the last RR intervals (:mod:`ecgmon.monitor.policies.intervals`; of a fast heart only
those between good beats): of their mean, and of their median. Both must
be beyond the limit to raise: a single pause moves only the mean, bigeminy only the median. The mean, which is
the true rate, clears when it is back by ``hysteresis``. Four intervals are told of within 10 s down to
21/min; from 20/min down each RR is a ``pause`` of its own, from 15/min down ``asystole``, told of in their
own times, and bradycardia follows when two or three such intervals are known. Eight fast ones take no longer
than 10 s, and no short run fills them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Final

from msgspec import Meta

from ecgmon.config import Settings
from ecgmon.ecg.types import AlertKind, Beat, Quality, Score
from ecgmon.monitor.middle import mean, median
from ecgmon.monitor.policies.base import Change, Standing, Steady
from ecgmon.monitor.policies.intervals import Intervals
from ecgmon.monitor.policies.line import Line
from ecgmon.monitor.policies.silence import SilenceWatch

SLOW_BEATS: Final = 4
FAST_BEATS: Final = 8
"""RR intervals that are looked at."""

KNOWN_SECONDS: Final = 10.0
"""Without another interval for so long the rate is not known, and an alert is cleared, s."""

FEW_SECONDS: Final = 20.0
"""So it is after so long beside a short loss, and where fewer intervals than are looked at were known."""

ROUNDING: Final = 1e-9
"""A mean, added up, lies outside of its numbers by no larger share."""

Rate = Annotated[float, Meta(gt=0, le=400, description="beats/min")]


class BradycardiaSettings(Settings, frozen=True):
    """The heart beats slowly."""

    enabled: bool = True
    """false: never raised."""
    below: Rate = 40.0
    hysteresis: Annotated[float, Meta(ge=0, le=100, description="beats/min above, to clear")] = 5.0


class TachycardiaSettings(Settings, frozen=True):
    """The heart beats fast."""

    enabled: bool = True
    """false: never raised."""
    above: Rate = 140.0
    hysteresis: Annotated[float, Meta(ge=0, le=100, description="beats/min below, to clear")] = 10.0


class RateLimit:
    """One limit of one stream. ``sign`` is 1 for an upper limit, -1 for a lower one."""

    __slots__ = (
        "_alert", "_back", "_beats", "_full", "_intervals", "_known", "_limit", "_line", "_sign",
        "_silence", "safe",
    )  # fmt: skip

    def __init__(
        self, kind: AlertKind, line: Line, silence: SilenceWatch, beats: int, limit: float, back: float
    ) -> None:
        self._line = line
        self._silence = silence
        self._beats = beats
        self._sign = 1.0 if limit >= back else -1.0
        self._limit = limit
        self._back = back
        self.safe = 60.0 / limit * (1.0 + self._sign * ROUNDING)
        """Intervals on this side of it, s, are within the limit."""
        self._intervals = Intervals(beats, slow=self._sign < 0)
        self._known = -math.inf  # end of the last interval
        self._full = -math.inf  # of the last one with enough before it, where it mattered
        self._alert = Standing(kind, "warning")

    @property
    def rests(self) -> bool:
        rr = self._intervals.rr
        return self._intervals.rests and not self._alert.on and (not rr or self._within(rr))

    def beat(self, beat: Beat, score: Score | None) -> list[Change]:  # noqa: ARG002 - the protocol's
        if self._intervals.beat(beat, usable=beat.good and self._line.heart):
            self._known = beat.r
            return self._judge(beat.r, beat.ready)
        return []

    def passed(self, beats: Sequence[Steady]) -> None:
        """As :meth:`ecgmon.monitor.policies.base.ByInterval.passed`."""
        self._intervals.follow(beats)
        self._known = beats[-1][1]

    def second(self, quality: Quality) -> list[Change]:
        now = quality.second + 1.0
        changes: list[Change] = []
        for r in self._intervals.second(quality, self._silence.slow):
            self._known = r
            changes += self._judge(r, now)
        unknown = now - self._known >= (FEW_SECONDS if self._intervals.beside_loss(now) else KNOWN_SECONDS)
        if unknown:
            self._intervals.forget()
        if unknown or now - self._full >= FEW_SECONDS:
            changes += self._alert.clear(now)
        return changes

    def end(self, t: float) -> list[Change]:
        return self._alert.clear(t)

    def _judge(self, r: float, time: float) -> list[Change]:
        """The interval that ends at ``r`` is the last one; that was known at ``time``."""
        rr = self._intervals.rr
        if len(rr) < self._beats:
            return []
        if not self._alert.on and self._within(rr):
            return []
        self._full = r
        sign, rate = self._sign, 60.0 / mean(rr)
        beyond = sign * rate > sign * self._limit
        if beyond and sign * (60.0 / median(rr)) > sign * self._limit:
            return self._alert.begin(self._intervals.begin, r, time, len(rr))
        if sign * rate < sign * self._back:
            return self._alert.clear(time)
        if self._alert.on:
            self._alert.end = max(self._alert.end, r)
        return []

    def _within(self, rr: list[float]) -> bool:
        """No interval is beyond the limit, and so neither is their mean."""
        return max(rr) < self.safe if self._sign < 0 else min(rr) > self.safe


def bradycardia(settings: BradycardiaSettings, line: Line, silence: SilenceWatch) -> RateLimit:
    """A lower limit."""
    return RateLimit(
        "bradycardia",
        line,
        silence,
        SLOW_BEATS,
        settings.below,
        math.nextafter(settings.below, math.inf) + settings.hysteresis,
    )


def tachycardia(settings: TachycardiaSettings, line: Line, silence: SilenceWatch) -> RateLimit:
    """An upper limit."""
    back = settings.above - settings.hysteresis
    return RateLimit("tachycardia", line, silence, FAST_BEATS, settings.above, back)
