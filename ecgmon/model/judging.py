"""Scores of recordings that a model did not learn from, and the calibration taken from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg.types import WINDOW, Layout, Samples
from ecgmon.model.autoencoders import Autoencoder
from ecgmon.model.bundle import Bundle
from ecgmon.model.calibrating import calibrate, calibrate_windows
from ecgmon.model.calibration import Calibration, CalibrationSettings
from ecgmon.model.dataset import RecordBeats, normalise
from ecgmon.model.devices import Device
from ecgmon.model.false_alerts import ScoredRecord
from ecgmon.model.judge import Judge, judge_records
from ecgmon.model.oddness import Population, ScoreSettings
from ecgmon.model.restorer import Restorer, window_errors
from ecgmon.model.scoring import population_of


@dataclass(frozen=True, slots=True, eq=False)
class Judgements:
    """What one model thinks of recordings: scores of their streams, and of single windows, with what they
    are.

    errors      [n] of windows that are good and annotated
    odd         [n] whether they are annotated as not normal
    patients    n names
    """

    streams: list[ScoredRecord]
    errors: NDArray[np.float64]
    odd: NDArray[np.bool_]
    patients: list[str]


def judge(
    model: Autoencoder,
    population: Population,
    layout: Layout,
    records: Sequence[RecordBeats],
    settings: ScoreSettings,
    device: Device = "auto",
) -> Judgements:
    """Score recordings, each from an empty baseline, as the monitor would."""
    restorer = Restorer(model, device)
    found = judge_records(Judge(restorer, population, layout, settings), records)
    streams = [
        ScoredRecord(
            patient=record.patient,
            times=np.array([beat.r for beat in record.beats], np.float64),
            scores=np.array([np.nan if j is None else j.score for j in judged], np.float64),
            labels=record.labels,
            hours=record.hours,
            flutter=record.flutter,
        )
        for record, judged in zip(records, found, strict=True)
    ]
    known = [
        (beat, label, record.patient)
        for record in records
        for beat, label in zip(record.beats, record.labels, strict=True)
        if beat.good and label
    ]
    stack = np.array([beat.window for beat, _, _ in known], np.float32).reshape(-1, WINDOW)
    x = normalise(stack, np.array([beat.scale for beat, _, _ in known]), layout)
    return Judgements(
        streams=streams,
        errors=window_errors(restorer, x),
        odd=np.array([label != "N" for _, label, _ in known], np.bool_),
        patients=[patient for _, _, patient in known],
    )


def judge_with(bundle: Bundle, records: Sequence[RecordBeats]) -> Judgements:
    """The same with a finished model. Raises :class:`BundleError` for one trained on windows only."""
    return judge(bundle.autoencoder(), population_of(bundle), bundle.layout, records, bundle.metadata.score)


def calibrated(bundle: Bundle, judged: Sequence[Judgements], settings: CalibrationSettings) -> Bundle:
    """``bundle`` with its streams' and windows' calibration taken from ``judged``; the rest stays as it is.

    Raises :class:`EcgmonError` where the method needs labels that are not there, or nothing normal was
    scored.
    """
    streams = calibrate([stream for part in judged for stream in part.streams], settings)
    windows = calibrate_windows(
        np.concatenate([part.errors for part in judged]),
        np.concatenate([part.odd for part in judged]),
        [patient for part in judged for patient in part.patients],
        settings,
    )
    return _with(_with(bundle, "calibration", streams), "window_calibration", windows)


def calibrated_windows(
    bundle: Bundle,
    x: Samples,
    anomalous: NDArray[np.bool_],
    settings: CalibrationSettings,
    device: Device = "auto",
) -> Bundle:
    """``bundle`` with its windows' calibration taken from ready windows [n, 187]."""
    clean = normalise(x, np.ones(len(x)), bundle.layout)
    scores = window_errors(Restorer(bundle.autoencoder(), device), clean)
    return _with(bundle, "window_calibration", calibrate_windows(scores, anomalous, None, settings))


def from_elsewhere(bundle: Bundle, source: str, patients: Sequence[str], beats: int) -> Bundle:
    """``bundle``, calibrated on other data than it was trained with: its metadata say which.

    ``patients`` are none for ready windows. What tells of the training stays.
    """
    data = msgspec.structs.replace(
        bundle.metadata.data,
        calibration_source=source,
        calibration=sorted(set(patients)),
        calibration_beats=beats,
        folds=0,
    )
    return replace(bundle, metadata=msgspec.structs.replace(bundle.metadata, data=data))


def _with(bundle: Bundle, name: str, calibration: Calibration) -> Bundle:
    """``bundle`` with one calibration in place of the one it had."""
    kept = {key: value for key, value in bundle.tensors.items() if not key.startswith(f"{name}.")}
    added = {f"{name}.{key}": value for key, value in calibration.tensors().items()}
    metadata = msgspec.structs.replace(bundle.metadata, **{name: calibration.info})
    return replace(bundle, metadata=metadata, tensors=kept | added)
