"""A scorer that needs no model, and simulated wards."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from msgspec.structs import replace

from ecgmon.config import convert
from ecgmon.ecg.types import R_INDEX, Beat, Chunk, Layout, ModelRef, Score
from ecgmon.model.baseline import Baseline
from ecgmon.monitor.pipeline import Scorer
from ecgmon.sources.base import chunks
from ecgmon.sources.simulator import SimulatorSettings, SimulatorSource


class EnergyScorer:
    """How far a beat's QRS energy departs from the running mean of its own patient.

    Deterministic, and stateful: a beat's score depends on all beats of its stream before, so that a pipeline
    which mixed up streams or order would give other scores.
    """

    layout: Layout = "centred"
    model_ref = ModelRef(name="energy", hash="0123456789abcdef")

    def __init__(self, threshold: float = 0.02) -> None:
        self.threshold = threshold
        self._means: dict[int, tuple[Baseline, float]] = {}

    def new_baseline(self) -> Baseline:
        return Baseline()

    def score(self, items: Sequence[tuple[Beat, Baseline]]) -> list[Score]:
        return [self._score(beat, baseline) for beat, baseline in items]

    def _score(self, beat: Beat, baseline: Baseline) -> Score:
        wide = beat.window[R_INDEX - 20 : R_INDEX + 21].astype(np.float64) / beat.scale
        energy = float(np.sum(np.square(wide - np.median(wide))))
        _, mean = self._means.get(id(baseline), (baseline, energy))
        score = abs(math.log((energy + 1e-9) / (mean + 1e-9)))
        if score < 0.5:
            mean = 0.9 * mean + 0.1 * energy
        self._means[id(baseline)] = (baseline, mean)  # keeps the baseline alive, and so its id
        p_value = min(1.0, math.exp(-5.0 * score))
        reconstruction = np.full_like(beat.window, np.float32(np.median(beat.window)))
        return Score(
            score,
            p_value,
            p_value <= self.threshold,
            p_value <= self.threshold,
            {"qrs": score},
            reconstruction,
        )


@pytest.fixture
def new_scorer() -> Callable[[], Scorer]:
    """Makes a scorer that has seen nothing."""
    return EnergyScorer


@pytest.fixture(scope="session")
def ward() -> Callable[..., list[Chunk]]:
    """Chunks of simulated patients, by the keys of SimulatorSettings; one stream ends at 60 s unless told."""

    def make(**keys: object) -> list[Chunk]:
        tree = {"streams": 1, "seconds": 60.0, "speed": 0.0, "start_time": 1.7e9, **keys}
        return list(chunks(SimulatorSource(convert(tree, SimulatorSettings, where="test"))))

    return make


@pytest.fixture
def pieces(ward: Callable[..., list[Chunk]]) -> list[Chunk]:
    """A minute of two patients; an alert is raised in one of them and stands at the end."""
    made = ward(
        streams=2, seconds=60.0, script=[{"kind": "lead-off", "at": 40.0, "seconds": 30.0, "stream": 1}]
    )
    return [replace(chunk, end=False) for chunk in made]
