"""The rhythm and the size of a stream's recent beats, kept up beat by beat; its figures in
:mod:`ecgmon.ecg.rr`.

Compiled, over arrays that stay: a beat costs a microsecond or two.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from ecgmon.ecg import rr
from ecgmon.ecg.compiled import compiled
from ecgmon.ecg.resample import Signal
from ecgmon.ecg.rr import median

# State of one stream, one array: what is known, then rings of intervals and of their logarithms.
_LAST, _GOOD, _APART, _BEFORE, _INTERVALS, USUAL, _COUNT, _EVENED, _BLOCKED, _BEATS = range(10)
_RECENT: Final = 10
_BASIC: Final = _RECENT + rr.RECENT
_LOGS: Final = _BASIC + rr.BASIC
_SIZE: Final = _LOGS + rr.COMPARED + max(rr.CYCLES)
_APART_MOST: Final = max(rr.CYCLES)
_NUMBER, _MEDIAN, _SIZES = range(3)


def state() -> Signal:
    """No beat seen. At ``USUAL`` stands the median of the last few intervals, s, however little is known; NaN
    while nothing is: what a window's length depends on.
    """
    known = np.zeros(_SIZE)
    known[[_LAST, _BEFORE, USUAL, _EVENED]] = np.nan
    known[_GOOD] = 1.0
    known[_LOGS:] = np.nan
    return known


@compiled
def restart(s: Signal) -> None:
    """Beats may have been missed: the next interval is not known. The usual one stays as it was."""
    s[_LAST] = np.nan


@compiled
def beat(r: float, good: bool, s: Signal) -> tuple[float, float, float]:
    """(rr, rr_local, irregularity) of a beat at ``r`` s, as in :class:`ecgmon.ecg.types.Beat`; the interval
    that ends here is not part of the other two.

    An interval with an end in bad signal teaches nothing: the detector may have invented that beat. It
    counts for the usual interval alone, which only a window's length depends on; and behind such a beat
    the interval is not known.
    """
    interval, known = r - s[_LAST], s[_GOOD] > 0.0
    basis, irregular = basic(s), rr.irregularity(s[_LOGS:], int(s[_BEATS]))
    s[_LAST], s[_GOOD] = r, good
    normal = rr.SHORTEST <= interval <= rr.LONGEST
    if normal:
        s[_RECENT + int(s[_INTERVALS]) % rr.RECENT] = interval
        s[_INTERVALS] += 1.0
        s[USUAL] = median(s[_RECENT:], min(int(s[_INTERVALS]), rr.RECENT))
    if not (good and known):
        s[_BEFORE] = np.nan
        if s[_APART] < _APART_MOST:  # as many as keep what lies before and behind from being compared
            _add_log(np.nan, s)
            s[_APART] += 1.0
        return interval if known else np.nan, basis, irregular
    s[_APART] = 0.0
    _add_log(interval if np.isnan(interval) else np.log(min(max(interval, rr.SHORTEST), rr.LONGEST)), s)
    if normal:
        s[_BASIC + int(s[_COUNT]) % rr.BASIC] = _even(interval, basis, s)
        s[_COUNT] += 1.0
        s[_EVENED] = _last_evened(s)
    s[_BEFORE] = interval
    return interval, basis, irregular


@compiled
def basic(s: Signal) -> float:
    """The basic RR interval, s; NaN while too few are known.

    The mean where it is longer than the quantile: long pauses between runs of ectopic beats, which are
    then most of the beats, show in the mean alone.
    """
    if s[_COUNT] < rr.LEAST_KNOWN:
        return np.nan
    n = min(int(s[_COUNT]), rr.BASIC)
    known = s[_BASIC : _BASIC + n]
    return max(rr.quantile(known, n, rr.SLOW), mean(known))


@compiled
def scale(size: float, good: bool, s: Signal) -> float:
    """The usual QRS size, mV, for a beat of this ``size``: median of the last good ones. A beat that is not
    good is left out while there are better ones.
    """
    if good:
        s[_SIZES + int(s[_NUMBER]) % rr.SIZES] = size
        s[_NUMBER] += 1.0
        s[_MEDIAN] = median(s[_SIZES:], min(int(s[_NUMBER]), rr.SIZES))
    return max(s[_MEDIAN] if s[_NUMBER] > 0.0 else size, rr.SMALLEST_SCALE)


def sizes() -> Signal:
    """State of :func:`scale`: no beat seen."""
    return np.zeros(_SIZES + rr.SIZES)


@compiled
def mean(values: Signal) -> float:
    """Of 128 ``values`` at most; to the bit as numpy has it, which adds up eight sums side by side."""
    n = len(values)
    total, at = 0.0, 0
    if n >= 8:
        a, b, c, d, e, f, g, h = (
            values[0],
            values[1],
            values[2],
            values[3],
            values[4],
            values[5],
            values[6],
            values[7],
        )
        at = 8
        while at + 8 <= n:
            a, b, c, d = a + values[at], b + values[at + 1], c + values[at + 2], d + values[at + 3]
            e, f, g, h = e + values[at + 4], f + values[at + 5], g + values[at + 6], h + values[at + 7]
            at += 8
        total = ((a + b) + (c + d)) + ((e + f) + (g + h))
    while at < n:
        total += values[at]
        at += 1
    return total / n


@compiled
def _add_log(value: float, s: Signal) -> None:
    s[_LOGS + int(s[_BEATS]) % (_SIZE - _LOGS)] = value
    s[_BEATS] += 1.0


@compiled
def _even(interval: float, basis: float, s: Signal) -> float:
    """``interval`` as it enters the basic rhythm: without the pause behind an early beat, without blocked
    beats."""
    if s[_BEFORE] < rr.EARLY * basis:
        interval = min(interval, (s[_BEFORE] + interval) / 2)
    if s[_COUNT] >= rr.LEAST_KNOWN:
        for beats in rr.BLOCKED:
            if abs(interval / s[_EVENED] - beats) < rr.NEAR * beats:
                s[_BLOCKED] += 1.0
                return interval / beats if s[_BLOCKED] <= rr.BLOCKS_ON_END else interval
    s[_BLOCKED] = 0.0
    return interval


@compiled
def _last_evened(s: Signal) -> float:
    """Median of the last few that entered the basic rhythm."""
    count = int(s[_COUNT])
    last = np.empty(rr.RECENT)
    n = min(count, rr.RECENT)
    for i in range(n):
        last[i] = s[_BASIC + (count - 1 - i) % rr.BASIC]
    return median(last, n)


class Rhythm:
    """RR intervals of one stream, in s: the functions above with the state that they need."""

    def __init__(self) -> None:
        self._state = state()

    def restart(self) -> None:
        """As :func:`restart`."""
        restart(self._state)

    def beat(self, r: float, *, good: bool = True) -> tuple[float, float, float]:
        """As :func:`beat`."""
        return beat(float(r), good, self._state)

    @property
    def basic(self) -> float:
        """As :func:`basic`."""
        return basic(self._state)

    @property
    def irregularity(self) -> float:
        """As :func:`ecgmon.ecg.rr.irregularity`."""
        return rr.irregularity(self._state[_LOGS:], int(self._state[_BEATS]))
