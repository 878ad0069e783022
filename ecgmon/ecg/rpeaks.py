"""R-peaks from the QRS envelope, as a stream.

Every hump of the envelope (:class:`ecgmon.ecg.filters.Envelope`) that stands highest within 0.2 s is a candidate. Where
Pan and Tompkins (1985) and Hamilton and Tompkins (1986) put a threshold between signal and noise level, a second rule
against T waves and a third for the search-back, one sum of evidence decides here: the log-odds that the hump is a beat,

    height against that of recent beats           log(h / signal level)
    and against the last beat's                   log(h / last height): a T wave is small beside its own QRS
    how noisy the stream is                       log(noise level / signal level), log(background / signal level)
    how soon it comes                             below 0.4 s and below 0.3 s, and below 0.8 of the usual RR
    how late it comes                             RR over the usual RR, up to 2.5

Signal level: median height of the last 8 beats; noise level: running mean of rejected candidates; background: running
median of the envelope. All are ratios or times, so that amplitude and polarity play no part. The weights are those of a
logistic regression on the candidates of the DS1 half of MIT-BIH, clean (weight 4) and with electrode-motion noise at 12 and 6 dB
(weight 1 each), rounded; DS2 was not looked at. Fitted weights in place of hand-set rules: fewer numbers and half the errors.

*Search-back*: when no beat came for 1.6 usual RR, the likeliest rejected candidate since the last beat is taken after
all if its log-odds pass a limit that falls by 1 with every further RR of silence. It must stand 4 times above the
background, so that when the heart has stopped, noise does not become beats however long the silence.

*Learning*: the first 5 s are held back until usual heights are known, then decided from the start; no beat is lost to it. The
intervals between the higher humps give the first usual RR: without it, a stream that begins with tall T waves
would find them to come at the usual time, and go on so.

*Missing samples*: no hump beside a long run of them is a candidate (``blocked``), and behind them the rhythm starts anew.
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

ONSET: Final = FS // 10
"""A hump within 0.1 s of the start is half unseen, and no candidate."""

W_HEIGHT: Final = 3.4
W_LAST_HEIGHT: Final = 2.1
W_NOISE: Final = -1.35
W_BACKGROUND: Final = -2.2
W_SOON: Final = -3.7
W_SOONER: Final = -63.5
W_EARLY: Final = -11.1
W_LATE: Final = 1.3
W_CONSTANT: Final = -1.6
"""Weights of the evidence, in the order of the module's text; times in s."""

SEARCH_AFTER: Final = 1.6
SEARCH_FIRST: Final = 1.0
SEARCH_FALL: Final = 1.0
SEARCH_LOWEST: Final = -12.0
SEARCH_STANDS_OUT: Final = 4.0
"""Search-back: its start in usual RR, its limit on the log-odds then, the limit's fall per RR, its floor, height over background."""

NOISE_RATE: Final = 0.125
BACKGROUND_STEP: Final = 1.008
LEARNING_HIGH: Final = 0.5
"""Share of the signal level above which a hump of the learning phase counts for the first usual RR."""

_LEARNING_PART: Final = 1.25 * FS

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
        n = _detect(envelope, blocked, False, self._state, self._heights, self._intervals, self._pending, out)
        return out[:n]

    def flush(self) -> NDArray[np.int64]:
        """The stream ends here: decide what is still open."""
        out = np.empty((2 * _ROOM, 2), dtype=np.int64)
        nothing = np.zeros(0)
        n = _detect(nothing, nothing.astype(np.uint8), True, self._state, self._heights, self._intervals, self._pending, out)
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
def _odds(at, height, s):
    """Log-odds that the hump is a beat."""
    signal, noise, background = s[_SIGNAL], s[_NOISE], s[_BACKGROUND]
    tiny = 1e-3 * signal + 1e-9
    odds = W_HEIGHT * np.log(height / signal) + W_NOISE * np.log((noise + tiny) / signal)
    odds += W_BACKGROUND * np.log((background + tiny) / signal) + W_CONSTANT
    part = 1.0
    if s[_LAST] >= 0.0:
        dt = (at - s[_LAST]) / FS
        odds += W_LAST_HEIGHT * np.log(height / s[_LAST_HEIGHT])
        odds += W_SOON * max(0.0, 0.4 - dt) + W_SOONER * max(0.0, 0.3 - dt)
        if s[_RR] > 0.0:
            part = dt * FS / s[_RR]
    odds += W_EARLY * max(0.0, 0.8 - part) + W_LATE * min(part, 2.5)
    return odds


