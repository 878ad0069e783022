"""Messages that must not be lost, on disk until the broker has them.

A message is safe from a kill of the program when :meth:`Outbox.put` returns; more on that, and on the file,
in :mod:`ecgmon.sinks.database`.

When the disk fails (full, read-only, gone) messages are kept in memory, and the file is tried again every few
seconds, whenever the outbox is used or looked at: it comes back by itself, and what waits goes onto it.

The outbox is bounded, on disk as in memory. When it is full the oldest ``cleared`` goes first, then the
oldest of all: a person must above all learn that something began. What goes is counted and said.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from ecgmon.errors import DiskError, EcgmonError
from ecgmon.sinks.database import DISK_ERRORS, Design, connect, identity, open_file

T = TypeVar("T")

log = logging.getLogger(__name__)

COMPLAIN_EVERY: Final = 60.0
"""Seconds between two log lines about messages given up."""

RETRY_SECONDS: Final = 5.0
"""After a failure the file is left alone for so long."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS outbox(
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    cleared INTEGER NOT NULL,
    topic TEXT NOT NULL,
    payload BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS outbox_by_age ON outbox(cleared DESC, number);
"""

_DESIGN: Final = Design(_SCHEMA, 1, "alerts")

_ROWS: Final = "SELECT number, key, cleared, topic, payload FROM outbox ORDER BY number"


@dataclass(frozen=True, slots=True)
class Entry:
    """One message waiting; ``number`` grows with age's order and is never used twice."""

    number: int
    topic: str
    payload: bytes


