from __future__ import annotations

import numpy as np
import pytest

from ecgmon.ecg import filters, rhythm, rr
from ecgmon.ecg.beats import cut, locate, size, span
from ecgmon.ecg.rhythm import Rhythm
from ecgmon.ecg.types import R_INDEX, WINDOW, Samples


def hump(place: float, height: float = 1.0) -> np.ndarray:
    return np.asarray(height * np.exp(-0.5 * ((np.arange(400) - place) / 1.8) ** 2))


def window_of(w: np.ndarray, r: int, *, kachuee: bool = False) -> Samples:
    window = np.full(WINDOW, np.nan, np.float32)
    cut(w, r, kachuee, 0.5, window)
    return window


@pytest.mark.parametrize("place", [200.0, 200.3, 203.5, 196.8])
@pytest.mark.parametrize("height", [1.0, -0.4])
def test_the_r_peak_is_found_between_samples(place: float, height: float) -> None:
    at, sign = locate(hump(place, height), 200, 0.0)
    assert abs(at - place) < 0.1
    assert sign == np.sign(height)


def test_the_usual_sign_decides_between_deflections_of_like_size() -> None:
    w = hump(196.0, 1.0) + hump(205.0, -1.1)
    assert round(locate(w, 200, 0.0)[0]) == 205
    assert round(locate(w, 200, 1.0)[0]) == 196


def test_the_size_is_peak_to_peak_of_the_qrs() -> None:
    assert size(hump(200.0) - hump(206.0, 0.5), 200) == pytest.approx(1.5, abs=0.02)


def test_a_centred_window_beyond_the_signal_holds_the_last_value() -> None:
    w = np.arange(120.0)
    window = window_of(w, 50)
    assert window[R_INDEX] == 50.0
    assert (window[:44] == 0.0).all()
    assert (window[-20:] == 119.0).all()


def test_a_kachuee_window_is_scaled_and_padded_with_zeros() -> None:
    window = window_of(hump(100.0) - 0.3, 100, kachuee=True)
    assert (window.max(), window.min()) == (1.0, 0.0)
    assert window[0] == 1.0
    assert not window[75:].any()


def test_a_constant_kachuee_window_is_zero_not_nan() -> None:
    assert not window_of(np.full(400, 2.0), 100, kachuee=True).any()


def test_a_kachuee_window_never_outgrows_its_187_samples() -> None:
    assert span(True, 10.0) == (0, WINDOW - 1)
    assert span(True, float("nan")) == (0, 119)


def test_rr_is_unknown_for_the_first_beat_and_behind_a_gap() -> None:
    rhythm = Rhythm()
    found = [rhythm.beat(t) for t in (1.0, 1.8, 2.6, 3.5, 4.3)]
    assert np.isnan(found[0][0])
    assert [np.isnan(local) for _, local, _ in found] == [True, True, True, True, False]
    assert found[4][:2] == pytest.approx((0.8, 0.88))
    rhythm.restart()
    rr, local, _ = rhythm.beat(9.0)
    assert np.isnan(rr)
    assert local == pytest.approx(0.87)


def test_a_pause_does_not_enter_the_usual_rr() -> None:
    rhythm = Rhythm()
    for t in (0.0, 0.8, 1.6, 2.4, 7.0, 7.8):
        rr, local, _ = rhythm.beat(t)
    assert (rr, local) == pytest.approx((0.8, 0.8))


def test_the_scale_is_robust_and_never_zero() -> None:
    sizes = rhythm.sizes()
    assert rhythm.scale(0.0, False, sizes) > 0.0
    for value in (1.0, 1.1, 30.0, 0.9):
        scale = rhythm.scale(value, True, sizes)
    assert scale == pytest.approx(1.05)
    assert rhythm.scale(99.0, False, sizes) == pytest.approx(1.05)
    for _ in range(32):
        scale = rhythm.scale(7.0, True, sizes)
    assert scale == 7.0


@pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 31, 48, 100])
def test_the_mean_is_that_of_numpy_to_the_bit(n: int) -> None:
    rng = np.random.default_rng(n)
    for _ in range(20):
        values = rng.uniform(0.2, 3.0, n)
        assert rhythm.mean(values) == values.mean()


@pytest.mark.parametrize("n", [1, 2, 5, 6, 32, 75])
def test_median_and_quantile_are_those_of_numpy(n: int) -> None:
    values = np.random.default_rng(n).permutation(np.r_[np.arange(n // 2), np.arange(n - n // 2)] * 1.0)
    assert rr.median(values, n) == np.median(values)
    for q in (0.0, 0.5, 0.9, 1.0):
        assert rr.quantile(values, n, q) == pytest.approx(np.quantile(values, q))


def test_a_running_median_is_the_median() -> None:
    rng = np.random.default_rng(0)
    x = np.r_[rng.normal(size=300), np.repeat(rng.normal(size=40), 9), rng.integers(0, 3, 400), np.zeros(80)]
    window, y = np.zeros(filters.FIRST_MEDIAN + 3), np.empty(len(x))
    window[:-2], window[-1] = x[0], filters.FIRST_MEDIAN
    for start in range(0, len(x), 70):
        filters._first_median(x[start : start + 70], start, window, y[start : start + 70])
    held = np.r_[np.full(filters.FIRST_MEDIAN - 1, x[0]), x]
    windows = np.lib.stride_tricks.sliding_window_view(held, filters.FIRST_MEDIAN)
    assert (y == np.median(windows, axis=1)).all()
