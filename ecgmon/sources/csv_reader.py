"""A CSV of samples as an iterator of blocks in mV, never loaded whole.

What is read::

    # fs: 360               comment lines before the data may give the rate (Hz) and the unit (V, mV, uV, nV)
    # unit: uV
    time,MLII,V5            a header is optional; a column t, time, seconds or elapsed (with a unit: "time
    (ms)") 0.000,-145,-65          holds times, all other columns are leads 0.003,-145,             an empty
    cell, "nan" or "-" is a missing sample

The separator is comma, semicolon or tab, as the first line shows. Options given in the settings go before
what the file says. Without a rate anywhere, the time column gives it.
"""

from __future__ import annotations

import csv
import itertools
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg.types import Samples
from ecgmon.errors import DataError
from ecgmon.sources.base import unique_names
from ecgmon.sources.csv_time import is_coarse, measured_rate, missing_before, seconds_per_unit
from ecgmon.sources.wfdb_segment import MILLIVOLTS, one_line

_MISSING: Final = {"", "-", "nan", "na", "null", "none"}
_BLOCK_ROWS: Final = 8192
_RATE_ROWS: Final = 1024
"""Rows that the rate is measured on."""
_RATE_TOLERANCE: Final = 0.01
"""A declared rate and the time column may differ by this share."""
_LONGEST_GAP: Final = 3600.0
"""Gaps in time up to this long, s, are filled with missing samples."""
_EPOCH: Final = 1e8
"""Times from here on count seconds since 1970, not since the start."""
MAX_LEADS: Final = 64


@dataclass(frozen=True, slots=True)
class Declared:
    """What the settings say about a CSV: rate in Hz and unit; None where the file is to say it."""

    fs: float | None = None
    unit: str | None = None


