from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ecgmon.config import convert
from ecgmon.ecg.types import R_INDEX, WINDOW, Samples
from ecgmon.errors import ConfigError, DataError, DependencyError
from ecgmon.model.dataset import CLIP
from ecgmon.model.methods.base import Floats, Learning, Reading
from ecgmon.model.methods.classical import ClassicalMethod, ClassicalSettings

DETECTORS: dict[str, dict[str, Any]] = {
    "gaussian": {},
    "gaussian-mixture": {"mixtures": 2},
    "parzen": {},
    "lof": {"neighbours": 10},
    "knn-maximum": {"neighbours": 3},
    "knn-mean": {"neighbours": 3},
    "knn-centre": {"neighbours": 3},
    "kmeans": {"clusters": 4},
    "pca": {"kept": 8},
    "one-class-svm": {},
    "svdd": {},
    "isolation-forest": {"trees": 50},
}
EACH = pytest.mark.parametrize("name", DETECTORS)
READING = Reading()


def windows(n: int, seed: int, *, wide: bool = False) -> Samples:
    """[n, 187] QRS and T, each a little different; ``wide`` draws a QRS three times as long."""
    rng = np.random.default_rng(seed)
    t = (np.arange(WINDOW) - R_INDEX) / 125
    qrs, wave = 1 + 0.1 * rng.standard_normal((2, n, 1))
    late = 0.004 * rng.standard_normal((n, 1))
    x = qrs * np.exp(-0.5 * ((t - late) / (0.045 if wide else 0.015)) ** 2)
    x += 0.3 * wave * np.exp(-0.5 * ((t - 0.25 - late) / 0.05) ** 2)
    noisy: Samples = (x + 0.01 * rng.standard_normal(x.shape)).astype(np.float32)
    return noisy


TRAIN, NORMAL, ODD = windows(200, 0), windows(60, 1), windows(60, 2, wide=True)


def method(name: str, train: Samples = TRAIN, seed: int = 0, **more: Any) -> ClassicalMethod:
    """Fitted; ``more`` are keys beside the detector."""
    tree = {"type": "classical", "detector": {"type": name, **DETECTORS[name]}, **more}
    made = ClassicalMethod(convert(tree, ClassicalSettings, where="test"))
    made.fit(Learning(train, NORMAL), seed)
    return made


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


def test_gaussian_is_the_squared_mahalanobis_distance() -> None:
    x = np.random.default_rng(4).standard_normal((2, 500, WINDOW)) @ np.diag(np.linspace(0.3, 1, WINDOW))
    train, new = x.astype(np.float32)
    assert np.abs(new).max() < CLIP  # beyond it, windows are cut off before they are scored
    tree = {"type": "classical", "detector": {"type": "gaussian", "shrinkage": 1e-9}}
    made = ClassicalMethod(convert(tree, ClassicalSettings, where="test"))
    made.fit(Learning(train, new), 0)
    away = new - train.mean(axis=0, dtype=np.float64)
    expected = (away @ np.linalg.inv(np.cov(train.T, bias=True)) * away).sum(axis=1)
    np.testing.assert_allclose(made.score(new, READING), expected, rtol=1e-3)


def test_neighbour_scores_are_the_distances_by_hand() -> None:
    k = DETECTORS["knn-mean"]["neighbours"]
    scale = np.sqrt(np.mean((TRAIN - TRAIN.mean(axis=0, dtype=np.float64)) ** 2))
    neighbours = {name: method(name, scaling="overall") for name in DETECTORS if name.startswith("knn")}
    for window in ODD[:5].astype(np.float64):
        distances = np.linalg.norm(TRAIN - window, axis=1) / scale
        nearest = np.argsort(distances)[:k]
        expected = {
            "knn-maximum": distances[nearest].max(),
            "knn-mean": distances[nearest].mean(),
            "knn-centre": np.linalg.norm(TRAIN[nearest].mean(axis=0) - window) / scale,
        }
        for name, value in expected.items():
            found = neighbours[name].score(window[np.newaxis].astype(np.float32), READING)[0]
            assert found == pytest.approx(value, rel=1e-4), name


