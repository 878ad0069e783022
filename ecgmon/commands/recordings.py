"""Recordings as ``--data`` and ``--records`` name them, and their beats with what the annotators said.

Shared by ``train``, ``calibrate``, ``evaluate`` and ``scan``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Final, Literal

import numpy as np

from ecgmon.ecg.aami import DS1, DS2, SAME_PATIENT
from ecgmon.ecg.frontend import Frontend
from ecgmon.ecg.leads import LeadSelector
from ecgmon.ecg.types import Beat, Layout
from ecgmon.errors import DataError, UsageError
from ecgmon.evaluation.matching import match
from ecgmon.evaluation.reference import Reference, reference
from ecgmon.evaluation.tally import TOLERANCES
from ecgmon.model.bundle import DataInfo
from ecgmon.model.dataset import RecordBeats
from ecgmon.sources.annotations import read_annotations
from ecgmon.sources.base import chunks
from ecgmon.sources.wfdb import WfdbSettings, WfdbSource

BeatsFrom = Literal["own", "reference"]
"""Whose R-peaks to use: the detector's own, or the annotators'."""

SPLITS: Final = {"DS1": DS1, "DS2": DS2}
"""Names that ``--records`` knows."""

CHUNK_SECONDS: Final = 60.0
"""Recordings are read in pieces of this length, s; the beats do not depend on it."""


def resolve(data: Path, records: str | None = None, exclude: str | None = None) -> list[Path]:
    """Paths, without suffix, of the records that ``--data`` and ``--records`` name, in the order named.

    ``records`` is ``DS1`` or ``DS2``, one name or several separated by commas, or, where there is no such
    record, a file with one name a line (blank lines and what follows ``#`` are skipped). None means all:
    those in the folder's ``RECORDS``, or every header where there is no such list. A name may lead into a
    folder below, such as ``p1/100``. ``exclude`` names records in the same way, and those are left out; it
    may name some that ``records`` does not. Raises :class:`UsageError` for a folder or a record that does
    not exist, and when nothing is left.
    """
    if not data.is_dir():
        raise UsageError(f"{data}: no such folder; --data names a folder of WFDB records")
    if records is not None:
        names = _named(data, records, "--records")
    elif (data / "RECORDS").is_file():
        names = _checked(data, _listed(data / "RECORDS"), f"{data / 'RECORDS'}")
    else:
        names = _checked(data, _headers(data), f"{data}")
    if exclude is not None:
        without = set(_named(data, exclude, "--exclude"))
        names = [name for name in names if name not in without]
        if not names:
            raise UsageError(f"--exclude {exclude}: leaves no record")
    return [data / name for name in names]


def _named(data: Path, text: str, option: str) -> list[str]:
    """The records that an option's ``text`` names: a split, a file of names, or names by comma."""
    if text in SPLITS:
        return _checked(data, list(SPLITS[text]), f"{option} {text}")
    if "," not in text and not is_record(data, text) and _is_file(Path(text)):
        return _checked(data, _listed(Path(text)), text)
    return _checked(data, [name.strip() for name in text.split(",")], option)


def _checked(data: Path, names: Sequence[str], origin: str) -> list[str]:
    """``names`` without suffix, each of them once and a record in ``data``."""
    names = [name.removesuffix(".hea") for name in names]
    if not names:
        raise UsageError(f"{origin}: names no record")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"{origin}: names record '{twice[0]}' twice")
    for name in names:
        if not is_record(data, name):
            raise UsageError(f"{origin}: record '{name}' is not in {data}; {_some(_headers(data))}")
    return names


def patients_of(names: Sequence[str], given: Mapping[str, str]) -> dict[str, str]:
    """Record name to patient: what ``given`` says, else the name itself; the two records of MIT-BIH that are
    of one heart share a patient where both are among ``names``.

    The rule goes by name alone. In another database it may put two patients together, who then are in the
    same part of every split; nothing worse comes of it.
    """
    patients = {}
    for name in names:
        twin = _heart(name)
        one = twin if twin in names else name
        patients[name] = given.get(name, given.get(one, one))
    return patients


def _heart(name: str) -> str:
    """The first of the records that are, by name, of the same heart as ``name``."""
    path = PurePosixPath(name)
    return path.with_name(SAME_PATIENT[path.name]).as_posix() if path.name in SAME_PATIENT else name


