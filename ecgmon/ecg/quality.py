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


FORM: Final = np.dtype(
    [
        ("proper", "f8", (_SIZE,)),
        ("blocks", "f8", (_HISTORY, 10)),  # the last ones
        ("envelope", "f8", (BLOCK,)),  # of the block that is not full
        ("ranges", "f8", (_MINUTE,)),  # of the last minute's good seconds
        ("usual", "f8", (2,)),  # their median and largest
        ("level", "f8", (len(level.state()),)),
    ],
    align=True,
)
"""State of the judge; all zeros: nothing seen."""


def restart(at: int, beside_gap: bool, s: Any) -> None:
    """The signal begins at grid index ``at``, nothing seen. ``beside_gap``: samples before ``at`` are
    missing, and so is a part of its block unless it starts one.
    """
    for name in FORM.names or ():
        s[name] = 0.0
    s["proper"][_MISSED] = float(beside_gap and at % BLOCK != 0)


def rails() -> Signal:
    """State of :func:`mark_rails`: smallest and largest value, last value and the length of its run."""
    return np.array([np.inf, -np.inf, np.nan, 0.0])


def shortest_run(fs: float) -> int:
    """Samples of a run on the rail, at the input's rate."""
    return max(4, round(CLIP_RUN * fs))


@compiled
def mark_rails(x: Samples, flags: Flags, s: Signal, run: int) -> None:
    """Marks input samples [n], mV, at the input's rate, that sit on the rail for ``run`` samples or more."""
    low, high, last, length = s[0], s[1], s[2], s[3]
    for i in range(len(x)):
        value = np.float64(x[i])
        if not np.isfinite(value):
            length = 0.0
            continue
        low, high = min(low, value), max(high, value)
        length = length + 1.0 if value == last else 1.0
        last = value
        if length >= run and high > low and (value in (low, high)):
            flags[i] = resample.CLIPPED
    s[0], s[1], s[2], s[3] = low, high, last, length


@compiled
def judge(w: Signal, wander: Signal, e: Signal, marks: Flags, at: int, j: Any, verdicts: Flags) -> int:
    """Aligned samples [n], the first of them number ``at``: window path, baseline taken out of it, QRS
    envelope, marks.

    Fills ``verdicts`` (bits) of the blocks of 0.2 s that these complete; returns how many.
    """
    s = j.proper
    if s[_STARTED] == 0.0 and len(w) > 0:
        s[_STARTED] = 1.0
        s[_LOW] = s[_HIGH] = s[_VALUE] = s[_BEFORE] = w[0]
        s[_WANDER_LOW] = s[_WANDER_HIGH] = s[_WANDER_VALUE] = wander[0]
    start = n = 0
    while start < len(w):
        phase = (at + start) % BLOCK
        end = min(start + BLOCK - phase, len(w))
        _take(w[start:end], wander[start:end], e[start:end], marks[start:end], s)
        for i in range(start, end):
            j.envelope[phase + i - start] = e[i]
        start = end
        if (at + end) % BLOCK == 0:
            _close_block(j)
            verdicts[n] = _verdict(j)
            n += 1
    return n


@compiled
def judge_rest(at: int, j: Any) -> int:
    """Verdict of a last block that the end of the stream, before sample ``at``, left unfinished: the last
    value is held, and the envelope is nothing."""
    s = j.proper
    for i in range(at % BLOCK, BLOCK):
        s[_FAST] += abs(s[_BEFORE] - s[_VALUE])
        s[_BEFORE] = s[_VALUE]
        s[_WANDER_SUM] += s[_WANDER_VALUE]
        j.envelope[i] = 0.0
    _close_block(j)
    return _verdict(j)


