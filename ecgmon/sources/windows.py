"""CSV of ready windows, one a row: 187 values and, optionally, a label in column 188.

The format of the Kaggle heartbeat files (Kachuee M, Fazeli S, Sarrafzadeh M, "ECG Heartbeat Classification: A
Deep Transferable Representation", IEEE ICHI 2018): 125 Hz, from the R-peak on, scaled to 0..1, zero-padded;
label 0 is normal, 1 to 4 are the AAMI classes S, V, F, Q. A header line is tolerated. Values are handed on as
they stand.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg.types import WINDOW, Samples
from ecgmon.errors import DataError

_BLOCK_ROWS: Final = 2048
_MAX_LABEL: Final = 99
_LEAST: Final = -0.01
_MOST: Final = 1.01
"""Values are scaled to 0..1; what lies further out was scaled otherwise. The rest is for rounding."""


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """``x`` [n, 187] as in the file; ``labels`` [n], 0 = normal, or None where the file has no labels."""

    x: Samples
    labels: NDArray[np.int64] | None


def read_windows(path: str | Path) -> Windows:
    """Read a CSV of windows.

    Raises :class:`DataError` with file and line when the file is missing or empty, a row is neither 187 nor
    188 cells or differs from the first, a cell is no finite number or outside of 0..1, or a label no whole
    number from 0 to 99.
    """
    path = Path(path)
    blocks: list[Samples] = []
    labels: list[NDArray[np.int64]] = []
    columns = 0
    try:
        with path.open(encoding="utf-8-sig") as file:
            at = 1
            while lines := list(itertools.islice(file, _BLOCK_ROWS)):
                rows = [(at + n, line) for n, line in enumerate(lines) if line.strip()]
                if at == 1 and rows and _is_header(rows[0][1]):
                    rows = rows[1:]
                at += len(lines)
                if not rows:
                    continue
                columns = columns or rows[0][1].count(",") + 1
                values = _parse(path, rows, columns)
                blocks.append(values[:, :WINDOW].astype(np.float32))
                if columns > WINDOW:
                    labels.append(_labels(path, rows, values[:, WINDOW]))
    except UnicodeDecodeError:
        raise DataError(f"{path}: not text in UTF-8; name a CSV of windows") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); name a CSV of windows") from None
    if not blocks:
        raise DataError(f"{path}: empty: no row of {WINDOW} values; export the windows again")
    return Windows(np.concatenate(blocks), np.concatenate(labels) if labels else None)


def _parse(path: Path, rows: list[tuple[int, str]], columns: int) -> NDArray[np.float64]:
    for number, line in rows:
        cells = line.count(",") + 1
        if cells not in {WINDOW, WINDOW + 1}:
            raise DataError(
                f"{path}: line {number}: {cells} cells; a window has {WINDOW} values and at most one label"
            )
        if cells != columns:
            raise DataError(f"{path}: line {number}: {cells} cells where the first row has {columns}")
    try:
        values = np.array([line.split(",") for _, line in rows], np.float64)
    except ValueError:
        values = np.array([_slowly(path, number, line) for number, line in rows])
    wrong = np.argwhere(~np.isfinite(values))
    if len(wrong):
        row, column = wrong[0]
        raise DataError(
            f"{path}: line {rows[row][0]}, column {column + 1}: not a finite number; correct the window"
        )
    x = values[:, :WINDOW]
    wrong = np.argwhere((x < _LEAST) | (x > _MOST))
    if len(wrong):
        row, column = wrong[0]
        raise DataError(
            f"{path}: line {rows[row][0]}, column {column + 1}: {x[row, column]:g} is outside of 0..1; scale "
            "each window from its lowest to its highest value"
        )
    return values


def _slowly(path: Path, number: int, line: str) -> list[float]:
    values = []
    for column, cell in enumerate(line.split(","), 1):
        try:
            values.append(float(cell))
        except ValueError:
            what = repr(cell.strip()[:40])
            raise DataError(
                f"{path}: line {number}, column {column}: {what} is no number; correct it"
            ) from None
    return values


def _labels(path: Path, rows: list[tuple[int, str]], values: NDArray[np.float64]) -> NDArray[np.int64]:
    wrong = np.flatnonzero((values != np.round(values)) | (values < 0) | (values > _MAX_LABEL))
    if len(wrong):
        raise DataError(
            f"{path}: line {rows[wrong[0]][0]}: the label {values[wrong[0]]:g} is no class; 0 is normal"
        )
    return values.astype(np.int64)


def _is_header(line: str) -> bool:
    """A first line without a single number: names of columns."""
    for cell in line.split(","):
        try:
            float(cell)
        except ValueError:
            continue
        return False
    return True
