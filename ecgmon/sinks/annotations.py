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

import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from ecgmon.ecg.types import Beat, Score
from ecgmon.files import write_whole

NORMAL: Final = "N"
ODD: Final = "Q"
NOT_SCORED: Final = "?"
COMMENT: Final = '"'

NOTE_BYTES: Final = 255
"""The format's limit for one note."""

_CODES: Final = {NORMAL: 1, ODD: 13, NOT_SCORED: 30, COMMENT: 22}
_SKIP: Final = 59
_NOTE: Final = 63
"""What the upper six bits of a word say; the lower ten are samples since the last mark, or a note's bytes."""

_AHEAD: Final = 2**10 - 1
_FURTHER: Final = 2**31 - 1
"""Samples that a mark can be ahead of the last one, and that a skip can pass."""

_WORD: Final = struct.Struct("<H")
_LONG: Final = struct.Struct("<HHH")  # a word, and 32 bits with the upper half first

Mark = tuple[int, str, str]
"""Sample number, symbol and note of one beat."""


def write_annotations(
    path: Path, beats: Sequence[Beat], scores: Sequence[Score | None], *, fs: float, comment: str
) -> None:
    """Write one mark a beat to ``path`` (``DIR/NAME.ANNOTATOR``), at the record's own rate ``fs``, Hz.

    ``scores`` [beats] holds None where a beat was not scored. The file appears whole or not at all. Raises
    :class:`DataError` when it cannot be written.
    """
    marks = [_mark(beat, score, fs) for beat, score in zip(beats, scores, strict=True)]
    marks = sorted([*marks, (1, COMMENT, _ascii(comment))], key=lambda mark: mark[0])
    write_whole(path, encoded(marks, fs))


def encoded(marks: Iterable[Mark], fs: float) -> bytes:
    """Marks in the order of their samples as a file's bytes: what ``wfdb.wrann`` writes, in a fraction of its
    time. Format: https://physionet.org/physiotools/wag/annot-5.htm."""
    rate = int(fs) if round(fs, 8) == int(fs) else fs
    parts = [_WORD.pack(_CODES[COMMENT] << 10), _noted(f"## time resolution: {rate}")]
    parts += [_LONG.pack(_SKIP << 10, 0xFFFF, 0xFFFF), _WORD.pack(1)]  # back by one and on: the marks begin
    at = 0
    for sample, symbol, note in marks:
        ahead, at = sample - at, sample
        while ahead > _AHEAD:
            skipped = min(ahead, _FURTHER)
            parts.append(_LONG.pack(_SKIP << 10, skipped >> 16, skipped & 0xFFFF))
            ahead -= skipped
        parts.append(_WORD.pack(_CODES[symbol] << 10 | ahead))
        if note:
            parts.append(_noted(note))
    return b"".join([*parts, _WORD.pack(0)])


def _noted(note: str) -> bytes:
    text = note.encode("ascii")
    return _WORD.pack(_NOTE << 10 | len(text)) + text + b"\0" * (len(text) % 2)


def _mark(beat: Beat, score: Score | None, fs: float) -> Mark:
    sample = max(0, round(beat.r * fs))
    if score is None:
        return sample, NOT_SCORED, ""
    return (sample, ODD, f"p={score.p_value:.2g}") if score.odd else (sample, NORMAL, "")


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace")[:NOTE_BYTES].decode("ascii")
