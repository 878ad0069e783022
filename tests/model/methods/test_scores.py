from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ecgmon.ecg.types import WINDOW, Samples
from ecgmon.model.methods.base import ScoreName
from ecgmon.model.methods.scores import cosine, error_map, l2, sample_map, score, squared_error, usual_error

NAMES: tuple[ScoreName, ...] = get_args(ScoreName)
ONES = np.ones(WINDOW)

any_value = st.floats(-float(np.float32(3e38)), float(np.float32(3e38)), width=32)
some_value = st.floats(-8, 8, width=16)


def windows(values: st.SearchStrategy[float]) -> st.SearchStrategy[Samples]:
    return arrays(np.float32, (3, WINDOW), elements=values, fill=values)


@settings(max_examples=60, deadline=None)
@given(windows(any_value), windows(any_value), windows(any_value), st.sampled_from(NAMES))
def test_scores_of_any_finite_windows_are_finite_and_not_negative(
    x: Samples, restored: Samples, normal: Samples, name: ScoreName
) -> None:
    scored = score(name, x, restored, usual_error(normal, normal))
    assert scored.shape == (3,)
    assert scored.dtype == np.float64
    assert np.isfinite(scored).all()
    assert (scored >= 0).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("level", [0.0, 1.0, -8.0, 1e-38])
def test_a_flat_window_restored_to_itself_is_not_odd(name: ScoreName, level: float) -> None:
    x = np.full((2, WINDOW), level, np.float32)
    assert score(name, x, x.copy(), usual_error(x, x)) == pytest.approx(np.zeros(2), abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(windows(some_value), windows(some_value), st.integers(0, 5))
def test_relations(x: Samples, restored: Samples, k: int) -> None:
    assert l2(x, restored) == pytest.approx(np.sqrt(WINDOW * squared_error(x, restored)))
    assert squared_error(x, restored) == pytest.approx(squared_error(restored, x))
    assert error_map(x, restored, ONES).max(axis=1) == pytest.approx(sample_map(x, restored, ONES))
    assert (sample_map(x, restored, ONES) >= squared_error(x, restored) * (1 - 1e-9) * 0.5).all()
    bigger = (x * np.float32(2.0**k)).astype(np.float32)
    assert cosine(bigger, restored) == pytest.approx(cosine(x, restored), abs=1e-9)
    assert (cosine(x, restored) <= 2.0).all()


def test_cosine_of_known_angles() -> None:
    x = np.zeros((5, WINDOW), np.float32)
    y = x.copy()
    x[:, 0] = (1, 1, 1, 0, 0)
    y[0, 0], y[1, 1], y[2, 0], y[3, 0] = 3, 1, -2, 1
    assert cosine(x, y) == pytest.approx([0, 1, 2, 1, 0])


def test_the_error_map_weighs_a_sample_by_its_usual_error() -> None:
    rng = np.random.default_rng(0)
    size = np.where(np.arange(WINDOW) < 60, 0.5, 0.05)
    normal = (size * rng.standard_normal((4000, WINDOW))).astype(np.float32)
    usual = usual_error(normal, np.zeros_like(normal))
    assert usual == pytest.approx(size**2, rel=0.15)
    nothing = np.zeros((2, WINDOW), np.float32)
    noisy_place, quiet_place = nothing.copy(), nothing.copy()
    noisy_place[:, 20:29] = 0.5
    quiet_place[:, 120:129] = 0.5
    assert squared_error(noisy_place, nothing) == pytest.approx(squared_error(quiet_place, nothing))
    assert sample_map(noisy_place, nothing, usual) == pytest.approx(1.0, rel=0.1)
    assert sample_map(quiet_place, nothing, usual) == pytest.approx(100.0, rel=0.1)
    where = error_map(quiet_place, nothing, usual)[0]
    assert int(where.argmax()) == 124
    assert not where[:116].any()


def test_a_sample_that_is_never_wrong_in_normal_windows_does_not_blow_up_the_map() -> None:
    normal = np.zeros((10, WINDOW), np.float32)
    normal[:, :90] = 0.3
    usual = usual_error(normal, np.zeros_like(normal))
    assert (usual > 0).all()
    odd = np.zeros((1, WINDOW), np.float32)
    odd[:, 150] = 0.3
    assert float(sample_map(odd, np.zeros_like(odd), usual)[0]) < 1e4
