"""What was requested, what came of it, and how that differs from patient to patient.

A rate that holds over all patients together may be realised by a few who raise nearly everything. So next to
each pooled rate stands the spread of the patients' own rates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

FALSE_POSITIVE_RATES: Final = (0.001, 0.01, 0.05)
"""p-values at which the promise of calibration is checked: so many of the normal beats may lie at or under
them."""


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """How a rate is distributed over patients."""

    n: int
    median: float
    quartiles: tuple[float, float]
    max: float


class RealisedRate(msgspec.Struct, frozen=True, kw_only=True):
    """One request. ``realised`` is None where there was nothing to count, ``patients`` where there were
    none."""

    requested: float
    realised: float | None
    ratio: float | None
    """realised / requested."""
    patients: Spread | None


class HeldOut(msgspec.Struct, frozen=True, kw_only=True):
    """What a calibration realised on patients that it was not made from.

    ``groups`` is how often patients were left out; each of ``patients`` was left out once. ``alerts`` is None
    for windows without time, and where no rate was requested (``f-beta``).
    """

    groups: int
    patients: int
    false_positives: list[RealisedRate]
    alerts: list[RealisedRate] | None


def realised_rate(requested: float, realised: float | None, patients: Sequence[float] | None) -> RealisedRate:
    """The row of ``requested`` (> 0): ``realised`` overall, and the rates of the ``patients`` one by one."""
    return RealisedRate(
        requested=requested,
        realised=realised,
        ratio=None if realised is None else realised / requested,
        patients=_spread(patients) if patients else None,
    )


def _spread(rates: Sequence[float]) -> Spread:
    low, median, high = np.percentile(rates, [25, 50, 75]).tolist()
    return Spread(n=len(rates), median=median, quartiles=(low, high), max=float(max(rates)))
