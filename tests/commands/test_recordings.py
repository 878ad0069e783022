"""``--data`` and ``--records`` name recordings; their beats come with the annotators' classes."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from ecgmon.commands.recordings import labelled, name_of, patients_of, resolve, trained_on, truth
from ecgmon.ecg.aami import DS2
from ecgmon.errors import DataError, UsageError
from ecgmon.model.bundle import DataInfo


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.hea").touch()
    return tmp_path


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def test_all_records_are_those_of_the_list_in_its_order(folder: Path) -> None:
    (folder / "RECORDS").write_text("c\n\na  # a comment\n")
    assert resolve(folder) == [folder / "c", folder / "a"]


def test_without_a_list_every_header_is_a_record(folder: Path) -> None:
    assert names(resolve(folder)) == ["a", "b", "c"]


def test_names_by_comma(folder: Path) -> None:
    assert names(resolve(folder, "b, a")) == ["b", "a"]


def test_names_by_file(folder: Path, tmp_path: Path) -> None:
    listing = tmp_path / "mine.txt"
    listing.write_text("b\nc\n")
    assert names(resolve(folder, str(listing))) == ["b", "c"]


def test_a_record_goes_before_a_file_of_its_name(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path_factory.mktemp("here")
    (here / "b").write_text("c\n")
    (here / "a,b").write_text("c\n")
    monkeypatch.chdir(here)
    assert names(resolve(folder, "b")) == ["b"]
    assert names(resolve(folder, "a,b")) == ["a", "b"]


def test_a_long_list_of_names_is_no_file_name(folder: Path) -> None:
    many = [f"record{n:03}" for n in range(600)]
    for name in many:
        (folder / f"{name}.hea").touch()
    assert names(resolve(folder, ",".join(many))) == many
    with pytest.raises(UsageError, match="is not in"):
        resolve(folder, "x" * 5000)


def test_records_of_one_name_in_folders_below_stay_apart(tmp_path: Path) -> None:
    for patient in ("p1", "p2"):
        (tmp_path / patient).mkdir()
        (tmp_path / patient / "100.hea").touch()
    (tmp_path / "RECORDS").write_text("p1/100\np2/100\n")
    found = resolve(tmp_path)
    assert [name_of(record, tmp_path) for record in found] == ["p1/100", "p2/100"]


def test_what_a_model_was_trained_on_is_known_by_name_and_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = DataInfo(
        source=folder.name, lead="0", split_by="patient", train=["a"], validation=["c"], calibration=["b"],
        train_beats=1, validation_beats=1, calibration_beats=1,
    )  # fmt: skip
    assert trained_on(known, folder, resolve(folder)) == ["a", "c"]
    monkeypatch.chdir(folder)
    assert trained_on(known, Path(), resolve(Path())) == ["a", "c"]
    assert trained_on(known, folder.parent, [folder / "a"]) == []


@pytest.mark.parametrize(("one", "other"), [("201", "202"), ("202", "201")])
@pytest.mark.parametrize("part", ["train", "validation"])
def test_the_second_record_of_a_heart_counts_as_trained_on(
    mitdb: Path, one: str, other: str, part: str
) -> None:
    names = {"train": ["100"], "validation": ["101"]} | {part: ["103", one]}
    known = DataInfo(
        source=mitdb.name, lead="0", split_by="patient", train=names["train"], validation=names["validation"],
        calibration=[], train_beats=1, validation_beats=1, calibration_beats=1,
    )  # fmt: skip
    assert trained_on(known, mitdb, [mitdb / "200", mitdb / other]) == [other]


def test_ds2_is_the_split_of_the_literature(mitdb: Path) -> None:
    assert names(resolve(mitdb, "DS2")) == list(DS2)
    assert len(resolve(mitdb)) == 48


@pytest.mark.parametrize(
    ("records", "says"),
    [
        ("a,x", "record 'x' is not in .*; it has a, b, c"),
        ("a,,b", "record '' is not in"),
        ("a,b,a", "names record 'a' twice"),
        ("DS1", "record '101' is not in"),
    ],
)
def test_a_record_that_is_not_there_is_named(folder: Path, records: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        resolve(folder, records)


def test_records_are_left_out_by_name_split_or_file(folder: Path, mitdb: Path, tmp_path: Path) -> None:
    assert names(resolve(folder, exclude="b")) == ["a", "c"]
    assert names(resolve(folder, "b,a", "a,c")) == ["b"]  # c was not asked for anyway
    listing = tmp_path / "out.txt"
    listing.write_text("a # noisy\nc\n")
    assert names(resolve(folder, exclude=str(listing))) == ["b"]
    assert len(resolve(mitdb, exclude="DS2")) == 26


@pytest.mark.parametrize(
    ("exclude", "says"),
    [
        ("x", "--exclude: record 'x' is not in .*; it has a, b, c"),
        ("a,b,c", "--exclude a,b,c: leaves no record"),
    ],
)
def test_leaving_out_what_is_not_there_or_everything_is_refused(
    folder: Path, exclude: str, says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        resolve(folder, exclude=exclude)


def test_the_two_records_of_one_heart_share_a_patient_where_both_are_there() -> None:
    assert patients_of(["100", "201", "202"], {}) == {"100": "100", "201": "201", "202": "201"}
    assert patients_of(["p/202", "p/201", "q/201"], {})["p/202"] == "p/201"
    assert patients_of(["202", "203"], {}) == {"202": "202", "203": "203"}
    assert patients_of(["201", "202", "203"], {"201": "x", "203": "x"}) == dict.fromkeys(
        ("201", "202", "203"), "x"
    )
    assert patients_of(["201", "202"], {"202": "202"}) == {"201": "201", "202": "202"}


def test_an_empty_list_is_refused(folder: Path, tmp_path: Path) -> None:
    listing = tmp_path / "none.txt"
    listing.write_text("# nothing\n")
    with pytest.raises(UsageError, match="names no record"):
        resolve(folder, str(listing))


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        resolve(tmp_path / "nowhere")


def test_a_record_without_annotations_says_so_in_one_line(mitdb: Path, tmp_path: Path) -> None:
    for suffix in ("hea", "dat"):
        shutil.copy(mitdb / f"100.{suffix}", tmp_path)
    with pytest.raises(DataError, match=r"100\.atr") as caught:
        labelled(tmp_path / "100")
    assert "\n" not in str(caught.value)


def test_a_truncated_record_says_so_in_one_line(mitdb: Path, tmp_path: Path) -> None:
    for suffix in ("hea", "atr"):
        shutil.copy(mitdb / f"100.{suffix}", tmp_path)
    (tmp_path / "100.dat").write_bytes((mitdb / "100.dat").read_bytes()[:100_000])
    with pytest.raises(DataError, match="100") as caught:
        labelled(tmp_path / "100")
    assert "\n" not in str(caught.value)


def test_an_unknown_lead_is_refused_with_the_leads_there_are(mitdb: Path) -> None:
    with pytest.raises(DataError, match=r"mitdb/100: .*MLII"):
        labelled(mitdb / "100", lead="aVR")


def test_own_beats_carry_the_class_of_their_annotation(mitdb: Path) -> None:
    record = labelled(mitdb / "208")
    annotated = truth(mitdb / "208")
    assert record.patient == "208"
    assert record.hours == pytest.approx(650_000 / 360 / 3600)
    assert len(record.labels) == len(record.beats)
    for name, least in (("N", 0.97), ("V", 0.97), ("F", 0.9)):
        assert record.labels.count(name) >= least * (annotated.label == name).sum()
    assert record.labels.count("") <= 0.02 * len(record.beats)


def test_reference_beats_are_the_annotated_ones(mitdb: Path) -> None:
    record = labelled(mitdb / "100", beats="reference")
    annotated = truth(mitdb / "100")
    r = np.array([beat.r for beat in record.beats])
    assert np.abs(r[:, None] - annotated.t[None, :]).min(axis=1).max() < 0.010
    assert len(r) >= len(annotated.t) - 4
    assert record.labels.count("S") == 33
    assert "" not in record.labels


def test_annotated_flutter_comes_with_the_beats(mitdb: Path) -> None:
    assert labelled(mitdb / "100").flutter == ()
    assert labelled(mitdb / "207").flutter == truth(mitdb / "207").flutter != ()
