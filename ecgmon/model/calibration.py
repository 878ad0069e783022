"""What a calibration is: the curve score -> p-value, the curve threshold -> false alerts, what it realised.

An operator can say how often a quiet patient may call them; nobody can say what a reconstruction error of
0.31 means. Calibration links the two on patients that the autoencoder never saw. How it is made stands in
:mod:`ecgmon.model.calibrating`, what it is worth on patients that it was not made from in
:mod:`ecgmon.model.held_out`.

Methods:

``conformal``             patients weigh the same, Pareto tail; the default
``quantile``              beats weigh the same and are only counted; p-values end at 1 / (beats + 1)
``peaks-over-threshold``  beats weigh the same, Pareto tail (Siffer et al. 2017, in one batch)
``f-beta``                curve as conformal; the threshold of the best F-beta over labelled beats
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import ArrayLike, NDArray

from ecgmon.config import Settings
from ecgmon.ecg.episodes import EpisodeSettings
from ecgmon.model.extremes import FloatArray, Survival
from ecgmon.model.realised import HeldOut

log = logging.getLogger(__name__)

Method = Literal["conformal", "quantile", "peaks-over-threshold", "f-beta"]
ALERTS = "false alerts per stream-hour"
SHARE = "share of normal windows"
MOST_ALERTS = 3600.0
"""An hour: one each second."""
TABLE = {ALERTS: (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0), SHARE: (0.001, 0.005, 0.01, 0.05)}
"""Requests that a person wants to compare, in each unit."""


class CalibrationSettings(Settings, frozen=True):
    """How scores become p-values, and how often a quiet patient may raise an alert."""

    method: Method = "conformal"
    """How the threshold follows from the scores."""
    false_alerts_per_hour: Annotated[
        float, Meta(gt=0, le=MOST_ALERTS, description="false alerts per stream and hour that are acceptable")
    ] = 1.0
    false_positive_rate: Annotated[
        float, Meta(gt=0, lt=1, description="share of normal beats, or of normal windows, called odd")
    ] = 0.01
    beta: Annotated[float, Meta(gt=0, le=10, description="f-beta: above 1 favours finding beats")] = 1.0
    tail: Annotated[float, Meta(gt=0, le=0.2, description="share of beats behind the Pareto tail")] = 0.01
    learning_seconds: Annotated[
        float, Meta(ge=0, le=3600, description="start of each recording that is left out, as in evaluation")
    ] = 300.0
    margin: Annotated[
        float, Meta(ge=0, le=5, description="standard errors over patients that a request leaves room for")
    ] = 1.0
    episodes: EpisodeSettings = EpisodeSettings()


class TableRow(msgspec.Struct, frozen=True, kw_only=True):
    """One line of requested against realised on the calibration data; ``threshold`` is a p-value."""

    requested: float
    threshold: float
    realised: float


class CalibrationInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a person wants to know of a calibration.

    ``unit`` is what requested and realised count, ``threshold`` what was chosen for it: of streams, where
    beats begin to raise alerts. ``beat_threshold`` is where a beat is called odd: the share of normal beats
    that may be; where ``threshold`` is laxer, that one (:attr:`odd_at`). ``requested`` is None where no rate
    was asked for: both are the one of the best F-beta. ``realised`` and ``table`` are of the calibration data
    itself, ``held_out`` of patients left out in turn, None where there were too few to leave any out.
    ``hours`` are all that was scored; rates count those of normal beats among them.
    """

    method: str
    unit: str
    requested: float | None
    threshold: float
    beat_threshold: float
    realised: float
    patients: int
    beats: int
    hours: float
    table: list[TableRow]
    settings: dict[str, Any]
    held_out: HeldOut | None = None

    @property
    def odd_at(self) -> float:
        """The p-value at or under which a beat is odd: one that counts towards an alert always is."""
        return max(self.beat_threshold, self.threshold)


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """The curve score -> p-value and the curve threshold -> false alerts.

    grid    [g] thresholds as p-values, ascending
    rates   [g] false alerts to expect at each, margin included, never decreasing
    """

    info: CalibrationInfo
    survival: Survival
    grid: FloatArray
    rates: FloatArray

    @property
    def threshold(self) -> float:
        """The p-value at or under which a beat counts towards an alert, or a window is odd."""
        return self.info.threshold

    def p_value(self, scores: ArrayLike) -> FloatArray:
        """[n] probabilities that a normal beat scores at least as high; never increasing, NaN stays NaN."""
        return self.survival.p_value(scores)

    def threshold_for(self, requested: float) -> float:
        """The threshold for another request, in the unit of this calibration."""
        return chosen(self.grid, self.rates, requested)

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
        for threshold in (info.threshold, info.beat_threshold):
            if not 0 < threshold <= 1:
                raise ValueError(f"calibration threshold {threshold:g} is no probability above 0")
        return cls(info, survival, grid.astype(np.float64), rates.astype(np.float64))


def requests(unit: str, settings: CalibrationSettings) -> list[float]:
    """What is compared in ``unit``: :data:`TABLE`, and the request itself where there is one."""
    own = settings.false_alerts_per_hour if unit == ALERTS else settings.false_positive_rate
    return sorted({*TABLE[unit]} if settings.method == "f-beta" else {*TABLE[unit], own})


def chosen(grid: FloatArray, rates: FloatArray, requested: float) -> float:
    """:func:`largest_within`, with a warning where no threshold stays within the request, and where the
    request is more than can be raised."""
    if rates[0] > requested:
        log.warning("calibration: no threshold stays within %.3g; the strictest one is used", requested)
    countable = rates[rates <= MOST_ALERTS]
    if countable.size < rates.size and countable.size and requested > countable[-1]:
        log.warning(
            "calibration: no threshold raises %.3g false alerts per hour; the one of the most, %.3g, is used",
            requested,
            countable[-1],
        )
    return largest_within(grid, rates, requested)


def largest_within(grid: FloatArray, rates: FloatArray, requested: float) -> float:
    """The largest threshold of ``grid`` [g] whose rate stays within the request; the smallest one when none
    does."""
    return float(grid[max(int(np.searchsorted(rates, requested, side="right")) - 1, 0)])
