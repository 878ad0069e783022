"""The two filtered views of a 125 Hz signal: one to look at, one to find the QRS in.

Both are centred filters run late: output sample ``k`` belongs to input sample ``k`` and comes out once
input sample ``k + delay`` is in. The first value is held before the beginning; behind the end who feeds holds
the last.

*Window path*: :func:`subtract_baseline` takes the wander out with two running medians, 200 ms and 600 ms,
as de Chazal et al. (2004) do; the first removes QRS and P, the second T, what is left is the baseline. A
running mean over 120 ms then smooths the medians' steps (our addition). Against a linear high-pass at 0.5 to
0.67 Hz this needs half the delay and leaves no undershoot beside a large ectopic beat. With the resampler's
low-pass the path keeps about 0.5 to 41 Hz.

*Detection path*: :func:`envelope` is the magnitude of a complex Gabor filter centred on the QRS band: one
smooth hump for a QRS of either polarity and any phase, where squaring and integrating (Pan and Tompkins
1985) gives a plateau.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from ecgmon.ecg.compiled import compiled
from ecgmon.ecg.resample import Signal
from ecgmon.ecg.types import FS

FIRST_MEDIAN: Final = 25
SECOND_MEDIAN: Final = 75
SMOOTHING: Final = 15
"""Lengths of the baseline's filters, in samples at 125 Hz; odd, so that a median is one of the samples."""

BASELINE_DELAY: Final = FIRST_MEDIAN // 2 + SECOND_MEDIAN // 2 + SMOOTHING // 2

QRS_CENTRE: Final = 12.0
"""Centre of the detection band, in Hz."""

QRS_SPREAD: Final = 0.030
"""Standard deviation of the Gabor filter in time, in s; its band is 5.3 Hz (one standard deviation) wide."""

ENVELOPE_DELAY: Final = 11


def _gabor() -> tuple[Signal, Signal]:
    t = np.arange(-ENVELOPE_DELAY, ENVELOPE_DELAY + 1) / FS
    window = np.exp(-0.5 * (t / QRS_SPREAD) ** 2)
    even = window * np.cos(2.0 * np.pi * QRS_CENTRE * t)
    even -= window * (even.sum() / window.sum())  # no answer to a constant
    odd = window * np.sin(2.0 * np.pi * QRS_CENTRE * t)
    response = np.exp(2j * np.pi * QRS_CENTRE * t)
    return even / abs((even * response).sum()), odd / abs((odd * response).sum())


_EVEN, _ODD = _gabor()


def _running_median(n: int) -> Callable[[Signal, int, Signal, Signal], None]:
    """For one length: a loop of known length is quicker."""

    @compiled
    def run(x: Signal, seen: int, window: Signal, y: Signal) -> None:
        """Medians ``y`` [m] of the last ``n`` values up to each of ``x`` [m], behind ``seen`` others.

        ``window`` [n + 3]: the last values, their median, how many are smaller and how many are no larger.
        Only when one comes on another side than the oldest leaves, the median moves to its neighbour.
        """
        values, middle = window[:n], window[n]
        smaller, not_larger = int(window[n + 1]), int(window[n + 2])
        place = seen % n
        for k in range(len(x)):
            value, oldest = x[k], values[place]
            values[place] = value
            place = place + 1 if place + 1 < n else 0
            smaller += int(value < middle) - int(oldest < middle)
            not_larger += int(value <= middle) - int(oldest <= middle)
            if smaller > n // 2:
                middle, not_larger = -neighbour(values, middle, -1.0), smaller
                smaller = 0
                for i in range(n):
                    smaller += values[i] < middle
            elif not_larger <= n // 2:
                middle, smaller = neighbour(values, middle, 1.0), not_larger
                not_larger = 0
                for i in range(n):
                    not_larger += values[i] <= middle
            y[k] = middle
        window[n], window[n + 1], window[n + 2] = middle, smaller, not_larger

    @compiled
    def neighbour(values: Signal, of: float, side: float) -> float:
        """The nearest of ``values`` that is larger (``side`` 1) or smaller (-1), times ``side``.

        ``n`` divides by five: five searches side by side, since the processor would wait for a single one.
        """
        a = b = c = d = e = np.inf
        than = side * of
        for i in range(0, n, 5):
            a = _nearer(side * values[i], a, than)
            b = _nearer(side * values[i + 1], b, than)
            c = _nearer(side * values[i + 2], c, than)
            d = _nearer(side * values[i + 3], d, than)
            e = _nearer(side * values[i + 4], e, than)
        return min(a, b, c, d, e)

    return run


