"""The beats of a batch, stream by stream, in one compiled call before they are restored and one after."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg.compiled import compiled
from ecgmon.ecg.types import WINDOW, Samples
from ecgmon.model.baseline import A_SNAPSHOTS, BOOT, SIZE, V_SEEN, pack, unpack
from ecgmon.model.oddness import BELIEVED, advance, prepare
from ecgmon.model.parts import FIBRILLATING, Floats, earliness, measure, regularity

SCALE, RR, RR_LOCAL, IRREGULARITY = range(4)
"""Columns of what is known of beats [n, 4]."""
SHIFT, WHICH = range(2)
"""Columns of how they were laid on their reference [n, 2]."""

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]


@compiled
def prepare_runs(
    packed: Floats, places: Integers, firsts: Integers, windows: Samples, known: Floats, max_shift: int,
    qrs: tuple[int, int], x: Samples, reference: Samples, laid: Integers, middle: Floats, warm: Flags,
) -> None:  # fmt: skip
    """:func:`ecgmon.model.oddness.prepare` for ``windows`` [n, 187] of m streams.

    Stream i is packed from ``places[i]`` on and has the beats from ``firsts[i]`` to ``firsts[i + 1]``. Fills
    ``x`` and ``reference`` [n, 187], ``laid`` [n, 2], ``middle`` [n], what was taken off, and ``warm`` [n],
    whether there is a reference.
    """
    state = np.empty(SIZE)
    for stream in range(len(places)):
        unpack(packed[places[stream] :], state)
        for i in range(firsts[stream], firsts[stream + 1]):
            shift, which, middle[i] = prepare(state, windows[i], known[i, SCALE], max_shift, qrs, x[i])
            laid[i, SHIFT], laid[i, WHICH] = shift, which
            warm[i] = state[V_SEEN] >= BOOT
            start = A_SNAPSHOTS + which * WINDOW
            for j in range(WINDOW):
                reference[i, j] = state[start + j] if warm[i] else 0.0


@compiled
def advance_runs(
    packed: Floats, places: Integers, firsts: Integers, population: Floats, level: float, rule: Floats,
    qrs: tuple[int, int], regions: Integers, known: Floats, laid: Integers, x: Samples, restored: Samples,
    raw: Floats, z: Floats, scores: Floats, after: Floats, ends: Integers,
) -> None:  # fmt: skip
    """:func:`ecgmon.model.oddness.advance` for beats that :func:`prepare_runs` has laid: fills ``raw`` and
    ``z`` [n, 4] and ``scores`` [n, 2], score and plain score; packs the streams one behind the other into
    ``after``, where they end at ``ends`` [m]."""
    state, at = np.empty(SIZE), 0
    for stream in range(len(places)):
        unpack(packed[places[stream] :], state)
        for i in range(firsts[stream], firsts[stream + 1]):
            rr, irregularity = known[i, RR], known[i, IRREGULARITY]
            early = earliness(rr, known[i, RR_LOCAL], irregularity)
            measure(x[i], restored[i], regions, early, raw[i])
            scores[i, 0], scores[i, 1] = advance(
                state, population, level, rule, qrs, x[i], rr, 1.0 - regularity(irregularity, FIBRILLATING),
                raw[i], laid[i, WHICH], z[i],
            )  # fmt: skip
        at += pack(state, after[at:])
        ends[stream] = at


@compiled
def believe(restored: Samples, reference: Samples, warm: Flags) -> None:
    """Draw ``restored`` [n, 187] back towards the reference, where there is one."""
    share = np.float32(BELIEVED)
    for i in range(len(restored)):
        if warm[i]:
            for j in range(WINDOW):
                restored[i, j] = reference[i, j] + share * (restored[i, j] - reference[i, j])


@compiled
def in_millivolt(shapes: Samples, laid: Integers, scale: Floats, middle: Floats) -> Samples:
    """``shapes`` [n, 187], which were compared with windows moved by their shift, back on the windows: in
    units of ``scale`` [n] mV around ``middle`` [n] mV."""
    y = np.empty_like(shapes)
    for i in range(len(shapes)):
        size, offset, by = np.float32(scale[i]), np.float32(middle[i]), laid[i, SHIFT] % WINDOW
        for j in range(by):
            y[i, j] = shapes[i, WINDOW - by + j] * size + offset
        for j in range(by, WINDOW):
            y[i, j] = shapes[i, j - by] * size + offset
    return y
