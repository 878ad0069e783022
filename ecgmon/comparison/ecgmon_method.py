"""The project's own model among the others: it sees whole recordings, and is scored on the same beats."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import msgspec
import numpy as np

from ecgmon.comparison.data import Part, Table
from ecgmon.comparison.drawing import Drawn, Rows
from ecgmon.config import Settings
from ecgmon.ecg.types import Samples
from ecgmon.errors import BundleError, DataError
from ecgmon.model import bundle as bundles
from ecgmon.model.bundle import Bundle
from ecgmon.model.calibration import CalibrationSettings
from ecgmon.model.epochs import History
from ecgmon.model.fitting import FitSettings, Fitted, Origin, Resume, fit_recordings
from ecgmon.model.judge import Judge, Judged, judge_records
from ecgmon.model.methods.base import Floats, Reading
from ecgmon.model.restorer import Restorer
from ecgmon.model.scoring import population_of
from ecgmon.model.splits import SplitSettings


class EcgmonSettings(Settings, frozen=True, tag_field="type", tag="ecgmon"):
    """The project's own model, which knows the patient and the rhythm: trained as ``ecgmon train`` does it,
    or a finished one. Of a finished one the validation patients may have been learned from."""

    fit: FitSettings = FitSettings()
    """As in configs/train.yaml. Its ``split``, ``layout`` and ``seed`` are the experiment's, one training;
    its ``calibration`` has no effect here."""
    bundle: str | None = None
    """A bundle, or ``default``, instead of a training; it is scored once, on the first fold."""
    readings: dict[str, Reading] = msgspec.field(default_factory=lambda: {"score": Reading()})
    """It has one score, whatever its name."""

    def __post_init__(self) -> None:
        if any(r.augmentation or r.score != Reading().score for r in self.readings.values()):
            raise ValueError("readings: type ecgmon has one score of its own, and varies no windows")
        if self.bundle is not None and self.fit != FitSettings():
            raise ValueError("name a bundle, or what to fit, not both")


def bundle_hash(settings: EcgmonSettings) -> str:
    """Which model ``settings.bundle`` is; :class:`BundleError` for one that cannot be used here."""
    return "" if settings.bundle is None else _loaded(settings.bundle).hash


@lru_cache(maxsize=8)
def _loaded(path: str) -> Bundle:
    bundle = bundles.load(path)
    if bundle.metadata.calibration is None:
        raise BundleError(f"{path}: trained on single windows, and cannot judge recordings")
    return bundle


@dataclass(frozen=True, slots=True, eq=False)
class EcgmonFitted:
    """The fitted model, and the recordings of the table that it was fitted on."""

    table: Table
    judge: Judge
    parameters: int
    history: History | None
    _kept: dict[int, Judged] = field(default_factory=dict)

    def validation(self, drawn: Drawn) -> Floats:
        """Scores of the rows that validate, out of the whole recordings of those held out."""
        part = self.table.train
        wanted = [i for i, patient in enumerate(part.patients) if patient in drawn.held_out]
        return self._scores(part, wanted, drawn.validation)

    def test(self, drawn: Drawn, keep: Rows) -> Floats:
        """Scores of the rows that are tested; the first five minutes of each recording teach its baseline.
        ``keep`` names rows that :meth:`restored` will be asked for."""
        part = self.table.test
        return self._scores(part, range(len(part.names)), drawn.test, keep)

    def restored(self, rows: Rows) -> tuple[Samples, Samples]:
        """[k, 187] windows as they were laid on the patient's reference, and restored."""
        found = [self._kept[row] for row in rows.tolist()]
        return np.stack([judged.x for judged in found]), np.stack([judged.restored for judged in found])

    def _scores(self, part: Part, wanted: Sequence[int], rows: Rows, keep: Rows | None = None) -> Floats:
        records = part.records()
        found = judge_records(self.judge, [records[i] for i in wanted])
        scores = np.full(len(part.label), np.nan)
        kept = set() if keep is None else set(keep.tolist())
        for i, beats in zip(wanted, found, strict=True):
            for row, judged in zip(np.flatnonzero(part.record == i).tolist(), beats, strict=True):
                if judged is not None:
                    scores[row] = judged.score
                    if row in kept:
                        self._kept[row] = judged
        drawn: Floats = scores[rows]
        return drawn


def fit(settings: EcgmonSettings, table: Table, drawn: Drawn, seed: int) -> EcgmonFitted:
    """Learn from the patients who are not held out, or take the finished model.

    Of those held out, one calibrates, which nothing here makes use of; the others stop the training.
    """
    history = None
    if settings.bundle is None:
        fitted = _trained(settings, table, drawn, seed)
        bundle, history = fitted.bundle, fitted.history
    else:
        bundle = _loaded(settings.bundle)
        if bundle.layout != table.train.layout:
            raise DataError(
                f"{settings.bundle}: made for windows of layout '{bundle.layout}', not '{table.train.layout}'"
            )
    model = bundle.autoencoder()
    judge = Judge(Restorer(model, "cpu"), population_of(bundle), bundle.layout, bundle.metadata.score)
    return EcgmonFitted(table, judge, sum(p.numel() for p in model.parameters()), history)


def _trained(settings: EcgmonSettings, table: Table, drawn: Drawn, seed: int) -> Fitted:
    if len(drawn.held_out) < 2:
        raise DataError(
            "type ecgmon needs two patients in each fold: one stops the training, one calibrates; name fewer "
            "folds"
        )
    *stopping, last = drawn.held_out
    changed = msgspec.structs.replace(
        settings.fit,
        layout=table.train.layout,
        seed=seed,
        training=msgspec.structs.replace(settings.fit.training, device="cpu"),
        calibration=CalibrationSettings(learning_seconds=0.0),
        split=SplitSettings(folds=0, validation_patients=tuple(stopping), calibration_patients=(last,)),
    )
    with tempfile.TemporaryDirectory() as folder:
        resume = Resume(Path(folder) / "training", progress=False)
        return fit_recordings(table.train.records(), changed, Origin("compare", ""), resume)
