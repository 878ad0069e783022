from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ecgmon.config import convert
from ecgmon.errors import ConfigError, DataError
from ecgmon.model.extremes import FloatArray
from ecgmon.model.thresholds import (
    ConformalThreshold,
    FBetaThreshold,
    MadThreshold,
    PeaksThreshold,
    QuantileThreshold,
    Threshold,
    ThresholdSettings,
    choose,
)

UNLABELLED: list[ThresholdSettings] = [
    kind(two_sided=sides)
    for kind in (QuantileThreshold, MadThreshold, PeaksThreshold, ConformalThreshold)
    for sides in (False, True)
]
FINITE = st.floats(-1e6, 1e6, allow_subnormal=False)
SCORES = arrays.arrays(
    np.float64, st.integers(200, 400), elements=st.one_of(FINITE, st.sampled_from([0.0, 1.0, 1.5]))
)


@given(scores=SCORES, rule=st.sampled_from(UNLABELLED))
@settings(max_examples=200, deadline=None)
def test_thresholds_are_finite_and_low_is_below_high(scores: FloatArray, rule: ThresholdSettings) -> None:
    found = choose(rule, scores)
    assert np.isfinite(found.high)
    assert (found.low is None) != rule.two_sided
    if found.low is not None:
        assert found.low < found.high


@given(scores=SCORES, rule=st.sampled_from(UNLABELLED), seed=st.integers(0, 99))
@settings(max_examples=100, deadline=None)
def test_order_does_not_matter(scores: FloatArray, rule: ThresholdSettings, seed: int) -> None:
    assert choose(rule, scores) == choose(rule, np.random.default_rng(seed).permutation(scores))


@given(scores=SCORES, rule=st.sampled_from([rule for rule in UNLABELLED if rule.two_sided]))
@settings(max_examples=100, deadline=None)
def test_two_sides_mirror(scores: FloatArray, rule: ThresholdSettings) -> None:
    here, there = choose(rule, scores), choose(rule, -scores)
    assert there.low is not None
    assert here.high == pytest.approx(-there.low, rel=1e-9, abs=1e-9)


@given(scores=SCORES, rate=st.floats(0.02, 0.9), two_sided=st.booleans())
@settings(max_examples=200, deadline=None)
def test_quantile_calls_at_most_its_rate_of_these_scores_odd_and_no_lower_threshold_does(
    scores: FloatArray, rate: float, two_sided: bool
) -> None:
    found = choose(QuantileThreshold(rate=rate, two_sided=two_sided), scores)
    assert found.odd(scores).mean() <= rate + 1e-9
    lower = scores[scores < found.high].max()
    assert np.mean(scores >= lower) > rate / (2 if two_sided else 1) - 1e-9


@given(scores=SCORES, rate=st.floats(0.02, 0.9))
@settings(max_examples=200, deadline=None)
def test_conformal_is_the_p_value_rule(scores: FloatArray, rate: float) -> None:
    found = choose(ConformalThreshold(rate=rate), scores)
    for new in (*np.unique(scores), scores.max() + 1):
        p = (1 + np.sum(scores >= new)) / (scores.size + 1)
        assert (new >= found.high) == (p <= rate + 1e-9)


@pytest.mark.parametrize("value", [0.0, -3.5, 1e9])
@pytest.mark.parametrize("rule", UNLABELLED, ids=str)
def test_of_constant_scores_none_is_odd_and_any_other_is(rule: ThresholdSettings, value: float) -> None:
    scores = np.full(1000, value)
    found = choose(rule, scores)
    assert not found.odd(scores).any()
    assert found.odd(np.array([value + 1.0]))[0]
    assert found.odd(np.array([value - 1.0]))[0] == rule.two_sided


def test_mad_is_three_standard_deviations_of_a_gaussian() -> None:
    scores = np.random.default_rng(4).normal(10, 2, size=100_000)
    found = choose(MadThreshold(deviations=3, two_sided=True), scores)
    assert found.high == pytest.approx(16, abs=0.1)
    assert found.low == pytest.approx(4, abs=0.1)


@given(scores=SCORES, gain=st.floats(0.5, 8), offset=st.floats(-10, 10))
@settings(max_examples=60, deadline=None)
def test_mad_moves_with_the_scores(scores: FloatArray, gain: float, offset: float) -> None:
    here, there = choose(MadThreshold(), scores), choose(MadThreshold(), gain * scores + offset)
    assert there.high == pytest.approx(gain * here.high + offset, rel=1e-6, abs=1e-6)


