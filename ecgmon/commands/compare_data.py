"""The data sets of ``ecgmon compare``: read once, kept as a file each, known by the hash of their content."""

from __future__ import annotations

import filecmp
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ecgmon.commands import made_csv
from ecgmon.commands.recordings import is_record, labelled, name_of, patients_of, resolve, truth
from ecgmon.comparison.data import Part, Table, identity
from ecgmon.comparison.datasets import CsvData, DatasetSettings, RecordsData
from ecgmon.ecg.aami import CLASSES
from ecgmon.errors import ConfigError, DataError, UsageError
from ecgmon.evaluation.reference import Reference
from ecgmon.evaluation.tally import LEARNING
from ecgmon.model.dataset import RecordBeats
from ecgmon.sources.windows import read_windows

log = logging.getLogger(__name__)

SUFFIXES: Final = (".hea", ".dat", ".atr")
"""Files of a record that decide its beats; segments have names that begin with the record's."""

MOST_COPIES: Final = 0.01
"""Share of the tested windows that may stand in the training file, too, as flat ones may."""


def prepared(name: str, settings: DatasetSettings, folder: Path, where: str, *, make: bool = True) -> str:
    """The hash of a data set, whose beats are in ``folder`` as ``HASH.npz`` afterwards.

    With ``make`` false nothing is read but what the hash is of; "" where that is not there. Raises
    :class:`ConfigError`, which begins with ``where``, for files and records that are not there and for a test
    that was learned from, :class:`DataError` for those that cannot be read.
    """
    try:
        if isinstance(settings, RecordsData):
            return _records(name, settings, folder, make=make)
        return _windows(name, settings, folder, make=make)
    except UsageError as error:
        raise ConfigError(f"{where}: datasets.{name}: {error}") from None


def _records(name: str, settings: RecordsData, folder: Path, *, make: bool) -> str:
    data = Path(settings.data)
    parts = [resolve(data, names) for names in (settings.train, settings.test)]
    unknown = [record for record in settings.patients if not is_record(data, record)]
    if unknown:
        raise UsageError(f"patients: there is no record '{unknown[0]}' in {data}")
    patients = _apart(name, [[name_of(path, data) for path in part] for part in parts], settings.patients)
    table = identity(settings, [[file for path in part for file in _files(path)] for part in parts])
    path = folder / f"{table}.npz"
    if make and not _is_whole(path):
        log.info("%s: reading %d records", name, len(parts[0]) + len(parts[1]))
        Table(*(_part(part, data, settings, patients) for part in parts)).save(path)
    return table


def _apart(dataset: str, parts: Sequence[Sequence[str]], given: Mapping[str, str]) -> dict[str, str]:
    """Record to patient. Raises :class:`UsageError` where a record, or a patient by ``given``, is in both
    parts; the two records of MIT-BIH that are of one heart, which the usual halves part, are warned of."""
    train, test = parts
    both = sorted(set(train) & set(test))
    if both:
        raise UsageError(f"record '{both[0]}' is in both train and test")
    patients = patients_of([*train, *test], given)
    for one in train:
        for other in test:
            if patients[one] != patients[other]:
                continue
            if one in given or other in given:
                raise UsageError(
                    f"patients: '{patients[one]}' is in both train (record '{one}') and test ('{other}')"
                )
            log.warning(
                "%s: records %s and %s are of one heart, which is learned from and tested on",
                dataset, one, other,
            )  # fmt: skip
    return patients


def _part(paths: Sequence[Path], data: Path, settings: RecordsData, patients: Mapping[str, str]) -> Part:
    names = [name_of(path, data) for path in paths]
    records, missed = [], np.zeros(len(CLASSES), np.int64)
    for path, name in tqdm(list(zip(paths, names, strict=True)), desc="reading", unit="record", disable=None):
        record = labelled(path, settings.lead, settings.layout, settings.beats, patient=patients[name])
        records.append(record)
        missed += _missed(record, truth(path), settings.learning_seconds)
    return Part.of_records(records, names, settings.layout, missed)


def _missed(record: RecordBeats, known: Reference, start: float) -> NDArray[np.int64]:
    """[5] annotated beats behind ``start`` and outside flutter less those that were found, by class."""
    times = np.array([beat.r for beat in record.beats], np.float64)
    wanted = known.label[(known.t >= start) & ~known.in_flutter(known.t)]
    found = np.array(record.labels)[(times >= start) & ~known.in_flutter(times)]
    counts = [max(0, int((wanted == name).sum() - (found == name).sum())) for name in CLASSES]
    return np.array(counts, np.int64)


def _files(record: Path) -> list[Path]:
    return sorted(path for path in record.parent.glob(f"{record.name}*") if path.suffix in SUFFIXES)


def _windows(name: str, settings: CsvData, folder: Path, *, make: bool) -> str:
    files = [Path(settings.train)] if settings.test is None else [Path(settings.train), Path(settings.test)]
    origins: list[tuple[str | None, float]] = (
        [(None, 0.0)] if settings.make is None else [(settings.make.train, 0.0)]
    )
    if settings.test is not None:
        origins.append((None if settings.make is None else settings.make.test, LEARNING))
    for path, (records, start) in zip(files, origins, strict=True):
        if settings.make is None:
            if not path.is_file():
                raise UsageError(
                    f"{path}: no such file; make it with `ecgmon windows`, or say of which records: make"
                )
        elif not made_csv.made(path, settings.make, records, start, write=make, name=name):
            return ""
    if len(files) == 2 and _same(*files):
        raise UsageError(f"train and test have the same content: {files[0]} and {files[1]}")
    table = identity(settings, [[path] for path in files])
    kept = folder / f"{table}.npz"
    if make and not _is_whole(kept):
        log.info("%s: reading %s", name, " and ".join(str(path) for path in files))
        parts = [Part.of_windows(read_windows(path), str(path)) for path in files]
        if len(parts) == 2:
            _no_copies(*parts)
        Table(parts[0], parts[-1]).save(kept)
    return table


def _same(one: Path, other: Path) -> bool:
    try:
        return filecmp.cmp(one, other, shallow=False)
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror})") from None


def _no_copies(train: Part, test: Part) -> None:
    """Raises :class:`UsageError` where tested windows are, sample by sample, among those learned from."""
    known = {window.tobytes() for window in train.window}
    copies = sum(window.tobytes() in known for window in test.window)
    if copies > MOST_COPIES * len(test.window):
        raise UsageError(f"{copies} of the {len(test.window)} windows to test on are in train, too")
    if copies:
        log.warning("%d of the %d windows to test on are in train, too", copies, len(test.window))


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
