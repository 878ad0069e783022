"""The outbox keeps what it is given: through restarts, at its bound, on a bad disk."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgmon.errors import EcgmonError
from ecgmon.sinks.outbox import Outbox


def keys(box: Outbox) -> list[str]:
    return [entry.topic for entry in box.after(0, 1000)]


def put(box: Outbox, *names: str, cleared: bool = False) -> None:
    for name in names:
        box.put(name, name, name.encode(), cleared=cleared)


@pytest.fixture(params=["disk", "memory"])
def box(request: pytest.FixtureRequest, tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "outbox.sqlite" if request.param == "disk" else None, 4)


def test_messages_come_out_in_order_until_removed(box: Outbox) -> None:
    put(box, "a", "b", "c")
    first = box.after(0, 2)
    assert [(entry.topic, entry.payload) for entry in first] == [("a", b"a"), ("b", b"b")]
    assert [entry.topic for entry in box.after(first[-1].number, 5)] == ["c"]
    box.remove([first[0].number])
    assert keys(box) == ["b", "c"]
    assert len(box) == 2


def test_a_key_that_waits_is_not_added_twice(box: Outbox) -> None:
    put(box, "a", "a")
    assert keys(box) == ["a"]


def test_numbers_grow_even_after_everything_was_removed(box: Outbox) -> None:
    put(box, "a")
    first = box.after(0, 1)[0].number
    box.remove([first])
    put(box, "b")
    assert box.after(first, 1)[0].topic == "b"


def test_the_oldest_cleared_is_shed_first_then_the_oldest(box: Outbox) -> None:
    put(box, "r1")
    put(box, "c1", "c2", cleared=True)
    put(box, "r2", "r3")
    assert keys(box) == ["r1", "c2", "r2", "r3"]
    put(box, "r4", "r5")
    assert keys(box) == ["r2", "r3", "r4", "r5"]
    assert box.shed == 3


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=40))
def test_the_bound_holds_and_every_message_is_kept_or_counted(puts: list[tuple[int, bool]]) -> None:
    box = Outbox(None, 5)
    taken = 0
    for number, cleared in puts:
        before = set(keys(box))
        box.put(str(number), str(number), b"", cleared=cleared)
        taken += str(number) not in before
        assert len(box) <= 5
    assert len(box) + box.shed == taken
    box.close()


def test_it_survives_a_kill_without_notice(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    code = (
        "import os, sys, pathlib; from ecgmon.sinks.outbox import Outbox\n"
        "box = Outbox(pathlib.Path(sys.argv[1]), 10)\n"
        "box.put('a', 'a', b'a', cleared=False); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == -9
    box = Outbox(path, 10)
    assert keys(box) == ["a"]
    box.close()


def test_its_files_are_private(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "state" / "outbox.sqlite", 10)
    put(box, "a")
    modes = {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "state").iterdir()}
    assert modes == {0o600}
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
    box.close()


def test_a_damaged_file_is_put_aside_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "outbox.sqlite"
    path.write_bytes(b"no database" * 1000)
    box = Outbox(path, 10)
    put(box, "a")
    assert box.durable
    assert keys(box) == ["a"]
    assert (tmp_path / "outbox.sqlite.damaged").read_bytes().startswith(b"no database")
    assert "damaged" in caplog.text
    box.close()


def test_what_is_committed_goes_into_a_write_ahead_log_that_is_ours_alone(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "outbox.sqlite", 10)
    put(box, "a")
    assert (tmp_path / "outbox.sqlite-wal").stat().st_size > 0
    modes = [
        box._database.execute(f"PRAGMA {what}").fetchone()[0] for what in ("journal_mode", "locking_mode")
    ]
    assert modes == ["wal", "exclusive"]
    box.close()


def test_a_place_that_cannot_be_used_is_one_clear_error_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EcgmonError, match=r"file/outbox\.sqlite: alerts cannot be kept there \(.*state_dir"):
        Outbox(tmp_path / "file" / "outbox.sqlite", 10)


@pytest.mark.parametrize("same_process", [True, False])
def test_a_second_user_of_the_file_is_refused_and_the_first_goes_on(
    tmp_path: Path, *, same_process: bool
) -> None:
    path = tmp_path / "outbox.sqlite"
    box = Outbox(path, 10)
    if same_process:
        with pytest.raises(EcgmonError, match="in use by another program"):
            Outbox(path, 10)
    else:
        code = (
            "import sys, pathlib; from ecgmon.sinks.outbox import Outbox\n"
            "Outbox(pathlib.Path(sys.argv[1]), 10)"
        )
        done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, check=False)
        assert b"in use by another program" in done.stderr
    put(box, "a")
    assert (keys(box), box.durable, box.disk_errors) == (["a"], True, 0)
    box.close()
    Outbox(path, 10).close()


def test_another_program_cannot_lock_us_out(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "outbox.sqlite", 10)
    other = sqlite3.connect(tmp_path / "outbox.sqlite", timeout=0.0)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("BEGIN IMMEDIATE")
    put(box, "a")
    assert box.durable
    other.close()
    box.close()


def test_once_closed_it_stays_closed_and_counts_what_comes_as_given_up(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "outbox.sqlite", 10)
    put(box, "a")
    box.close()
    put(box, "b")
    box.remove([1])
    assert (len(box), box.after(0, 10), box.shed, box.disk_errors) == (1, [], 1, 0)
    box.close()
    again = Outbox(tmp_path / "outbox.sqlite", 10)
    assert keys(again) == ["a"]
    again.close()


def test_what_is_given_up_is_said_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    box = Outbox(None, 2)
    put(box, *"abcdef")
    assert [record.getMessage() for record in caplog.records] == [
        "the outbox is full with 2 alerts; the oldest are given up, 1 so far"
    ]
    box.close()


def test_a_disk_that_fails_later_loses_nothing_that_is_put_afterwards(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    box = Outbox(tmp_path / "outbox.sqlite", 10)
    put(box, "a", "b")
    last = box.after(0, 10)[-1].number
    box._database.execute("PRAGMA query_only = ON")  # every write fails as on a disk turned read-only
    put(box, "c")
    assert keys(box) == ["a", "b", "c"]
    assert [entry.topic for entry in box.after(last, 10)] == ["c"]
    assert (box.disk_errors, box.durable) == (1, False)
    assert "disk failed" in caplog.text
    box.close()


def test_two_writers_and_a_remover_lose_nothing(tmp_path: Path) -> None:
    import threading

    box = Outbox(tmp_path / "outbox.sqlite", 10_000)
    seen: list[str] = []

    def write(name: str) -> None:
        for number in range(200):
            put(box, f"{name}{number}")

    writers = [threading.Thread(target=write, args=(name,)) for name in "ab"]
    for writer in writers:
        writer.start()
    while len(seen) < 400:
        entries = box.after(0, 50)
        seen += [entry.topic for entry in entries]
        box.remove(entry.number for entry in entries)
    for writer in writers:
        writer.join()
    assert len(set(seen)) == 400
    box.close()
    assert os.listdir(tmp_path) == ["outbox.sqlite"]  # noqa: PTH208 - names are enough


def full(box: Outbox) -> None:
    """From here on the file may not grow: what SQLite does on a full disk."""
    pages = box._database.execute("PRAGMA page_count").fetchone()[0]
    box._database.execute(f"PRAGMA max_page_count = {pages}")


def test_a_full_disk_that_gets_room_again_has_everything_once_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "outbox.sqlite"
    box = Outbox(path, 10)
    put(box, "a", "b")
    full(box)
    box.put("big", "big", b"x" * 100_000, cleared=False)
    assert (box.durable, box.disk_errors, keys(box)) == (False, 1, ["a", "b", "big"])
    last = box.after(0, 10)[-1].number
    box.remove([1])
    monkeypatch.setattr("ecgmon.sinks.outbox.RETRY_SECONDS", 0.0)
    box._retry_at = 0.0
    put(box, "c")
    assert (box.durable, keys(box)) == (True, ["b", "big", "c"])
    assert [entry.topic for entry in box.after(last, 10)] == ["c"]
    assert "the disk failed (database or disk is full)" in caplog.text
    assert "can be used again: 2 undelivered alerts are on disk" in caplog.text
    box.close()
    again = Outbox(path, 10)
    assert keys(again) == ["b", "big", "c"]
    again.close()


def test_a_folder_that_vanished_is_made_again(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "state" / "outbox.sqlite", 10)
    put(box, "a")
    last = box.after(0, 10)[-1].number
    shutil.rmtree(tmp_path / "state")
    put(box, "b")
    assert (box.durable, box.disk_errors) == (False, 1)
    box._retry_at = 0.0
    assert len(box) == 2
    assert (box.durable, keys(box)) == (True, ["a", "b"])
    put(box, "c")
    assert [entry.topic for entry in box.after(last, 10)] == ["b", "c"]
    assert stat.S_IMODE((tmp_path / "state" / "outbox.sqlite").stat().st_mode) == 0o600
    box.close()


def test_what_could_not_be_read_when_the_disk_failed_is_delivered_after_its_return(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    box = Outbox(path, 10)
    put(box, "a")
    last = box.after(0, 10)[-1].number
    box._database.close()  # neither reads nor writes
    put(box, "b")
    assert (box.durable, keys(box)) == (False, ["b"])
    last = max(last, box.after(0, 10)[-1].number)
    box._retry_at = 0.0
    assert sorted(keys(box)) == ["a", "b"]
    assert [entry.topic for entry in box.after(last, 10)] == ["a"]
    box.close()


def test_a_file_of_another_version_is_put_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "outbox.sqlite"
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA user_version = 99")
    other.close()
    box = Outbox(path, 10)
    assert box.durable
    assert (tmp_path / "outbox.sqlite.other-version").exists()
    assert "is of another version (it has version 99, this program writes 1)" in caplog.text
    box.close()
