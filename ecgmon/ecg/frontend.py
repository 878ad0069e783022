"""One lead in, beats and signal quality out, as a stream.

    samples ─▶ Resampler ─┬▶ Baseline ─▶ windows, R-peak place, quality
              125 Hz      └▶ Envelope ─▶ Detector ─▶ humps

Results do not depend on how the samples are cut into chunks. ``Beat.ready`` says when a beat was complete:
its window has ended, the filters' delay has passed, the detector has decided, and the quality of the
window's span is known.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg import beats, filters, quality, resample, rpeaks, rr, shapes, types
from ecgmon.ecg.compiled import compiled
from ecgmon.ecg.fingerprints import fingerprint_of
from ecgmon.ecg.quality import BLOCK, BLOCKS
from ecgmon.ecg.resample import Flags, Resampler, Signal
from ecgmon.ecg.rpeaks import Detector
from ecgmon.ecg.rr import Rhythm, Size
from ecgmon.ecg.track import PIECE, Track
from ecgmon.ecg.types import FS, WINDOW, Beat, Layout, Quality, Samples
from ecgmon.errors import DataError

DESIGN: Final = 6
"""Of the signal path, for :func:`fingerprint`."""

_LONGEST_RR: Final = 10 * FS
"""A beat that comes later than this after the last one has no RR interval. Less than ``KEEP`` and the
slowest decision's 10 s allow, so that what lies between two beats is still known when it is asked for."""

_BLOCKED_RUN: Final = 5
_BLOCKED_REACH: Final = filters.ENVELOPE_DELAY + math.ceil(resample.HALF_WIDTH * FS)
"""A run of so many missing samples (40 ms) takes so many to either side with it: the reach of the filters."""

_VERDICTS: Final = 1024
"""Blocks whose verdict is remembered: more than a piece and what is kept behind it."""

_LOST_RUN: Final = FS // 5
"""Missing samples (0.2 s) that may have hidden a beat: no RR interval is given across them."""

MAX_GAP_VERDICTS: Final = 3600
"""A gap of more than an hour is reported for its last hour only."""


@dataclass
class Output:
    """What one call completed, in the order of the stream."""

    beats: list[Beat] = field(default_factory=list)
    quality: list[Quality] = field(default_factory=list)


def fingerprint() -> str:
    """A short hash over every constant of the signal path: a model belongs to the frontend it learned behind.

    A change of the algorithm that changes no constant must change ``DESIGN``.
    """
    return fingerprint_of(DESIGN, types, resample, filters, rpeaks, shapes, beats, rr, quality)


