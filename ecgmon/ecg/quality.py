"""Is the signal fit to be judged? A verdict every 0.2 s, gathered into one a second.

Four things close the gate (:class:`ecgmon.ecg.types.Quality`). All but the first are relative to the
signal itself, since gain and electrodes differ from stream to stream:

flat      for 2 s the signal stayed within 10 microvolt, or within 2 % of the largest range of the last
          minute: no more than a converter's noise. Baseline wander is taken out before, so a constant
          offset is as flat as zero.
clipped   for a tenth of a second in all, within one second, the input repeated exactly its largest or
          smallest value so far, in runs of 40 ms or more.
noisy     between the beats, the fast part of the signal (second difference: above 20 Hz or so) is large
          against the signal's range (muscle, mains), or the range leapt far above that of the last minute
          (electrode motion).
missing   a sample was missing.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg import resample
from ecgmon.ecg.compiled import compiled
from ecgmon.ecg.resample import Flags, Signal
from ecgmon.ecg.rr import median
from ecgmon.ecg.types import FS, Samples

BLOCK: Final = 25
"""Samples in a block: a fifth of a second."""

BLOCKS: Final = FS // BLOCK
"""Blocks in a second."""

FLAT_RANGE: Final = 0.01
FLAT_SHARE: Final = 0.02
FAST_SHARE: Final = 0.07
LEAP: Final = 6.0
"""Limits of the text above: mV, shares of the range, multiple of the usual range."""

CLIP_RUN: Final = 0.040
"""A run of equal extreme values that is no plateau of a wave, in s."""

FLAT, CLIPPED, NOISY, MISSING = 1, 2, 4, 8
"""Bits of a block's verdict."""

_MINUTE: Final = 60
_HISTORY: Final = 2 * BLOCKS
_LOW, _HIGH, _FAST, _CLIPS, _MISSED, _VALUE, _BEFORE, _STARTED, _COUNT, _SECONDS = range(10)
_SIZE: Final = 10


class Clipping:
    """Marks input samples (at the input's rate) that sit on the rail: [n] mV in, flags [n] out."""

    def __init__(self, fs: float) -> None:
        self._run = max(4, round(CLIP_RUN * fs))
        # smallest and largest value, last value and the length of its run
        self._state = np.array([np.inf, -np.inf, np.nan, 0.0])

    def feed(self, x: Samples) -> Flags:
        flags = np.zeros(len(x), dtype=np.uint8)
        _mark_rails(x, flags, self._state, self._run)
        return flags


