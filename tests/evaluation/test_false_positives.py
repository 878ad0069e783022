"""Realised false-positive rates count the beats that specificity counts."""

from __future__ import annotations

import numpy as np
import pytest

from ecgmon.evaluation.false_positives import false_positive_rates
from ecgmon.evaluation.tally import BeatTally


def beats(normal: list[float], anomalous: list[float], invented: list[float]) -> BeatTally:
    """A recording of which only the p-values matter; everything at or under 0.01 is flagged."""
    p, own = np.array([*normal, *anomalous]), np.array(invented, dtype=np.float64)
    nobody = np.array([], dtype=np.str_)
    return BeatTally(
        label=np.array(["N"] * len(normal) + ["V"] * len(anomalous), dtype=np.str_),
        score=-p, p=p, odd=p <= 0.01, missed=nobody, not_good=nobody,
        invented=-own, invented_p=own, invented_odd=own <= 0.01, invented_not_good=0,
    )  # fmt: skip


def test_rates_are_pooled_over_beats_and_spread_over_recordings() -> None:
    quiet = beats([0.5] * 99 + [0.04], [1e-9] * 50, [])
    loud = beats([0.5] * 8 + [0.001], [], [0.005])
    none = beats([], [1e-9], [])
    per_mille, percent, five = false_positive_rates([quiet, loud, none])
    assert (per_mille.requested, percent.requested, five.requested) == (0.001, 0.01, 0.05)
    assert per_mille.realised == pytest.approx(1 / 110)
    assert percent.realised == pytest.approx(2 / 110)
    assert five.realised == pytest.approx(3 / 110)
    assert percent.ratio == pytest.approx(2 / 1.1)
    assert percent.patients is not None
    assert percent.patients.n == 2  # a recording without a normal beat has no rate
    assert percent.patients.median == pytest.approx(0.1)
    assert percent.patients.quartiles == pytest.approx((0.05, 0.15))
    assert percent.patients.max == pytest.approx(0.2)


def test_beats_of_unknown_patients_have_no_spread() -> None:
    assert all(
        rate.patients is None for rate in false_positive_rates([beats([0.5], [], [])], by_record=False)
    )


def test_no_normal_beat_is_no_rate() -> None:
    for rate in false_positive_rates([beats([], [0.1], [])]):
        assert (rate.realised, rate.ratio, rate.patients) == (None, None, None)
