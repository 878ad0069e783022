from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wfdb
from numpy.typing import NDArray

from ecgmon.ecg import level, noise, quality
from ecgmon.ecg.frontend import Frontend
from ecgmon.ecg.simulated_events import EventRates, ScriptedEvent
from ecgmon.ecg.simulator import simulate

Heart = Callable[..., Any]
Run = Callable[..., Any]


def seconds(out: Any, name: str) -> list[int]:
    return [q.second for q in out.quality if getattr(q, name)]


@pytest.mark.parametrize("gain", [0.2, 1.0, 5.0])
def test_a_clean_heart_is_good_in_every_second(heart: Heart, run: Run, gain: float) -> None:
    x, _ = heart(360.0)
    assert all(q.good for q in run((x * np.float32(gain)).astype(np.float32), 360.0).quality)


@pytest.mark.parametrize("level", [0.0, -2.5])
def test_a_line_that_goes_flat_is_recognised_within_three_seconds(
    heart: Heart, run: Run, level: float
) -> None:
    x, _ = heart(360.0)
    x[20 * 360 : 30 * 360] = level
    flat = seconds(run(x, 360.0), "flat")
    assert set(range(23, 30)) <= set(flat)
    assert min(flat) >= 20
    assert max(flat) <= 30


def test_a_converters_noise_on_a_loose_lead_is_flat(heart: Heart, run: Run) -> None:
    x, _ = heart(360.0)
    x[20 * 360 : 30 * 360] = 0.001 * np.random.default_rng(3).standard_normal(3600)
    assert set(range(23, 30)) <= set(seconds(run(x, 360.0), "flat"))


def test_saturation_is_clipping_but_a_beats_top_is_not(heart: Heart, run: Run) -> None:
    x, _ = heart(360.0)
    assert seconds(run(x, 360.0), "clipped") == []
    x[round(20.1 * 360) : round(20.7 * 360)] = 5.0
    assert seconds(run(x, 360.0), "clipped")[0] == 20


@pytest.mark.parametrize("hertz", [20.0, 30.0])
def test_muscle_noise_as_large_as_the_heart_closes_the_gate(heart: Heart, run: Run, hertz: float) -> None:
    x, _ = heart(360.0)
    rng = np.random.default_rng(5)
    t = np.arange(10 * 360) / 360.0
    x[20 * 360 : 30 * 360] += (0.8 * np.sin(2 * np.pi * hertz * t) + 0.3 * rng.standard_normal(3600)).astype(
        np.float32
    )
    assert set(range(21, 30)) <= set(seconds(run(x, 360.0), "noisy"))


def test_a_leap_of_the_electrode_closes_the_gate(heart: Heart, run: Run) -> None:
    x, _ = heart(360.0)
    x[round(25.3 * 360) : round(25.5 * 360)] += 15.0
    assert 25 in seconds(run(x, 360.0), "noisy")


def test_beats_in_bad_signal_are_counted_but_not_good(heart: Heart, run: Run) -> None:
    x, _ = heart(360.0)
    x[20 * 360 : 30 * 360] += np.random.default_rng(5).standard_normal(3600).astype(np.float32)
    beats = run(x, 360.0).beats
    assert not any(b.good for b in beats if 21 < b.r < 30)
    assert all(b.good for b in beats if 32 < b.r < 38)


@pytest.mark.parametrize("kind", ["em", "ma"])
def test_recorded_noise_as_strong_as_the_heart_closes_the_gate_and_weak_noise_does_not(
    data: Path, run: Run, kind: str
) -> None:
    """Noise stress (Moody et al. 1984): power of the noise against a QRS of the same peak to peak."""
    x = wfdb.rdrecord(str(data / "mitdb" / "118"), channels=[0], sampto=360 * 240).p_signal[:, 0]
    noise = wfdb.rdrecord(str(data / "nstdb" / kind), channels=[0], sampto=360 * 180).p_signal[:, 0]
    seconds_rms = np.sort([part.std() for part in np.split(noise, 180)])[9:-9]
    signal_power = 2.2**2 / 8.0  # the QRS of record 118 is 2.2 mV from peak to peak
    closed = {}
    for decibel in (24, 0):
        gain = np.sqrt(signal_power / np.mean(seconds_rms**2) / 10 ** (decibel / 10))
        mixed = x.copy()
        mixed[360 * 60 :] += gain * noise
        quality = run(mixed.astype(np.float32), 360.0).quality
        closed[decibel] = np.mean([not q.good for q in quality[70:]])
    assert closed[24] < 0.1
    assert closed[0] > 0.6


