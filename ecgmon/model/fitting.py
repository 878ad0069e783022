"""From labelled beats to a bundle: split, train, fit the score, calibrate.

Recordings are divided by patient. Windows from a CSV name no patients and are divided by row; such a model
has the reconstruction error as its score, and its log and metadata say how it was divided.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from ecgmon import __version__
from ecgmon.config import Settings
from ecgmon.ecg.frontend import fingerprint
from ecgmon.ecg.types import Layout, Samples
from ecgmon.errors import DataError
from ecgmon.model.autoencoders import Architecture, Autoencoder, ConvSettings
from ecgmon.model.bundle import Bundle, DataInfo, Metadata, Name, TrainingInfo, assemble
from ecgmon.model.calibration import (
    Calibration,
    CalibrationSettings,
    ScoredRecord,
    calibrate,
    calibrate_windows,
)
from ecgmon.model.dataset import Pairs, RecordBeats, gather, normalise
from ecgmon.model.scoring import (
    Judge,
    Restorer,
    fit_scoring,
    judge_records,
    population_of,
    reference_pairs,
    window_errors,
)
from ecgmon.model.splits import SplitSettings, split_patients, split_rows
from ecgmon.model.training import History, TrainingSettings, train

log = logging.getLogger(__name__)


class FitSettings(Settings, frozen=True):
    """Everything that decides a model, apart from the data."""

    name: Name = "ecgmon"
    """What alerts call the model; letters, digits, dot, dash and underscore."""
    layout: Layout = "centred"
    architecture: Architecture = ConvSettings()
    training: TrainingSettings = TrainingSettings()
    split: SplitSettings = SplitSettings()
    calibration: CalibrationSettings = CalibrationSettings()
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the data came from, for the metadata."""

    source: str
    lead: str


