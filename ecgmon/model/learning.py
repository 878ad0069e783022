"""What a baseline learns from a beat, and from which beats it learns nothing.

* A beat enters the *reference*, a running average started with the median of the five least odd of the first
  sixteen beats, only if its plain score is low and it does not come early. With it the location and spread of
  each part move towards what is usual for this patient, and the *level* towards the usual plain score.
* Some hearts have two shapes of normal beat: a bundle branch that conducts at one rate and blocks at another.
  Beats that are odd in shape but come in time are gathered in a candidate; when two dozen of them are alike
  and a good part of the beats of that moment lie on it, it becomes the second reference. "In time" is not
  early in the rhythm of the moment, and no faster than 100 a minute. Extrasystoles come early or scattered, a
  tachycardia too fast, and neither gets there. The price: a ventricular rhythm below 100 a minute is called
  odd for its first half minute or so, and then known.
  A second reference that is not met any more is given up.
* If next to nothing is accepted for several hundred beats, the rhythm has changed for good, and the baseline
  starts anew.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from ecgmon.ecg.compiled import compiled
from ecgmon.ecg.rr import median
from ecgmon.ecg.types import WINDOW, Samples
from ecgmon.model.baseline import (
    A_CANDIDATE,
    A_FIRST,
    A_LATELY,
    A_LOCATION,
    A_ODDNESS,
    A_REFERENCES,
    A_SNAPSHOTS,
    A_SPREAD,
    BOOT,
    LATELY,
    STARTERS,
    V_ACCEPTED,
    V_CANDIDATES,
    V_DENSITY,
    V_IDLE,
    V_LEVEL,
    V_OF_SECOND,
    V_SECOND,
    V_SEEN,
    V_SHARE,
    V_SHOWN,
    room,
)
from ecgmon.model.parts import RHYTHM, Floats, K

ACCEPT: Final = 1.6
"""A beat with a higher plain score does not enter the baseline; chosen on DS1, folds by patient, like all
below."""
TOO_EARLY: Final = 2.5
"""nor if its rhythm has a higher z-value: where most beats come early, the others remain the reference."""
SLOWEST: Final = 1 / 100
"""Smallest step of a reference towards a beat: it follows changes over a minute or two."""
SLOWEST_SPREAD: Final = 1 / 100
"""The same for location and spread."""
SLOWEST_LEVEL: Final = 1 / 500
"""The same for the level."""
LEVEL_STEP: Final = 0.25
"""Of the running median, in units of the level."""
LEVEL_RANGE: Final = 4.0
"""The level stays within this factor of the population's, either way: beyond, it has no more effect."""
PATIENCE: Final = 128.0
GIVE_UP: Final = 0.03
"""Below this share of accepted beats, a running mean over ``PATIENCE``, the baseline starts anew."""

SECOND: Final = 24.0
"""Beats that make a candidate the second reference."""
DENSE: Final = 0.55
"""Share of the beats of that moment that must lie on it,"""
MOMENT: Final = 16.0
"""a running mean over about this many beats."""
SCATTERED: Final = 0.1
"""With a smaller share the candidate is given up, and the next such beat begins another."""
SOONEST: Final = 0.6
"""Shortest RR interval, s, of a beat that may enter the candidate: 100 beats a minute, from where on a
ventricular rhythm is a tachycardia,"""
IN_TIME: Final = 1.5
"""and largest z-value of its rhythm."""
IDLE: Final = 2000.0
"""Beats without one on the second reference, after which it is given up."""
ALIKE: Final = 0.3
"""It must be nearer to the candidate than to the reference: ratio of squared distances of the QRS."""


@compiled
def learn(
    state: Floats, level: float, means: Floats, spreads: Floats, second: bool, qrs: tuple[int, int],
    x: Samples, rr: float, raw: Floats, z: Floats, which: int, plain: float,
) -> None:  # fmt: skip
    """Take the beat into the baseline, and renew the snapshots when it is time.

    ``means`` and ``spreads`` [4] are the population's with a reference, ``level`` its usual plain score;
    ``rr`` is the beat's RR interval, s, NaN where unknown; ``which`` reference it was laid on, ``plain`` its
    score. A window that is not finite is counted, and nothing is learned from it.
    """
    seen = int(state[V_SEEN])
    sound = _is_finite(x) and np.isfinite(plain)
    if seen >= BOOT:
        accepted = sound and plain < ACCEPT and z[RHYTHM] < TOO_EARLY
        state[V_SHARE] += ((1.0 if accepted else 0.0) - state[V_SHARE]) / PATIENCE
        state[V_IDLE] += 1.0
        if accepted:
            _follow(state, level, x, raw, which, plain)
        if second and state[V_SECOND] == 0.0:
            in_time = rr >= SOONEST and np.isfinite(raw[RHYTHM]) and z[RHYTHM] < IN_TIME
            _gather(state, qrs, x, sound and not accepted and in_time)
    elif sound:
        _collect(state, x, plain, seen)
    if seen == BOOT - 1:
        _boot(state, level, means, spreads)
    renew = room(seen) == 1
    state[V_SEEN] += 1.0
    if renew:
        # Here only: beats that were restored together must have met one and the same reference.
        if state[V_SECOND] > 0.0 and state[V_IDLE] > IDLE:
            _forget_second(state)
        _copy(state, A_REFERENCES, A_SNAPSHOTS, 2 * WINDOW)
        state[V_SHOWN] = state[V_SECOND]
        if state[V_SHARE] < GIVE_UP:
            _start_anew(state)


