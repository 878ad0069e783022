"""Reference annotations of WFDB records: which beat is what, and where."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgmon.errors import DataError
from ecgmon.sources.wfdb_segment import READ_FAILURES, one_line, record_path


@dataclass(frozen=True, slots=True, eq=False)
class Annotations:
    """Marks of one annotator, in order of time.

    samples   [n] int64, sample numbers at ``fs``, non-decreasing
    symbols   n WFDB symbols (``N``, ``V``, ``+``, ...)
    aux       n notes (``(AFIB``), empty where there is none
    fs        rate that the sample numbers count in, Hz
    """

    samples: NDArray[np.int64]
    symbols: list[str]
    aux: list[str]
    fs: float


def read_annotations(path: str | Path, extension: str = "atr") -> Annotations:
    """Read ``path`` + ``.extension``, where ``path`` names a record with or without ``.hea``.

    Raises :class:`DataError` when the file is missing, cut short or damaged, or when neither it nor the
    header beside it says at which rate its samples count.
    """
    path = record_path(path)
    file = path.with_name(f"{path.name}.{extension}")
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise DataError(
            f"{file}: cannot be read ({error.strerror}); put the record's annotations beside its header"
        ) from None
    if len(raw) % 2 or raw[-2:] != b"\0\0":
        raise DataError(f"{file}: cut short or not a WFDB annotation file: no end mark; fetch the file again")
    import wfdb  # noqa: PLC0415 - see read_header

    try:
        read = wfdb.rdann(str(path), extension)
    except READ_FAILURES as error:
        raise DataError(
            f"{file}: not a readable WFDB annotation file ({one_line(error)}); fetch the file again"
        ) from None
    if read.fs is None:
        raise DataError(
            f"{file}: does not say its rate, and there is no readable header {path}.hea that does"
        )
    samples = np.asarray(read.sample, np.int64)
    symbols = list(read.symbol)
    if np.any(np.diff(samples, prepend=0) < 0) or not all(isinstance(symbol, str) for symbol in symbols):
        raise DataError(
            f"{file}: damaged: its marks run backwards in time or bear unknown codes; fetch the file again"
        )
    aux = [(note or "").rstrip("\0") for note in read.aux_note]
    return Annotations(samples, symbols, aux, float(read.fs))
