"""``compare --quick``: few beats, few epochs, one fit a row. All is run, and nothing is to be believed."""

from __future__ import annotations

import math
from typing import Any, Final

import msgspec

from ecgmon.comparison.datasets import DatasetSettings, RecordsData
from ecgmon.comparison.ecgmon_method import EcgmonSettings
from ecgmon.comparison.settings import AnyMethod, CompareSettings

SEEDS: Final = 1
BEATS: Final = 200
"""A patient."""
TEST: Final = 4000
WINDOWS: Final = 2000
"""Of a CSV, to learn from and to validate on."""
MOST: Final = {"draws": 1, "max_train": 1000}
"""Largest values, wherever such a key stands in a method."""
EPOCHS: Final = 0.4
"""The root of so much of the epochs is left: 40 are 4, and steps of a sweep still differ."""


def hasten(settings: CompareSettings) -> CompareSettings:
    """The configuration with less of everything but its rows."""
    replace = msgspec.structs.replace
    return replace(
        settings,
        seeds=settings.seeds[:SEEDS],
        cross=False,
        datasets={name: _smaller(dataset) for name, dataset in settings.datasets.items()},
        experiments={
            name: replace(each, seeds=None if each.seeds is None else each.seeds[:SEEDS], cross=False)
            for name, each in settings.experiments.items()
        },
    )


def hastened(method: AnyMethod) -> AnyMethod:
    """The method with its sizes cut to :data:`MOST` and fewer epochs; a finished model has none."""
    if isinstance(method, EcgmonSettings) and method.bundle is not None:
        return method
    found: AnyMethod = msgspec.convert(_limited(msgspec.to_builtins(method)), AnyMethod)
    return found


def _smaller(dataset: DatasetSettings) -> DatasetSettings:
    test = min(dataset.max_test or TEST, TEST)
    if isinstance(dataset, RecordsData):
        beats = min(dataset.max_beats_per_patient or BEATS, BEATS)
        return msgspec.structs.replace(dataset, max_beats_per_patient=beats, max_test=test)
    return msgspec.structs.replace(
        dataset,
        max_train=min(dataset.max_train or WINDOWS, WINDOWS),
        max_validation=min(dataset.max_validation or WINDOWS, WINDOWS),
        max_test=test,
    )


def _limited(tree: Any) -> Any:
    if not isinstance(tree, dict):
        return tree
    return {
        key: _less(key, value) if isinstance(value, int) else _limited(value) for key, value in tree.items()
    }


def _less(key: str, value: int) -> int:
    if key == "epochs":
        return max(1, round(math.sqrt(EPOCHS * value)))
    return min(value, MOST.get(key, value))
