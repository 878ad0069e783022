"""The two filtered views of a 125 Hz signal: one to look at, one to find the QRS in.

Both are centred filters run late: output sample ``k`` belongs to input sample ``k`` and comes out once
input sample ``k + delay`` is in. The first value is held before the beginning; behind the end who feeds holds
the last.

*Window path*: :func:`subtract_baseline` takes the wander out with two running medians, 200 ms and 600 ms, as de
Chazal et al. (2004) do; the first removes QRS and P, the second T, what is left is the baseline. A running
mean over 120 ms then smooths the medians' steps (our addition). Against a linear high-pass at 0.5 to 0.67
Hz this needs half the delay and leaves no undershoot beside a large ectopic beat. With the resampler's
low-pass the path keeps about 0.5 to 41 Hz.

*Detection path*: :func:`envelope` is the magnitude of a complex Gabor filter centred on the QRS band: one
smooth hump for a QRS of either polarity and any phase, where squaring and integrating (Pan and Tompkins
1985) gives a plateau.
"""

from __future__ import annotations

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


@compiled
def _running_median(value: float, window: Signal, n: int, place: int) -> float:
    """Replace the oldest of the first ``n`` of ``window``, at ``place``, by ``value``; the others are the
    same values in order of size.
    """
    oldest = window[place]
    window[place] = value
    i = n
    j = 2 * n - 1
    while i < j:  # the oldest value's place
        middle = (i + j) // 2
        if window[middle] < oldest:
            i = middle + 1
        else:
            j = middle
    while i + 1 < 2 * n and window[i + 1] < value:
        window[i] = window[i + 1]
        i += 1
    while i > n and window[i - 1] > value:
        window[i] = window[i - 1]
        i -= 1
    window[i] = value
    return window[n + n // 2]  # type: ignore[no-any-return]


@compiled
def subtract_baseline(
    x: Signal, seen: int, first: Signal, second: Signal, smooth: Signal, recent: Signal
) -> Signal:
    """Window path: the next samples [n], mV, behind ``seen`` others, to those without baseline that they
    complete; ``BASELINE_DELAY`` samples late, fewer while the filter fills.

    State: the medians' windows [2 * 25] and [2 * 75], [15] medians, [56] samples that wait.
    """
    n = len(x)
    if n == 0:
        return np.empty(0)
    if seen == 0:
        first[:] = x[0]
        second[:] = x[0]
        smooth[:] = x[0]
        recent[:] = x[0]
    middle = np.empty(n)
    for k in range(n):
        middle[k] = _running_median(x[k], first, FIRST_MEDIAN, (seen + k) % FIRST_MEDIAN)
    for k in range(n):
        middle[k] = _running_median(middle[k], second, SECOND_MEDIAN, (seen + k) % SECOND_MEDIAN)
    y = np.empty(n)
    place = seen % SMOOTHING
    for k in range(n):
        smooth[place] = middle[k]
        place = place + 1 if place + 1 < SMOOTHING else 0
        total = 0.0
        for j in range(SMOOTHING):
            total += smooth[j]
        y[k] = (recent[k] if k < BASELINE_DELAY else x[k - BASELINE_DELAY]) - total / SMOOTHING
    shift_in(recent, x)
    return y[max(0, BASELINE_DELAY - seen) :]


@compiled
def envelope(x: Signal, seen: int, past: Signal) -> Signal:
    """Detection path: the next samples [n], mV, behind ``seen`` others, to magnitudes in the QRS band, mV,
    ``ENVELOPE_DELAY`` samples late; fewer while the filter fills. State: the last [22] samples.
    """
    n = len(x)
    if n == 0:
        return np.empty(0)
    if seen == 0:
        past[:] = x[0]
    joined = np.empty(len(past) + n)
    joined[: len(past)] = past
    joined[len(past) :] = x
    even, odd = np.zeros(n), np.zeros(n)
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
def shift_in(past: Signal, x: Signal) -> None:
    """``past`` becomes the last samples of itself and ``x``."""
    kept = max(0, len(past) - len(x))
    for i in range(kept):
        past[i] = past[len(past) - kept + i]
    for i in range(kept, len(past)):
        past[i] = x[len(x) - len(past) + i]
