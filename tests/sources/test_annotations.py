"""Reference annotations and what may be wrong with their files."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from ecgmon.errors import DataError
from ecgmon.sources.annotations import read_annotations


def test_marks_of_mit_bih_come_in_order_with_symbols_and_notes(mitdb: Path) -> None:
    marks = read_annotations(mitdb / "100")
    assert (len(marks.samples), marks.fs) == (2274, 360.0)
    assert marks.symbols[:3] == ["+", "N", "N"]
    assert marks.aux[0] == "(N"
    assert marks.samples.dtype == np.int64
    assert np.all(np.diff(marks.samples) >= 0)
    assert marks.symbols.count("V") == 1


def test_every_record_of_mit_bih_is_readable(mitdb: Path) -> None:
    assert sum(len(read_annotations(file).samples) for file in mitdb.glob("*.hea")) == 112_647


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"r\.atr: cannot be read \(No such file"):
        read_annotations(tmp_path / "r")


@pytest.mark.parametrize("content", [b"", b"\0", b"\0\0\0", b"not annotations!", b"\xff" * 64 + b"\0\0"])
def test_damaged_files_are_refused_in_one_line(content: bytes, tmp_path: Path, mitdb: Path) -> None:
    shutil.copy(mitdb / "100.hea", tmp_path)
    (tmp_path / "100.atr").write_bytes(content)
    with pytest.raises(DataError, match=r"100\.atr: ") as caught:
        read_annotations(tmp_path / "100")
    assert "\n" not in str(caught.value)


def test_a_file_cut_short_is_refused(tmp_path: Path, mitdb: Path) -> None:
    shutil.copy(mitdb / "100.hea", tmp_path)
    (tmp_path / "100.atr").write_bytes((mitdb / "100.atr").read_bytes()[:-300])
    with pytest.raises(DataError, match="cut short"):
        read_annotations(tmp_path / "100")


def test_marks_without_a_rate_are_refused(tmp_path: Path, mitdb: Path) -> None:
    shutil.copy(mitdb / "100.atr", tmp_path)
    with pytest.raises(DataError, match="does not say its rate"):
        read_annotations(tmp_path / "100")
