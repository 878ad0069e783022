"""Repeats, gaps, clock steps, changed formats: each is told from the others."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgmon.ecg.types import Chunk
from ecgmon.monitor.arrivals import Arrivals, ArrivalSettings, Drop, Follow, Restart, Verdict

SETTINGS = ArrivalSettings(jitter_seconds=0.25, max_gap_seconds=60.0)


def chunk(
    t: float, seq: int | None, *, fs: float = 250.0, leads: tuple[str, ...] = ("II",), n: int = 250
) -> Chunk:
    return Chunk("bed-1", fs, leads, np.zeros((len(leads), n), np.float32), 1e9 + t, seq)


def judge(*sequence: tuple[float, int | None]) -> list[Verdict]:
    first, *rest = [chunk(t, seq) for t, seq in sequence]
    arrivals = Arrivals(first, SETTINGS)
    return [arrivals.check(each) for each in rest]


def test_chunks_in_order_follow_without_a_gap() -> None:
    assert judge((0, 0), (1, 1), (2, 2)) == [Follow(0.0)] * 2


def test_times_alone_are_enough() -> None:
    assert judge((0, None), (1, None), (3.5, None)) == [Follow(0.0), Follow(1.5)]


def test_a_missing_number_is_a_gap_as_long_as_the_times_say() -> None:
    assert judge((0, 0), (3, 3)) == [Follow(2.0)]


def test_a_missing_number_with_a_useless_time_is_estimated_from_the_length_of_chunks() -> None:
    assert judge((0, 0), (0.5, 3)) == [Follow(2.0)]


def test_a_number_seen_already_is_a_repeat() -> None:
    assert judge((0, 5), (1, 6), (1, 6), (0, 5), (2, 7)) == [
        Follow(0.0), Drop("repeat"), Drop("repeat"), Follow(0.0),
    ]  # fmt: skip


def test_a_chunk_that_comes_behind_the_gap_it_left_is_late_and_then_a_repeat() -> None:
    assert judge((0, 0), (2, 2), (1, 1), (1, 1)) == [Follow(1.0), Drop("late"), Drop("repeat")]


def test_late_chunks_are_known_whatever_their_order() -> None:
    assert judge((0, 0), (6, 6), (3, 3), (1, 1), (5, 5), (4, 4), (2, 2), (3, 3)) == [
        Follow(5.0), *[Drop("late")] * 5, Drop("repeat"),
    ]  # fmt: skip


def test_without_numbers_a_late_chunk_is_known_by_its_time() -> None:
    assert judge((0, None), (3, None), (1.1, None), (2, None), (2, None), (0, None)) == [
        Follow(2.0), Drop("late"), Drop("late"), Drop("repeat"), Drop("repeat"),
    ]  # fmt: skip


def test_a_chunk_half_of_which_was_there_already_is_an_overlap() -> None:
    assert judge((0, None), (1, None), (1.5, None), (2, None)) == [Follow(0.0), Drop("overlap"), Follow(0.0)]


def test_gaps_by_number_and_by_time_are_not_mixed_up() -> None:
    assert judge((0, 0), (3, 3), (4, None), (1.1, None)) == [Follow(2.0), Follow(0.0), Drop("repeat")]


@given(st.permutations(range(1, 12)), st.lists(st.integers(1, 11), max_size=12))
def test_every_chunk_is_used_or_told_as_late_or_repeat_once_each(order: list[int], again: list[int]) -> None:
    arrivals = Arrivals(chunk(0, 0), SETTINGS)
    used: set[int] = set()
    late: set[int] = set()
    for seq in [*order, *again]:
        verdict = arrivals.check(chunk(seq, seq))
        if isinstance(verdict, Follow):
            assert seq > max(used, default=0)
            used.add(seq)
        elif verdict == Drop("late"):
            assert seq not in used | late
            late.add(seq)
        else:
            assert verdict == Drop("repeat")
            assert seq in used | late
    assert used | late == set(range(1, 12))


def test_a_time_seen_already_is_a_repeat_where_chunks_have_no_number() -> None:
    assert judge((0, None), (0, None)) == [Drop("repeat")]


def test_jitter_of_the_senders_clock_is_no_gap() -> None:
    assert judge((0, 0), (1.2, 1), (1.9, 2)) == [Follow(0.0)] * 2


def test_a_jump_of_time_between_following_numbers_is_a_gap() -> None:
    assert judge((0, 0), (11, 1)) == [Follow(10.0)]


@pytest.mark.parametrize("seq", [0, None])
def test_a_very_long_silence_begins_the_stream_anew(seq: int | None) -> None:
    assert judge((0, seq), (100, None if seq is None else 1)) == [Restart("long-gap")]


@pytest.mark.parametrize("seq", [0, None])
def test_a_clock_set_far_back_begins_the_stream_anew(seq: int | None) -> None:
    assert judge((1000, seq), (0, None if seq is None else 1)) == [Restart("clock-step")]


def test_a_sender_that_counts_from_zero_again_begins_anew() -> None:
    assert judge((0, 41), (1, 0)) == [Restart("sequence-reset")]


def test_the_same_recording_played_again_begins_anew() -> None:
    assert judge((0, 1000), (-1000, 0)) == [Restart("sequence-reset")]


def test_a_dropped_chunk_does_not_change_what_is_expected() -> None:
    assert judge((0, 0), (0, 0), (1, 1)) == [Drop("repeat"), Follow(0.0)]


@pytest.mark.parametrize(
    "changed", [chunk(1, 1, fs=500.0), chunk(1, 1, leads=("V1",)), chunk(1, 1, leads=("II", "V1"))]
)
def test_another_rate_or_lead_begins_anew(changed: Chunk) -> None:
    assert Arrivals(chunk(0, 0), SETTINGS).check(changed) == Restart("format-changed")


def test_a_repeat_of_an_empty_chunk_is_a_repeat() -> None:
    arrivals = Arrivals(chunk(0, 0, n=0), SETTINGS)
    assert arrivals.check(chunk(0, 0, n=0)) == Drop("repeat")


def test_short_chunks_are_not_taken_for_a_new_start_when_repeated() -> None:
    arrivals = Arrivals(chunk(0, 7, n=25), SETTINGS)
    assert arrivals.check(chunk(0, 7, n=25)) == Drop("repeat")
