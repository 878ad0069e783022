"""How often a threshold would have raised a false alert, and how well it tells beats apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg.aami import ANOMALOUS
from ecgmon.ecg.episodes import EpisodeSettings, count_episodes
from ecgmon.errors import EcgmonError
from ecgmon.model.dataset import Span
from ecgmon.model.extremes import FloatArray

TOLERANCE = 0.150
"""How far from an alert's span an anomalous beat may lie and still make it true, s."""


@dataclass(frozen=True, slots=True, eq=False)
class ScoredRecord:
    """One recording with its scores.

    patient     recordings of one patient share a weight
    times       [n] R-peaks in s of stream time, in order
    scores      [n], larger is odder; NaN: not scored
    labels      n AAMI classes; "" is a beat that no annotation knows
    hours       length of the recording
    flutter     first and last moment, s, of each span of annotated ventricular flutter or fibrillation
    """

    patient: str
    times: FloatArray
    scores: FloatArray
    labels: Sequence[str] | NDArray[np.str_]
    hours: float
    flutter: Sequence[Span] = ()


def false_alerts_per_hour(
    records: Sequence[ScoredRecord], p_values: Sequence[FloatArray], threshold: float, rule: EpisodeSettings
) -> float:
    """False alerts at ``threshold`` per hour: the mean over patients."""
    return float(np.mean(list(false_alerts_by_patient(records, p_values, threshold, rule).values())))


def false_alerts_by_patient(
    records: Sequence[ScoredRecord], p_values: Sequence[FloatArray], threshold: float, rule: EpisodeSettings
) -> dict[str, float]:
    """False alerts at ``threshold`` per hour, for each patient.

    An alert is false when no anomalous beat and no flutter lies within its span, 150 ms either way.
    """
    alerts: dict[str, int] = {}
    hours: dict[str, float] = {}
    for record, p in zip(records, p_values, strict=True):
        kept = scored(record)
        found = count_episodes(record.times[kept], p[kept] <= threshold, rule)
        start, end = found.onset - TOLERANCE, found.end + TOLERANCE
        anomalies = record.times[labelled(record, ANOMALOUS)]
        false = np.searchsorted(anomalies, start, "left") == np.searchsorted(anomalies, end, "right")
        for first, last in record.flutter:
            false &= (end < first) | (start > last)
        alerts[record.patient] = alerts.get(record.patient, 0) + int(np.sum(false))
        hours[record.patient] = hours.get(record.patient, 0.0) + record.hours
    return {patient: alerts[patient] / hours[patient] for patient in alerts}


def best_f_beta(p_values: FloatArray, anomalous: NDArray[np.bool_], beta: float) -> float:
    """The p-value [n] at or under which calling a beat odd gives the highest F-beta, in 0..1.

    Raises :class:`EcgmonError` when no beat is labelled anomalous.
    """
    if not anomalous.any():
        raise EcgmonError(
            "calibration: method 'f-beta' needs labelled anomalous beats, and there are none; use 'conformal'"
        )
    order = np.argsort(p_values, kind="stable")
    p, hits = p_values[order], np.cumsum(anomalous[order])
    called = np.arange(1, p.size + 1)
    f = (1 + beta**2) * hits / (called + beta**2 * hits[-1])
    f[:-1][p[:-1] == p[1:]] = -1.0  # equal p-values are called together
    return float(p[int(np.argmax(f))])


def after_learning(record: ScoredRecord, seconds: float) -> ScoredRecord:
    """``record`` without its first ``seconds``; its labels become an array, which is quicker to compare."""
    keep = record.times >= seconds
    return ScoredRecord(
        record.patient,
        record.times[keep],
        record.scores[keep],
        np.asarray(record.labels, dtype=np.str_)[keep],
        max(record.hours - seconds / 3600, 0.0),
        record.flutter,
    )


def scored(record: ScoredRecord) -> NDArray[np.bool_]:
    """[n] beats that have a score."""
    return np.isfinite(record.scores)


def labelled(record: ScoredRecord, classes: Sequence[str]) -> NDArray[np.bool_]:
    """[n] beats of these classes."""
    return np.isin(np.asarray(record.labels, dtype=np.str_), classes)


def in_flutter(record: ScoredRecord) -> NDArray[np.bool_]:
    """[n] beats within annotated flutter, where there are no beats to find."""
    inside = np.zeros(record.times.shape, dtype=np.bool_)
    for first, last in record.flutter:
        inside |= (record.times >= first) & (record.times <= last)
    return inside
