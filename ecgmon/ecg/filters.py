"""The two filtered views of a 125 Hz signal: one to look at, one to find the QRS in.

Both are centred filters run late: output sample ``k`` belongs to input sample ``k`` and comes out once
input sample ``k + delay`` is in. The first and the last value are held beyond the ends.

*Window path*: :class:`Baseline` takes the wander out with two running medians, 200 ms and 600 ms, as de
Chazal et al. (2004) do; the first removes QRS and P, the second T, what is left is the baseline. A running
mean over 120 ms then smooths the medians' steps (our addition). Against a linear high-pass at 0.5 to 0.67
Hz this needs half the delay and leaves no undershoot beside a large ectopic beat. With the resampler's
low-pass the path keeps about 0.5 to 41 Hz.

*Detection path*: :class:`Envelope` is the magnitude of a complex Gabor filter centred on the QRS band: one
smooth hump for a QRS of either polarity and any phase, where squaring and integrating (Pan and Tompkins
1985) gives a plateau.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Final

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


class _Late(ABC):
    """A filter whose kernel gives one output per input; the first ``delay`` of them lie before the stream."""

    delay: int

    def __init__(self) -> None:
        self._seen = 0
        self._last = 0.0

    def feed(self, x: Signal) -> Signal:
        """Next samples [n]; fewer come out while the filter fills, none are lost."""
        if len(x) == 0:
            return np.empty(0)
        if self._seen == 0:
            self._fill(float(x[0]))
        y = np.empty(len(x))
        self._kernel(x, y)
        early = max(0, self.delay - self._seen)
        self._seen += len(x)
        self._last = float(x[-1])
        return y[early:]

    def flush(self) -> Signal:
        """The samples still inside, with the last value held behind the end; then the filter is as new."""
        waiting = min(self._seen, self.delay)
        tail = self.feed(np.full(self.delay, self._last)) if waiting else np.empty(0)
        self._seen = 0
        return tail[len(tail) - waiting :]

    @abstractmethod
    def _fill(self, value: float) -> None:
        """Behave as if ``value`` had always been there."""

    @abstractmethod
    def _kernel(self, x: Signal, y: Signal) -> None:
        """Filter [n] samples ``x`` into ``y`` [n], going on from the ones before."""


class Baseline(_Late):
    """Window path: [n] mV in, [n'] mV without baseline out, ``BASELINE_DELAY`` samples late."""

    delay = BASELINE_DELAY

    def __init__(self) -> None:
        super().__init__()
        self._first = np.zeros((2, FIRST_MEDIAN))  # in order of arrival, in order of size
        self._second = np.zeros((2, SECOND_MEDIAN))
        self._smooth = np.zeros(SMOOTHING)
        self._recent = np.zeros(BASELINE_DELAY)
        self._places = np.zeros(4, dtype=np.int64)

    def _fill(self, value: float) -> None:
        for state in (self._first, self._second, self._smooth, self._recent):
            state[:] = value
        self._places[:] = 0

    def _kernel(self, x: Signal, y: Signal) -> None:
        _subtract_baseline(x, y, self._first, self._second, self._smooth, self._recent, self._places)


class Envelope(_Late):
    """Detection path: [n] mV in, [n'] mV of QRS-band magnitude out, ``ENVELOPE_DELAY`` samples late."""

    delay = ENVELOPE_DELAY

    def __init__(self) -> None:
        super().__init__()
        self._past = np.zeros(2 * ENVELOPE_DELAY)

    def _fill(self, value: float) -> None:
        self._past[:] = value

    def _kernel(self, x: Signal, y: Signal) -> None:
        joined = np.concatenate((self._past, x))
        _magnitude(joined, _EVEN, _ODD, y)
        self._past = joined[-2 * ENVELOPE_DELAY :].copy()


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
def _running_median(value: float, window: Any, place: int) -> float:
    """Replace the oldest of ``window[0]`` by ``value``; ``window[1]`` holds the same values in order of
    size.
    """
    arrived, ordered = window[0], window[1]
    n = len(arrived)
    oldest = arrived[place]
    arrived[place] = value
    i = 0
    j = n - 1
    while i < j:  # the oldest value's place
        middle = (i + j) // 2
        if ordered[middle] < oldest:
            i = middle + 1
        else:
            j = middle
    while i + 1 < n and ordered[i + 1] < value:
        ordered[i] = ordered[i + 1]
        i += 1
    while i > 0 and ordered[i - 1] > value:
        ordered[i] = ordered[i - 1]
        i -= 1
    ordered[i] = value
    return ordered[n // 2]  # type: ignore[no-any-return]


@compiled
def _subtract_baseline(
    x: Signal, y: Signal, first: Any, second: Any, smooth: Signal, recent: Signal, places: Any
) -> None:
    for k in range(len(x)):
        value = _running_median(x[k], first, places[0])
        value = _running_median(value, second, places[1])
        smooth[places[2]] = value
        total = 0.0
        for j in range(len(smooth)):
            total += smooth[j]
        y[k] = recent[places[3]] - total / len(smooth)
        recent[places[3]] = x[k]
        for j in range(4):
            places[j] += 1
        if places[0] == len(first[0]):
            places[0] = 0
        if places[1] == len(second[0]):
            places[1] = 0
        if places[2] == len(smooth):
            places[2] = 0
        if places[3] == len(recent):
            places[3] = 0


@compiled
def _magnitude(x: Signal, even: Signal, odd: Signal, y: Signal) -> None:
    for k in range(len(y)):
        a = 0.0
        b = 0.0
        for j in range(len(even)):
            a += even[j] * x[k + j]
            b += odd[j] * x[k + j]
        y[k] = np.sqrt(a * a + b * b)
