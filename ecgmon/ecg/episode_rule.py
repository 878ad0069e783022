"""The rule of :mod:`ecgmon.ecg.episodes`, compiled.

What is known of a stream is one array of floats, and each step one call with it: its places are named here,
the settings come behind them, and last the ring, the times of the last ``of_beats`` beats, NaN for those that
were not odd.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg.compiled import compiled
from ecgmon.ecg.filters import fill

FloatArray = NDArray[np.float64]

ACTIVE: Final = 0
ONSET: Final = 1
LAST_ODD: Final = 2
COUNT: Final = 3
_CALM: Final = 4
_LAST_BEAT: Final = 5
_CLEARED_AT: Final = 6
_SEEN: Final = 7
DECIDED: Final = 8
CRITICAL: Final = 9
_RUN: Final = 10
_RUN_ONSET: Final = 11
_WAS_ODD: Final = 12
_LAST_RUN: Final = 13
_SIZE: Final = 14

NOTHING: Final = 0
RAISED: Final = 1
CLEARED: Final = 2
WORSENED: Final = 3
EXPIRED: Final = 4


class Rule(NamedTuple):
    """Of :class:`ecgmon.ecg.episodes.EpisodeSettings`; ``run_interval`` is the RR of ``run_rate``, s."""

    raise_beats: float
    of_beats: float
    clear_beats: float
    clear_seconds: float
    refractory_seconds: float
    gap_seconds: float
    run_beats: float
    run_interval: float


_RING: Final = _SIZE + len(Rule._fields)


def fresh(rule: Rule) -> FloatArray:
    """Of a stream that has no beats yet."""
    state = np.array([*[0.0] * _SIZE, *rule, *[np.nan] * int(rule.of_beats)])
    state[[_LAST_BEAT, _CLEARED_AT, _LAST_RUN]] = -np.inf
    return state


@compiled
def _parts(state: FloatArray) -> tuple[Rule, FloatArray]:
    """The settings and the ring."""
    r = state[_SIZE:_RING]
    return Rule(r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7]), state[_RING:]


@compiled
def expire(s: FloatArray, t: float) -> bool:
    """Clear an episode whose ``clear_seconds`` ran out before ``t``; says whether it did."""
    if s[ACTIVE] == 0.0:
        return False
    rule, ring = _parts(s)
    over = s[LAST_ODD] + rule.clear_seconds
    if t <= over:
        return False
    s[ACTIVE] = 0.0
    s[_CLEARED_AT] = s[DECIDED] = over
    fill(ring, 0, np.nan)
    return True


@compiled
def beat(s: FloatArray, t: float, odd: bool) -> int:
    """Take one beat; returns what it changed. The answer ``EXPIRED`` comes first: then the beat was not
    taken."""
    if expire(s, t):
        return EXPIRED
    rule, ring = _parts(s)
    return _step(s, ring, rule, t, odd)


@compiled
def _step(s: FloatArray, ring: FloatArray, rule: Rule, t: float, odd: bool) -> int:
    """Take one beat; returns what it changed."""
    if t - s[_LAST_BEAT] > rule.gap_seconds:
        fill(ring, 0, np.nan)
        s[_CALM] = 0.0
        break_run(s)
    _follow_run(s, rule, t, odd)
    s[_LAST_BEAT] = t
    ring[int(s[_SEEN]) % len(ring)] = t if odd else np.nan
    s[_SEEN] += 1.0
    changed = _go_on(s, ring, rule, t, odd) if s[ACTIVE] != 0.0 else _raise(s, ring, rule, t, odd)
    if s[_RUN] >= rule.run_beats:
        s[_LAST_RUN] = t
    return changed


@compiled
def _raise(s: FloatArray, ring: FloatArray, rule: Rule, t: float, odd: bool) -> int:
    """Take one beat while no episode stands."""
    run = s[_RUN] >= rule.run_beats
    if not odd or (t - s[_CLEARED_AT] < rule.refractory_seconds and not run):
        return NOTHING
    count = 0
    onset = t
    for beat in ring:
        if not np.isnan(beat):
            count += 1
            onset = min(onset, beat)
    if count < rule.raise_beats:
        return NOTHING
    s[ACTIVE] = 1.0
    s[ONSET] = onset
    s[LAST_ODD] = s[DECIDED] = t
    s[COUNT] = count
    s[_CALM] = 0.0
    s[CRITICAL] = 1.0 if run or s[_LAST_RUN] >= onset else 0.0
    return RAISED


@compiled
def _go_on(s: FloatArray, ring: FloatArray, rule: Rule, t: float, odd: bool) -> int:
    """Take one beat while an episode stands."""
    if odd:
        news = s[CRITICAL] == 0.0 or s[_RUN_ONSET] - s[_LAST_RUN] > rule.clear_seconds
        if s[_RUN] == rule.run_beats and news:
            s[DECIDED] = t
            return WORSENED  # see begin_run
        s[LAST_ODD] = t
        s[COUNT] += 1.0
        s[_CALM] = 0.0
        return NOTHING
    s[_CALM] += 1.0
    if s[_CALM] < rule.clear_beats:
        return NOTHING
    s[ACTIVE] = 0.0
    s[_CLEARED_AT] = s[DECIDED] = t
    fill(ring, 0, np.nan)
    return CLEARED


@compiled
def _follow_run(s: FloatArray, rule: Rule, t: float, odd: bool) -> None:
    """Count the odd beats that follow each other fast enough."""
    if not odd:
        break_run(s)
        return
    if s[_WAS_ODD] != 0.0 and t - s[_LAST_BEAT] <= rule.run_interval:
        s[_RUN] += 1.0
    else:
        s[_RUN] = 1.0
        s[_RUN_ONSET] = t
    s[_WAS_ODD] = 1.0


@compiled
def break_run(s: FloatArray) -> None:
    """No run goes on."""
    s[_RUN] = s[_WAS_ODD] = 0.0


@compiled
def begin_run(s: FloatArray, t: float) -> None:
    """An episode of its own for the run that is complete at ``t``. It has another onset than the one before,
    which may have begun with this very run."""
    s[ONSET] = s[_RUN_ONSET] if s[_RUN_ONSET] > s[ONSET] else t
    s[LAST_ODD] = t
    s[COUNT] = s[_RUN]
    s[_CALM] = 0.0
    s[CRITICAL] = 1.0


@compiled
def run(
    t: FloatArray, odd: NDArray[np.bool_], scored: NDArray[np.bool_], s: FloatArray, found: FloatArray
) -> int:
    """Fill ``found`` [4, n] with onset, end, index of the raising beat and odd beats; returns how many."""
    rule, ring = _parts(s)
    m = 0
    for i in range(t.size):
        expire(s, t[i])
        if not scored[i]:
            break_run(s)
            continue
        code = _step(s, ring, rule, t[i], odd[i])
        if code == WORSENED:
            begin_run(s, t[i])
            code = RAISED
        if code == RAISED:
            found[0, m] = s[ONSET]
            found[2, m] = i
            m += 1
        if s[ACTIVE] != 0.0 and odd[i]:
            found[1, m - 1] = s[LAST_ODD]
            found[3, m - 1] = s[COUNT]
    return m
