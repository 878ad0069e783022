from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgmon.model.extremes import P_FLOOR, Survival, fit_pareto, fit_survival


def test_without_tail_the_p_value_is_the_conformal_one() -> None:
    curve = fit_survival([1.0, 2.0, 2.0, 5.0], np.ones(4), None)
    np.testing.assert_allclose(curve.p_value([0.0, 1.0, 2.0, 3.0, 5.0, 9.0]), [1, 1, 0.8, 0.4, 0.4, 0.2])


def test_p_values_of_exchangeable_scores_are_uniform() -> None:
    # Calibrate on 199 scores and judge one new beat, 2 000 times: P(p <= a) = a, within 3.3 standard errors.
    rng = np.random.default_rng(0)
    p = np.array(
        [
            fit_survival(rng.gamma(2, size=199), np.ones(199), None).p_value([rng.gamma(2)])[0]
            for _ in range(2000)
        ]
    )
    for a in (0.01, 0.05, 0.1, 0.5, 0.9):
        assert abs(np.mean(p <= a) - a) < 3.3 * np.sqrt(a * (1 - a) / p.size)


def test_tail_keeps_p_values_honest_beyond_the_largest_score() -> None:
    # One in ten thousand, asked of 2 000 scores: only the fitted tail can answer, within a factor of two.
    rng = np.random.default_rng(1)
    held = [
        np.mean(
            fit_survival(rng.gamma(2, size=2000), np.ones(2000), 0.05).p_value(rng.gamma(2, size=100_000))
            <= 1e-4
        )
        for _ in range(40)
    ]
    assert 0.5e-4 < np.mean(held) < 2e-4


@given(
    scores=st.lists(st.floats(-100, 100, allow_subnormal=False), min_size=1, max_size=300),
    seed=st.integers(0, 99),
    tail=st.sampled_from([None, 0.01, 0.2]),
)
@settings(max_examples=150, deadline=None)
def test_p_value_never_rises_with_the_score(scores: list[float], seed: int, tail: float | None) -> None:
    weights = np.random.default_rng(seed).uniform(0.1, 10, len(scores))
    grid = np.unique(np.concatenate([scores, np.linspace(-150, 500, 3000)]))
    p = fit_survival(scores, weights, tail).p_value(grid)
    assert (np.diff(p) <= 1e-15).all()
    assert ((p > 0) & (p <= 1)).all()


def test_thinning_rounds_p_values_up() -> None:
    scores = np.random.default_rng(2).exponential(size=30_000)
    curve = fit_survival(scores, np.ones(scores.size), None)
    grid = np.linspace(0, 12, 5000)
    exact = (1 + np.array([np.sum(scores >= s) for s in grid])) / (scores.size + 1)
    p = curve.p_value(grid)
    assert curve.knots.size < 5000
    assert (p >= exact - 1e-12).all()
    assert (p - exact).max() < 0.001


@pytest.mark.parametrize("shape", [0.0, 0.2, 0.5])
def test_pareto_fit_finds_shape_and_scale(shape: float) -> None:
    u = np.random.default_rng(3).uniform(size=20_000)
    y = -2 * np.log(u) if shape == 0 else 2 * (u**-shape - 1) / shape
    found, scale = fit_pareto(y, np.ones(y.size))
    assert found == pytest.approx(shape, abs=0.03)
    assert scale == pytest.approx(2, rel=0.05)


def test_pareto_weights_count_as_repetitions() -> None:
    y = np.random.default_rng(4).exponential(size=200)
    w = np.random.default_rng(5).integers(1, 5, 200)
    assert fit_pareto(y, w) == pytest.approx(
        fit_pareto(np.repeat(y, w), np.ones(w.sum())), rel=1e-4, abs=1e-4
    )


def test_bounded_scores_get_no_end_of_their_tail() -> None:
    scores = np.random.default_rng(6).uniform(size=5000)
    p = fit_survival(scores, np.ones(5000), 0.01).p_value([1.0001, 1.01, 50.0])
    assert (np.diff(p) < 0).all()
    assert p[-1] == P_FLOOR


def test_no_score_gets_no_p_value() -> None:
    p = fit_survival(np.arange(100.0), np.ones(100), 0.05).p_value([np.nan, 1.0, np.inf])
    assert np.isnan(p[0])
    assert p[1] > 0.9
    assert p[2] == P_FLOOR


def test_tied_largest_scores_have_no_tail() -> None:
    curve = fit_survival(np.concatenate([np.arange(50.0), np.full(50, 60.0)]), np.ones(100), 0.1)
    assert curve.tail is None
    assert curve.p_value([61.0])[0] == pytest.approx(1 / 101)


def test_curve_travels_as_arrays() -> None:
    curve = fit_survival(np.random.default_rng(7).gamma(2, size=500), np.ones(500), 0.05)
    again = Survival.from_tensors(curve.tensors())
    grid = np.linspace(-1, 30, 500)
    np.testing.assert_array_equal(again.p_value(grid), curve.p_value(grid))


@pytest.mark.parametrize(
    "change", [{"knots": np.array([2.0, 1.0])}, {"steps": np.zeros(9)}, {"tail": np.ones(3)}]
)
def test_arrays_that_are_no_curve_are_refused(
    change: dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]],
) -> None:
    arrays = fit_survival([1.0, 2.0], [1, 1], None).tensors()
    with pytest.raises(ValueError, match="calibration"):
        Survival.from_tensors({**arrays, **change})
    with pytest.raises(ValueError, match="missing"):
        Survival.from_tensors({k: v for k, v in arrays.items() if k not in change})


@pytest.mark.parametrize("scores", [[], [1.0, np.nan], [np.inf]])
def test_scores_that_cannot_be_calibrated_on_are_refused(scores: list[float]) -> None:
    with pytest.raises(ValueError, match="scores"):
        fit_survival(scores, np.ones(len(scores)), None)
