"""Is the signal fit to be judged? A verdict every 0.2 s, gathered into one a second.

Four things close the gate (:class:`ecgmon.ecg.types.Quality`). All but the first are relative to the
signal itself, since gain and electrodes differ from stream to stream:

flat      for 2 s the signal stayed within 10 microvolt, or within 2 % of the largest range of the last
          minute: no more than a converter's noise. Baseline wander is taken out before, so a constant
          offset is as flat as zero.
clipped   for a tenth of a second in all, within one second, the input repeated exactly its largest or
          smallest value so far, in runs of 40 ms or more.
noisy     between the beats, the fast part of the signal (second difference: above 20 Hz or so) is large
          against the signal's range (muscle, mains); or the range leapt far above that of the last minute; or
          the baseline wanders while the QRS band is busy between the beats, for seconds (electrode motion),
          or runs so fast meanwhile that there is no need to wait. Where leaps or motion fill half of the last
          seconds the gate stays closed until the signal has been quiet for about as long again: the lulls of
          a disturbance are not to be trusted, and the detector needs some beats to find its way back.
missing   a sample was missing.

What is usual is forgotten after minutes of noise on end, and within seconds where the signal has risen to a
new level and is clean and steady there (:mod:`ecgmon.ecg.level`).

The limits of motion were chosen on DS1 without 118 and 119, with and without recorded noise (em, ma and bw at
24 to -6 dB, :mod:`ecgmon.ecg.noise`): as many false alerts from noise gone as could be without closing the
gate more often on the recordings as they are.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg import level, resample
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

BACKGROUND_SHARE: Final = 0.14
BACKGROUND_RHYTHM: Final = 0.30
WANDER_SHARE: Final = 0.25
MOTION_TIME: Final = 6.0
"""Electrode motion: lowest and highest background as a share of the envelope's peak, least wander as a share
of the usual range, and the time over which they are averaged, in s."""

RUN_SPEED: Final = 0.4
RUN_BACKGROUND: Final = 0.05
"""Motion that is plain at once: mean speed of the baseline over 2 s, up or down, in usual ranges per second,
and least background as a share of the usual range."""

RUN_BLOCKS: Final = 2
"""The baseline is averaged over so many blocks before its speed is taken, 0.4 s: about a beat of a fast
ventricular run, whose wide complexes leave a part of themselves in the baseline."""

HOLD_TIME: Final = 12.0
HOLD_FROM: Final = 0.5
HOLD_UNTIL: Final = 0.25
"""The gate is held from the moment that leaps or motion take up more than the first share of the time,
averaged over so many s, until they take up less than the second."""

FORGET: Final = 300
"""After so many s of noise on end, what was usual is forgotten: it may be the signal that has changed."""

CLIP_RUN: Final = 0.040
"""A run of equal extreme values that is no plateau of a wave, in s."""

FLAT, CLIPPED, NOISY, MISSING = 1, 2, 4, 8
"""Bits of a block's verdict."""

