"""Streams outlive the program to the bit, and what tells of it: acknowledgements, journal, ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ecgmon.ecg.types import Chunk
from ecgmon.model import bundle
from ecgmon.model.scoring import Scorer as RealScorer
from ecgmon.sources.base import chunks
from ecgmon.sources.wfdb import WfdbSettings, WfdbSource
from tests.monitor.killable import SICK, CountingScorer, Daemon, ended, rows, words

Ward = Callable[..., list[Chunk]]


@pytest.fixture(scope="session")
def default_scorer() -> RealScorer:
    return RealScorer(bundle.load("default"), "cpu")


@pytest.fixture(scope="session")
def recording(mitdb: Path) -> list[Chunk]:
    """Six minutes of 208, whose alerts come and go, and of 105, which is noisy; taken in turn."""
    played = []
    for name in ("208", "105"):
        source = WfdbSource(WfdbSettings(records=[str(mitdb / name)], start_time=1.7e9))
        played.append(list(chunks(source))[60:420])
    return [chunk for pair in zip(*played, strict=True) for chunk in pair]


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    kills=st.lists(st.integers(0, 719), max_size=5, unique=True).map(sorted),
    stops=st.lists(st.integers(0, 719), max_size=2, unique=True),
    seconds=st.sampled_from([1.0, 7.0, 20.0, 3600.0]),
)
def test_killed_and_restarted_at_any_chunk_it_gives_the_same_beats_scores_and_alerts_to_the_bit(
    kills: list[int],
    stops: list[int],
    seconds: float,
    recording: list[Chunk],
    default_scorer: RealScorer,
    undisturbed: Daemon,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    daemon = Daemon(tmp_path_factory.mktemp("state"), default_scorer, seconds)
    for at, chunk in enumerate(recording):
        daemon.play([chunk])
        if at in kills:
            daemon.kill()
        if at in stops:
            daemon.stop()
    daemon.pipeline.flush()
    assert daemon.recorder.beats == undisturbed.recorder.beats
    assert daemon.alerts == undisturbed.alerts
    assert daemon.recorder.restarts == []
    daemon.keep().close()


@pytest.fixture(scope="session")
def undisturbed(recording: list[Chunk], default_scorer: RealScorer) -> Daemon:
    daemon = Daemon(None, default_scorer)
    daemon.play(recording)
    daemon.pipeline.flush()
    assert len(daemon.alerts) >= 6
    return daemon


@pytest.mark.parametrize("fs", [100, 250, 360, 1000])
def test_gaps_lost_samples_and_artefacts_come_back_to_the_bit(fs: int, ward: Ward, tmp_path: Path) -> None:
    pieces = ward(streams=2, seconds=120.0, rates=SICK, seed=3, fs=fs)
    pieces = [chunk for chunk in pieces if chunk.seq is not None and chunk.seq % 41 != 7]
    for chunk in pieces[::13]:
        chunk.samples[:, 10:30] = np.nan
    undisturbed, daemon = Daemon(None, CountingScorer()), Daemon(tmp_path, CountingScorer(), 5.0)
    undisturbed.play(pieces)
    for at, chunk in enumerate(pieces):
        daemon.play([chunk])
        if at % 9 == 5:
            daemon.kill()
    assert len(undisturbed.alerts) >= 4
    assert daemon.recorder.beats == undisturbed.recorder.beats
    assert daemon.alerts == undisturbed.alerts
    daemon.keep().close()


def test_what_stands_outlives_a_stop_and_is_cleared_later_with_its_id(
    pieces: list[Chunk], tmp_path: Path
) -> None:
    daemon = Daemon(tmp_path, CountingScorer())
    daemon.play(pieces)
    daemon.stop()
    assert words(daemon) == [("lead-off", "raised")]
    daemon.play(ended(pieces))
    assert words(daemon) == [("lead-off", "raised"), ("lead-off", "cleared")]
    assert len({alert.id for alert in daemon.sink.alerts}) == 1
    daemon.keep().close()


def test_an_end_or_a_long_silence_removes_state_and_baseline(pieces: list[Chunk], tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, CountingScorer(), idle_seconds=60)
    daemon.play(pieces)
    daemon.play(ended(pieces)[:1])
    daemon.stop()
    daemon.keep().close()
    assert rows(tmp_path) == (1, 0)
    daemon.start()
    daemon.now += 100.0
    daemon.pipeline.tick()
    daemon.keep().close()
    assert rows(tmp_path) == (0, 0)


def test_a_chunk_is_acknowledged_when_it_is_on_disk_and_not_before(
    pieces: list[Chunk], tmp_path: Path
) -> None:
    daemon = Daemon(tmp_path, CountingScorer())
    daemon.play(pieces[:2])
    daemon.now += 1.0
    daemon.pipeline.tick()
    assert not daemon.waiting
    daemon.pipeline.feed(replace(pieces[2], ack=lambda: pytest.fail("acknowledged too early")))
    assert daemon.pipeline.wait(10.0) == pytest.approx(0.05)
    daemon.keep().close()
    assert sum(rows(tmp_path)) == 2


def test_a_journal_is_no_longer_than_the_signal_between_two_checkpoints(
    pieces: list[Chunk], tmp_path: Path
) -> None:
    daemon = Daemon(tmp_path, CountingScorer(), 10.0)
    daemon.play(pieces)
    daemon.keep().close()
    streams, journal = rows(tmp_path)
    assert streams == 2
    assert journal <= 2 * 11
    assert daemon.keep().stats["checkpoints"] >= 10


def test_without_a_keeper_nothing_changes(pieces: list[Chunk]) -> None:
    daemon = Daemon(None, CountingScorer())
    daemon.play(pieces)
    daemon.pipeline.suspend()
    assert words(daemon) == [("lead-off", "raised"), ("lead-off", "cleared")]
