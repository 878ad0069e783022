"""What a calibration realises on patients that it was not made from.

A threshold that was chosen on some recordings keeps its promise on them by construction. So each patient
(with many, each of 24 groups) is left out in turn: p-values and thresholds come from the others alone, and
are used on those left out. The scores are not made anew: where calibration is cross-conformal they come from
models that did not see the patient either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from ecgmon.model.calibration import ALERTS, SHARE, TABLE, CalibrationSettings, largest_within
from ecgmon.model.curves import GRID, alert_rates, fit_normal, normal, survival_of
from ecgmon.model.extremes import FloatArray
from ecgmon.model.false_alerts import (
    ScoredRecord,
    false_alerts_by_patient,
    in_flutter,
    labelled,
    scored,
)
from ecgmon.model.realised import FALSE_POSITIVE_RATES, HeldOut, RealisedRate, realised_rate
from ecgmon.model.splits import folds

FEWEST: Final = 3
"""Patients; with two, one would calibrate the other."""
MOST_GROUPS: Final = 24
"""More patients than this are left out several at a time: each group costs a calibration."""


def hold_out(records: Sequence[ScoredRecord], settings: CalibrationSettings) -> HeldOut | None:
    """Requested against realised for alerts and for beats; None where too few patients have normal beats.

    ``records`` are without their learning time. The rate of false alerts is the mean over patients, as in
    calibration; false positives are pooled over beats, as in evaluation: scored ones that are annotated
    normal or that no annotation knows, outside flutter.
    """
    able = {record.patient for record in records if normal(record).any()}
    requests = sorted({*TABLE[ALERTS], settings.false_alerts_per_hour})
    alerts: list[dict[str, float]] = [{} for _ in requests]
    p_normal: dict[str, list[FloatArray]] = {}
    groups = 0
    for group in _groups({record.patient for record in records}, able):
        groups += 1
        others = [record for record in records if record.patient not in group]
        held = [record for record in records if record.patient in group]
        survival = survival_of(others, settings)
        mean, error = alert_rates(others, [survival.p_value(r.scores) for r in others], settings.episodes)
        rates = mean + settings.margin * error
        p_values = [survival.p_value(r.scores) for r in held]
        for requested, found in zip(requests, alerts, strict=True):
            threshold = largest_within(GRID, rates, requested)
            found.update(false_alerts_by_patient(held, p_values, threshold, settings.episodes))
        for record, p in zip(held, p_values, strict=True):
            counted = scored(record) & labelled(record, ("N", "")) & ~in_flutter(record)
            p_normal.setdefault(record.patient, []).append(p[counted])
    if not groups:
        return None
    return HeldOut(
        groups=groups,
        patients=len(p_normal),
        false_positives=_shares(
            {patient: np.concatenate(p) for patient, p in p_normal.items()}, FALSE_POSITIVE_RATES
        ),
        alerts=[
            realised_rate(requested, float(np.mean(list(found.values()))), list(found.values()))
            for requested, found in zip(requests, alerts, strict=True)
        ],
    )


def hold_out_windows(scores: Mapping[str, FloatArray], settings: CalibrationSettings) -> HeldOut | None:
    """The same for windows without time: ``scores`` of each patient's normal ones."""
    p_normal: dict[str, FloatArray] = {}
    groups = 0
    for group in _groups(set(scores), {patient for patient, s in scores.items() if s.size}):
        groups += 1
        others = [patient for patient in scores if patient not in group]
        survival = fit_normal([scores[patient] for patient in others], others, settings)
        p_normal |= {patient: survival.p_value(scores[patient]) for patient in group}
    if not groups:
        return None
    requests = sorted({*TABLE[SHARE], settings.false_positive_rate})
    return HeldOut(
        groups=groups, patients=len(p_normal), false_positives=_shares(p_normal, requests), alerts=None
    )


def _groups(patients: set[str], able: set[str]) -> Iterator[tuple[str, ...]]:
    """Who is left out together: nobody, where the others of a group would have no normal beat."""
    if len(able) < FEWEST:
        return
    groups = folds(sorted(patients), min(len(patients), MOST_GROUPS), seed=0)
    if all(able.difference(group) for group in groups):
        yield from groups


def _shares(p_normal: Mapping[str, FloatArray], requests: Sequence[float]) -> list[RealisedRate]:
    """Share of the normal beats at or under each of ``requests``."""
    known = [p for p in p_normal.values() if p.size]
    pooled = np.concatenate(known)
    return [
        realised_rate(
            requested, float(np.mean(pooled <= requested)), [float(np.mean(p <= requested)) for p in known]
        )
        for requested in requests
    ]
