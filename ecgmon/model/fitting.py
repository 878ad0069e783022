"""From labelled beats to a bundle: split, train, fit the score, calibrate.

Recordings are divided by patient. Windows from a CSV name no patients and are divided by row; such a model
has the reconstruction error as its score, and its log and metadata say how it was divided.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from ecgmon import __version__
from ecgmon.config import Settings
from ecgmon.ecg.frontend import fingerprint
from ecgmon.ecg.types import Layout, Samples
from ecgmon.errors import DataError
from ecgmon.model import oddness
from ecgmon.model.autoencoders import Architecture, Autoencoder, ConvSettings
from ecgmon.model.bundle import Bundle, DataInfo, Metadata, Name, TrainingInfo, assemble
from ecgmon.model.calibration import CalibrationSettings
from ecgmon.model.dataset import Pairs, RecordBeats, gather, normalise
from ecgmon.model.epochs import History, TrainingSettings
from ecgmon.model.judging import Judgements, calibrated, calibrated_windows, judge
from ecgmon.model.oddness import Population, ScoreSettings
from ecgmon.model.population import fit_scoring, reference_pairs
from ecgmon.model.restorer import Restorer
from ecgmon.model.splits import Split, SplitSettings, folds, split_patients, split_rows
from ecgmon.model.training import train

log = logging.getLogger(__name__)


class FitSettings(Settings, frozen=True):
    """Everything that decides a model, apart from the data."""

    name: Name = "ecgmon"
    """What alerts call the model; letters, digits, dot, dash and underscore."""
    layout: Layout = "centred"
    """How a beat becomes a window: R-peak at a fixed sample, or as in the Kaggle heartbeat files."""
    architecture: Architecture = ConvSettings()
    """Of the autoencoder."""
    training: TrainingSettings = TrainingSettings()
    score: ScoreSettings = ScoreSettings()
    split: SplitSettings = SplitSettings()
    calibration: CalibrationSettings = CalibrationSettings()
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1, description="same seed and data, same model")] = 0


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

    def of(self, part: str) -> Resume:
        """The same for one of several trainings of the run."""
        return replace(self, state=self.state.with_name(f"{self.state.name}.{part}"))


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A finished model and the course of its training."""

    bundle: Bundle
    history: History


def fit_recordings(
    records: Sequence[RecordBeats], settings: FitSettings, origin: Origin, resume: Resume
) -> Fitted:
    """Train on some patients, stop by others, calibrate on patients that the judging model did not learn
    from.

    With ``split.folds`` (the default) every patient who does not stop the training calibrates once, judged by
    a model trained on the other groups, and the final model is trained on all groups. This is the
    cross-conformal way (Vovk 2015): the final model has seen more patients than those that were judged, so
    its p-values err, if anything, towards fewer false alerts; in return all hours of the data count, and
    false alerts are so rare that hours are what a threshold rests on. Without folds the calibration patients
    never train.

    Raises :class:`UsageError` when there are too few patients, :class:`DataError` when a part holds no normal
    beat, :class:`EcgmonError` when training or calibration fails.
    """
    split = split_patients((r.patient for r in records), settings.split, settings.seed)
    validation = _pairs(_of(records, split.validation), settings)
    judged: list[Judgements] = []
    if settings.split.folds:
        everyone = tuple(sorted((*split.train, *split.calibration)))
        groups = folds(everyone, settings.split.folds, settings.seed)
        split = Split(everyone, split.validation, everyone)
        for number, group in enumerate(groups, start=1):
            others = _of(records, [patient for patient in everyone if patient not in group])
            log.info("fold %d of %d: training without %s", number, len(groups), ", ".join(group))
            model, _ = _train(_pairs(others, settings), validation, settings, resume.of(f"fold{number}"))
            judged.append(_judge(model, _fit(model, others, settings), settings, _of(records, group)))
    learning = _of(records, split.train)
    pairs = _pairs(learning, settings)
    log.info("training on %d patients (%d beats)", len(split.train), len(pairs))
    model, history = _train(pairs, validation, settings, resume)
    population = _fit(model, learning, settings)
    if not judged:
        judged = [_judge(model, population, settings, _of(records, split.calibration))]
    data = DataInfo(
        source=origin.source,
        lead=origin.lead,
        split_by="patient",
        folds=settings.split.folds,
        train=list(split.train),
        validation=list(split.validation),
        calibration=list(split.calibration),
        train_beats=len(pairs),
        validation_beats=len(validation),
        calibration_beats=sum(len(stream.scores) for part in judged for stream in part.streams),
    )
    bare = assemble(_metadata(settings, history, data), model, scoring=population.tensors())
    return Fitted(calibrated(bare, judged, settings.calibration), history)


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
    bundle = calibrated_windows(
        bare, x[judged], anomalous[judged], settings.calibration, settings.training.device
    )
    return Fitted(bundle, history)


def _of(records: Sequence[RecordBeats], patients: Sequence[str]) -> list[RecordBeats]:
    return [record for record in records if record.patient in patients]


def _fit(model: Autoencoder, records: Sequence[RecordBeats], settings: FitSettings) -> Population:
    return fit_scoring(Restorer(model, settings.training.device), records, settings.layout, settings.score)


def _judge(
    model: Autoencoder,
    population: Population,
    settings: FitSettings,
    records: Sequence[RecordBeats],
) -> Judgements:
    return judge(model, population, settings.layout, records, settings.score, settings.training.device)


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


def _metadata(settings: FitSettings, history: History, data: DataInfo) -> Metadata:
    return Metadata(
        name=settings.name,
        version=__version__,
        layout=settings.layout,
        fingerprint=fingerprint(),
        scoring=oddness.fingerprint(),
        score=settings.score,
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
