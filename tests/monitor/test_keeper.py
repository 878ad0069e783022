"""Streams outlive the program to the bit; a file or disk that is no good costs no more than it must."""

from __future__ import annotations

import logging
import math
import shutil
import sqlite3
import stat
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecgmon.config import convert
from ecgmon.ecg.types import Alert, Beat, Chunk, Layout, ModelRef, Score
from ecgmon.errors import DataError, EcgmonError
from ecgmon.model import bundle
from ecgmon.model.baseline import Baseline
from ecgmon.model.scoring import Scorer as RealScorer
from ecgmon.monitor.keeper import RETRY_SECONDS, Keeper
from ecgmon.monitor.kept import terms_of
from ecgmon.monitor.observers import Observer
from ecgmon.monitor.pipeline import Pipeline, PipelineSettings, Scorer
from ecgmon.monitor.state import StreamState
from ecgmon.sinks.memory import MemorySink
from ecgmon.sources.base import chunks
from ecgmon.sources.wfdb import WfdbSettings, WfdbSource

Ward = Callable[..., list[Chunk]]

SICK = {"pvc": 600.0, "run": 240.0, "lead-off": 200.0, "noise": 200.0}
WHOLE = {
    "batch": {"size": 4096, "seconds": 0.0},
    "alerts": {"anomalous_beats": {"clear_beats": 8, "clear_seconds": 15.0}},
}
"""Alerts come and go. Beats are scored chunk by chunk: the last digits depend on what is scored together."""


class Recorder(Observer):
    """Beats and seconds by stream, the last word on each."""

    def __init__(self) -> None:
        self.beats: dict[tuple[str, float], tuple[Any, ...]] = {}
        self.restarts: list[str] = []

    def beat(self, stream: str, beat: Beat, score: Score | None, latency: float) -> None:  # noqa: ARG002
        what = None if score is None else (score.score, score.p_value, score.reconstruction.tobytes())
        numbers = beat.index, beat.ready, beat.scale, repr(beat.rr), repr(beat.irregularity), beat.good
        self.beats[stream, beat.r] = (*numbers, beat.window.tobytes(), what)

    def restarted(self, stream: str, reason: str) -> None:  # noqa: ARG002
        self.restarts.append(reason)


class Daemon:
    """A pipeline that can be killed, and a broker that sends again what was not acknowledged."""

    def __init__(self, folder: Path | None, scorer: Scorer, seconds: float = 20.0, **keys: Any) -> None:
        self.folder, self.scorer, self.seconds = folder, scorer, seconds
        self.settings = convert({**WHOLE, **keys}, PipelineSettings, where="test")
        self.sink, self.recorder = MemorySink(), Recorder()
        self.now = self.wall = 1000.0
        self.waiting: dict[tuple[str, int | None, float], Chunk] = {}
        self.start()

    def start(self) -> None:
        self.keeper = None
        if self.folder is not None:
            scorer, options = self.scorer, self.settings
            terms = terms_of(scorer.model_ref.hash, options.lead, scorer.layout)
            path = self.folder / "state.sqlite"
            self.keeper = Keeper(path, terms, self.seconds, lambda: self.now, lambda: self.wall)
        self.pipeline = Pipeline(
            self.scorer, self.settings, [self.sink], [self.recorder], lambda: self.now, keeper=self.keeper
        )
        self.pipeline.resume()

    def play(self, pieces: Sequence[Chunk]) -> None:
        for chunk in pieces:
            self.now += 0.03
            key = chunk.stream, chunk.seq, chunk.t
            self.waiting[key] = chunk
            self.pipeline.feed(replace(chunk, ack=partial(self.acknowledge, key)))

    def acknowledge(self, key: tuple[str, int | None, float]) -> None:
        self.waiting.pop(key, None)

    def kill(self) -> None:
        """The process is gone with all it had in memory; the broker sends again."""
        assert self.keeper is not None
        self.keeper.close()
        self.start()
        self.play(list(self.waiting.values()))

    def stop(self) -> None:
        """SIGTERM, and a new start."""
        self.pipeline.suspend()
        self.start()

    @property
    def alerts(self) -> list[Alert]:
        """Without the repeats."""
        return list({(a.stream, a.id, a.state): a for a in self.sink.alerts}.values())

    def keep(self) -> Keeper:
        assert self.keeper is not None
        return self.keeper


