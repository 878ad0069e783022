"""What of an earlier run is taken up again, for how long, and what becomes of the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from ecgmon.config import convert
from ecgmon.ecg.types import Chunk
from ecgmon.errors import DataError
from ecgmon.monitor.pipeline import PipelineSettings
from ecgmon.monitor.state import StreamState
from tests.monitor.killable import WHOLE, CountingScorer, Daemon, more, rows, words


def test_another_models_state_is_not_used_and_what_stood_is_cleared(
    pieces: list[Chunk], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    daemon = Daemon(tmp_path, CountingScorer())
    daemon.play(pieces)
    daemon.pipeline.suspend()
    daemon.scorer = CountingScorer("fedcba9876543210")
    daemon.start()
    assert daemon.pipeline.streams == 0
    assert words(daemon) == [("lead-off", "raised"), ("lead-off", "cleared")]
    assert daemon.sink.alerts[0].id == daemon.sink.alerts[1].id
    assert (
        "2 streams of an earlier run were learned by another model: its baselines are not used" in caplog.text
    )
    for name in ("sim-001", "sim-002"):
        state = daemon.sink.states[name]
        assert state["state"] == "ended"
        assert state["alerts"] == []
        assert state["last_data"] == state["time"] == pytest.approx(pieces[-1].t + 1.0)
    daemon.pipeline.suspend()
    assert rows(tmp_path) == (0, 0)


def test_other_limits_hold_from_when_nothing_stands(pieces: list[Chunk], tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, CountingScorer())
    daemon.play(pieces)
    daemon.pipeline.suspend()
    other = {"noise": {"raise_seconds": 9}, "bradycardia": {"enabled": False}}
    daemon.settings = convert({"alerts": other}, PipelineSettings, where="test")
    daemon.start()
    assert words(daemon) == [("lead-off", "raised")]
    limits = {n: s.alerts.settings.noise.raise_seconds for n, s in daemon.pipeline._streams.live.items()}
    assert sorted(limits.values()) == [9, 15]
    daemon.play([replace(c, end=False) for c in more(pieces)])
    assert words(daemon) == [("lead-off", "raised"), ("lead-off", "cleared")]
    assert all(s.alerts.settings.noise.raise_seconds == 9 for s in daemon.pipeline._streams.live.values())
    assert all(
        s.baseline is not None and s.baseline.state[1] > 30 for s in daemon.pipeline._streams.live.values()
    )
    daemon.keep().close()


@pytest.mark.parametrize(("wall", "known"), [(100.0, True), (4000.0, False)])
def test_of_a_stream_that_cannot_be_taken_up_the_baseline_is_used_and_not_for_ever(
    pieces: list[Chunk], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, wall: float, known: bool
) -> None:
    daemon = Daemon(tmp_path, CountingScorer())
    daemon.play(pieces)
    daemon.pipeline.suspend()
    daemon.wall += wall
    with monkeypatch.context() as patched:  # as a later version that remembers more would refuse it
        patched.setattr(StreamState, "restore", lambda *_: (_ for _ in ()).throw(DataError("other parts")))
        daemon.start()
    assert words(daemon) == [("lead-off", "raised"), ("lead-off", "cleared")]
    daemon.play([replace(pieces[-1], seq=0)])
    baseline = daemon.pipeline._streams.live[pieces[-1].stream].baseline
    assert baseline is not None
    assert (baseline.state[1] > 30) == known
    daemon.keep().close()


def test_a_baseline_whose_patient_does_not_come_back_is_forgotten(
    pieces: list[Chunk], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = Daemon(tmp_path, CountingScorer(), idle_seconds=60)
    daemon.play(pieces)
    daemon.pipeline.suspend()
    with monkeypatch.context() as patched:
        patched.setattr(StreamState, "restore", lambda *_: (_ for _ in ()).throw(DataError("other parts")))
        daemon.start()
    daemon.now += 100.0
    daemon.pipeline.tick()
    daemon.play([replace(pieces[-1], seq=0)])
    baseline = daemon.pipeline._streams.live[pieces[-1].stream].baseline
    assert baseline is not None
    assert baseline.state[1] < 30
    daemon.keep().close()


@pytest.mark.parametrize("stop", [Daemon.kill, Daemon.stop])
def test_stream_lost_outlives_a_stop_and_is_cleared_with_its_id_when_data_comes(
    pieces: list[Chunk], tmp_path: Path, stop: Callable[[Daemon], None]
) -> None:
    daemon = Daemon(tmp_path, CountingScorer())
    healthy = [chunk for chunk in pieces if chunk.stream == "sim-002"]
    daemon.play(healthy[:-1])
    daemon.now += 20.0
    for _ in range(3):  # told, handed on, written
        daemon.now += 1.0
        daemon.pipeline.tick()
    stop(daemon)
    assert words(daemon) == [("stream-lost", "raised")]
    daemon.play(healthy[-1:])
    daemon.now += 1.0
    daemon.pipeline.tick()
    assert words(daemon) == [("stream-lost", "raised"), ("stream-lost", "cleared")]
    assert len({alert.id for alert in daemon.sink.alerts}) == 1
    daemon.keep().close()


@pytest.mark.parametrize(("away", "known"), [(600.0, True), (7200.0, False)])
def test_a_patient_is_not_learned_anew_when_it_was_we_who_were_away(
    pieces: list[Chunk], tmp_path: Path, *, away: float, known: bool
) -> None:
    daemon = Daemon(tmp_path, CountingScorer())
    daemon.play(pieces)
    daemon.stop()
    daemon.play([replace(c, t=c.t + away, seq=(c.seq or 0) + 600) for c in pieces[-2:]])
    assert daemon.recorder.restarts == ["long-gap"] * 2
    daemon.kill()
    learned = [state.baseline.state[1] for state in daemon.pipeline._streams.live.values() if state.baseline]
    assert [beats > 30 for beats in learned] == [known, known]
    daemon.keep().close()


def test_streams_beyond_max_streams_are_not_taken_up_and_said(
    pieces: list[Chunk], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    daemon = Daemon(tmp_path, CountingScorer())
    daemon.play(pieces)
    daemon.pipeline.suspend()
    daemon.settings = convert({**WHOLE, "max_streams": 1}, PipelineSettings, where="test")
    daemon.start()
    assert daemon.pipeline.streams == 1
    assert "sim-002 of an earlier run is not taken up: max_streams is reached" in caplog.text
    daemon.keep().close()


def test_what_is_told_of_a_stream_that_cannot_be_taken_up_has_the_form_of_every_state(
    pieces: list[Chunk], tmp_path: Path
) -> None:
    daemon = Daemon(tmp_path, CountingScorer())
    daemon.play(pieces)
    told = daemon.sink.states["sim-001"]
    daemon.pipeline.suspend()
    daemon.scorer = CountingScorer("fedcba9876543210")
    daemon.start()
    assert list(daemon.sink.states["sim-001"]) == list(told)
    assert told["state"] == "live"
    daemon.keep().close()


@pytest.mark.parametrize("stop", [Daemon.kill, Daemon.stop])
def test_of_a_source_that_begins_anew_nothing_is_kept_and_nothing_stands(
    pieces: list[Chunk], tmp_path: Path, stop: Callable[[Daemon], None]
) -> None:
    daemon = Daemon(tmp_path, CountingScorer(), anew=True)
    daemon.play(pieces)
    daemon.waiting.clear()
    stop(daemon)
    assert daemon.pipeline.streams == 0
    assert words(daemon) == [("lead-off", "raised"), ("lead-off", "cleared")]
    assert {state["state"] for state in daemon.sink.states.values()} == {"ended"}
    first = daemon.recorder.beats
    daemon.recorder.beats = {}
    daemon.play(pieces)
    daemon.waiting.clear()
    stop(daemon)
    assert daemon.recorder.restarts == []
    assert daemon.recorder.beats == first
    assert words(daemon)[2:] == [("lead-off", "raised"), ("lead-off", "cleared")]
    daemon.pipeline.suspend()
    assert rows(tmp_path) == (0, 0)
