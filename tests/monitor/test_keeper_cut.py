"""Taking streams up and laying them down can be cut short at any point, and nothing is lost by it."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from ecgmon.ecg.types import Chunk
from ecgmon.monitor import keeper
from tests.monitor.killable import CountingScorer, Daemon, rows, words


@pytest.fixture
def undisturbed(pieces: list[Chunk]) -> Daemon:
    daemon = Daemon(None, CountingScorer())
    daemon.play(pieces)
    return daemon


def played_on(daemon: Daemon, undisturbed: Daemon) -> bool:
    """Whether ``daemon`` gave what an undisturbed one gave."""
    same = daemon.recorder.beats == undisturbed.recorder.beats and daemon.alerts == undisturbed.alerts
    return same and daemon.recorder.restarts == []


@pytest.mark.parametrize("items", [0, 1, 2, 3, 17, 40])
def test_a_start_that_is_cut_short_leaves_everything_for_the_next(
    pieces: list[Chunk], tmp_path: Path, undisturbed: Daemon, items: int
) -> None:
    daemon = Daemon(tmp_path, CountingScorer(), 3600.0)
    daemon.play(pieces[:70])
    daemon.now += 1.0
    daemon.pipeline.tick()
    daemon.keep().close()
    before = rows(tmp_path)
    asked = itertools.count()
    daemon.start(lambda: next(asked) < items)
    assert not daemon.whole
    daemon.pipeline.suspend()
    assert rows(tmp_path) == before
    daemon.start()
    assert daemon.pipeline.streams == 2
    daemon.play([*daemon.waiting.values(), *pieces[70:]])
    assert played_on(daemon, undisturbed)
    daemon.keep().close()


@pytest.mark.parametrize("whole", [0, 1])
def test_a_stop_that_is_cut_short_leaves_the_rest_to_the_journal(
    pieces: list[Chunk],
    tmp_path: Path,
    undisturbed: Daemon,
    whole: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(keeper, "PIECE", 1)
    daemon = Daemon(tmp_path, CountingScorer(), 3600.0)
    daemon.play(pieces[:70])
    asked = itertools.count()
    daemon.pipeline.suspend(lambda: next(asked) >= whole)
    assert not daemon.waiting
    assert rows(tmp_path) == (whole, 70 - 35 * whole)
    text = f"{2 - whole} streams were not written whole in time: {2 - whole} are taken up from their journal"
    assert text in caplog.text
    daemon.start()
    daemon.play(pieces[70:])
    assert played_on(daemon, undisturbed)
    daemon.keep().close()


def test_what_time_alone_raised_is_kept_however_short_the_stop(pieces: list[Chunk], tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, CountingScorer(), 3600.0)
    healthy = [chunk for chunk in pieces if chunk.stream == "sim-002"]
    daemon.play(healthy[:-1])
    daemon.now += 20.0
    daemon.pipeline.tick()
    daemon.pipeline.suspend(lambda: True)
    assert words(daemon) == [("stream-lost", "raised")]
    daemon.start()
    daemon.play(healthy[-1:])
    daemon.pipeline.suspend()
    assert words(daemon) == [("stream-lost", "raised"), ("stream-lost", "cleared")]
    assert len({alert.id for alert in daemon.sink.alerts}) == 1


def test_after_a_disk_that_failed_a_stop_that_is_cut_short_says_what_is_lost(
    pieces: list[Chunk], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    daemon = Daemon(tmp_path / "state", CountingScorer(), 3600.0)
    daemon.play(pieces[:20])
    (tmp_path / "state").rename(tmp_path / "away")
    daemon.play(pieces[20:90])
    assert not daemon.keep().durable
    daemon.pipeline.suspend(lambda: True)
    assert "2 streams were not written whole in time: 0 are taken up" in caplog.text
    assert "2 are learned anew" in caplog.text
    assert rows(tmp_path / "state") == (0, 0)
