"""The last RR intervals: what heart rate and rate limits rest on.

An interval is known from two good beats next to each other. Below 24/min few are good, for the quality gate
looks back 2 s and finds no QRS there; such an interval is known where the line was seen between its beats
(:mod:`ecgmon.monitor.policies.silence`), and told of with the second in which it ends.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable

from ecgmon.ecg.types import Beat, Quality
from ecgmon.monitor.policies.silence import Silence


class Intervals:
    """The last ``n`` of one stream; an interval of which nothing is known makes those before it forgotten.

    ``slow``: intervals are also taken from the line.
    """

    def __init__(self, n: int, *, slow: bool) -> None:
        self._slow = slow
        self.rr: deque[float] = deque(maxlen=n)
        """s, oldest first."""
        self.last = -math.inf
        """Stream time of the last good beat, or end of the last interval, s."""
        self._after_good = False
        self._asked = math.inf  # a good beat whose interval only the line may tell
        self._behind = 0  # intervals since then

    def beat(self, beat: Beat, *, usable: bool) -> bool:
        """The next beat; ``usable``: good, and the heart's. Whether it brought an interval."""
        after_good, self._after_good = self._after_good, usable
        if not usable:
            return False
        self.last = max(self.last, beat.r)
        if not math.isfinite(beat.rr):
            if self._slow and not after_good:
                self._asked, self._behind = beat.r, 0
            else:  # a gap, or nobody can tell
                self.rr.clear()
        elif after_good:
            self.rr.append(beat.rr)
            self._behind += 1
            return True
        return False

    def second(self, quality: Quality, known: Iterable[Silence]) -> list[float]:
        """The verdict over a second, and the silences known with it. The ends of the intervals it brought."""
        ends = []
        for silence in known:
            if self._slow and silence.slow:
                if silence.end == self._asked:
                    self._asked = math.inf
                self.rr.append(silence.seconds)
                self.last = max(self.last, silence.end)
                ends.append(silence.end)
        if self._asked < quality.second + 1.0:
            self._asked = math.inf
            while len(self.rr) > self._behind:
                self.rr.popleft()
        return ends
