"""Messages that must not be lost, on disk until the broker has them.

SQLite in WAL mode without a flush at each commit: a message is safe from a kill of the program when
:meth:`Outbox.put` returns (tens of microseconds), and from a power failure a moment later, when the system
has written its cache.

The file is ours alone while it is open (an exclusive lock, which the system takes back from a killed
program): nothing can lock us out later, and a second program on the same file is refused at once.

The outbox is bounded. When it is full the oldest ``cleared`` goes first, then the oldest of all: a person
must above all learn that something began.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from ecgmon.errors import EcgmonError

T = TypeVar("T")

log = logging.getLogger(__name__)

COMPLAIN_EVERY: Final = 60.0
"""Seconds between two log lines about messages given up."""

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


@dataclass(frozen=True, slots=True)
class Entry:
    """One message waiting; ``number`` grows with age's order and is never used twice."""

    number: int
    topic: str
    payload: bytes


class Outbox:
    """A bounded queue of messages that survives the program; all methods may be called from any thread.

    ``path`` None keeps it in memory. A file that cannot be used from the start is an
    :class:`~ecgmon.errors.EcgmonError`; a damaged one is put aside as ``*.damaged``. A disk that fails later
    does not stop the monitor: messages are then kept in memory, :attr:`durable` is False and the log says so
    once.
    """

    def __init__(self, path: Path | None, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._path = path
        self._database = _connect(":memory:") if path is None else _open_file(path)
        self._left: int | None = None  # how many waited when it was closed
        self._said = -COMPLAIN_EVERY
        self.durable: bool = path is not None
        self.shed = 0
        """Messages given up because the outbox was full."""
        self.disk_errors = 0
        """Times that the disk did not take a message, which then was kept in memory alone."""

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
            try:
                with self._database:
                    return work(self._database)
            except sqlite3.Error as error:
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

    def _retreat(self, error: sqlite3.Error) -> None:
        """The disk failed: go on in memory with what can still be read from it."""
        log.error("%s: the disk failed (%s); alerts are kept in memory only from here on", self._path, error)
        rows: list[tuple[object, ...]] = []
        with contextlib.suppress(sqlite3.Error):
            rows = self._database.execute(
                "SELECT number, key, cleared, topic, payload FROM outbox"
            ).fetchall()
        with contextlib.suppress(sqlite3.Error):
            self._database.close()
        self._database = _connect(":memory:")
        with self._database:
            # Numbers must go on growing, though the highest so far may not be readable.
            self._database.execute("INSERT INTO sqlite_sequence VALUES('outbox', ?)", (2**40,))
            self._database.executemany("INSERT INTO outbox VALUES(?, ?, ?, ?, ?)", rows)
        self.durable = False


def _insert(database: sqlite3.Connection, row: tuple[str, bool, str, bytes], limit: int) -> int:
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


def _open_file(path: Path) -> sqlite3.Connection:
    """The file, made where there was none, or put aside and made anew where it was no database."""
    try:
        try:
            return _use_file(path)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            aside = path.with_name(path.name + ".damaged")
            log.error("%s is damaged (%s) and is put aside as %s", path, error, aside.name)  # noqa: TRY400 - handled
            path.replace(aside)
            return _use_file(path)
    except (OSError, sqlite3.Error) as error:
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_BUSY:
            raise EcgmonError(
                f"{path}: in use by another program; every ecgmon that runs needs a state_dir of its own"
            ) from None
        reason = getattr(error, "strerror", None) or error
        raise EcgmonError(
            f"{path}: alerts cannot be kept there ({reason}); make it writable, or leave state_dir out"
        ) from None


def _use_file(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):  # private from the start; -wal takes its mode
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    path.chmod(0o600)
    database = _connect(str(path))
    try:
        if database.execute("PRAGMA quick_check").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("quick_check failed")
    except sqlite3.Error:
        database.close()
        raise
    return database


def _connect(name: str) -> sqlite3.Connection:
    database = sqlite3.connect(name, timeout=0.5, check_same_thread=False)
    try:
        database.execute("PRAGMA locking_mode = EXCLUSIVE")  # before WAL, which then needs no shared memory
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.executescript(_SCHEMA)
    except sqlite3.Error:
        database.close()
        raise
    return database
