"""The detector on real recordings: a few easy, a few hard, all of DS1, on which it was fitted.

All 48 records: `ecgmon evaluate`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wfdb
from numpy.typing import NDArray

from ecgmon.ecg import noise
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


def with_tall_t(x: Any, beats: NDArray[np.float64], gain: float) -> Any:
    """What lies between the beats, from 0.12 s behind each on, ``gain`` times as high."""
    out = x.astype(np.float64)
    for beat, following in itertools.pairwise(beats):
        rr = following - beat
        first, last = (
            round(360.0 * t) for t in (beat + 0.12, min(beat + 0.62 * min(rr, 1.2) + 0.06, following - 0.16))
        )
        n = last - first
        if n < 40:
            continue
        rise = np.minimum(1.0, np.minimum(np.arange(n), np.arange(n)[::-1]) / (0.25 * n))
        line = np.linspace(x[first : first + n // 20].mean(), x[last - n // 20 : last].mean(), n)
        out[first:last] += (gain - 1.0) * (0.5 - 0.5 * np.cos(np.pi * rise)) * (x[first:last] - line)
    return out.astype(np.float32)


def with_motion(mitdb: Path, x: Any, truth: NDArray[np.float64], decibel: float) -> Any:
    motion = wfdb.rdrecord(str(mitdb.parent / "nstdb" / "em"), channels=[0]).p_signal[:, 0]
    size = noise.gain(noise.qrs_amplitude(x, 360.0, truth), noise.noise_rms(motion, 360.0), decibel)
    return noise.Mixer(360.0, [(motion[np.newaxis], np.array([size]))]).feed(x[np.newaxis])[0]


@pytest.mark.parametrize(
    ("name", "gain", "most"),
    [("112", 2.0, 0), ("114", 2.0, 20), ("209", 2.0, 8), ("230", 3.0, 4), ("101", -3.0, 8), ("223", 3.0, 2)],
)
def test_tall_t_waves_are_no_beats(mitdb: Path, run: Run, name: str, gain: float, most: int) -> None:
    x, truth = record(mitdb, name)
    x, truth = x[: 600 * 360], truth[truth < 600]
    found = np.array([beat.r for beat in run(with_tall_t(x, truth, gain), 360.0).beats])
    assert sum(errors(truth, found, 0.150)) <= most


@pytest.mark.parametrize(
    ("name", "decibel", "most"), [("122", 12.0, 35), ("122", 6.0, 110), ("209", 6.0, 70), ("208", 6.0, 110)]
)
def test_electrode_motion_invents_and_hides_few_beats(
    mitdb: Path, run: Run, name: str, decibel: float, most: int
) -> None:
    x, truth = record(mitdb, name)
    found = np.array([beat.r for beat in run(with_motion(mitdb, x, truth, decibel), 360.0).beats])
    assert sum(errors(truth, found, 0.150)) <= most


def test_tall_t_waves_in_electrode_motion_are_no_beats(mitdb: Path, run: Run) -> None:
    x, truth = record(mitdb, "209")
    x, truth = x[: 900 * 360], truth[truth < 900]
    x = with_motion(mitdb, with_tall_t(x, truth, 2.0), truth, 12.0)
    found = np.array([beat.r for beat in run(x, 360.0).beats])
    assert sum(errors(truth, found, 0.150)) <= 20


def test_beats_that_change_their_shape_in_noise_are_found_again(mitdb: Path, run: Run) -> None:
    x, truth = record(mitdb, "205")
    other = wfdb.rdrecord(str(mitdb / "205"), channels=[1]).p_signal[:, 0].astype(np.float32)
    x, truth = x[: 420 * 360], truth[truth < 420]
    changed = np.concatenate((x[: 330 * 360], other[330 * 360 : 420 * 360]))
    found = np.array([beat.r for beat in run(with_motion(mitdb, changed, truth, 12.0), 360.0).beats])
    behind, seen = truth[truth > 345], found[found > 345]
    assert errors(behind, seen, 0.150)[0] < 0.4 * len(behind)
    assert np.diff(seen).max() < 4.0


def test_a_flat_line_before_the_noise_spoils_nothing(mitdb: Path, run: Run) -> None:
    """A minute without signal must not lower what counts as quiet."""
    x, truth = record(mitdb, "101")
    x, truth = x[: 540 * 360], truth[truth < 540]
    noisy = with_motion(mitdb, x, truth, 6.0)
    flat = np.concatenate((noisy[: 300 * 360], np.full(60 * 360, noisy[300 * 360]), noisy[300 * 360 :]))
    missed_and_invented = []
    for signal, shift in ((noisy, 0.0), (flat, 60.0)):
        found = np.array([beat.r for beat in run(signal.astype(np.float32), 360.0).beats]) - shift
        missed_and_invented.append(sum(errors(truth[truth > 310], found[found > 310], 0.150)))
    assert missed_and_invented[1] <= missed_and_invented[0] + 10


def test_chunks_change_no_beat_in_noise(mitdb: Path, run: Run) -> None:
    x, truth = record(mitdb, "209")
    x = with_motion(mitdb, x[: 400 * 360], truth[truth < 400], 6.0)
    whole = [beat.r for beat in run(x, 360.0).beats]
    pieces = [beat.r for beat in run(x, 360.0, chunk=37).beats]
    assert pieces == whole