def test_parzen_density_has_the_mass_of_one() -> None:
    _, detector = method("parzen", components=1)._parts()
    grid = np.linspace(-150, 150, 6001)
    density = np.exp(-detector.score(grid[:, np.newaxis]))
    assert density.sum() * (grid[1] - grid[0]) == pytest.approx(1, rel=1e-3)


def test_parzen_agrees_with_scikit_learn() -> None:
    from sklearn.neighbors import KernelDensity

    made = method("parzen", components=5)
    _, detector = made._parts()
    train, new = made.embed(TRAIN), made.embed(NORMAL)
    assert train is not None
    reference = KernelDensity(bandwidth=detector.bandwidth, rtol=1e-10).fit(train)  # type: ignore[attr-defined]
    np.testing.assert_allclose(made.score(NORMAL, READING), -reference.score_samples(new), rtol=1e-6)


def test_pca_restores_windows_and_scores_what_it_could_not() -> None:
    made = method("pca")
    restored = made.restore(NORMAL)
    assert restored is not None
    assert restored.shape == NORMAL.shape
    assert restored.dtype == np.float32
    features, _ = made._parts()
    error = ((features(NORMAL) - features(restored)) ** 2).sum(axis=1)
    np.testing.assert_allclose(made.score(NORMAL, READING), error, rtol=1e-3)
    assert method("gaussian").restore(NORMAL) is None


def test_embedding_is_the_principal_components() -> None:
    embedded = method("gaussian", components=6, whiten=True).embed(TRAIN)
    assert embedded is not None
    np.testing.assert_allclose(np.cov(embedded.T), np.eye(6), atol=1e-6)
    assert method("gaussian").embed(TRAIN) is None


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ({"detector": {"type": "lof", "neighbors": 3}}, "neighbours"),
        ({"detector": {"type": "forest"}}, "forest"),
        ({"detector": {"type": "svdd", "nu": 1.5}}, "nu"),
        ({"detector": {"type": "svdd", "kernel": "gaussian"}}, "kernel"),
        ({"detector": {"type": "lof"}, "whiten": True}, "components"),
        ({"detector": {"type": "lof"}, "readings": {"a": {"score": "cosine"}}}, "cosine"),
        ({}, "detector"),
    ],
)
def test_settings_that_mean_nothing_are_refused(tree: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        convert({"type": "classical", **tree}, ClassicalSettings, where="test")


@pytest.mark.parametrize(
    ("name", "n", "more"),
    [
        ("lof", 10, {}),
        ("knn-mean", 3, {}),
        ("kmeans", 3, {}),
        ("gaussian-mixture", 3, {}),
        ("pca", 8, {}),
        ("pca", 200, {"components": 8}),
        ("gaussian", 1, {}),
        ("gaussian", 5, {"components": 6}),
        ("lof", 200, {"max_train": 10}),
    ],
)
def test_too_few_windows_are_one_clear_error(name: str, n: int, more: dict[str, Any]) -> None:
    with pytest.raises(DataError):
        method(name, TRAIN[:n], **more)


def test_what_scikit_learn_warns_of_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    method("kmeans", np.repeat(TRAIN[:2], 20, axis=0))  # four clusters
    assert "distinct clusters" in caplog.text


@pytest.mark.parametrize(
    "bad", [np.full((9, WINDOW), 0.5, np.float32), np.full((9, WINDOW), np.nan, np.float32)]
)
def test_windows_without_anything_to_learn_are_refused(bad: Samples) -> None:
    with pytest.raises(DataError, match="training windows"):
        method("gaussian", bad)


@EACH
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_a_window_that_is_not_finite_has_no_score(
    fitted: dict[str, ClassicalMethod], name: str, value: float
) -> None:
    bad = NORMAL.copy()
    bad[3, 5] = value
    with pytest.raises(ValueError, match="finite"):
        fitted[name].score(bad, READING)


def test_without_scikit_learn_one_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(DependencyError, match=r"ecgmon\[compare\]"):
        method("gaussian")
