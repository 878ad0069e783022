"""The curves are those whose areas the evaluation states."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgmon.evaluation.ranking import auroc, average_precision
from ecgmon.evaluation.report.curves import curves, pooled, precision_recall_points, roc_picture, roc_points
from ecgmon.evaluation.report.scores import scores_picture, threshold_in_scores
from tests.evaluation.report.made import Made

scores = st.lists(st.integers(0, 6).map(float), min_size=1, max_size=30).map(np.array)


@given(scores, scores)
def test_the_area_under_the_roc_curve_is_the_auroc_ties_included(odd: np.ndarray, normal: np.ndarray) -> None:
    false, true = roc_points(odd, normal)
    assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)
    assert (np.diff(false) >= 0).all()
    assert np.trapezoid(true, false) == pytest.approx(auroc(odd, normal))


@given(scores, scores)
def test_the_steps_of_precision_and_recall_add_up_to_the_average_precision(
    odd: np.ndarray, normal: np.ndarray
) -> None:
    recall, precision = precision_recall_points(odd, normal)
    assert recall[-1] == 1
    assert (np.diff(recall, prepend=0.0) * precision).sum() == pytest.approx(average_precision(odd, normal))


def test_the_threshold_stands_on_the_curve(two: Made) -> None:
    drawn = {curve.name: curve for curve in curves(pooled(two.material.beats)[0])}
    assert list(drawn) == ["all", "S", "V", "F"]
    assert drawn["V"].operating_point == (2 / 7, 2 / 3)
    assert drawn["V"].precision == 2 / 4
    false, true = roc_points(drawn["V"].score, drawn["V"].normal)
    assert (2 / 7, 2 / 3) in set(zip(false.tolist(), true.tolist(), strict=True))


def test_areas_are_written_on_the_picture(two: Made) -> None:
    figures = two.result.beats
    assert figures.auroc is not None
    assert figures.per_class_auroc is not None
    alt = roc_picture(curves(pooled(two.material.beats)[0])).alt
    assert f"all (5) {figures.auroc:.4f}" in alt
    assert f"V (3) {figures.per_class_auroc['V']:.4f}" in alt


def test_the_threshold_lies_between_the_scores_it_divides() -> None:
    score = np.array([1.0, 2.0, 5.0, 6.0])
    assert threshold_in_scores(score, score > 3) == (3.5, 3.5)
    assert threshold_in_scores(score, np.array([False, True, False, True])) == (2, 5)
    assert threshold_in_scores(score, score > 9) is None
    assert threshold_in_scores(score, score > 0) is None


def test_the_rows_of_the_distributions_say_what_was_flagged(two: Made) -> None:
    alt = scores_picture(*pooled(two.material.beats)).alt
    assert "V 3 beats, 66.7 % flagged" in alt
    assert "F 1 beats, 0 % flagged" in alt