_MINUTE: Final = 60
_HISTORY: Final = 2 * BLOCKS
_LOW, _HIGH, _FAST, _CLIPS, _MISSED, _VALUE, _BEFORE, _STARTED, _COUNT, _SECONDS = range(10)
_WANDER_LOW, _WANDER_HIGH, _PEAK, _BACKGROUND, _WANDER = range(10, 15)
_WANDER_VALUE, _WANDER_SUM, _TROUBLE, _HELD, _CLOSED = range(15, 20)
_SIZE: Final = 20
# of a block
_LOWEST, _HIGHEST, _FASTNESS, _CLIPPED, _MISSING, _WLOW, _WHIGH, _TOP, _MIDDLE, _WMEAN = range(10)


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
        self._blocks = np.zeros((_HISTORY, 10))
        self._envelope = np.zeros(BLOCK)
        self._ranges = np.zeros(_MINUTE)
        self._level = level.state()

    def feed(self, w: Signal, wander: Signal, envelope: Signal, marks: Flags) -> NDArray[np.uint8]:
        """Aligned samples [n]: window path, baseline taken out of it, QRS envelope, marks.

        Returns the verdicts of the blocks that these complete.
        """
        phase = self.at % BLOCK
        out = np.empty((phase + len(w)) // BLOCK, dtype=np.uint8)
        state, blocks, ranges = self._state, self._blocks, self._ranges
        _judge(w, wander, envelope, marks, phase, state, blocks, self._envelope, ranges, self._level, out)
        self.at += len(w)
        return out

    def partial(self) -> int:
        """Verdict of a last block that the end of the stream left unfinished."""
        rest = BLOCK - self.at % BLOCK
        held = np.full(rest, self._state[_VALUE])
        wander = np.full(rest, self._state[_WANDER_VALUE])
        return int(self.feed(held, wander, np.zeros(rest), np.zeros(rest, dtype=np.uint8))[0])


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
def _judge(
    w: Signal, wander: Signal, e: Signal, marks: Flags, phase: int, s: Signal, blocks: Any, envelope: Signal,
    ranges: Signal, risen: Signal, out: Flags,
) -> None:  # fmt: skip
    n = 0
    for i in range(len(w)):
        value = w[i]
        if s[_STARTED] == 0.0:
            s[_STARTED] = 1.0
            s[_LOW] = s[_HIGH] = s[_VALUE] = s[_BEFORE] = value
            s[_WANDER_LOW] = s[_WANDER_HIGH] = s[_WANDER_VALUE] = wander[i]
        s[_LOW] = min(s[_LOW], value)
        s[_HIGH] = max(s[_HIGH], value)
        s[_FAST] += abs(value - 2.0 * s[_VALUE] + s[_BEFORE])
        s[_BEFORE] = s[_VALUE]
        s[_VALUE] = value
        s[_WANDER_LOW] = min(s[_WANDER_LOW], wander[i])
        s[_WANDER_HIGH] = max(s[_WANDER_HIGH], wander[i])
        s[_WANDER_SUM] += wander[i]
        s[_WANDER_VALUE] = wander[i]
        s[_PEAK] = max(s[_PEAK], e[i])
        envelope[(phase + i) % BLOCK] = e[i]
        s[_CLIPS] += (marks[i] & resample.CLIPPED) != 0
        s[_MISSED] += (marks[i] & resample.MISSING) != 0
        if (phase + i + 1) % BLOCK != 0:
            continue
        row = blocks[int(s[_COUNT]) % len(blocks)]
        row[_LOWEST], row[_HIGHEST], row[_FASTNESS] = s[_LOW], s[_HIGH], s[_FAST] / BLOCK
        row[_CLIPPED], row[_MISSING] = s[_CLIPS], s[_MISSED]
        row[_WLOW], row[_WHIGH] = s[_WANDER_LOW], s[_WANDER_HIGH]
        row[_TOP], row[_MIDDLE], row[_WMEAN] = s[_PEAK], median(envelope, BLOCK), s[_WANDER_SUM] / BLOCK
        s[_COUNT] += 1.0
        s[_LOW] = s[_HIGH] = value
        s[_WANDER_LOW] = s[_WANDER_HIGH] = wander[i]
        s[_FAST] = s[_CLIPS] = s[_MISSED] = s[_PEAK] = s[_WANDER_SUM] = 0.0
        out[n] = _verdict(s, blocks, ranges, risen)
        n += 1


@compiled
def _verdict(s: Signal, blocks: Any, ranges: Signal, risen: Signal) -> int:
    count = int(s[_COUNT])
    known = min(count, len(blocks))
    low, high = np.inf, -np.inf
    fast, second_fast, clips = np.inf, np.inf, 0.0
    for j in range(known):
        row = blocks[(count - 1 - j) % len(blocks)]
        low = min(low, row[_LOWEST])
        high = max(high, row[_HIGHEST])
        if j < BLOCKS:
            clips += row[_CLIPPED]
            second_fast = min(second_fast, max(fast, row[_FASTNESS]))
            fast = min(fast, row[_FASTNESS])
    extent = high - low
    seconds = int(s[_SECONDS])
    usual, largest = _known_ranges(ranges, min(seconds, len(ranges)), extent)
    full = known == len(blocks)
    verdict = 0
    if blocks[(count - 1) % len(blocks), _MISSING] > 0.0:
        verdict |= MISSING
    if full and (extent < FLAT_RANGE or extent < FLAT_SHARE * largest):
        verdict |= FLAT
    if clips >= 0.1 * FS:
        verdict |= CLIPPED
    muscle = known >= BLOCKS and extent > FLAT_RANGE and second_fast > FAST_SHARE * min(extent, usual)
    leap = seconds >= 10 and extent > LEAP * usual
    motion = full and not muscle and _in_motion(s, blocks, usual)
    trouble = leap or motion or (full and _runs(blocks, count, usual))
    held = _hold(s, trouble)
    if muscle or trouble or held:
        verdict |= NOISY
    if full and count % BLOCKS == 0:
        _remember(s, ranges, extent, verdict)
        clean = verdict in (0, NOISY) and _is_clean(blocks, extent, second_fast)
        if level.has_risen(extent, usual if verdict == NOISY else np.inf, clean, risen):
            s[_SECONDS] = s[_CLOSED] = s[_TROUBLE] = s[_HELD] = 0.0
    return verdict


@compiled
def _is_clean(blocks: Any, extent: float, fast: float) -> bool:
    """Whether the last 2 s, by their own range ``extent``, show neither muscle noise nor any motion."""
    between = median(blocks[:, _MIDDLE], len(blocks))
    busy = between > BACKGROUND_SHARE * np.max(blocks[:, _TOP])
    wanders = np.max(blocks[:, _WHIGH]) - np.min(blocks[:, _WLOW]) > WANDER_SHARE * extent
    return bool(fast <= FAST_SHARE * extent and not busy and not wanders)


@compiled
def _hold(s: Signal, trouble: bool) -> bool:
    """Whether the gate is held because ``trouble``, leaps or motion, has filled the last seconds."""
    s[_TROUBLE] += ((1.0 if trouble else 0.0) - s[_TROUBLE]) / (HOLD_TIME * BLOCKS)
    held = s[_TROUBLE] > (HOLD_UNTIL if s[_HELD] > 0.0 else HOLD_FROM)
    s[_HELD] = 1.0 if held else 0.0
    return bool(held)


@compiled
def _remember(s: Signal, ranges: Signal, extent: float, verdict: int) -> None:
    """At the end of a second: its range is usual if it was good; noise without end makes all forgotten."""
    seconds = int(s[_SECONDS])
    if verdict == 0:
        ranges[seconds % len(ranges)] = extent
        s[_SECONDS] = seconds + 1.0
    s[_CLOSED] = s[_CLOSED] + 1.0 if verdict & NOISY else 0.0
    if s[_CLOSED] >= FORGET:
        s[_SECONDS] = s[_CLOSED] = 0.0


@compiled
def _in_motion(s: Signal, blocks: Any, usual: float) -> bool:
    """Electrode motion: for some seconds, both much wander and much in the QRS band between the beats.

    Either alone is harmless: a wandering baseline is taken out, and a fast broad rhythm fills the band, most
    of all flutter, which the upper limit on the background lets through.
    """
    low, high = np.min(blocks[:, _WLOW]), np.max(blocks[:, _WHIGH])
    top = np.max(blocks[:, _TOP])
    if top <= 0.0 or usual <= 0.0:
        return False
    share = 1.0 / (MOTION_TIME * BLOCKS)
    background = median(blocks[:, _MIDDLE], len(blocks)) / top
    s[_BACKGROUND] += share * (background - s[_BACKGROUND])
    s[_WANDER] += share * (min((high - low) / usual, 1.0) - s[_WANDER])
    busy = s[_BACKGROUND] > BACKGROUND_SHARE
    rhythm = max(background, s[_BACKGROUND]) >= BACKGROUND_RHYTHM
    return busy and not rhythm and s[_WANDER] > WANDER_SHARE


@compiled
def _runs(blocks: Any, count: int, usual: float) -> bool:
    """Electrode motion, plain at once: the averaged baseline runs, and the QRS band is not quiet between the
    beats. A fast broad rhythm is let through as in :func:`_in_motion`.
    """
    between = median(blocks[:, _MIDDLE], len(blocks))
    if between <= RUN_BACKGROUND * usual or between >= BACKGROUND_RHYTHM * np.max(blocks[:, _TOP]):
        return False
    n = len(blocks) - RUN_BLOCKS
    path = 0.0
    for j in range(n):
        newer = blocks[(count - 1 - j) % len(blocks), _WMEAN]
        path += abs(newer - blocks[(count - 1 - j - RUN_BLOCKS) % len(blocks), _WMEAN])
    speed = path * BLOCKS / (n * RUN_BLOCKS)
    return bool(speed > RUN_SPEED * usual)


@compiled
def _known_ranges(ranges: Signal, n: int, extent: float) -> tuple[float, float]:
    """(median, largest) of the first ``n`` ranges; the present ``extent`` while there are none."""
    if n == 0:
        return extent, extent
    largest = ranges[0]
    for i in range(1, n):
        largest = max(largest, ranges[i])
    return median(ranges, n), largest
