"""Beats, kept in one file."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from ecgmon.commands import made_csv
from ecgmon.commands.compare_data import prepared
from ecgmon.commands.recordings import labelled
from ecgmon.comparison.data import NUMBERS, Table
from ecgmon.comparison.datasets import BeatsFrom, CsvData, MadeFrom, RecordsData
from ecgmon.errors import ConfigError, DataError
from ecgmon.files import write_whole

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


def test_one_heart_is_not_in_both_parts(ward: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    message = r"patients: 'p' is in both train \(record 'a'\) and test \('x'\)"
    with pytest.raises(ConfigError, match=message):
        prepared("ward", data(ward, patients={"a": "p", "x": "p"}), tmp_path, WHERE)
    with pytest.raises(ConfigError, match="patients: 'x' is in both"):
        prepared("ward", data(ward, patients={"a": "x"}), tmp_path, WHERE)
    twins = tmp_path / "twins"
    twins.mkdir()
    for name, twin in (("a", "201"), ("x", "202")):
        for suffix in ("hea", "dat", "atr"):
            content = (ward / f"{name}.{suffix}").read_bytes()
            (twins / f"{twin}.{suffix}").write_bytes(content.replace(name.encode(), twin.encode(), 1)
                                                     if suffix == "hea" else content)  # fmt: skip
        header = twins / f"{twin}.hea"
        header.write_text(header.read_text().replace(f"{name}.dat", f"{twin}.dat"))
    found = prepared("mit", data(twins, train="201", test="202"), tmp_path, WHERE)
    assert "records 201 and 202 are of one heart, which is learned from and tested on" in caplog.text
    assert Table.load(tmp_path / f"{found}.npz").test.patients == ("201",)


def test_a_csv_that_was_learned_from_is_not_tested_on(
    ward: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make = MadeFrom(data=str(ward), train="a,b", test="x")
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    prepared("csv", CsvData(train=str(train), test=str(test), make=make), tmp_path, WHERE)
    with pytest.raises(ConfigError, match="csv: train and test have the same content"):
        prepared("csv", CsvData(train=str(train), test=str(train)), tmp_path, WHERE)
    lines, others = train.read_text().splitlines(), test.read_text().splitlines()
    mixed = tmp_path / "mixed.csv"
    mixed.write_text("\n".join(lines[1:]) + "\n")
    with pytest.raises(ConfigError, match=f"csv: {len(lines) - 1} of the {len(lines) - 1} windows"):
        prepared("csv", CsvData(train=str(train), test=str(mixed)), tmp_path, WHERE)
    mixed.write_text("\n".join([*others, lines[0]]) + "\n")
    prepared("csv", CsvData(train=str(train), test=str(mixed)), tmp_path, WHERE)
    assert f"1 of the {len(others) + 1} windows to test on are in train, too" in caplog.text


def test_a_csv_that_was_made_of_something_else_is_made_again_and_a_strange_one_refused(
    ward: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "w.csv"

    def ask(**make: str) -> str:
        said = MadeFrom(**({"data": str(ward), "train": "a", "test": None} | make))  # type: ignore[arg-type]
        return prepared("csv", CsvData(train=str(path), test=None, make=said), tmp_path, WHERE)

    first, before = ask(), path.stat().st_mtime_ns
    assert ask() == first
    assert path.stat().st_mtime_ns == before
    assert ask(beats="reference") != first
    assert "was made of something else, and is made again" in caplog.text
    assert ask() == first
    path.write_text(path.read_text().replace("0.0\n", "1.0\n", 1))
    with pytest.raises(ConfigError, match="is there, and not as compare would have made it"):
        ask()
    path.with_name("w.csv.made.json").unlink()
    with pytest.raises(ConfigError, match="is there, and not as compare would have made it"):
        ask()


@pytest.mark.parametrize("noted", [False, True])
@pytest.mark.parametrize("before", [False, True])
def test_a_csv_whose_making_was_cut_short_is_made_the_next_time(
    ward: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, noted: bool, before: bool
) -> None:
    path = tmp_path / "w.csv"

    def ask(beats: BeatsFrom = "own") -> str:
        said = MadeFrom(data=str(ward), train="a", test=None, beats=beats)
        return prepared("csv", CsvData(train=str(path), test=None, make=said), tmp_path, WHERE)

    def cut(beside: Path, content: bytes) -> None:
        if noted:
            write_whole(beside, content)
        raise KeyboardInterrupt

    if before:
        ask(beats="reference")
    with monkeypatch.context() as patch:
        patch.setattr(made_csv, "write_whole", cut)
        with pytest.raises(KeyboardInterrupt):
            ask()
    found, content = ask(), path.read_bytes()
    assert ask() == found
    path.unlink()
    assert ask() == found
    assert path.read_bytes() == content


def test_a_csv_without_labels_or_with_strange_ones_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.csv"
    path.write_text(",".join(["0.5"] * 187) + "\n")
    settings = CsvData(train=str(path), test=None)
    with pytest.raises(DataError, match="no labels in column 188"):
        prepared("csv", settings, tmp_path, WHERE)
    path.write_text(",".join(["0.5"] * 187 + ["7"]) + "\n")
    with pytest.raises(DataError, match=r"labels must be 0 .* and there is 7"):
        prepared("csv", settings, tmp_path, WHERE)
