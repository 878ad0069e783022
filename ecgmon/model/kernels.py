"""The compiled steps of an autoencoder's forward pass: rows times a matrix, and an LSTM's way along them."""

from __future__ import annotations

import numpy as np

from ecgmon.ecg.compiled import compiled
from ecgmon.ecg.types import WINDOW, Samples
from ecgmon.model.lanes import FEW, LANES, PANEL, ROWS, lstm_cell, tile
from ecgmon.model.layers import LEFT, PADDED

_many_wide, _few_wide, _one_wide = tile(ROWS, 2), tile(FEW, 2), tile(1, 2)
_many, _few, _one = tile(ROWS, 1), tile(FEW, 1), tile(1, 1)


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
        y[i, :first] = 0.0
        y[i, first + size :] = 0.0


@compiled
def slide(
    x: Samples, step: int, count: int, k: int, w: Samples, bias: Samples, columns: int, gelu: bool,
    y: Samples, first: int,
) -> None:  # fmt: skip
    """A matrix slid along each beat: ``count`` rows of ``columns`` numbers, with GELU if wanted.

    ``x`` [n, ...] are beats, each with windows of ``k`` numbers from 0, ``step``, 2 ``step`` ... on; ``w`` is
    packed in panels, ``bias`` filled up to whole panels. Beats of ``y`` [n, ...] get the rows from
    ``first`` on, and zeros before and behind.
    """
    beats, rows, step_y = len(x), count, columns
    if count == 1:  # the beats are the rows
        beats, rows, step, step_y = 1, len(x), x.shape[1], y.shape[1]
    xs, ys = x.reshape(-1), y.reshape(-1)
    for i in range(beats):
        at, to = i * x.shape[1], i * y.shape[1] + first
        product(xs, at, step, rows, k, w, bias, 0, 0, columns, gelu, ys, to, step_y)
    margins(y, first, count * columns)


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
        product(h, 0, units, n, units, w, sums, t * size, steps * size, size, False, gates, 0, size)
        for i in range(n):
            for j in range(0, units, LANES):
                lstm_cell(gates, i * size + j, units, c, h, i * units + j)
            y[i, t, first : first + hidden] = h[i * units : i * units + hidden]


@compiled
def product(
    x: Samples, at: int, step: int, count: int, k: int, w: Samples,
    start: Samples, start_at: int, start_step: int, columns: int, gelu: bool,
    y: Samples, y_at: int, y_step: int,
) -> None:  # fmt: skip
    """``count`` rows of start + x @ w, as :func:`ecgmon.model.lanes.tile` takes them, all ``columns``."""
    spare = np.empty(count * PANEL if columns % LANES else 0, np.float32)
    for column in range(0, columns, PANEL):
        left, w_at, begin = columns - column, column * k, start_at + column
        partly = left < PANEL and left != LANES
        out, to, out_step = (spare, 0, PANEL) if partly else (y, y_at + column, y_step)
        if left > LANES:
            _wide(x, at, step, count, k, w, w_at, start, begin, start_step, gelu, out, to, out_step)
        else:
            _narrow(x, at, step, count, k, w, w_at, start, begin, start_step, gelu, out, to, out_step)
        if partly:
            for r in range(count):
                for j in range(left):
                    y[y_at + column + r * y_step + j] = spare[r * PANEL + j]


@compiled
def _wide(
    x: Samples, at: int, step: int, count: int, k: int, w: Samples, w_at: int,
    start: Samples, start_at: int, start_step: int, gelu: bool, y: Samples, y_at: int, y_step: int,
) -> None:  # fmt: skip
    """A panel of two vectors' width, ``count`` rows in as few tiles as it takes."""
    row = 0
    while row < count:
        x_row, start_row, y_row = at + row * step, start_at + row * start_step, y_at + row * y_step
        if count - row >= ROWS:
            _many_wide(x, x_row, step, k, w, w_at, start, start_row, start_step, gelu, y, y_row, y_step)
            row += ROWS
        elif count - row >= FEW:
            _few_wide(x, x_row, step, k, w, w_at, start, start_row, start_step, gelu, y, y_row, y_step)
            row += FEW
        else:
            _one_wide(x, x_row, step, k, w, w_at, start, start_row, start_step, gelu, y, y_row, y_step)
            row += 1


@compiled
def _narrow(
    x: Samples, at: int, step: int, count: int, k: int, w: Samples, w_at: int,
    start: Samples, start_at: int, start_step: int, gelu: bool, y: Samples, y_at: int, y_step: int,
) -> None:  # fmt: skip
    """The same of one vector's width."""
    row = 0
    while row < count:
        x_row, start_row, y_row = at + row * step, start_at + row * start_step, y_at + row * y_step
        if count - row >= ROWS:
            _many(x, x_row, step, k, w, w_at, start, start_row, start_step, gelu, y, y_row, y_step)
            row += ROWS
        elif count - row >= FEW:
            _few(x, x_row, step, k, w, w_at, start, start_row, start_step, gelu, y, y_row, y_step)
            row += FEW
        else:
            _one(x, x_row, step, k, w, w_at, start, start_row, start_step, gelu, y, y_row, y_step)
            row += 1
