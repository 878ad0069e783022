"""Pairing of detections and annotations is one to one and the best there is."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from ecgmon.evaluation.matching import match

# A grid of 20 ms makes ties and exact tolerances; the floats make everything else.
times = st.one_of(
    st.lists(st.integers(0, 100).map(lambda k: k * 0.020), max_size=14),
    st.lists(st.floats(0, 2), max_size=14),
).map(lambda values: np.array(sorted(values), dtype=np.float64))


def brute_force(
    reference: NDArray[np.float64], detected: NDArray[np.float64], tolerance: float
) -> tuple[int, float]:
    """Number of pairs and their summed distance, by the assignment problem over all possible pairs."""
    distance = np.abs(reference[:, None] - detected[None, :])
    allowed = distance <= tolerance + 1e-9
    rows, columns = linear_sum_assignment(np.where(allowed, distance - 1e4, 0.0))
    used = allowed[rows, columns]
    return int(used.sum()), float(distance[rows, columns][used].sum())


@settings(max_examples=400, deadline=None)
@given(times, times, st.sampled_from([0.0, 0.050, 0.150]))
def test_as_many_and_as_close_pairs_as_brute_force(
    reference: NDArray[np.float64], detected: NDArray[np.float64], tolerance: float
) -> None:
    matching = match(reference, detected, tolerance)
    paired = np.flatnonzero(matching.reference >= 0)
    partner = matching.reference[paired]
    distance = np.abs(reference[paired] - detected[partner])

    assert (distance <= tolerance + 1e-9).all()
    np.testing.assert_array_equal(matching.detected[partner], paired)
    assert (matching.detected >= 0).sum() == len(paired)
    pairs, total = brute_force(reference, detected, tolerance)
    assert len(paired) == pairs
    assert float(distance.sum()) == pytest.approx(total, abs=1e-9)


def test_two_detections_of_one_beat_are_one_hit_and_one_invention() -> None:
    matching = match(np.array([1.0]), np.array([0.95, 1.02]), 0.150)
    assert matching.reference.tolist() == [1]
    assert matching.detected.tolist() == [-1, 0]


def test_a_pair_is_not_given_up_for_a_closer_one() -> None:
    # Greedy pairing takes 1.0 with 1.1 and leaves both others alone.
    matching = match(np.array([1.0, 1.2]), np.array([0.9, 1.1]), 0.150)
    assert matching.reference.tolist() == [0, 1]


def test_a_distance_of_54_samples_at_360_hz_is_within_150_ms() -> None:
    k = np.arange(0, 650_000, 1000)
    assert (match(k / 360, (k + 54) / 360, 0.150).reference >= 0).all()
    assert (match(k / 360, (k + 55) / 360, 0.150).reference < 0).all()


def test_a_day_of_beats_is_matched_in_linear_time() -> None:
    rng = np.random.default_rng(0)
    beats = np.cumsum(rng.uniform(0.3, 1.2, 115_000))
    detected = np.sort(beats + rng.normal(0, 0.05, len(beats)))
    begin = time.process_time()
    assert (match(beats, detected, 0.150).reference >= 0).mean() > 0.99
    assert time.process_time() - begin < 10


@pytest.mark.parametrize("bad", [[2.0, 1.0], [1.0, float("nan")]])
def test_times_that_are_not_ascending_are_refused(bad: list[float]) -> None:
    with pytest.raises(ValueError, match="ascending"):
        match(np.array([1.0]), np.array(bad), 0.150)


def test_a_negative_tolerance_is_refused() -> None:
    with pytest.raises(ValueError, match="tolerance"):
        match(np.array([1.0]), np.array([1.0]), -0.1)
