"""CSV files of windows that ``ecgmon compare`` makes itself, and knows again by a note beside them."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Final

import msgspec

from ecgmon.commands.output import writable_folder
from ecgmon.commands.recordings import name_of, resolve
from ecgmon.commands.windows import write_windows
from ecgmon.comparison.datasets import BeatsFrom, MadeFrom
from ecgmon.ecg.frontend import fingerprint
from ecgmon.errors import DataError, UsageError
from ecgmon.files import write_whole

log = logging.getLogger(__name__)

NOTE: Final = ".made.json"
"""Behind the CSV's name: what it was made of."""


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What a CSV was made of, and the hash of what came out."""

    records: list[str]
    lead: str
    beats: BeatsFrom
    start: float
    fingerprint: str
    """Of the code that cuts beats."""
    content: str = ""


def made(path: Path, make: MadeFrom, records: str | None, start: float, *, write: bool, name: str) -> bool:
    """Whether ``path`` is there, made of ``records`` as ``make`` says; with ``write`` it is afterwards.

    A file that was made of something else is made again. Raises :class:`UsageError` for one that was not made
    here, or was changed since.
    """
    data = Path(make.data)
    paths = resolve(data, records)
    wanted = Note(
        records=[name_of(record, data) for record in paths],
        lead=make.lead,
        beats=make.beats,
        start=start,
        fingerprint=fingerprint(),
    )
    if path.exists():
        note = _note(path)
        if note is None or note.content != _hash(path):
            raise UsageError(
                f"{path}: is there, and not as compare would have made it; delete it, name another file, or "
                "leave out make"
            )
        if note == msgspec.structs.replace(wanted, content=note.content):
            return True
        log.warning("%s: %s was made of something else, and is made again", name, path)
    if not write:
        return False
    writable_folder(path.parent)
    log.info("%s: making %s", name, path)
    fresh = path.with_name(f"{path.name}.new")
    write_windows(paths, fresh, lead=make.lead, beats=make.beats, start=start)
    note = msgspec.structs.replace(wanted, content=_hash(fresh))
    # The file comes last: whenever the process ends, what stands at `path` has its note or is not there.
    path.unlink(missing_ok=True)
    write_whole(_beside(path), msgspec.json.format(msgspec.json.encode(note), indent=1) + b"\n")
    fresh.replace(path)
    return True


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}{NOTE}")


def _note(path: Path) -> Note | None:
    try:
        return msgspec.json.decode(_beside(path).read_bytes(), type=Note)
    except (OSError, msgspec.MsgspecError):
        return None


def _hash(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
