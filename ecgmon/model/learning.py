"""What a baseline learns from a beat, and from which beats it learns nothing.

* A beat enters the *reference*, a running average started with the median of the five least odd of the first
  sixteen beats, only if its plain score is low and it does not come early. With it the location and spread of
  each part move towards what is usual for this patient, and the *level* towards the usual plain score.
* Some hearts have two shapes of normal beat: a bundle branch that conducts at one rate and blocks at another.
  Beats that are odd in shape but come in time are gathered in a candidate; when many of them are alike and
  most beats of that moment lie on it, it becomes the second reference. Extrasystoles come early, fusion beats
  are scattered, and neither gets there. The price: a ventricular rhythm no faster than the patient's own is
  called odd for its first half minute, and then known.
* If next to nothing is accepted for several hundred beats, the rhythm has changed for good, and the baseline
  starts anew.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from ecgmon.ecg.compiled import compiled
from ecgmon.ecg.types import WINDOW, Samples
from ecgmon.model.baseline import (
    A_CANDIDATE,
    A_FIRST,
    A_LOCATION,
    A_ODDNESS,
    A_REFERENCES,
    A_SNAPSHOTS,
    A_SPREAD,
    BOOT,
    STARTERS,
    V_ACCEPTED,
    V_CANDIDATES,
    V_DENSITY,
    V_LEVEL,
    V_OF_SECOND,
    V_SECOND,
    V_SEEN,
    V_SHARE,
    V_SHOWN,
    room,
)
from ecgmon.model.parts import RHYTHM, Floats, K

ACCEPT: Final = 1.8
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
LEVEL_STEP: Final = 0.5
"""Of the running median, in units of the level."""
PATIENCE: Final = 128.0
GIVE_UP: Final = 0.03
"""Below this share of accepted beats, a running mean over ``PATIENCE``, the baseline starts anew."""

SECOND: Final = 24.0
"""Beats that make a candidate the second reference."""
DENSE: Final = 0.5
"""Share of the beats of that moment that must lie on it,"""
MOMENT: Final = 16.0
"""a running mean over about this many beats."""
SCATTERED: Final = 0.1
"""With a smaller share the candidate is given up, and the next such beat begins another."""
IN_TIME: Final = 1.5
"""Largest z-value of the rhythm of a beat that may enter the candidate."""
ALIKE: Final = 0.3
"""It must be nearer to the candidate than to the reference: ratio of squared distances of the QRS."""


@compiled
def learn(
    state: Floats, level: float, means: Floats, spreads: Floats, second: bool, qrs: tuple[int, int],
    x: Samples, raw: Floats, z: Floats, which: int, plain: float,
) -> None:  # fmt: skip
    """Take the beat into the baseline, and renew the snapshots when it is time.

    ``means`` and ``spreads`` [4] are the population's with a reference, ``level`` its usual plain score;
    ``which`` reference the beat was laid on, ``plain`` its score.
    """
    seen = int(state[V_SEEN])
    if seen >= BOOT:
        accepted = plain < ACCEPT and z[RHYTHM] < TOO_EARLY
        state[V_SHARE] += ((1.0 if accepted else 0.0) - state[V_SHARE]) / PATIENCE
        if accepted:
            _follow(state, x, raw, which, plain)
        if second and state[V_SECOND] == 0.0:
            _gather(state, qrs, x, not accepted and z[RHYTHM] < IN_TIME)
    else:
        _collect(state, x, plain, seen)
        if seen == BOOT - 1:
            _boot(state, level, means, spreads)
    renew = room(seen) == 1
    state[V_SEEN] += 1.0
    if renew:
        state[A_SNAPSHOTS : A_SNAPSHOTS + 2 * WINDOW] = state[A_REFERENCES : A_REFERENCES + 2 * WINDOW]
        state[V_SHOWN] = state[V_SECOND]
        # Here only: beats that were restored together must have met one and the same reference.
        if state[V_SHARE] < GIVE_UP:
            state[V_SEEN] = state[V_ACCEPTED] = 0.0
            state[V_SECOND] = state[V_SHOWN] = state[V_OF_SECOND] = 0.0
            state[V_CANDIDATES] = state[V_DENSITY] = 0.0
            state[V_SHARE] = 1.0


@compiled
def _collect(state: Floats, x: Samples, plain: float, seen: int) -> None:
    """Keep the beat if it is among the least odd so far."""
    place = seen
    if seen >= STARTERS:
        place = int(np.argmax(state[A_ODDNESS : A_ODDNESS + STARTERS]))
        if plain >= state[A_ODDNESS + place]:
            return
    state[A_ODDNESS + place] = plain
    state[A_FIRST + place * WINDOW : A_FIRST + (place + 1) * WINDOW] = x


@compiled
def _boot(state: Floats, level: float, means: Floats, spreads: Floats) -> None:
    """Start the reference with the median of the starters, and all else with the population's."""
    for j in range(WINDOW):
        state[A_REFERENCES + j] = np.median(state[A_FIRST + j : A_ODDNESS : WINDOW])
    for k in range(K):
        state[A_LOCATION + k] = means[k]
        state[A_SPREAD + k] = spreads[k] ** 2
    state[V_LEVEL] = level


@compiled
def _follow(state: Floats, x: Samples, raw: Floats, which: int, plain: float) -> None:
    """Move reference, location, spread and level towards a beat: means at first, then slowly forgetting
    ones."""
    state[V_ACCEPTED] += 1.0
    n = state[V_ACCEPTED]
    if which == 0:
        known = STARTERS + n - state[V_OF_SECOND]
    else:
        state[V_OF_SECOND] += 1.0
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
    side = 0.5 if plain > state[V_LEVEL] else -0.5
    state[V_LEVEL] *= np.exp(max(1.0 / n, SLOWEST_LEVEL) * LEVEL_STEP * side)


@compiled
def _gather(state: Floats, qrs: tuple[int, int], x: Samples, eligible: bool) -> None:
    """Take the beat into the candidate for the second reference, if it is ``eligible`` and like it."""
    hit = False
    if eligible:
        to_candidate, to_reference = 0.0, 0.0
        for j in range(qrs[0], qrs[1]):
            to_candidate += (x[j] - state[A_CANDIDATE + j]) ** 2
            to_reference += (x[j] - state[A_SNAPSHOTS + j]) ** 2
        if state[V_CANDIDATES] > 0.0 and to_candidate < ALIKE * to_reference:
            hit = True
            state[V_CANDIDATES] += 1.0
        elif state[V_DENSITY] < SCATTERED:
            hit = True
            state[V_CANDIDATES] = 1.0
        if hit:
            step = 1.0 / state[V_CANDIDATES]
            for j in range(WINDOW):
                state[A_CANDIDATE + j] += step * (x[j] - state[A_CANDIDATE + j])
    state[V_DENSITY] += ((1.0 if hit else 0.0) - state[V_DENSITY]) / MOMENT
    if state[V_CANDIDATES] >= SECOND and state[V_DENSITY] > DENSE:
        start = A_REFERENCES + WINDOW
        state[start : start + WINDOW] = state[A_CANDIDATE : A_CANDIDATE + WINDOW]
        state[V_SECOND] = 1.0
        state[V_OF_SECOND] = 0.0
