"""From a hump of the envelope to a beat: where its R-peak is, its size, its window of 187 samples."""

from __future__ import annotations

from typing import Final

import numpy as np

from ecgmon.ecg.compiled import compiled
from ecgmon.ecg.resample import Signal
from ecgmon.ecg.types import FS, R_INDEX, WINDOW, Layout, Samples

REACH: Final = 10
"""The R-peak is the dominant deflection within this many samples (80 ms) of the envelope's hump."""

QRS: Final = 9
"""Half the width over which a beat's size is taken, in samples (72 ms to either side of the R-peak)."""

KEEP_SIGN: Final = 1.25
"""A deflection of the other sign must be this much larger than one of the usual sign to become the R-peak."""

KACHUEE_PART: Final = 1.2
KACHUEE_RR: Final = 0.8
"""The window ``kachuee`` is 1.2 times the median RR long; 0.8 s stands for an RR that is not known yet."""


def span(layout: Layout, rr: float) -> tuple[int, int]:
    """Samples before and after the R-peak's sample that the window takes from the signal."""
    if layout == "centred":
        return R_INDEX, WINDOW - 1 - R_INDEX
    rr = rr if np.isfinite(rr) else KACHUEE_RR
    return 0, min(WINDOW, max(2, round(KACHUEE_PART * rr * FS))) - 1


def locate(w: Signal, hump: int, sign: float) -> tuple[float, float]:
    """(place of the R-peak in ``w``, finer than a sample; its sign), for a hump at ``hump`` and the usual
    ``sign``.

    ``w`` [n] is the window path around the hump. The dominant deflection is measured from zero, which is the
    baseline; ``sign`` 0 prefers none. The place between samples is the top of the parabola through three
    of them.
    """
    at, found = _locate(w, hump, sign)
    return float(at), float(found)


def size(w: Signal, r: int) -> float:
    """Peak to peak of the QRS around sample ``r``, in mV."""
    part = w[max(0, r - QRS) : r + QRS + 1]
    return float(part.max() - part.min()) if len(part) else 0.0


def cut(w: Signal, r: int, layout: Layout, rr: float) -> Samples:
    """The beat's window [187] around sample ``r`` of ``w``; beyond either end of ``w`` its last value is
    held.

    ``centred``: mV, the R-peak's sample at ``R_INDEX``. ``kachuee`` (Kachuee, Fazeli and Sarrafzadeh
    2018): from the R-peak on, 1.2 times the median RR (``rr``, s), scaled so that smallest and largest are
    0 and 1, zeros behind.
    """
    before, after = span(layout, rr)
    window = np.zeros(WINDOW, dtype=np.float32)
    part = w[max(0, r - before) : r + after + 1]
    if len(part) < before + after + 1:
        part = np.pad(part, (max(0, before - r), max(0, r + after + 1 - len(w))), mode="edge")
    if layout == "kachuee":
        low, high = part.min(), part.max()
        part = (part - low) / (high - low) if high > low else np.zeros(len(part))
    window[: len(part)] = part
    return window


@compiled
def _locate(w: Signal, hump: int, sign: float) -> tuple[float, float]:
    best = -1
    height = -1.0
    for i in range(max(0, hump - REACH), min(len(w), hump + REACH + 1)):
        h = abs(w[i])
        if w[i] * sign > 0.0:
            h *= KEEP_SIGN
        if h > height:
            height = h
            best = i
    place = float(best)
    if 0 < best < len(w) - 1:
        a, b, c = abs(w[best - 1]), abs(w[best]), abs(w[best + 1])
        bend = a - 2.0 * b + c
        if b >= a and b >= c and bend < 0.0:
            place += 0.5 * (a - c) / bend
    return place, np.sign(w[best])
