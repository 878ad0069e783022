"""The rhythm and the size of recent beats: what the next one is compared with."""

from __future__ import annotations

from typing import Final

import numpy as np

from ecgmon.ecg.compiled import compiled
from ecgmon.ecg.resample import Signal

RECENT: Final = 8
"""RR intervals behind the usual one, which a window may follow."""

BASIC: Final = 48
"""RR intervals behind ``rr_local``, the basic rhythm: most of a minute."""

SLOW: Final = 0.9
"""The basic rhythm is this quantile of them. Ectopic beats come early, so their intervals are the short ones;
a median is drawn to them in bigeminy and in runs, a high quantile is not, and hardly differs in a regular
rhythm. Chosen on DS1, folds by patient, and on its records made sick: most beats early, in runs."""

EARLY: Final = 0.9
"""A beat earlier than this share of the basic interval is followed by a pause that makes up for it; the
interval behind it enters as the mean of the two. So the pauses of a patient with many extrasystoles are not
taken for his rhythm."""

BLOCKED: Final = (2, 3)
"""An interval that is this many times the usual one holds beats that were blocked on their way to the
ventricles; it enters as one of them. So a heart block does not make the beats between early."""

NEAR: Final = 0.1
"""How near, as a share."""

BLOCKS_ON_END: Final = 48
"""After so many such intervals on end it is the rhythm that has become slow."""

COMPARED: Final = 64
"""Changes of the RR interval behind ``irregularity``."""

CYCLES: Final = (1, 2, 3)
"""Intervals are compared with the one before, the one before that, and the third: a bigeminy repeats every
second, a trigeminy every third beat, and is regular in its way."""

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
        self._good = True
        self._apart = 0
        self._before = np.nan
        self._recent = RunningMedian(RECENT)
        self._basic = np.zeros(BASIC)
        self._evened = RunningMedian(RECENT)
        self._count = 0
        self._blocked = 0
        self._logs = np.full(COMPARED + max(CYCLES), np.nan)
        self._beats = 0

    def restart(self) -> None:
        """Beats may have been missed: the next interval is not known. The usual one stays as it was."""
        self._last = np.nan

    def beat(self, r: float, *, good: bool = True) -> tuple[float, float, float]:
        """(rr, rr_local, irregularity) of a beat at ``r`` s; the interval that ends here is not part of the
        other two.

        An interval with an end in bad signal teaches nothing: the detector may have invented that beat. It
        counts for the usual interval alone, which only a window's length depends on; and behind such a beat
        the interval is not known.
        """
        rr, basic, irregular = r - self._last, self.basic, self.irregularity
        sound, known = good and self._good, self._good
        self._last, self._good = r, good
        if not sound:
            if SHORTEST <= rr <= LONGEST:
                self._recent.add(rr)
            self._before = np.nan
            if self._apart < max(CYCLES):  # as many as keep what lies before and behind from being compared
                self._logs[self._beats % len(self._logs)] = np.nan
                self._beats += 1
                self._apart += 1
            return rr if known else np.nan, basic, irregular
        self._apart = 0
        self._logs[self._beats % len(self._logs)] = np.log(min(max(rr, SHORTEST), LONGEST))
        self._beats += 1
        if SHORTEST <= rr <= LONGEST:
            self._recent.add(rr)
            evened = self._even(rr, basic)
            self._evened.add(evened)
            self._basic[self._count % BASIC] = evened
            self._count += 1
        self._before = rr
        return rr, basic, irregular

    def _even(self, rr: float, basic: float) -> float:
        """``rr`` as it enters the basic rhythm: without the pause behind an early beat, without blocked
        beats."""
        if self._before < EARLY * basic:
            rr = min(rr, (self._before + rr) / 2)
        if self._count >= LEAST_KNOWN:
            for beats in BLOCKED:
                if abs(rr / self._evened.value - beats) < NEAR * beats:
                    self._blocked += 1
                    return rr / beats if self._blocked <= BLOCKS_ON_END else rr
        self._blocked = 0
        return rr

    @property
    def basic(self) -> float:
        """The basic RR interval; NaN while too few are known.

        The mean where it is longer than the quantile: long pauses between runs of ectopic beats, which are
        then most of the beats, show in the mean alone.
        """
        if self._count < LEAST_KNOWN:
            return np.nan
        n = min(self._count, BASIC)
        return max(quantile(self._basic, n, SLOW), float(self._basic[:n].mean()))

    @property
    def irregularity(self) -> float:
        """How much RR intervals change from beat to beat, as a share: 0.02 in sinus rhythm, 0.2 in atrial
        fibrillation; NaN while too few are known.

        The median change of their logarithm over one, two or three beats, whichever is smallest.
        """
        return float(irregularity(self._logs, self._beats))

    @property
    def usual(self) -> float:
        """Median of the last few, however little is known; NaN while nothing is."""
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
    """Median of the first ``n`` of a few ``values``; NaN of none."""
    if n == 0:
        return np.nan
    ordered = _ordered(values, n)
    return float((ordered[(n - 1) // 2] + ordered[n // 2]) / 2.0)


@compiled
def quantile(values: Signal, n: int, q: float) -> float:
    """Quantile ``q``, 0..1, of the first ``n`` > 0 of a few ``values``, linear between neighbours."""
    ordered = _ordered(values, n)
    at = q * (n - 1)
    low = int(at)
    high = min(low + 1, n - 1)
    return float(ordered[low] + (at - low) * (ordered[high] - ordered[low]))


@compiled
def _ordered(values: Signal, n: int) -> Signal:
    """The first ``n`` of ``values``, ascending.

    By insertion: for so few it is as quick as numpy's, and compiles in a tenth of the time.
    """
    ordered = np.empty(n)
    for i in range(n):
        j = i
        while j > 0 and ordered[j - 1] > values[i]:
            ordered[j] = ordered[j - 1]
            j -= 1
        ordered[j] = values[i]
    return ordered


@compiled
def irregularity(logs: Signal, beats: int) -> float:
    """Smallest, over ``CYCLES``, of the median absolute change in a ring of logarithms; NaN entries count
    for nothing. ``beats`` were written to the ring so far."""
    least = np.nan
    size = len(logs)
    changes = np.empty(COMPARED)
    for cycle in CYCLES:
        n = 0
        for i in range(max(beats - COMPARED, cycle), beats):
            change = abs(logs[i % size] - logs[(i - cycle) % size])
            if not np.isnan(change):
                changes[n] = change
                n += 1
        if n >= LEAST_KNOWN:
            middle = median(changes, n)
            if np.isnan(least) or middle < least:
                least = middle
    return least
