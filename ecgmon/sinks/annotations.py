"""Beats as a WFDB annotation file, so that any WFDB viewer shows them over the signal.

Three standard codes for beats are used, none of which claims where a beat came from, for the score does not
know:

    N   scored, not odd
    Q   "unclassifiable beat": scored and odd; its note says with which p-value
    ?   "beat not classified during learning": found, but not scored, for the signal around it was not good

All three count as QRS complexes for the programs that read annotations. A comment (``"``) at sample 1 says
what wrote the file, so that a recording without any beat has a valid file too; sample 0 is taken, for readers
look there for the rate and drop whatever else they find.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import wfdb

from ecgmon.ecg.types import Beat, Score
from ecgmon.errors import DataError

NORMAL: Final = "N"
ODD: Final = "Q"
NOT_SCORED: Final = "?"
COMMENT: Final = '"'

NOTE_BYTES: Final = 255
"""The format's limit for one note."""


def write_annotations(
    path: Path, beats: Sequence[Beat], scores: Sequence[Score | None], *, fs: float, comment: str
) -> None:
    """Write one mark a beat to ``path`` (``DIR/NAME.ANNOTATOR``), at the record's own rate ``fs``, Hz.

    ``scores`` [beats] holds None where a beat was not scored. The file appears whole or not at all. Raises
    :class:`DataError` when it cannot be written.
    """
    marks = [_mark(beat, score, fs) for beat, score in zip(beats, scores, strict=True)]
    marks = sorted([*marks, (1, COMMENT, _ascii(comment))], key=lambda mark: mark[0])
    annotator = path.suffix.removeprefix(".")
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".annotations-") as folder:
            wfdb.wrann(
                "record",
                annotator,
                np.array([sample for sample, _, _ in marks], dtype=np.int64),
                symbol=[symbol for _, symbol, _ in marks],
                aux_note=[note for _, _, note in marks],
                fs=fs,
                write_dir=folder,
            )
            (Path(folder) / f"record.{annotator}").replace(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror})") from None


def _mark(beat: Beat, score: Score | None, fs: float) -> tuple[int, str, str]:
    """Sample number, symbol and note of one beat."""
    sample = max(0, round(beat.r * fs))
    if score is None:
        return sample, NOT_SCORED, ""
    return (sample, ODD, f"p={score.p_value:.2g}") if score.odd else (sample, NORMAL, "")


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace")[:NOTE_BYTES].decode("ascii")
