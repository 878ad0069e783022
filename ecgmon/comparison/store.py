"""Finished cells on disk: ``KEY.npz`` with the arrays, then ``KEY.json``, which says that it is finished.

Both appear whole or not at all, so that a run may be killed at any moment.
"""

from __future__ import annotations

import io
from pathlib import Path
from zipfile import BadZipFile

import msgspec
import numpy as np

from ecgmon.comparison.cells import Arrays
from ecgmon.comparison.results import CellResult
from ecgmon.errors import DataError
from ecgmon.files import write_whole


class DamagedError(DataError):
    """A cell's files are there, and are not what was written."""


def save(folder: Path, result: CellResult, arrays: Arrays) -> None:
    """Keep a finished cell; :class:`DataError` when it cannot be written."""
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)  # type: ignore[arg-type]
    write_whole(folder / f"{result.key}.npz", packed.getvalue())
    write_whole(
        folder / f"{result.key}.json", msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n"
    )


def load(folder: Path, key: str) -> tuple[CellResult, Arrays] | None:
    """The cell, or None where it is not finished. Raises :class:`DamagedError`."""
    path = folder / f"{key}.json"
    try:
        result = msgspec.json.decode(path.read_bytes(), type=CellResult)
        with path.with_suffix(".npz").open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except FileNotFoundError as error:
        if path.exists():
            raise DamagedError(f"{path}: has no {error.filename}") from None
        return None
    except (OSError, EOFError, ValueError, BadZipFile, msgspec.MsgspecError) as error:
        raise DamagedError(f"{path}: {' '.join(str(error).split()) or type(error).__name__}") from None
    if result.key != key:
        raise DamagedError(f"{path}: is of the cell {result.key}")
    return result, arrays


def sweep_up(folder: Path) -> None:
    """Remove the unfinished files of a run that was killed; nobody else may be writing to ``folder``."""
    for path in folder.glob(".*.npz.*"):
        path.unlink(missing_ok=True)
    for path in folder.glob(".*.json.*"):
        path.unlink(missing_ok=True)
