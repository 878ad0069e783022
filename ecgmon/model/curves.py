"""The two curves of a calibration, from scored recordings: score -> p-value, threshold -> false alerts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg.episodes import EpisodeSettings
from ecgmon.errors import EcgmonError
from ecgmon.model.calibration import MOST_ALERTS, CalibrationSettings
from ecgmon.model.extremes import FloatArray, Survival, fit_survival
from ecgmon.model.false_alerts import (
    FEWEST_NORMAL,
    ScoredRecord,
    false_alerts_by_patient,
    in_flutter,
    labelled,
    normal_hours,
    scored,
)

GRID: FloatArray = np.logspace(-7, -0.3, 135)
"""Thresholds tried, as p-values."""

RUN_TOGETHER: Final = 2.0 * MOST_ALERTS
"""False alerts per hour of a threshold at which they cannot be counted."""


def normal(record: ScoredRecord) -> NDArray[np.bool_]:
    """[n] beats that shape the p-values: scored, annotated normal, outside flutter."""
    return scored(record) & labelled(record, ("N",)) & ~in_flutter(record)


def survival_of(records: Sequence[ScoredRecord], settings: CalibrationSettings) -> Survival:
    """Score -> p-value, from the normal beats of ``records``."""
    return fit_normal([r.scores[normal(r)] for r in records], [r.patient for r in records], settings)


def fit_normal(
    scores: Sequence[FloatArray], patients: Sequence[str], settings: CalibrationSettings
) -> Survival:
    """The same for one array of normal scores a recording; its patient's recordings share a weight.

    Raises :class:`EcgmonError` when there is no score.
    """
    counts: dict[str, int] = {}
    for patient, values in zip(patients, scores, strict=True):
        counts[patient] = counts.get(patient, 0) + values.size
    if not any(counts.values()):
        raise EcgmonError(
            "calibration: no normal beat has a score; use recordings with annotations and good signal"
        )
    by_patient = settings.method in ("conformal", "f-beta")
    weights = [
        np.full(s.size, 1.0 / counts[p] if by_patient else 1.0)
        for p, s in zip(patients, scores, strict=True)
        if s.size
    ]
    tail = None if settings.method == "quantile" else settings.tail
    return fit_survival(np.concatenate([s for s in scores if s.size]), np.concatenate(weights), tail)


def alert_rates(
    records: Sequence[ScoredRecord], p_values: Sequence[FloatArray], rule: EpisodeSettings
) -> tuple[FloatArray, FloatArray]:
    """False alerts per hour at each threshold of :data:`GRID`, made never to decrease: [g] the mean over the
    patients who have :func:`~ecgmon.model.false_alerts.normal_hours`, [g] its standard error (0 for a single
    one).

    At high thresholds alerts run into each other, until a single one stands for ever. Where the mean falls
    for that reason, :data:`RUN_TOGETHER` stands, which is more than anyone may request.

    Raises :class:`EcgmonError` when there is no such patient.
    """
    if not normal_hours(records):
        raise EcgmonError(
            f"calibration: no patient has {100 * FEWEST_NORMAL:.0f} % normal beats with a score, so the rate "
            "of false alerts cannot be told; use recordings with more normal beats"
        )
    by_patient = [list(false_alerts_by_patient(records, p_values, float(t), rule).values()) for t in GRID]
    rates = np.array(by_patient, dtype=np.float64)  # [g, patients]
    n = rates.shape[1]
    error = rates.std(axis=1, ddof=1) / np.sqrt(n) if n > 1 else np.zeros(len(GRID))
    mean = rates.mean(axis=1)
    together = len(GRID) - int(np.argmax(mean[::-1]))
    mean, error = np.maximum.accumulate(mean), np.maximum.accumulate(error)
    mean[together:] = RUN_TOGETHER
    return mean, error
