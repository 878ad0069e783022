from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest

from ecgmon.config import convert
from ecgmon.ecg.types import WINDOW, Samples
from ecgmon.errors import ConfigError, DataError, DependencyError
from ecgmon.model.dataset import CLIP
from ecgmon.model.methods.base import Learning
from ecgmon.model.methods.classical import ClassicalMethod, ClassicalSettings
from tests.model.methods.cases import DETECTORS, NORMAL, ODD, READING, TRAIN, method


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


def test_without_scikit_learn_one_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(DependencyError, match=r"ecgmon\[compare\]"):
        method("gaussian")