def f_beta(found: Threshold, normal: FloatArray, odd: FloatArray, beta: float) -> float:
    hits, false = int(found.odd(odd).sum()), int(found.odd(normal).sum())
    return (1 + beta**2) * hits / (hits + false + beta**2 * odd.size)


LABELLED = arrays.arrays(
    np.float64, st.integers(1, 30), elements=st.one_of(FINITE, st.sampled_from([0.0, 1.0]))
)


@given(normal=LABELLED, odd=LABELLED, beta=st.sampled_from([0.5, 1.0, 2.0]), two_sided=st.booleans())
@settings(max_examples=150, deadline=None)
def test_f_beta_is_the_best_on_the_grid(
    normal: FloatArray, odd: FloatArray, beta: float, two_sided: bool
) -> None:
    found = choose(FBetaThreshold(beta=beta, steps=12, two_sided=two_sided), normal, odd)
    both = np.concatenate([normal, odd])
    grid = np.linspace(both.min(), both.max(), 12).tolist()
    tried = [Threshold(high) for high in grid]
    if two_sided:
        tried += [Threshold(high, low) for low, high in itertools.combinations(grid, 2) if low < high]
    best = max(f_beta(t, normal, odd, beta) for t in tried)
    assert f_beta(found, normal, odd, beta) == pytest.approx(best)
    assert found.low is None or found.low < found.high


def test_f_beta_takes_the_middle_of_a_gap() -> None:
    normal, odd = np.linspace(0, 1, 50), np.linspace(3, 4, 50)
    found = choose(FBetaThreshold(steps=401), normal, odd)
    assert found.low is None
    assert found.high == pytest.approx(2, abs=0.02)


def test_f_beta_of_two_sides_finds_odd_scores_below() -> None:
    rng = np.random.default_rng(5)
    normal = rng.normal(size=300)
    odd = np.concatenate([rng.normal(8, 1, 30), rng.normal(-8, 1, 30)])
    found = choose(FBetaThreshold(two_sided=True, steps=200), normal, odd)
    assert found.low is not None
    assert f_beta(found, normal, odd, 1) > 0.97
    one = choose(FBetaThreshold(steps=200), normal, odd)
    assert f_beta(one, normal, odd, 1) < 0.7


def test_beta_above_one_favours_finding() -> None:
    rng = np.random.default_rng(6)
    normal, odd = rng.normal(size=500), rng.normal(1.5, 1, size=200)
    low, high = (choose(FBetaThreshold(beta=b), normal, odd).high for b in (4.0, 0.25))
    assert low < high


@pytest.mark.parametrize(
    ("rule", "fewest"),
    [
        (QuantileThreshold(rate=0.01), 100),
        (QuantileThreshold(rate=0.01, two_sided=True), 200),
        (ConformalThreshold(rate=0.01), 99),
        (ConformalThreshold(rate=0.01, two_sided=True), 199),
        (MadThreshold(), 10),
        (PeaksThreshold(), 40),
    ],
    ids=str,
)
def test_too_few_scores_are_an_error(rule: ThresholdSettings, fewest: int) -> None:
    scores = np.random.default_rng(7).gamma(2, size=fewest)
    assert np.isfinite(choose(rule, scores).high)
    with pytest.raises(DataError, match="too few"):
        choose(rule, scores[1:])


@pytest.mark.parametrize("rule", [*UNLABELLED, FBetaThreshold()], ids=str)
def test_scores_that_are_not_finite_are_an_error(rule: ThresholdSettings) -> None:
    with pytest.raises(DataError, match="finite"):
        choose(rule, np.append(np.arange(500.0), np.nan), np.arange(5.0))


@pytest.mark.parametrize(("normal", "odd"), [([1.0], None), ([1.0], []), ([], [1.0])])
def test_f_beta_needs_both_kinds(normal: list[float], odd: list[float] | None) -> None:
    with pytest.raises(DataError, match="both kinds"):
        choose(FBetaThreshold(), np.array(normal), None if odd is None else np.array(odd))


@pytest.mark.parametrize(
    "tree", [{"type": "quantile", "rate": 0}, {"type": "mad", "rate": 0.1}, {"type": "best"}, {}]
)
def test_settings_that_mean_nothing_are_refused(tree: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        convert(tree, ThresholdSettings, where="test")  # type: ignore[arg-type]
