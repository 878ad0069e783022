"""Order, pace and numbering of what sources play."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgmon import config
from ecgmon.ecg.types import Chunk
from ecgmon.errors import ConfigError, UsageError
from ecgmon.sources.base import Playback, PlaybackSettings, chunks, cut, start_of, unique_names
from ecgmon.sources.memory import MemorySource, chunks_of


class TestClock:
    """A clock whose time passes by sleeping only."""

    __test__ = False

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now + 1e9

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds


class Plays(Playback):
    """Plays lists of chunks."""

    def __init__(self, streams: list[list[Chunk]], speed: float, clock: TestClock) -> None:
        super().__init__(speed, clock)
        self._lists = streams

    def _open_streams(self) -> list[Iterator[Chunk]]:
        return [iter(chunks) for chunks in self._lists]


def stream(name: str, seconds: float, *, piece: float = 1.0, start: float = 0.0) -> list[Chunk]:
    return chunks_of(np.zeros(round(seconds * 100)), 100, stream=name, start=start, seconds=piece)


@given(
    lengths=st.lists(st.integers(0, 50), max_size=12),
    seconds=st.sampled_from([0.01, 0.07, 0.1, 0.13, 1.0, 100.0]),
)
def test_cutting_blocks_changes_no_sample_and_ends_once(lengths: list[int], seconds: float) -> None:
    x = np.arange(2 * sum(lengths), dtype=np.float32).reshape(2, -1)
    blocks = np.split(x, np.cumsum(lengths)[:-1], axis=1) if lengths else []
    pieces = list(cut(blocks, stream="s", fs=100.0, leads=("a", "b"), start=7.0, seconds=seconds))
    size = max(1, round(seconds * 100))
    np.testing.assert_array_equal(np.concatenate([piece.samples for piece in pieces], axis=1), x)
    assert [piece.seq for piece in pieces] == list(range(len(pieces)))
    assert [piece.end for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    assert all(piece.samples.shape[1] == size for piece in pieces[:-1])
    assert [piece.t for piece in pieces] == [7.0 + n * size / 100 for n in range(len(pieces))]


def test_streams_are_merged_in_time_order_whatever_dates_they_bear() -> None:
    source = Plays([stream("old", 3, start=5.0), stream("new", 3, piece=1.5, start=1e9)], 0, TestClock())
    assert [(c.stream, c.seq) for c in chunks(source)] == [
        ("old", 0),
        ("new", 0),
        ("old", 1),
        ("old", 2),
        ("new", 1),
    ]


def test_a_chunk_comes_when_its_last_sample_would_have_been_taken() -> None:
    clock = TestClock()
    source = Plays([stream("a", 3)], 2.0, clock)
    source.open()
    arrivals = []
    while not source.exhausted:
        if source.get(60.0) is not None:
            arrivals.append(clock.now - 100.0)
    assert arrivals == pytest.approx([0.5, 1.0, 1.5])


def test_nothing_within_the_timeout_is_none_and_loses_nothing() -> None:
    clock = TestClock()
    source = Plays([stream("a", 2)], 1.0, clock)
    source.open()
    got = [source.get(0.4) for _ in range(6)]
    assert [None if c is None else c.seq for c in got] == [None, None, 0, None, None, 1]
    assert source.exhausted


def test_a_late_reader_catches_up_without_drift() -> None:
    clock = TestClock()
    source = Plays([stream("a", 5)], 1.0, clock)
    source.open()
    clock.now += 3.5
    assert [c.seq for c in (source.get(0.0) for _ in range(3)) if c] == [0, 1, 2]
    assert source.get(0.4) is None
    assert source.get(0.2) is not None


def test_a_source_is_not_exhausted_before_it_was_opened_and_is_after_close() -> None:
    for source in (Plays([stream("a", 1)], 0, TestClock()), MemorySource(stream("a", 1))):
        states = [source.exhausted]
        assert source.get(0.0) is None
        source.open()
        states.append(source.exhausted)
        source.close()
        source.close()
        states.append(source.exhausted)
        assert source.get(0.0) is None
        assert states == [False, False, True]


def test_memory_plays_the_given_chunks_as_they_are() -> None:
    given_chunks = stream("b", 2) + stream("a", 2)
    assert list(chunks(MemorySource(given_chunks))) == given_chunks


def test_the_first_sample_is_timed_by_setting_then_record_then_the_moment_of_opening() -> None:
    clock, moment = TestClock(), datetime(2024, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert start_of(PlaybackSettings(start_time=moment), 5.0, clock) == moment.timestamp()
    assert start_of(PlaybackSettings(start_time=12.5), 5.0, clock) == 12.5
    assert start_of(PlaybackSettings(), 5.0, clock) == 5.0
    assert start_of(PlaybackSettings(speed=1.0), None, clock) == clock.wall()
    assert start_of(PlaybackSettings(), None, clock) == 0.0
    with pytest.raises(UsageError, match="time zone"):
        start_of(PlaybackSettings(start_time=moment.replace(tzinfo=None)), None, clock)


def test_a_start_time_may_be_written_in_yaml_in_any_usual_way(tmp_path: Path) -> None:
    for text in ("2024-02-03T04:05:06Z", "'2024-02-03T04:05:06Z'", "2024-02-03 05:05:06+01:00", "1706933106"):
        (tmp_path / "c.yaml").write_text(f"start_time: {text}\n")
        settings = config.load(tmp_path / "c.yaml", PlaybackSettings)
        assert start_of(settings, None, TestClock()) == 1706933106
    (tmp_path / "c.yaml").write_text("speed: -1\n")
    with pytest.raises(ConfigError, match="speed"):
        config.load(tmp_path / "c.yaml", PlaybackSettings)


@given(st.lists(st.sampled_from([None, "", "II", "II-2", "V1", "lead0", " "]), max_size=8))
def test_leads_get_names_without_doubles(names: list[str | None]) -> None:
    result = unique_names(names)
    assert len(set(result)) == len(names)
    assert all(result)


def test_lead_names_that_are_fine_stay() -> None:
    assert unique_names(["II", None, "II", "V1"]) == ("II", "lead1", "II-2", "V1")


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), float("-inf"), -1.0, 1.7e12])
def test_a_start_time_that_is_no_time_is_refused(seconds: float) -> None:
    with pytest.raises(UsageError, match="is no time between 1970 and 2100"):
        start_of(PlaybackSettings(start_time=seconds), None, TestClock())
