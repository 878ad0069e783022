"""The beats that methods are compared on, and how they are kept.

Recordings are read once; all their beats, good and bad, go into one ``.npz``, since the project's own model
wants the whole stream. Other methods see the good ones, one normalised window at a time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

import msgspec
import numpy as np
from numpy.typing import NDArray

from ecgmon.comparison.datasets import DatasetSettings
from ecgmon.ecg.aami import CLASSES
from ecgmon.ecg.frontend import fingerprint
from ecgmon.ecg.types import WINDOW, Beat, Layout, Samples
from ecgmon.errors import DataError
from ecgmon.files import whole
from ecgmon.model.dataset import RecordBeats, normalise
from ecgmon.sources.windows import Windows

FORMAT: Final = 2
"""Raised when the same recordings give another file than before."""

NUMBERS: Final = ("r", "ready", "scale", "rr", "rr_local", "irregularity", "size")
"""What is kept of a beat beside window, index and quality."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """All beats of some recordings, or of a file of windows: then there are no names.

    window    [n, 187] mV, or 0..1 of the layout ``kachuee``
    label     [n] AAMI class; "" of a beat that no annotation knows
    record    [n] which recording, by index into ``names``
    index     [n] running number in its recording
    good      [n] passed the quality gate
    numbers   [n, 7] the columns of :data:`NUMBERS`
    flutter   [m, 3] index of the recording, first and last moment of a span, s
    missed    [5] annotated beats that the detector did not find, by :data:`CLASSES`: outside flutter, behind
              the first ``learning_seconds``
    """

    layout: Layout
    names: tuple[str, ...]
    patients: tuple[str, ...]
    window: Samples
    label: NDArray[np.str_]
    record: NDArray[np.int64]
    index: NDArray[np.int64]
    good: NDArray[np.bool_]
    numbers: NDArray[np.float64]
    hours: NDArray[np.float64]
    flutter: NDArray[np.float64]
    missed: NDArray[np.int64]

    @classmethod
    def of_records(
        cls,
        records: Sequence[RecordBeats],
        names: Sequence[str],
        layout: Layout,
        missed: NDArray[np.int64] | None = None,
    ) -> Part:
        """``names`` are the recordings', one each."""
        beats = [beat for record in records for beat in record.beats]
        spans = [(i, *span) for i, record in enumerate(records) for span in record.flutter]
        return cls(
            layout=layout,
            names=tuple(names),
            patients=tuple(record.patient for record in records),
            window=np.array([beat.window for beat in beats], np.float32).reshape(-1, WINDOW),
            label=np.array([label for record in records for label in record.labels], "<U1"),
            record=np.repeat(np.arange(len(records)), [len(record.beats) for record in records]),
            index=np.array([beat.index for beat in beats], np.int64),
            good=np.array([beat.good for beat in beats], np.bool_),
            numbers=np.array([[getattr(beat, key) for key in NUMBERS] for beat in beats], np.float64).reshape(
                -1, len(NUMBERS)
            ),
            hours=np.array([record.hours for record in records], np.float64),
            flutter=np.array(spans, np.float64).reshape(-1, 3),
            missed=np.zeros(len(CLASSES), np.int64) if missed is None else missed,
        )

    @classmethod
    def of_windows(cls, windows: Windows, path: str) -> Part:
        """Windows from a CSV; :class:`DataError` where they have no labels, or others than 0 to 4."""
        if windows.labels is None:
            raise DataError(f"{path}: has no labels in column 188, so there is nothing to compare with")
        if windows.labels.max() >= len(CLASSES):
            raise DataError(f"{path}: labels must be 0 (normal) to 4, and there is {windows.labels.max()}")
        n = len(windows.x)
        return cls(
            layout="kachuee",
            names=(),
            patients=(),
            window=windows.x,
            label=np.array(CLASSES)[windows.labels],
            record=np.zeros(n, np.int64),
            index=np.arange(n),
            good=np.ones(n, np.bool_),
            numbers=np.ones((n, len(NUMBERS))),
            hours=np.zeros(0),
            flutter=np.zeros((0, 3)),
            missed=np.zeros(len(CLASSES), np.int64),
        )

    def column(self, name: str) -> NDArray[np.float64]:
        """[n] one of :data:`NUMBERS`."""
        values: NDArray[np.float64] = self.numbers[:, NUMBERS.index(name)]
        return values

    def x(self, rows: NDArray[np.int64]) -> Samples:
        """[k, 187] normalised windows of the beats ``rows`` [k]."""
        return normalise(self.window[rows], self.column("scale")[rows], self.layout)

    def in_flutter(self) -> NDArray[np.bool_]:
        """[n] whether the beat lies within annotated flutter."""
        inside, r = np.zeros(len(self.label), np.bool_), self.column("r")
        for record, first, last in self.flutter:
            inside |= (self.record == record) & (r >= first) & (r <= last)
        return inside

    def records(self) -> list[RecordBeats]:
        """The recordings as they were read."""
        found = []
        columns = [self.column(name).tolist() for name in NUMBERS]
        for i, patient in enumerate(self.patients):
            rows = np.flatnonzero(self.record == i).tolist()
            beats = [
                Beat(
                    index=int(self.index[n]),
                    window=self.window[n],
                    good=bool(self.good[n]),
                    **{name: column[n] for name, column in zip(NUMBERS, columns, strict=True)},
                )
                for n in rows
            ]
            spans = tuple((float(a), float(b)) for record, a, b in self.flutter if record == i)
            labels = [str(self.label[n]) for n in rows]
            found.append(RecordBeats(patient, beats, labels, float(self.hours[i]), spans))
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A data set: what is learned and validated on, and what is tested on."""

    train: Part
    test: Part

    def save(self, path: Path) -> None:
        """Whole or not at all; nothing of it is executable."""
        arrays: dict[str, Any] = {}
        for name in ("train", "test"):
            part = getattr(self, name)
            arrays |= {f"{name}.{key}": np.asarray(getattr(part, key)) for key in part.__slots__}
        with whole(path) as file:
            np.savez(file, **arrays)

    @classmethod
    def load(cls, path: Path) -> Table:
        """Raises :class:`DataError` for a file that is not whole."""
        try:
            with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                parts = {name: _part(file, name) for name in ("train", "test")}
        except (OSError, EOFError, KeyError, ValueError, BadZipFile) as error:
            raise DataError(
                f"{path}: damaged ({type(error).__name__}); delete it, it is made again"
            ) from None
        return cls(**parts)


def _part(file: Any, name: str) -> Part:
    fields: dict[str, Any] = {key: file[f"{name}.{key}"] for key in Part.__slots__}
    fields |= {key: tuple(fields[key].tolist()) for key in ("names", "patients")}
    return Part(**(fields | {"layout": str(fields["layout"])}))


def identity(settings: DatasetSettings, parts: Sequence[Sequence[Path]]) -> str:
    """Hash of what decides a table: the content of the ``parts``' files, the way that beats are cut, and the
    settings that are not about how many are drawn."""
    tree = msgspec.to_builtins(settings)
    decides = {
        key: value
        for key, value in tree.items()
        # where the files lie, how they were named and how many beats are drawn does not matter
        if not key.startswith("max_") and key not in {"make", "share_tested", "data", "train", "test"}
    }
    digest = hashlib.sha256(msgspec.json.encode([FORMAT, decides, fingerprint()], order="sorted"))
    for i, path in ((i, path) for i, part in enumerate(parts) for path in part):
        try:
            with path.open("rb") as file:
                digest.update(f"{i} {path.name} ".encode())
                digest.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    return digest.hexdigest()[:16]
