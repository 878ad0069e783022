from __future__ import annotations

import numpy as np
import pytest

from ecgmon.model.extremes import FloatArray, fit_survival
from ecgmon.model.thresholds import (
    ConformalThreshold,
    PeaksThreshold,
    QuantileThreshold,
    ThresholdSettings,
    choose,
)


@pytest.mark.parametrize("two_sided", [False, True])
@pytest.mark.parametrize("tied", [False, True])
def test_conformal_keeps_its_rate_on_exchangeable_scores(two_sided: bool, tied: bool) -> None:
    # 149 scores and one new one, 4 000 times: floor(0.05 * 150) / 150 each, within 3.3 standard errors.
    rng = np.random.default_rng(0)
    hits = []
    for _ in range(4000):
        scores = rng.gamma(2, size=150)
        if tied:
            scores = np.round(scores)
        found = choose(ConformalThreshold(rate=0.05, two_sided=two_sided), scores[1:])
        hits.append(bool(found.odd(scores[:1])[0]))
    exact = 2 * 3 / 150 if two_sided else 7 / 150
    margin = 3.3 * np.sqrt(exact * (1 - exact) / len(hits))
    assert np.mean(hits) <= exact + margin
    if not tied:
        assert np.mean(hits) >= exact - margin


def realised(rule: ThresholdSettings, n: int, times: int, seed: int) -> float:
    """Mean probability, counted on 100 000 new scores, that a normal score is called odd. The scores are of
    Gamma, or where both sides count of Laplace, which has two tails."""
    rng = np.random.default_rng(seed)

    def draw(size: int) -> FloatArray:
        return rng.laplace(size=size) if rule.two_sided else rng.gamma(2, size=size)

    new = draw(100_000)
    return float(np.mean([choose(rule, draw(n)).odd(new).mean() for _ in range(times)]))


def test_quantile_keeps_its_rate_on_new_scores_when_there_are_many() -> None:
    assert realised(QuantileThreshold(rate=0.05), 2000, 50, 1) == pytest.approx(0.05, rel=0.1)


@pytest.mark.parametrize("two_sided", [False, True])
def test_peaks_over_threshold_keeps_a_rate_beyond_all_scores(two_sided: bool) -> None:
    # One in ten thousand, asked of 2 000 scores: within a factor of two.
    assert 0.5e-4 < realised(PeaksThreshold(rate=1e-4, two_sided=two_sided), 2000, 40, 2) < 2e-4


@pytest.mark.parametrize("size", [1e-300, 1e-9, 1.0, 1e12])
def test_peaks_over_threshold_does_not_mind_the_unit(size: float) -> None:
    scores = np.random.default_rng(9).gamma(2, size=500)
    assert choose(PeaksThreshold(), size * scores).high == pytest.approx(
        size * choose(PeaksThreshold(), scores).high, rel=1e-6
    )


@pytest.mark.parametrize("rate", [0.001, 0.01])
@pytest.mark.parametrize("n", [60, 200, 1000])
def test_peaks_over_threshold_is_where_the_curve_of_calibration_reaches_the_rate(n: int, rate: float) -> None:
    scores = np.random.default_rng(8).gamma(2, size=n)
    curve = fit_survival(scores, np.ones(n), 0.05)
    assert curve.p_value([choose(PeaksThreshold(rate=rate, tail=0.05), scores).high])[0] == pytest.approx(
        rate
    )


@pytest.mark.parametrize("kind", [QuantileThreshold, PeaksThreshold, ConformalThreshold])
def test_two_sides_share_the_rate(
    kind: type[QuantileThreshold] | type[PeaksThreshold] | type[ConformalThreshold],
) -> None:
    scores = np.random.default_rng(10).normal(size=1000)
    both, one = choose(kind(rate=0.02, two_sided=True), scores), choose(kind(rate=0.01), scores)
    assert both.high == one.high


def test_peaks_over_threshold_counts_before_the_tail() -> None:
    scores = np.random.default_rng(3).gamma(2, size=1000)
    assert choose(PeaksThreshold(rate=0.2), scores) == choose(ConformalThreshold(rate=0.2), scores)