def stressed(data: Path, snr: float | None, record: str = "122", kind: str = "em") -> NDArray[np.float32]:
    """Ten minutes of a recording, first lead: electrode motion at ``snr`` dB in the sixth and the seventh."""
    x = wfdb.rdrecord(str(data / "mitdb" / record), channels=[0], sampto=360 * 600).p_signal.T
    if snr is None:
        return np.asarray(x[0], dtype=np.float32)
    em = wfdb.rdrecord(str(data / "nstdb" / kind), channels=[0], sampto=360 * 600).p_signal.T
    beats = wfdb.rdann(str(data / "mitdb" / record), "atr", sampto=360 * 600)
    times = beats.sample[np.isin(beats.symbol, list("NLR"))] / 360
    gain = noise.gain(noise.qrs_amplitude(x[0], 360.0, times), noise.noise_rms(em[0], 360.0), snr)
    mixed: NDArray[np.float32] = noise.Mixer(360.0, [(em, np.array([gain]))]).feed(x.astype(np.float32))[0]
    return mixed


@pytest.mark.parametrize("snr", [0.0, -6.0])
def test_electrode_motion_as_strong_as_the_heart_closes_the_gate_at_once_and_for_all_its_time(
    data: Path, run: Run, snr: float
) -> None:
    noisy = seconds(run(stressed(data, snr), 360.0), "noisy")
    assert min(second for second in noisy if second >= 298) <= 302
    assert len([second for second in noisy if 303 <= second < 420]) >= 115


def test_the_gate_is_held_a_little_after_electrode_motion_and_not_for_long(data: Path, run: Run) -> None:
    noisy = seconds(run(stressed(data, -6.0), 360.0), "noisy")
    assert set(range(420, 430)) <= set(noisy)
    assert not [second for second in noisy if 440 <= second < 540]


def test_weak_electrode_motion_and_none_leave_the_gate_open(data: Path, run: Run) -> None:
    for snr in (24.0, None):
        assert len(seconds(run(stressed(data, snr), 360.0), "noisy")) <= 6


def test_a_long_ventricular_run_is_no_motion_of_electrodes(run: Run) -> None:
    calm = EventRates(pvc=0, pac=0, run=0, pause=0, noise=0, motion=0, lead_off=0)
    script = [ScriptedEvent(kind="run", at=60.0, seconds=60.0)]
    for index in range(4):
        x, truth = simulate(130.0, 250.0, seed=7, index=index, rates=calm, script=script)
        (span,) = truth.spans
        beats = [beat for beat in run(x[0], 250.0).beats if span.start < beat.r < span.end]
        assert len(beats) > 100
        assert all(beat.good for beat in beats)


def test_a_clean_signal_at_a_new_level_is_usual_after_some_seconds(heart: Heart, run: Run) -> None:
    x, _ = heart(125.0, 90.0)
    x -= 0.2 * np.sin(2.0 * np.pi * 0.25 * np.arange(len(x)) / 125.0).astype(np.float32)
    x[30 * 125 :] *= 8
    noisy = seconds(run(x, 125.0), "noisy")
    assert noisy == list(range(30, 30 + len(noisy)))
    assert level.SECONDS <= len(noisy) <= level.SECONDS + 3


def test_a_signal_that_has_changed_for_good_and_wanders_is_usual_after_some_minutes(
    heart: Heart, run: Run
) -> None:
    x, _ = heart(125.0, 400.0)
    x += 0.3 * np.sin(2.0 * np.pi * 0.4 * np.arange(len(x)) / 125.0).astype(np.float32)
    x[30 * 125 :] *= 8
    noisy = seconds(run(x, 125.0), "noisy")
    assert set(range(32, 32 + quality.FORGET)) <= set(noisy)
    assert max(noisy) < 30 + quality.FORGET + 30


@pytest.mark.parametrize("kind", ["em", "ma", "bw"])
@pytest.mark.parametrize("snr", [0.0, -6.0])
def test_recorded_noise_is_no_new_level(data: Path, run: Run, kind: str, snr: float) -> None:
    """The same seconds are closed as where there is no such thing as a new level."""
    x = stressed(data, snr, kind=kind)
    closed = [q.second for q in run(x, 360.0).quality if not q.good]
    frontend, forgetful = Frontend(360.0), []
    for start in range(0, len(x), 360):
        frontend._memory["judge"]["level"] = 0.0
        forgetful += frontend.feed(x[start : start + 360]).quality
    forgetful += frontend.flush().quality
    assert closed == [q.second for q in forgetful if not q.good]