class CsvRecord:
    """A CSV opened for reading: ``name``, ``fs`` (Hz), ``leads`` (unique names), ``start`` (UTC s, or None).

    Gaps in a column of times become missing samples.

    Raises :class:`DataError` with file and line when the file is empty, holds text where numbers belong, has
    rows of different lengths, does not tell its rate, or contradicts the declared one.
    """

    def __init__(self, path: str | Path, declared: Declared | None = None) -> None:
        declared = declared or Declared()
        self._path = Path(path)
        self.name = self._path.stem
        comments, self._skip, first, self._separator = self._look()
        header = None if _is_data(first) else [cell.strip() for cell in first]
        self._skip += header is not None
        self._columns = len(first)
        self._time, self._scale = self._time_column(header)
        names = [cell for n, cell in enumerate(header or [None] * self._columns) if n != self._time]
        if not 1 <= len(names) <= MAX_LEADS:
            raise DataError(f"{self._path}: {len(names)} columns of samples; 1 to {MAX_LEADS} can be read")
        self.leads = unique_names(names)
        unit = declared.unit or comments.get("unit") or comments.get("units") or "mV"
        if unit.lower() not in MILLIVOLTS:
            raise DataError(f"{self._path}: the unit '{unit}' is no voltage; declare V, mV, uV or nV")
        self._to_mv = MILLIVOLTS[unit.lower()]
        head = next((rows for _, rows in self._rows(_RATE_ROWS)), None)
        if head is None or not len(head):
            raise DataError(f"{self._path}: empty: no row of samples; export the recording again")
        self.fs = self._rate(declared.fs, comments.get("fs"), head)
        times = None if self._time is None else head[:, self._time] * self._scale
        self._shows_gaps = times is not None and not is_coarse(times)
        self.start = float(times[0]) if times is not None and times[0] >= _EPOCH else None

    def blocks(self) -> Iterator[Samples]:
        """All samples in order, [leads, n] in mV, NaN = missing."""
        leads = [n for n in range(self._columns) if n != self._time]
        last = np.empty(0)
        for at, rows in self._rows():
            values = rows[:, leads].T * self._to_mv
            if self._shows_gaps and len(rows):
                times = np.concatenate([last, rows[:, self._time] * self._scale])
                missing = self._gaps(at + 1 - len(last), times)
                places = np.arange(1, len(times)) - len(last)
                values = np.insert(values, np.repeat(places, missing), np.nan, axis=1)
                last = times[-1:]
            yield values.astype(np.float32)

    @contextmanager
    def _opened(self) -> Iterator[TextIO]:
        try:
            with self._path.open(encoding="utf-8-sig", newline="") as file:
                yield file
        except UnicodeDecodeError:
            raise DataError(f"{self._path}: not text in UTF-8; save it as a plain CSV") from None
        except OSError as error:
            raise DataError(f"{self._path}: cannot be read ({error.strerror}); name a CSV file") from None

    def _look(self) -> tuple[dict[str, str], int, list[str], str]:
        """Comments by key, the number of lines before the first row, that row, and the separator."""
        comments: dict[str, str] = {}
        with self._opened() as file:
            for number, line in enumerate(file):
                if line.lstrip().startswith("#"):
                    key, _, value = line.lstrip().lstrip("#").partition(":")
                    comments[key.strip().lower()] = value.strip()
                elif line.strip():
                    separator = max(",;\t", key=line.count)
                    return comments, number, next(csv.reader([line], delimiter=separator)), separator
        raise DataError(f"{self._path}: empty: no row of samples; export the recording again")

    def _time_column(self, header: list[str] | None) -> tuple[int | None, float]:
        """Which column holds times, and seconds per unit of it."""
        for n, cell in enumerate(header or []):
            try:
                scale = seconds_per_unit(cell)
            except ValueError as error:
                raise DataError(f"{self._path}: {error}") from None
            if scale is not None:
                return n, scale
        return None, 1.0

    def _rate(self, declared: float | None, commented: str | None, head: NDArray[np.float64]) -> float:
        """Samples per second: as declared, as commented, else as measured; DataError where they differ."""
        told = declared
        if told is None and commented is not None:
            try:
                told = float(commented.lower().removesuffix("hz"))
            except ValueError:
                raise DataError(f"{self._path}: '# fs: {commented}' is no rate; write it in Hz") from None
        measured = None if self._time is None else measured_rate(head[:, self._time] * self._scale)
        if told is None and measured is None:
            raise DataError(
                f"{self._path}: no rate: set fs, write '# fs: 360' on top, or add a column of times"
            )
        if told is not None and measured is not None and abs(measured / told - 1) > _RATE_TOLERANCE:
            raise DataError(
                f"{self._path}: declared as {told:g} Hz, its times run at {measured:.5g} Hz; correct one"
            )
        rate = told if told is not None else measured
        if rate is None or not 1 <= rate <= 100_000:
            raise DataError(f"{self._path}: a rate of {rate:g} Hz; declare 1 to 100000")
        return rate

    def _gaps(self, at: int, times: NDArray[np.float64]) -> NDArray[np.int64]:
        """Samples missing before each row but the first; ``at`` is the line of the second."""
        steps = np.diff(times)
        wrong = np.flatnonzero(~((steps >= 0) & (steps <= _LONGEST_GAP)))
        if len(wrong):
            raise DataError(
                f"{self._path}: line {at + wrong[0]}: time goes on by {steps[wrong[0]]:g} s; sort the rows, "
                "cut the file there, or leave the column of times out"
            )
        return missing_before(times, self.fs)

    def _rows(self, size: int = _BLOCK_ROWS) -> Iterator[tuple[int, NDArray[np.float64]]]:
        """(line number of the first row, [n, columns]) block by block; missing cells are NaN."""
        with self._opened() as file:
            for _ in range(self._skip):
                next(file, None)
            at = self._skip + 1
            while lines := list(itertools.islice(file, size)):
                yield at, self._numbers(lines, at)
                at += len(lines)

    def _numbers(self, lines: list[str], at: int) -> NDArray[np.float64]:
        """Parse quickly; on any trouble once more, slowly, to say where it is."""
        separator = self._separator
        try:
            cells = [[float(cell) for cell in line.split(separator)] for line in lines]
            rows = np.array(cells, np.float64)
            sound = rows.shape == (len(lines), self._columns) and not np.isinf(rows).any()
            if sound and (self._time is None or not np.isnan(rows[:, self._time]).any()):
                return rows
        except ValueError:
            pass  # said below, with the line
        slow = [self._row(line, at + n) for n, line in enumerate(lines) if line.strip()]
        return np.array(slow, np.float64).reshape(-1, self._columns)

    def _row(self, line: str, number: int) -> list[float]:
        try:
            cells = next(csv.reader([line], delimiter=self._separator, strict=True))
        except (csv.Error, StopIteration) as error:
            raise DataError(f"{self._path}: line {number}: {one_line(error)}; export it again") from None
        if len(cells) != self._columns:
            raise DataError(
                f"{self._path}: line {number}: {len(cells)} cells where the first row has {self._columns}; "
                "fill up the row, with empty cells for missing samples"
            )
        values = []
        for column, cell in enumerate(cells):
            value = _number(cell)
            if value is None or math.isinf(value) or (math.isnan(value) and column == self._time):
                raise DataError(
                    f"{self._path}: line {number}, column {column + 1}: {cell.strip()[:40]!r} is no number; "
                    "correct it, or leave the cell empty for a missing sample"
                )
            values.append(value)
        return values


def _number(cell: str) -> float | None:
    """A cell's value; NaN when it is missing, None when it is text."""
    cell = cell.strip()
    if cell.lower() in _MISSING:
        return math.nan
    try:
        return float(cell)
    except ValueError:
        return None


def _is_data(cells: list[str]) -> bool:
    return all(_number(cell) is not None for cell in cells)
