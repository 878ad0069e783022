"""Who is learned from, who validates and what is tested, for one seed and fold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Literal

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from ecgmon.comparison.data import Part, Table
from ecgmon.comparison.datasets import CsvData, DatasetSettings, RecordsData
from ecgmon.config import Settings
from ecgmon.ecg.aami import CLASSES
from ecgmon.errors import DataError
from ecgmon.model.splits import folds

Rows = NDArray[np.int64]

DIVISION: Final = 0
"""The seed that divides patients into folds: one for all, so that each validates once."""


class DrawSettings(Settings, frozen=True):
    """Which beats of a data set are taken."""

    protocol: Literal["inter-patient", "balanced"] = "inter-patient"
    """balanced: as many windows that are not normal as normal ones, in the test and in the validation."""
    contamination: Annotated[float, Meta(ge=0, le=0.5)] = 0.0
    """Share of the windows learned from that is not normal, and not known to be."""
    prevalence: Annotated[float, Meta(gt=0, lt=1)] | None = None
    """Share of the test's windows that is not normal; null: as it is."""

    def __post_init__(self) -> None:
        if self.protocol == "balanced" and self.prevalence is not None:
            raise ValueError("protocol balanced is a prevalence of 0.5; name one of the two")


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """Rows of a table: ``train`` and ``validation`` of its training part, ``test`` of its test part.

    held_out   the patients who validate; none where the data name none
    """

    train: Rows
    validation: Rows
    test: Rows
    held_out: tuple[str, ...]


def draw(
    table: Table, dataset: DatasetSettings, settings: DrawSettings, *, seed: int, fold: int, count: int
) -> Drawn:
    """The rows of one cell: fold ``fold`` of ``count`` validates.

    The same seed draws the same test for every method and fold. Raises :class:`DataError` where a part would
    be empty, and :class:`UsageError` for fewer patients than folds.
    """
    held_out: tuple[str, ...] = ()
    if isinstance(dataset, CsvData):
        learning, test = _files(table, dataset, seed)
        train, validation, odd = _by_row(table.train, learning, dataset, seed, fold, count)
    else:
        held_out = folds(sorted(set(table.train.patients)), count, DIVISION)[fold]
        train, validation, odd = _by_patient(table.train, dataset, held_out, seed)
        test = usable(table.test, dataset)
    odd = odd[table.train.label[odd] != "N"]
    train = _contaminated(train, odd, settings.contamination, seed)
    prevalence = 0.5 if settings.protocol == "balanced" else settings.prevalence
    if settings.protocol == "balanced":
        validation = with_prevalence(table.train.label, validation, 0.5, [seed, fold, 0xBA1])
    if prevalence is not None:
        test = with_prevalence(table.test.label, test, prevalence, [seed, 0x7E57])
    test = _some(test, dataset.max_test, [seed, 0x5031])
    for what, rows, label in (
        ("validation", validation, table.train.label),
        ("test", test, table.test.label),
    ):
        for kind, there in (("normal", label[rows] == "N"), ("abnormal", label[rows] != "N")):
            if not there.any():
                raise DataError(f"fold {fold}: there is no {kind} beat in the {what}; name other recordings")
    if not train.size:
        raise DataError(f"fold {fold}: there is no normal beat to learn from; name other recordings")
    return Drawn(train, validation, test, held_out)


def usable(part: Part, dataset: RecordsData) -> Rows:
    """Good beats that an annotation knows, outside flutter and behind the time that a patient is learned
    in."""
    known = part.good & (part.label != "") & ~part.in_flutter()
    return np.flatnonzero(known & (part.column("r") >= dataset.learning_seconds))