@compiled
def _nearer(value: float, best: float, than: float) -> float:
    """Two choices and no jump, which nobody could foresee."""
    value = value if value > than else np.inf
    return min(best, value)


_first_median = _running_median(FIRST_MEDIAN)
_second_median = _running_median(SECOND_MEDIAN)


@compiled
def subtract_baseline(
    x: Signal, seen: int, first: Signal, second: Signal, smooth: Signal, recent: Signal
) -> Signal:
    """Window path: the next samples [n], mV, behind ``seen`` others, to those without baseline that they
    complete; ``BASELINE_DELAY`` samples late, fewer while the filter fills.

    State: the medians' windows [25 + 3] and [75 + 3], [15] medians, [56] samples that wait.
    """
    n = len(x)
    if n == 0:
        return np.empty(0)
    if seen == 0:
        for window in (first, second, smooth, recent):
            fill(window, 0, x[0])
        first[FIRST_MEDIAN + 1], first[FIRST_MEDIAN + 2] = 0.0, FIRST_MEDIAN
        second[SECOND_MEDIAN + 1], second[SECOND_MEDIAN + 2] = 0.0, SECOND_MEDIAN
    middle = np.empty(n)
    _first_median(x, seen, first, middle)
    _second_median(middle, seen, second, middle)
    y = np.empty(n)
    _smooth(middle, seen, smooth)
    for k in range(n):
        y[k] = (recent[k] if k < BASELINE_DELAY else x[k - BASELINE_DELAY]) - middle[k]
    shift_in(recent, x)
    return y[max(0, BASELINE_DELAY - seen) :]


@compiled
def _smooth(x: Signal, seen: int, ring: Signal) -> None:
    """Each of ``x`` [n] becomes the mean of the ``ring`` that it comes into.

    The ring is added up from its first place on, and so in one pass through it each new value is a part of
    all sums behind it, and each old one of all before it.
    """
    k = 0
    place = seen % SMOOTHING
    sums = np.empty(SMOOTHING)
    while k < len(x):
        count = min(SMOOTHING - place, len(x) - k)
        total = 0.0
        for j in range(place):
            total += ring[j]
        for i in range(count):
            total += x[k + i]
            sums[i] = total
        for j in range(place + 1, SMOOTHING):
            for i in range(min(j - place, count)):
                sums[i] += ring[j]
        for i in range(count):
            ring[place + i] = x[k + i]
            x[k + i] = sums[i] / SMOOTHING
        k += count
        place = 0


@compiled
def envelope(x: Signal, seen: int, past: Signal) -> Signal:
    """Detection path: the next samples [n], mV, behind ``seen`` others, to magnitudes in the QRS band, mV,
    ``ENVELOPE_DELAY`` samples late; fewer while the filter fills. State: the last [22] samples.
    """
    n = len(x)
    if n == 0:
        return np.empty(0)
    if seen == 0:
        fill(past, 0, x[0])
    joined, even, odd = np.empty(len(past) + n), np.empty(n), np.empty(n)
    for i in range(len(past)):
        joined[i] = past[i]
    for k in range(n):
        joined[len(past) + k] = x[k]
        even[k] = odd[k] = 0.0
    for j in range(len(_EVEN)):
        a, b, moved = _EVEN[j], _ODD[j], joined[j : j + n]
        for k in range(n):
            even[k] += a * moved[k]
            odd[k] += b * moved[k]
    for k in range(n):
        even[k] = np.sqrt(even[k] * even[k] + odd[k] * odd[k])
    shift_in(past, x)
    return even[max(0, ENVELOPE_DELAY - seen) :]


@compiled
def fill(values: Signal, first: int, value: float) -> None:
    """``value`` to all from place ``first`` on. A loop compiles in a fraction of the time of an assignment to
    a slice, which comes with the text of an error."""
    for i in range(first, len(values)):
        values[i] = value


@compiled
def shift_in(past: Signal, x: Signal) -> None:
    """``past`` becomes the last samples of itself and ``x``."""
    kept = max(0, len(past) - len(x))
    for i in range(kept):
        past[i] = past[len(past) - kept + i]
    for i in range(kept, len(past)):
        past[i] = x[len(x) - len(past) + i]
