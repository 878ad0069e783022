"""The data sets of ``ecgmon compare``: read once, kept as a file each, known by the hash of their content."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tqdm import tqdm

from ecgmon.commands.output import writable_folder
from ecgmon.commands.recordings import is_record, labelled, name_of, patients_of, resolve
from ecgmon.commands.windows import write_windows
from ecgmon.comparison.data import CsvData, DatasetSettings, MadeFrom, Part, RecordsData, Table, identity
from ecgmon.errors import ConfigError, DataError, UsageError
from ecgmon.evaluation.tally import LEARNING
from ecgmon.sources.windows import read_windows

log = logging.getLogger(__name__)

SUFFIXES: Final = (".hea", ".dat", ".atr")
"""Files of a record that decide its beats; segments have names that begin with the record's."""


def prepared(name: str, settings: DatasetSettings, folder: Path, where: str) -> str:
    """The hash of a data set, whose beats are in ``folder`` as ``HASH.npz`` afterwards.

    Raises :class:`ConfigError`, which begins with ``where``, for files and records that are not there,
    :class:`DataError` for those that cannot be read.
    """
    try:
        if isinstance(settings, RecordsData):
            return _records(name, settings, folder)
        return _windows(name, settings, folder)
    except UsageError as error:
        raise ConfigError(f"{where}: datasets.{name}: {error}") from None


def _records(name: str, settings: RecordsData, folder: Path) -> str:
    data = Path(settings.data)
    parts = [resolve(data, names) for names in (settings.train, settings.test)]
    both = sorted({path.name for path in set(parts[0]) & set(parts[1])})
    if both:
        raise UsageError(f"record '{both[0]}' is in both train and test")
    unknown = [record for record in settings.patients if not is_record(data, record)]
    if unknown:
        raise UsageError(f"patients: there is no record '{unknown[0]}' in {data}")
    table = identity(settings, [[file for path in part for file in _files(path)] for part in parts])
    path = folder / f"{table}.npz"
    if not _is_whole(path):
        log.info("%s: reading %d records", name, len(parts[0]) + len(parts[1]))
        Table(*(_part(part, data, settings) for part in parts)).save(path)
    return table


def _part(paths: Sequence[Path], data: Path, settings: RecordsData) -> Part:
    names = [name_of(path, data) for path in paths]
    patients = patients_of(names, settings.patients)
    records = [
        labelled(path, settings.lead, settings.layout, settings.beats, patient=patients[name])
        for path, name in tqdm(
            list(zip(paths, names, strict=True)), desc="reading", unit="record", disable=None
        )
    ]
    return Part.of_records(records, names, settings.layout)


def _files(record: Path) -> list[Path]:
    return sorted(path for path in record.parent.glob(f"{record.name}*") if path.suffix in SUFFIXES)


def _windows(name: str, settings: CsvData, folder: Path) -> str:
    files = [Path(settings.train), Path(settings.test)]
    for path, records in zip(files, _origins(settings.make), strict=True):
        if path.is_file():
            continue
        if settings.make is None or records is None:
            raise UsageError(
                f"{path}: no such file; make it with `ecgmon windows`, or say of which records: make"
            )
        writable_folder(path.parent)
        log.info("%s: making %s", name, path)
        write_windows(
            resolve(Path(settings.make.data), records),
            path,
            lead=settings.make.lead,
            beats=settings.make.beats,
            start=LEARNING if path == files[1] else 0.0,
        )
    table = identity(settings, [[path] for path in files])
    kept = folder / f"{table}.npz"
    if not _is_whole(kept):
        log.info("%s: reading %s and %s", name, *files)
        Table(*(Part.of_windows(read_windows(path), str(path)) for path in files)).save(kept)
    return table


def _origins(make: MadeFrom | None) -> tuple[str | None, str | None]:
    return (None, None) if make is None else (make.train, make.test)


def _is_whole(path: Path) -> bool:
    """Whether the file is there and can be read; one that cannot is made again."""
    if not path.exists():
        return False
    try:
        Table.load(path)
    except DataError as error:
        log.warning("%s", error)
        return False
    return True
