"""A state file that is damaged, and a disk that fails, cost no more than they must."""

from __future__ import annotations

import logging
import shutil
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from ecgmon.ecg.types import Chunk
from ecgmon.errors import EcgmonError
from ecgmon.monitor.keeper import RETRY_SECONDS
from tests.monitor.killable import CountingScorer, Daemon, rows, words


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
    assert {name: state["state"] for name, state in daemon.sink.states.items()} == {
        "sim-001": "ended",
        "sim-002": "live",
    }
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


def test_a_stream_that_cannot_be_saved_is_said_and_monitored(
    pieces: list[Chunk], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    daemon = Daemon(tmp_path, CountingScorer(), 5.0)
    daemon.play(pieces[:20])
    daemon.pipeline._streams.live["sim-001"].selector._odd = object()  # type: ignore[attr-defined]
    daemon.play(pieces[20:])
    assert words(daemon) == [("lead-off", "raised")]
    assert "stream sim-001 cannot be kept: TypeError('a builtins.object cannot be saved" in caplog.text
    assert daemon.keep().stats["errors"] >= 1
    daemon.keep().close()
    streams, journal = rows(tmp_path)
    assert streams == 1
    assert journal <= 6
