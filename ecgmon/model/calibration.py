"""From scores to p-values, and from requested false alerts per stream-hour to the p-value that raises them.

An operator can say how often a quiet patient may call them; nobody can say what a reconstruction error of
0.31 means. Calibration links the two on patients that the autoencoder never saw:

1. Normal beats' scores give the curve score -> p-value (:mod:`ecgmon.model.extremes`). Beats of one patient
   resemble each other, so each *patient* has the same weight, however many beats came from it.
2. The alert rule itself (:mod:`ecgmon.ecg.episodes`) runs over the calibration recordings at a hundred
   thresholds. An alert is false when no annotated anomalous beat lies within its span, 150 ms either way. The
   largest threshold with no more false alerts than requested is taken; the whole curve is kept, so that
   another request needs no data.

With few patients the realised rate on new ones scatters; ``realised`` says what held here and promises no
more. A request below one alert in all calibration hours cannot be told from zero; it gets the largest
threshold that raised none.

Methods:

``conformal``             patients weigh the same, Pareto tail; the default
``quantile``              beats weigh the same and are only counted; p-values end at 1 / (beats + 1)
``peaks-over-threshold``  beats weigh the same, Pareto tail (Siffer et al. 2017, in one batch)
``f-beta``                curve as conformal; the threshold of the best F-beta over labelled beats
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import ArrayLike, NDArray

from ecgmon.config import Settings
from ecgmon.ecg.aami import ANOMALOUS
from ecgmon.ecg.episodes import EpisodeSettings
from ecgmon.errors import EcgmonError
from ecgmon.model.extremes import FloatArray, Survival, fit_survival
from ecgmon.model.false_alerts import (
    ScoredRecord,
    after_learning,
    best_f_beta,
    false_alerts_per_hour,
    labelled,
    scored,
)

log = logging.getLogger(__name__)

Method = Literal["conformal", "quantile", "peaks-over-threshold", "f-beta"]
ALERTS = "false alerts per stream-hour"
SHARE = "share of normal windows"
MOST_ALERTS = 3600.0
"""An hour: one each second."""
GRID: FloatArray = np.logspace(-7, -0.3, 135)
"""Thresholds tried, as p-values."""
TABLE = {ALERTS: (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0), SHARE: (0.001, 0.005, 0.01, 0.05)}


class CalibrationSettings(Settings, frozen=True):
    """How scores become p-values, and how often a quiet patient may raise an alert."""

    method: Method = "conformal"
    false_alerts_per_hour: Annotated[
        float, Meta(gt=0, le=MOST_ALERTS, description="false alerts per stream and hour that are acceptable")
    ] = 1.0
    false_positive_rate: Annotated[
        float, Meta(gt=0, lt=1, description="for windows without time: share of normal ones called odd")
    ] = 0.01
    beta: Annotated[float, Meta(gt=0, le=10, description="f-beta: above 1 favours finding beats")] = 1.0
    tail: Annotated[float, Meta(gt=0, le=0.2, description="share of beats behind the Pareto tail")] = 0.01
    learning_seconds: Annotated[
        float, Meta(ge=0, le=3600, description="start of each recording that is left out, as in evaluation")
    ] = 300.0
    episodes: EpisodeSettings = EpisodeSettings()


class TableRow(msgspec.Struct, frozen=True, kw_only=True):
    """One line of requested against realised on the calibration data; ``threshold`` is a p-value."""

    requested: float
    threshold: float
    realised: float


class CalibrationInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a person wants to know of a calibration.

    ``unit`` is what requested and realised count. ``requested`` is None where no rate was asked for: the
    threshold is the one of the best F-beta.
    """

    method: str
    unit: str
    requested: float | None
    threshold: float
    realised: float
    patients: int
    beats: int
    hours: float
    table: list[TableRow]
    settings: dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """The curve score -> p-value and the curve threshold -> false alerts.

    grid    [g] thresholds as p-values, ascending
    rates   [g] what each realised, never decreasing
    """

    info: CalibrationInfo
    survival: Survival
    grid: FloatArray
    rates: FloatArray

    @property
    def threshold(self) -> float:
        """The p-value at or under which a beat is odd."""
        return self.info.threshold

    def p_value(self, scores: ArrayLike) -> FloatArray:
        """[n] probabilities that a normal beat scores at least as high; never increasing, NaN stays NaN."""
        return self.survival.p_value(scores)

    def threshold_for(self, requested: float) -> float:
        """The threshold for another request, in the unit of this calibration."""
        return _choose(self.grid, self.rates, requested)

    def tensors(self) -> dict[str, NDArray[Any]]:
        """As arrays for the bundle; ``info`` goes into its metadata."""
        return self.survival.tensors() | {"grid": self.grid, "rates": self.rates}

    @classmethod
    def from_parts(cls, info: CalibrationInfo, arrays: Mapping[str, NDArray[Any]]) -> Calibration:
        """From metadata and arrays. Raises :class:`ValueError` where they are not a calibration's."""
        survival = Survival.from_tensors(arrays)
        grid, rates = arrays.get("grid"), arrays.get("rates")
        if grid is None or rates is None or grid.ndim != 1 or grid.shape != rates.shape or not grid.size:
            raise ValueError("calibration arrays 'grid' and 'rates' are missing or do not fit")
        if not (grid.min() > 0 and grid.max() <= 1 and (np.diff(grid) > 0).all()):
            raise ValueError("calibration grid is not one of ascending probabilities")
        if not (rates.min() >= 0 and (np.diff(rates) >= 0).all()):
            raise ValueError("calibration rates do not rise with the threshold")
        if not 0 < info.threshold <= 1:
            raise ValueError(f"calibration threshold {info.threshold:g} is no probability above 0")
        return cls(info, survival, grid.astype(np.float64), rates.astype(np.float64))


