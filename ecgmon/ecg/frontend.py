"""One lead in, beats and signal quality out, as a stream.

The path itself is compiled (:mod:`ecgmon.ecg.step`); here is what a stream has beside it: its time, its gaps,
and beats and verdicts as values.

Results do not depend on how the samples are cut into chunks. ``Beat.ready`` says when a beat was complete:
its window has ended, the filters' delay has passed, the detector has decided, and the quality of the
window's span is known.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg import beats, filters, memory, quality, resample, room, rpeaks, rr, shapes, step, types
from ecgmon.ecg.fingerprints import fingerprint_of
from ecgmon.ecg.quality import BLOCK, BLOCKS
from ecgmon.ecg.room import Rows
from ecgmon.ecg.types import FS, Beat, Layout, Quality, Samples
from ecgmon.errors import DataError

DESIGN: Final = 6
"""Of the signal path, for :func:`fingerprint`."""

MAX_GAP_VERDICTS: Final = 3600
"""A gap of more than an hour is reported for its last hour only."""

_FLAGS: Final = [
    (
        bool(bits & quality.FLAT),
        bool(bits & quality.CLIPPED),
        bool(bits & quality.NOISY),
        bool(bits & quality.MISSING),
    )
    for bits in range(16)
]
"""Of a verdict's bits, as the fields of :class:`ecgmon.ecg.types.Quality`."""

_NOTHING: Final = np.empty(0, dtype=np.float32)


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
        self._table, self._terms = step.terms(fs, detects=r_peaks is None, kachuee=layout == "kachuee")
        self._given = np.array(
            [round(float(r) * FS) for r in np.sort(r_peaks)] if r_peaks is not None else [], float
        )
        self._remember(memory.state())
        self._index = 0
        self._gap_rest = 0.0
        self.fs = float(fs)
        self.delay = float(self._terms["delay"][0]) + filters.BASELINE_DELAY / FS
        """Seconds from a sample to its appearance behind resampler and filters."""

    @property
    def now(self) -> float:
        """Stream time covered so far, in s, gaps included."""
        return self._samples / self.fs

    def feed(self, x: Samples) -> Output:
        """The next samples, [n] mV; NaN or infinite = missing. Returns the beats and seconds that they
        complete.
        """
        self._samples += len(x)
        return self._advance(np.ascontiguousarray(x, dtype=np.float32), ends=False)

    def gap(self, seconds: float, *, verdicts: int = MAX_GAP_VERDICTS) -> Output:
        """``seconds`` s of samples are missing here.

        What lies before is finished as at the end of the stream; detector and filters begin anew behind
        it. No beat, and no RR interval, spans the gap. Only its last ``verdicts`` whole seconds get one.
        """
        if not (math.isfinite(seconds) and seconds >= 0.0):
            raise DataError(f"a gap of {seconds:g} s: a gap is a finite time, 0 s or longer")
        out = self._advance(_NOTHING, ends=True)
        missing = seconds * self.fs + self._gap_rest
        samples = round(missing)
        self._gap_rest = missing - samples
        m = self._memory[0]
        resample.skip(samples, self._terms[0]["resampler"], m["resampler"])
        self._samples += samples
        end, begin = int(m["signal_end"]), int(m["resampler"]["samples_out"])
        if begin > end:
            self._mark_missing(max(end // BLOCK, (begin // FS - verdicts) * BLOCKS), begin // BLOCK, out)
        memory.restart(m, begin, beside_gap=begin > end)
        if begin > end and begin % BLOCK:  # until samples come: nothing else is known of that block
            m["verdicts"][begin // BLOCK % memory.VERDICTS] = quality.MISSING
        return out

    def flush(self) -> Output:
        """The stream has ended: everything that is still open. The frontend is used up afterwards."""
        out = self._advance(_NOTHING, ends=True)
        m = self._memory[0]
        end, second = int(m["signal_end"]), int(m["second"])
        if end > second * FS:
            blocks = np.arange(second * BLOCKS, -(-end // BLOCK))
            bits = int(np.bitwise_or.reduce(m["verdicts"][blocks % memory.VERDICTS]))
            out.quality.append(_unmeasured(second, bits))
            m["second"] = second + 1
        return out

    def save(self) -> dict[str, Any]:
        """Everything that later results depend on, and nothing that the constructor decides."""
        return {"memory": self._memory.tobytes(), "index": self._index, "gap_rest": self._gap_rest}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go on where the one that was saved stood; called on a new one with the same arguments."""
        raw = saved.get("memory")
        if not isinstance(raw, bytes) or len(raw) != memory.FORM.itemsize:
            raise DataError("a stored Frontend is of another form")
        self._remember(np.frombuffer(raw, memory.FORM).copy())
        self._index, self._gap_rest = int(saved["index"]), float(saved["gap_rest"])

    def _remember(self, state: Any) -> None:
        self._memory = state
        self._samples = int(state["resampler"]["samples_in"][0])  # asked for with each chunk

    def _advance(self, x: Samples, *, ends: bool) -> Output:
        out, rows = Output(), room.borrow()
        left = len(x)
        try:
            while left >= 0:
                beats, seconds, left = step.advance(
                    x, ends, self._given, self._table, self._terms, self._memory, rows.room
                )
                self._collect(beats, seconds, rows, out)
                x = x[len(x) - left :]
        finally:
            room.give_back(rows)
        return out

    def _collect(self, beats: int, seconds: int, rows: Rows, out: Output) -> None:
        """What stands in the first rows, as values."""
        for number in range(beats):
            r, ready, scale, rr, rr_local, irregularity, size, good = rows.numbers[number].tolist()
            window = rows.windows[number].copy()
            out.beats.append(
                Beat(self._index, r, ready, window, scale, rr, rr_local, good > 0.0, irregularity, size)
            )
            self._index += 1
        for number in range(seconds):
            second, bits, partial, wander, *extents = rows.seconds[number].tolist()
            flat, clipped, noisy, missing = _FLAGS[int(bits)]
            known = not math.isnan(wander)
            out.quality.append(
                Quality(
                    int(second), flat, clipped, noisy, missing,
                    tuple(extents) if known else (), wander if known else 0.0, partial > 0.0 and missing,
                )
            )  # fmt: skip

    def _mark_missing(self, first: int, end: int, out: Output) -> None:
        """Nothing came of the blocks ``first`` to ``end``."""
        m = self._memory[0]
        verdicts = m["verdicts"]
        for at in range(first, end):
            verdicts[at % memory.VERDICTS] = quality.MISSING
            if at % BLOCKS == BLOCKS - 1:
                known = [int(verdicts[k % memory.VERDICTS]) for k in range(at - BLOCKS + 1, at + 1)]
                partial = not all(each & quality.MISSING for each in known)
                bits = int(np.bitwise_or.reduce(known))
                out.quality.append(_unmeasured(at // BLOCKS, bits, partial=partial))
                m["second"] = at // BLOCKS + 1


def _unmeasured(second: int, bits: int, *, partial: bool = False) -> Quality:
    flat, clipped, noisy, missing = _FLAGS[bits]
    return Quality(second, flat, clipped, noisy, missing, partial=partial and missing)
