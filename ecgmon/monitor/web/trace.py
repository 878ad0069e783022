"""The last seconds of one stream's watched lead, small enough to keep for every stream.

Groups of samples are averaged to about 125 Hz, which is the bandwidth of a monitor's screen (-3 dB at some 55
Hz, the first zero at 125 Hz), and kept as 16-bit steps of 5 microvolts: 2 KB a stream.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg.compiled import compiled
from ecgmon.ecg.types import Samples

SHOWN_HZ: Final = 125.0
"""Rates of what is kept lie between two thirds of it and one and a half times."""

STEP_MV: Final = 0.005
"""One step of the samples, mV: a twentieth of a small square's height on paper."""

SIZE: Final = 1024
"""Samples kept, a power of two: 8 s at 125 Hz."""

READABLE: Final = SIZE - 64
"""The oldest of them may be overwritten while they are read."""

MISSING: Final = -32768
"""Where there is no sample."""

JITTER: Final = 0.25
"""A chunk's time may be off by so much, s, and still follow the one before."""

BACK: Final = 10.0
"""A chunk older by so much, s, is no late one: the device's clock was set."""

Steps = NDArray[np.int16]

_FLOAT: Final = np.dtype(np.float32)


@compiled
def _put(ring: Steps, carry: Samples, head: int, samples: Samples, row: int, group: int) -> int:
    """Average ``group`` samples of [leads, n] into one step of the ring; ``carry`` is sum and count of the
    group that is not yet full. Returns the new head."""
    total, count = carry[0], carry[1]
    for i in range(samples.shape[1]):
        total += samples[row, i]
        count += 1.0
        if count >= group:
            steps = total / count / 0.005
            if steps == steps:  # noqa: PLR0124 - NaN differs from itself
                ring[head & 1023] = np.int16(round(min(max(steps, -32767.0), 32767.0)))
            else:
                ring[head & 1023] = np.int16(-32768)
            head += 1
            total, count = np.float32(0.0), np.float32(0.0)
    carry[0], carry[1] = total, count
    return head


class Trace:
    """Written by one thread; others may :meth:`read` what was written."""

    __slots__ = ("_carry", "_due", "_group", "_ring", "fs", "head", "origin", "rate")

    def __init__(self, fs: float, t: float) -> None:
        self._ring: Steps = np.full(SIZE, MISSING, np.int16)
        self._carry: Samples = np.zeros(2, np.float32)
        self.head = 0
        """Samples written so far: the next one's number."""
        self.form(fs, t)

    def form(self, fs: float, t: float) -> None:
        """Go on at ``fs`` Hz from UTC ``t``, s; what was kept is of another rate, and forgotten."""
        self.fs = fs
        self._group = max(1, round(fs / SHOWN_HZ))
        self.rate = fs / self._group
        """Samples a second, of those that are kept."""
        self._ring[:] = MISSING
        self._place(t)

    def put(self, samples: Samples, row: int, t: float, seconds: float) -> bool:
        """Write row ``row`` of [leads, n] (mV, NaN = missing), which take ``seconds`` from UTC ``t``, s, on.

        False, and nothing written, for what lies before the last sample written: a repeat, or too late.
        """
        off = t - self._due
        if not -JITTER <= off <= JITTER and not self._leap(off, t):
            return False
        if samples.dtype is not _FLOAT or not samples.flags.carray:
            samples = np.array(samples, _FLOAT, order="C")  # one type, and so one compiled function
        self.head = _put(self._ring, self._carry, self.head, samples, row, self._group)
        self._due += seconds
        return True

    def read(self, since: int) -> tuple[int, Steps]:
        """Number of the first sample and the samples from ``since`` on, or from the oldest that is kept."""
        while True:
            head = self.head
            first = max(since, head - READABLE, 0)
            found = self._ring[np.arange(first, head) & (SIZE - 1)]
            if self.head - first <= SIZE:  # nothing was overwritten meanwhile
                return first, found

    @property
    def end(self) -> float:
        """UTC behind the newest sample, s."""
        return self.origin + self.head / self.rate

    def at(self, t: float) -> float:
        """Number of the sample at UTC ``t``, s."""
        return (t - self.origin) * self.rate

    def _leap(self, off: float, t: float) -> bool:
        """``t`` lies ``off`` s behind the end. A gap counts no more samples than are kept."""
        if -BACK < off < 0:
            return False
        gap = min(round(off * self.rate), SIZE) if off > 0 else 1
        self._ring[np.arange(self.head, self.head + gap) & (SIZE - 1)] = MISSING
        self.head += gap
        self._place(t)
        return True

    def _place(self, t: float) -> None:
        """The next sample begins a group, and is of UTC ``t``, s."""
        self._carry[:] = 0.0
        self._due = t
        self.origin = t - self.head / self.rate


def warm() -> None:
    """Compile, or read from the cache, what the first chunk of a patient must not wait for."""
    Trace(SHOWN_HZ, 0.0).put(np.zeros((1, 1), np.float32), 0, 0.0, 1 / SHOWN_HZ)