def name_of(record: Path, data: Path) -> str:
    """What results call ``record``, one of :func:`resolve`: its path below ``data``, such as ``100`` or
    ``p1/100``; two patients' recordings often share the last part."""
    return record.relative_to(data).as_posix() if record.is_relative_to(data) else record.as_posix()


def folder_name(data: Path) -> str:
    """The last part of ``data``'s own path, also where it is given as ``.``."""
    return Path(os.path.abspath(data)).name  # noqa: PTH100 - resolve() would follow links


def trained_on(known: DataInfo, data: Path, records: Iterable[Path]) -> list[str]:
    """Those of ``records`` whose patients the model learned from, or stopped its training by: of a name among
    its patients, or of one heart with one of them, in a folder named like the one it was trained on."""
    if folder_name(data) != known.source:
        return []
    seen = {_heart(patient) for patient in (*known.train, *known.validation)}
    return [name for record in records if _heart(name := name_of(record, data)) in seen]


@contextmanager
def naming(record: Path) -> Iterator[None]:
    """A :class:`DataError` raised inside says which record it is about."""
    try:
        yield
    except DataError as error:
        if str(record) in str(error):
            raise
        raise DataError(f"{record}: {error}") from error


def truth(record: Path) -> Reference:
    """The annotated beats of ``record``; raises :class:`DataError` when it has no ``.atr``, or no beat in
    it."""
    marks = read_annotations(record)
    known = reference(marks.samples, marks.symbols, marks.fs)
    if not len(known.t):
        raise DataError(f"{record}.atr: holds no annotated beat, so there is nothing to compare with")
    return known


def labelled(
    record: Path,
    lead: str = "0",
    layout: Layout = "centred",
    beats: BeatsFrom = "own",
    *,
    patient: str | None = None,
) -> RecordBeats:
    """All beats of one record, as the frontend cuts them, each with the AAMI class of its annotation.

    A beat gets the class of the annotation that it is matched to, one to one within 150 ms; "" where no
    annotation belongs to it. Annotated beats that the frontend did not find are not among the result: there
    is no signal to learn from. The patient is the record's name unless told. With ``beats="reference"`` the
    R-peaks are the annotators'.

    Raises :class:`DataError` for a damaged record, missing annotations or an unknown lead.
    """
    known = truth(record)
    with naming(record):
        found, hours = _beats(record, lead, layout, known if beats == "reference" else None)
    matching = match(known.t, np.array([beat.r for beat in found], dtype=np.float64), TOLERANCES[0])
    labels = ["" if i < 0 else str(known.label[i]) for i in matching.detected.tolist()]
    return RecordBeats(patient or record.name, found, labels, hours, known.flutter)


def _beats(record: Path, lead: str, layout: Layout, given: Reference | None) -> tuple[list[Beat], float]:
    """Every beat of the record, and how many hours it lasts."""
    source = WfdbSource(WfdbSettings(records=[str(record)], start_time=0.0, chunk_seconds=CHUNK_SECONDS))
    selector: LeadSelector | None = None
    frontend: Frontend | None = None
    beats: list[Beat] = []
    samples, fs = 0, 1.0
    for chunk in chunks(source):
        if selector is None or frontend is None:
            fs = chunk.fs
            selector = LeadSelector(lead, fs, chunk.leads)
            frontend = Frontend(fs, layout=layout, r_peaks=None if given is None else given.t)
        beats += frontend.feed(selector.feed(chunk.samples)).beats
        samples += chunk.samples.shape[1]
    if selector is not None and frontend is not None:
        beats += frontend.feed(selector.flush()).beats
        beats += frontend.flush().beats
    return beats, samples / fs / 3600


def _listed(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read as a list of record names ({error})") from None
    names = (line.partition("#")[0].strip() for line in lines)
    return [name for name in names if name]


def is_record(data: Path, name: str) -> bool:
    """Whether ``data`` holds a record ``name``."""
    return bool(name) and _is_file(data / f"{name.removesuffix('.hea')}.hea")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name longer than any file's, or with a zero byte
        return False


def _headers(data: Path) -> list[str]:
    return sorted(path.stem for path in data.glob("*.hea"))


def _some(names: Iterable[str], most: int = 8) -> str:
    names = list(names)
    if not names:
        return "there is no WFDB header in it"
    return f"it has {', '.join(names[:most])}{' ...' if len(names) > most else ''}"