def left_out(part: Part, dataset: DatasetSettings) -> dict[str, dict[str, int]]:
    """Beats that are not tested, by reason and class ("unknown": no annotation knows them), each counted
    once; those of the time that a patient is learned in are not among them."""
    found: dict[str, dict[str, int]] = {}
    if isinstance(dataset, RecordsData):
        late = part.column("r") >= dataset.learning_seconds
        flutter = part.in_flutter()
        for reason, rows in (
            ("in bad signal", late & ~flutter & ~part.good),
            ("not annotated", late & ~flutter & part.good & (part.label == "")),
            ("within flutter", late & flutter),
        ):
            names, counts = np.unique(part.label[rows], return_counts=True)
            found[reason] = {str(name) or "unknown": int(n) for name, n in zip(names, counts, strict=True)}
        missed = zip(CLASSES, part.missed.tolist(), strict=True)
        found["missed by the detector"] = {name: n for name, n in missed if n}
    return {reason: classes for reason, classes in found.items() if classes}


def with_prevalence(label: NDArray[np.str_], rows: Rows, share: float, seed: list[int]) -> Rows:
    """As many of ``rows`` as possible of which ``share`` is not normal."""
    normal, odd = rows[label[rows] == "N"], rows[label[rows] != "N"]
    n_odd = min(len(odd), round(len(normal) * share / (1 - share)))
    n_normal = min(len(normal), round(n_odd * (1 - share) / share))
    return np.sort(np.concatenate([_some(normal, n_normal, [*seed, 0]), _some(odd, n_odd, [*seed, 1])]))


def _by_patient(
    part: Part, dataset: RecordsData, held_out: tuple[str, ...], seed: int
) -> tuple[Rows, Rows, Rows]:
    """Normal beats of the others, beats of those held out, and all good beats of the others. The validation
    leaves out what the test leaves out; there is to be learned from the beginning, too."""
    most = dataset.max_beats_per_patient
    good = part.good & (part.label != "") & ~part.in_flutter()
    whose = np.array(part.patients)[part.record]
    late = usable(part, dataset)
    train, validation = [], []
    for patient in sorted(set(part.patients)):
        if patient in held_out:
            validation.append(_some(late[whose[late] == patient], most, [seed, *patient.encode()]))
        else:
            own = np.flatnonzero(good & (whose == patient) & (part.label == "N"))
            train.append(_some(own, most, [seed, *patient.encode()]))
    others = np.flatnonzero(good & ~np.isin(whose, held_out))
    return np.concatenate(train), np.concatenate(validation), others


def _files(table: Table, dataset: CsvData, seed: int) -> tuple[Rows, Rows]:
    """Rows of the training part to learn and validate on, and rows of the test part: all of either, or a part
    of one file each."""
    n = len(table.train.label)
    if dataset.test is not None:
        return np.arange(n), np.arange(len(table.test.label))
    order = np.random.default_rng([seed, 0xA11]).permutation(n)
    tested = round(n * dataset.share_tested)
    return np.sort(order[tested:]), np.sort(order[:tested])


def _by_row(
    part: Part, rows: Rows, dataset: CsvData, seed: int, fold: int, count: int
) -> tuple[Rows, Rows, Rows]:
    """As :func:`_by_patient`, of ``rows``."""
    order = np.random.default_rng([DIVISION, 0xF01D]).permutation(len(rows))
    groups = [rows[group] for group in np.array_split(order, count)]
    others = np.sort(np.concatenate([group for i, group in enumerate(groups) if i != fold]))
    return (
        _some(others[part.label[others] == "N"], dataset.max_train, [seed, 0x7A1]),
        _some(np.sort(groups[fold]), dataset.max_validation, [seed, 0x7A1]),
        others,
    )


def _contaminated(train: Rows, odd: Rows, share: float, seed: int) -> Rows:
    """``train`` with so many of ``odd`` in place of normal ones that they are ``share`` of it; fewer rows in
    all where there are not as many odd ones."""
    if not share:
        return train
    n_odd = min(len(odd), round(len(train) * share))
    n_normal = min(len(train) - n_odd, round(n_odd * (1 - share) / share))
    kept, mixed = _some(train, n_normal, [seed, 0xC0]), _some(odd, n_odd, [seed, 0xC1])
    return np.sort(np.concatenate([kept, mixed]))


def _some(rows: Rows, most: int | None, seed: list[int]) -> Rows:
    if most is None or len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
