"""Scored beats become a WFDB annotation file that WFDB's own reader understands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import wfdb

from ecgmon.ecg.types import WINDOW, Beat, Score
from ecgmon.errors import DataError
from ecgmon.sinks.annotations import encoded, write_annotations

FLAT = np.zeros(WINDOW, dtype=np.float32)


def beat(index: int, r: float, *, good: bool = True) -> Beat:
    return Beat(index, r, r + 1, FLAT, 1.0, 0.8, 0.8, good)


def score(p_value: float) -> Score:
    return Score(1 - p_value, p_value, p_value < 0.01, p_value < 0.001, {}, FLAT)


@pytest.mark.parametrize("fs", [100.0, 257.3, 360.0, 1000.0])
def test_beats_are_read_back_at_their_samples_with_their_meaning(tmp_path: Path, fs: float) -> None:
    beats = [beat(0, 0.5), beat(1, 1.25), beat(2, 2.0, good=False), beat(3, 90_000.0)]
    write_annotations(
        tmp_path / "100.ecgmon",
        beats,
        [score(0.5), score(0.00123), None, score(0.2)],
        fs=fs,
        comment="by hand",
    )

    read = wfdb.rdann(str(tmp_path / "100"), "ecgmon")

    assert read.symbol == ['"', "N", "Q", "?", "N"]
    assert read.sample.tolist() == [1] + [round(r * fs) for r in (0.5, 1.25, 2.0, 90_000.0)]
    assert read.aux_note == ["by hand", "", "p=0.0012", "", ""]
    assert float(read.fs) == fs


@pytest.mark.parametrize("fs", [360.0, 257.3, 250.0000000001])
def test_a_file_has_the_bytes_that_wfdb_would_write(tmp_path: Path, fs: float) -> None:
    far = 2**31 + 5_000
    marks = [
        (1, '"', "odd"), (1, "N", ""), (1024, "Q", "p=0.0012"), (1024, "?", ""), (2048, "N", ""),
        (70_000, "Q", "p=1"), (far, "N", ""),
    ]  # fmt: skip

    samples, symbols, notes = zip(*marks, strict=True)
    wfdb.wrann(
        "theirs", "x", np.array(samples), list(symbols), aux_note=list(notes), fs=fs, write_dir=str(tmp_path)
    )

    assert encoded(marks, fs) == (tmp_path / "theirs.x").read_bytes()


def test_every_mark_of_a_beat_is_a_qrs_for_other_programs() -> None:
    codes = {label.symbol: label.label_store for label in wfdb.io.annotation.ann_labels}
    assert [wfdb.io.annotation.is_qrs[codes[symbol]] for symbol in "NQ?"] == [True] * 3
    assert not wfdb.io.annotation.is_qrs[codes['"']]


def test_a_recording_without_beats_has_a_valid_file(tmp_path: Path) -> None:
    write_annotations(tmp_path / "flat.ecgmon", [], [], fs=360.0, comment="nothing here")
    assert wfdb.rdann(str(tmp_path / "flat"), "ecgmon").symbol == ['"']


def test_a_record_name_and_comment_of_any_kind_can_be_written(tmp_path: Path) -> None:
    write_annotations(tmp_path / "a.b c.ecgmon", [beat(0, 1.0)], [None], fs=360.0, comment="ü" * 400)
    assert (tmp_path / "a.b c.ecgmon").read_bytes()[-2:] == b"\0\0"
    assert [path.name for path in tmp_path.iterdir()] == ["a.b c.ecgmon"]


def test_a_folder_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere/100\.ecgmon: cannot be written \(No such file"):
        write_annotations(tmp_path / "nowhere" / "100.ecgmon", [], [], fs=360.0, comment="")
