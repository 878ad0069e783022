"""The last seconds of a stream, as they are kept for the page."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from ecgmon.monitor.web.trace import MISSING, READABLE, STEP_MV, Trace

START = 1.7e9


def pieces(
    x: np.ndarray, fs: float, seconds: float, start: float = START
) -> Iterator[tuple[np.ndarray, float]]:
    """Chunks [1, n] of ``x`` with the time of each."""
    size = round(seconds * fs)
    for at in range(0, len(x), size):
        yield np.ascontiguousarray(x[None, at : at + size], np.float32), start + at / fs


def feed(trace: Trace, x: np.ndarray, seconds: float, start: float = START) -> None:
    for piece, t in pieces(x, trace.fs, seconds, start):
        assert trace.put(piece, 0, t, piece.shape[1] / trace.fs)


@pytest.mark.parametrize(
    ("fs", "rate"), [(100, 100), (125, 125), (250, 125), (360, 120), (500, 125), (1000, 125)]
)
def test_any_rate_is_kept_near_125_hz_with_the_means_of_its_groups(fs: int, rate: int) -> None:
    x = np.random.default_rng(1).normal(0, 1, 4 * fs)
    trace = Trace(fs, START)
    feed(trace, x, 0.5)
    first, found = trace.read(0)
    assert (trace.rate, first, len(found)) == (rate, 0, 4 * rate)
    group = fs // rate
    np.testing.assert_allclose(found * STEP_MV, x.reshape(-1, group).mean(axis=1), atol=0.51 * STEP_MV)


@pytest.mark.parametrize("seconds", [0.004, 0.1, 0.37, 1.0, 8.0])
def test_what_is_kept_does_not_depend_on_the_chunks(seconds: float) -> None:
    x = np.random.default_rng(2).normal(0, 1, 8 * 250)
    whole, cut = Trace(250.0, START), Trace(250.0, START)
    feed(whole, x, 8.0)
    feed(cut, x, seconds)
    np.testing.assert_array_equal(whole.read(0)[1], cut.read(0)[1])


def test_only_the_last_is_kept_and_a_reader_goes_on_where_it_was() -> None:
    trace = Trace(125.0, START)
    x = np.arange(2000) * STEP_MV
    feed(trace, x[:1000], 1.0)
    first, found = trace.read(0)
    assert (first, len(found)) == (40, READABLE)
    feed(trace, x[1000:], 1.0, START + 8.0)
    first, found = trace.read(first + len(found))
    assert first == 2000 - READABLE, "what came between is gone, and the number says so"
    np.testing.assert_array_equal(found, np.arange(first, 2000))
    assert len(trace.read(2000)[1]) == 0
    assert trace.at(START + 10.0) == pytest.approx(1250)


def test_missing_samples_and_gaps_stay_gaps_and_what_follows_keeps_its_time() -> None:
    trace = Trace(125.0, START)
    x = np.ones(125)
    x[10:20] = np.nan
    feed(trace, x, 1.0)
    feed(trace, np.ones(125), 1.0, START + 3.0)
    first, found = trace.read(0)
    assert (first, len(found)) == (0, 500)
    missing = np.flatnonzero(found == MISSING)
    np.testing.assert_array_equal(missing, [*range(10, 20), *range(125, 375)])
    assert trace.at(START + 3.0) == pytest.approx(375)


def test_a_clock_that_leaps_by_decades_leaves_numbers_that_a_browser_can_count() -> None:
    trace = Trace(125.0, START)
    for _ in range(1000):
        feed(trace, np.ones(125), 1.0, START + 2e9)
        feed(trace, np.ones(125), 1.0, START - 1e9)
    assert trace.head < 10**7
    assert trace.at(START - 1e9 + 1.0) == pytest.approx(trace.head, abs=0.01)
    _, found = trace.read(0)
    assert len(found) == READABLE
    np.testing.assert_array_equal(found[-125:], 200)
    np.testing.assert_array_equal(found[-126], MISSING)


def test_jitter_is_no_gap_a_repeat_is_not_written_twice_and_a_clock_may_be_set_back() -> None:
    trace = Trace(125.0, START)
    one = np.ones((1, 125), np.float32)
    assert trace.put(one, 0, START, 1.0)
    assert trace.put(one, 0, START + 1.1, 1.0), "a device's clock jitters"
    assert trace.head == 250
    assert not trace.put(one, 0, START + 1.1, 1.0), "the same again"
    assert trace.head == 250
    assert trace.put(one, 0, START - 3600.0, 1.0), "the device's clock was set"
    assert trace.head == 376
    assert trace.at(START - 3600.0) == pytest.approx(251)


def test_a_day_ahead_is_a_jump_that_costs_nothing() -> None:
    trace = Trace(125.0, START)
    one = np.ones((1, 125), np.float32)
    trace.put(one, 0, START, 1.0)
    trace.put(one, 0, START + 86_400.0, 1.0)
    first, found = trace.read(0)
    assert trace.at(START + 86_401.0) == pytest.approx(first + READABLE, abs=0.01)
    assert np.count_nonzero(found != MISSING) == 125


def test_samples_of_any_make_are_taken_and_large_ones_stay_within_16_bit() -> None:
    trace = Trace(125.0, START)
    x = np.full((2, 250), 1e4, np.float64)[:, ::2]
    x.flags.writeable = False
    assert trace.put(x, 1, START, 1.0)  # type: ignore[arg-type] # float64, read-only, with gaps between
    np.testing.assert_array_equal(trace.read(0)[1], 32767)
