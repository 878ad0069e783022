"""Who is learned from, who validates and what is tested, for one seed and fold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Literal

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from ecgmon.comparison.data import CsvData, DatasetSettings, Part, Table
from ecgmon.config import Settings
from ecgmon.errors import DataError
from ecgmon.evaluation.tally import LEARNING
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
    if isinstance(dataset, CsvData):
        held_out: tuple[str, ...] = ()
        train, validation = _by_row(table.train, dataset, seed, fold, count)
        odd = _rows_of_fold(table.train, fold, count, held_out=False)
    else:
        held_out = folds(sorted(set(table.train.patients)), count, DIVISION)[fold]
        train, validation, odd = _by_patient(table.train, held_out, dataset.max_beats_per_patient, seed)
    odd = odd[table.train.label[odd] != "N"]
    train = _contaminated(train, odd, settings.contamination, seed)
    test = tested(table.test)
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


def tested(part: Part) -> Rows:
    """Good beats that an annotation knows, outside flutter and, of recordings, behind the first five
    minutes."""
    taken = part.good & (part.label != "")
    if part.names:
        taken &= (part.column("r") >= LEARNING) & ~part.in_flutter()
    return np.flatnonzero(taken)


def with_prevalence(label: NDArray[np.str_], rows: Rows, share: float, seed: list[int]) -> Rows:
    """As many of ``rows`` as possible of which ``share`` is not normal."""
    normal, odd = rows[label[rows] == "N"], rows[label[rows] != "N"]
    n_odd = min(len(odd), round(len(normal) * share / (1 - share)))
    n_normal = min(len(normal), round(n_odd * (1 - share) / share))
    return np.sort(np.concatenate([_some(normal, n_normal, [*seed, 0]), _some(odd, n_odd, [*seed, 1])]))


def _by_patient(
    part: Part, held_out: tuple[str, ...], most: int | None, seed: int
) -> tuple[Rows, Rows, Rows]:
    """Normal beats of the others, beats of those held out, and all good beats of the others."""
    usable = part.good & (part.label != "") & ~part.in_flutter()
    whose = np.array(part.patients)[part.record]
    train, validation = [], []
    for patient in sorted(set(part.patients)):
        own = np.flatnonzero(usable & (whose == patient))
        if patient in held_out:
            validation.append(_some(own, most, [seed, *patient.encode()]))
        else:
            train.append(_some(own[part.label[own] == "N"], most, [seed, *patient.encode()]))
    others = np.flatnonzero(usable & ~np.isin(whose, held_out))
    return np.concatenate(train), np.concatenate(validation), others


def _by_row(part: Part, dataset: CsvData, seed: int, fold: int, count: int) -> tuple[Rows, Rows]:
    others = _rows_of_fold(part, fold, count, held_out=False)
    normal = others[part.label[others] == "N"]
    validation = _rows_of_fold(part, fold, count, held_out=True)
    return (
        _some(normal, dataset.max_train, [seed, 0x7A1]),
        _some(validation, dataset.max_validation, [seed, 0x7A1]),
    )


def _rows_of_fold(part: Part, fold: int, count: int, *, held_out: bool) -> Rows:
    order = np.random.default_rng([DIVISION, 0xF01D]).permutation(len(part.label))
    groups = np.array_split(order, count)
    rows = groups[fold] if held_out else np.concatenate([g for i, g in enumerate(groups) if i != fold])
    return np.sort(rows)


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
