"""Figures of the rhythm and the size of recent beats, what the next one is compared with. How they are kept
up from beat to beat stands in :mod:`ecgmon.ecg.rhythm`.
"""

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


@compiled
def median(values: Signal, n: int) -> float:
    """Median of the first ``n`` of a few ``values``; NaN of none."""
    if n == 0:
        return np.nan
    least = _ordered(values, n, n // 2 + 1, 1.0)
    return float((least[(n - 1) // 2] + least[n // 2]) / 2.0)


@compiled
def quantile(values: Signal, n: int, q: float) -> float:
    """Quantile ``q``, 0..1, of the first ``n`` > 0 of a few ``values``, linear between neighbours."""
    at = q * (n - 1)
    low = int(at)
    high = min(low + 1, n - 1)
    largest = _ordered(values, n, n - low, -1.0)
    below, above = -largest[n - 1 - low], -largest[n - 1 - high]
    return float(below + (at - low) * (above - below))


@compiled
def _ordered(values: Signal, n: int, kept: int, sign: float) -> Signal:
    """The ``kept`` > 0 smallest of the first ``n`` of ``values`` times ``sign``, ascending.

    By insertion: for so few it is as quick as numpy's, and compiles in a tenth of the time.
    """
    ordered = np.empty(kept)
    for i in range(n):
        value = sign * values[i]
        j = min(i, kept - 1)
        if i >= kept and not value < ordered[j]:
            continue
        while j > 0 and ordered[j - 1] > value:
            ordered[j] = ordered[j - 1]
            j -= 1
        ordered[j] = value
    return ordered


@compiled
def irregularity(logs: Signal, beats: int) -> float:
    """Smallest, over ``CYCLES``, of the median absolute change in a ring of logarithms; NaN entries count
    for nothing. ``beats`` were written to the ring so far."""
    least = np.nan
    size = len(logs)
    line = np.empty(size)  # the ring in order, the newest last
    place = beats % size
    for i in range(size):
        line[i] = logs[place]
        place = place + 1 if place + 1 < size else 0
    changes = np.empty(COMPARED)
    for cycle in CYCLES:
        n = 0
        for i in range(size - min(COMPARED, beats - cycle), size):
            change = abs(line[i] - line[i - cycle])
            if not np.isnan(change):
                changes[n] = change
                n += 1
        if n >= LEAST_KNOWN:
            middle = median(changes, n)
            if np.isnan(least) or middle < least:
                least = middle
    return least
