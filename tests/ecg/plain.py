"""The signal path as one would first write it: a whole signal at a time, one stage after the other, in numpy.

No pieces, no rings, nothing kept up from sample to sample: what :mod:`ecgmon.ecg.step` does in one
compiled step must give the same beats and seconds to the bit. Detector and judge of quality are the compiled
ones, over the whole signal at once.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg import beats, filters, quality, resample, rr
from ecgmon.ecg.quality import BLOCK, BLOCKS
from ecgmon.ecg.types import FS, R_INDEX, WINDOW, Samples
from tests.ecg import stages

Row = tuple[Any, ...]
Floats = NDArray[np.float64]


def held(y: Floats, before: int, behind: int) -> Floats:
    return np.asarray(np.concatenate((np.full(before, y[0]), y, np.full(behind, y[-1]))))


def medians(y: Floats, n: int) -> Floats:
    """Of the last ``n`` values, the first one held before the beginning."""
    windows = np.lib.stride_tricks.sliding_window_view(held(y, n - 1, 0), n)
    return np.asarray(np.sort(windows, axis=1)[:, n // 2])


def without_baseline(y: Floats) -> Floats:
    late = held(y, 0, filters.BASELINE_DELAY)
    middle = medians(medians(late, filters.FIRST_MEDIAN), filters.SECOND_MEDIAN)
    ring, base = [y[0]] * filters.SMOOTHING, []
    for k, value in enumerate(middle):
        ring[k % filters.SMOOTHING] = value
        total = 0.0
        for each in ring:
            total += each
        base.append(total / filters.SMOOTHING)
    return np.asarray(y - np.array(base[filters.BASELINE_DELAY :]))


def envelope(y: Floats) -> Floats:
    joined = held(y, filters.ENVELOPE_DELAY, filters.ENVELOPE_DELAY)
    even, odd = np.zeros(len(y)), np.zeros(len(y))
    for j in range(2 * filters.ENVELOPE_DELAY + 1):
        even += filters._EVEN[j] * joined[j : j + len(y)]
        odd += filters._ODD[j] * joined[j : j + len(y)]
    return np.asarray(np.sqrt(even * even + odd * odd))


class Rhythm:
    """As :mod:`ecgmon.ecg.rhythm`, from lists of all that there was."""

    def __init__(self) -> None:
        self.last, self.good, self.before, self.apart = math.nan, True, math.nan, 0
        self.intervals: list[float] = []
        self.evened: list[float] = []
        self.logs: list[float] = []
        self.blocked = 0

    @property
    def usual(self) -> float:
        return float(np.median(self.intervals[-rr.RECENT :])) if self.intervals else math.nan

    def basic(self) -> float:
        known = self.evened[-rr.BASIC :]
        if len(known) < rr.LEAST_KNOWN:
            return math.nan
        # in the order of the ring: the mean's last digit hangs on it
        turned = len(self.evened) % rr.BASIC if len(known) == rr.BASIC else 0
        ring = known[len(known) - turned :] + known[: len(known) - turned]
        ordered, at = sorted(known), rr.SLOW * (len(known) - 1)
        low = int(at)
        high = ordered[min(low + 1, len(known) - 1)]
        return max(ordered[low] + (at - low) * (high - ordered[low]), float(np.mean(ring)))

    def irregularity(self) -> float:
        found = []
        for cycle in rr.CYCLES:
            first = max(len(self.logs) - rr.COMPARED, cycle)
            changes = [abs(self.logs[i] - self.logs[i - cycle]) for i in range(first, len(self.logs))]
            changes = [change for change in changes if not math.isnan(change)]
            if len(changes) >= rr.LEAST_KNOWN:
                found.append(float(np.median(changes)))
        return min(found, default=math.nan)

    def beat(self, r: float, *, good: bool) -> tuple[float, float, float]:
        interval, known, basic, irregular = r - self.last, self.good, self.basic(), self.irregularity()
        self.last, self.good = r, good
        normal = rr.SHORTEST <= interval <= rr.LONGEST
        self.intervals += [interval] if normal else []
        if not (good and known):
            self.before = math.nan
            self.logs += [math.nan] if self.apart < max(rr.CYCLES) else []
            self.apart += 1
            return interval if known else math.nan, basic, irregular
        self.apart = 0
        limited = min(max(interval, rr.SHORTEST), rr.LONGEST)
        self.logs.append(math.nan if math.isnan(interval) else math.log(limited))
        if normal:
            self.evened.append(self.even(interval, basic))
        self.before = interval
        return interval, basic, irregular

    def even(self, interval: float, basic: float) -> float:
        if self.before < rr.EARLY * basic:
            interval = min(interval, (self.before + interval) / 2)
        if len(self.evened) >= rr.LEAST_KNOWN:
            usual = float(np.median(self.evened[-rr.RECENT :]))
            for times in rr.BLOCKED:
                if abs(interval / usual - times) < rr.NEAR * times:
                    self.blocked += 1
                    return interval / times if self.blocked <= rr.BLOCKS_ON_END else interval
        self.blocked = 0
        return interval


def longest_run(missing: NDArray[np.bool_]) -> int:
    edges = np.flatnonzero(np.diff(np.r_[False, missing, False].astype(int)))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def cut(w: Floats, at: int, *, kachuee: bool, usual: float) -> Samples:
    window = np.zeros(WINDOW, np.float32)
    length = WINDOW
    if kachuee:
        usual = usual if math.isfinite(usual) else beats.KACHUEE_RR
        length = min(WINDOW, max(2, round(beats.KACHUEE_PART * usual * FS)))
    first = at if kachuee else at - R_INDEX
    part = w[np.clip(np.arange(first, first + length), 0, len(w) - 1)]
    if kachuee:
        low, high = part.min(), part.max()
        part = (part - low) / (high - low) if high > low else np.zeros(length)
    window[:length] = part
    return window


def run(x: Samples, fs: float, *, kachuee: bool = False) -> tuple[list[Row], list[Row]]:
    """Beats and whole seconds of a recording, as rows of plain values."""
    resampler = stages.Resampler(fs)
    (y, marks), (y_rest, marks_rest) = resampler.feed(x, stages.on_rails(x, fs)), resampler.flush()
    y, marks = np.concatenate((y, y_rest)), np.concatenate((marks, marks_rest))
    w, e = without_baseline(y), envelope(y)
    verdicts = stages.verdicts(w, y - w, e, marks)
    seconds = [second(k, y, w, verdicts[k * BLOCKS : (k + 1) * BLOCKS]) for k in range(len(y) // FS)]

    rhythm, sign, last = Rhythm(), 0.0, 0
    sizes: list[float] = []
    found: list[Row] = []
    for hump, decided in stages.humps(e, y, stages.blocked(marks)):
        usual = rhythm.usual
        _, after = beats.span(kachuee, usual)
        complete = -(-(hump + beats.REACH + max(after, beats.QRS) + 1) // BLOCK) * BLOCK
        start = max(0, hump - 2 * WINDOW)
        place, side = beats.locate(w[start:], hump - start, float(np.sign(sign)))
        sign += 0.125 * (side - sign)
        at = round(start + place)
        lost = longest_run((marks[last:at] & resample.MISSING) != 0) >= FS // 5
        if at - last > 10 * FS or lost:
            rhythm.last = math.nan
        last = at
        before = beats.QRS if kachuee else R_INDEX
        reach = (at - before, at + max(after, beats.QRS))
        good = reach[0] >= 0 and reach[1] < len(w)
        good = good and not any(verdicts[reach[0] // BLOCK : reach[1] // BLOCK + 1])
        intervals = rhythm.beat((start + place) / FS, good=good)
        part = w[max(0, at - beats.QRS) : at + beats.QRS + 1]
        size = float(part.max() - part.min())
        sizes += [size] if good else []
        scale = max(float(np.median(sizes[-rr.SIZES :])) if sizes else size, rr.SMALLEST_SCALE)
        due = max(decided + filters.ENVELOPE_DELAY, complete - 1 + filters.BASELINE_DELAY) / FS
        ready = min(len(x) / fs, resampler.delay + due)
        window = cut(w, at, kachuee=kachuee, usual=usual).tobytes()
        found.append(
            (len(found), (start + place) / FS, ready, window, scale, *map(repr, intervals), good, size)
        )
    return found, seconds


def second(k: int, y: Floats, w: Floats, verdicts: list[int]) -> Row:
    bits = int(np.bitwise_or.reduce(verdicts))
    span = slice(k * FS, (k + 1) * FS)
    extents = tuple(np.ptp(w[span].reshape(BLOCKS, BLOCK), axis=1).tolist())
    partial = bool(bits & quality.MISSING) and not all(each & quality.MISSING for each in verdicts)
    return k, bits, extents, float(np.ptp(y[span] - w[span])), partial
