"""The basic RR interval and its irregularity."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgmon.ecg.rhythm import Rhythm


def played(intervals: list[float]) -> Rhythm:
    """A rhythm after these RR intervals, s."""
    rhythm, r = Rhythm(), 1.0
    rhythm.beat(r)
    for interval in intervals:
        r += interval
        rhythm.beat(r)
    return rhythm


@given(st.floats(0.3, 2.0))
@settings(max_examples=25, deadline=None)
def test_a_regular_rhythm_is_its_own_basic_interval(rr: float) -> None:
    rhythm = played([rr] * 80)
    assert rhythm.basic == pytest.approx(rr)
    assert rhythm.irregularity < 1e-6


@pytest.mark.parametrize("every", [2, 3, 4])
def test_early_beats_with_full_pauses_do_not_move_the_basic_interval(every: int) -> None:
    """Every second, third or fourth beat comes early, and the pause behind it makes up for that."""
    group = [0.8] * (every - 2) + [0.5, 1.1]
    rhythm = played(group * 40)
    assert rhythm.basic == pytest.approx(0.8, rel=0.03)


@pytest.mark.parametrize("every", [2, 3])
def test_bigeminy_and_trigeminy_are_regular_in_their_way(every: int) -> None:
    assert played(([0.8] * (every - 2) + [0.5, 1.1]) * 40).irregularity < 0.01


def test_mostly_early_beats_in_runs_leave_the_basic_interval_long() -> None:
    """Runs of six at 0.6 s, each ended by a pause and one slow beat: what is early is still early."""
    rhythm = played(([0.6] * 6 + [1.2, 0.95]) * 20)
    assert rhythm.basic > 0.8


@pytest.mark.parametrize("times", [2, 3])
@pytest.mark.parametrize("spread", [0.0, 0.02])
def test_a_rhythm_that_becomes_slow_for_good_is_followed(times: int, spread: float) -> None:
    """The end of a tachycardia is no endless heart block."""
    rng = np.random.default_rng(0)
    slow = 0.4 * times * (1 + spread * rng.standard_normal(120))
    assert played([0.4] * 60 + slow.tolist()).basic == pytest.approx(0.4 * times, rel=0.06)


@pytest.mark.parametrize("every", [2, 3, 5])
def test_blocked_beats_do_not_move_the_basic_interval(every: int) -> None:
    """After a minute in which every beat came through, every second, third ... is blocked."""
    assert played([0.8] * 60 + ([0.8] * (every - 1) + [1.6]) * 40).basic == pytest.approx(0.8, rel=0.03)


def test_fibrillation_is_irregular() -> None:
    rng = np.random.default_rng(0)
    assert played(rng.uniform(0.4, 1.1, 200).tolist()).irregularity > 0.15


def test_a_gap_is_no_change_of_the_rhythm() -> None:
    rhythm, r = Rhythm(), 0.0
    for i in range(100):
        if i % 10 == 0:
            rhythm.restart()
            r += 7.0
        r += 0.8
        rhythm.beat(r)
    assert rhythm.basic == pytest.approx(0.8)
    assert rhythm.irregularity < 1e-6


def test_beats_in_bad_signal_teach_nothing() -> None:
    """Beats that a detector invents in noise, five a second, and the rhythm as it was behind them."""
    rhythm = played([0.8] * 60)
    before, r = (rhythm.basic, rhythm.irregularity), 49.0
    for _ in range(300):
        r += 0.2
        rhythm.beat(r, good=False)
    rr, *after = rhythm.beat(r + 0.31)
    assert np.isnan(rr)
    assert after == pytest.approx(before)
    assert rhythm.beat(r + 1.11)[0] == pytest.approx(0.8)
    assert rhythm.basic == pytest.approx(0.8)


def test_nothing_is_known_at_first() -> None:
    rhythm = played([0.8, 0.8])
    assert np.isnan(rhythm.basic)
    assert np.isnan(rhythm.irregularity)
