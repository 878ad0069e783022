from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgmon import config
from ecgmon.errors import ConfigError, UsageError
from ecgmon.model.splits import SplitSettings, folds, split_patients, split_rows

NAMES = [str(100 + i) for i in range(22)]


@given(
    names=st.sets(st.text("abc123", min_size=1, max_size=4), min_size=3, max_size=40),
    seed=st.integers(0, 2**32),
    shares=st.tuples(*[st.floats(0.01, 10)] * 3),
)
def test_every_patient_is_in_exactly_one_part(
    names: set[str], seed: int, shares: tuple[float, float, float]
) -> None:
    settings = SplitSettings(train=shares[0], validation=shares[1], calibration=shares[2])
    split = split_patients(names, settings, seed)
    parts = [split.train, split.validation, split.calibration]
    assert all(parts)
    assert sorted(name for part in parts for name in part) == sorted(names)


def test_split_depends_on_the_seed_and_not_on_the_order() -> None:
    first = split_patients(NAMES, SplitSettings(), 0)
    assert split_patients(reversed(NAMES), SplitSettings(), 0) == first
    assert split_patients(NAMES + NAMES, SplitSettings(), 0) == first
    assert split_patients(NAMES, SplitSettings(), 1) != first


def test_named_patients_go_where_they_are_named() -> None:
    settings = SplitSettings(validation_patients=("103",), calibration_patients=("101", "102"))
    split = split_patients(["101", "102", "103", "104"], settings, 0)
    assert (split.train, split.validation, split.calibration) == (("104",), ("103",), ("101", "102"))


@pytest.mark.parametrize(
    ("names", "settings", "message"),
    [
        (["1", "2"], SplitSettings(), "at least 3"),
        (
            NAMES,
            SplitSettings(validation_patients=("999",), calibration_patients=("100",)),
            "'999' is not in the data",
        ),
        (
            ["1", "2", "3"],
            SplitSettings(validation_patients=("1",), calibration_patients=("2", "3")),
            "nobody to train",
        ),
    ],
)
def test_splits_that_cannot_be_made_are_refused(
    names: list[str], settings: SplitSettings, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        split_patients(names, settings, 0)


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"validation_patients": ["1"]}, "name both"),
        ({"validation_patients": ["1"], "calibration_patients": ["1"]}, "'1' is in both"),
        ({"folds": 1}, "folds 1 leaves nobody"),
        ({"train": 0}, "> 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(tree: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config.convert(tree, SplitSettings, where="train.yaml")


def test_folds_hold_everyone_once_and_are_of_one_size() -> None:
    groups = folds(NAMES, 4, 0)
    assert sorted(name for group in groups for name in group) == NAMES
    assert sorted(len(group) for group in groups) == [5, 5, 6, 6]
    with pytest.raises(UsageError, match="cannot be divided into 4 folds"):
        folds(NAMES[:3], 4, 0)


def test_rows_are_divided_once_each_by_share() -> None:
    train, validation, calibration = split_rows(1000, SplitSettings(train=7, validation=1, calibration=2), 0)
    assert (len(train), len(validation), len(calibration)) == (700, 100, 200)
    np.testing.assert_array_equal(np.sort(np.concatenate([train, validation, calibration])), np.arange(1000))
    with pytest.raises(UsageError, match="2 window"):
        split_rows(2, SplitSettings(), 0)
