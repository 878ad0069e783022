"""Where scores begin to be odd: rules that choose a threshold from the scores of a validation set.

``f-beta``                best F-beta over labelled scores, on the grid 0..1 of the min-max scaled ones
``quantile``              a share of the normal scores lies beyond
``mad``                   so many robust standard deviations from the median
``peaks-over-threshold``  a Pareto tail is continued to a rate that may lie beyond all scores
``conformal``             the p-value is at most a rate, with the correction for the number of scores

A score is odd at or above ``high``, or at or below ``low``. Every rule of normal scores alone puts its
threshold where equal scores fall on the same side, and just above the last one that must stay normal: of
constant scores none is odd.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from ecgmon.config import Settings
from ecgmon.errors import DataError
from ecgmon.model.extremes import MIN_EXCEEDANCES, FloatArray, fit_survival

Rate = Annotated[
    float, Meta(gt=0, lt=1, description="share of normal windows called odd, both sides together")
]
FEWEST_FOR_SPREAD = 10
GAUSSIAN_MAD = 1.4826
"""Standard deviation over median absolute deviation, of a Gaussian."""
GAUSSIAN_MEAN_DEVIATION = 1.2533
"""Standard deviation over mean absolute deviation, of a Gaussian."""


class _Sided(Settings, frozen=True):
    two_sided: bool = False
    """Very low scores are odd too."""


class FBetaThreshold(_Sided, frozen=True, tag="f-beta"):
    """The threshold on the grid with the highest F-beta (van Rijsbergen 1979) over labelled windows.

    Assumes that the odd windows at hand, and their share, are those to come. The grid has ``steps`` values
    from the lowest score to the highest, as 0..1 after min-max scaling: one huge score makes it coarse. Of
    equally good thresholds the middle one. ``two_sided`` tries all pairs and no ``low`` at all.
    Error: without odd windows, or without normal ones.
    """

    beta: Annotated[float, Meta(gt=0, le=10, description="above 1 favours finding odd windows")] = 1.0
    steps: Annotated[int, Meta(ge=2, le=2000, description="thresholds on the grid 0..1")] = 1000


class QuantileThreshold(_Sided, frozen=True, tag="quantile"):
    """At most ``rate`` of these very scores are odd: the empirical quantile, by no correction.

    Assumes that the scores are many; of n new ones a little more than ``rate`` is odd, by about rate / n of
    all. Error: fewer than 1 / rate scores a side.
    """

    rate: Rate = 0.01


class MadThreshold(_Sided, frozen=True, tag="mad"):
    """Median plus ``deviations`` times 1.4826 times the median absolute deviation (Hampel 1974; Iglewicz
    and Hoaglin 1993).

    Assumes a Gaussian in the middle of the scores; skewed ones, as most are, go beyond it more often. Where
    more than half of the scores are equal, 1.2533 times the mean absolute deviation stands instead. Error:
    fewer than 10 scores.
    """

    deviations: Annotated[float, Meta(gt=0, le=1000, description="above the median")] = 3.0


class PeaksThreshold(_Sided, frozen=True, tag="peaks-over-threshold"):
    """The score that a generalised Pareto tail passes with probability ``rate`` (Siffer et al. 2017, in one
    batch; :mod:`ecgmon.model.extremes`).

    Assumes that the highest ``tail`` of the scores are of one kind, and that they have no end: of those that
    have one, fewer than ``rate`` are odd. A ``rate`` that lies before the tail is counted, as in
    ``conformal``. Where the highest scores are one tie there is no tail, and the threshold is just above
    them. Error: fewer than 40 scores.
    """

    rate: Rate = 0.001
    tail: Annotated[float, Meta(gt=0, le=0.5, description="share of scores behind the start of a tail")] = (
        0.05
    )


class ConformalThreshold(_Sided, frozen=True, tag="conformal"):
    """The conformal p-value (1 + scores at least as high) / (n + 1) is at most ``rate`` (Vovk, Gammerman and
    Shafer 2005; Laxhammar and Falkman 2011).

    Assumes only that the scores and a new normal one are exchangeable; over draws of both, it is then odd
    with probability at most ``rate``. Error: fewer than 1 / rate - 1 scores a side.
    """

    rate: Rate = 0.01


ThresholdSettings = FBetaThreshold | QuantileThreshold | MadThreshold | PeaksThreshold | ConformalThreshold


@dataclass(frozen=True, slots=True)
class Threshold:
    """A score is odd at or above ``high``, or at or below ``low``; ``low`` None: one-sided."""

    high: float
    low: float | None = None

    def odd(self, scores: FloatArray) -> NDArray[np.bool_]:
        """[n] scores to [n]."""
        found: NDArray[np.bool_] = scores >= self.high
        return found if self.low is None else found | (scores <= self.low)


def choose(settings: ThresholdSettings, normal: FloatArray, odd: FloatArray | None = None) -> Threshold:
    """The threshold from scores of ``normal`` windows [n] and, for ``f-beta``, of ``odd`` ones [m].

    Raises :class:`DataError` where a score is not finite, or there are too few for the rule.
    """
    for scores in (normal,) if odd is None else (normal, odd):
        if not np.isfinite(scores).all():
            raise DataError("threshold: scores that are not finite numbers")
    s = np.sort(np.asarray(normal, dtype=np.float64))
    if isinstance(settings, FBetaThreshold):
        return _f_beta(settings, s, np.sort(np.asarray([] if odd is None else odd, dtype=np.float64)))
    high = _upper(settings, s)
    return Threshold(high, -_upper(settings, -s[::-1]) if settings.two_sided else None)


def _upper(
    settings: QuantileThreshold | MadThreshold | PeaksThreshold | ConformalThreshold, s: FloatArray
) -> float:
    """The upper threshold of ascending scores [n]."""
    sides = 2 if settings.two_sided else 1
    match settings:
        case QuantileThreshold(rate=rate):
            _need("quantile", s, math.ceil(sides / rate - 1e-9))
            return _above_all_but(s, math.floor(rate / sides * s.size + 1e-9))
        case ConformalThreshold(rate=rate):
            _need("conformal", s, math.ceil(sides / rate - 1 - 1e-9))
            return _conformal(s, rate / sides)
        case MadThreshold(deviations=deviations):
            _need("mad", s, FEWEST_FOR_SPREAD)
            return _mad(s, deviations)
        case PeaksThreshold(rate=rate, tail=tail):
            _need("peaks-over-threshold", s, 2 * MIN_EXCEEDANCES)
            return _peaks(s, rate / sides, tail)


def _need(rule: str, s: FloatArray, fewest: int) -> None:
    if s.size < fewest:
        raise DataError(
            f"threshold: {s.size} normal scores are too few for '{rule}', which needs {fewest} as it is set; "
            "use more validation windows or a higher rate"
        )


def _above_all_but(s: FloatArray, most: int) -> float:
    """The lowest threshold that at most ``most`` of the ascending scores reach, and never all of them."""
    return float(np.nextafter(s[max(s.size - 1 - most, 0)], np.inf))


def _conformal(s: FloatArray, rate: float) -> float:
    return _above_all_but(s, math.floor(rate * (s.size + 1) + 1e-9) - 1)


def _mad(s: FloatArray, deviations: float) -> float:
    median = float(np.median(s))
    away = np.abs(s - median)
    spread = GAUSSIAN_MAD * float(np.median(away)) or GAUSSIAN_MEAN_DEVIATION * float(away.mean())
    return max(median + deviations * spread, float(np.nextafter(median, np.inf)))


def _peaks(s: FloatArray, rate: float, tail_share: float) -> float:
    span = float(s[-1] - s[0]) or 1.0
    # In units of their range: an excess next to the smallest float has no logarithm of its reciprocal.
    tail = fit_survival((s - s[0]) / span, np.ones(s.size), tail_share).tail
    if tail is None:
        return _above_all_but(s, 0)
    if rate >= tail.share:
        return _conformal(s, rate)
    log_ratio = math.log(tail.share / rate)
    y = log_ratio if tail.shape < 1e-9 else math.expm1(tail.shape * log_ratio) / tail.shape
    return float(s[0] + span * (tail.start + tail.scale * y))


def _f_beta(settings: FBetaThreshold, normal: FloatArray, odd: FloatArray) -> Threshold:
    if not (normal.size and odd.size):
        raise DataError(
            f"threshold: 'f-beta' needs labelled windows of both kinds, there are {normal.size} normal and "
            f"{odd.size} odd ones; choose another rule or other validation windows"
        )
    lowest, highest = min(normal[0], odd[0]), max(normal[-1], odd[-1])
    grid = np.linspace(lowest, highest, settings.steps)  # [g]
    missed, spared = (np.searchsorted(s, grid, side="left") for s in (odd, normal))
    hits, false = odd.size - missed, normal.size - spared  # at or above each threshold
    if settings.two_sided:  # [g + 1, g]: below by row, the first row without
        rows = [np.concatenate([[0], np.searchsorted(s, grid, side="right")]) for s in (odd, normal)]
        pair = np.concatenate([[-np.inf], grid])[:, np.newaxis] < grid
        hits = np.where(pair, hits + rows[0][:, np.newaxis], 0)
        false = np.where(pair, false + rows[1][:, np.newaxis], 0)
    weight = settings.beta**2
    f = (1 + weight) * hits / (hits + false + weight * odd.size)
    best = np.flatnonzero(f == f.max())
    at = np.unravel_index(best[best.size // 2], f.shape)
    if not settings.two_sided:
        return Threshold(float(grid[at[0]]))
    return Threshold(float(grid[at[1]]), float(grid[at[0] - 1]) if at[0] else None)
