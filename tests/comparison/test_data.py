"""Beats, kept in one file."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from ecgmon.commands.compare_data import prepared
from ecgmon.commands.recordings import labelled
from ecgmon.comparison.data import NUMBERS, CsvData, MadeFrom, RecordsData, Table
from ecgmon.errors import ConfigError, DataError

WHERE = "compare.yaml"


def data(ward: Path, **more: object) -> RecordsData:
    return RecordsData(**({"data": str(ward), "train": "a,b", "test": "x"} | more))  # type: ignore[arg-type]


def test_recordings_come_back_as_they_were_read(ward: Path, tmp_path: Path) -> None:
    table = Table.load(tmp_path / f"{prepared('ward', data(ward), tmp_path, WHERE)}.npz")
    assert table.train.names == ("a", "b")
    for name, found in zip("ab", table.train.records(), strict=True):
        read = labelled(ward / name)
        assert (found.patient, found.labels, found.hours) == (read.patient, read.labels, read.hours)
        assert found.flutter == read.flutter
        for one, other in zip(found.beats, read.beats, strict=True):
            assert (one.index, one.good) == (other.index, other.good)
            assert np.array_equal(one.window, other.window)
            for number in NUMBERS:
                assert getattr(one, number) == pytest.approx(getattr(other, number), nan_ok=True, rel=0)


def test_the_hash_is_of_the_content(ward: Path, tmp_path: Path) -> None:
    copied = tmp_path / "copy"
    shutil.copytree(ward, copied)
    out = tmp_path / "out"
    out.mkdir()
    first = prepared("ward", data(ward), out, WHERE)
    assert prepared("other name", data(copied, max_beats_per_patient=3), out, WHERE) == first
    assert prepared("ward", data(ward, layout="kachuee"), out, WHERE) != first
    assert prepared("ward", data(ward, train="a", test="b,x"), out, WHERE) != first
    (copied / "a.atr").write_bytes((copied / "b.atr").read_bytes())
    assert prepared("ward", data(copied), out, WHERE) != first


def test_a_damaged_file_is_made_again(ward: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    name = prepared("ward", data(ward), tmp_path, WHERE)
    path = tmp_path / f"{name}.npz"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="damaged"):
        Table.load(path)
    assert prepared("ward", data(ward), tmp_path, WHERE) == name
    assert "damaged" in caplog.text
    assert len(Table.load(path).train.label)


def test_csv_files_are_made_where_they_are_not_there(ward: Path, tmp_path: Path) -> None:
    settings = CsvData(
        train=str(tmp_path / "made" / "train.csv"), test=str(tmp_path / "made" / "test.csv"),
        make=MadeFrom(data=str(ward), train="a,b", test="x"),
    )  # fmt: skip
    table = Table.load(tmp_path / f"{prepared('csv', settings, tmp_path, WHERE)}.npz")
    direct = Table.load(tmp_path / f"{prepared('ward', data(ward, layout='kachuee'), tmp_path, WHERE)}.npz")
    part = direct.test
    tested = np.flatnonzero(part.good & (part.label != "") & (part.column("r") >= 300))
    assert table.test.label.tolist() == part.label[tested].tolist()
    rows = np.arange(len(tested))
    assert np.abs(table.test.x(rows) - part.x(tested)).max() < 1e-6
    part = direct.train
    assert len(table.train.label) == (part.good & (part.label != "")).sum()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (RecordsData(data="nowhere"), "nowhere: no such folder"),
        (CsvData(train="no.csv", test="no.csv"), "no.csv: no such file; make it with `ecgmon windows`"),
    ],
)
def test_what_is_not_there_is_told_with_the_data_set(
    settings: RecordsData | CsvData, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=f"compare.yaml: datasets.mine: {message}"):
        prepared("mine", settings, tmp_path, WHERE)


def test_records_that_would_be_tested_on_what_was_learned_are_refused(ward: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="record 'b' is in both train and test"):
        prepared("ward", data(ward, test="b,x"), tmp_path, WHERE)
    with pytest.raises(ConfigError, match="patients: there is no record 'q'"):
        prepared("ward", data(ward, patients={"q": "a"}), tmp_path, WHERE)


def test_a_csv_without_labels_or_with_strange_ones_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.csv"
    path.write_text(",".join(["0.5"] * 187) + "\n")
    settings = CsvData(train=str(path), test=str(path))
    with pytest.raises(DataError, match="no labels in column 188"):
        prepared("csv", settings, tmp_path, WHERE)
    path.write_text(",".join(["0.5"] * 187 + ["7"]) + "\n")
    with pytest.raises(DataError, match=r"labels must be 0 .* and there is 7"):
        prepared("csv", settings, tmp_path, WHERE)
