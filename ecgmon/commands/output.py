"""What a command needs for its output, asked for before the work."""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path

from ecgmon.errors import UsageError


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
