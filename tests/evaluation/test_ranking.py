"""Areas under the curves agree with their definitions, ties included."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu

from ecgmon.evaluation.ranking import auroc, average_precision

scores = st.lists(st.integers(-5, 5), min_size=1, max_size=30).map(lambda v: np.array(v, dtype=np.float64))


@given(scores, scores)
def test_auroc_is_the_mann_whitney_statistic(odd: NDArray[np.float64], normal: NDArray[np.float64]) -> None:
    statistic = mannwhitneyu(odd, normal, method="asymptotic").statistic
    assert auroc(odd, normal) == pytest.approx(statistic / (len(odd) * len(normal)), abs=1e-12)


@given(scores, scores)
def test_average_precision_follows_its_definition(
    odd: NDArray[np.float64], normal: NDArray[np.float64]
) -> None:
    area, recall_before = 0.0, 0.0
    for level in sorted(set(odd.tolist() + normal.tolist()), reverse=True):
        hits, false = int((odd >= level).sum()), int((normal >= level).sum())
        area += (hits / len(odd) - recall_before) * hits / (hits + false)
        recall_before = hits / len(odd)
    assert average_precision(odd, normal) == pytest.approx(area, abs=1e-12)


def test_perfect_useless_and_inverted_scores() -> None:
    low, high = np.array([0.0, 1.0]), np.array([2.0, 3.0])
    assert auroc(high, low) == 1.0
    assert auroc(low, low) == 0.5
    assert auroc(low, high) == 0.0
    assert average_precision(high, low) == 1.0
    assert average_precision(low, low) == pytest.approx(0.5)


def test_beats_that_were_never_scored_rank_below_all_others_and_tie_with_each_other() -> None:
    assert auroc(np.array([-np.inf, 1.0]), np.array([0.0, -np.inf])) == pytest.approx((0.5 + 2) / 4)


def test_nothing_to_rank_is_none() -> None:
    assert auroc(np.array([]), np.array([1.0])) is None
    assert auroc(np.array([1.0]), np.array([])) is None
    assert average_precision(np.array([]), np.array([1.0])) is None


def test_a_nan_score_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        auroc(np.array([np.nan]), np.array([1.0]))
    with pytest.raises(ValueError, match="NaN"):
        average_precision(np.array([1.0]), np.array([np.nan]))