class CountingScorer:
    """Stateless: how large the QRS is; enough where only the way of the chunks counts."""

    layout: Layout = "centred"
    threshold = 0.02

    def __init__(self, hash_: str = "0123456789abcdef") -> None:
        self.model_ref = ModelRef(name="size", hash=hash_)

    def new_baseline(self) -> Baseline:
        return Baseline()

    def score(self, items: Sequence[tuple[Beat, Baseline]]) -> list[Score]:
        scores = []
        for beat, baseline in items:
            baseline.state[1] += 1  # a baseline that learns
            odd = beat.irregularity > 0.05 or beat.window.max() > 1.6 * beat.scale
            p = 0.001 if odd else 0.5
            scores.append(Score(-math.log(p), p, odd, odd, {"qrs": 1.0}, np.zeros_like(beat.window)))
        return scores


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


@pytest.fixture
def pieces(ward: Ward) -> list[Chunk]:
    """A minute of two patients; an alert is raised in one of them and stands at the end."""
    made = ward(
        streams=2, seconds=60.0, script=[{"kind": "lead-off", "at": 40.0, "seconds": 30.0, "stream": 1}]
    )
    return [replace(chunk, end=False) for chunk in made]


def ended(pieces: Sequence[Chunk]) -> list[Chunk]:
    """What tells of the end of each stream."""
    last = {chunk.stream: chunk for chunk in pieces}
    return [
        replace(
            c, samples=c.samples[:, :0], t=c.t + c.samples.shape[1] / c.fs, seq=(c.seq or 0) + 1, end=True
        )
        for c in last.values()
    ]


def more(pieces: Sequence[Chunk]) -> list[Chunk]:
    """What the patients would have sent next, without the fault: the first twenty seconds again."""
    last = {chunk.stream: chunk for chunk in pieces}
    first = [chunk for chunk in pieces if chunk.t < pieces[0].t + 20.0]
    return [
        replace(
            c,
            t=c.t - pieces[0].t + last[c.stream].t + last[c.stream].samples.shape[1] / c.fs,
            seq=(c.seq or 0) + (last[c.stream].seq or 0) + 1,
        )
        for c in first
    ]


def rows(folder: Path) -> tuple[int, int]:
    database = sqlite3.connect(folder / "state.sqlite")
    counts = "SELECT (SELECT count(*) FROM streams), (SELECT count(*) FROM chunks)"
    streams, journal = database.execute(counts).fetchone()
    database.close()
    return streams, journal


def words(daemon: Daemon) -> list[tuple[str, str]]:
    return [(alert.kind, alert.state) for alert in daemon.sink.alerts]


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


def damage(folder: Path, what: str) -> None:
    """The first row of a table."""
    statements = {
        "streams": "UPDATE streams SET content = zeroblob(500) WHERE name = 'sim-001'",
        "chunks": "UPDATE chunks SET content = zeroblob(500) WHERE number = (SELECT min(number) FROM chunks)",
    }
    database = sqlite3.connect(folder / "state.sqlite")
    with database:
        assert database.execute(statements[what]).rowcount == 1
    database.close()


