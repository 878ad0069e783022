"""Has the signal's level risen for good? Beside :mod:`ecgmon.ecg.quality`, which judges a signal by what was
usual in the last minute.

What is usual is learned from seconds in which the gate is open, so a signal that rises far above it shuts
itself out: QRS complexes that return after half a minute of P waves alone, a contact that is repaired, an
amplifier switched over. A heart at a new level can be told from a disturbance: by its own size every second
of it is free of muscle noise, quiet between the beats and steady at its baseline, and its size does not
change. After :data:`SECONDS` of that the old level is forgotten, and beats are scored again.

Measured on MIT-BIH, first leads, gain raised eightfold: five beats in a row are good again 7.6 s behind it
(median of 48 records; 45 within 20 s), where it was 5 minutes. Recorded noise (em, ma and bw at 12 to -6 dB,
six records) opens the gate in no second more than before.

Not part of the frontend's fingerprint, to which models are tied: on all recordings of MIT-BIH, which they
learn from, beats, windows and verdicts are the same to the bit with it and without, in either lead.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from ecgmon.ecg.compiled import compiled
from ecgmon.ecg.resample import Signal

SECONDS: Final = 6
"""Steady seconds that make a new level; each is judged with the one before it, so that a single bump makes
three at most."""

RISE: Final = 2.0
"""Multiple of the usual range above which a range is another level. Less is a beat of another size, and
closes nothing for long."""

BAND: Final = 1.6
"""The largest range may be so many times the smallest: breathing and beats that differ, no bumps."""

LULL: Final = 2
"""Seconds on end at the old level that are waited out: between two beats of a slow heart."""

_STEADY, _LEAST, _MOST, _LULL = range(4)
_SIZE: Final = 4


def state() -> Signal:
    """Nothing seen."""
    return np.zeros(_SIZE)


@compiled
def has_risen(extent: float, usual: float, clean: bool, s: Signal) -> bool:
    """Take the range of the last 2 s and the usual one, mV, once a second; whether this makes a new level.

    ``usual`` is infinite where the gate is open; ``clean``: beside ``extent`` there is no noise.
    """
    if clean and extent <= RISE * usual and s[_STEADY] > 0.0 and s[_LULL] < LULL:
        s[_LULL] += 1.0
        return False
    s[_LULL] = 0.0
    if not clean or extent <= RISE * usual:
        s[_STEADY] = 0.0
        return False
    if s[_STEADY] == 0.0 or max(s[_MOST], extent) > BAND * min(s[_LEAST], extent):
        s[_STEADY] = 0.0
        s[_LEAST] = s[_MOST] = extent
    s[_LEAST] = min(s[_LEAST], extent)
    s[_MOST] = max(s[_MOST], extent)
    s[_STEADY] += 1.0
    if s[_STEADY] < SECONDS:
        return False
    s[_STEADY] = 0.0
    return True
