from __future__ import annotations

import numpy as np
import pytest

from ecgmon.ecg.resample import CLIPPED, MISSING
from tests.ecg.stages import Resampler

RATES = (100.0, 125.0, 128.0, 250.0, 257.0, 359.98, 360.0, 500.0, 1000.0)


def resample(x: np.ndarray, fs: float) -> tuple[np.ndarray, np.ndarray]:
    resampler = Resampler(fs)
    first, rest = resampler.feed(x.astype(np.float32)), resampler.flush()
    return np.concatenate((first[0], rest[0])), np.concatenate((first[1], rest[1]))


@pytest.mark.parametrize("fs", RATES)
@pytest.mark.parametrize("hertz", [1.0, 10.0, 25.0])
def test_a_wave_in_the_pass_band_keeps_its_place_and_size(fs: float, hertz: float) -> None:
    t = np.arange(round(8 * fs)) / fs
    y, _ = resample(np.sin(2 * np.pi * hertz * t), fs)
    expected = np.sin(2 * np.pi * hertz * np.arange(len(y)) / 125)
    np.testing.assert_allclose(y[20:-20], expected[20:-20], atol=0.015)


@pytest.mark.parametrize("fs", [fs for fs in RATES if fs > 120])
@pytest.mark.parametrize("hertz", [50.0, 60.0])
def test_mains_is_taken_out(fs: float, hertz: float) -> None:
    t = np.arange(round(8 * fs)) / fs
    y, _ = resample(np.sin(2 * np.pi * hertz * t), fs)
    assert np.abs(y[20:-20]).max() < 0.01


@pytest.mark.parametrize("fs", RATES)
def test_the_grid_covers_the_input_and_no_more(fs: float) -> None:
    for n in (1, 2, 3, 17, 1000, 2001):
        y, marks = resample(np.ones(n), fs)
        assert len(y) == len(marks) == np.ceil(round(n * 125e6) / round(fs * 1e6))
        np.testing.assert_allclose(y, 1.0, atol=1e-12)


def test_a_rate_that_divides_badly_does_not_drift() -> None:
    fs = 359.98
    x = np.zeros(round(600 * fs), np.float32)
    x[-round(fs)] = 1.0
    y, _ = resample(x, fs)
    assert abs(np.argmax(y) / 125 - (len(x) - round(fs)) / fs) <= 0.5 / 125 + 1e-9


def test_a_missing_sample_is_held_and_marked() -> None:
    x = np.full(3600, 0.7)
    x[1800] = np.nan
    y, marks = resample(x, 360.0)
    np.testing.assert_allclose(y, 0.7, atol=1e-7)
    assert np.flatnonzero(marks & MISSING).tolist() == [625]


def test_every_missing_sample_leaves_a_mark_at_any_rate() -> None:
    for fs in RATES:
        for at in range(200, 240):
            x = np.zeros(600)
            x[at] = np.inf
            assert resample(x, fs)[1].any()


def test_marks_of_the_input_reach_the_output() -> None:
    resampler = Resampler(250.0)
    marks = np.zeros(500, np.uint8)
    marks[250] = CLIPPED
    _, out = resampler.feed(np.zeros(500, np.float32), marks)
    assert np.flatnonzero(out).tolist() == [125]


@pytest.mark.parametrize("fs", RATES)
def test_after_a_gap_samples_stand_at_their_own_time(fs: float) -> None:
    n, gap = round(3.3 * fs), round(7.7 * fs)
    t = np.arange(n + gap + n) / fs
    x = np.sin(2 * np.pi * 3.0 * t).astype(np.float32)
    resampler = Resampler(fs)
    resampler.feed(x[:n])
    resampler.flush()
    resampler.skip(gap)
    first = resampler.samples_out
    y, _ = resampler.feed(x[n + gap :])
    assert 0 <= first / 125 - t[n + gap] < 1 / 125
    np.testing.assert_allclose(
        y[20:], np.sin(2 * np.pi * 3.0 * (first + np.arange(len(y))) / 125)[20:], atol=0.01
    )
