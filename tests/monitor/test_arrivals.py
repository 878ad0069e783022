"""Repeats, gaps, wraps, new counts, clock steps: each is told from the others."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ecgmon.ecg.types import Chunk
from ecgmon.monitor.arrivals import Arrivals, ArrivalSettings, Drop, Follow, Verdict
from ecgmon.monitor.numbers import WRAPS

SETTINGS = ArrivalSettings(jitter_seconds=0.25, max_gap_seconds=60.0)


def chunk(t: float, seq: int | None, *, n: int = 250) -> Chunk:
    return Chunk("bed-1", 250.0, ("II",), np.zeros((1, n), np.float32), 1e9 + t, seq)


def noisy(t: float, seed: int) -> Chunk:
    """Without a number, and with a content of its own."""
    samples = np.random.default_rng(seed).normal(size=(1, 250)).astype(np.float32)
    return Chunk("bed-1", 250.0, ("II",), samples, 1e9 + t)


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


@pytest.mark.parametrize("numbered", [False, True])
def test_a_backlog_that_is_sent_again_is_no_clock_that_was_set(*, numbered: bool) -> None:
    """Not even where numbers went on while time leapt by more than a gap."""
    pieces = [noisy(t + 500 * (t > 20), t) for t in range(30)]
    pieces = [replace(each, seq=seq) if numbered else each for seq, each in enumerate(pieces)]
    arrivals = Arrivals(pieces[0], SETTINGS)
    assert all(isinstance(arrivals.check(each), Follow) for each in pieces[1:])
    assert [arrivals.check(each) for each in pieces] == [Drop("repeat")] * 30
    assert arrivals.check(replace(noisy(530, 30), seq=30 if numbered else None)) == Follow(0.0)


def test_a_chunk_half_of_which_was_there_already_is_an_overlap() -> None:
    assert judge((0, None), (1, None), (1.5, None), (2, None)) == [Follow(0.0), Drop("overlap"), Follow(0.0)]


def test_gaps_by_number_and_by_time_are_not_mixed_up() -> None:
    assert judge((0, 0), (3, 3), (4, None), (1.1, None)) == [Follow(2.0), Follow(0.0), Drop("overlap")]


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
def test_of_a_very_long_gap_so_much_is_filled_and_it_is_said(seq: int | None) -> None:
    assert judge((0, seq), (100, None if seq is None else 1)) == [Follow(60.0, "long-gap")]


def test_a_clock_set_far_back_under_numbers_that_go_on_is_counted_and_costs_nothing() -> None:
    assert judge((1000, 0), (0, 1), (1, 2)) == [Follow(0.0, "clock-step"), Follow(0.0)]


@pytest.mark.parametrize("back", [7.5, 50.0, 1000.0])
def test_without_numbers_a_clock_set_back_is_followed_when_three_chunks_are_in_one_line(back: float) -> None:
    start = 1000.0 - back
    steps = [(1000.0, None), *[(start + i, None) for i in range(5)]]
    assert judge(*steps) == [
        Drop("overlap"), Drop("overlap"), Follow(2.0, "clock-step"), Follow(0.0), Follow(0.0),
    ]  # fmt: skip


def test_one_chunk_from_the_future_costs_two_behind_it_and_no_more() -> None:
    steps = [(0, None), (56, None), (2, None), (3, None), (4, None), (5, None)]
    assert judge(*steps) == [
        Follow(55.0), Drop("late"), Drop("late"), Follow(2.0, "clock-step"), Follow(0.0),
    ]  # fmt: skip


def test_one_chunk_from_the_past_is_dropped_and_changes_nothing() -> None:
    assert judge((100, None), (3, None), (101, None), (4, None), (102, None)) == [
        Drop("overlap"), Follow(0.0), Drop("overlap"), Follow(0.0),
    ]  # fmt: skip


@pytest.mark.parametrize(("away", "gap"), [(0.0, 0.0), (0.1, 0.0), (20.0, 20.0)])
def test_a_device_that_starts_again_goes_on_where_its_time_says(away: float, gap: float) -> None:
    assert judge((0, 41), (1 + away, 0), (2 + away, 1)) == [Follow(gap, "sequence-reset"), Follow(0.0)]


@pytest.mark.parametrize("last", [20, 100, 1000])
def test_a_device_that_starts_again_and_lost_its_clock_is_followed_at_the_third_chunk(last: int) -> None:
    assert judge((1e8, last), (0, 0), (1, 1), (2, 2), (3, 3)) == [
        Drop("repeat"), Drop("repeat"), Follow(2.0, "sequence-reset"), Follow(0.0),
    ]  # fmt: skip


def test_the_same_recording_played_again_is_followed_at_the_third_chunk() -> None:
    assert judge((0, 1000), *[(i - 1000, i) for i in range(4)]) == [
        Drop("repeat"), Drop("repeat"), Follow(2.0, "sequence-reset"), Follow(0.0),
    ]  # fmt: skip


@pytest.mark.parametrize("modulus", WRAPS)
def test_numbers_that_wrap_go_on(modulus: int) -> None:
    steps = [(i, (modulus - 3 + i) % modulus) for i in range(6)]
    assert judge(*steps) == [Follow(0.0)] * 5


@given(
    st.sampled_from(WRAPS),
    st.integers(0, 14),
    st.permutations(range(1, 15)),
    st.lists(st.integers(1, 14), max_size=14),
    st.sets(st.integers(1, 14), max_size=8),
)
def test_a_wrap_changes_no_verdict(
    modulus: int, before: int, order: list[int], again: list[int], lost: set[int]
) -> None:
    """Whatever is lost, swapped or sent again on either side of it."""
    came = [seq for seq in [*order, *again] if seq not in lost]
    plain = judge((0, 0), *[(seq, seq) for seq in came])
    assert judge(
        (0, (modulus - before) % modulus), *[(s, (modulus - before + s) % modulus) for s in came]
    ) == (plain)


@given(
    st.lists(st.tuples(st.integers(1, 250), st.booleans()), min_size=2, max_size=30),
    st.sampled_from(["numbers", "times", "byte"]),
)
def test_however_it_is_cut_and_whatever_is_lost_the_gaps_are_what_is_missing(
    pieces: list[tuple[int, bool]], kind: str
) -> None:
    settings = ArrivalSettings(jitter_seconds=0.001, max_gap_seconds=60.0)
    at, made = 0, []
    for seq, (n, kept) in enumerate(pieces):
        number = {"numbers": seq, "times": None, "byte": (seq + 250) % 256}[kind]
        made += [chunk(at / 250, number, n=n)] if kept or seq == 0 else []
        at += n
    arrivals = Arrivals(made[0], settings)
    verdicts = [arrivals.check(each) for each in made[1:]]
    assert all(isinstance(verdict, Follow) for verdict in verdicts)
    gaps = sum(verdict.gap for verdict in verdicts if isinstance(verdict, Follow))
    signal = sum(each.samples.shape[1] for each in made) / 250
    end = made[-1].t + made[-1].samples.shape[1] / 250
    assert gaps == pytest.approx(end - made[0].t - signal, abs=1e-5)


@pytest.mark.parametrize(
    "useless", [lambda i: 7 * bool(i + 1), lambda i: 1000 * i, lambda i: i * 7919 % 100_003, lambda i: -i],
    ids=["constant", "milliseconds", "random", "backwards"],
)  # fmt: skip
def test_numbers_of_no_use_are_ignored_after_three_chunks_and_nothing_is_lost(
    useless: Callable[[int], int],
) -> None:
    verdicts = judge(*[(i, useless(i)) for i in range(12)])
    assert verdicts[2] == Follow(0.0, "sequence-ignored")
    assert verdicts[3:] == [Follow(0.0)] * 8
    assert all(isinstance(verdict, Follow) and verdict.gap == 0 for verdict in verdicts)


def test_a_time_that_follows_is_believed_before_a_number_that_does_not() -> None:
    """A counter may be shared with other messages."""
    assert judge((0, 0), (1, 3), (2, 4), (3, 7), (4, 8), (5, 11), (7, 13)) == [
        Follow(0.0), Follow(0.0), Follow(0.0), Follow(0.0), Follow(0.0), Follow(1.0),
    ]  # fmt: skip


def test_a_clock_that_stands_never_silences_a_stream() -> None:
    kept = [i for i in range(60) if i % 7]
    verdicts = judge(*[(0, i) for i in kept])
    assert sum(isinstance(verdict, Drop) for verdict in verdicts) <= 2 * 9
    assert isinstance(verdicts[-1], Follow)


def test_a_dropped_chunk_does_not_change_what_is_expected() -> None:
    assert judge((0, 0), (0, 0), (1, 1)) == [Drop("repeat"), Follow(0.0)]


def test_a_repeat_of_an_empty_chunk_is_a_repeat() -> None:
    arrivals = Arrivals(chunk(0, 0, n=0), SETTINGS)
    assert arrivals.check(chunk(0, 0, n=0)) == Drop("repeat")


def test_short_chunks_are_not_taken_for_a_new_start_when_repeated() -> None:
    arrivals = Arrivals(chunk(0, 7, n=25), SETTINGS)
    assert arrivals.check(chunk(0, 7, n=25)) == Drop("repeat")
