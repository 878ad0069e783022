"""Where a compiled step works and leaves what it completes: used again by every call."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ecgmon.ecg import resample, rpeaks
from ecgmon.ecg.quality import BLOCK, BLOCKS
from ecgmon.ecg.types import WINDOW

R, READY, SCALE, RR, RR_LOCAL, IRREGULARITY, SIZE, GOOD = range(8)
BEAT_NUMBERS: Final = 8
"""Columns of a beat's row, as the fields of :class:`ecgmon.ecg.types.Beat`."""

WHICH, BITS, PARTIAL, WANDER, EXTENTS = range(5)
SECOND_NUMBERS: Final = 4 + BLOCKS
"""Columns of a second's row: its number, its verdict's bits, and fields of
:class:`ecgmon.ecg.types.Quality`; NaN for a range that is not known."""

BEATS: Final = 32
SECONDS: Final = 20
"""Rows. Beats that find none wait, and the samples behind them."""

_LINE: Final = resample.FORM["past"].shape[0] + int(resample.HIGHEST)
_WORK: Final = 256
"""Samples at 125 Hz that a stage has in hand: a piece and what is held behind it, or the surroundings of a
beat."""

FORM: Final = np.dtype(
    [
        ("numbers", "f8", (BEATS, BEAT_NUMBERS)),
        ("windows", "f4", (BEATS, WINDOW)),
        ("seconds", "f8", (SECONDS, SECOND_NUMBERS)),
        # of a piece: at the input's rate, at 125 Hz, what the judge of quality sees
        ("line", "f8", (_LINE,)),
        ("flags", "u1", (_LINE,)),
        ("y", "f8", (_WORK,)),
        ("marks", "u1", (_WORK,)),
        ("w", "f8", (_WORK,)),
        ("wander", "f8", (_WORK,)),
        ("e", "f8", (_WORK,)),
        ("blocked", "u1", (_WORK,)),
        ("verdicts", "u1", (_WORK // BLOCK + 1,)),
        ("peaks", "i8", (_WORK // rpeaks.SEPARATION + rpeaks.FORM["pending"].shape[0], 2)),
    ],
    align=True,
)

Room = Any
"""A record of :data:`FORM`, which numba knows by its fields."""


class Rows:
    """A room, and what it holds after a step."""

    def __init__(self) -> None:
        self.room = np.zeros(1, FORM)
        self.numbers = self.room["numbers"][0]
        self.windows = self.room["windows"][0]
        self.seconds = self.room["seconds"][0]


_free: Final[list[Rows]] = []


def borrow() -> Rows:
    """One that nobody works in: as many are made as threads work at a time."""
    try:
        return _free.pop()
    except IndexError:
        return Rows()


def give_back(rows: Rows) -> None:
    _free.append(rows)
