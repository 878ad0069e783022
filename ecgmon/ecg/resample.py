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
from functools import lru_cache
from typing import Any, Final

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


TERMS: Final = np.dtype(
    [("fs", "f8"), ("half", "i8"), ("step", "i8"), ("step_part", "i8"), ("parts", "i8"), ("kept", "i8")],
    align=True,
)
"""What is the same for the whole of a stream: rate of the input, Hz; input samples that the kernel reaches to
either side; from one output sample to the next, ``step`` + ``step_part`` / ``parts``; and input samples
that are remembered."""

_most_kept: Final = 2 * math.ceil(HALF_WIDTH * HIGHEST) + int(HIGHEST) // FS + 2
FORM: Final = np.dtype(
    [
        ("past", "f8", (_most_kept,)),
        ("past_marks", "u1", (_most_kept,)),
        ("fresh", "i8"),  # nothing came yet, or since a gap
        ("samples_in", "i8"),  # input samples covered so far, gaps included
        ("samples_out", "i8"),  # index on the 125 Hz grid of the next output sample, gaps included
        ("at", "i8"),  # input sample at or before the next output sample ...
        ("part", "i8"),  # ... and how far behind it that stands, in 1 / parts
    ],
    align=True,
)
"""State of one stream."""


def check_rate(fs: float) -> float:
    """``fs`` when it is a rate that the frontend takes; else :class:`DataError`."""
    if not (LOWEST <= fs <= HIGHEST):
        raise DataError(
            f"sampling rate {fs:g} Hz: ecgmon takes {LOWEST:g} to {HIGHEST:g} Hz; resample the data first"
        )
    return float(fs)


@lru_cache(maxsize=8)  # a table of an odd rate is 170 KB; streams hold their own
def design(fs: float) -> tuple[Signal, Any]:
    """The kernels [phases + 1, 2 * half] and the record of :data:`TERMS` for input at ``fs`` Hz;
    :class:`DataError` when that is no rate for us."""
    check_rate(fs)
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
    kept = 2 * half + int(fs) // FS + 2
    return table, np.array((fs, half, numerator // parts, numerator % parts, parts, kept), TERMS)


def restart(s: Any) -> None:
    """Nothing of what came is remembered; the next sample is taken to have stood there before."""
    s["past"], s["past_marks"], s["fresh"] = 0.0, 0, 1


def skip(samples: int, terms: Any, s: Any) -> None:
    """After :func:`finish`: ``samples`` input samples are missing."""
    parts = int(terms["parts"])
    covered = int(s["samples_in"]) + samples
    total = int(s["at"]) * parts + int(s["part"])
    step = int(terms["step"]) * parts + int(terms["step_part"])
    steps = max(0, -(-(covered * parts - total) // step))
    s["at"], s["part"] = divmod(total + steps * step, parts)
    s["samples_in"], s["samples_out"] = covered, int(s["samples_out"]) + steps
    restart(s)


@compiled
def take(
    x: Samples, line: Signal, flags: Flags, table: Signal, t: Any, s: Any, y: Signal, y_marks: Flags
) -> int:
    """Input [n] in mV to output ``y`` in mV at 125 Hz with its marks; returns how many samples.

    ``line`` and ``flags`` are room for ``t.kept`` + n. In the flags, from ``t.kept`` on, stand bits of the
    input samples, which an output sample takes over from those beside it; ``MISSING`` is added where the
    input is NaN or infinite: there the last value is held (zero when there is none yet). Before the first
    sample the stream is taken to have held its value.
    """
    n, kept = len(x), t.kept
    if n == 0:
        return 0
    last = s.past[kept - 1]
    for i in range(n):
        value = np.float64(x[i])
        if np.isfinite(value):
            last = value
        else:
            flags[kept + i] |= MISSING
        line[kept + i] = last
    for i in range(kept):
        line[i] = line[kept] if s.fresh else s.past[i]
        flags[i] = s.past_marks[i]
    s.fresh = 0
    s.samples_in += n
    m = _convolve(line[: kept + n], flags, s.samples_in - kept - n, -1, table, t, s, y, y_marks)
    for i in range(kept):
        s.past[i] = line[n + i]
        s.past_marks[i] = flags[n + i]
    return m


@compiled
def finish(line: Signal, flags: Flags, table: Signal, t: Any, s: Any, y: Signal, y_marks: Flags) -> int:
    """What is left at the end of the stream, as :func:`take`; the last value is held to complete it."""
    kept = t.kept
    for i in range(kept + t.half):
        line[i] = s.past[min(i, kept - 1)]
        flags[i] = s.past_marks[min(i, kept - 1)]
    covered = s.samples_in
    return _convolve(line[: kept + t.half], flags, covered - kept, covered, table, t, s, y, y_marks)


@compiled
def _convolve(
    x: Signal,
    flags: Flags,
    first: int,
    limit: int,
    table: Signal,
    t: Any,
    own: Any,
    y: Signal,
    y_marks: Flags,
) -> int:
    """``x`` begins with input sample ``first``; output samples stand before input sample ``limit``, -1 for no
    limit."""
    at, part, half, parts = own.at, own.part, t.half, t.parts
    phases = table.shape[0] - 1
    reach = int(t.fs) // (2 * FS)
    starts, rows = np.empty(len(y), dtype=np.int64), np.empty(len(y), dtype=np.int64)
    n = 0
    while at + half < first + len(x) and (limit < 0 or at < limit):
        starts[n] = at - half + 1 - first
        rows[n] = (part * phases + parts // 2) // parts
        flag = np.uint8(0)
        for j in range(at - reach, at + reach + 2):
            if j - first < len(x) and (part > 0 or j <= at + reach):
                flag |= flags[j - first]
        y_marks[n] = flag
        n += 1
        at += t.step
        part += t.step_part
        if part >= parts:
            part -= parts
            at += 1
    own.at, own.part = at, part
    own.samples_out += n
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
    return n
