"""The signal path behind the resampler, compiled: samples at 125 Hz in, numbers of beats and seconds out.

    signal ─┬▶ window path ─▶ verdict of each 0.2 s, row of each second
            └▶ envelope ─▶ humps ─▶ R-peak, rhythm, size, window of each beat

Everything that is remembered lies in a :class:`~ecgmon.ecg.memory.Memory`, so that a piece of a stream takes
one call, however many stages and beats it goes through.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg import beats, filters, quality, rhythm, rpeaks
from ecgmon.ecg.blocking import block, block_rest
from ecgmon.ecg.compiled import compiled
from ecgmon.ecg.memory import (
    BEGIN,
    ENVELOPE_END,
    JUDGED,
    LAST,
    SECOND,
    SIGN,
    SIGNAL_END,
    TAKEN,
    WAITING,
    WINDOW_END,
    Memory,
    parts,
)
from ecgmon.ecg.quality import BLOCK, BLOCKS
from ecgmon.ecg.resample import MISSING, Flags, Signal
from ecgmon.ecg.track import LONGEST_RR, PIECE, longest_run, read, write
from ecgmon.ecg.types import FS, WINDOW, Samples

LOST_RUN: Final = FS // 5
"""Missing samples (0.2 s) that may have hidden a beat: no RR interval is given across them."""

R, READY, SCALE, RR, RR_LOCAL, IRREGULARITY, SIZE, GOOD = range(8)
BEAT_NUMBERS: Final = 8
"""Columns of a beat's row, as the fields of :class:`ecgmon.ecg.types.Beat`."""

WHICH, BITS, PARTIAL, WANDER, EXTENTS = range(5)
SECOND_NUMBERS: Final = 4 + BLOCKS
"""Columns of a second's row: its number, its verdict's bits, and fields of
:class:`ecgmon.ecg.types.Quality`; NaN for a range that is not known."""


class Terms(NamedTuple):
    """What is the same for the whole of a stream."""

    detects: bool
    """Beats are the detector's, not given ones."""
    kachuee: bool
    """The layout of windows, or ``centred``."""
    delay: float
    """Of the resampler, s."""


class Rows(NamedTuple):
    """Room for what a call completes."""

    numbers: NDArray[np.float64]
    """[beats, 8]"""
    windows: Samples
    """[beats, 187]"""
    seconds: NDArray[np.float64]
    """[seconds, 9]"""


def rows(beats: int, seconds: int) -> Rows:
    """Room for so many of each."""
    return Rows(
        np.empty((beats, BEAT_NUMBERS)),
        np.empty((beats, WINDOW), dtype=np.float32),
        np.empty((seconds, SECOND_NUMBERS)),
    )


@compiled
def advance(
    y: Signal, marks: Flags, now: float, given: Signal, terms: Terms, floats: Signal, flags: Flags, out: Rows
) -> tuple[int, int]:
    """Take in samples [n], mV, and their marks; ``now`` is the stream time at which they are known, s,
    ``given`` the samples [m] of the given R-peaks.

    Returns how many beats and seconds were written to ``out``. Beats that find no room wait.
    """
    m = parts(floats, flags)
    n_beats, n_seconds = 0, 0
    for start in range(0, len(y), PIECE):
        end = min(start + PIECE, len(y))
        _take(y[start:end], marks[start:end], terms.detects, m)
        n_seconds = _judge(n_seconds, m, out)
        n_beats = _complete(n_beats, now, given, terms, m, out, False)
    return n_beats, n_seconds


