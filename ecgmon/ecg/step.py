"""The signal path, compiled: samples of one lead in, numbers of beats and seconds out.

    samples ─▶ clipping ─▶ 125 Hz ─┬▶ window path ─▶ verdict of each 0.2 s, row of each second
                                   └▶ envelope ─▶ humps ─▶ R-peak, rhythm, size, window of each beat

All that is remembered lies in one record (:mod:`ecgmon.ecg.memory`), all that is worked with and given back
in another (:mod:`ecgmon.ecg.room`), so that a chunk takes one call, however many stages and beats it goes
through. Records, and not arrays: numba passes a record as one pointer, an array as seven values with a count
of its users, which for some twenty arrays took more time than the arithmetic, and much to compile.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ecgmon.ecg import beats, blocking, detector, filters, quality, resample
from ecgmon.ecg.compiled import compiled
from ecgmon.ecg.completion import complete
from ecgmon.ecg.memory import Memory
from ecgmon.ecg.quality import BLOCK, BLOCKS
from ecgmon.ecg.resample import Signal
from ecgmon.ecg.room import BEATS, BITS, EXTENTS, PARTIAL, SECONDS, WANDER, WHICH, Room
from ecgmon.ecg.track import read, write
from ecgmon.ecg.types import FS, Samples

TERMS: Final = np.dtype(
    [
        ("resampler", resample.TERMS),
        ("run", "i8"),  # shortest run on the rail, in input samples
        ("delay", "f8"),  # of the resampler, s
        ("detects", "i8"),  # beats are the detector's, not given ones
        ("kachuee", "i8"),  # the layout of windows, or ``centred``
    ],
    align=True,
)
"""What is the same for the whole of a stream."""


def terms(fs: float, *, detects: bool, kachuee: bool) -> tuple[Signal, Any]:
    """The resampler's kernels and [1] record of :data:`TERMS`; DataError as
    :func:`ecgmon.ecg.resample.design`."""
    table, of_resampler = resample.design(fs)
    delay = int(of_resampler["half"]) / fs
    return table, np.array([(of_resampler, quality.shortest_run(fs), delay, detects, kachuee)], TERMS)


@compiled
def advance(
    x: Samples, ends: bool, given: Signal, table: Signal, terms: Any, memory: Memory, room: Room
) -> tuple[int, int, int]:
    """Take in samples [n], mV; ``ends``: a gap follows, or nothing more, and all that is open is finished.

    ``given`` [m]: samples at 125 Hz of the given R-peaks; ``terms``, ``memory`` and ``room`` are [1] records.

    Returns how many beats and seconds stand in the room, and how many samples are left: where there was no
    room for all, the step is to be taken again with these, 0 or more; -1 when it is done.
    """
    t, m, o = terms[0], memory[0], room[0]
    at = n_beats = n_seconds = 0
    while True:
        n_beats = complete(n_beats, given, t, m, o)
        if n_beats == BEATS or n_seconds > SECONDS - 2:
            return n_beats, n_seconds, len(x) - at
        if at < len(x):
            end = min(at + int(t.resampler.fs), len(x))
            n = _resample(x[at:end], table, t, m, o)
            at = end
        elif ends and not m.closed:
            n = resample.finish(o.line[:], o.flags[:], table, t.resampler, m.resampler, o.y[:], o.marks[:])
            m.closed = 1
        else:
            return n_beats, n_seconds, -1
        _filter(n, t.detects > 0, m, o)
        n_seconds = _judge(n_seconds, m, o)


@compiled
def _resample(x: Samples, table: Signal, t: Any, m: Memory, o: Room) -> int:
    """Samples [n] of a second at most to ``y`` and ``marks``; how many."""
    flags = o.flags[t.resampler.kept : t.resampler.kept + len(x)]
    for i in range(len(flags)):
        flags[i] = 0
    quality.mark_rails(x, flags, m.rails[:], t.run)
    return resample.take(x, o.line[:], o.flags[:], table, t.resampler, m.resampler, o.y[:], o.marks[:])


@compiled
def _filter(n: int, detects: bool, m: Memory, o: Room) -> None:
    """The ``n`` samples in the room into all that is remembered of the signal, and humps."""
    at, ends = m.signal_end, m.closed > 0
    seen = at - m.begin
    write(m.signal[:], at, o.y[:n])
    write(m.marks[:], at, o.marks[:n])
    m.signal_end = at + n
    n_window = n_envelope = n
    if ends and seen + n > 0:  # the last value is held for the filters
        filters.fill(o.y[:], n, m.signal[(at + n - 1) % len(m.signal)])
        n_window, n_envelope = n + filters.BASELINE_DELAY, n + filters.ENVELOPE_DELAY
    w = filters.subtract_baseline(
        o.y[:n_window], seen, m.first_median[:], m.second_median[:], m.smooth[:], m.recent[:]
    )
    write(m.window[:], m.window_end, w)
    m.window_end += len(w)
    e = filters.envelope(o.y[:n_envelope], seen, m.past[:])
    write(m.envelope[:], m.envelope_end, e)
    if detects:
        blocking.block(o.marks[:n], ends, m.blocker[:], o.blocked[:])
        signal = o.w[: len(e)]
        read(m.signal[:], m.envelope_end, signal)
        found = detector.detect(e, signal, o.blocked[: len(e)], ends, m.detector, o.peaks[:])
        for i in range(found):
            m.humps[m.waiting, 0] = o.peaks[i, 0]
            m.humps[m.waiting, 1] = o.peaks[i, 1] + filters.ENVELOPE_DELAY
            m.waiting += 1
    m.envelope_end += len(e)


@compiled
def _judge(n: int, m: Memory, o: Room) -> int:
    """Verdicts of the blocks that the window path has completed; seconds are written to the room from row
    ``n`` on. Returns the next row."""
    first, end = m.judged, m.window_end
    count = end - first
    w, wander, e, marks = o.w[:count], o.wander[:count], o.e[:count], o.blocked[:count]
    read(m.window[:], first, w)
    read(m.signal[:], first, wander)
    for i in range(count):
        wander[i] -= w[i]
    read(m.envelope[:], first, e)
    read(m.marks[:], first, marks)
    verdicts = quality.judge(w, wander, e, marks, first, m.judge, o.verdicts[:])
    m.judged = end
    for i in range(verdicts):
        n = _add_verdict(first // BLOCK + i, o.verdicts[i], n, m, o)
    if m.closed and end % BLOCK and end > m.begin:
        m.verdicts[(end // BLOCK) % len(m.verdicts)] = quality.judge_rest(end, m.judge)
    return n


@compiled
def _add_verdict(at: int, bits: int, n: int, m: Memory, o: Room) -> int:
    """The verdict of block ``at``; at the end of a second a row of the room, the ``n``-th."""
    m.verdicts[at % len(m.verdicts)] = bits
    if at % BLOCKS != BLOCKS - 1:
        return n
    row = o.seconds[n]
    row[PARTIAL] = not bits & quality.MISSING
    for earlier in range(at - BLOCKS + 1, at):
        other = m.verdicts[earlier % len(m.verdicts)]
        if not other & quality.MISSING:
            row[PARTIAL] = 1.0
        bits |= other
    second = at // BLOCKS
    row[WHICH], row[BITS] = second, bits
    m.second = second + 1
    _measure(second * FS, row, m, o)
    return n + 1


@compiled
def _measure(first: int, row: Signal, m: Memory, o: Room) -> None:
    """``extents`` and ``wander`` of the second from sample ``first`` on."""
    filters.fill(row, WANDER, np.nan)
    if first < m.begin or first + FS > m.window_end:
        return
    w, wander = o.w[:FS], o.wander[:FS]
    read(m.window[:], first, w)
    read(m.signal[:], first, wander)
    for i in range(BLOCKS):
        row[EXTENTS + i] = beats.extent(w[i * BLOCK : (i + 1) * BLOCK])
    for i in range(FS):
        wander[i] -= w[i]
    row[WANDER] = beats.extent(wander)
