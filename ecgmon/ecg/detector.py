"""The detector of R-peaks, sample by sample: humps of the envelope, each decided by the evidence of
:mod:`ecgmon.ecg.rpeaks`, where the whole of it is told.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg import shapes
from ecgmon.ecg.compiled import compiled
from ecgmon.ecg.resample import Flags, Signal
from ecgmon.ecg.rpeaks import (
    _BACKGROUND,
    _BEATS,
    _BLOCKED,
    _FOUND,
    _HEIGHTS,
    _INTERVALS,
    _K,
    _LAST,
    _LAST_HEIGHT,
    _LEARNED,
    _NOISE,
    _PART,
    _PENDING,
    _PREVIOUS,
    _RECENT,
    _RISING,
    _RR,
    _RRS,
    _SIGNAL,
    _START,
    _TOP,
    _TOP_AT,
    BACKGROUND_STEP,
    LEARNING,
    LOST,
    NOISE_RATE,
    OLDEST,
    ONSET,
    SEARCH_AFTER,
    SEARCH_FALL,
    SEARCH_FIRST,
    SEARCH_LOWEST,
    SEARCH_STANDS_OUT,
    SEPARATION,
    first_levels,
    is_late,
    log_odds,
)
from ecgmon.ecg.rr import median

Peaks = NDArray[np.int64]


@compiled
def detect(e: Signal, y: Signal, blocked: Flags, ends: bool, d: Any, out: Peaks) -> int:
    """The next samples [n] of the envelope, those of the signal, mV, that belong to them, and which of them
    are ``blocked`` (0 or 1). ``ends``: the stream does so behind them, and what is open is decided.

    Writes the peaks that these decide to ``out``, in order: index of the hump, and index of the sample of
    the envelope that decided it. Returns how many.
    """
    s = d.proper
    s[_FOUND] = 0.0
    _follow(e, y, blocked, shapes.DELAY if ends else 0, d, out)
    if ends:
        now = s[_K] - shapes.DELAY
        _candidate(now, d, out)
        s[_RISING] = 0.0
        if not s[_LEARNED]:
            _learn(now, d, out)
    return int(s[_FOUND])


@compiled
def _follow(e: Signal, y: Signal, blocked: Flags, behind: int, d: Any, out: Peaks) -> None:
    """Sample by sample; so many ``behind`` them hold the signal's last value, and their envelope is 0."""
    s, known = d.proper, d.known
    for i in range(len(e) + behind):
        newest = int(s[_K])
        if i < len(e):
            shapes.push(newest, s[_K] == s[_START], e[i], y[i], blocked[i], known)
        else:
            last = known[shapes.SIGNAL + ((newest - 1) & shapes.MASK)]
            shapes.push(newest, s[_K] == s[_START], 0.0, last, 0, known)
        k = s[_K] - shapes.DELAY  # the sample that is looked at
        s[_K] += 1.0
        if k < s[_START]:
            continue
        at = int(k)
        value = background = known[shapes.ENVELOPE + (at & shapes.MASK)]
        s[_PART] = shapes.follow_noise(at, s[_SIGNAL], known)
        if shapes.noise_is_due(at):
            shapes.learn_noise(known)
        if s[_PART] > 0.0:
            value, background = _matched(at, value, s, known)
        _follow_background(background, known[shapes.BLOCKED + (at & shapes.MASK)] > 0.0, s)
        _climb(k, value, d, out)
        if s[_LEARNED]:
            if is_late(k - SEPARATION, s):
                _search_back(k - SEPARATION, k, d, out)
        elif k - s[_START] >= LEARNING:
            _learn(k, d, out)


@compiled
def _matched(k: int, envelope: float, s: Signal, known: Signal) -> tuple[float, float]:
    """In noise: how high sample ``k`` stands, mostly by what of it the known shapes explain, and what it
    counts for the background."""
    height = shapes.matched(k, known)
    if np.isnan(height):
        s[_PART] = 0.0
        return envelope, envelope
    mixed = (1.0 - s[_PART]) * envelope + s[_PART] * height
    return max(shapes.LEAST * envelope, mixed), abs(mixed)


@compiled
def _follow_background(value: float, blocked: bool, s: Signal) -> None:
    """A running median by small steps: it settles where as many samples lie above as below. A flat line is
    no background; the signal behind it has the one before."""
    s[_BLOCKED] = s[_BLOCKED] + 1.0 if blocked else 0.0
    if s[_BLOCKED] > LOST:
        s[_LAST] = -1.0
    before = s[_BACKGROUND]
    # both are made: which one it is nobody could foresee, and a wrong guess costs more
    up, down = before * BACKGROUND_STEP, before / BACKGROUND_STEP
    down = down if not blocked and value > shapes.LEAST_HEIGHT else before
    s[_BACKGROUND] = value if before == 0.0 else up if value > before else down


