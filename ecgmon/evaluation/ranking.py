"""How well a score ranks odd above normal, without any threshold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def auroc(odd: Floats, normal: Floats) -> float | None:
    """Area under the ROC curve: how often a score of ``odd`` [a] lies above one of ``normal`` [b], ties
    counted half.

    This is the Mann-Whitney statistic divided by a b (Hanley and McNeil, Radiology 143, 1982). Infinite
    scores are allowed and tie with each other. None when either side is empty; ValueError on NaN.
    """
    _refuse_nan(odd, normal)
    if not len(odd) or not len(normal):
        return None
    ranked = np.sort(normal)
    below = np.searchsorted(ranked, odd, side="left")
    not_above = np.searchsorted(ranked, odd, side="right")
    return float((below + not_above).sum() / (2 * len(odd) * len(normal)))


def average_precision(odd: Floats, normal: Floats) -> float | None:
    """Area under the precision-recall curve: precision at each distinct score, weighted by the recall it
    adds.

    No interpolation, which would be too kind (Davis and Goadrich, ICML 2006); equal scores are one step, so
    that the order of the input does not matter. None when there is nothing odd to find; ValueError on NaN.
    """
    _refuse_nan(odd, normal)
    if not len(odd):
        return None
    steps, found = np.unique(odd, return_counts=True)
    hits = found[::-1].cumsum()[::-1]
    false = len(normal) - np.searchsorted(np.sort(normal), steps, side="left")
    return float((found * hits / (hits + false)).sum() / len(odd))


def _refuse_nan(*scores: Floats) -> None:
    if any(np.isnan(values).any() for values in scores):
        raise ValueError("a score is NaN; leave out what was not scored before ranking")
