"""One beat against the patient's usual one: QRS duration, shape, polarity and size, P wave, ST-T.

Works on two windows of layout ``centred``, the beat's and the reference's, laid on each other. Everything is
relative to the two windows themselves, so that gain, offset and polarity of the lead change nothing. Rates
below are MIT-BIH, DS1, behind the first five minutes; ``tests/benchmarks/findings.py`` prints them anew.

*QRS onset and offset* are where the slope falls for good below a share of its largest value in the complex,
as in Laguna, Jané and Caminal (1994, Comput Biomed Res 27:45-60), who take 1/5 of the R wave's slope to
1/1.8 of the Q wave's. Ours differs in three ways. One share, 0.12, for both ends, since bundle-branch block
and ventricular beats have no waves to name. The slope may pass through zero at a peak for up to 32 ms, and
for as long as the signal is farther than half the QRS from the isoelectric line: ventricular beats have
plateaus. And the slope must be above 2.5 times the median of the window's second differences, which is noise
and, other than slopes, next to nothing in the waves of a fast run; where that is more than 0.35 of the
largest slope, the signal is too noisy and there is no answer. One lead sees less than the
twelve in which durations are usually given: the usual beat measures 58 to 117 ms in 18 patients
with normal conduction, 114 to 148 ms in four with bundle-branch block. An end lies between samples, 8 ms
apart, by linear interpolation.

*P wave*: the reference's is the most prominent hump of about 120 ms between 300 ms before the R-peak and the
QRS onset. The beat has one where the same hump, each window less its linear trend, is found with at least
0.3 of its size within 48 ms to either side. A QRS complex that begins so early that it covers the place
gives no answer.

*ST-T* is compared by shape only. The level of the ST segment is not given: the median filters of the window
path (:mod:`ecgmon.ecg.filters`) take part of a shift for baseline; 0.2 mV put on the ST segments of eight DS1
records came out as 0.05 to 0.20 mV.
"""

from __future__ import annotations

from functools import cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg.compiled import compiled
from ecgmon.ecg.middle import middle as find_middle
from ecgmon.ecg.types import FS, R_INDEX, WINDOW, Samples

Window = NDArray[np.float64]

SLOPE_SHARE: Final = 0.12
PLATEAU: Final = 0.5
NOISE_BENDS: Final = 2.5
MOST_NOISE: Final = 0.35
CORE: Final = 12
"""The steepest slope of the complex lies within this many samples (96 ms) of the R-peak."""
BRIDGE: Final = 4
"""So many flat samples (32 ms) may lie within a complex."""
REACH_BEFORE: Final = 20
REACH_AFTER: Final = 24
"""No complex is followed farther from the R-peak, in samples (160 and 192 ms)."""
PEAK: Final = 10
"""The QRS size is peak to peak over this many samples (80 ms) to either side of the R-peak."""
MARGIN: Final = 2
SHAPE_SHIFT: Final = 8
POLARITY_SHIFT: Final = 2
"""The complex may be moved by so many samples (64 and 16 ms) to find the best and the worst correlation: the
R-peak of an odd beat may be another wave's."""
P_HALF: Final = 7
P_EARLIEST: Final = 38
P_SHIFT: Final = 6
ST_LATEST: Final = 50
ST_SHARE: Final = 0.4
"""ST-T is compared up to 400 ms behind the R-peak and 0.4 of the RR interval, so that the next beat's P wave
stays out."""
ST_LEAST: Final = 10
STEP: Final = 1000.0 / FS
"""Milliseconds from sample to sample."""


class Morphology(NamedTuple):
    """A beat and the reference, measured alike. NaN: could not be measured.

    qrs_ms, usual_qrs_ms   duration of the QRS complex, ms
    size, usual_size       peak to peak of the QRS complex, mV
    correlation            best correlation of the beat's QRS complex with the reference's, -1..1
    opposition             worst one within 16 ms: -1 is the reference upside down
    usual_p                size of the reference's P-like wave, as a share of its QRS size; 0..1
    p                      the beat's P-like wave, as a share of the reference's; 1 is as usual, 0 is none
    st_t                   how far ST segment and T wave depart from the reference's, levels aside: root mean
                           square as a share of the reference's QRS size
    """

    qrs_ms: float
    usual_qrs_ms: float
    size: float
    usual_size: float
    correlation: float
    opposition: float
    usual_p: float
    p: float
    st_t: float