@compiled
def finish(
    y: Signal, marks: Flags, now: float, given: Signal, terms: Terms, floats: Signal, flags: Flags, out: Rows
) -> tuple[int, int]:
    """As :func:`advance`, with the last samples before a gap or the end, ``PIECE`` at most: everything that
    is still open."""
    m = parts(floats, flags)
    p = m.places
    _take(y, marks, terms.detects, m)
    seen = int(p[SIGNAL_END] - p[BEGIN])
    _add_envelope(filters.envelope(_held(filters.ENVELOPE_DELAY, m), seen, m.past), m)
    if terms.detects:
        waiting = min(seen, filters.ENVELOPE_DELAY)
        _detect(waiting, block_rest(waiting, m.blocker), m)
        _wait(rpeaks.finish(m.detector, m.intervals, m.pending, m.known), m)
    _add_window(_held(filters.BASELINE_DELAY, m), seen, m)
    n_seconds = _judge(0, m, out)
    end = int(p[WINDOW_END])
    if end % BLOCK and end > p[BEGIN]:
        m.verdicts[(end // BLOCK) % len(m.verdicts)] = quality.judge_rest(
            end, m.judge, m.blocks, m.block_envelope, m.ranges, m.usual, m.level
        )
    return _complete(0, now, given, terms, m, out, True), n_seconds


@compiled
def mark_missing(first: int, end: int, floats: Signal, flags: Flags, out: Rows) -> int:
    """Of the blocks ``first`` to ``end`` nothing came. Returns how many seconds were written to ``out``."""
    m = parts(floats, flags)
    n = 0
    for at in range(first, end):
        n = _add_verdict(at, quality.MISSING, n, m, out)
    return n


@compiled
def _take(y: Signal, marks: Flags, detects: bool, m: Memory) -> None:
    """Samples [n] into all that is remembered of the signal, and humps."""
    at = int(m.places[SIGNAL_END])
    seen = at - int(m.places[BEGIN])
    write(m.signal, at, y)
    write(m.marks, at, marks)
    m.places[SIGNAL_END] = at + len(y)
    _add_window(y, seen, m)
    e = filters.envelope(y, seen, m.past)
    _add_envelope(e, m)
    if detects:
        _detect(len(e), block(marks, m.blocker), m)


@compiled
def _held(n: int, m: Memory) -> Signal:
    """The last value, ``n`` times: what filters are given behind the end. Nothing, where there was none."""
    end = int(m.places[SIGNAL_END])
    if end == m.places[BEGIN]:
        return np.empty(0)
    return np.full(n, m.signal[(end - 1) % len(m.signal)])


@compiled
def _add_window(y: Signal, seen: int, m: Memory) -> None:
    w = filters.subtract_baseline(y, seen, m.first_median, m.second_median, m.smooth, m.recent)
    write(m.window, int(m.places[WINDOW_END]), w)
    m.places[WINDOW_END] += len(w)


@compiled
def _add_envelope(e: Signal, m: Memory) -> None:
    write(m.envelope, int(m.places[ENVELOPE_END]), e)
    m.places[ENVELOPE_END] += len(e)


@compiled
def _detect(n: int, blocked: Flags, m: Memory) -> None:
    """The last ``n`` samples of the envelope are new."""
    end = int(m.places[ENVELOPE_END])
    e, y = read(m.envelope, end - n, end), read(m.signal, end - n, end)
    _wait(rpeaks.detect(e, y, blocked, m.detector, m.intervals, m.pending, m.known), m)


@compiled
def _wait(peaks: NDArray[np.int64], m: Memory) -> None:
    for i in range(len(peaks)):
        place = int(m.places[WAITING])
        m.humps[place, 0] = peaks[i, 0]
        m.humps[place, 1] = peaks[i, 1] + filters.ENVELOPE_DELAY
        m.places[WAITING] += 1.0


@compiled
def _judge(n: int, m: Memory, out: Rows) -> int:
    """Verdicts of the blocks that the window path has completed; seconds are written to ``out`` from row
    ``n`` on. Returns the next row."""
    first, end = int(m.places[JUDGED]), int(m.places[WINDOW_END])
    w = read(m.window, first, end)
    wander = read(m.signal, first, end)
    for i in range(end - first):
        wander[i] -= w[i]
    e, marks = read(m.envelope, first, end), read(m.marks, first, end)
    verdicts = quality.judge(
        w, wander, e, marks, first, m.judge, m.blocks, m.block_envelope, m.ranges, m.usual, m.level
    )
    m.places[JUDGED] = end
    for i in range(len(verdicts)):
        n = _add_verdict(first // BLOCK + i, verdicts[i], n, m, out)
    return n


@compiled
def _add_verdict(at: int, bits: int, n: int, m: Memory, out: Rows) -> int:
    """The verdict of block ``at``; at the end of a second a row of ``out``, the ``n``-th."""
    m.verdicts[at % len(m.verdicts)] = bits
    if at % BLOCKS != BLOCKS - 1:
        return n
    row = out.seconds[n]
    row[PARTIAL] = not bits & quality.MISSING
    for earlier in range(at - BLOCKS + 1, at):
        other = m.verdicts[earlier % len(m.verdicts)]
        if not other & quality.MISSING:
            row[PARTIAL] = 1.0
        bits |= other
    second = at // BLOCKS
    row[WHICH], row[BITS] = second, bits
    m.places[SECOND] = second + 1
    _measure(second * FS, row, m)
    return n + 1


@compiled
def _measure(first: int, row: Signal, m: Memory) -> None:
    """``extents`` and ``wander`` of the second from sample ``first`` on."""
    row[WANDER:] = np.nan
    if first < m.places[BEGIN] or first + FS > m.places[WINDOW_END]:
        return
    w, wander = read(m.window, first, first + FS), read(m.signal, first, first + FS)
    for i in range(BLOCKS):
        row[EXTENTS + i] = beats.extent(w[i * BLOCK : (i + 1) * BLOCK])
    for i in range(FS):
        wander[i] -= w[i]
    row[WANDER] = beats.extent(wander)


@compiled
def _complete(n: int, now: float, given: Signal, terms: Terms, m: Memory, out: Rows, finish: bool) -> int:
    """Every beat, in order, whose window, decision and quality are known, from row ``n`` of ``out`` on.
    Returns the next row."""
    p = m.places
    end = int(p[WINDOW_END])
    humps, known = (m.humps[:, 0], int(p[WAITING])) if terms.detects else (given, len(given))
    taken = first = 0 if terms.detects else int(p[TAKEN])
    while taken < known and n < len(out.numbers):
        hump = int(humps[taken])
        _, after = beats.span(terms.kachuee, m.rhythm[rhythm.USUAL])
        complete = hump + beats.REACH + max(after, beats.QRS) + 1
        complete = -(-complete // BLOCK) * BLOCK
        if hump >= end or (complete > end and not finish):
            break
        decided = int(m.humps[taken, 1]) if terms.detects else 0
        taken += 1
        if hump >= p[BEGIN]:
            due = terms.delay + max(decided, complete - 1 + filters.BASELINE_DELAY) / FS
            out.numbers[n, READY] = min(now, due)
            _beat(hump, terms.kachuee, m, out.numbers[n], out.windows[n])
            n += 1
    if not terms.detects:
        p[TAKEN] = taken
    elif taken > first:
        for i in range(known - taken):
            m.humps[i, 0], m.humps[i, 1] = m.humps[taken + i, 0], m.humps[taken + i, 1]
        p[WAITING] = known - taken
    return n


@compiled
def _beat(hump: int, kachuee: bool, m: Memory, row: Signal, window: Samples) -> None:
    p = m.places
    begin, end = int(p[BEGIN]), int(p[WINDOW_END])
    usual = m.rhythm[rhythm.USUAL]
    before, after = beats.span(kachuee, usual)
    before, after = max(before, beats.QRS), max(after, beats.QRS)
    start = max(begin, hump - 2 * WINDOW)  # what places are counted from: more would cost digits
    first = max(begin, hump - beats.REACH - before - 1)
    w = read(m.window, first, min(end, hump + beats.REACH + after + 2))
    place, sign = beats.locate(w, hump - first, np.sign(p[SIGN]), first - start)
    p[SIGN] += 0.125 * (sign - p[SIGN])
    r = start + place
    at = round(r)
    since = max(int(p[LAST]), begin)
    if at - since > LONGEST_RR or longest_run(m.marks, since, at, int(MISSING)) >= LOST_RUN:
        rhythm.restart(m.rhythm)
    p[LAST] = at
    good = begin <= at - before and at + after < end and not _closed(at - before, at + after, m)
    size = beats.size(w, at - first)
    row[R], row[GOOD], row[SIZE] = r / FS, good, size
    row[RR], row[RR_LOCAL], row[IRREGULARITY] = rhythm.beat(r / FS, good, m.rhythm)
    row[SCALE] = rhythm.scale(size, good, m.sizes)
    beats.cut(w, at - first, kachuee, usual, window)


@compiled
def _closed(first: int, last: int, m: Memory) -> bool:
    """Whether any block that samples ``first`` to ``last`` touch closed the quality gate."""
    newest = (int(m.places[WINDOW_END]) - 1) // BLOCK
    for at in range(first // BLOCK, min(last // BLOCK, newest) + 1):
        if m.verdicts[at % len(m.verdicts)]:
            return True
    return False