class Judge:
    """Turns the window path and its flags into one verdict (bits) for each block of 0.2 s."""

    def __init__(self) -> None:
        self.restart(0)

    def restart(self, at: int, *, beside_gap: bool = False) -> None:
        """The signal begins anew at grid index ``at``: nothing is known of its usual range.

        ``beside_gap``: samples before ``at`` are missing, and so is a part of its block unless it starts one.
        """
        self.at = at
        """Grid index of the next sample."""
        self._state = np.zeros(_SIZE)
        self._state[_MISSED] = float(beside_gap and at % BLOCK != 0)
        # of a block: lowest, highest, mean fast part, samples clipped, samples missing
        self._blocks = np.zeros((_HISTORY, 5))
        self._ranges = np.zeros(_MINUTE)

    def feed(self, w: Signal, marks: Flags) -> NDArray[np.uint8]:
        """Window path [n] and its marks [n], aligned. Returns the verdicts of the blocks that these
        complete.
        """
        phase = self.at % BLOCK
        out = np.empty((phase + len(w)) // BLOCK, dtype=np.uint8)
        _judge(w, marks, phase, self._state, self._blocks, self._ranges, out)
        self.at += len(w)
        return out

    def partial(self) -> int:
        """Verdict of a last block that the end of the stream left unfinished."""
        rest = BLOCK - self.at % BLOCK
        held = np.full(rest, self._state[_VALUE])
        return int(self.feed(held, np.zeros(rest, dtype=np.uint8))[0])


@compiled
def _mark_rails(x: Samples, flags: Flags, s: Signal, run: int) -> None:
    for i in range(len(x)):
        value = np.float64(x[i])
        if not np.isfinite(value):
            s[3] = 0.0
            continue
        s[0] = min(s[0], value)
        s[1] = max(s[1], value)
        s[3] = s[3] + 1.0 if value == s[2] else 1.0
        s[2] = value
        if s[3] >= run and s[1] > s[0] and (value in (s[0], s[1])):
            flags[i] = resample.CLIPPED


@compiled
def _judge(w: Signal, marks: Flags, phase: int, s: Signal, blocks: Any, ranges: Signal, out: Flags) -> None:
    n = 0
    for i in range(len(w)):
        value = w[i]
        if s[_STARTED] == 0.0:
            s[_STARTED] = 1.0
            s[_LOW] = s[_HIGH] = s[_VALUE] = s[_BEFORE] = value
        s[_LOW] = min(s[_LOW], value)
        s[_HIGH] = max(s[_HIGH], value)
        s[_FAST] += abs(value - 2.0 * s[_VALUE] + s[_BEFORE])
        s[_BEFORE] = s[_VALUE]
        s[_VALUE] = value
        s[_CLIPS] += (marks[i] & resample.CLIPPED) != 0
        s[_MISSED] += (marks[i] & resample.MISSING) != 0
        if (phase + i + 1) % BLOCK != 0:
            continue
        row = blocks[int(s[_COUNT]) % len(blocks)]
        row[0], row[1], row[2], row[3], row[4] = s[_LOW], s[_HIGH], s[_FAST] / BLOCK, s[_CLIPS], s[_MISSED]
        s[_COUNT] += 1.0
        s[_LOW] = s[_HIGH] = value
        s[_FAST] = s[_CLIPS] = s[_MISSED] = 0.0
        out[n] = _verdict(s, blocks, ranges)
        n += 1


@compiled
def _verdict(s: Signal, blocks: Any, ranges: Signal) -> int:
    count = int(s[_COUNT])
    known = min(count, len(blocks))
    low, high = np.inf, -np.inf
    fast, second_fast, clips = np.inf, np.inf, 0.0
    for j in range(known):
        row = blocks[(count - 1 - j) % len(blocks)]
        low = min(low, row[0])
        high = max(high, row[1])
        if j < BLOCKS:
            clips += row[3]
            second_fast = min(second_fast, max(fast, row[2]))
            fast = min(fast, row[2])
    extent = high - low
    seconds = int(s[_SECONDS])
    usual, largest = _known_ranges(ranges, min(seconds, len(ranges)), extent)
    verdict = 0
    if blocks[(count - 1) % len(blocks), 4] > 0.0:
        verdict |= MISSING
    if known == len(blocks) and (extent < FLAT_RANGE or extent < FLAT_SHARE * largest):
        verdict |= FLAT
    if clips >= 0.1 * FS:
        verdict |= CLIPPED
    if known >= BLOCKS and extent > FLAT_RANGE and second_fast > FAST_SHARE * min(extent, usual):
        verdict |= NOISY
    if seconds >= 10 and extent > LEAP * usual:
        verdict |= NOISY
    if count % BLOCKS == 0 and known == len(blocks) and verdict == 0:
        ranges[seconds % len(ranges)] = extent
        s[_SECONDS] = seconds + 1.0
    return verdict


@compiled
def _known_ranges(ranges: Signal, n: int, extent: float) -> tuple[float, float]:
    """(median, largest) of the first ``n`` ranges; the present ``extent`` while there are none."""
    if n == 0:
        return extent, extent
    largest = ranges[0]
    for i in range(1, n):
        largest = max(largest, ranges[i])
    return median(ranges, n), largest
