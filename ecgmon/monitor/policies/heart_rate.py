"""The heart rate that alerts and states tell of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from ecgmon.ecg.types import Beat, Quality
from ecgmon.monitor.middle import median
from ecgmon.monitor.policies.base import Steady
from ecgmon.monitor.policies.intervals import Intervals
from ecgmon.monitor.policies.silence import Silence

RATE_BEATS: Final = 8
"""RR intervals that the heart rate is the median of."""

RATE_SECONDS: Final = 10.0
"""Without a beat for so long there is no heart rate."""


class HeartRate:
    """Median of the last RR intervals (:mod:`ecgmon.monitor.policies.intervals`), as beats per minute."""

    __slots__ = ("_intervals",)

    def __init__(self) -> None:
        self._intervals = Intervals(RATE_BEATS, slow=True)

    @property
    def rests(self) -> bool:
        """As :attr:`ecgmon.monitor.policies.base.Policy.rests`."""
        return self._intervals.rests

    def beat(self, beat: Beat) -> None:
        """Take the next beat; one that is not good may be an artefact, and so may the intervals beside it."""
        self._intervals.beat(beat, usable=beat.good)

    def passed(self, beats: Sequence[Steady]) -> None:
        """As :meth:`ecgmon.monitor.policies.base.ByInterval.passed`."""
        self._intervals.follow(beats)

    def second(self, quality: Quality, slow: Iterable[Silence]) -> None:
        """Take the verdict over a second, and the intervals of a slow heart known with it."""
        self._intervals.second(quality, slow)

    def at(self, t: float, passed: Sequence[Steady] = ()) -> float | None:
        """The rate at stream time ``t``, beats/min; None while fewer than three intervals are known.
        ``passed``: beats that are still to be told, by :meth:`passed`."""
        rr, last = self._intervals.behind(passed)
        if len(rr) < 3 or t - last > RATE_SECONDS:
            return None
        return round(60.0 / median(rr), 1)
