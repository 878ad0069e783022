"""Any rate from 100 to 1000 Hz to 125 Hz, as a stream.

A polyphase windowed-sinc filter (Crochiere and Rabiner, "Multirate Digital Signal Processing", 1983). Its
response is given in hertz and seconds, not in samples, so that every input rate sees the same low-pass: -6
dB at 41 Hz, flat to 30 Hz, 50 and 60 Hz mains down by 40 dB and more. That is narrower than anti-aliasing
for 125 Hz needs: it makes a recording at 100 Hz and one at 1000 Hz look alike to the detector and to the
model.

Output sample ``k`` stands at stream time ``k / 125`` s exactly. Its place among the input samples is
counted in integers, so it does not drift, whatever the rate and however long the stream.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg.compiled import compiled
from ecgmon.ecg.types import FS, Samples
from ecgmon.errors import DataError

LOWEST: Final = 100.0
HIGHEST: Final = 1000.0
"""Input rates that are accepted, in Hz."""

CUTOFF: Final = 41.0
"""-6 dB point of the low-pass, in Hz."""

HALF_WIDTH: Final = 0.08
"""The kernel reaches this far to either side, in s: the filter's delay."""

_KAISER_BETA: Final = 4.5
_MAX_PHASES: Final = 512
_MICROHERTZ: Final = 1_000_000

MISSING: Final = np.uint8(1)
CLIPPED: Final = np.uint8(2)
"""Marks that travel with a sample."""

Flags = NDArray[np.uint8]
Signal = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Design:
    table: Signal  # [phases + 1, 2 * half]
    half: int  # input samples to either side
    step: int  # input samples from one output sample to the next: step + step_part / parts
    step_part: int
    parts: int


def check_rate(fs: float) -> float:
    """``fs`` when it is a rate that the frontend takes; else :class:`DataError`."""
    if not (LOWEST <= fs <= HIGHEST):
        raise DataError(
            f"sampling rate {fs:g} Hz: ecgmon takes {LOWEST:g} to {HIGHEST:g} Hz; resample the data first"
        )
    return float(fs)


