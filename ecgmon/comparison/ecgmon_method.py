"""The project's own model among the others: it sees whole recordings, and is scored on the same beats."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import msgspec
import numpy as np

from ecgmon.comparison.data import Part, Table
from ecgmon.comparison.drawing import Drawn, Rows
from ecgmon.config import Settings
from ecgmon.ecg.types import Samples
from ecgmon.errors import BundleError, DataError
from ecgmon.model import bundle as bundles
from ecgmon.model.bundle import Bundle
from ecgmon.model.dataset import RecordBeats, gather
from ecgmon.model.epochs import History
from ecgmon.model.fitting import FitSettings
from ecgmon.model.judge import Judge, Judged, judge_records
from ecgmon.model.methods.base import Floats, Reading
from ecgmon.model.population import fit_scoring, reference_pairs
from ecgmon.model.restorer import Restorer
from ecgmon.model.scoring import population_of
from ecgmon.model.training import train


class EcgmonSettings(Settings, frozen=True, tag_field="type", tag="ecgmon"):
    """The project's own model, which knows the patient and the rhythm: trained as ``ecgmon train`` does it,
    or a finished one. That may have learned from any patient but those tested, so nothing is validated or
    chosen on it."""

    fit: FitSettings = FitSettings()
    """As in configs/train.yaml. Its ``split``, ``layout`` and ``seed`` are the experiment's; one training,
    and no calibration."""
    bundle: str | None = None
    """A bundle, or ``default``, instead of a training; it is scored once, on the test of the first seed."""
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
    """The fitted model, and the recordings of the table that it was fitted on.

    patients   learned from; none of a finished model
    n_train    beats learned from, and
    seconds    the processor time that took; None of a finished model
    """

    table: Table
    judge: Judge
    parameters: int
    history: History | None = None
    patients: tuple[str, ...] = ()
    n_train: int | None = None
    seconds: float | None = None
    _tested: list[RecordBeats] = field(default_factory=list)
    _kept: dict[int, Judged] = field(default_factory=dict)

    def validation(self, drawn: Drawn) -> Floats:
        """Scores of the rows that validate, out of the whole recordings of those held out."""
        part = self.table.train
        wanted = [i for i, patient in enumerate(part.patients) if patient in drawn.held_out]
        records = part.records()
        return self._scores(part, wanted, [records[i] for i in wanted], drawn.validation)

    def prepare(self) -> None:
        """Turn the test's table into recordings, so that scoring them can be timed."""
        self._tested[:] = self.table.test.records()

    def test(self, drawn: Drawn, keep: Rows) -> Floats:
        """Scores of the rows that are tested; what comes before teaches the baseline of each recording.
        ``keep`` names rows that :meth:`restored` will be asked for."""
        part = self.table.test
        return self._scores(part, range(len(part.names)), self._tested, drawn.test, keep)

    def restored(self, rows: Rows) -> tuple[Samples, Samples]:
        """[k, 187] windows as they were laid on the patient's reference, and restored."""
        found = [self._kept[row] for row in rows.tolist()]
        return np.stack([judged.x for judged in found]), np.stack([judged.restored for judged in found])

    def _scores(
        self,
        part: Part,
        wanted: Sequence[int],
        records: Sequence[RecordBeats],
        rows: Rows,
        keep: Rows | None = None,
    ) -> Floats:
        found = judge_records(self.judge, records)
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
    """Learn from the patients who are not held out, whose beats stop the training, or take the finished
    model."""
    if settings.bundle is None:
        fitted = _trained(settings.fit, table, drawn, seed)
    else:
        fitted = _finished(settings.bundle, table)
    fitted.prepare()
    return fitted


def _finished(path: str, table: Table) -> EcgmonFitted:
    bundle = _loaded(path)
    if bundle.layout != table.train.layout:
        raise DataError(f"{path}: made for windows of layout '{bundle.layout}', not '{table.train.layout}'")
    model = bundle.autoencoder()
    judge = Judge(Restorer(model, "cpu"), population_of(bundle), bundle.layout, bundle.metadata.score)
    return EcgmonFitted(table, judge, sum(p.numel() for p in model.parameters()))


def _trained(fit: FitSettings, table: Table, drawn: Drawn, seed: int) -> EcgmonFitted:
    """The steps of :func:`ecgmon.model.fitting.fit_recordings` up to the calibration, which would cost time
    and change no score."""
    layout, records = table.train.layout, table.train.records()
    learning = [record for record in records if record.patient not in drawn.held_out]
    stopping = [record for record in records if record.patient in drawn.held_out]
    training = msgspec.structs.replace(fit.training, device="cpu")
    began = time.process_time()
    pairs, validation = (
        gather(
            [record.patient for record in part],
            reference_pairs(part, layout),
            max_per_patient=training.max_beats_per_patient,
            seed=seed,
        )
        for part in (learning, stopping)
    )
    model, history = train(
        fit.architecture, training, pairs, validation, layout=layout, seed=seed, progress=False
    )
    restorer = Restorer(model, "cpu")
    population = fit_scoring(restorer, learning, layout, fit.score)
    return EcgmonFitted(
        table,
        Judge(restorer, population, layout, fit.score),
        sum(p.numel() for p in model.parameters()),
        history,
        patients=tuple(sorted({record.patient for record in learning})),
        n_train=len(pairs),
        seconds=time.process_time() - began,
    )
