"""What a calibration realises on patients that it was not made from.

A threshold that was chosen on some recordings keeps its promise on them by construction. So each patient
(with many, each of 24 groups) is left out in turn: p-values and thresholds come from the others alone, and
are used on those left out.

What comes of it is still optimistic. The scores are not made anew: where calibration is cross-conformal, the
patient's own come from a model that did not see him, but those of the others, who set his threshold, from
models that did. And the constants of the score were chosen on MIT-BIH DS1, whose patients calibrate the
shipped model. Patients from elsewhere may well raise more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from ecgmon.model.calibration import ALERTS, SHARE, CalibrationSettings, largest_within, requests
from ecgmon.model.curves import GRID, alert_rates, fit_normal, normal, survival_of
from ecgmon.model.extremes import FloatArray
from ecgmon.model.false_alerts import (
    ScoredRecord,
    false_alerts_by_patient,
    in_flutter,
    labelled,
    normal_hours,
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

    ``records`` are without their learning time. The rate of false alerts is the mean over the patients who
    have normal hours, as in calibration, and not told for ``f-beta``, which chooses no threshold by a rate.
    False positives are pooled over beats, as in evaluation: scored ones that are annotated normal or that no
    annotation knows, outside flutter.
    """
    able = {record.patient for record in records if normal(record).any()}.intersection(normal_hours(records))
    requested = [] if settings.method == "f-beta" else requests(ALERTS, settings)
    alerts: list[dict[str, float]] = [{} for _ in requested]
    p_normal: dict[str, list[FloatArray]] = {}
    groups = 0
    for group in _groups({record.patient for record in records}, able):
        groups += 1
        others = [record for record in records if record.patient not in group]
        held = [record for record in records if record.patient in group]
        survival = survival_of(others, settings)
        p_values = [survival.p_value(r.scores) for r in held]
        if requested:
            mean, error = alert_rates(others, [survival.p_value(r.scores) for r in others], settings.episodes)
            rates = mean + settings.margin * error
        for rate, found in zip(requested, alerts, strict=True):
            threshold = largest_within(GRID, rates, rate)
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
            realised_rate(rate, float(np.mean(list(found.values()))), list(found.values()))
            for rate, found in zip(requested, alerts, strict=True)
        ]
        or None,
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
    return HeldOut(
        groups=groups,
        patients=len(p_normal),
        false_positives=_shares(p_normal, requests(SHARE, settings)),
        alerts=None,
    )


def _groups(patients: set[str], able: set[str]) -> Iterator[tuple[str, ...]]:
    """Who is left out together: nobody, where the others of a group would have none who is ``able``."""
    if len(able) < FEWEST:
        return
    groups = folds(sorted(patients), min(len(patients), MOST_GROUPS), seed=0)
    if all(able.difference(group) for group in groups):
        yield from groups


def _shares(p_normal: Mapping[str, FloatArray], rates: Sequence[float]) -> list[RealisedRate]:
    """Share of the normal beats at or under each of ``rates``."""
    known = [p for p in p_normal.values() if p.size]
    pooled = np.concatenate(known)
    return [
        realised_rate(
            requested, float(np.mean(pooled <= requested)), [float(np.mean(p <= requested)) for p in known]
        )
        for requested in rates
    ]
