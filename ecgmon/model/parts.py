"""One beat against its restoration: lay it on the reference, measure the parts in which it is odd.

The autoencoder's error is measured in three *parts* of the beat (before, in and after the QRS complex), and
the prematurity of its RR interval is the fourth. An interval is early only as far as the rhythm is regular:
in atrial fibrillation every interval differs from the one before, and a short one says nothing.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg.compiled import compiled
from ecgmon.ecg.middle import middle as find_middle
from ecgmon.ecg.types import R_INDEX, WINDOW, Layout, Samples

Floats = NDArray[np.float64]

PARTS: Final = ("pre_qrs", "qrs", "st_t", "rhythm")
"""Before the QRS (P wave), the QRS complex, ST segment and T wave, prematurity of the RR interval."""

K: Final = len(PARTS)
QRS: Final = 1
RHYTHM: Final = 3

REGIONS: Final[dict[Layout, NDArray[np.int64]]] = {
    "centred": np.array(
        [[R_INDEX - 38, R_INDEX - 12], [R_INDEX - 12, R_INDEX + 13], [R_INDEX + 13, R_INDEX + 50]]
    ),
    "kachuee": np.array([[0, 0], [0, 13], [13, 50]]),
}
"""First and past-the-end sample of the three shapes; windows of layout ``kachuee`` begin at the R-peak."""

MAX_SHIFT: Final[dict[Layout, int]] = {"centred": 3, "kachuee": 0}
"""How far (samples) a beat may be moved to lie best on the reference: the R-peak's own jitter."""

CLIP: Final = 8.0
"""Largest normalised sample: one lost electrode must not outweigh a thousand beats."""

IRREGULAR: Final = 0.13
"""Irregularity (``Beat.irregularity``) at which prematurity counts 0.71 of its size; at twice that, a
quarter."""

FIBRILLATING: Final = 0.1
"""The same for what P waves, ST segments and T waves are forgiven, see :mod:`ecgmon.model.oddness`."""

FLOOR: Final = 0.01
"""Added to errors before their logarithm, in units of the stream's QRS size: a perfect fit is not minus
infinity."""


@compiled
def earliness(rr: float, rr_local: float, irregularity: float) -> float:
    """How early a beat comes: log of basic over own RR interval, less where the rhythm is irregular anyway.

    Above 0 is early, 0.3 is an interval a quarter shorter than the basic one; NaN where an interval is not
    known.
    """
    if not (0 < rr < np.inf and 0 < rr_local < np.inf):
        return np.nan
    return float(np.log(rr_local / rr) * regularity(irregularity, IRREGULAR))


@compiled
def regularity(irregularity: float, at: float) -> float:
    """1 in a regular rhythm, 0.71 where the irregularity is ``at``, soon 0 above; 1 where it is not known."""
    known = irregularity if irregularity > 0 else 0.0
    return float(1.0 / np.sqrt(1.0 + (known / at) ** 4))


@compiled
def normalise(window: Samples, scale: float, x: Samples) -> float:
    """Fill ``x`` [187]: window minus its median, in units of ``scale``; as it is where ``scale`` is 0. Gives
    what was taken off."""
    for j in range(WINDOW):
        x[j] = window[j]
    if not scale > 0:
        return 0.0
    middle = find_middle(x)
    for j in range(WINDOW):
        x[j] = min(max((window[j] - middle) / scale, -CLIP), CLIP)
    return middle


@compiled
def lie_on(x: Samples, reference: Floats, max_shift: int, qrs: tuple[int, int]) -> tuple[int, float]:
    """(samples to move ``x`` [187] by so that its QRS complex lies best on ``reference``'s, squared distance
    then); ``qrs`` names the samples of the complex."""
    best, shift = np.inf, 0
    for step in range(2 * max_shift + 1):
        # 0, 1, -1, 2, -2 ...: a tie keeps the smaller move
        by = (step + 1) // 2 if step % 2 else -(step // 2)
        distance = 0.0
        for j in range(qrs[0], qrs[1]):
            at = min(max(j + by, 0), WINDOW - 1)
            error = x[at] - reference[j]
            distance += error * error
        if distance < best:
            best, shift = distance, by
    return shift, best


@compiled
def move(x: Samples, shift: int) -> None:
    """Move ``x`` [187] by ``shift`` samples in place; the last value is held at its end."""
    if shift != 0:
        moved = x.copy()
        for j in range(WINDOW):
            x[j] = moved[min(max(j + shift, 0), WINDOW - 1)]


@compiled
def measure(x: Samples, restored: Samples, regions: NDArray[np.int64], early: float, raw: Floats) -> None:
    """Fill ``raw`` [4]: log root-mean-square errors of the three shapes and prematurity; NaN where undefined.

    Before and after the QRS complex the error is taken without its mean, which is baseline wander.
    """
    for k in range(RHYTHM):
        first, end = regions[k, 0], regions[k, 1]
        if end <= first:
            raw[k] = np.nan
            continue
        total, squares = 0.0, 0.0
        for j in range(first, end):
            error = np.float64(x[j]) - np.float64(restored[j])
            total += error
            squares += error * error
        n = end - first
        variance = squares / n
        if k != QRS:
            variance -= (total / n) ** 2
        raw[k] = np.log(np.sqrt(max(variance, 0.0)) + FLOOR)
    raw[RHYTHM] = early