def compare(window: Samples, reference: Samples, rr: float) -> Morphology | None:
    """Measure a beat's ``window`` [187] mV and the ``reference`` [187] mV laid on it.

    ``rr`` is the RR interval that ends at the beat, s; NaN where it is not known. None where the QRS complex
    of either cannot be told from noise.
    """
    if window.shape != (WINDOW,) or reference.shape != (WINDOW,):
        raise ValueError(f"windows must have shape [{WINDOW}], not {window.shape} and {reference.shape}")
    known, figures = _compare(window, reference, rr)
    return Morphology(*figures) if known else None


@compiled
def _compare(window: Samples, reference: Samples, rr: float) -> tuple[bool, tuple[float, ...]]:
    """Whether the beat could be measured, and the figures of :class:`Morphology`."""
    w, r = window.astype(np.float64), reference.astype(np.float64)
    onset, offset = _limits(w)
    usual_onset, usual_offset = _limits(r)
    size, usual_size = _size(w), _size(r)
    if (
        onset < 0.0 or usual_onset < 0.0 or usual_size <= 0.0
        or not (np.isfinite(usual_onset) and np.isfinite(usual_offset))
    ):  # fmt: skip
        return False, (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    correlation, opposition = _alike(w, r, usual_onset, usual_offset)
    usual_p, p = _p_wave(w, r, onset, usual_onset)
    last = R_INDEX + (min(ST_LATEST, int(ST_SHARE * rr * FS)) if rr > 0 else ST_LATEST)
    st_t = _st_t(w, r, int(np.ceil(usual_offset)) + 3, last) / usual_size
    qrs, usual_qrs = (offset - onset) * STEP, (usual_offset - usual_onset) * STEP
    return True, (qrs, usual_qrs, size, usual_size, correlation, opposition, usual_p / usual_size, p, st_t)


@cache
def ready() -> None:
    """Compile everything now, which may take seconds, rather than at a monitor's first odd beat."""
    window = np.zeros(WINDOW, np.float32)
    window[R_INDEX - 2 : R_INDEX + 3] = (0.2, 0.6, 1.0, 0.6, 0.2)
    compare(window, window, 1.0)


def qrs_limits(window: Window) -> tuple[float, float] | None:
    """Onset and offset of the QRS complex of ``window`` [187], in samples.

    NaN for an end that is not reached, as in flutter; None where noise hides them.
    """
    onset, offset = _limits(window)
    return None if onset < 0.0 else (float(onset), float(offset))


@compiled
def _limits(w: Window) -> tuple[float, float]:
    steep = np.zeros(WINDOW)
    for k in range(1, WINDOW - 1):
        steep[k] = abs(w[k + 1] - w[k - 1]) / 2.0
    middle = find_middle(w.copy())
    steepest, top = R_INDEX, 0.0
    for k in range(R_INDEX - CORE, R_INDEX + CORE + 1):
        if steep[k] > steep[steepest]:
            steepest = k
        top = max(top, abs(w[k] - middle))
    bend = np.empty(WINDOW - 2)
    for k in range(WINDOW - 2):
        bend[k] = abs(w[k] - 2.0 * w[k + 1] + w[k + 2])
    least = max(SLOPE_SHARE * steep[steepest], NOISE_BENDS * find_middle(bend))
    if not steep[steepest] > 0.0 or least > MOST_NOISE * steep[steepest]:
        return -1.0, -1.0
    return (
        _end(w, steep, steepest, least, middle, PLATEAU * top, -1),
        _end(w, steep, steepest, least, middle, PLATEAU * top, 1),
    )


@compiled
def _end(
    w: Window, steep: Window, steepest: int, least: float, middle: float, plateau: float, step: int
) -> float:
    """Where the complex ends, going from its ``steepest`` sample by ``step``, -1 or 1; NaN: it does not."""
    until = R_INDEX + (REACH_AFTER if step > 0 else -REACH_BEFORE)
    last, flat, k = steepest, 0, steepest
    while k != until and flat <= BRIDGE:
        k += step
        if steep[k] >= least or abs(w[k] - middle) >= plateau:
            last, flat = k, 0
        else:
            flat += 1
    if last == until:
        return np.nan
    here, beyond = steep[last], steep[last + step]
    part = (here - least) / (here - beyond) if here > beyond else 0.0
    return float(last + step * min(max(part, 0.0), 1.0))


@compiled
def _mean(x: Window, first: int, end: int) -> float:
    total = 0.0
    for k in range(first, end):
        total += x[k]
    return total / (end - first)


@compiled
def _size(w: Window) -> float:
    low = high = w[R_INDEX]
    for k in range(R_INDEX - PEAK, R_INDEX + PEAK + 1):
        low, high = min(low, w[k]), max(high, w[k])
    return float(high - low)


@compiled
def _alike(w: Window, r: Window, onset: float, offset: float) -> tuple[float, float]:
    """Best and worst correlation of ``w`` with the complex of ``r`` from ``onset`` to ``offset``."""
    first, end = int(np.floor(onset)) - MARGIN, int(np.ceil(offset)) + MARGIN + 1
    usual = _mean(r, first, end)
    best, worst = -1.0, 1.0
    for by in range(-SHAPE_SHIFT, SHAPE_SHIFT + 1):
        mine = _mean(w, first + by, end + by)
        xx, yy, xy = 0.0, 0.0, 0.0
        for k in range(first, end):
            x, y = w[k + by] - mine, r[k] - usual
            xx += x * x
            yy += y * y
            xy += x * y
        c = xy / np.sqrt(xx * yy) if xx * yy > 0.0 else 0.0
        best = max(best, c)
        if abs(by) <= POLARITY_SHIFT:
            worst = min(worst, c)
    return best, worst


@compiled
def _p_wave(w: Window, r: Window, onset: float, usual_onset: float) -> tuple[float, float]:
    """Prominence of the P-like wave of ``r``, mV, and how much of it ``w`` has; NaN where it cannot be."""
    centre, usual = -1, 0.0
    for c in range(R_INDEX - P_EARLIEST, int(np.floor(usual_onset)) - P_HALF + 2):
        flanks = (_mean(r, c - P_HALF, c - P_HALF + 3) + _mean(r, c + P_HALF - 2, c + P_HALF + 1)) / 2.0
        height = abs(_mean(r, c - 1, c + 2) - flanks)
        if height > usual:
            centre, usual = c, height
    if centre < 0 or np.isnan(onset):
        return usual, np.nan
    wave = _levelled(r, centre)
    power = 0.0
    for y in wave:
        power += y * y
    best = -np.inf
    for by in range(-P_SHIFT, P_SHIFT + 1):
        if centre + by + P_HALF > onset:
            if by <= 0:
                return usual, np.nan
            break
        x = _levelled(w, centre + by)
        product = 0.0
        for k in range(len(wave)):
            product += x[k] * wave[k]
        best = max(best, product / power)
    return usual, best


@compiled
def _levelled(x: Window, centre: int) -> Window:
    """``x`` from ``P_HALF`` samples before ``centre`` to as many behind, less its linear trend."""
    mean = _mean(x, centre - P_HALF, centre + P_HALF + 1)
    rise, spread = 0.0, 0.0
    for t in range(-P_HALF, P_HALF + 1):
        rise += t * x[centre + t]
        spread += t * t
    y = np.empty(2 * P_HALF + 1)
    for t in range(-P_HALF, P_HALF + 1):
        y[t + P_HALF] = x[centre + t] - mean - t * rise / spread
    return y


@compiled
def _st_t(w: Window, r: Window, first: int, last: int) -> float:
    """Root mean square of the difference, less its mean, over samples ``first`` to ``last``."""
    if last - first < ST_LEAST:
        return np.nan
    total, squares = 0.0, 0.0
    for k in range(first, last):
        d = w[k] - r[k]
        total += d
        squares += d * d
    n = last - first
    return float(np.sqrt(max(squares / n - (total / n) ** 2, 0.0)))
