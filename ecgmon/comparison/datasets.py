"""What a configuration may say of the beats that methods are compared on."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ecgmon.config import Settings
from ecgmon.ecg.types import Layout
from ecgmon.evaluation.tally import LEARNING

Cap = Annotated[int, Meta(ge=1)]
BeatsFrom = Literal["own", "reference"]


class RecordsData(Settings, frozen=True, tag_field="type", tag="records"):
    """Beats of annotated recordings, as the frontend cuts them; who is learned from is decided by patient.

    A training patient gives at most ``max_beats_per_patient`` normal beats, drawn by seed; one who validates
    as many beats of any kind. The test takes every good beat behind the first ``learning_seconds`` of its
    record that an annotation knows and that lies outside flutter, or ``max_test`` of them; the validation
    leaves out the same.
    """

    data: str
    """Folder of WFDB records with annotations."""
    train: str = "DS1"
    """Names by comma, a file of names, DS1 or DS2; their patients train and validate by turns."""
    test: str = "DS2"
    """In the same way; tested on, and nothing else."""
    layout: Layout = "centred"
    """How a beat becomes a window."""
    lead: str = "0"
    """Its name or index, or auto."""
    beats: BeatsFrom = "own"
    """R-peaks of our detector, or of the annotations."""
    patients: dict[str, str] = msgspec.field(default_factory=dict)
    """Record to patient, where several records come from one heart."""
    learning_seconds: Annotated[float, Meta(ge=0)] = LEARNING
    """Of each record, s: what a model that knows its patient learns him in, neither validated nor tested
    on."""
    max_beats_per_patient: Cap | None = 500
    """Learned from, and validated on; null: all."""
    max_test: Cap | None = None
    """Beats tested on, drawn by seed; null: all."""


class MadeFrom(Settings, frozen=True):
    """Recordings that a CSV is made of, as ``ecgmon windows`` does it."""

    data: str
    """Folder of WFDB records with annotations."""
    train: str | None = "DS1"
    """Names by comma, a file of names, DS1 or DS2; null: all in the folder."""
    test: str | None = "DS2"
    """In the same way, less the first five minutes of each; of no effect where all is one file."""
    lead: str = "0"
    """Its name or index, or auto."""
    beats: BeatsFrom = "own"
    """R-peaks of our detector, or of the annotations."""


class CsvData(Settings, frozen=True, tag_field="type", tag="csv"):
    """Files of ready windows with labels, as the public heartbeat files are. They name no patients: who is
    learned from is decided by row, and one heart may be in the training and in the validation; where there is
    no file to test on, in the test as well."""

    train: str
    """The file to learn from."""
    test: str | None
    """null: a part of ``train``, row by row, drawn by seed."""
    share_tested: Annotated[float, Meta(gt=0, lt=1)] = 1 / 3
    """Of ``train``, where there is no file to test on."""
    max_train: Cap | None = 8000
    """Normal windows that are learned from, drawn by seed,"""
    max_validation: Cap | None = 4000
    """and windows of any kind that are validated on."""
    max_test: Cap | None = None
    """Windows tested on; null: all."""
    make: MadeFrom | None = None


DatasetSettings = RecordsData | CsvData