class Frontend:
    """The signal path of one stream and one lead.

    fs       rate of the input, 100 to 1000 Hz; else :class:`ecgmon.errors.DataError`
    layout   which window a beat gets
    r_peaks  [n] stream times in s, ascending, to take for beats instead of the detector's; each is still
             moved to the dominant deflection nearby
    """

    def __init__(
        self, fs: float, *, layout: Layout = "centred", r_peaks: NDArray[np.float64] | None = None
    ) -> None:
        self._resampler = Resampler(fs)
        self._layout: Layout = layout
        self._detects = r_peaks is None
        self._baseline = filters.Baseline()
        self._envelope = filters.Envelope()
        self._detector = Detector()
        self._clipping = quality.Clipping(fs)
        self._judge = quality.Judge()
        self._rhythm = Rhythm()
        self._size = Size()
        self._marks = Track(np.uint8)
        self._signal = Track(np.float64)
        self._window = Track(np.float64)
        self._qrs = Track(np.float64)
        self._blocker = Blocker()
        self._humps: deque[tuple[int, int]] = deque()  # (place, sample of the 125 Hz grid that decided it)
        if r_peaks is not None:
            self._humps.extend((round(float(r) * FS), 0) for r in np.sort(r_peaks))
        # verdicts of the last blocks, by block modulo their number
        self._verdicts = np.zeros(_VERDICTS, dtype=np.uint8)
        self._second = 0
        self._sign = 0.0
        self._index = 0
        self._last = 0  # sample of the last beat's R-peak
        self._begin = 0  # first sample since the last gap
        self._gap_rest = 0.0
        self.fs = self._resampler.fs
        self.delay = self._resampler.delay + filters.BASELINE_DELAY / FS
        """Seconds from a sample to its appearance behind resampler and filters."""

    @property
    def now(self) -> float:
        """Stream time covered so far, in s, gaps included."""
        return self._resampler.samples_in / self.fs

    def feed(self, x: Samples) -> Output:
        """The next samples, [n] mV; NaN or infinite = missing. Returns the beats and seconds that they
        complete.
        """
        out = Output()
        step = int(PIECE * self.fs / FS)
        for start in range(0, len(x), step):
            piece = x[start : start + step]
            y, marks = self._resampler.feed(piece, self._clipping.feed(piece))
            self._advance(y, marks)
            self._judge_blocks(out)
            self._complete(out)
        return out

    def gap(self, seconds: float, *, verdicts: int = MAX_GAP_VERDICTS) -> Output:
        """``seconds`` s of samples are missing here.

        What lies before is finished as at the end of the stream; detector and filters begin anew behind
        it. No beat, and no RR interval, spans the gap. Only its last ``verdicts`` whole seconds get one.
        """
        if not (math.isfinite(seconds) and seconds >= 0.0):
            raise DataError(f"a gap of {seconds:g} s: a gap is a finite time, 0 s or longer")
        out = self._finish()
        missing = seconds * self.fs + self._gap_rest
        samples = round(missing)
        self._gap_rest = missing - samples
        self._resampler.skip(samples)
        end, begin = self._marks.end, self._resampler.samples_out
        if self._detects:
            self._humps.clear()
        self._mark_missing(begin, verdicts, out)
        self._begin = begin
        for track in (self._marks, self._signal, self._window, self._qrs):
            track.restart(begin)
        self._detector.restart(begin)
        self._blocker.restart()
        self._judge.restart(begin, beside_gap=begin > end)
        self._rhythm.restart()
        return out

    def flush(self) -> Output:
        """The stream has ended: everything that is still open. The frontend is used up afterwards."""
        out = self._finish()
        end = self._marks.end
        if end > self._second * FS:
            bits = 0
            for block in range(self._second * BLOCKS, -(-end // BLOCK)):
                bits |= int(self._verdicts[block % _VERDICTS])
            out.quality.append(_quality(self._second, bits))
            self._second += 1
        return out

    def _advance(self, y: Signal, marks: Flags) -> None:
        self._marks.add(marks)
        self._signal.add(y)
        self._window.add(self._baseline.feed(y))
        envelope = self._envelope.feed(y)
        self._qrs.add(envelope)
        if self._detects:
            self._detect(envelope, self._blocker.feed(marks))

    def _detect(self, envelope: Signal, blocked: Flags) -> None:
        signal = self._signal.get(self._qrs.end - len(envelope), self._qrs.end)
        self._decided(self._detector.feed(envelope, signal, blocked))

    def _decided(self, peaks: NDArray[np.int64]) -> None:
        self._humps.extend((hump, at + filters.ENVELOPE_DELAY) for hump, at in peaks.tolist())

    def _finish(self) -> Output:
        out = Output()
        y, marks = self._resampler.flush()
        self._advance(y, marks)
        envelope = self._envelope.flush()
        self._qrs.add(envelope)
        if self._detects:
            self._detect(envelope, self._blocker.flush(len(envelope)))
            self._decided(self._detector.flush())
        self._window.add(self._baseline.flush())
        self._judge_blocks(out, finish=True)
        self._complete(out, finish=True)
        return out

    def _judge_blocks(self, out: Output, *, finish: bool = False) -> None:
        first, end = self._judge.at, self._window.end
        w = self._window.get(first, end)
        wander = self._signal.get(first, end) - w
        verdicts = self._judge.feed(w, wander, self._qrs.get(first, end), self._marks.get(first, end))
        block = first // BLOCK
        for bits in verdicts.tolist():
            self._verdict(block, bits, out)
            block += 1
        if finish and end % BLOCK and end > self._begin:
            self._verdicts[block % _VERDICTS] = self._judge.partial()

    def _verdict(self, block: int, bits: int, out: Output) -> None:
        self._verdicts[block % _VERDICTS] = bits
        if block % BLOCKS == BLOCKS - 1:
            partial = not bits & quality.MISSING
            for earlier in range(block - BLOCKS + 1, block):
                other = int(self._verdicts[earlier % _VERDICTS])
                partial |= not other & quality.MISSING
                bits |= other
            out.quality.append(
                _quality(block // BLOCKS, bits, *self._moves(block // BLOCKS), partial=partial)
            )
            self._second = block // BLOCKS + 1

    def _moves(self, second: int) -> tuple[tuple[float, ...], float]:
        """``extents`` and ``wander`` of :class:`~ecgmon.ecg.types.Quality`."""
        first, end = second * FS, (second + 1) * FS
        if first < self._window.start or end > self._window.end:
            return (), 0.0
        w = self._window.get(first, end)
        wander = self._signal.get(first, end) - w
        return tuple(np.ptp(w.reshape(BLOCKS, BLOCK), axis=1).tolist()), float(np.ptp(wander))

    def _mark_missing(self, begin: int, verdicts: int, out: Output) -> None:
        """Every block between the last sample and ``begin``, and those that they share, is missing."""
        end = self._marks.end
        if begin == end:
            return
        first = max(end // BLOCK, (begin // FS - verdicts) * BLOCKS)
        for block in range(first, begin // BLOCK):
            self._verdict(block, quality.MISSING, out)

    def _complete(self, out: Output, *, finish: bool = False) -> None:
        """Hand out every beat, in order, whose window, decision and quality are known."""
        end = self._window.end
        while self._humps:
            hump, decided = self._humps[0]
            _, after = beats.span(self._layout, self._rhythm.usual)
            complete = hump + beats.REACH + max(after, beats.QRS) + 1
            complete = -(-complete // BLOCK) * BLOCK
            if hump >= end or (complete > end and not finish):
                break
            self._humps.popleft()
            if hump >= self._begin:
                out.beats.append(self._beat(hump, decided, complete))

    def _beat(self, hump: int, decided: int, complete: int) -> Beat:
        begin, end = self._begin, self._window.end
        start = max(begin, hump - 2 * WINDOW)
        w = self._window.get(start, min(end, hump + 2 * WINDOW))
        place, sign = beats.locate(w, hump - start, float(np.sign(self._sign)))
        self._sign += 0.125 * (sign - self._sign)
        r = start + place
        at = round(r)
        usual = self._rhythm.usual
        before, after = beats.span(self._layout, usual)
        since = max(self._last, begin)
        if at - since > _LONGEST_RR or _longest_run(self._marks.get(since, at)) >= _LOST_RUN:
            self._rhythm.restart()
        self._last = at
        first, last = at - max(before, beats.QRS), at + max(after, beats.QRS)
        good = begin <= first and last < end and not self._closed(first, last)
        interval, basic, irregular = self._rhythm.beat(r / FS, good=good)
        size = beats.size(w, at - start)
        beat = Beat(
            index=self._index,
            r=r / FS,
            ready=min(
                self.now, self._resampler.delay + max(decided, complete - 1 + filters.BASELINE_DELAY) / FS
            ),
            window=beats.cut(w, at - start, self._layout, usual),
            scale=self._size.beat(size, good=good),
            rr=interval,
            rr_local=basic,
            good=good,
            irregularity=irregular,
            size=size,
        )
        self._index += 1
        return beat

    def _closed(self, first: int, last: int) -> bool:
        """Whether any block that samples ``first`` to ``last`` touch closed the quality gate."""
        for block in range(first // BLOCK, min(last // BLOCK, (self._window.end - 1) // BLOCK) + 1):
            if self._verdicts[block % _VERDICTS]:
                return True
        return False


class Blocker:
    """Marks the samples of the envelope that a long run of missing samples spoils; see
    :data:`_BLOCKED_RUN`.
    """

    def __init__(self) -> None:
        self._state = np.zeros(3, dtype=np.int64)
        self.restart()

    def restart(self) -> None:
        """What lies before the next sample is missing for good, which spoils nothing: the filters start
        afresh.
        """
        # next sample, length of the run before it, last sample in a long run
        self._state[:] = (0, _BLOCKED_RUN, -_BLOCKED_REACH - 1)

    def feed(self, marks: Flags) -> Flags:
        """Marks [n] of the 125 Hz signal to flags [n'] of the envelope's samples that these complete."""
        blocked = np.empty(len(marks), dtype=np.uint8)
        n = _block(marks, self._state, blocked)
        return blocked[:n]

    def flush(self, n: int) -> Flags:
        """Flags of the last ``n`` samples, behind which the stream ends."""
        behind = np.arange(int(self._state[0]) - n, int(self._state[0])) - int(self._state[2])
        return np.asarray(behind <= _BLOCKED_REACH, dtype=np.uint8)


@compiled
def _block(marks: Flags, s: NDArray[np.int64], blocked: Flags) -> int:
    n = 0
    for i in range(len(marks)):
        s[1] = s[1] + 1 if marks[i] & resample.MISSING else 0
        if s[1] >= _BLOCKED_RUN:
            s[2] = s[0]
        if s[0] >= filters.ENVELOPE_DELAY:
            blocked[n] = s[0] - filters.ENVELOPE_DELAY - s[2] <= _BLOCKED_REACH
            n += 1
        s[0] += 1
    return n


def _longest_run(marks: Flags) -> int:
    """Longest run of missing samples."""
    missing = (marks & resample.MISSING) != 0
    if not missing.any():
        return 0
    edges = np.flatnonzero(np.diff(np.concatenate(([False], missing, [False])).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max())


def _quality(
    second: int, bits: int, extents: tuple[float, ...] = (), wander: float = 0.0, *, partial: bool = False
) -> Quality:
    return Quality(
        second,
        flat=bool(bits & quality.FLAT),
        clipped=bool(bits & quality.CLIPPED),
        noisy=bool(bits & quality.NOISY),
        missing=bool(bits & quality.MISSING),
        extents=extents,
        wander=wander,
        partial=partial and bool(bits & quality.MISSING),
    )
