"""The last RR intervals: what heart rate and rate limits rest on.

An interval is known from two good beats next to each other. Below 24/min few are good, for the quality gate
looks back 2 s and finds no QRS there; such an interval is known where the line was seen between its beats
(:mod:`ecgmon.monitor.policies.silence`), and told of with the second in which it ends.

An interval of which nothing is known makes those before it forgotten, but beside a short loss, which says
nothing of the heart: only the intervals that it touches are none. Among losses the last ones reach back
``MEMORY`` seconds at most.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

from ecgmon.ecg.types import Beat, Quality
from ecgmon.monitor.policies.base import Steady
from ecgmon.monitor.policies.silence import BRIDGE, Silence

MEMORY: Final = 30.0
"""An interval that ended so long before the last one is forgotten, s."""

BESIDE: Final = 10.0
"""So long behind a short loss an interval may be unknown because of it, s."""


class Intervals:
    """The last ``n`` of one stream.

    ``slow``: intervals are also taken from the line.
    """

    __slots__ = ("_after_good", "_asked", "_behind", "_ends", "_gap", "_n", "_run", "_slow", "last", "rr")

    def __init__(self, n: int, *, slow: bool) -> None:
        self._n = n
        self._slow = slow
        # Lists, and short ones: a deque takes 0.6 KB, and each stream has three of these.
        self.rr: list[float] = []
        """s, oldest first."""
        self._ends: list[float] = []  # of each, stream time, s
        self._gap = -math.inf  # end of the last loss; none where it was a long one
        self._run = 0  # its seconds
        self.last = -math.inf
        """Stream time of the last good beat, or end of the last interval, s."""
        self._after_good = False
        self._asked = math.inf  # a good beat whose interval only the line may tell
        self._behind = 0  # intervals since then

    @property
    def begin(self) -> float:
        """Of the oldest, stream time, s; there must be one."""
        return self._ends[0] - self.rr[0]

    @property
    def rests(self) -> bool:
        """No second is waited for, and a beat next to the last one brings an interval."""
        return self._after_good and self._asked == math.inf

    def beside_loss(self, t: float) -> bool:
        """Whether a short loss may be why nothing is known at stream time ``t``."""
        return t - self._gap < BESIDE

    def forget(self, but: int = 0) -> None:
        """All but the last ``but``."""
        gone = len(self.rr) - but
        if gone > 0:
            del self.rr[:gone], self._ends[:gone]

    def beat(self, beat: Beat, *, usable: bool) -> bool:
        """The next beat; ``usable``: good, and the heart's. Whether it brought an interval."""
        after_good, self._after_good = self._after_good, usable
        if not usable:
            return False
        r, rr = beat.r, beat.rr
        self.last = max(self.last, r)
        if math.isfinite(rr):
            if after_good:
                self._append(rr, r)
                if self._asked < math.inf:
                    self._behind += 1
            return after_good
        if not self.beside_loss(r):
            if self._slow and not after_good:
                self._asked, self._behind = r, 0
            else:  # a gap, or nobody can tell
                self.forget()
        return False

    def follow(self, beats: Sequence[Steady]) -> None:
        """Beats that :meth:`beat` would take one by one, at rest."""
        self.rr += [interval for interval, _ in beats]
        self._ends += [r for _, r in beats]
        self.last = max(self.last, self._ends[-1])
        self._drop(len(self.rr) - self._n)

    def behind(self, beats: Sequence[Steady]) -> tuple[list[float], float]:
        """``rr`` and ``last`` as they will be behind :meth:`follow`."""
        if not beats:
            return self.rr, self.last
        last = beats[-1][1]
        ends = [*zip(self.rr, self._ends, strict=True), *beats][-self._n :]
        return [rr for rr, end in ends if end >= last - MEMORY], max(self.last, last)

    def second(self, quality: Quality, slow: Iterable[Silence]) -> list[float]:
        """The verdict over a second, and the slow silences known with it. The ends of the intervals it
        brought."""
        if quality.missing and not quality.extents:
            self._run += 1
            self._gap = quality.second + 1.0 if self._run <= BRIDGE else -math.inf
        else:
            self._run = 0
        ends: list[float] = []
        for silence in slow if self._slow else ():
            if silence.end == self._asked:
                self._asked = math.inf
            self._append(silence.seconds, silence.end)
            self.last = max(self.last, silence.end)
            ends.append(silence.end)
        if self._asked < quality.second + 1.0:
            self._asked = math.inf
            self.forget(self._behind)
        return ends

    def _append(self, seconds: float, end: float) -> None:
        self.rr.append(seconds)
        self._ends.append(end)
        self._drop(len(self.rr) - self._n)

    def _drop(self, gone: int) -> None:
        """The oldest that are too many, ``gone`` at least, and those that are too old."""
        ends = self._ends
        oldest = ends[-1] - MEMORY
        while ends[max(0, gone)] < oldest:
            gone = max(0, gone) + 1
        if gone > 0:
            del self.rr[:gone], ends[:gone]