@compiled
def _take(w: Signal, wander: Signal, e: Signal, marks: Flags, s: Signal) -> None:
    """Samples of one block."""
    low, high, fast, value, before = s[_LOW], s[_HIGH], s[_FAST], s[_VALUE], s[_BEFORE]
    wander_low, wander_high, total, peak = s[_WANDER_LOW], s[_WANDER_HIGH], s[_WANDER_SUM], s[_PEAK]
    clips, missed = 0, 0
    for i in range(len(w)):
        fast += abs(w[i] - 2.0 * value + before)
        before = value
        value = w[i]
        low, high = min(low, value), max(high, value)
        wander_low, wander_high = min(wander_low, wander[i]), max(wander_high, wander[i])
        total += wander[i]
        peak = max(peak, e[i])
        clips += (marks[i] & resample.CLIPPED) != 0
        missed += (marks[i] & resample.MISSING) != 0
    s[_LOW], s[_HIGH], s[_FAST], s[_VALUE], s[_BEFORE] = low, high, fast, value, before
    s[_WANDER_LOW], s[_WANDER_HIGH], s[_WANDER_SUM], s[_PEAK] = wander_low, wander_high, total, peak
    s[_WANDER_VALUE] = wander[-1]
    s[_CLIPS] += clips
    s[_MISSED] += missed


@compiled
def _close_block(j: Any) -> None:
    s = j.proper
    row = j.blocks[int(s[_COUNT]) % _HISTORY]
    row[_LOWEST], row[_HIGHEST], row[_FASTNESS] = s[_LOW], s[_HIGH], s[_FAST] / BLOCK
    row[_CLIPPED], row[_MISSING] = s[_CLIPS], s[_MISSED]
    row[_WLOW], row[_WHIGH] = s[_WANDER_LOW], s[_WANDER_HIGH]
    row[_TOP], row[_MIDDLE], row[_WMEAN] = s[_PEAK], median(j.envelope[:], BLOCK), s[_WANDER_SUM] / BLOCK
    s[_COUNT] += 1.0
    s[_LOW] = s[_HIGH] = s[_VALUE]
    s[_WANDER_LOW] = s[_WANDER_HIGH] = s[_WANDER_VALUE]
    s[_FAST] = s[_CLIPS] = s[_MISSED] = s[_PEAK] = s[_WANDER_SUM] = 0.0


@compiled
def _verdict(m: Any) -> int:
    s, blocks = m.proper, m.blocks
    count = int(s[_COUNT])
    known = min(count, _HISTORY)
    low, high = np.inf, -np.inf
    fast, second_fast, clips = np.inf, np.inf, 0.0
    for j in range(known):
        i = (count - 1 - j) % _HISTORY
        low = min(low, blocks[i, _LOWEST])
        high = max(high, blocks[i, _HIGHEST])
        if j < BLOCKS:
            clips += blocks[i, _CLIPPED]
            second_fast = min(second_fast, max(fast, blocks[i, _FASTNESS]))
            fast = min(fast, blocks[i, _FASTNESS])
    extent = high - low
    seconds = int(s[_SECONDS])
    usual, largest = (m.usual[0], m.usual[1]) if seconds > 0 else (extent, extent)
    full = known == _HISTORY
    verdict = 0
    if blocks[(count - 1) % _HISTORY, _MISSING] > 0.0:
        verdict |= MISSING
    if full and (extent < FLAT_RANGE or extent < FLAT_SHARE * largest):
        verdict |= FLAT
    if clips >= 0.1 * FS:
        verdict |= CLIPPED
    muscle = known >= BLOCKS and extent > FLAT_RANGE and second_fast > FAST_SHARE * min(extent, usual)
    leap = seconds >= 10 and extent > LEAP * usual
    between, top, wander = _lately(blocks) if full else (0.0, 0.0, 0.0)
    motion = full and not muscle and _in_motion(s, between, top, wander, usual)
    trouble = leap or motion or (full and _runs(blocks, count, between, top, usual))
    held = _hold(s, trouble)
    if muscle or trouble or held:
        verdict |= NOISY
    if full and count % BLOCKS == 0:
        _remember(m, extent, verdict)
        clean = verdict in (0, NOISY) and _is_clean(between, top, wander, extent, second_fast)
        if level.has_risen(extent, usual if verdict == NOISY else np.inf, clean, m.level[:]):
            s[_SECONDS] = s[_CLOSED] = s[_TROUBLE] = s[_HELD] = 0.0
        if verdict == 0:
            _renew_usual(min(int(s[_SECONDS]), _MINUTE), m)
    return verdict


