"""Streams and the chunks since, in one SQLite file; what :mod:`ecgmon.monitor.keeper` decides to keep.

Every row carries a checksum: SQLite finds a broken page, not a flipped bit. How safe a commit is stands in
:mod:`ecgmon.sinks.database`.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ecgmon.errors import DiskError
from ecgmon.sinks.database import Design, connect, identity, open_file

log = logging.getLogger(__name__)

STATE_FILE: Final = "state.sqlite"

VERSION: Final = 3
"""Of the tables below and of what the rows hold (:mod:`ecgmon.monitor.snapshot`)."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS streams(
    name TEXT PRIMARY KEY,
    content BLOB NOT NULL,
    checksum INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS chunks(
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    stream TEXT NOT NULL,
    content BLOB NOT NULL,
    checksum INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS chunks_of_stream ON chunks(stream);
"""

_DESIGN: Final = Design(_SCHEMA, VERSION, "the streams' state")


@dataclass(frozen=True, slots=True)
class AddChunk:
    """``stream`` has taken one more chunk."""

    stream: str
    content: bytes


@dataclass(frozen=True, slots=True)
class PutStream:
    """The whole of ``stream`` as it is now; its chunks so far are not needed any more."""

    stream: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Forget:
    """``stream`` is no more; None: nor is any other."""

    stream: str | None


Change = AddChunk | PutStream | Forget


class StateFile:
    """The file, open for us alone. ``EcgmonError`` as :func:`ecgmon.sinks.database.open_file`, but for a disk
    that fails: then nothing lies there, and every :meth:`write` raises, until :meth:`reopen` goes well."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._identity: tuple[int, int] | None = None
        try:
            self._database = open_file(path, _DESIGN)
        except DiskError as error:
            log.error("%s; the streams would be lost by a restart", error)  # noqa: TRY400 - one line says it
            self._database = connect(":memory:", _DESIGN)
        else:
            self._identity = identity(path)

    @property
    def usable(self) -> bool:
        """The file could be opened."""
        return self._identity is not None

    def streams(self) -> Iterator[tuple[str, bytes | None]]:
        """(name, content); None for a damaged one."""
        return self._read("SELECT name, content, checksum FROM streams ORDER BY name")

    def chunks(self) -> Iterator[tuple[str, bytes | None]]:
        """(stream, content) in the order they were taken; None for a damaged one."""
        return self._read("SELECT stream, content, checksum FROM chunks ORDER BY number")

    def write(self, changes: Iterable[Change]) -> None:
        """All of ``changes`` in order, or none and ``sqlite3.Error`` or ``OSError``."""
        if self._identity is None or identity(self._path) != self._identity:
            raise OSError("another file lies in its place")
        with self._database as database:
            for change in changes:
                _apply(database, change)

    def reopen(self) -> None:
        """After a failure: begin anew with what lies there, or with nothing."""
        self.close()
        self._identity = None
        self._database = open_file(self._path, _DESIGN)
        self._identity = identity(self._path)

    def close(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._database.close()

    def _read(self, query: str) -> Iterator[tuple[str, bytes | None]]:
        try:
            for name, raw, checksum in self._database.execute(query):
                yield name, raw if _checksum(raw) == checksum else None
        except sqlite3.Error as error:
            log.error("%s cannot be read to its end (%s): what is left is learned anew", self._path, error)  # noqa: TRY400 - handled


def _apply(database: sqlite3.Connection, change: Change) -> None:
    match change:
        case AddChunk(stream, content):
            row = (stream, content, _checksum(content))
            database.execute("INSERT INTO chunks(stream, content, checksum) VALUES(?, ?, ?)", row)
        case PutStream(stream, content):
            database.execute("DELETE FROM chunks WHERE stream = ?", (stream,))
            row = (stream, content, _checksum(content))
            database.execute("INSERT OR REPLACE INTO streams VALUES(?, ?, ?)", row)
        case Forget(None):
            database.execute("DELETE FROM chunks")
            database.execute("DELETE FROM streams")
        case Forget(stream):
            database.execute("DELETE FROM chunks WHERE stream = ?", (stream,))
            database.execute("DELETE FROM streams WHERE name = ?", (stream,))


def _checksum(content: object) -> int:
    return zlib.crc32(content) if isinstance(content, bytes) else -1
