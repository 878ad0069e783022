"""What the scores of a cell are worth: how they rank, and what thresholds make of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgmon.comparison.results import AtThreshold, ReadingResult
from ecgmon.ecg.aami import ANOMALOUS
from ecgmon.evaluation.ranking import auroc, average_precision
from ecgmon.model.methods.base import Floats
from ecgmon.model.thresholds import Threshold, ThresholdSettings, choose

Labels = NDArray[np.str_]


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Scores [n] of windows, and their AAMI classes.

    record   [n] which recording; None where windows name none
    """

    scores: Floats
    label: Labels
    record: NDArray[np.int64] | None = None

    @property
    def normal(self) -> Floats:
        scores: Floats = self.scores[self.label == "N"]
        return scores

    @property
    def odd(self) -> Floats:
        scores: Floats = self.scores[self.label != "N"]
        return scores


def measured(
    validation: Scored | None,
    test: Scored,
    thresholds: Mapping[str, ThresholdSettings],
    *,
    beta: float,
    beats_per_second: float,
) -> ReadingResult:
    """Thresholds are chosen on ``validation`` alone; without it there are none."""
    classes = {name: auroc(test.scores[test.label == name], test.normal) for name in ANOMALOUS}
    return ReadingResult(
        auroc=auroc(test.odd, test.normal),
        auprc=average_precision(test.odd, test.normal),
        per_class_auroc={name: value for name, value in classes.items() if value is not None},
        mean_record_auroc=mean_of_records(test),
        validation_auroc=None if validation is None else auroc(validation.odd, validation.normal),
        beats_per_second=beats_per_second,
        thresholds={}
        if validation is None
        else {
            name: at_threshold(
                choose(settings, validation.normal, validation.odd), test.normal, test.odd, beta
            )
            for name, settings in thresholds.items()
        },
    )


def mean_of_records(scored: Scored) -> float | None:
    """The AUROC within each recording that has beats of both kinds, averaged over recordings."""
    if scored.record is None:
        return None
    known = []
    for i in np.unique(scored.record):
        own = scored.record == i
        one = Scored(scored.scores[own], scored.label[own])
        value = auroc(one.odd, one.normal)
        if value is not None:
            known.append(value)
    return float(np.mean(known)) if known else None


def at_threshold(threshold: Threshold, normal: Floats, odd: Floats, beta: float) -> AtThreshold:
    """What ``threshold`` makes of scores of normal and of odd windows."""
    false, true = (int(threshold.odd(scores).sum()) for scores in (normal, odd))
    missed = len(odd) - true
    weighted = (1 + beta**2) * true
    return AtThreshold(
        high=threshold.high,
        low=threshold.low,
        accuracy=_ratio(true + len(normal) - false, len(normal) + len(odd)),
        accuracy_normal=_ratio(len(normal) - false, len(normal)),
        accuracy_abnormal=_ratio(true, len(odd)),
        precision=_ratio(true, true + false),
        recall=_ratio(true, len(odd)),
        f1=_ratio(2 * true, 2 * true + false + missed),
        f_beta=_ratio(weighted, weighted + beta**2 * missed + false),
    )


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None
