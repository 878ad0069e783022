"""Files that a command writes: whole or not at all, and refused before the work when they cannot be
written."""

from __future__ import annotations

import importlib.util
import os
import tempfile
from pathlib import Path

from ecgmon.errors import DataError, UsageError


def can_draw() -> bool:
    """Whether matplotlib is here; the extra ``report`` asks for it, and nothing but pictures needs it."""
    return importlib.util.find_spec("matplotlib") is not None


def writable_folder(path: Path) -> Path:
    """Check that ``path`` is a folder that can be written to, making it where it is missing.

    Raises :class:`UsageError` when it is not one.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            return path
    except OSError as error:
        raise UsageError(f"{path}: not a folder that can be written to ({error.strerror})") from None


def write_whole(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` so that no reader ever sees half of it; :class:`DataError` when it
    fails."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise DataError(f"{path}: cannot be written ({error.strerror})") from None
