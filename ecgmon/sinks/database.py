"""One private SQLite file: made, checked, put aside when it cannot be read.

WAL mode without a flush at each commit: what was committed is safe from a kill of the program at once (tens
of microseconds), and from a power failure a moment later, when the system has written its cache. A commit
that a power failure takes back is taken back whole, and with it all later ones: the file stays consistent.

The file (mode 0600, its folder 0700) is ours alone while it is open: an exclusive lock, which the system
takes back from a killed program. Nothing can lock us out later, and a second program on the same file is
refused at once. SQLite reads rows, it executes nothing that lies in the file.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sqlite3
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ecgmon.errors import DiskError, EcgmonError

log = logging.getLogger(__name__)

DISK_ERRORS: Final = (sqlite3.Error, OSError)
"""What a disk that fails raises."""


_FAILING: Final = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG, errno.ENXIO, errno.ESTALE}
_FAILING_SQLITE: Final = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR}


class OtherVersionError(sqlite3.DatabaseError):
    """The file was written by another version of this program."""


@dataclass(frozen=True, slots=True)
class Design:
    """``schema``: statements that make the tables where there are none; ``version`` of it, > 0; ``what`` is
    kept there, in the plural, for messages."""

    schema: str
    version: int
    what: str


def open_file(path: Path, design: Design) -> sqlite3.Connection:
    """The file, made where there was none.

    One that is damaged or of another version is put aside (``*.damaged``, ``*.other-version``), one log line
    says so, and it is made anew. :class:`~ecgmon.errors.DiskError` where the disk is full, read-only or
    failing, which may pass; else :class:`~ecgmon.errors.EcgmonError` when the place cannot be used.
    """
    try:
        try:
            return _use(path, design)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            _put_aside(path, error)
            return _use(path, design)
    except DISK_ERRORS as error:
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_BUSY:
            raise EcgmonError(
                f"{path}: in use by another program; every ecgmon that runs needs a state_dir of its own"
            ) from None
        reason = getattr(error, "strerror", None) or error
        if _fails(error):
            raise DiskError(f"{path}: {design.what} cannot be kept there now ({reason})") from None
        raise EcgmonError(
            f"{path}: {design.what} cannot be kept there ({reason}); make it writable, or leave state_dir out"
        ) from None


def _fails(error: Exception) -> bool:
    """It is the disk, not what we were told of it."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without the extended part
    return code in _FAILING_SQLITE or getattr(error, "errno", None) in _FAILING


def connect(name: str, design: Design) -> sqlite3.Connection:
    """A connection in the right mode, with its tables; ``name`` is a path or ``:memory:``."""
    database = sqlite3.connect(name, timeout=0.5, check_same_thread=False)
    try:
        database.execute("PRAGMA locking_mode = EXCLUSIVE")  # before WAL, which then needs no shared memory
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if version not in {0, design.version}:
            raise OtherVersionError(f"it has version {version}, this program writes {design.version}")
        database.executescript(design.schema)
        if not version:  # or it would be written each time, and a full disk could not be read
            database.execute(f"PRAGMA user_version = {design.version}")
    except sqlite3.Error:
        database.close()
        raise
    return database


def identity(path: Path) -> tuple[int, int]:
    """Which file lies at ``path``: a folder that was emptied or mounted over shows itself here."""
    found = path.stat()
    return found.st_dev, found.st_ino


def _use(path: Path, design: Design) -> sqlite3.Connection:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):  # private from the start; -wal takes its mode
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    if stat.S_IMODE(path.stat().st_mode) != 0o600:
        path.chmod(0o600)
    database = connect(str(path), design)
    try:
        if database.execute("PRAGMA quick_check").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("quick_check failed")
    except sqlite3.Error:
        database.close()
        raise
    return database


def _put_aside(path: Path, error: sqlite3.DatabaseError) -> None:
    other = isinstance(error, OtherVersionError)
    aside = path.with_name(f"{path.name}.{'other-version' if other else 'damaged'}")
    what = "is of another version" if other else "is damaged"
    log.error("%s %s (%s) and is put aside as %s", path, what, error, aside.name)
    path.replace(aside)
    for end in ("-wal", "-shm"):  # they belong to it; beside a new file they would be taken for that one's
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + end).replace(aside.with_name(aside.name + end))