@compiled
def _is_finite(x: Samples) -> bool:
    total = 0.0
    for value in x:
        total += value
    return bool(np.isfinite(total))


@compiled
def _copy(state: Floats, first: int, to: int, n: int) -> None:
    """A loop compiles in a fraction of the time of an assignment to a slice."""
    for j in range(n):
        state[to + j] = state[first + j]


@compiled
def _forget_second(state: Floats) -> None:
    """No second reference, and no candidate for one."""
    state[V_SECOND] = state[V_OF_SECOND] = state[V_CANDIDATES] = state[V_DENSITY] = 0.0


@compiled
def _start_anew(state: Floats) -> None:
    _forget_second(state)
    state[V_SEEN] = state[V_ACCEPTED] = state[V_SHOWN] = 0.0
    state[V_SHARE] = 1.0
    for j in range(K * LATELY):
        state[A_LATELY + j] = 0.0


@compiled
def _collect(state: Floats, x: Samples, plain: float, seen: int) -> None:
    """Keep the beat if it is among the least odd so far."""
    place = seen
    if seen >= STARTERS:
        place = 0
        for i in range(1, STARTERS):
            if state[A_ODDNESS + i] > state[A_ODDNESS + place]:
                place = i
        if plain >= state[A_ODDNESS + place]:
            return
    state[A_ODDNESS + place] = plain
    for j in range(WINDOW):
        state[A_FIRST + place * WINDOW + j] = x[j]


@compiled
def _boot(state: Floats, level: float, means: Floats, spreads: Floats) -> None:
    """Start the reference with the median of the starters, and all else with the population's."""
    values = np.empty(STARTERS)
    for j in range(WINDOW):
        for i in range(STARTERS):
            values[i] = state[A_FIRST + i * WINDOW + j]
        state[A_REFERENCES + j] = median(values, STARTERS)
    for k in range(K):
        state[A_LOCATION + k] = means[k]
        state[A_SPREAD + k] = spreads[k] ** 2
    state[V_LEVEL] = level


@compiled
def _follow(state: Floats, level: float, x: Samples, raw: Floats, which: int, plain: float) -> None:
    """Move reference, location, spread and level towards a beat: means at first, then slowly forgetting
    ones."""
    state[V_ACCEPTED] += 1.0
    n = state[V_ACCEPTED]
    if which == 0:
        known = STARTERS + n - state[V_OF_SECOND]
    else:
        state[V_OF_SECOND] += 1.0
        state[V_IDLE] = 0.0
        known = SECOND + state[V_OF_SECOND]
    step = max(1.0 / known, SLOWEST)
    start = A_REFERENCES + which * WINDOW
    for j in range(WINDOW):
        state[start + j] += step * (x[j] - state[start + j])
    step = max(1.0 / (1.0 + n), SLOWEST_SPREAD)
    for k in range(K):
        if not np.isnan(raw[k]):
            off = raw[k] - state[A_LOCATION + k]
            state[A_LOCATION + k] += step * off
            state[A_SPREAD + k] += step * (off * off - state[A_SPREAD + k])
    side = 1.0 if plain > state[V_LEVEL] else -1.0
    moved = state[V_LEVEL] * np.exp(max(1.0 / n, SLOWEST_LEVEL) * LEVEL_STEP * side)
    state[V_LEVEL] = min(max(moved, level / LEVEL_RANGE), level * LEVEL_RANGE)


@compiled
def _gather(state: Floats, qrs: tuple[int, int], x: Samples, eligible: bool) -> None:
    """Take the beat into the candidate for the second reference, if it is ``eligible`` and like it."""
    hit = False
    if eligible:
        to_candidate, to_reference = 0.0, 0.0
        for j in range(qrs[0], qrs[1]):
            to_candidate += (x[j] - state[A_CANDIDATE + j]) ** 2
            to_reference += (x[j] - state[A_SNAPSHOTS + j]) ** 2
        # A new candidate, or one more beat of the one there is.
        hit = state[V_CANDIDATES] == 0.0 or to_candidate < ALIKE * to_reference
        if hit:
            state[V_CANDIDATES] += 1.0
            step = 1.0 / state[V_CANDIDATES]
            for j in range(WINDOW):
                before = state[A_CANDIDATE + j] if state[V_CANDIDATES] > 1.0 else 0.0
                state[A_CANDIDATE + j] = before + step * (x[j] - before)
    state[V_DENSITY] += ((1.0 if hit else 0.0) - state[V_DENSITY]) / MOMENT
    if not hit and state[V_DENSITY] < SCATTERED:
        state[V_CANDIDATES] = 0.0
    if state[V_CANDIDATES] >= SECOND and state[V_DENSITY] > DENSE:
        _copy(state, A_CANDIDATE, A_REFERENCES + WINDOW, WINDOW)
        state[V_SECOND] = 1.0
        state[V_OF_SECOND] = state[V_IDLE] = 0.0
