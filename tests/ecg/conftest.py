"""A heart of Gaussians, drawn at any rate: the same beats at the same times, whatever the rate."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from ecgmon.ecg.frontend import Frontend, Output
from ecgmon.ecg.types import Layout, Samples

WAVES = (
    (-0.17, 0.025, 0.12),
    (-0.022, 0.008, -0.12),
    (0.0, 0.011, 1.0),
    (0.025, 0.009, -0.25),
    (0.27, 0.045, 0.25),
)
"""P, Q, R, S, T: s from the R-peak, s, mV."""

Heart = Callable[..., tuple[Samples, NDArray[np.float64]]]
Run = Callable[..., Output]


def draw(
    fs: float, seconds: float = 40.0, *, noise: float = 0.01, seed: int = 1
) -> tuple[Samples, NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    beats = 0.5 + np.cumsum(np.r_[0.0, 0.8 + 0.1 * rng.standard_normal(int(seconds / 0.8))])
    beats = beats[beats < seconds - 0.5]
    t = np.arange(round(seconds * fs)) / fs
    x = 0.2 * np.sin(2.0 * np.pi * 0.25 * t)
    for beat in beats:
        for place, width, height in WAVES:
            x += height * np.exp(-0.5 * ((t - beat - place) / width) ** 2)
    return (x + noise * rng.standard_normal(len(t))).astype(np.float32), beats


def run_frontend(x: Samples, fs: float, *, chunk: int = 100_000, layout: Layout = "centred") -> Output:
    frontend = Frontend(fs, layout=layout)
    out = Output()
    for start in range(0, len(x), chunk):
        part = frontend.feed(x[start : start + chunk])
        out.beats += part.beats
        out.quality += part.quality
    rest = frontend.flush()
    return Output(out.beats + rest.beats, out.quality + rest.quality)


@pytest.fixture
def heart() -> Heart:
    return draw


@pytest.fixture
def run() -> Run:
    return run_frontend