@lru_cache(maxsize=8)  # a table of an odd rate is 170 KB; streams hold their own
def _design(fs: float) -> _Design:
    numerator = round(fs * _MICROHERTZ)
    denominator = FS * _MICROHERTZ
    common = math.gcd(numerator, denominator)
    numerator, parts = numerator // common, denominator // common
    phases = min(parts, _MAX_PHASES)
    half = math.ceil(HALF_WIDTH * fs)
    offsets = np.arange(1 - half, half + 1)
    seconds = (offsets[None, :] - np.arange(phases + 1)[:, None] / phases) / fs
    inside = np.clip(1.0 - (seconds / HALF_WIDTH) ** 2, 0.0, None)
    table = np.sinc(2.0 * CUTOFF * seconds) * np.i0(_KAISER_BETA * np.sqrt(inside)) * (inside > 0.0)
    table /= table.sum(axis=1, keepdims=True)
    table.setflags(write=False)
    return _Design(table, half, numerator // parts, numerator % parts, parts)


class Resampler:
    """One stream from ``fs`` Hz to 125 Hz.

    A sample that is NaN or infinite is missing: the last value is held in its place (zero when there is
    none yet) and the output samples beside it are marked. Before the first sample the stream is taken to
    have held its value.
    """

    def __init__(self, fs: float) -> None:
        self.fs = check_rate(fs)
        self._design = _design(self.fs)
        size = 2 * self._design.half + int(self.fs) // FS + 2
        self._past = np.zeros(size)
        self._past_marks = np.zeros(size, dtype=np.uint8)
        self._fresh = True
        self.samples_in = 0
        """Input samples covered so far, gaps included."""
        self._at = 0  # input sample at or before the next output sample ...
        self._part = 0  # ... and how far behind it that stands, in 1 / parts
        self.samples_out = 0
        """Index on the 125 Hz grid of the next output sample, gaps included."""

    @property
    def delay(self) -> float:
        """Seconds of input that must follow an output sample before it can be computed."""
        return self._design.half / self.fs

    def feed(self, x: Samples, marks: Flags | None = None) -> tuple[Signal, Flags]:
        """Input [n] in mV to (output [m] in mV at 125 Hz, marks [m]).

        ``marks`` [n] are bits that an output sample takes over from the input samples beside it;
        ``MISSING`` is added where the input is missing.
        """
        if len(x) == 0:
            return np.empty(0), np.empty(0, dtype=np.uint8)
        marks = np.zeros(len(x), dtype=np.uint8) if marks is None else marks.copy()
        held = _hold(np.ascontiguousarray(x, dtype=np.float32), self._past[-1], marks)
        if self._fresh:
            self._past[:] = held[0]
            self._fresh = False
        self.samples_in += len(x)
        return self._run(held, marks)

    def flush(self) -> tuple[Signal, Flags]:
        """What is left at the end of the stream; the last value is held to complete it."""
        half = self._design.half
        past, past_marks = self._past.copy(), self._past_marks.copy()
        out = self._run(
            np.full(half, past[-1]), np.full(half, past_marks[-1], dtype=np.uint8), limit=self.samples_in
        )
        self._past, self._past_marks = past, past_marks
        return out

    def skip(self, samples: int) -> int:
        """After :meth:`flush`: ``samples`` input samples are missing. Returns how many output samples that
        skips.
        """
        self.samples_in += samples
        design = self._design
        start = self.samples_out
        total = self._at * design.parts + self._part
        step = design.step * design.parts + design.step_part
        ahead = self.samples_in * design.parts - total
        steps = max(0, -(-ahead // step))
        self._at, self._part = divmod(total + steps * step, design.parts)
        self.samples_out = start + steps
        self._past[:] = 0.0
        self._past_marks[:] = 0
        self._fresh = True
        return steps

    def _run(self, held: Signal, marks: Flags, limit: int = -1) -> tuple[Signal, Flags]:
        design = self._design
        x = np.concatenate((self._past, held))
        flags = np.concatenate((self._past_marks, marks))
        end = self.samples_in if limit < 0 else limit + len(held)
        first = end - len(x)  # input sample that x[0] is
        room = int(len(x) * FS / self.fs) + 4
        y = np.empty(room)
        y_marks = np.empty(room, dtype=np.uint8)
        n, self._at, self._part = _convolve(
            x, flags, first, limit, design.table, self._at, self._part, design.step, design.step_part,
            design.parts, int(self.fs) // (2 * FS), y, y_marks,
        )  # fmt: skip
        self.samples_out += n
        size = len(self._past)
        self._past = x[-size:].copy()
        self._past_marks = flags[-size:].copy()
        return y[:n], y_marks[:n]


@compiled
def _hold(x: Samples, last: float, marks: Flags) -> Signal:
    y = np.empty(len(x))
    for i in range(len(x)):
        value = x[i]
        if np.isfinite(value):
            last = np.float64(value)
        else:
            marks[i] |= MISSING
        y[i] = last
    return y


@compiled
def _convolve(
    x: Signal,
    flags: Flags,
    first: int,
    limit: int,
    table: Signal,
    at: int,
    part: int,
    step: int,
    step_part: int,
    parts: int,
    reach: int,
    y: Signal,
    y_marks: Flags,
) -> tuple[int, int, int]:
    phases = table.shape[0] - 1
    half = table.shape[1] // 2
    starts, rows = np.empty(len(y), dtype=np.int64), np.empty(len(y), dtype=np.int64)
    n = 0
    while at + half < first + len(x) and (limit < 0 or at < limit):
        starts[n] = at - half + 1 - first
        rows[n] = (part * phases + parts // 2) // parts
        flag = np.uint8(0)
        for j in range(at - reach, at + reach + 2):
            if j - first < len(flags) and (part > 0 or j <= at + reach):
                flag |= flags[j - first]
        y_marks[n] = flag
        n += 1
        at += step
        part += step_part
        if part >= parts:
            part -= parts
            at += 1
    k = 0
    while k + 3 < n:  # four at a time: the processor adds to the others' sums while one is not ready
        a, b, c, d = table[rows[k]], table[rows[k + 1]], table[rows[k + 2]], table[rows[k + 3]]
        p, q, r, s = x[starts[k] :], x[starts[k + 1] :], x[starts[k + 2] :], x[starts[k + 3] :]
        even_a = even_b = even_c = even_d = odd_a = odd_b = odd_c = odd_d = 0.0
        for j in range(0, 2 * half, 2):
            even_a += a[j] * p[j]
            odd_a += a[j + 1] * p[j + 1]
            even_b += b[j] * q[j]
            odd_b += b[j + 1] * q[j + 1]
            even_c += c[j] * r[j]
            odd_c += c[j + 1] * r[j + 1]
            even_d += d[j] * s[j]
            odd_d += d[j + 1] * s[j + 1]
        y[k], y[k + 1], y[k + 2], y[k + 3] = even_a + odd_a, even_b + odd_b, even_c + odd_c, even_d + odd_d
        k += 4
    while k < n:
        a, p = table[rows[k]], x[starts[k] :]
        even_a = odd_a = 0.0
        for j in range(0, 2 * half, 2):
            even_a += a[j] * p[j]
            odd_a += a[j + 1] * p[j + 1]
        y[k] = even_a + odd_a
        k += 1
    return n, at, part
