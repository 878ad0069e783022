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

FEWEST_NORMAL = 0.1
"""A patient with a smaller share of normal beats says nothing about false alerts: he can hardly raise one."""


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
    """False alerts at ``threshold`` per hour: the mean over the patients of :func:`false_alerts_by_patient`,
    of whom there must be one."""
    return float(np.mean(list(false_alerts_by_patient(records, p_values, threshold, rule).values())))


def false_alerts_by_patient(
    records: Sequence[ScoredRecord], p_values: Sequence[FloatArray], threshold: float, rule: EpisodeSettings
) -> dict[str, float]:
    """False alerts at ``threshold`` per hour of :func:`normal_hours`, for each patient who has some.

    An alert is false when no anomalous beat and no flutter lies within its span, 150 ms either way.
    """
    hours = normal_hours(records)
    alerts = dict.fromkeys(hours, 0)
    for record, p in zip(records, p_values, strict=True):
        if record.patient not in hours:
            continue
        kept = scored(record)
        found = count_episodes(record.times, p <= threshold, rule, kept)
        start, end = found.onset - TOLERANCE, found.end + TOLERANCE
        anomalies = record.times[labelled(record, ANOMALOUS)]
        false = np.searchsorted(anomalies, start, "left") == np.searchsorted(anomalies, end, "right")
        for first, last in record.flutter:
            false &= (end < first) | (start > last)
        alerts[record.patient] += int(np.sum(false))
    return {patient: alerts[patient] / hours[patient] for patient in alerts}


def normal_hours(records: Sequence[ScoredRecord]) -> dict[str, float]:
    """Hours in which a false alert could be raised, for each patient: his hours times the share of his scored
    beats that are normal or that no annotation knows, outside flutter.

    Where nearly every beat is anomalous nearly no alert can be false. Such a patient counted in full would
    add silent hours to the mean and loosen the threshold of those whose beats are normal. Patients of whom
    less than :data:`FEWEST_NORMAL` is normal, or nothing is scored, are left out.
    """
    hours: dict[str, float] = {}
    beats: dict[str, int] = {}
    normal: dict[str, int] = {}
    for record in records:
        kept = scored(record)
        quiet = kept & ~labelled(record, ANOMALOUS) & ~in_flutter(record)
        hours[record.patient] = hours.get(record.patient, 0.0) + record.hours
        beats[record.patient] = beats.get(record.patient, 0) + int(kept.sum())
        normal[record.patient] = normal.get(record.patient, 0) + int(quiet.sum())
    return {
        patient: hours[patient] * normal[patient] / beats[patient]
        for patient in hours
        if normal[patient] > 0 and normal[patient] >= FEWEST_NORMAL * beats[patient]
    }


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
