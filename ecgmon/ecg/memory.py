"""What the signal path of one lead remembers from one sample to the next: an array of floats, one of bytes.

One stream, two arrays: a compiled step takes them whole, and to save a stream is to write them down. Inside
a step they are known by the names of :class:`Memory`; what the places in each part mean stands in the module
that works on it. Not part of the frontend's fingerprint: how a stream is remembered changes no answer.
"""

from __future__ import annotations

from itertools import accumulate
from typing import Any, Final, NamedTuple

import numpy as np

from ecgmon.ecg import blocking, filters, quality, rhythm, rpeaks, track
from ecgmon.ecg.compiled import compiled
from ecgmon.ecg.resample import Flags, Signal

BEGIN, SIGNAL_END, ENVELOPE_END, WINDOW_END, JUDGED, SECOND, WAITING, TAKEN, LAST, SIGN = range(10)
"""Places in ``Memory.places``. Sample numbers: the first since the last gap, the next of the signal, of the
envelope, of the window path, the next that the judge of quality sees. Then the next second that gets a
verdict, humps that wait, given R-peaks that were taken, sample of the last R-peak, and the
usual sign of R-peaks, -1 to 1."""

HUMPS: Final = 72
"""Humps that wait to become beats: at least 0.2 s apart, none older than the window path remembers."""

VERDICTS: Final = 128
"""Blocks whose verdict is remembered: more than the window path has samples."""


class Memory(NamedTuple):
    """One lead. Views: what is written here is remembered."""

    places: Signal
    blocker: Signal
    """Of :mod:`ecgmon.ecg.blocking`."""
    # filters
    first_median: Signal
    second_median: Signal
    smooth: Signal
    recent: Signal
    past: Signal
    # rpeaks
    detector: Signal
    intervals: Signal
    pending: Signal
    known: Signal
    humps: Signal
    """[72, 2] sample, sample that decided it."""
    # quality
    judge: Signal
    blocks: Signal
    block_envelope: Signal
    ranges: Signal
    usual: Signal
    level: Signal
    # rhythm
    rhythm: Signal
    sizes: Signal
    # track
    window: Signal
    signal: Signal
    envelope: Signal
    marks: Flags
    verdicts: Flags


def _fresh() -> Memory:
    return Memory(
        np.zeros(10),
        blocking.state(),
        np.zeros(filters.FIRST_MEDIAN + 3),
        np.zeros(filters.SECOND_MEDIAN + 3),
        np.zeros(filters.SMOOTHING),
        np.zeros(filters.BASELINE_DELAY),
        np.zeros(2 * filters.ENVELOPE_DELAY),
        *rpeaks.state(),
        np.zeros((HUMPS, 2)),
        *quality.state(),
        rhythm.state(),
        rhythm.sizes(),
        np.zeros(track.WINDOW_ROOM),
        np.zeros(track.SIGNAL_ROOM),
        np.zeros(track.ENVELOPE_ROOM),
        np.zeros(track.MARKS_ROOM, dtype=np.uint8),
        np.zeros(VERDICTS, dtype=np.uint8),
    )


_FRESH: Final = _fresh()
_AT: Final = (0, *accumulate(part.size for part in _FRESH if part.dtype == np.float64))


def state() -> tuple[Signal, Flags]:
    """Nothing seen: the floats, the bytes."""
    floats = [part.ravel() for part in _FRESH if part.dtype == np.float64]
    return np.concatenate(floats), np.concatenate((_FRESH.marks, _FRESH.verdicts))


@compiled
def parts(floats: Signal, flags: Flags) -> Any:
    """The :class:`Memory` that the two arrays are."""
    return Memory(
        floats[_AT[0] : _AT[1]],
        floats[_AT[1] : _AT[2]],
        floats[_AT[2] : _AT[3]],
        floats[_AT[3] : _AT[4]],
        floats[_AT[4] : _AT[5]],
        floats[_AT[5] : _AT[6]],
        floats[_AT[6] : _AT[7]],
        floats[_AT[7] : _AT[8]],
        floats[_AT[8] : _AT[9]].reshape(2, -1),
        floats[_AT[9] : _AT[10]].reshape(-1, 2),
        floats[_AT[10] : _AT[11]],
        floats[_AT[11] : _AT[12]].reshape(-1, 2),
        floats[_AT[12] : _AT[13]],
        floats[_AT[13] : _AT[14]].reshape(2 * quality.BLOCKS, -1),
        floats[_AT[14] : _AT[15]],
        floats[_AT[15] : _AT[16]],
        floats[_AT[16] : _AT[17]],
        floats[_AT[17] : _AT[18]],
        floats[_AT[18] : _AT[19]],
        floats[_AT[19] : _AT[20]],
        floats[_AT[20] : _AT[21]],
        floats[_AT[21] : _AT[22]],
        floats[_AT[22] : _AT[23]],
        flags[: track.MARKS_ROOM],
        flags[track.MARKS_ROOM :],
    )


def restart(memory: Memory, at: int, *, beside_gap: bool) -> None:
    """The signal begins anew at sample ``at``: beats found before and the usual rhythm, size and sign stay.

    ``beside_gap``: samples are missing before it.
    """
    memory.places[[BEGIN, SIGNAL_END, ENVELOPE_END, WINDOW_END, JUDGED]] = at
    memory.blocker[:] = blocking.state()
    rpeaks.restart(at, memory.detector, memory.known)
    for name in ("judge", "blocks", "block_envelope", "ranges", "usual", "level"):
        getattr(memory, name)[:] = getattr(_FRESH, name)
    quality.restart(at, beside_gap, memory.judge)
    rhythm.restart(memory.rhythm)