@compiled
def _climb(k: float, value: float, d: Any, out: Peaks) -> None:
    """Sample ``k`` stands so high: the highest of its surroundings is a candidate."""
    s = d.proper
    if value > s[_TOP]:
        s[_TOP] = value
        s[_TOP_AT] = k
        s[_RISING] = value > s[_PREVIOUS]
    elif k - s[_TOP_AT] >= SEPARATION:
        _candidate(k, d, out)
        s[_TOP] = value
        s[_TOP_AT] = k
        s[_RISING] = 0.0
    s[_PREVIOUS] = value


@compiled
def _candidate(now: float, d: Any, out: Peaks) -> None:
    """The highest sample so far, when it is a hump, becomes a candidate; it is decided at once, except
    while learning.
    """
    s, pending = d.proper, d.pending
    at, height = s[_TOP_AT], s[_TOP]
    if not s[_RISING] or height < shapes.LEAST_HEIGHT or at - s[_START] < ONSET:
        return
    if s[_PENDING] == len(pending):
        _drop_pending(1, d)
    _append_pending(at, height, d)
    if s[_LEARNED]:
        _decide(now, d, out)


@compiled
def _decide(now: float, d: Any, out: Peaks) -> None:
    """Is the last of the pending candidates a beat? If not it counts as noise, and stays for the
    search-back.
    """
    s, pending = d.proper, d.pending
    i = int(s[_PENDING]) - 1
    if log_odds(pending[i, 0], pending[i, 1], s) > 0.0:
        _accept(i, now, d, out)
    else:
        s[_NOISE] += NOISE_RATE * (min(pending[i, 1], s[_SIGNAL]) - s[_NOISE])


@compiled
def _search_back(until: float, now: float, d: Any, out: Peaks) -> None:
    """Beats missing up to sample ``until`` are looked for among the rejected candidates."""
    s, pending = d.proper, d.pending
    while is_late(until, s):
        late = (until - s[_LAST]) / s[_RR] - SEARCH_AFTER
        top = max(SEARCH_LOWEST, SEARCH_FIRST - SEARCH_FALL * late)
        best = -1
        for i in range(int(s[_PENDING])):
            if until - pending[i, 0] > OLDEST or pending[i, 1] < SEARCH_STANDS_OUT * s[_BACKGROUND]:
                continue
            odds = log_odds(pending[i, 0], pending[i, 1], s)
            if odds > top:
                top = odds
                best = i
        if best < 0:
            return
        _accept(best, now, d, out)


@compiled
def _accept(i: int, now: float, d: Any, out: Peaks) -> None:
    """Pending candidate ``i`` is a beat; those before it are done with."""
    s, recent = d.proper, d.recent
    at, height = d.pending[i, 0], d.pending[i, 1]
    if s[_LAST] >= 0.0:
        recent[_INTERVALS, int(s[_RRS]) % _RECENT] = at - s[_LAST]
        s[_RRS] += 1.0
        s[_RR] = median(recent[_INTERVALS], min(int(s[_RRS]), _RECENT))
    recent[_HEIGHTS, int(s[_BEATS]) % _RECENT] = height
    s[_BEATS] += 1.0
    s[_SIGNAL] = median(recent[_HEIGHTS], min(int(s[_BEATS]), _RECENT))
    in_time = s[_LAST] < 0.0 or at - s[_LAST] >= shapes.IN_TIME * s[_RR]
    if in_time and s[_PART] <= shapes.LEARNS:
        shapes.learn(int(at), height, int(s[_START]), int(s[_K]) - 1, d.known)
    s[_LAST] = at
    s[_LAST_HEIGHT] = height
    _drop_pending(i + 1, d)
    n = int(s[_FOUND])
    out[n, 0] = int(at)
    out[n, 1] = int(now) + shapes.DELAY
    s[_FOUND] += 1.0


@compiled
def _append_pending(at: float, height: float, d: Any) -> None:
    s, pending = d.proper, d.pending
    i = int(s[_PENDING])
    pending[i, 0] = at
    pending[i, 1] = height
    s[_PENDING] += 1.0


@compiled
def _drop_pending(n: int, d: Any) -> None:
    """Forget the first ``n`` pending candidates."""
    s, pending = d.proper, d.pending
    left = int(s[_PENDING]) - n
    for j in range(left):
        pending[j, 0] = pending[n + j, 0]
        pending[j, 1] = pending[n + j, 1]
    s[_PENDING] = left


@compiled
def _learn(now: float, d: Any, out: Peaks) -> None:
    """End of the learning phase: first levels from the candidates held back, which are then decided in
    order. Without a single one (a flat line) it begins anew.
    """
    s, pending = d.proper, d.pending
    held = np.empty((int(s[_PENDING]), 2))
    for i in range(len(held)):
        held[i, 0], held[i, 1] = pending[i, 0], pending[i, 1]
    s[_PENDING] = 0.0
    if len(held) == 0:
        s[_START] = now
        return
    s[_LEARNED] = 1.0
    first_levels(held, now, d)
    for i in range(len(held)):
        _search_back(held[i, 0] + SEPARATION, now, d, out)
        _append_pending(held[i, 0], held[i, 1], d)
        _decide(now, d, out)
    for j in range(int(s[_FOUND])):
        out[j, 1] = int(now) + shapes.DELAY
