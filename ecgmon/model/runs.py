"""Beats of one stream, one behind the other, in one compiled call before they are restored and one after."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg.compiled import compiled
from ecgmon.ecg.types import WINDOW, Samples
from ecgmon.model.baseline import A_SNAPSHOTS, BOOT, V_SEEN
from ecgmon.model.oddness import BELIEVED, advance, prepare
from ecgmon.model.parts import FIBRILLATING, Floats, earliness, measure, regularity

SCALE, RR, RR_LOCAL, IRREGULARITY = range(4)
"""Columns of what is known of beats [n, 4]."""
SHIFT, WHICH = range(2)
"""Columns of how they were laid on their reference [n, 2]."""

Integers = NDArray[np.int64]


@compiled
def prepare_run(
    state: Floats, windows: Samples, known: Floats, max_shift: int, qrs: tuple[int, int],
    x: Samples, reference: Samples, laid: Integers, middle: Floats,
) -> bool:  # fmt: skip
    """:func:`ecgmon.model.oddness.prepare` for ``windows`` [n, 187]: fills ``x`` and ``reference`` [n, 187],
    ``laid`` [n, 2] and ``middle`` [n], what was taken off. Whether there is a reference."""
    warm = state[V_SEEN] >= BOOT
    for i in range(len(windows)):
        shift, which, middle[i] = prepare(state, windows[i], known[i, SCALE], max_shift, qrs, x[i])
        laid[i, SHIFT], laid[i, WHICH] = shift, which
        start = A_SNAPSHOTS + which * WINDOW
        for j in range(WINDOW):
            reference[i, j] = state[start + j] if warm else 0.0
    return bool(warm)


@compiled
def advance_run(
    state: Floats, population: Floats, level: float, rule: Floats, qrs: tuple[int, int], regions: Integers,
    known: Floats, laid: Integers, x: Samples, restored: Samples,
    raw: Floats, z: Floats, scores: Floats,
) -> None:  # fmt: skip
    """:func:`ecgmon.model.oddness.advance` for beats that :func:`prepare_run` has laid: fills ``raw`` and
    ``z`` [n, 4] and ``scores`` [n, 2], score and plain score."""
    for i in range(len(x)):
        rr, irregularity = known[i, RR], known[i, IRREGULARITY]
        early = earliness(rr, known[i, RR_LOCAL], irregularity)
        measure(x[i], restored[i], regions, early, raw[i])
        scores[i, 0], scores[i, 1] = advance(
            state, population, level, rule, qrs, x[i], rr, 1.0 - regularity(irregularity, FIBRILLATING),
            raw[i], laid[i, WHICH], z[i],
        )  # fmt: skip


@compiled
def believe(restored: Samples, reference: Samples, warm: NDArray[np.bool_]) -> None:
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
