"""From humps, or given R-peaks, to beats: each once its window, its decision and its quality are known."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ecgmon.ecg import beats, filters, rhythm
from ecgmon.ecg.compiled import compiled
from ecgmon.ecg.memory import Memory
from ecgmon.ecg.quality import BLOCK
from ecgmon.ecg.resample import MISSING, Signal
from ecgmon.ecg.room import BEATS, GOOD, IRREGULARITY, READY, RR, RR_LOCAL, SCALE, SIZE, R, Room
from ecgmon.ecg.track import LONGEST_RR, longest_run, read
from ecgmon.ecg.types import FS, WINDOW

LOST_RUN: Final = FS // 5
"""Missing samples (0.2 s) that may have hidden a beat: no RR interval is given across them."""


@compiled
def complete(n: int, given: Signal, t: Any, m: Memory, o: Room) -> int:
    """Every beat, in order, whose window, decision and quality are known, from row ``n`` of the room on.
    Returns the next row."""
    detects, kachuee = t.detects > 0, t.kachuee > 0
    known = m.waiting if detects else len(given)
    taken = 0 if detects else m.taken
    while taken < known and n < BEATS:
        hump = m.humps[taken, 0] if detects else int(given[taken])
        _, after = beats.span(kachuee, m.rhythm[rhythm.USUAL])
        end = hump + beats.REACH + max(after, beats.QRS) + 1
        end = -(-end // BLOCK) * BLOCK
        if hump >= m.window_end or (end > m.window_end and not m.closed):
            break
        decided = m.humps[taken, 1] if detects else 0
        taken += 1
        if hump >= m.begin:
            due = t.delay + max(decided, end - 1 + filters.BASELINE_DELAY) / FS
            o.numbers[n, READY] = min(m.resampler.samples_in / t.resampler.fs, due)
            _beat(hump, kachuee, n, m, o)
            n += 1
    if not detects:
        m.taken = taken
    elif taken > 0:
        for i in range(known - taken):
            m.humps[i, 0], m.humps[i, 1] = m.humps[taken + i, 0], m.humps[taken + i, 1]
        m.waiting = known - taken
    return n


@compiled
def _beat(hump: int, kachuee: bool, n: int, m: Memory, o: Room) -> None:
    begin, end = m.begin, m.window_end
    usual = m.rhythm[rhythm.USUAL]
    before, after = beats.span(kachuee, usual)
    before, after = max(before, beats.QRS), max(after, beats.QRS)
    start = max(begin, hump - 2 * WINDOW)  # what places are counted from: more would cost digits
    first = max(begin, hump - beats.REACH - before - 1)
    w = o.w[: min(end, hump + beats.REACH + after + 2) - first]
    read(m.window[:], first, w)
    place, sign = beats.locate(w, hump - first, np.sign(m.sign), first - start)
    m.sign += 0.125 * (sign - m.sign)
    r = start + place
    at = round(r)
    since = max(m.last, begin)
    if at - since > LONGEST_RR or longest_run(m.marks[:], since, at, int(MISSING)) >= LOST_RUN:
        rhythm.restart(m.rhythm[:])
    m.last = at
    good = begin <= at - before and at + after < end and not _closed(at - before, at + after, m)
    size = beats.size(w, at - first)
    row = o.numbers[n]
    row[R], row[GOOD], row[SIZE] = r / FS, good, size
    row[RR], row[RR_LOCAL], row[IRREGULARITY] = rhythm.beat(r / FS, good, m.rhythm[:])
    row[SCALE] = rhythm.scale(size, good, m.sizes[:])
    beats.cut(w, at - first, kachuee, usual, o.windows[n])


@compiled
def _closed(first: int, last: int, m: Memory) -> bool:
    """Whether any block that samples ``first`` to ``last`` touch closed the quality gate."""
    newest = (m.window_end - 1) // BLOCK
    for at in range(first // BLOCK, min(last // BLOCK, newest) + 1):
        if m.verdicts[at % len(m.verdicts)]:
            return True
    return False
