"""The parts with noise and without are counted each by itself, and together they are the whole."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from ecgmon.evaluation.alarms import Raised
from ecgmon.evaluation.noise_parts import noise_parts
from ecgmon.evaluation.reference import reference
from ecgmon.evaluation.statistics import NoiseParts, Requested, summary
from ecgmon.evaluation.tally import Scored, tally

PROMISED = Requested(
    threshold=0.01, false_positive_rate=0.01, alert_threshold=0.001, false_alerts_per_hour=0.5
)
REQUESTED = {"r": PROMISED}
SECONDS = 900
"""Noisy from 300 to 420, from 540 to 660, and from 780 s on."""


def record(*, missed: NDArray[np.int64], unscored: NDArray[np.int64], alerts: tuple[Raised, ...]) -> Scored:
    """A normal beat a second, on the half second."""
    samples = 180 + 360 * np.arange(SECONDS, dtype=np.int64)
    truth = reference(samples, ["N"] * SECONDS, 360.0)
    score = np.full(SECONDS, 0.1)
    score[unscored] = np.nan
    kept = np.setdiff1d(np.arange(SECONDS), missed)
    return Scored(
        "r", SECONDS / 3600, truth, truth.t[kept], score[kept], 1 - score[kept], score[kept] > 0.9, alerts
    )


@pytest.fixture(scope="module")
def given() -> Scored:
    alerts = tuple(Raised("anomalous-beats", t - 3, t, t) for t in (100.0, 350.0, 419.9, 420.1, 790.0))
    return record(
        missed=np.array([10, 310, 311, 430]),
        unscored=np.array([20, 320, 545, 650, 700]),
        alerts=(*alerts, Raised("noise", 400, 410, 410)),
    )


@pytest.fixture(scope="module")
def parts(given: Scored) -> NoiseParts:
    return noise_parts({"r": given}, REQUESTED)


def test_each_part_counts_its_own_beats_and_hours(parts: NoiseParts) -> None:
    assert (parts.noisy.beats.n, parts.clean.beats.n) == (360, 240)
    assert parts.noisy.hours == pytest.approx(0.1)
    assert parts.clean.hours == pytest.approx(240 / 3600)
    assert parts.noisy.qrs is not None
    assert parts.noisy.qrs["150ms"].n_missed == 2
    assert parts.noisy.analysed_share == pytest.approx(355 / 360)
    assert parts.clean.analysed_share == pytest.approx(238 / 240)


def test_an_alert_belongs_where_it_was_raised(parts: NoiseParts) -> None:
    assert parts.noisy.alerts is not None
    assert parts.clean.alerts is not None
    assert (parts.noisy.alerts.n_false, parts.clean.alerts.n_false) == (3, 1)
    assert parts.noisy.alerts.false_per_hour == pytest.approx(30)
    assert (parts.noisy.alerts.other_kinds, parts.clean.alerts.other_kinds) == ({"noise": 1}, {})


def test_the_parts_together_are_the_whole(given: Scored, parts: NoiseParts) -> None:
    whole = summary([tally(given)], PROMISED)
    assert whole.alerts is not None
    assert parts.noisy.beats.n + parts.clean.beats.n == whole.beats.n
    assert parts.noisy.beats.n_not_good + parts.clean.beats.n_not_good == whole.beats.n_not_good
    assert parts.noisy.hours + parts.clean.hours == pytest.approx(whole.alerts.hours)


def test_a_recording_with_nothing_but_the_clean_start_has_no_share(given: Scored) -> None:
    short = Scored("r", 0.05, given.truth, given.t, given.score, given.p, given.odd, ())
    parts = noise_parts({"r": short}, REQUESTED, qrs=False)
    assert parts.noisy.hours == parts.clean.hours == 0
    assert parts.noisy.qrs is None


def test_episodes_belong_where_they_begin() -> None:
    samples = 180 + 360 * np.arange(SECONDS, dtype=np.int64)
    symbols = np.full(SECONDS, "N")
    symbols[417:424] = "V"  # begins with noise, ends without
    symbols[700:704] = "V"
    truth = reference(samples, symbols.tolist(), 360.0)
    quiet = np.full(SECONDS, 0.1)
    heard = Scored(
        "r", 0.25, truth, truth.t, quiet, quiet, quiet > 1, (Raised("anomalous-beats", 418, 423, 422),)
    )
    parts = noise_parts({"r": heard}, REQUESTED)
    assert parts.noisy.alerts is not None
    assert parts.clean.alerts is not None
    assert (parts.noisy.alerts.n_episodes, parts.noisy.alerts.n_episodes_found) == (1, 1)
    assert (parts.clean.alerts.n_episodes, parts.clean.alerts.n_episodes_found) == (1, 0)
