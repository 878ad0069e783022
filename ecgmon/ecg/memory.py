"""What the signal path of one lead remembers from one sample to the next: one record.

A compiled step takes the record whole, and to save a stream is to write its bytes down. What the places in
each part mean stands in the module that works on it. Not part of the frontend's fingerprint: how a stream is
remembered changes no answer.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ecgmon.ecg import blocking, filters, quality, resample, rhythm, rpeaks, track

HUMPS: Final = 72
"""Humps that wait to become beats: at least 0.2 s apart, none older than the window path remembers."""

VERDICTS: Final = 128
"""Blocks whose verdict is remembered: more than the window path has samples."""

FORM: Final = np.dtype(
    [
        ("resampler", resample.FORM),
        ("rails", "f8", (len(quality.rails()),)),
        # sample numbers: the first since the last gap, and the next ones of
        ("begin", "i8"),
        ("signal_end", "i8"),
        ("envelope_end", "i8"),
        ("window_end", "i8"),
        ("judged", "i8"),  # the judge of quality
        ("second", "i8"),  # next second that gets a verdict
        ("waiting", "i8"),  # humps that wait
        ("taken", "i8"),  # given R-peaks that were taken
        ("last", "i8"),  # sample of the last R-peak
        ("closed", "i8"),  # nothing follows before a restart: what is open is finished
        ("sign", "f8"),  # the usual one of R-peaks, -1 to 1
        ("blocker", "f8", (len(blocking.state()),)),
        # filters
        ("first_median", "f8", (filters.FIRST_MEDIAN + 3,)),
        ("second_median", "f8", (filters.SECOND_MEDIAN + 3,)),
        ("smooth", "f8", (filters.SMOOTHING,)),
        ("recent", "f8", (filters.BASELINE_DELAY,)),
        ("past", "f8", (2 * filters.ENVELOPE_DELAY,)),
        ("detector", rpeaks.FORM),
        ("humps", "i8", (HUMPS, 2)),  # sample, sample that decided it
        ("judge", quality.FORM),
        ("rhythm", "f8", (len(rhythm.state()),)),
        ("sizes", "f8", (len(rhythm.sizes()),)),
        # track
        ("window", "f8", (track.WINDOW_ROOM,)),
        ("signal", "f8", (track.SIGNAL_ROOM,)),
        ("envelope", "f8", (track.ENVELOPE_ROOM,)),
        ("marks", "u1", (track.MARKS_ROOM,)),
        ("verdicts", "u1", (VERDICTS,)),
    ],
    align=True,
)

Memory = Any
"""A record of :data:`FORM`, which numba knows by its fields: what is written there is remembered."""


def state() -> Any:
    """[1] record: nothing seen."""
    found = np.zeros(1, FORM)
    m = found[0]
    m["rails"], m["rhythm"], m["sizes"] = quality.rails(), rhythm.state(), rhythm.sizes()
    resample.restart(m["resampler"])
    restart(m, 0, beside_gap=False)
    return found


def restart(m: Memory, at: int, *, beside_gap: bool) -> None:
    """The signal begins anew at sample ``at``: beats found before and the usual rhythm, size and sign stay.

    ``beside_gap``: samples are missing before it.
    """
    for place in ("begin", "signal_end", "envelope_end", "window_end", "judged"):
        m[place] = at
    m["closed"] = 0
    m["blocker"] = blocking.state()
    rpeaks.restart(at, m["detector"])
    quality.restart(at, beside_gap, m["judge"])
    rhythm.restart(m["rhythm"])
