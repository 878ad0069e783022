"""Files that appear whole or not at all, whenever the process ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ecgmon.errors import DataError


@contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which becomes ``path`` when the block ends well and is gone otherwise.

    Raises :class:`DataError` when it cannot be written. What a killed process leaves is called
    ``.NAME.PROCESS``.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            yield file
        beside.replace(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror})") from None
    finally:
        beside.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` so that no reader ever sees half of it; :class:`DataError` when it
    fails."""
    with whole(path) as file:
        file.write(content)
