from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ecgmon.config import convert
from ecgmon.ecg.types import WINDOW, Samples
from ecgmon.model.methods.base import Floats, Learning, Reading
from ecgmon.model.methods.classical import ClassicalMethod, ClassicalSettings
from ecgmon.model.methods.variations import averaged
from tests.model.methods.cases import DETECTORS, EACH, NORMAL, ODD, READING, TRAIN, method


@pytest.fixture(scope="module")
def fitted() -> dict[str, ClassicalMethod]:
    return {name: method(name) for name in DETECTORS}


def auroc(normal: Floats, odd: Floats) -> float:
    return float(np.mean(odd[:, np.newaxis] > normal) + 0.5 * np.mean(odd[:, np.newaxis] == normal))


@EACH
@pytest.mark.parametrize("more", [{}, {"scaling": "overall"}, {"components": 12}], ids=str)
def test_wide_beats_are_odder_than_normal_ones(name: str, more: dict[str, Any]) -> None:
    made = method(name, **more)
    assert auroc(made.score(NORMAL, READING), made.score(ODD, READING)) > 0.98
    assert made.parameters > 0
    assert made.history is None


@EACH
def test_same_windows_and_seed_give_the_same_scores(fitted: dict[str, ClassicalMethod], name: str) -> None:
    np.testing.assert_array_equal(method(name).score(ODD, READING), fitted[name].score(ODD, READING))


@EACH
def test_scores_are_averaged_over_variations(fitted: dict[str, ClassicalMethod], name: str) -> None:
    made, reading = fitted[name], Reading(augmentation=("crop", "flip"), draws=2)
    varied = made.score(NORMAL, reading, seed=1)
    assert not np.array_equal(varied, made.score(NORMAL, READING))
    np.testing.assert_array_equal(varied, made.score(NORMAL, reading, seed=1))
    assert not np.array_equal(varied, made.score(NORMAL, reading, seed=2))


@EACH
def test_score_of_a_window_does_not_depend_on_the_others(
    fitted: dict[str, ClassicalMethod], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = fitted[name].score(NORMAL, READING)
    monkeypatch.setattr("ecgmon.model.methods.classical.BLOCK", 7)
    np.testing.assert_allclose(fitted[name].score(NORMAL, READING), together, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(
        fitted[name].score(NORMAL[::-1], READING)[::-1], together, rtol=1e-6, atol=1e-9
    )
    assert fitted[name].score(NORMAL[:0], READING).shape == (0,)


@pytest.mark.parametrize(
    "name", [n for n in DETECTORS if n not in {"gaussian-mixture", "kmeans", "isolation-forest"}]
)
def test_order_of_the_training_windows_does_not_matter(name: str, fitted: dict[str, ClassicalMethod]) -> None:
    # But for those left out, which start from windows drawn by their place.
    other = method(name, TRAIN[np.random.default_rng(3).permutation(len(TRAIN))])
    a, b = other.score(ODD, READING), fitted[name].score(ODD, READING)
    np.testing.assert_allclose(a, b, rtol=2e-3)


@EACH
def test_gain_and_offset_common_to_all_windows_do_not_matter(
    name: str, fitted: dict[str, ClassicalMethod]
) -> None:
    both = np.concatenate([NORMAL, ODD])
    here = fitted[name].score(both, READING)
    there = method(name, 4 * TRAIN + 2).score(4 * both + 2, READING)
    spread = np.abs(here).max()
    np.testing.assert_allclose(there, here, rtol=0.01, atol=1e-4 * spread)


@given(
    x=arrays.arrays(
        np.float32,
        (3, WINDOW),
        elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
        fill=st.floats(width=32, allow_nan=False, allow_infinity=False),
    )
)
@settings(max_examples=15, deadline=None)
def test_any_finite_window_has_a_finite_score(fitted: dict[str, ClassicalMethod], x: Samples) -> None:
    for name, made in fitted.items():
        assert np.isfinite(made.score(x, READING)).all(), name


@EACH
@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_training_windows_of_any_size_have_finite_scores(name: str, scale: float) -> None:
    made = method(name, (TRAIN * np.float32(scale)).astype(np.float32))
    assert np.isfinite(made.score(TRAIN, READING)).all()
    assert np.isfinite(made.score(np.zeros((1, WINDOW), np.float32), READING)).all()


@EACH
def test_windows_that_stand_many_times_and_samples_that_never_change(name: str) -> None:
    few = np.repeat(TRAIN[:30], 10, axis=0)
    few[:, 150:] = 0  # as the padding of kachuee windows
    made = method(name, few)
    odd = few[:1].copy()
    odd[:, 160:] = 1.0
    scores = made.score(np.concatenate([few[:1], odd]), READING)
    assert np.isfinite(scores).all()
    if name != "isolation-forest":  # it cannot cut where no training window differs
        assert scores[1] > scores[0]


@pytest.mark.parametrize("name", ["parzen", "lof", "knn-mean", "one-class-svm", "svdd"])
def test_detectors_that_keep_windows_keep_at_most_max_train(name: str) -> None:
    small, other = method(name, max_train=50), method(name, max_train=50, seed=1)
    assert small.parameters < method(name).parameters
    assert not np.array_equal(small.score(NORMAL, READING), other.score(NORMAL, READING))
    assert small.parameters <= 50 * (WINDOW + 2) + 2 * WINDOW + 1


@EACH
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_a_window_that_is_not_finite_has_no_score(
    fitted: dict[str, ClassicalMethod], name: str, value: float
) -> None:
    bad = NORMAL.copy()
    bad[3, 5] = value
    with pytest.raises(ValueError, match="finite"):
        fitted[name].score(bad, READING)


def test_the_layout_decides_which_variations_are_scored() -> None:
    turned, scored = Reading(augmentation=("flip",), draws=2), []
    for layout in ("centred", "kachuee"):
        made = ClassicalMethod(convert({"detector": {"type": "gaussian"}}, ClassicalSettings, where="test"))
        made.fit(Learning(TRAIN, NORMAL, layout), 0)
        scored.append(made.score(NORMAL, turned))
        plain = functools.partial(made.score, reading=READING)
        expected = averaged(plain, NORMAL, turned, 0, unit=layout == "kachuee")
        np.testing.assert_allclose(scored[-1], expected)
    assert not np.allclose(scored[0], scored[1])
