"""What makes a new level, second by second."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from ecgmon.ecg import level


def made(extents: Sequence[float], *, usual: float = 0.2, unclean: Sequence[int] = ()) -> list[int]:
    """Which of these seconds completed a new level; negative ranges came with the gate open."""
    state = level.state()
    return [
        i
        for i, extent in enumerate(extents)
        if level.has_risen(abs(extent), usual if extent > 0 else math.inf, i not in unclean, state)
    ]


def test_steady_seconds_far_above_the_usual_range_make_a_new_level_once() -> None:
    assert made([1.5] * 7) == [level.SECONDS - 1]
    assert made([1.5] * 12) == [level.SECONDS - 1, 2 * level.SECONDS - 1]
    assert made([1.2, 1.5, 1.1, 1.7, 1.3, 1.4]) == [5]


@pytest.mark.parametrize("factor", [1.0, 1.5, level.RISE])
def test_a_range_near_the_usual_one_is_no_new_level(factor: float) -> None:
    assert made([0.2 * factor] * 60) == []


def test_ranges_that_change_are_a_disturbance() -> None:
    assert made([1.0, 2.0, 1.0, 2.0] * 10) == []
    assert made([1.0, 1.0, 1.0, 1.8, 1.8, 1.8] * 5) == []


def test_a_second_with_noise_begins_the_count_anew() -> None:
    assert made([1.5] * 11, unclean=[5]) == []
    assert made([1.5] * 12, unclean=[5]) == [11]


def test_the_lulls_of_a_slow_heart_are_waited_out_and_longer_ones_are_not() -> None:
    assert made([1.5, 1.5, 0.1] * 4) == [7]
    assert made([1.5, 1.5, 0.1, 0.1] * 4) == [9]
    assert made([1.5, 1.5, 0.1, 0.1, 0.1] * 9) == []


def test_seconds_in_which_the_gate_is_open_make_no_new_level() -> None:
    assert made([-1.5] * 60) == []
