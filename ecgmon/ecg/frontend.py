"""One lead in, beats and signal quality out, as a stream.

    samples ─▶ Resampler ─┬▶ Baseline ─▶ windows, R-peak place, quality
              125 Hz      └▶ Envelope ─▶ Detector ─▶ humps

Results do not depend on how the samples are cut into chunks. ``Beat.ready`` says when a beat was complete:
its window has ended, the filters' delay has passed, the detector has decided, and the quality of the
window's span is known.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg import beats, filters, memory, quality, resample, rpeaks, rr, shapes, step, types
from ecgmon.ecg.fingerprints import fingerprint_of
from ecgmon.ecg.memory import Memory
from ecgmon.ecg.quality import BLOCK, BLOCKS
from ecgmon.ecg.resample import Flags, Resampler, Signal
from ecgmon.ecg.step import Rows, Terms
from ecgmon.ecg.types import FS, Beat, Layout, Quality, Samples
from ecgmon.errors import DataError

DESIGN: Final = 6
"""Of the signal path, for :func:`fingerprint`."""

_PIECE: Final = 16.0
"""Seconds that are handled at a time."""

MAX_GAP_VERDICTS: Final = 3600
"""A gap of more than an hour is reported for its last hour only."""

_Take = Callable[[Signal, Flags, float, Signal, Terms, Signal, Flags, Rows], tuple[int, int]]


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
        self._clipping = quality.Clipping(fs)
        self._terms = Terms(r_peaks is None, layout == "kachuee", self._resampler.delay)
        self._given = np.array(
            [round(float(r) * FS) for r in np.sort(r_peaks)] if r_peaks is not None else [], float
        )
        self._floats, self._flags = memory.state()
        memory.restart(self._memory, 0, beside_gap=False)
        self._index = 0
        self._gap_rest = 0.0
        self.fs = self._resampler.fs
        self.delay = self._resampler.delay + filters.BASELINE_DELAY / FS
        """Seconds from a sample to its appearance behind resampler and filters."""

    @property
    def now(self) -> float:
        """Stream time covered so far, in s, gaps included."""
        return self._resampler.samples_in / self.fs

    @property
    def _memory(self) -> Memory:
        return Memory(*memory.parts(self._floats, self._flags))

    def feed(self, x: Samples) -> Output:
        """The next samples, [n] mV; NaN or infinite = missing. Returns the beats and seconds that they
        complete.
        """
        out = Output()
        length = int(_PIECE * self.fs)
        for start in range(0, len(x), length):
            piece = x[start : start + length]
            self._run(step.advance, *self._resampler.feed(piece, self._clipping.feed(piece)), out)
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
        end, begin = int(self._floats[memory.SIGNAL_END]), self._resampler.samples_out
        if begin > end:
            self._mark_missing(max(end // BLOCK, (begin // FS - verdicts) * BLOCKS), begin // BLOCK, out)
        parts = self._memory
        memory.restart(parts, begin, beside_gap=begin > end)
        if begin > end and begin % BLOCK:  # until samples come: nothing else is known of that block
            parts.verdicts[begin // BLOCK % len(parts.verdicts)] = quality.MISSING
        return out

    def flush(self) -> Output:
        """The stream has ended: everything that is still open. The frontend is used up afterwards."""
        out = self._finish()
        places, verdicts = self._memory.places, self._memory.verdicts
        end, second = int(places[memory.SIGNAL_END]), int(places[memory.SECOND])
        if end > second * FS:
            blocks = np.arange(second * BLOCKS, -(-end // BLOCK))
            bits = int(np.bitwise_or.reduce(verdicts[blocks % len(verdicts)]))
            out.quality.append(_quality([second, bits]))
            places[memory.SECOND] += 1
        return out

    def _finish(self) -> Output:
        out = Output()
        self._run(step.finish, *self._resampler.flush(), out)
        return out

    def _run(self, take: _Take, y: Signal, marks: Flags, out: Output) -> None:
        """One step: samples at 125 Hz, what they complete to ``out``."""
        rows = step.rows(self._room(len(y)), len(y) // FS + 2)
        beats, seconds = take(y, marks, self.now, self._given, self._terms, self._floats, self._flags, rows)
        if beats:
            out.beats += map(self._beat, rows.numbers[:beats].tolist(), rows.windows)
        if seconds:
            out.quality += map(_quality, rows.seconds[:seconds].tolist())

    def _room(self, n: int) -> int:
        """Beats that ``n`` more samples may complete."""
        if self._terms.detects:
            return memory.HUMPS + n // rpeaks.SEPARATION
        taken, end = int(self._floats[memory.TAKEN]), self._resampler.samples_out
        return int(np.searchsorted(self._given, end)) - taken

    def _mark_missing(self, first: int, end: int, out: Output) -> None:
        """Nothing came of the blocks ``first`` to ``end``."""
        rows = step.rows(0, (end - first) // BLOCKS + 1)
        seconds = step.mark_missing(first, end, self._floats, self._flags, rows)
        out.quality += map(_quality, rows.seconds[:seconds].tolist())

    def _beat(self, row: list[float], window: Samples) -> Beat:
        r, ready, scale, rr, rr_local, irregularity, size, good = row
        index = self._index
        self._index = index + 1
        return Beat(index, r, ready, window.copy(), scale, rr, rr_local, good > 0.0, irregularity, size)


def _quality(row: list[float]) -> Quality:
    """Of a row of :mod:`ecgmon.ecg.step`; shorter where nothing was measured."""
    second, bits, *more = row
    bits = int(bits)
    partial, wander, *extents = more or (0.0, math.nan)
    known = not math.isnan(wander)
    return Quality(
        int(second),
        bool(bits & quality.FLAT),
        bool(bits & quality.CLIPPED),
        bool(bits & quality.NOISY),
        bool(bits & quality.MISSING),
        tuple(extents) if known else (),
        wander if known else 0.0,
        bool(partial and bits & quality.MISSING),
    )