class Outbox:
    """A bounded queue of messages that survives the program; all methods may be called from any thread.

    ``path`` None keeps it in memory. A file that cannot be used is an :class:`~ecgmon.errors.EcgmonError`; a
    damaged one is put aside as ``*.damaged``. A disk that fails, at the start or later, does not stop the
    monitor: messages are then kept in memory, and :attr:`durable` is False until the file can be used again;
    the log says both.
    """

    def __init__(self, path: Path | None, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._path = path
        self._left: int | None = None  # how many waited when it was closed
        self._said = self._failed = -COMPLAIN_EVERY
        self._retry_at = 0.0
        self._last_number = 0  # the highest that was handed out
        self._all_read = True  # what lay in the file when it failed is in memory now
        self.durable: bool = path is not None
        self.shed = 0
        """Messages given up because the outbox was full."""
        self.disk_errors = 0
        """Times that the disk did not take a message, which then was kept in memory alone."""
        self._file: tuple[int, int] | None = None
        self._database = connect(":memory:", _DESIGN)
        if path is not None:
            self._open(path)

    def _open(self, path: Path) -> None:
        try:
            database = open_file(path, _DESIGN)
        except DiskError as error:
            self.disk_errors += 1
            self._retreat(error)
            self._all_read = False
            return
        self._database.close()
        self._database, self._file = database, identity(path)

    def put(self, key: str, topic: str, payload: bytes, *, cleared: bool) -> None:
        """Add a message; one whose ``key`` is waiting already is not added twice."""
        row = (key, cleared, topic, payload)
        shed = self._do(lambda database: _insert(database, row, self._limit), otherwise=1)
        if shed:
            self.shed += shed
            self._complain()

    def after(self, number: int, limit: int) -> list[Entry]:
        """The oldest ``limit`` messages beyond ``number``, oldest first."""
        query = "SELECT number, topic, payload FROM outbox WHERE number > ? ORDER BY number LIMIT ?"
        rows: list[tuple[int, str, bytes]] = []
        rows = self._do(lambda database: database.execute(query, (number, limit)).fetchall(), otherwise=rows)
        self._last_number = max([self._last_number, *(row[0] for row in rows)])
        return [Entry(*row) for row in rows]

    def remove(self, numbers: Iterable[int]) -> None:
        """Forget messages that the broker has acknowledged."""
        rows = [(number,) for number in numbers]
        delete = "DELETE FROM outbox WHERE number = ?"
        self._do(lambda database: database.executemany(delete, rows).rowcount, otherwise=0)

    def __len__(self) -> int:
        """How many wait, or were waiting when it was closed."""
        return self._do(_count, otherwise=self._left or 0)

    def close(self) -> None:
        """Close the file, for good; what waits is there at the next start. May be called twice."""
        left = len(self)
        with self._lock:
            self._left = left if self._left is None else self._left
            self._database.close()

    def _do(self, work: Callable[[sqlite3.Connection], T], *, otherwise: T) -> T:
        """One transaction; when the disk fails, the same once more in memory; ``otherwise`` once closed."""
        with self._lock:
            if self._left is not None:
                return otherwise
            if self._path is not None and not self.durable and time.monotonic() >= self._retry_at:
                self._come_back(self._path)
            try:
                if self.durable and self._path is not None and identity(self._path) != self._file:
                    raise OSError("another file lies in its place")
                with self._database:
                    return work(self._database)
            except DISK_ERRORS as error:
                self.disk_errors += 1
                self._retreat(error)
                with self._database:
                    return work(self._database)

    def _complain(self) -> None:
        now = time.monotonic()
        if now - self._said >= COMPLAIN_EVERY:
            self._said = now
            log.error(
                "the outbox is full with %d alerts; the oldest are given up, %d so far",
                self._limit,
                self.shed,
            )

    def _retreat(self, error: Exception) -> None:
        """The disk failed: go on in memory with what can still be read from it."""
        now = time.monotonic()
        if now - self._failed >= COMPLAIN_EVERY:
            self._failed = now
            log.error(
                "%s: the disk failed (%s); until it can be used again undelivered alerts are kept in memory, "
                "and a restart would lose them", self._path, error,
            )  # fmt: skip
        rows: list[tuple[int, str, bool, str, bytes]] = []
        self._all_read = False
        with contextlib.suppress(sqlite3.Error):
            rows = self._database.execute(_ROWS).fetchall()
            self._all_read = True
        with contextlib.suppress(sqlite3.Error):
            self._database.close()
        self._database = connect(":memory:", _DESIGN)
        with self._database:
            self._database.executemany("INSERT INTO outbox VALUES(?, ?, ?, ?, ?)", rows)
            _count_from(self._database, max([self._last_number, *(row[0] for row in rows)]))
        self.durable = False
        self._retry_at = now + RETRY_SECONDS

    def _come_back(self, path: Path) -> None:
        """Try the file again: what waits in memory goes onto it, for what lay there was taken over."""
        self._retry_at = time.monotonic() + RETRY_SECONDS
        try:
            database = open_file(path, _DESIGN)
        except EcgmonError:
            return
        try:
            with database:
                self._move_to(database)
            self._file = identity(path)
        except DISK_ERRORS:
            with contextlib.suppress(sqlite3.Error):
                database.close()
            return
        self._database.close()
        self._database = database
        self.durable = True
        log.warning("%s can be used again: %d undelivered alerts are on disk", path, _count(database))

    def _move_to(self, database: sqlite3.Connection) -> None:
        left = [] if self._all_read else database.execute(_ROWS).fetchall()
        rows = self._database.execute(_ROWS).fetchall()
        database.execute("DELETE FROM outbox")
        database.executemany("INSERT INTO outbox VALUES(?, ?, ?, ?, ?)", rows)
        _count_from(database, max([self._last_number, *(row[0] for row in rows)]))
        for _, *row in left:  # behind what the publisher has looked at already
            self.shed += _insert(database, tuple(row), self._limit)


def _count_from(database: sqlite3.Connection, number: int) -> None:
    """Numbers go on growing from ``number``, though the highest so far may not be among the rows."""
    database.execute("DELETE FROM sqlite_sequence WHERE name = 'outbox'")
    database.execute("INSERT INTO sqlite_sequence VALUES('outbox', ?)", (number,))


def _insert(database: sqlite3.Connection, row: Sequence[object], limit: int) -> int:
    """Add a row and hold the limit; how many rows had to go."""
    database.execute("INSERT OR IGNORE INTO outbox(key, cleared, topic, payload) VALUES(?, ?, ?, ?)", row)
    excess = _count(database) - limit
    if excess <= 0:
        return 0
    oldest = "SELECT number FROM outbox ORDER BY cleared DESC, number LIMIT ?"
    database.execute(f"DELETE FROM outbox WHERE number IN ({oldest})", (excess,))  # noqa: S608 - a constant
    return excess


def _count(database: sqlite3.Connection) -> int:
    return int(database.execute("SELECT count(*) FROM outbox").fetchone()[0])
