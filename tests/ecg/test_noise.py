"""Noise is added in the amounts and at the times that the noise stress test prescribes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ecgmon.ecg import noise
from ecgmon.ecg.noise import Mixer

FS = 50.0
N = round(800 * FS)
"""Samples of a recording: clean to 300 s, noisy to 420 s, clean to 540 s, noisy to 660 s, clean to 780 s."""


def recorded(seconds: float = 900.0, signals: int = 2) -> NDArray[np.float64]:
    """Noise [signals, n] with an offset and no two seconds alike, each signal twice the one before."""
    rng = np.random.default_rng(3)
    sizes = 2.0 ** np.arange(signals)
    return np.asarray(7.0 + sizes[:, None] * rng.standard_normal((signals, round(seconds * FS))))


def added(source: NDArray[np.float64], gains: list[float]) -> NDArray[np.float64]:
    zeros = np.zeros((len(gains), N), np.float32)
    return Mixer(FS, [(source, np.array(gains))]).feed(zeros).astype(np.float64)


def part(x: NDArray[np.float64], begin: float, end: float) -> NDArray[np.float64]:
    return x[..., round(begin * FS) : round(end * FS)]


@given(snr=st.floats(-30, 60), amplitude=st.floats(0.1, 5.0))
@settings(max_examples=30, deadline=None)
def test_the_power_added_stands_to_a_sine_of_the_qrs_size_as_was_asked(snr: float, amplitude: float) -> None:
    source = recorded()
    gains = [noise.gain(amplitude, noise.noise_rms(signal, FS), snr) for signal in source]
    for signal in added(source, gains):
        seconds = part(signal, 300, 420).reshape(-1, round(FS)).std(axis=1)
        realised = 10 * np.log10(amplitude**2 / 8 / noise.trimmed_mean(seconds) ** 2)
        assert realised == pytest.approx(snr, abs=0.3)  # 0.3 dB: 120 s of noise against the 300 s measured


def test_six_decibel_more_are_half_the_noise() -> None:
    source = recorded()
    strong, weak = (added(source, [noise.gain(1.0, 1.0, snr)] * 2) for snr in (0.0, 20 * np.log10(2.0)))
    assert np.allclose(strong, 2 * weak, atol=1e-5)


def test_noise_is_added_by_turns_of_two_minutes_after_five() -> None:
    source = recorded()
    out = added(source, [1.0, 1.0])
    assert not part(out, 0, 300).any()
    for begin, end in ((300, 420), (540, 660)):
        off = part(out, begin, end) - part(source, begin, end)
        assert np.allclose(off, off[:, :1], atol=1e-4)  # the noise of that very moment, and a constant
    for begin, end in ((420, 540), (660, 780)):
        assert np.allclose(np.diff(part(out, begin, end)), 0.0)
    assert np.diff(part(out, 780, 800)).any()


def test_nothing_leaps_where_noise_sets_in_ends_or_begins_anew() -> None:
    ramp = np.linspace(-50.0, 50.0, round(333 * FS))[None, :]  # leaps by 100 where it begins anew
    step = float(ramp[0, 1] - ramp[0, 0])
    assert np.abs(np.diff(added(ramp, [1.0]))).max() < 1.01 * step


def test_a_lead_gets_the_noise_signal_of_its_number_and_the_third_the_first_again() -> None:
    source = recorded()
    out = added(source, [1.0, 1.0, 3.0])
    assert np.allclose(out[2], 3 * out[0], atol=1e-4)
    assert part(out, 300, 420)[1].std() == pytest.approx(2 * part(out, 300, 420)[0].std(), rel=0.1)


def test_kinds_of_noise_add_up() -> None:
    a, b = recorded(), recorded(500.0)[:, ::-1].copy()
    both = Mixer(FS, [(a, np.ones(2)), (b, np.full(2, 0.5))]).feed(np.zeros((2, N), np.float32))
    assert np.allclose(both, added(a, [1.0, 1.0]) + added(b, [0.5, 0.5]), atol=1e-4)


@given(st.lists(st.integers(0, 9000), max_size=12))
@settings(max_examples=30, deadline=None)
def test_the_result_does_not_depend_on_the_pieces_to_the_bit(cuts: list[int]) -> None:
    x = recorded(800.0).astype(np.float32)
    source = recorded(333.0)
    whole = Mixer(FS, [(source, np.array([1.0, 0.3]))]).feed(x)
    mixer = Mixer(FS, [(source, np.array([1.0, 0.3]))])
    pieces = [mixer.feed(piece) for piece in np.split(x, np.minimum(np.cumsum(cuts), N), axis=1)]
    assert np.array_equal(np.concatenate(pieces, axis=1), whole)


def test_missing_samples_stay_missing_and_spoil_nothing_behind_them() -> None:
    x = np.zeros((2, N), np.float32)
    x[0, round(350 * FS)] = np.nan
    out = Mixer(FS, [(recorded(), np.ones(2))]).feed(x)
    assert np.flatnonzero(np.isnan(out).any(axis=0)).tolist() == [round(350 * FS)]
    out[0, round(350 * FS)] = 0.0
    whole = added(recorded(), [1.0, 1.0])
    whole[0, round(350 * FS)] = 0.0
    assert np.allclose(out, whole)


@given(st.floats(0, 5000))
def test_the_spans_are_where_noise_is_added(seconds: float) -> None:
    noisy, clean = noise.spans(seconds)
    assert sum(end - begin for begin, end in noisy + clean) == pytest.approx(max(0.0, seconds - 300.0))
    for begin, end in noisy:
        assert noise.noisy(np.array([begin, np.nextafter(end, 0.0)])).all()
    for begin, end in clean:
        assert not noise.noisy(np.array([begin, np.nextafter(end, 0.0)])).any()


def test_the_qrs_is_measured_from_peak_to_peak_without_the_extremes() -> None:
    x = np.zeros(round(100 * FS), np.float32)
    beats = np.arange(1.0, 81.0)
    for k, beat in enumerate(beats):
        at = round(beat * FS)
        x[at - 2], x[at + 2] = 1.0 + 0.01 * k, -0.5
        x[at + 4] = 9.0  # a T wave, out of reach
    x[round(80 * FS) + 2] = -500.0  # one in twenty of the largest, and as many of the smallest, are left out
    assert noise.qrs_amplitude(x, FS, beats) == pytest.approx(
        1.5 + 0.01 * np.mean(np.arange(4, 76)), rel=1e-5
    )


def test_beats_at_the_edge_or_with_a_sample_missing_are_not_measured() -> None:
    x = np.zeros(100, np.float32)
    x[50], x[80] = 2.0, np.nan
    assert noise.qrs_amplitude(x, FS, [0.0, 1.0, 1.6, 2.0]) == 2.0
    assert np.isnan(noise.qrs_amplitude(x, FS, [1.6]))


def test_noise_is_measured_second_by_second_over_the_first_five_minutes_without_the_extremes() -> None:
    t = np.arange(round(900 * FS)) / FS
    x = np.sqrt(2) * np.sin(2 * np.pi * 5 * t) + np.floor(t)  # root mean square 1 within each second
    x[t >= 300] *= 50
    x[: round(15 * FS)] *= 1000
    assert noise.noise_rms(x, FS) == pytest.approx(1.0, rel=1e-9)
    assert np.isnan(noise.noise_rms(x[:49], FS))


@pytest.mark.parametrize("to", [128.0, 250.0, 360.0, 1000.0])
def test_resampled_noise_keeps_its_waves_and_its_length(to: float) -> None:
    t = np.arange(360 * 20) / 360.0
    wave = np.sin(2 * np.pi * 3 * t)[None, :]
    out = noise.resampled(wave, 360.0, to)
    expected = np.sin(2 * np.pi * 3 * np.arange(out.shape[1]) / to)
    assert out.shape[1] == round(20 * to)
    assert np.abs(out[0] - expected)[round(to) : -round(to)].max() < 0.01
