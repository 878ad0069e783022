"""Which samples of the envelope a long run of missing samples spoils."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from ecgmon.ecg import filters, resample
from ecgmon.ecg.compiled import compiled
from ecgmon.ecg.resample import Flags, Signal
from ecgmon.ecg.types import FS

_LONG: Final = 5
_REACH: Final = filters.ENVELOPE_DELAY + math.ceil(resample.HALF_WIDTH * FS)
"""A run of so many missing samples (40 ms) takes so many to either side with it: the reach of the filters."""

_NEXT, _RUN, _LAST = range(3)
"""Next sample, length of the run before it, last sample in a long run."""


def state() -> Signal:
    """Before the first sample, and behind a gap: what lies before is missing for good, which spoils nothing,
    since the filters start afresh."""
    return np.array([0.0, _LONG, -_REACH - 1.0])


@compiled
def block(marks: Flags, ends: bool, s: Signal, blocked: Flags) -> int:
    """Marks [n] of the 125 Hz signal to flags ``blocked`` of the envelope's samples that these complete;
    returns how many. ``ends``: the stream does so behind them, which completes them all."""
    n = 0
    at, run, last = int(s[_NEXT]), int(s[_RUN]), int(s[_LAST])
    for i in range(len(marks)):
        run = run + 1 if marks[i] & resample.MISSING else 0
        if run >= _LONG:
            last = at
        if at >= filters.ENVELOPE_DELAY:
            blocked[n] = at - filters.ENVELOPE_DELAY - last <= _REACH
            n += 1
        at += 1
    s[_NEXT], s[_RUN], s[_LAST] = at, run, last
    if ends:
        for k in range(max(0, at - filters.ENVELOPE_DELAY), at):
            blocked[n] = k - last <= _REACH
            n += 1
    return n
