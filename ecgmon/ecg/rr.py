"""The rhythm and the size of recent beats: what the next one is compared with."""

from __future__ import annotations

from typing import Final

import numpy as np

from ecgmon.ecg.compiled import compiled
from ecgmon.ecg.resample import Signal

LOCAL: Final = 8
"""RR intervals behind ``rr_local``."""

SIZES: Final = 32
"""Beats behind ``scale``."""

LEAST_KNOWN: Final = 3
"""RR intervals that must be known before ``rr_local`` is given."""

SHORTEST: Final = 0.2
LONGEST: Final = 3.0
"""An RR interval outside of these, in s, is given but does not enter the median: it tells of a detector's
slip or a pause."""

SMALLEST_SCALE: Final = 1e-3
"""``scale`` is never under one microvolt."""


class RunningMedian:
    """Median of the last ``length`` values."""

    def __init__(self, length: int) -> None:
        self._values = np.zeros(length)
        self.count = 0
        """Values seen so far."""
        self.value = np.nan
        """NaN while nothing is known."""

    def add(self, value: float) -> None:
        self._values[self.count % len(self._values)] = value
        self.count += 1
        self.value = float(median(self._values, min(self.count, len(self._values))))


class Rhythm:
    """RR intervals of one stream, in s."""

    def __init__(self) -> None:
        self._last = np.nan
        self._recent = RunningMedian(LOCAL)

    def restart(self) -> None:
        """Beats may have been missed: the next interval is not known. The usual one stays as it was."""
        self._last = np.nan

    def beat(self, r: float) -> tuple[float, float]:
        """(rr, rr_local) of a beat at ``r`` s; the interval that ends here is part of the median."""
        rr = r - self._last
        self._last = r
        if SHORTEST <= rr <= LONGEST:
            self._recent.add(rr)
        return rr, self._recent.value if self._recent.count >= LEAST_KNOWN else np.nan

    @property
    def usual(self) -> float:
        """Median of what is known so far, however little; NaN while nothing is."""
        return self._recent.value


class Size:
    """The usual QRS size of one stream, in mV: running median of peak to peak."""

    def __init__(self) -> None:
        self._recent = RunningMedian(SIZES)

    def beat(self, size: float, *, good: bool) -> float:
        """The scale for a beat of this ``size``. A beat that is not good is left out while there are
        better ones.
        """
        if good:
            self._recent.add(size)
        known = self._recent.value if self._recent.count else size
        return max(known, SMALLEST_SCALE)


@compiled
def median(values: Signal, n: int) -> float:
    """Median of the first ``n`` of a few ``values``; NaN of none.

    By insertion: for so few it is as quick as numpy's, and compiles in a tenth of the time.
    """
    if n == 0:
        return np.nan
    ordered = np.empty(n)
    for i in range(n):
        j = i
        while j > 0 and ordered[j - 1] > values[i]:
            ordered[j] = ordered[j - 1]
            j -= 1
        ordered[j] = values[i]
    return float((ordered[(n - 1) // 2] + ordered[n // 2]) / 2.0)
