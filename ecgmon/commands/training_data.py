"""A training configuration, and the recordings it names: for ``train``, and for ``evaluate --folds``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta
from tqdm import tqdm

from ecgmon.commands.recordings import BeatsFrom, is_record, labelled, name_of, patients_of
from ecgmon.errors import ConfigError
from ecgmon.model.dataset import RecordBeats
from ecgmon.model.fitting import FitSettings


class TrainSettings(FitSettings, frozen=True, kw_only=True):
    """A training configuration: the data, and all that decides the model."""

    data: Annotated[str, Meta(examples=["mitdb"])]
    """Folder of WFDB records with annotations, or a CSV of ready windows."""
    records: str | None = None
    """Names by comma, a file of names, DS1 or DS2; null: all."""
    lead: str = "0"
    """Name of the lead, its index among the record's voltage leads, or auto."""
    beats: BeatsFrom = "own"
    """R-peaks of our detector, which is what runs later, or of the annotations."""
    patients: dict[str, str] = msgspec.field(default_factory=dict)
    """Record to patient where several records come from one heart, such as 202: "201" (which is known); else
    each is its own."""


def read_recordings(
    paths: Sequence[Path], data: Path, settings: TrainSettings, where: Path | str
) -> list[RecordBeats]:
    """All beats of the records ``paths`` in ``data``, with their patients.

    Raises :class:`ConfigError`, which says that it is in ``where``, for a patient of a record that is not
    there, :class:`DataError` for a record that cannot be read.
    """
    for name in settings.patients:
        if not is_record(data, name):
            raise ConfigError(f"{where}: patients: there is no record '{name}' in {data}")
    names = [name_of(path, data) for path in paths]
    patients = patients_of(names, settings.patients)
    return [
        labelled(path, settings.lead, settings.layout, settings.beats, patient=patients[name])
        for path, name in tqdm(
            list(zip(paths, names, strict=True)), desc="reading", unit="record", disable=None
        )
    ]
