"""k of n raises, calm clears, then a pause: the streaming rule and the counted one are the same rule."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ecgmon.config import convert
from ecgmon.ecg.episodes import EpisodeRule, EpisodeSettings, Event, count_episodes
from ecgmon.errors import ConfigError

EIGHT = EpisodeSettings(clear_beats=8, clear_seconds=30.0)


def play(pattern: str, rule: EpisodeRule, *, rr: float = 0.8, start: float = 0.0) -> list[tuple[int, Event]]:
    """Feed 'x' for an odd beat and '.' for a calm one; returns (index of the beat, event)."""
    return [(i, e) for i, mark in enumerate(pattern) for e in rule.feed(start + i * rr, mark == "x")]


def test_three_odd_beats_among_eight_raise_at_the_third() -> None:
    events = play(".....x..x.x", EpisodeRule())
    assert [(i, e.state) for i, e in events] == [(10, "raised")]
    event = events[0][1]
    assert (event.onset, event.end, event.time, event.odd) == pytest.approx((4.0, 8.0, 8.0, 3))


def test_three_odd_beats_among_nine_raise_nothing() -> None:
    assert play("x...x...x", EpisodeRule()) == []


def test_eight_calm_beats_in_a_row_clear_with_the_last_odd_beat_as_end() -> None:
    events = play("xxx.......x........", EpisodeRule(EIGHT))
    assert [(i, e.state) for i, e in events] == [(2, "raised"), (18, "cleared")]
    cleared = events[1][1]
    assert (cleared.onset, cleared.end, cleared.odd) == pytest.approx((0.0, 8.0, 4))


def test_the_defaults_of_the_settings_clear_unless_told_otherwise() -> None:
    rule, told = EpisodeRule(), EpisodeSettings()
    n, seconds = told.clear_beats, told.clear_seconds
    events = play("xxx" + "." * (n - 1) + "x" + "." * n, rule)
    assert [(i, e.state) for i, e in events] == [(2, "raised"), (2 * n + 2, "cleared")]
    assert events[1][1].end == pytest.approx((n + 2) * 0.8)
    rule.reset()
    play("xxx", rule)
    assert rule.tick(1.6 + seconds) == []
    assert [e.time for e in rule.tick(1.7 + seconds)] == pytest.approx([1.6 + seconds])


def test_time_alone_clears_when_no_beats_come() -> None:
    rule = EpisodeRule(EIGHT)
    play("xxx", rule)
    assert rule.tick(1.6 + 30.0) == []
    (event,) = rule.tick(1.6 + 30.1)
    assert event.state == "cleared"
    assert event.time == pytest.approx(31.6)
    assert not rule.active
    assert rule.tick(1000.0) == []


def test_nothing_is_raised_in_the_refractory_time_and_what_goes_on_is_raised_after_it() -> None:
    pattern = "xxx........" + "x" * 20
    states = [(i, e.state) for i, e in play(pattern, EpisodeRule(EIGHT))]
    cleared = 10
    first_allowed = next(i for i in range(cleared, 40) if (i - cleared) * 0.8 >= 10.0)
    assert states == [(2, "raised"), (cleared, "cleared"), (first_allowed, "raised")]


def test_a_gap_in_the_beats_forgets_what_was_counted() -> None:
    rule = EpisodeRule()
    assert play("xx", rule) == []
    assert play("x", rule, start=20.0) == []
    assert [e.state for _, e in play("xx", rule, start=20.8)] == ["raised"]


def test_a_beat_after_a_long_silence_both_clears_and_raises_when_one_beat_is_enough() -> None:
    rule = EpisodeRule(EpisodeSettings(raise_beats=1, of_beats=1))
    assert [e.state for e in rule.feed(0.0, True)] == ["raised"]
    assert [e.state for e in rule.feed(100.0, True)] == ["cleared", "raised"]


def run_of(n: int, rr: float, start: float, rule: EpisodeRule) -> list[tuple[int, Event]]:
    """``n`` odd beats, ``rr`` s apart."""
    return [(i, event) for i in range(n) for event in rule.feed(start + rr * i, True)]


def test_a_run_ends_a_lesser_episode_and_is_one_of_its_own() -> None:
    rule = EpisodeRule()
    ((_, lesser),) = play("x..x..x..", rule)
    (_, ended), (_, run) = run_of(5, 0.5, 7.2, rule)
    assert not lesser.critical
    assert (ended.state, ended.odd, ended.critical) == ("cleared", 5, False)
    assert [ended.onset, ended.end] == pytest.approx([0.0, 7.7])  # with the run's first beats
    assert (run.state, run.odd, run.critical) == ("raised", 3, True)
    assert [run.onset, run.time] == pytest.approx([7.2, 8.2])
    (_, cleared) = play("." * 32, rule, start=10.0)[-1]
    assert (cleared.odd, cleared.critical) == (5, True)
    assert cleared.onset == pytest.approx(7.2)


def test_runs_are_called_out_anew_once_there_was_none_for_a_while() -> None:
    rule = EpisodeRule(EpisodeSettings(clear_seconds=20.0))
    assert [event.state for _, event in run_of(3, 0.5, 0.0, rule)] == ["raised"]
    assert run_of(5, 0.5, 5.0, rule) == []  # soon after: the alert that stands has said so
    assert play("x..x..x..x..x..x..x..x..x.", rule, start=8.0) == []
    ended, again = [event for _, event in run_of(3, 0.5, 30.0, rule)]
    assert (ended.state, again.state, again.critical) == ("cleared", "raised", True)
    assert [ended.end, again.onset] == pytest.approx([30.5, 30.0])


def test_a_run_soon_after_another_is_called_out_where_what_stands_is_a_lesser_one() -> None:
    rule = EpisodeRule(EpisodeSettings(clear_beats=4))
    assert [event.critical for _, event in run_of(3, 0.5, 0.0, rule)] == [True]
    assert [event.state for _, event in play("....", rule, start=2.0)] == ["cleared"]
    assert [event.critical for _, event in play("x..x..x", rule, start=15.0)] == [False]
    ended, run = [event for _, event in run_of(3, 0.5, 22.0, rule)]
    assert (ended.critical, run.critical) == (False, True)


def test_a_run_breaks_the_refractory_time() -> None:
    rule = EpisodeRule(EIGHT)
    play("xxx........", rule)
    assert play("x.x", rule, start=9.0) == []
    (_, run) = run_of(3, 0.4, 12.0, rule)[0]
    assert (run.state, run.critical) == ("raised", True)


def test_what_contains_a_run_is_critical_though_it_is_raised_later() -> None:
    rule = EpisodeRule(EpisodeSettings(raise_beats=4))
    assert run_of(3, 0.5, 0.0, rule) == []
    assert [event.critical for _, event in play(".x", rule, start=1.8)] == [True]


def test_a_run_that_one_odd_beat_raised_an_episode_for_has_an_episode_of_its_own() -> None:
    rule = EpisodeRule(EpisodeSettings(raise_beats=1))
    first, ended, run = [event for _, event in run_of(3, 0.5, 0.0, rule)]
    assert (first.onset, ended.end, run.onset, run.critical) == (0.0, 0.5, 1.0, True)


def test_a_beat_that_was_not_scored_ends_a_run() -> None:
    rule = EpisodeRule()
    rule.feed(0.0, True)
    rule.unknown()
    assert [event.critical for t in (0.5, 0.8) for event in rule.feed(t, True)] == [False]
    counted = count_episodes([0.0, 0.2, 0.5, 0.8], [True] * 4, scored=[True, False, True, True])
    assert counted.odd.tolist() == [3]


def test_a_slow_row_of_odd_beats_is_no_run() -> None:
    assert [event.critical for _, event in play("xxxxxx", EpisodeRule())] == [False]


def test_reset_forgets_an_active_episode() -> None:
    rule = EpisodeRule()
    play("xxx", rule)
    rule.reset()
    assert not rule.active
    assert play("........", rule, start=10.0) == []


beats = st.lists(st.tuples(st.floats(0.2, 40.0) | st.floats(0.3, 1.2), st.booleans()), max_size=200)
rules = st.builds(
    lambda k, extra, clear, seconds, pause, run: EpisodeSettings(
        raise_beats=k, of_beats=k + extra, clear_beats=clear, clear_seconds=seconds, refractory_seconds=pause,
        run_beats=run,
    ),
    st.integers(1, 4), st.integers(0, 6), st.integers(1, 10), st.floats(1.0, 60.0), st.floats(0.0, 20.0),
    st.integers(2, 6),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(beats, rules)
def test_counting_at_once_and_beat_by_beat_agree(
    sequence: list[tuple[float, bool]], rule: EpisodeSettings
) -> None:
    t = np.cumsum([rr for rr, _ in sequence])
    odd = np.array([o for _, o in sequence], dtype=bool)
    live = EpisodeRule(rule)
    raised: list[int] = []
    spans: list[tuple[float, float, int]] = []
    for i in range(len(t)):
        for event in live.feed(float(t[i]), bool(odd[i])):
            if event.state == "raised":
                raised.append(i)
                spans.append((event.onset, event.end, event.odd))
            else:
                spans[-1] = (event.onset, event.end, event.odd)
    if live.active:
        last = live.tick(np.inf)[0]
        spans[-1] = (last.onset, last.end, last.odd)
    counted = count_episodes(t, odd, rule)
    assert counted.raised.tolist() == raised
    assert list(zip(counted.onset.tolist(), counted.end.tolist(), counted.odd.tolist(), strict=True)) == spans


@settings(max_examples=50, deadline=None)
@given(beats)
def test_an_episode_ends_before_the_beat_that_raises_the_next_and_all_are_of_odd_beats(
    sequence: list[tuple[float, bool]],
) -> None:
    t = np.cumsum([rr for rr, _ in sequence])
    odd = np.array([o for _, o in sequence], dtype=bool)
    found = count_episodes(t, odd)
    assert (found.onset <= t[found.raised]).all()
    assert (found.end >= t[found.raised]).all()
    assert (found.onset[1:] > found.onset[:-1]).all()
    assert (found.end[:-1] < t[found.raised[1:]]).all()
    assert set(found.onset) | set(found.end) <= set(t[odd])


def test_a_hundred_thousand_beats_are_counted_in_milliseconds() -> None:
    rng = np.random.default_rng(0)
    t: NDArray[np.float64] = np.cumsum(rng.uniform(0.5, 1.0, 100_000))
    odd = rng.random(t.size) < 0.1
    count_episodes(t, odd)
    fastest = np.inf
    for _ in range(5):
        began = time.perf_counter()
        count_episodes(t, odd)
        fastest = min(fastest, time.perf_counter() - began)
    assert fastest < 0.05


def test_no_beats_have_no_episodes() -> None:
    assert len(count_episodes([], [])) == 0


@pytest.mark.parametrize("t", [[0.0, 1.0, 0.5], [0.0, np.nan, 1.0]])
def test_times_out_of_order_are_refused(t: list[float]) -> None:
    with pytest.raises(ValueError, match="must be finite and must not decrease"):
        count_episodes(t, [False, False, False])


def test_shapes_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        count_episodes([0.0], [True, False])


def test_more_odd_beats_than_beats_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="raise_beats"):
        convert({"raise_beats": 9}, EpisodeSettings, where="test.yaml")
