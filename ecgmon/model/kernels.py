"""The compiled steps of an autoencoder's forward pass: rows times a matrix, and an LSTM's way along them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg.compiled import compiled
from ecgmon.ecg.types import WINDOW, Samples
from ecgmon.model.lanes import FEW, LANES, PANEL, ROWS, gelu, lstm_cell, tile
from ecgmon.model.layers import LEFT, PADDED

STEP, COUNT, K, COLUMNS, BENT, W_AT, BIAS_AT, BEFORE, AFTER = range(9)
"""Columns of a plan, one row a layer: what :func:`slide` is given, where the layer's weights and biases begin
among those of all, and the zeros that it wants before and behind its input."""

Plan = NDArray[np.int64]

_many, _few, _one = tile(ROWS), tile(FEW), tile(1)


@compiled
def lay(x: Samples, y: Samples, channel: int, channels: int, first: int) -> None:
    """Windows [n, 187] as one of the channels in rows [n, ...] of ``y`` from ``first`` on, edges repeated."""
    for i in range(len(x)):
        for j in range(PADDED):
            y[i, first + j * channels + channel] = x[i, min(max(j - LEFT, 0), WINDOW - 1)]


@compiled
def margins(y: Samples, first: int, size: int) -> None:
    """Zeros in rows [n, ...] before ``first`` and from ``first + size`` on."""
    for i in range(len(y)):
        for j in range(first):
            y[i, j] = 0.0
        for j in range(first + size, y.shape[1]):
            y[i, j] = 0.0


@compiled
def slide(
    x: Samples, step: int, count: int, k: int, w: Samples, bias: Samples, columns: int, bent: bool,
    y: Samples, first: int,
) -> None:  # fmt: skip
    """A matrix slid along each beat: ``count`` rows of ``columns`` numbers, with GELU where ``bent``.

    ``x`` [n, ...] are beats, each with windows of ``k`` numbers from 0, ``step``, 2 ``step`` ... on; ``w`` is
    packed in panels, ``bias`` filled up to whole panels. Beats of ``y`` [n, ...] get the rows from
    ``first`` on, and zeros before and behind.
    """
    xs, ys = x.reshape(-1), y.reshape(-1)
    if count == 1:  # the beats are the rows
        product(xs, 0, x.shape[1], len(x), k, w, bias, 0, 0, columns, ys, first, y.shape[1])
    for i in range(len(x)):
        to = i * y.shape[1] + first
        if count > 1:
            product(xs, i * x.shape[1], step, count, k, w, bias, 0, 0, columns, ys, to, columns)
        if bent:
            bend(ys, to, count * columns)
    margins(y, first, count * columns)


@compiled
def chain(x: Samples, plan: Plan, w: Samples, bias: Samples, before: int, after: int) -> Samples:
    """The layers of ``plan`` one behind the other: beats [n, ...] to what the last one gives, with ``before``
    and ``after`` zeros around it."""
    y, last = x, len(plan) - 1
    for i in range(len(plan)):
        layer = plan[i]
        first, behind = (before, after) if i == last else (plan[i + 1, BEFORE], plan[i + 1, AFTER])
        given, y = y, np.empty((len(x), first + layer[COUNT] * layer[COLUMNS] + behind), np.float32)
        slide(
            given, layer[STEP], layer[COUNT], layer[K], w[layer[W_AT] :], bias[layer[BIAS_AT] :],
            layer[COLUMNS], layer[BENT] > 0, y, first,
        )  # fmt: skip
    return y


@compiled
def bend(y: Samples, at: int, size: int) -> None:
    """GELU of ``size`` numbers of ``y`` [...] from ``at`` on, in place."""
    gelu(y, at, size // LANES)
    left = size % LANES
    if left:
        spare, end = np.zeros(LANES, np.float32), at + size
        for i in range(left):
            spare[i] = y[end - left + i]
        gelu(spare, 0, 1)
        for i in range(left):
            y[end - left + i] = spare[i]


@compiled
def recur(given: Samples, w: Samples, reverse: bool, y: Samples, first: int, hidden: int) -> None:
    """An LSTM's states along the steps, forwards or backwards.

    ``given`` [n, steps, 4 * units] are the gates' sums without the state's share, ``units`` being ``hidden``
    filled up to whole vectors; ``w`` [units, 4 * units] in panels. ``y`` [n, steps, ...] gets the ``hidden``
    states from ``first`` on.
    """
    n, steps, size = given.shape
    units = size // 4
    sums = given.reshape(-1)
    h, c = np.zeros(n * units, np.float32), np.zeros(n * units, np.float32)
    gates = np.empty(n * size, np.float32)
    for s in range(steps):
        t = steps - 1 - s if reverse else s
        product(h, 0, units, n, units, w, sums, t * size, steps * size, size, gates, 0, size)
        for i in range(n):
            for j in range(0, units, LANES):
                lstm_cell(gates, i * size + j, units, c, h, i * units + j)
            for j in range(hidden):
                y[i, t, first + j] = h[i * units + j]


@compiled
def product(
    x: Samples, at: int, step: int, count: int, k: int, w: Samples,
    start: Samples, start_at: int, start_step: int, columns: int, y: Samples, y_at: int, y_step: int,
) -> None:  # fmt: skip
    """``count`` rows of start + x @ w, as :func:`ecgmon.model.lanes.tile` takes them, all ``columns``: panel
    by panel, each in as few tiles as it takes."""
    spare = np.empty(count * PANEL if columns % LANES else 0, np.float32)
    for column in range(0, columns, PANEL):
        left, w_at, begin = columns - column, column * k, start_at + column
        wide, partly = left > LANES, left < PANEL and left != LANES
        out, to, out_step = (spare, 0, PANEL) if partly else (y, y_at + column, y_step)
        row = 0
        while row < count:
            x_row, begin_row, to_row = at + row * step, begin + row * start_step, to + row * out_step
            if count - row >= ROWS:
                _many(x, x_row, step, k, w, w_at, wide, start, begin_row, start_step, out, to_row, out_step)
                row += ROWS
            elif count - row >= FEW:
                _few(x, x_row, step, k, w, w_at, wide, start, begin_row, start_step, out, to_row, out_step)
                row += FEW
            else:
                _one(x, x_row, step, k, w, w_at, wide, start, begin_row, start_step, out, to_row, out_step)
                row += 1
        if partly:
            for r in range(count):
                for j in range(left):
                    y[y_at + column + r * y_step + j] = spare[r * PANEL + j]
