"""``evaluate --folds``: cross-validation by patient.

The patients are divided into groups. For each, a model is trained from scratch on the others and calibrated
on them alone; the group's recordings are then measured with it as any recording is. Every patient is judged
once, by a model that knows nothing of them.

Each fold has a scale and a threshold of its own. Scores of different models cannot be ranked against each
other (Forman and Scholz, Apples-to-Apples in Cross-Validation Studies, SIGKDD Explorations 12, 2010),
p-values can: the score of a beat is here -log10 of its p-value.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from ecgmon import config
from ecgmon.commands.numbers import whole
from ecgmon.commands.recordings import BeatsFrom, folder_name, name_of, patients_of
from ecgmon.commands.training_data import TrainSettings, read_recordings
from ecgmon.errors import DataError, UsageError
from ecgmon.evaluation.tally import Scored
from ecgmon.model.bundle import Bundle
from ecgmon.model.dataset import RecordBeats
from ecgmon.model.fitting import Origin, Resume, fit_recordings
from ecgmon.model.splits import folds, split_patients

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The option that says what to train with; ``--folds`` itself stands beside ``--model``."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE",
        help="with --folds: what to train, as for train (configs/train.yaml; its data and records are not "
        "used); default: train's defaults",
    )  # fmt: skip


def count(text: str) -> int:
    """The value of ``--folds``."""
    value = whole(text)
    if value < 2:
        raise argparse.ArgumentTypeError("must be at least 2")
    return value


@dataclass(frozen=True, slots=True)
class CrossValidation:
    """Which models are to be trained, and which recordings each is measured on.

    groups     the patients of each fold
    patients   record name to patient
    trained    the bundle of each fold, as far as :meth:`parts` has come
    """

    data: Path
    config: Path | None
    settings: TrainSettings
    records: Sequence[Path]
    patients: dict[str, str]
    groups: list[tuple[str, ...]]
    trained: list[Bundle] = field(default_factory=list)

    def parts(self) -> Iterator[tuple[Bundle, list[Path]]]:
        """Train fold by fold; yields each model with the recordings that were held out from it.

        Recordings are read once. Nothing but the bundles remains of a training. Raises :class:`DataError`,
        before the first one, where a fold would have no normal beat to stop its training by.
        """
        known = read_recordings(self.records, self.data, self.settings, self.config or "defaults")
        for number, group in enumerate(self.groups, start=1):
            _usable(number, [record for record in known if record.patient not in group], self.settings)
        origin = Origin(folder_name(self.data), self.settings.lead)
        for number, group in enumerate(self.groups, start=1):
            log.info(
                "cross-validation %d of %d: training without %s", number, len(self.groups), ", ".join(group)
            )
            others = [record for record in known if record.patient not in group]
            with tempfile.TemporaryDirectory(prefix="ecgmon-folds-") as folder:
                resume = Resume(Path(folder) / "training")
                bundle = fit_recordings(others, self.settings, origin, resume).bundle
            self.trained.append(bundle)
            yield bundle, self._of(group)

    @property
    def lead(self) -> str:
        """What to train with and to measure on."""
        return self.settings.lead

    @property
    def beats(self) -> BeatsFrom:
        """Whose R-peaks to train with and to measure on."""
        return self.settings.beats

    def comparable(self, found: Scored) -> Scored:
        """``found`` with scores that can be ranked against those of other folds."""
        return replace(found, score=-np.log10(found.p))

    def _of(self, group: Sequence[str]) -> list[Path]:
        return [path for path in self.records if self.patients[name_of(path, self.data)] in group]

    def model(self) -> dict[str, Any]:
        """What was trained, for the results; ``hash`` is one over the folds' hashes."""
        settings = msgspec.to_builtins(self.settings)
        hashes = [bundle.hash for bundle in self.trained]
        return {
            "path": None,
            "name": self.settings.name,
            "hash": hashlib.sha256("".join(hashes).encode()).hexdigest(),
            "layout": self.settings.layout,
            "config": None if self.config is None else str(self.config),
            "settings": {key: value for key, value in settings.items() if key not in ("data", "records")},
            "score": "-log10(p)",
            "folds": [
                {
                    "hash": bundle.hash,
                    "threshold": bundle.metadata.calibration.threshold,
                    "beat_threshold": bundle.metadata.calibration.odd_at,
                    "epochs": bundle.metadata.training.epochs,
                    "train": bundle.metadata.data.train,
                    "validation": bundle.metadata.data.validation,
                    "calibration": bundle.metadata.data.calibration,
                }
                for bundle in self.trained
                if bundle.metadata.calibration is not None
            ],
        }

    def described(self) -> dict[str, Any]:
        """The groups, for the results: records of each fold, and records that are not a patient of their
        own."""
        shared = {name: patient for name, patient in self.patients.items() if name != patient}
        groups = [[name_of(path, self.data) for path in self._of(group)] for group in self.groups]
        return {"folds": groups, "patients": shared, "seen_in_training": []}


def prepare(args: argparse.Namespace, records: Sequence[Path]) -> CrossValidation:
    """The plan for ``--folds`` and ``--config``; ``--lead`` and ``--beats`` go before the configuration's.

    Raises :class:`UsageError` when there are too few patients for so many folds or for a fold's own split,
    and :class:`ConfigError` for a configuration that is wrong.
    """
    settings = TrainSettings(data=str(args.data))
    if args.config is not None:
        settings = msgspec.structs.replace(
            config.load(args.config, TrainSettings), data=str(args.data), records=None
        )
    if args.lead is not None:
        settings = msgspec.structs.replace(settings, lead=args.lead)
    if args.beats is not None:
        settings = msgspec.structs.replace(settings, beats=args.beats)
    if settings.split.validation_patients:
        raise UsageError(
            f"{args.config}: split: names validation_patients, who would be held out by turns; give shares"
        )
    patients = patients_of([name_of(path, args.data) for path in records], settings.patients)
    everyone = sorted(set(patients.values()))
    if args.folds > len(everyone):
        raise UsageError(
            f"--folds {args.folds}: there are {len(everyone)} patient(s); name more, or fewer folds"
        )
    groups = folds(everyone, args.folds, settings.seed)
    for number, group in enumerate(groups, start=1):
        others = [patient for patient in everyone if patient not in group]
        try:
            split = split_patients(others, settings.split, settings.seed)
            if settings.split.folds:
                folds((*split.train, *split.calibration), settings.split.folds, settings.seed)
        except UsageError as error:
            raise UsageError(f"--folds {args.folds}: fold {number} of {len(groups)}: {error}") from None
    return CrossValidation(args.data, args.config, settings, records, patients, groups)


def _usable(number: int, others: Sequence[RecordBeats], settings: TrainSettings) -> None:
    """Refuse a fold whose training or validation patients have no normal beat of good quality."""
    able = {r.patient for r in others if any(_normal(r))}
    split = split_patients((record.patient for record in others), settings.split, settings.seed)
    for part in ("train", "validation"):
        names: tuple[str, ...] = getattr(split, part)
        if not able.intersection(names):
            raise DataError(
                f"--folds: fold {number}: none of its {part} patients ({', '.join(names)}) has a normal beat "
                "of good quality; --exclude them, or name another seed in the configuration"
            )


def _normal(record: RecordBeats) -> Iterator[bool]:
    return (beat.good and label == "N" for beat, label in zip(record.beats, record.labels, strict=True))