def calibrate(records: Sequence[ScoredRecord], settings: CalibrationSettings) -> Calibration:
    """Calibrate on recordings of patients that training did not see.

    A recording that ends within the learning time is left out with a warning. Raises :class:`EcgmonError`
    when none is left, no normal beat has a score, or the method needs labels that are not there.
    """
    used = _long_enough(records, settings.learning_seconds)
    normal = [record.scores[scored(record) & labelled(record, ("N",))] for record in used]
    survival = _fit(normal, [record.patient for record in used], settings)
    p_values = [survival.p_value(record.scores) for record in used]
    rates = np.maximum.accumulate(
        [false_alerts_per_hour(used, p_values, float(t), settings.episodes) for t in GRID]
    )
    hours = sum(record.hours for record in used)
    requested = settings.false_alerts_per_hour
    if settings.method == "f-beta":
        odd = np.concatenate([labelled(r, ANOMALOUS)[scored(r)] for r in used])
        known = np.concatenate([labelled(r, ("N", *ANOMALOUS))[scored(r)] for r in used])
        p = np.concatenate([v[scored(r)] for v, r in zip(p_values, used, strict=True)])
        threshold = best_f_beta(p[known], odd[known], settings.beta)
    else:
        threshold = _choose(GRID, rates, requested)
        if requested * hours < 1:
            log.warning(
                "calibration: %.2g false alerts per hour cannot be told from none in %.1f hours; "
                "the threshold is the largest that raised none",
                requested,
                hours,
            )
    info = CalibrationInfo(
        method=settings.method,
        unit=ALERTS,
        requested=None if settings.method == "f-beta" else requested,
        threshold=threshold,
        realised=false_alerts_per_hour(used, p_values, threshold, settings.episodes),
        patients=len({record.patient for record in used}),
        beats=sum(len(scores) for scores in normal),
        hours=hours,
        table=_table(ALERTS, GRID, rates),
        settings=msgspec.to_builtins(settings),
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
    normal = scores[kept]
    names = np.zeros(normal.shape, np.str_) if patients is None else np.asarray(patients, np.str_)[kept]
    known = sorted(set(names.tolist()))
    survival = _fit([normal[names == name] for name in known], known, settings)
    p = survival.p_value(scores)
    p_normal = np.sort(survival.p_value(normal))
    rates = np.searchsorted(p_normal, GRID, side="right") / normal.size
    if settings.method == "f-beta":
        threshold = best_f_beta(p[np.isfinite(p)], odd[np.isfinite(p)], settings.beta)
    else:
        threshold = settings.false_positive_rate
    info = CalibrationInfo(
        method=settings.method,
        unit=SHARE,
        requested=None if settings.method == "f-beta" else settings.false_positive_rate,
        threshold=threshold,
        realised=float(np.mean(p_normal <= threshold)),
        patients=0 if patients is None else len(known),
        beats=int(normal.size),
        hours=0.0,
        table=_table(SHARE, GRID, rates),
        settings=msgspec.to_builtins(settings),
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


def _fit(normal: Sequence[FloatArray], patients: Sequence[str], settings: CalibrationSettings) -> Survival:
    """The curve for one array of normal scores a recording; its patient's recordings share a weight."""
    counts: dict[str, int] = {}
    for patient, scores in zip(patients, normal, strict=True):
        counts[patient] = counts.get(patient, 0) + scores.size
    if not any(counts.values()):
        raise EcgmonError(
            "calibration: no normal beat has a score; use recordings with annotations and good signal"
        )
    by_patient = settings.method in ("conformal", "f-beta")
    weights = [
        np.full(s.size, 1.0 / counts[p] if by_patient else 1.0)
        for p, s in zip(patients, normal, strict=True)
        if s.size
    ]
    tail = None if settings.method == "quantile" else settings.tail
    return fit_survival(np.concatenate([s for s in normal if s.size]), np.concatenate(weights), tail)


def _choose(grid: FloatArray, rates: FloatArray, requested: float) -> float:
    """The largest threshold that stays within the request; the smallest one when none does."""
    within = int(np.searchsorted(rates, requested, side="right"))
    if within == 0:
        log.warning("calibration: no threshold stays within %.3g; the strictest one is used", requested)
    return float(grid[max(within - 1, 0)])


def _table(unit: str, grid: FloatArray, rates: FloatArray) -> list[TableRow]:
    rows = []
    for requested in TABLE[unit]:
        at = max(int(np.searchsorted(rates, requested, side="right")) - 1, 0)
        rows.append(TableRow(requested=requested, threshold=float(grid[at]), realised=float(rates[at])))
    return rows
