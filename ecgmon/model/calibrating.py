"""From scores to p-values, and from requested false alerts per stream-hour to the p-value that raises them.

1. Normal beats' scores give the curve score -> p-value (:mod:`ecgmon.model.extremes`). Beats of one patient
   resemble each other, so each *patient* has the same weight, however many beats came from it.
2. The alert rule itself (:mod:`ecgmon.ecg.episodes`) runs over the calibration recordings at a hundred
   thresholds. An alert is false when no annotated anomalous beat and no annotated flutter lies within its
   span, 150 ms either way. The largest threshold is taken at which no more false alerts than requested are to
   be expected: their mean over the patients, and a margin of one standard error, for these patients are a few
   of many. An hour counts with the share of its beats that are normal, and patients with hardly a normal beat
   do not count (:func:`~ecgmon.model.false_alerts.normal_hours`). The whole curve is kept, so that another
   request needs no data.
3. Both are made again without each patient in turn, who is judged by them (:mod:`ecgmon.model.held_out`).

With few patients the realised rate on new ones scatters. ``realised`` says what held here and promises no
more. ``held_out`` comes closer to new patients and is still optimistic: the constants of the score were
chosen on MIT-BIH DS1, whose patients calibrate the shipped model, and where calibration is cross-conformal
the models that scored the others have seen the patient left out.

One alert in all normal hours makes a mean over n patients, and a standard error as large. So a request below
1 + margin alerts in those hours cannot be told from zero; it gets the largest threshold that raised none.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg.aami import ANOMALOUS
from ecgmon.errors import EcgmonError
from ecgmon.model.calibration import (
    ALERTS,
    SHARE,
    Calibration,
    CalibrationInfo,
    CalibrationSettings,
    TableRow,
    chosen,
    largest_within,
    requests,
)
from ecgmon.model.curves import GRID, alert_rates, fit_normal, normal, survival_of
from ecgmon.model.extremes import FloatArray
from ecgmon.model.false_alerts import (
    ScoredRecord,
    after_learning,
    best_f_beta,
    false_alerts_per_hour,
    labelled,
    normal_hours,
    scored,
)
from ecgmon.model.held_out import hold_out, hold_out_windows

log = logging.getLogger(__name__)


def calibrate(records: Sequence[ScoredRecord], settings: CalibrationSettings) -> Calibration:
    """Calibrate on recordings of patients that training did not see.

    A recording that ends within the learning time is left out with a warning. Raises :class:`EcgmonError`
    when none is left, no normal beat has a score, or the method needs labels that are not there.
    """
    used = _long_enough(records, settings.learning_seconds)
    survival = survival_of(used, settings)
    p_values = [survival.p_value(record.scores) for record in used]
    mean, error = alert_rates(used, p_values, settings.episodes)
    rates = mean + settings.margin * error
    requested = settings.false_alerts_per_hour
    if settings.method == "f-beta":
        odd = np.concatenate([labelled(r, ANOMALOUS)[scored(r)] for r in used])
        known = np.concatenate([labelled(r, ("N", *ANOMALOUS))[scored(r)] for r in used])
        p = np.concatenate([v[scored(r)] for v, r in zip(p_values, used, strict=True)])
        threshold = best_f_beta(p[known], odd[known], settings.beta)
        beat_threshold = threshold
    else:
        threshold = chosen(GRID, rates, requested)
        beat_threshold = settings.false_positive_rate
        _warn(list(normal_hours(used).values()), settings)
    info = CalibrationInfo(
        method=settings.method,
        unit=ALERTS,
        requested=None if settings.method == "f-beta" else requested,
        threshold=threshold,
        beat_threshold=beat_threshold,
        realised=false_alerts_per_hour(used, p_values, threshold, settings.episodes),
        patients=len({record.patient for record in used}),
        beats=sum(int(normal(record).sum()) for record in used),
        hours=sum(record.hours for record in used),
        table=_alert_table(rates, mean, settings),
        settings=msgspec.to_builtins(settings),
        held_out=hold_out(used, settings),
    )
    return Calibration(info, survival, GRID.copy(), rates)


def calibrate_windows(
    scores: FloatArray,
    odd: NDArray[np.bool_],
    patients: Sequence[str] | None,
    settings: CalibrationSettings,
) -> Calibration:
    """Calibrate on windows [n] without time, where only a share of the normal ones can be asked for.

    ``odd`` [n] marks those that are labelled as not normal. ``patients`` [n] gives each patient the same
    weight; with None windows count as exchangeable, which they are not when patients repeat: expect more
    false positives on new patients than requested.
    """
    kept = ~odd & np.isfinite(scores)
    names = np.asarray(patients or [""] * len(scores), np.str_)[kept]
    scores_of = {name: scores[kept][names == name] for name in sorted(set(names.tolist()))}
    survival = fit_normal(list(scores_of.values()), list(scores_of), settings)
    p = survival.p_value(scores)
    p_normal = np.sort(p[kept])
    rates = np.searchsorted(p_normal, GRID, side="right") / p_normal.size
    if settings.method == "f-beta":
        threshold = best_f_beta(p[np.isfinite(p)], odd[np.isfinite(p)], settings.beta)
    else:
        threshold = settings.false_positive_rate
    info = CalibrationInfo(
        method=settings.method,
        unit=SHARE,
        requested=None if settings.method == "f-beta" else settings.false_positive_rate,
        threshold=threshold,
        beat_threshold=threshold,
        realised=float(np.mean(p_normal <= threshold)),
        patients=0 if patients is None else len(scores_of),
        beats=int(p_normal.size),
        hours=0.0,
        table=[
            TableRow(requested=share, threshold=share, realised=float(np.mean(p_normal <= share)))
            for share in requests(SHARE, settings)
        ],
        settings=msgspec.to_builtins(settings),
        held_out=None if patients is None else hold_out_windows(scores_of, settings),
    )
    return Calibration(info, survival, GRID.copy(), rates)


def _long_enough(records: Sequence[ScoredRecord], learning: float) -> list[ScoredRecord]:
    """``records`` without their first ``learning`` s, and those alone of which something remains."""
    short = [record.patient for record in records if record.hours * 3600 <= learning]
    if records and len(short) == len(records):
        raise EcgmonError(
            f"calibration: none of the recordings is longer than the {learning:g} s of learning time, "
            f"calibration.learning_seconds: {', '.join(short)}"
        )
    for patient in short:
        log.warning(
            "calibration: a recording of %s is left out: no longer than the %g s of learning time",
            patient,
            learning,
        )
    cut = [after_learning(record, learning) for record in records]
    return [record for record in cut if record.hours > 0]


def _warn(hours: Sequence[float], settings: CalibrationSettings) -> None:
    """Say what the normal ``hours`` of each patient cannot show."""
    margin = settings.margin if len(hours) > 1 else 0.0
    if settings.margin > 0 and len(hours) == 1:
        log.warning(
            "calibration: a single patient with normal beats shows no spread over patients, so no margin "
            "could be taken; expect more false alerts on others than requested"
        )
    if settings.false_alerts_per_hour * sum(hours) < 1 + margin:
        log.warning(
            "calibration: %.2g false alerts per hour, with a margin of %.2g standard errors, cannot be told "
            "from none in %.1f hours of normal beats; the threshold is the largest that raised none",
            settings.false_alerts_per_hour,
            margin,
            sum(hours),
        )


def _alert_table(expected: FloatArray, here: FloatArray, settings: CalibrationSettings) -> list[TableRow]:
    """Threshold by the rates [g] ``expected`` at each of the grid, what it realised by those ``here``."""
    at = [(r, largest_within(GRID, expected, r)) for r in requests(ALERTS, settings)]
    return [TableRow(requested=r, threshold=t, realised=float(here[np.searchsorted(GRID, t)])) for r, t in at]