@dataclass(frozen=True, slots=True)
class Resume:
    """The file that holds the training's state, and whether to go on from it."""

    state: Path
    go_on: bool = False
    progress: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A finished model and the course of its training."""

    bundle: Bundle
    history: History


def fit_recordings(
    records: Sequence[RecordBeats], settings: FitSettings, origin: Origin, resume: Resume
) -> Fitted:
    """Train on some patients, stop by others, calibrate on the rest.

    Raises :class:`UsageError` when there are too few patients, :class:`DataError` when a part holds no normal
    beat, :class:`EcgmonError` when training or calibration fails.
    """
    split = split_patients((r.patient for r in records), settings.split, settings.seed)
    learning = [r for r in records if r.patient in split.train]
    stopping = [r for r in records if r.patient in split.validation]
    judging = [r for r in records if r.patient in split.calibration]
    pairs, validation = _pairs(learning, settings), _pairs(stopping, settings)
    log.info(
        "patients: %d to train on (%d beats), %d to stop by (%d beats), %d to calibrate on",
        len(split.train),
        len(pairs),
        len(split.validation),
        len(validation),
        len(split.calibration),
    )
    model, history = _train(pairs, validation, settings, resume)
    scoring = fit_scoring(Restorer(model, settings.training.device), learning, settings.layout)
    data = DataInfo(
        source=origin.source,
        lead=origin.lead,
        split_by="patient",
        train=list(split.train),
        validation=list(split.validation),
        calibration=list(split.calibration),
        train_beats=len(pairs),
        validation_beats=len(validation),
        calibration_beats=sum(len(r.beats) for r in judging),
    )
    bare = assemble(_metadata(settings, history, data), model, scoring=scoring)
    return Fitted(calibrated(bare, judging, settings.calibration), history)


def fit_windows(
    x: Samples, labels: NDArray[np.int64] | None, settings: FitSettings, origin: Origin, resume: Resume
) -> Fitted:
    """The same for ready windows [n, 187] with labels [n], 0 = normal, or None: all are normal."""
    anomalous = np.zeros(len(x), np.bool_) if labels is None else labels != 0
    rows = np.flatnonzero(~anomalous)
    if not rows.size:
        raise DataError(
            f"{origin.source}: no window is labelled normal (0), and there is nothing to learn from"
        )
    log.warning(
        "%s names no patients: windows are divided by row, and one heart may be in every part", origin.source
    )
    learning, stopping, judging = (
        rows[part] for part in split_rows(rows.size, settings.split, settings.seed)
    )
    # Scale 1: ready windows say nothing of the stream's usual QRS.
    clean = normalise(x, np.ones(len(x)), settings.layout)
    pairs, validation = Pairs.alone(clean[learning]), Pairs.alone(clean[stopping])
    model, history = _train(pairs, validation, settings, resume)
    data = DataInfo(
        source=origin.source,
        lead=origin.lead,
        split_by="row",
        train_beats=learning.size,
        validation_beats=stopping.size,
        calibration_beats=judging.size,
    )
    bare = assemble(_metadata(settings, history, data), model)
    judged = np.concatenate([judging, np.flatnonzero(anomalous)])
    return Fitted(calibrated_windows(bare, x[judged], anomalous[judged], settings.calibration), history)


def calibrated(bundle: Bundle, records: Sequence[RecordBeats], settings: CalibrationSettings) -> Bundle:
    """``bundle`` with its streams' and windows' calibration taken from ``records``; the rest stays as it is.

    Raises :class:`BundleError` for a bundle that was trained on windows and cannot score streams.
    """
    restorer = Restorer(bundle.autoencoder())
    found = judge_records(Judge(restorer, population_of(bundle), bundle.layout), records)
    streams = calibrate(
        [
            ScoredRecord(
                patient=record.patient,
                times=np.array([beat.r for beat in record.beats], np.float64),
                scores=np.array([np.nan if j is None else j.score for j in judged], np.float64),
                labels=record.labels,
                hours=record.hours,
            )
            for record, judged in zip(records, found, strict=True)
        ],
        settings,
    )
    known = [
        (beat, label, record.patient)
        for record in records
        for beat, label in zip(record.beats, record.labels, strict=True)
        if beat.good and label
    ]
    stack = np.stack([beat.window for beat, _, _ in known])
    x = normalise(stack, np.array([beat.scale for beat, _, _ in known]), bundle.layout)
    windows = calibrate_windows(
        window_errors(restorer, x),
        np.array([label != "N" for _, label, _ in known]),
        [patient for _, _, patient in known],
        settings,
    )
    return _with(_with(bundle, "calibration", streams), "window_calibration", windows)


def calibrated_windows(
    bundle: Bundle, x: Samples, anomalous: NDArray[np.bool_], settings: CalibrationSettings
) -> Bundle:
    """``bundle`` with its windows' calibration taken from ready windows [n, 187]."""
    clean = normalise(x, np.ones(len(x)), bundle.layout)
    scores = window_errors(Restorer(bundle.autoencoder()), clean)
    return _with(bundle, "window_calibration", calibrate_windows(scores, anomalous, None, settings))


def _pairs(records: Sequence[RecordBeats], settings: FitSettings) -> Pairs:
    return gather(
        [record.patient for record in records],
        reference_pairs(records, settings.layout),
        max_per_patient=settings.training.max_beats_per_patient,
        seed=settings.seed,
    )


def _train(
    pairs: Pairs, validation: Pairs, settings: FitSettings, resume: Resume
) -> tuple[Autoencoder, History]:
    return train(
        settings.architecture,
        settings.training,
        pairs,
        validation,
        layout=settings.layout,
        seed=settings.seed,
        state=resume.state,
        resume=resume.go_on,
        progress=resume.progress,
    )


def _with(bundle: Bundle, name: str, calibration: Calibration) -> Bundle:
    """``bundle`` with one calibration in place of the one it had."""
    kept = {key: value for key, value in bundle.tensors.items() if not key.startswith(f"{name}.")}
    added = {f"{name}.{key}": value for key, value in calibration.tensors().items()}
    metadata = msgspec.structs.replace(bundle.metadata, **{name: calibration.info})
    return replace(bundle, metadata=metadata, tensors=kept | added)


def _metadata(settings: FitSettings, history: History, data: DataInfo) -> Metadata:
    return Metadata(
        name=settings.name,
        version=__version__,
        layout=settings.layout,
        fingerprint=fingerprint(),
        architecture=settings.architecture,
        data=data,
        training=TrainingInfo(
            seed=settings.seed,
            epochs=history.epochs,
            best_epoch=history.best,
            train_loss=history.train,
            validation_loss=history.validation,
            settings=msgspec.to_builtins(settings.training),
        ),
    )
