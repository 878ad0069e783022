"""The drift of p-values: by hand, and on real records as they are and spoilt."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import wfdb
from numpy.typing import NDArray

from ecgmon.ecg.types import WINDOW, Beat, Score
from ecgmon.model import bundle
from ecgmon.model.scoring import Scorer
from ecgmon.monitor.drift import LEAST, LEVEL, MEMORY, ScoreDrift
from ecgmon.monitor.metrics import Metrics
from ecgmon.monitor.offline import run
from ecgmon.sources.memory import MemorySource, chunks_of

WINDOW_OF_ZEROS = np.zeros(WINDOW, np.float32)


def feed(drift: ScoreDrift, stream: str, p_values: NDArray[np.float64], *, start: float = 300.0) -> None:
    for i, p in enumerate(p_values.tolist()):
        beat = Beat(i, start + i, start + i + 1.3, WINDOW_OF_ZEROS, 1.0, 1.0, 1.0, good=True)
        drift.beat(stream, beat, Score(1.0, p, p <= 0.02, p <= 0.02, {}, WINDOW_OF_ZEROS))


@pytest.fixture
def even() -> NDArray[np.float64]:
    """P-values as they should be."""
    values = (np.arange(2000) + 0.5) / 2000
    return np.random.default_rng(0).permutation(values)


def test_even_p_values_do_not_drift(even: NDArray[np.float64]) -> None:
    drift = ScoreDrift(0.02)
    feed(drift, "a", even)
    assert drift.drifts() == {name: pytest.approx(0, abs=0.25) for name in ("mean", "p10", "p50", "p90")}


def test_twice_as_many_low_p_values_are_a_drift_of_one(even: NDArray[np.float64]) -> None:
    drift = ScoreDrift(None)
    feed(drift, "a", np.where(even < 2 * LEVEL, even / 2, even))
    assert drift.drifts()["mean"] == pytest.approx(1, abs=0.2)


def test_no_low_p_values_at_all_are_a_finite_drift(even: NDArray[np.float64]) -> None:
    drift = ScoreDrift(0.02)
    feed(drift, "a", 0.5 + even / 2)
    assert drift.drifts()["mean"] == pytest.approx(np.log2(0.5 / MEMORY / (0.18 / 0.98)))


def test_odd_beats_do_not_count(even: NDArray[np.float64]) -> None:
    calm, sick = ScoreDrift(0.02), ScoreDrift(0.02)
    feed(calm, "a", even)
    feed(sick, "a", np.concatenate([even, np.full(3000, 1e-4)]))
    assert sick.drifts() == calm.drifts()


def test_a_few_sick_streams_do_not_move_the_median(even: NDArray[np.float64]) -> None:
    drift = ScoreDrift(0.02)
    for i in range(9):
        feed(drift, f"well-{i}", even)
    was = drift.drifts()["p50"]
    for i in range(3):
        feed(drift, f"sick-{i}", 0.03 + even / 10)
    assert drift.drifts()["p50"] == pytest.approx(was, abs=0.01)
    assert drift.drifts()["p90"] > 2


def test_a_young_stream_and_one_that_ended_do_not_count(even: NDArray[np.float64]) -> None:
    drift = ScoreDrift(0.02)
    feed(drift, "a", even[:200], start=0.0)
    feed(drift, "b", np.full(LEAST - 1, 0.5))
    assert (drift.drifts(), drift.streams) == ({}, 0)
    feed(drift, "c", even)
    assert drift.streams == 1
    drift.ended("c")
    assert (drift.drifts(), drift.streams) == ({}, 0)


def test_a_stream_whose_every_beat_is_odd_is_counted_apart(even: NDArray[np.float64]) -> None:
    metrics = Metrics(beat_threshold=0.02)
    drift = metrics.drift
    feed(drift, "well", np.concatenate([even, np.full(3000, 1e-4)]))
    feed(drift, "learning", np.full(200, 1e-4), start=0.0)
    feed(drift, "young", np.full(LEAST - 1, 1e-4))
    assert drift.odd_streams == 0
    for name in ("sick", "ill"):
        feed(drift, name, np.full(LEAST, 1e-4))
    feed(drift, "ill", np.full(LEAST - 1, 0.5))
    value = metrics.registry.get_sample_value
    assert value("ecgmon_score_drift_odd_streams") == 2
    assert value("ecgmon_score_drift_streams") == 1
    feed(drift, "ill", np.full(1, 0.5))
    assert value("ecgmon_score_drift_odd_streams") == 1
    assert value("ecgmon_score_drift_streams") == 2
    metrics.ended("sick", 10.0, "II")
    assert value("ecgmon_score_drift_odd_streams") == 0


def test_a_threshold_above_the_level_leaves_nothing_to_say(even: NDArray[np.float64]) -> None:
    drift = ScoreDrift(0.3)
    feed(drift, "a", even)
    assert drift.drifts() == {}


def test_the_mean_forgets(even: NDArray[np.float64]) -> None:
    drift = ScoreDrift(None)
    feed(drift, "a", np.full(5000, 0.1))
    feed(drift, "a", np.concatenate([even] * 4))
    assert drift.drifts()["mean"] == pytest.approx(0, abs=0.3)


RECORDS = ("109", "118", "209", "223")


def drift_of(scorer: Scorer, mitdb: Path, hum: float) -> tuple[float, bytes]:
    """The mean drift of some records of DS1, 15 minutes each, with a sine of 9 Hz added, and the page."""
    metrics = Metrics(beat_threshold=scorer.beat_threshold)
    for record in RECORDS:
        x = wfdb.rdrecord(str(mitdb / record), channels=[0], sampto=360 * 900).p_signal[:, 0]
        size = np.subtract(*np.percentile(x, [99.5, 0.5]))
        x = x + hum * size * np.sin(2 * np.pi * 9 * np.arange(len(x)) / 360)
        result = run(MemorySource(chunks_of(x, 360.0, stream="s", seconds=60)), scorer)["s"]
        for beat, score in zip(result.beats, result.scores, strict=True):
            metrics.beat(f"bed-{record}", beat, score, 0.0)
    value = metrics.registry.get_sample_value("ecgmon_score_drift", {"statistic": "mean"})
    assert value is not None
    assert metrics.registry.get_sample_value("ecgmon_score_drift_streams") == len(RECORDS)
    return value, metrics.page()[1]


def test_real_records_drift_when_something_is_wrong_with_their_signal(mitdb: Path) -> None:
    scorer = Scorer(bundle.load("default"), "cpu")
    usual, page = drift_of(scorer, mitdb, 0.0)
    assert abs(usual) < 0.75
    spoilt, _ = drift_of(scorer, mitdb, 0.1)
    assert spoilt > 1.25
    assert b"bed-" not in page


def test_promtool_finds_nothing_to_complain_about(even: NDArray[np.float64]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        reason = "promtool is not installed: it comes with prometheus"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    metrics = Metrics(beat_threshold=0.02)
    feed(metrics.drift, "a", even)
    page = metrics.page()[1]
    assert b'ecgmon_score_drift{statistic="p50"}' in page
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=page, capture_output=True, check=False, timeout=60
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


def test_metrics_forget_a_stream_that_ends(even: NDArray[np.float64]) -> None:
    metrics = Metrics(beat_threshold=0.02)
    feed(metrics.drift, "a", even)
    assert metrics.drift.streams == 1
    metrics.ended("a", 10.0, "II")
    assert metrics.drift.streams == 0
    assert metrics.registry.get_sample_value("ecgmon_score_drift", {"statistic": "mean"}) is None