@njit(cache=True, nogil=True)
def _search_back(now, s, heights, intervals, pending, out, n):
    while s[_PENDING] > 0 and s[_RR] > 0.0 and s[_LAST] >= 0.0:
        late = (now - s[_LAST]) / s[_RR]
        if late < SEARCH_AFTER:
            break
        best = -1
        top = max(SEARCH_LOWEST, SEARCH_FIRST - SEARCH_FALL * (late - SEARCH_AFTER))
        for i in range(int(s[_PENDING])):
            if now - pending[i, 0] > OLDEST or pending[i, 1] < SEARCH_STANDS_OUT * s[_BACKGROUND]:
                continue
            odds = _odds(pending[i, 0], pending[i, 1], s)
            if odds > top:
                top = odds
                best = i
        if best < 0:
            break
        n = _accept(best, now, s, heights, intervals, pending, out, n)
    return n


@njit(cache=True, nogil=True)
def _decide(at, height, now, s, heights, intervals, pending, out, n):
    if s[_PENDING] == len(pending):
        for j in range(len(pending) - 1):
            pending[j, 0] = pending[j + 1, 0]
            pending[j, 1] = pending[j + 1, 1]
        s[_PENDING] -= 1
    i = int(s[_PENDING])
    pending[i, 0] = at
    pending[i, 1] = height
    s[_PENDING] += 1
    if _odds(at, height, s) > 0.0:
        return _accept(i, now, s, heights, intervals, pending, out, n)
    s[_NOISE] += NOISE_RATE * (min(height, s[_SIGNAL]) - s[_NOISE])
    return n


@njit(cache=True, nogil=True)
def _learn(now, s, heights, intervals, pending, out, n):
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
            if begin <= held[i, 0] < begin + _LEARNING_PART:
                top = max(top, held[i, 1])
        if top > 0.0:
            tops[t] = top
            t += 1
        begin += _LEARNING_PART
    s[_SIGNAL] = _median(tops, t)
    s[_NOISE] = 0.0
    low = 0
    for i in range(count):
        if held[i, 1] < 0.4 * s[_SIGNAL]:
            s[_NOISE] += held[i, 1]
            low += 1
    if low:
        s[_NOISE] /= low
    high = -1
    gaps = 0
    for i in range(count):
        if held[i, 1] < LEARNING_HIGH * s[_SIGNAL]:
            continue
        if high >= 0 and gaps < len(intervals):
            intervals[gaps] = held[i, 0] - held[high, 0]
            gaps += 1
        high = i
    if gaps >= 2:
        s[_RR] = _median(intervals, gaps)
        intervals[:] = s[_RR]
        s[_RRS] = len(intervals)
    for i in range(count):
        n = _search_back(held[i, 0] + SEPARATION, s, heights, intervals, pending, out, n)
        n = _decide(held[i, 0], held[i, 1], now, s, heights, intervals, pending, out, n)
    return n


@njit(cache=True, nogil=True)
def _candidate(now, s, heights, intervals, pending, out, n):
    at, height = s[_TOP_AT], s[_TOP]
    if at - s[_START] < ONSET:
        return n
    if s[_LEARNED] > 0.0:
        return _decide(at, height, now, s, heights, intervals, pending, out, n)
    i = int(s[_PENDING])
    if i < len(pending):
        pending[i, 0] = at
        pending[i, 1] = height
        s[_PENDING] = i + 1
    return n


@njit(cache=True, nogil=True)
def _detect(e, blocked, finish, s, heights, intervals, pending, out):
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
            s[_BACKGROUND] *= BACKGROUND_STEP
        elif not blocked[i]:
            s[_BACKGROUND] /= BACKGROUND_STEP
        if value > s[_TOP]:
            s[_TOP] = value
            s[_TOP_AT] = k
            s[_RISING] = 1.0 if value > s[_PREVIOUS] else 0.0
        elif k - s[_TOP_AT] >= SEPARATION:
            if s[_RISING] > 0.0 and s[_TOP] > 0.0:
                n = _candidate(k, s, heights, intervals, pending, out, n)
            s[_TOP] = value
            s[_TOP_AT] = k
            s[_RISING] = 0.0
        s[_PREVIOUS] = value
        if s[_LEARNED] == 0.0:
            if k - s[_START] >= LEARNING:
                n = _learn(k, s, heights, intervals, pending, out, n)
        else:
            n = _search_back(k - SEPARATION, s, heights, intervals, pending, out, n)
        s[_K] = k + 1.0
    if finish:
        k = s[_K]
        if s[_RISING] > 0.0 and s[_TOP] > 0.0:
            n = _candidate(k, s, heights, intervals, pending, out, n)
        if s[_LEARNED] == 0.0:
            n = _learn(k, s, heights, intervals, pending, out, n)
    return n
