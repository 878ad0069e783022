"""From a hump of the envelope to a beat: where its R-peak is, its size, its window of 187 samples."""

from __future__ import annotations

from typing import Final

import numpy as np

from ecgmon.ecg.compiled import compiled
from ecgmon.ecg.resample import Signal
from ecgmon.ecg.types import FS, R_INDEX, WINDOW, Samples

REACH: Final = 10
"""The R-peak is the dominant deflection within this many samples (80 ms) of the envelope's hump."""

QRS: Final = 9
"""Half the width over which a beat's size is taken, in samples (72 ms to either side of the R-peak)."""

KEEP_SIGN: Final = 1.25
"""A deflection of the other sign must be this much larger than one of the usual sign to become the R-peak."""

KACHUEE_PART: Final = 1.2
KACHUEE_RR: Final = 0.8
"""The window ``kachuee`` is 1.2 times the median RR long; 0.8 s stands for an RR that is not known yet."""


@compiled
def span(kachuee: bool, rr: float) -> tuple[int, int]:
    """Samples before and after the R-peak's sample that the window takes from the signal; ``rr``: the usual
    interval, s, NaN where it is not known.
    """
    if not kachuee:
        return R_INDEX, WINDOW - 1 - R_INDEX
    rr = rr if np.isfinite(rr) else KACHUEE_RR
    return 0, min(WINDOW, max(2, round(KACHUEE_PART * rr * FS))) - 1


@compiled
def locate(w: Signal, hump: int, sign: float, left_out: int = 0) -> tuple[float, float]:
    """(place of the R-peak in ``w``, finer than a sample; its sign), for a hump at ``hump`` and the usual
    ``sign``.

    ``w`` [n] is the window path around the hump. The dominant deflection is measured from zero, which is the
    baseline; ``sign`` 0 prefers none. The place between samples is the top of the parabola through three
    of them; it is counted from ``left_out`` samples before ``w``.
    """
    best = -1
    height = -1.0
    for i in range(max(0, hump - REACH), min(len(w), hump + REACH + 1)):
        h = abs(w[i])
        if w[i] * sign > 0.0:
            h *= KEEP_SIGN
        if h > height:
            height = h
            best = i
    place = float(best + left_out)
    if 0 < best < len(w) - 1:
        a, b, c = abs(w[best - 1]), abs(w[best]), abs(w[best + 1])
        bend = a - 2.0 * b + c
        if b >= a and b >= c and bend < 0.0:
            place += 0.5 * (a - c) / bend
    return place, np.sign(w[best])


@compiled
def size(w: Signal, r: int) -> float:
    """Peak to peak of the QRS around sample ``r``, in mV."""
    return extent(w[max(0, r - QRS) : r + QRS + 1])


@compiled
def extent(values: Signal) -> float:
    """From the smallest to the largest of ``values``; 0 of none."""
    if len(values) == 0:
        return 0.0
    low = high = values[0]
    for value in values:
        low, high = min(low, value), max(high, value)
    return high - low  # type: ignore[no-any-return]


@compiled
def cut(w: Signal, r: int, kachuee: bool, rr: float, window: Samples) -> None:
    """Fill the beat's ``window`` [187] from around sample ``r`` of ``w``; beyond either end of ``w`` its last
    value is held.

    ``centred``: mV, the R-peak's sample at ``R_INDEX``. ``kachuee`` (Kachuee, Fazeli and Sarrafzadeh
    2018): from the R-peak on, 1.2 times the median RR (``rr``, s), scaled so that smallest and largest are
    0 and 1, zeros behind.
    """
    before, after = span(kachuee, rr)
    n = before + after + 1
    part = np.empty(n)
    for i in range(n):
        part[i] = w[min(max(r - before + i, 0), len(w) - 1)]
    if kachuee:
        low = high = part[0]
        for i in range(1, n):
            low, high = min(low, part[i]), max(high, part[i])
        for i in range(n):
            part[i] = (part[i] - low) / (high - low) if high > low else 0.0
    for i in range(WINDOW):
        window[i] = part[i] if i < n else 0.0
