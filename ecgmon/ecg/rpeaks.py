"""R-peaks from the QRS envelope, as a stream.

Every hump of the envelope (:class:`ecgmon.ecg.filters.Envelope`) that stands highest within 0.2 s is a candidate. A
candidate is a beat when it rises above a threshold between the usual height of recent beats and that of recent
rejected humps (Pan and Tompkins 1985; Hamilton and Tompkins 1986), unless it comes so soon after a beat, and so much
lower, that it is a T wave. When no beat came for a good while, the highest rejected candidate since the last beat
is taken after all if it passes a lower threshold, which sinks further as the silence lasts (search-back).
What differs from the papers, and why:

- The envelope is a magnitude, not a power, so that heights of small and large beats lie closer together; all thresholds
  are ratios, so the amplitude of the signal plays no part.
- A candidate must also stand out of the background (the running median of the envelope): after the heart stops,
  no threshold sinks so low that noise becomes beats.
- The first seconds are held back until usual heights are known, then decided from the start: no beat is lost to learning.
- Samples that are missing for longer than 40 ms take their surroundings with them: no hump there is a candidate, and
  what was known of the rhythm before them is not used to search behind them.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ecgmon.ecg.resample import Flags, Signal
from ecgmon.ecg.types import FS

SEPARATION: Final = 25
"""A candidate is the highest point within this many samples (0.2 s) to either side: the heart's refractory time."""

LEARNING: Final = 5 * FS
"""Samples that are seen before the first decision."""

LOST: Final = FS // 2
"""Blocked samples after which a beat may have been lost."""

OLDEST: Final = 10 * FS
"""No decision reaches further back than this."""

PARAMS = np.array([
    0.30,   # 0 threshold between noise and signal level
    0.36,   # 1 T-wave zone s
    0.50,   # 2 T-wave ratio
    1.5,    # 3 search-back start, RRs
    0.5,    # 4 search-back threshold factor
    3.0,    # 5 peak over background
    0.125,  # 6 noise level rate
    0.25,   # 7 floor factor on search-back late
])

# places in the state of one stream
_K, _TOP, _TOP_AT, _RISING, _PREVIOUS, _START, _LAST, _LAST_HEIGHT, _SIGNAL, _NOISE, _RR, _BACKGROUND = range(12)
_BEATS, _PENDING, _LEARNED, _RRS, _BLOCKED = range(12, 17)
_SIZE: Final = 17
_RECENT: Final = 8
_ROOM: Final = 128


