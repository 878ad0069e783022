"""Who is learned from, who validates, what is tested."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ecgmon.commands.compare_data import prepared
from ecgmon.comparison.data import Part, Table
from ecgmon.comparison.datasets import CsvData, RecordsData
from ecgmon.comparison.drawing import Drawn, DrawSettings, draw, left_out
from ecgmon.errors import DataError, UsageError

PLAIN = DrawSettings()


@pytest.fixture(scope="module")
def records(ward: Path) -> RecordsData:
    return RecordsData(
        data=str(ward), train="a,b,c,d", test="x,y", learning_seconds=30.0, max_beats_per_patient=50
    )


@pytest.fixture(scope="module")
def table(records: RecordsData, tmp_path_factory: pytest.TempPathFactory) -> Table:
    folder = tmp_path_factory.mktemp("data")
    return Table.load(folder / f"{prepared('ward', records, folder, 'compare.yaml')}.npz")


def rows() -> Table:
    """400 windows without patients, one in four abnormal."""
    label = np.array(["N", "N", "N", "V"] * 100)
    part = Part(
        layout="kachuee", names=(), patients=(), window=np.zeros((400, 187), np.float32), label=label,
        record=np.zeros(400, np.int64), index=np.arange(400), good=np.ones(400, np.bool_),
        numbers=np.ones((400, 7)), hours=np.zeros(0), flutter=np.zeros((0, 3)),
        missed=np.zeros(5, np.int64),
    )  # fmt: skip
    return Table(part, part)


def patients(part: Part, of: np.ndarray[tuple[int], np.dtype[np.int64]]) -> set[str]:
    return {part.patients[record] for record in part.record[of]}


def drawn(table: Table, dataset: RecordsData | CsvData, settings: DrawSettings = PLAIN, **more: int) -> Drawn:
    return draw(table, dataset, settings, **({"seed": 0, "fold": 0, "count": 2} | more))


def test_no_patient_is_in_two_parts_and_each_validates_once(table: Table, records: RecordsData) -> None:
    held_out: list[str] = []
    for fold in range(4):
        found = drawn(table, records, fold=fold, count=4)
        learned, judged = patients(table.train, found.train), patients(table.train, found.validation)
        assert judged == set(found.held_out)
        assert not learned & judged
        assert learned | judged == set("abcd")
        held_out += found.held_out
    assert sorted(held_out) == list("abcd")


def test_only_normal_beats_are_learned_from_and_no_patient_outvotes_another(
    table: Table, records: RecordsData
) -> None:
    found = drawn(table, records)
    assert set(table.train.label[found.train]) == {"N"}
    assert np.unique(table.train.record[found.train], return_counts=True)[1].tolist() == [50, 50]
    assert "V" in table.train.label[found.validation]


def test_what_is_tested_is_good_known_and_behind_the_learning_time(
    table: Table, records: RecordsData
) -> None:
    test, part = drawn(table, records).test, table.test
    assert len(test) > 100
    assert part.good[test].all()
    assert (part.label[test] != "").all()
    assert 30 <= part.column("r")[test].min() < 40
    late = (part.column("r") >= 30) & part.good & (part.label != "")
    assert len(test) == late.sum()


def test_the_validation_leaves_out_what_the_test_does_and_the_training_does_not(
    table: Table, records: RecordsData
) -> None:
    found, r = drawn(table, records), table.train.column("r")
    assert r[found.validation].min() >= 30
    assert r[found.train].min() < 30


def test_what_is_not_tested_is_counted_by_reason_and_class(table: Table, records: RecordsData) -> None:
    part = replace(
        table.test, flutter=np.array([[0.0, 310.0, 330.0]]), missed=np.array([3, 0, 2, 0, 0], np.int64)
    )
    found = left_out(part, records)
    assert found["missed by the detector"] == {"N": 3, "V": 2}
    late = part.column("r") >= 30
    n = sum(sum(classes.values()) for reason, classes in found.items() if "missed" not in reason)
    assert n == late.sum() - len(drawn(Table(table.train, part), records).test)
    assert sum(found["within flutter"].values()) == (part.in_flutter() & late).sum() > 0
    bad = late & ~part.good & ~part.in_flutter()
    assert found["in bad signal"].get("N", 0) == (bad & (part.label == "N")).sum()
    assert left_out(rows().test, CsvData(train="a", test="b")) == {}


def test_beats_within_flutter_are_not_tested(table: Table, records: RecordsData) -> None:
    fluttering = Table(table.train, replace(table.test, flutter=np.array([[0.0, 310.0, 330.0]])))
    left_out = set(drawn(table, records).test) - set(drawn(fluttering, records).test)
    r = table.test.column("r")
    assert left_out
    assert all(310 <= r[row] <= 330 and table.test.record[row] == 0 for row in left_out)


def test_the_same_seed_draws_the_same_and_another_seed_something_else(
    table: Table, records: RecordsData
) -> None:
    few = RecordsData(data=records.data, learning_seconds=30.0, max_beats_per_patient=20, max_test=60)
    one, same, other = (drawn(table, few, seed=seed) for seed in (0, 0, 1))
    for part in ("train", "validation", "test"):
        assert np.array_equal(getattr(one, part), getattr(same, part))
        assert not np.array_equal(getattr(one, part), getattr(other, part))
    assert np.array_equal(one.test, drawn(table, few, fold=1).test)


@pytest.mark.parametrize("share", [0.05, 0.2])
def test_contamination_is_the_share_of_what_is_learned_from(
    table: Table, records: RecordsData, share: float
) -> None:
    found = drawn(table, records, DrawSettings(contamination=share))
    odd = table.train.label[found.train] != "N"
    assert odd.mean() == pytest.approx(share, abs=0.01)
    assert not patients(table.train, found.train) & set(found.held_out)


@pytest.mark.parametrize("share", [0.02, 0.6])
def test_prevalence_is_the_share_of_the_test(table: Table, records: RecordsData, share: float) -> None:
    found = drawn(table, records, DrawSettings(prevalence=share))
    assert (table.test.label[found.test] != "N").mean() == pytest.approx(share, abs=0.01)


def test_balanced_is_as_many_abnormal_as_normal_ones(table: Table, records: RecordsData) -> None:
    found = drawn(table, records, DrawSettings(protocol="balanced"))
    for label in (table.test.label[found.test], table.train.label[found.validation]):
        assert (label == "N").sum() == (label != "N").sum() > 0
    assert set(table.train.label[found.train]) == {"N"}


def test_windows_without_patients_are_divided_by_row() -> None:
    data = CsvData(train="a.csv", test="b.csv", max_train=50, max_validation=40)
    parts = [drawn(rows(), data, fold=fold, count=4) for fold in range(4)]
    for found in parts:
        assert not set(found.train) & set(found.validation)
        assert (len(found.train), len(found.validation), len(found.test)) == (50, 40, 400)
        assert set(rows().train.label[found.train]) == {"N"}
        assert found.held_out == ()
    assert not set(parts[0].validation) & set(parts[1].validation)


def test_one_file_is_divided_by_row_into_what_is_learned_from_and_what_is_tested() -> None:
    data = CsvData(train="a.csv", test=None, share_tested=0.25, max_train=None, max_validation=None)
    balanced = DrawSettings(protocol="balanced")
    for seed in range(2):
        found = drawn(rows(), data, seed=seed, fold=seed)
        used = [*found.train, *found.validation, *found.test]
        assert len(set(used)) == len(used)
        assert len(found.test) == 100
        assert set(rows().train.label[found.train]) == {"N"}
        label = rows().test.label[drawn(rows(), data, balanced, seed=seed).test]
        assert (label == "N").sum() == (label == "V").sum() > 10
    tests = [set(drawn(rows(), data, seed=seed).test) for seed in range(2)]
    assert tests[0] != tests[1]
    assert tests[0] == set(drawn(rows(), data, fold=1).test)


def test_a_fold_that_has_nothing_to_choose_by_is_told(table: Table, records: RecordsData) -> None:
    label = np.where(table.train.label == "V", "N", table.train.label)
    label = np.where(label == "S", "N", label)
    with pytest.raises(DataError, match="there is no abnormal beat in the validation"):
        drawn(Table(replace(table.train, label=label), table.test), records)
    with pytest.raises(UsageError, match="4 patient"):
        drawn(table, records, count=5)