def test_a_damaged_row_costs_its_own_stream_and_one_log_line(
    pieces: list[Chunk], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    daemon = Daemon(tmp_path, CountingScorer())
    daemon.play(pieces)
    daemon.pipeline.suspend()
    damage(tmp_path, "streams")
    daemon.start()
    assert daemon.pipeline.streams == 1
    assert [r.message.partition(": ")[2] for r in caplog.records if r.levelno >= logging.WARNING] == [
        "1 streams of an earlier run are damaged: they are learned anew"
    ]
    daemon.keep().close()


def test_a_damaged_chunk_of_the_journal_is_a_gap(
    pieces: list[Chunk], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    daemon = Daemon(tmp_path, CountingScorer(), 3600.0)
    daemon.play(pieces)
    daemon.keep().close()
    damage(tmp_path, "chunks")
    daemon.start()
    assert daemon.pipeline.streams == 2
    assert "1 damaged chunks of the journal are left out" in caplog.text
    daemon.keep().close()


@pytest.mark.parametrize(
    ("name", "text"), [("damaged", "is damaged"), ("other-version", "is of another version")]
)
def test_a_file_that_cannot_be_used_is_put_aside_with_one_line_and_monitoring_goes_on(
    name: str, text: str, pieces: list[Chunk], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "state.sqlite"
    if name == "damaged":
        path.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    else:
        with sqlite3.connect(path) as database:
            database.execute("PRAGMA user_version = 77")
        database.close()
    daemon = Daemon(tmp_path, CountingScorer())
    daemon.play(pieces)
    daemon.keep().close()
    assert path.with_name(f"state.sqlite.{name}").exists()
    lines = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(lines) == 1
    assert text in lines[0]
    assert words(daemon) == [("lead-off", "raised")]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_second_program_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, CountingScorer())
    with pytest.raises(EcgmonError, match="in use by another program"):
        Daemon(tmp_path, CountingScorer())
    daemon.keep().close()


def fill(daemon: Daemon, folder: Path) -> None:  # noqa: ARG001
    database = daemon.keep()._file._database
    database.execute(f"PRAGMA max_page_count = {database.execute('PRAGMA page_count').fetchone()[0]}")


def make_read_only(daemon: Daemon, folder: Path) -> None:  # noqa: ARG001
    daemon.keep()._file._database.execute("PRAGMA query_only = ON")


def remove(daemon: Daemon, folder: Path) -> None:  # noqa: ARG001
    shutil.rmtree(folder)


@pytest.mark.parametrize("fault", [fill, make_read_only, remove])
def test_a_disk_that_fails_stops_nothing_says_so_and_is_used_again(
    fault: Callable[[Daemon, Path], None],
    pieces: list[Chunk],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = tmp_path / "state"
    daemon = Daemon(folder, CountingScorer(), 5.0)
    daemon.play(pieces[:20])
    fault(daemon, folder)
    daemon.play(pieces[20:100])
    assert not daemon.keep().durable
    assert daemon.keep().stats["errors"] >= 1
    assert len(daemon.waiting) < 12
    assert "monitoring goes on" in caplog.text
    daemon.now += RETRY_SECONDS
    daemon.play(pieces[100:])
    assert daemon.keep().durable
    assert "can be used again" in caplog.text
    daemon.kill()
    undisturbed = Daemon(None, CountingScorer())
    undisturbed.play(pieces)
    assert daemon.recorder.beats == undisturbed.recorder.beats
    assert daemon.alerts == undisturbed.alerts
    assert daemon.recorder.restarts == []
    daemon.keep().close()


def test_a_place_that_cannot_be_used_is_one_clear_error_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EcgmonError, match=r"state\.sqlite: the streams' state cannot be kept there \("):
        Daemon(tmp_path / "file", CountingScorer())


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


def test_a_stream_that_cannot_be_saved_is_said_and_monitored(
    pieces: list[Chunk], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    daemon = Daemon(tmp_path, CountingScorer(), 5.0)
    daemon.play(pieces[:20])
    daemon.pipeline._streams.live["sim-001"].alerts.heart_rate._odd = object()  # type: ignore[attr-defined]
    daemon.play(pieces[20:])
    assert words(daemon) == [("lead-off", "raised")]
    assert "stream sim-001 cannot be kept: TypeError('a builtins.object cannot be saved" in caplog.text
    assert daemon.keep().stats["errors"] >= 1
    daemon.keep().close()
    streams, journal = rows(tmp_path)
    assert streams == 1
    assert journal <= 6


def test_without_a_keeper_nothing_changes(pieces: list[Chunk]) -> None:
    daemon = Daemon(None, CountingScorer())
    daemon.play(pieces)
    daemon.pipeline.suspend()
    assert words(daemon) == [("lead-off", "raised"), ("lead-off", "cleared")]
