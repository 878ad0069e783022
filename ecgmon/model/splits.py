"""Who learns, who stops the learning, who calibrates: patients are split, never beats.

Beats of one heart are nearly copies of each other. A model judged on other beats of the hearts it learned
from looks far better than it will be on the next patient, and a threshold set that way raises many more
alerts than promised.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from ecgmon.config import Settings
from ecgmon.errors import UsageError

Share = Annotated[float, Meta(gt=0, le=100)]


class SplitSettings(Settings, frozen=True):
    """Shares of the patients, or their names. Shares count relative to their sum."""

    train: Share = 0.6
    """Learned from."""
    validation: Share = 0.1
    """Say when learning ends."""
    calibration: Share = 0.3
    """Used with ``folds`` 0; otherwise all but the validation patients train, and calibrate by turns."""
    folds: Annotated[int, Meta(ge=0, le=20)] = 3
    """Groups of patients that calibrate by turns, each judged by a model that the other groups trained; 0:
    none, the calibration patients do not train. One more training of the autoencoder for each."""
    validation_patients: tuple[str, ...] = ()
    """Named patients instead of a share; all that neither list names are trained on."""
    calibration_patients: tuple[str, ...] = ()
    """The same for the calibration."""

    def __post_init__(self) -> None:
        if self.folds == 1:
            raise ValueError("folds 1 leaves nobody to train on; name 0, or at least 2")
        if bool(self.validation_patients) != bool(self.calibration_patients):
            raise ValueError("name both validation_patients and calibration_patients, or neither")
        twice = sorted(set(self.validation_patients) & set(self.calibration_patients))
        if twice:
            raise ValueError(f"patient '{twice[0]}' is in both validation_patients and calibration_patients")


@dataclass(frozen=True, slots=True)
class Split:
    """Names of patients, sorted; none is in two parts."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    calibration: tuple[str, ...]


def split_patients(patients: Iterable[str], settings: SplitSettings, seed: int) -> Split:
    """Divide patients by seed, the same for the same names in any order; each part gets at least one.

    Raises :class:`UsageError` for fewer than three patients, or a named one that is not there.
    """
    names = sorted(set(patients))
    if len(names) < 3:
        raise UsageError(
            f"split: {len(names)} patient(s) cannot be divided into training, validation and calibration; "
            "at least 3 are needed"
        )
    if settings.validation_patients:
        named = {*settings.validation_patients, *settings.calibration_patients}
        unknown = sorted(named - set(names))
        if unknown:
            raise UsageError(f"split: patient '{unknown[0]}' is not in the data; it holds {', '.join(names)}")
        rest = tuple(name for name in names if name not in named)
        if not rest:
            raise UsageError("split: validation_patients and calibration_patients leave nobody to train on")
        return Split(
            rest, tuple(sorted(settings.validation_patients)), tuple(sorted(settings.calibration_patients))
        )
    order = np.random.default_rng([seed, 0x5EED]).permutation(len(names))
    validation, calibration = _sizes(len(names), settings)
    pick = [names[i] for i in order]
    return Split(
        tuple(sorted(pick[validation + calibration :])),
        tuple(sorted(pick[:validation])),
        tuple(sorted(pick[validation : validation + calibration])),
    )


def folds(patients: Sequence[str], count: int, seed: int) -> list[tuple[str, ...]]:
    """Divide patients into ``count`` groups of sizes that differ by one at most.

    Raises :class:`UsageError` when there are fewer patients than groups.
    """
    if len(patients) < count:
        raise UsageError(f"split: {len(patients)} patient(s) cannot be divided into {count} folds")
    order = np.random.default_rng([seed, 0xF01D]).permutation(len(patients))
    return [tuple(sorted(patients[i] for i in part)) for part in np.array_split(order, count)]


def split_rows(
    n: int, settings: SplitSettings, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Rows 0..n-1 for training, validation and calibration, for data that names no patients."""
    if n < 3:
        raise UsageError(f"split: {n} window(s) cannot be divided into training, validation and calibration")
    order = np.random.default_rng([seed, 0x5EED]).permutation(n)
    validation, calibration = _sizes(n, settings)
    parts = np.split(order, [validation, validation + calibration])
    return np.sort(parts[2]), np.sort(parts[0]), np.sort(parts[1])


def _sizes(n: int, settings: SplitSettings) -> tuple[int, int]:
    """How many validate and calibrate, at least one each, with at least one left to train on."""
    total = settings.train + settings.validation + settings.calibration
    validation = min(max(round(n * settings.validation / total), 1), n - 2)
    calibration = min(max(round(n * settings.calibration / total), 1), n - 1 - validation)
    return validation, calibration
