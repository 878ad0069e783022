"""The detector on real recordings: a few easy, a few hard, all of DS1, on which it was fitted.

All 48 records: `ecgmon evaluate`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wfdb
from numpy.typing import NDArray

from ecgmon.ecg.aami import CLASS_OF

Run = Callable[..., Any]


@cache
def record(mitdb: Path, name: str) -> tuple[Any, NDArray[np.float64]]:
    x = wfdb.rdrecord(str(mitdb / name), channels=[0]).p_signal[:, 0].astype(np.float32)
    marks = wfdb.rdann(str(mitdb / name), "atr")
    beats = [
        sample / 360.0
        for sample, symbol in zip(marks.sample, marks.symbol, strict=True)
        if symbol in CLASS_OF
    ]
    return x, np.array(beats)


def errors(truth: NDArray[np.float64], found: NDArray[np.float64], tolerance: float) -> tuple[int, int]:
    """(missed, invented): one to one, both in order of time."""
    i = j = hits = 0
    while i < len(truth) and j < len(found):
        if abs(truth[i] - found[j]) <= tolerance:
            hits, i, j = hits + 1, i + 1, j + 1
        elif truth[i] < found[j]:
            i += 1
        else:
            j += 1
    return len(truth) - hits, len(found) - hits


@pytest.mark.parametrize(
    ("name", "at_150_ms", "at_50_ms"),
    [
        ("115", 0, 2),  # clean
        ("119", 4, 4),  # large ectopic beats
        ("114", 8, 15),  # small beats, tall T waves
        ("201", 20, 30),  # atrial fibrillation, small ectopic beats, pauses
        ("208", 30, 45),  # many ectopic beats and fusions
        ("203", 80, 160),  # noise, fibrillation, ectopic beats of many forms
    ],
)
def test_missed_and_invented_beats_stay_few(
    mitdb: Path, run: Run, name: str, at_150_ms: int, at_50_ms: int
) -> None:
    x, truth = record(mitdb, name)
    found = np.array([beat.r for beat in run(x, 360.0).beats])
    assert sum(errors(truth, found, 0.150)) <= at_150_ms
    assert sum(errors(truth, found, 0.050)) <= at_50_ms


@pytest.mark.parametrize("gain", [0.2, -1.0, 5.0])
def test_gain_and_polarity_change_no_beat_of_a_real_record(mitdb: Path, run: Run, gain: float) -> None:
    x, _ = record(mitdb, "119")
    x = x[: 300 * 360]
    plain = np.array([beat.r for beat in run(x, 360.0).beats])
    other = np.array([beat.r for beat in run((x * np.float32(gain)).astype(np.float32), 360.0).beats])
    np.testing.assert_allclose(other, plain, atol=0.002)


@pytest.mark.parametrize("name", ["101", "112", "119", "205", "220", "223"])
def test_almost_every_second_and_beat_of_a_fair_record_is_good(mitdb: Path, run: Run, name: str) -> None:
    x, _ = record(mitdb, name)
    out = run(x, 360.0)
    assert np.mean([q.good for q in out.quality]) > 0.99
    assert np.mean([b.good for b in out.beats]) > 0.98


def test_a_decision_rarely_takes_longer_than_the_window(mitdb: Path, run: Run) -> None:
    x, _ = record(mitdb, "119")
    waits = np.array([beat.ready - beat.r for beat in run(x, 360.0).beats])
    assert np.percentile(waits, 99) < 1.7
    assert waits.max() < 6.5


def test_an_amplitude_that_falls_tenfold_is_followed(mitdb: Path, run: Run) -> None:
    x, truth = record(mitdb, "115")
    x, truth = x[: 180 * 360].copy(), truth[truth < 179]
    x[60 * 360 : 120 * 360] *= 0.1
    found = np.array([beat.r for beat in run(x, 360.0).beats])
    later = (truth > 75) & (truth < 118) | (truth > 125)
    assert all(np.abs(found - t).min() < 0.05 for t in truth[later])
    assert np.diff(found).min() > 0.3
