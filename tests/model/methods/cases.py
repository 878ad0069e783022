"""Windows that every classical detector learns from in a moment, and the detectors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ecgmon.config import convert
from ecgmon.ecg.types import R_INDEX, WINDOW, Samples
from ecgmon.model.methods.base import Learning, Reading
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
