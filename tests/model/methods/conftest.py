"""Windows that a small network learns in a second, and odd ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ecgmon.ecg.types import R_INDEX, WINDOW, Samples
from ecgmon.model.methods.base import Learning

Draw = Callable[..., Samples]


def _draw(n: int, seed: int, *, wide: bool = False, unit: bool = False) -> Samples:
    """[n, 187] beats of very different T waves; ``wide`` ones are odd, ``unit`` ones lie in 0..1."""
    rng = np.random.default_rng(seed)
    t = (np.arange(WINDOW) - R_INDEX) / 125
    width = 0.06 if wide else 0.015
    r_wave = np.exp(-0.5 * (t / width) ** 2) * (1 + 0.1 * rng.standard_normal((n, 1)))
    t_wave = np.exp(-0.5 * ((t - 0.3) / 0.06) ** 2) * rng.uniform(-0.6, 0.8, (n, 1))
    line = 0.2 * rng.standard_normal((n, 1)) * np.sin(np.pi * t)
    x = r_wave + t_wave + line
    low, high = x.min(axis=1, keepdims=True), x.max(axis=1, keepdims=True)
    drawn: Samples = ((x - low) / (high - low) if unit else x - np.median(x, axis=1, keepdims=True)).astype(
        np.float32
    )
    return drawn


@pytest.fixture(scope="session")
def draw() -> Draw:
    return _draw


@pytest.fixture(scope="session")
def learning() -> Learning:
    return Learning(train=_draw(320, 0), validation=_draw(64, 1))