class Detector:
    """Finds R-peaks in an envelope; see the module's text.

    ``feed`` returns the peaks decided by these samples, as int64 [m, 2]: index of the hump, and index of the sample
    that decided it, both on the envelope's grid, in order.
    """

    def __init__(self) -> None:
        self._state = np.zeros(_SIZE)
        self._heights = np.zeros(_RECENT)
        self._intervals = np.zeros(_RECENT)
        self._pending = np.zeros((_ROOM, 2))
        self.restart(0)

    def restart(self, at: int) -> None:
        """Forget everything; the next sample has index ``at``."""
        self._state[:] = 0.0
        self._state[_K] = at
        self._state[_START] = at
        self._state[_LAST] = -1.0

    def feed(self, envelope: Signal, blocked: Flags) -> NDArray[np.int64]:
        out = np.empty((len(envelope) // SEPARATION + _ROOM, 2), dtype=np.int64)
        n = _detect(envelope, blocked, False, self._state, self._heights, self._intervals, self._pending, PARAMS, out)
        return out[:n]

    def flush(self) -> NDArray[np.int64]:
        """The stream ends here: decide what is still open."""
        out = np.empty((2 * _ROOM, 2), dtype=np.int64)
        nothing = np.zeros(0)
        n = _detect(nothing, nothing.astype(np.uint8), True, self._state, self._heights, self._intervals, self._pending, PARAMS, out)
        return out[:n]


@njit(cache=True, nogil=True)
def _mean(values, n):
    total = 0.0
    for i in range(n):
        total += values[i]
    return total / n


@njit(cache=True, nogil=True)
def _median(values, n):
    return np.median(values[:n])


@njit(cache=True, nogil=True)
def _accept(i, now, s, heights, intervals, pending, out, n):
    at, height = pending[i, 0], pending[i, 1]
    beats = int(s[_BEATS])
    if s[_LAST] >= 0.0:
        rrs = int(s[_RRS])
        intervals[rrs % len(intervals)] = at - s[_LAST]
        s[_RRS] = rrs + 1.0
        s[_RR] = _median(intervals, min(rrs + 1, len(intervals)))
    heights[beats % len(heights)] = height
    s[_BEATS] = beats + 1.0
    s[_SIGNAL] = _median(heights, min(beats + 1, len(heights)))
    s[_LAST] = at
    s[_LAST_HEIGHT] = height
    left = int(s[_PENDING]) - i - 1
    for j in range(left):
        pending[j, 0] = pending[i + 1 + j, 0]
        pending[j, 1] = pending[i + 1 + j, 1]
    s[_PENDING] = left
    out[n, 0] = int(at)
    out[n, 1] = int(now)
    return n + 1


@njit(cache=True, nogil=True)
def _search_back(now, s, heights, intervals, pending, p, out, n):
    while s[_PENDING] > 0 and s[_RR] > 0.0 and s[_LAST] >= 0.0:
        silence = now - s[_LAST]
        late = silence / s[_RR]
        if late < p[3]:
            break
        factor = max(p[7], p[4] - 0.15 * (late - p[3]))
        lowest = factor * (s[_NOISE] + p[0] * (s[_SIGNAL] - s[_NOISE]))
        lowest = max(lowest, p[5] * s[_BACKGROUND])
        best = -1
        for i in range(int(s[_PENDING])):
            if pending[i, 0] - s[_LAST] < p[1] * FS or now - pending[i, 0] > OLDEST:
                continue
            if pending[i, 1] > lowest and (best < 0 or pending[i, 1] > pending[best, 1]):
                best = i
        if best < 0:
            break
        n = _accept(best, now, s, heights, intervals, pending, out, n)
    return n


@njit(cache=True, nogil=True)
def _decide(at, height, now, s, heights, intervals, pending, p, out, n):
    if s[_PENDING] == len(pending):
        for j in range(len(pending) - 1):
            pending[j, 0] = pending[j + 1, 0]
            pending[j, 1] = pending[j + 1, 1]
        s[_PENDING] -= 1
    i = int(s[_PENDING])
    pending[i, 0] = at
    pending[i, 1] = height
    s[_PENDING] += 1
    threshold = max(s[_NOISE] + p[0] * (s[_SIGNAL] - s[_NOISE]), p[5] * s[_BACKGROUND])
    soon = s[_LAST] >= 0.0 and at - s[_LAST] < p[1] * FS
    if height > threshold and not (soon and height < p[2] * s[_LAST_HEIGHT]):
        return _accept(i, now, s, heights, intervals, pending, out, n)
    s[_NOISE] += p[6] * (min(height, s[_SIGNAL]) - s[_NOISE])
    return n


@njit(cache=True, nogil=True)
def _learn(now, s, heights, intervals, pending, p, out, n):
    count = int(s[_PENDING])
    s[_LEARNED] = 1.0
    held = pending[:count].copy()
    s[_PENDING] = 0
    if count == 0:
        return n
    tops = np.zeros(8)
    t = 0
    begin = s[_START]
    while begin < now and t < 8:
        top = 0.0
        for i in range(count):
            if begin <= held[i, 0] < begin + 1.25 * FS:
                top = max(top, held[i, 1])
        if top > 0.0:
            tops[t] = top
            t += 1
        begin += 1.25 * FS
    s[_SIGNAL] = _median(tops, t)
    s[_NOISE] = 0.0
    low = 0
    for i in range(count):
        if held[i, 1] < 0.4 * s[_SIGNAL]:
            s[_NOISE] += held[i, 1]
            low += 1
    if low:
        s[_NOISE] /= low
    for i in range(count):
        n = _search_back(held[i, 0] + SEPARATION, s, heights, intervals, pending, p, out, n)
        n = _decide(held[i, 0], held[i, 1], now, s, heights, intervals, pending, p, out, n)
    return n


@njit(cache=True, nogil=True)
def _candidate(now, s, heights, intervals, pending, p, out, n):
    at, height = s[_TOP_AT], s[_TOP]
    if s[_LEARNED] > 0.0:
        return _decide(at, height, now, s, heights, intervals, pending, p, out, n)
    i = int(s[_PENDING])
    if i < len(pending):
        pending[i, 0] = at
        pending[i, 1] = height
        s[_PENDING] = i + 1
    return n


@njit(cache=True, nogil=True)
def _detect(e, blocked, finish, s, heights, intervals, pending, p, out):
    n = 0
    for i in range(len(e)):
        k = s[_K]
        value = 0.0 if blocked[i] else e[i]
        s[_BLOCKED] = s[_BLOCKED] + 1.0 if blocked[i] else 0.0
        if s[_BLOCKED] > LOST:
            s[_LAST] = -1.0
        # running median by steps of 1 %: up as often as down
        if s[_BACKGROUND] == 0.0:
            s[_BACKGROUND] = value
        elif value > s[_BACKGROUND]:
            s[_BACKGROUND] *= 1.008
        elif not blocked[i]:
            s[_BACKGROUND] /= 1.008
        if value > s[_TOP]:
            s[_TOP] = value
            s[_TOP_AT] = k
            s[_RISING] = 1.0 if value > s[_PREVIOUS] else 0.0
        elif k - s[_TOP_AT] >= SEPARATION:
            if s[_RISING] > 0.0 and s[_TOP] > 0.0:
                n = _candidate(k, s, heights, intervals, pending, p, out, n)
            s[_TOP] = value
            s[_TOP_AT] = k
            s[_RISING] = 0.0
        s[_PREVIOUS] = value
        if s[_LEARNED] == 0.0:
            if k - s[_START] >= LEARNING:
                n = _learn(k, s, heights, intervals, pending, p, out, n)
        else:
            n = _search_back(k - SEPARATION, s, heights, intervals, pending, p, out, n)
        s[_K] = k + 1.0
    if finish:
        k = s[_K]
        if s[_RISING] > 0.0 and s[_TOP] > 0.0:
            n = _candidate(k, s, heights, intervals, pending, p, out, n)
        if s[_LEARNED] == 0.0:
            n = _learn(k, s, heights, intervals, pending, p, out, n)
    return n