@compiled
def _lately(blocks: Any) -> tuple[float, float, float]:
    """Over the last 2 s, all blocks: median of the envelope's medians, its peak, range of the baseline."""
    top, low, high = blocks[0, _TOP], blocks[0, _WLOW], blocks[0, _WHIGH]
    middles = np.empty(_HISTORY)
    for i in range(_HISTORY):
        middles[i] = blocks[i, _MIDDLE]
        top = max(top, blocks[i, _TOP])
        low, high = min(low, blocks[i, _WLOW]), max(high, blocks[i, _WHIGH])
    return median(middles, _HISTORY), top, high - low


@compiled
def _is_clean(between: float, top: float, wander: float, extent: float, fast: float) -> bool:
    """Whether the last 2 s, by their own range ``extent``, show neither muscle noise nor any motion."""
    busy = between > BACKGROUND_SHARE * top
    return bool(fast <= FAST_SHARE * extent and not busy and not wander > WANDER_SHARE * extent)


@compiled
def _hold(s: Signal, trouble: bool) -> bool:
    """Whether the gate is held because ``trouble``, leaps or motion, has filled the last seconds."""
    s[_TROUBLE] += ((1.0 if trouble else 0.0) - s[_TROUBLE]) / (HOLD_TIME * BLOCKS)
    held = s[_TROUBLE] > (HOLD_UNTIL if s[_HELD] > 0.0 else HOLD_FROM)
    s[_HELD] = 1.0 if held else 0.0
    return bool(held)


@compiled
def _remember(m: Any, extent: float, verdict: int) -> None:
    """At the end of a second: its range is usual if it was good; noise without end makes all forgotten."""
    s = m.proper
    seconds = int(s[_SECONDS])
    if verdict == 0:
        m.ranges[seconds % _MINUTE] = extent
        s[_SECONDS] = seconds + 1.0
    s[_CLOSED] = s[_CLOSED] + 1.0 if verdict & NOISY else 0.0
    if s[_CLOSED] >= FORGET:
        s[_SECONDS] = s[_CLOSED] = 0.0


@compiled
def _in_motion(s: Signal, between: float, top: float, wander: float, usual: float) -> bool:
    """Electrode motion: for some seconds, both much wander and much in the QRS band between the beats.

    Either alone is harmless: a wandering baseline is taken out, and a fast broad rhythm fills the band, most
    of all flutter, which the upper limit on the background lets through.
    """
    if top <= 0.0 or usual <= 0.0:
        return False
    share = 1.0 / (MOTION_TIME * BLOCKS)
    background = between / top
    s[_BACKGROUND] += share * (background - s[_BACKGROUND])
    s[_WANDER] += share * (min(wander / usual, 1.0) - s[_WANDER])
    busy = s[_BACKGROUND] > BACKGROUND_SHARE
    rhythm = max(background, s[_BACKGROUND]) >= BACKGROUND_RHYTHM
    return busy and not rhythm and s[_WANDER] > WANDER_SHARE


@compiled
def _runs(blocks: Any, count: int, between: float, top: float, usual: float) -> bool:
    """Electrode motion, plain at once: the averaged baseline runs, and the QRS band is not quiet between the
    beats. A fast broad rhythm is let through as in :func:`_in_motion`.
    """
    if between <= RUN_BACKGROUND * usual or between >= BACKGROUND_RHYTHM * top:
        return False
    n = _HISTORY - RUN_BLOCKS
    path = 0.0
    for j in range(n):
        newer = blocks[(count - 1 - j) % _HISTORY, _WMEAN]
        path += abs(newer - blocks[(count - 1 - j - RUN_BLOCKS) % _HISTORY, _WMEAN])
    speed = path * BLOCKS / (n * RUN_BLOCKS)
    return bool(speed > RUN_SPEED * usual)


@compiled
def _renew_usual(n: int, m: Any) -> None:
    """Median and largest of the first ``n`` ranges."""
    m.usual[0] = median(m.ranges[:], n)
    m.usual[1] = 0.0
    for i in range(n):
        m.usual[1] = max(m.usual[1], m.ranges[i])
