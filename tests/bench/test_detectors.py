"""Others' detectors, called so that they find what there is to find; and the window that goes with them."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from ecgmon.bench import beat_by_beat
from ecgmon.bench.detectors import DETECTORS, Detector
from ecgmon.ecg.simulated_events import EventRates
from ecgmon.ecg.simulator import simulate
from ecgmon.ecg.types import R_INDEX
from ecgmon.evaluation.matching import match
from ecgmon.model import bundle
from ecgmon.model.plain import PlainRestorer

CALM = EventRates(pvc=0, pac=0, run=0, pause=0, noise=0, motion=0, lead_off=0)


@pytest.mark.parametrize("detector", [each for each in DETECTORS if each.installed], ids=lambda d: d.name)
def test_each_detector_finds_the_beats_of_a_calm_patient(detector: Detector) -> None:
    samples, truth = simulate(60.0, 360.0, rates=CALM)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peaks = detector.find(samples[0].astype(np.float64), 360.0) / 360.0
    beats = np.array([beat.t for beat in truth.beats])
    found = match(beats[2:-2], peaks, 0.15)
    assert (found.reference >= 0).mean() >= 0.98
    assert len(peaks) <= 1.02 * len(beats)


def test_the_window_has_the_peak_where_ours_has_it() -> None:
    t = np.arange(3600) / 360.0
    signal = np.exp(-(((t - 5.0) / 0.02) ** 2))
    window = beat_by_beat.window(signal, 360.0, 1800)
    assert int(window.argmax()) == R_INDEX
    assert np.ptp(window) == pytest.approx(1.0, abs=1e-5)


def test_a_flat_line_has_a_window_and_an_error() -> None:
    restorer = PlainRestorer(bundle.load("default").autoencoder(), "cpu")
    assert np.isfinite(beat_by_beat.error(restorer, np.zeros(3600), 360.0, 1800))
