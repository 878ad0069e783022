"""What each idea is worth: from a plain autoencoder to the model that ships, one row a step.

    .venv/bin/python tests/benchmarks/ablation.py --data ../shared/data/mitdb --out runs/ablation

``--on ds2`` (the default) trains and calibrates each row on DS1 and measures it on DS2, as ``ecgmon
evaluate`` does: own R-peaks, the monitor's pipeline, the first five minutes not scored. It reports; nothing
may be chosen by it. ``--on ds1-folds`` trains on half of DS1's patients and measures on the others, and the
reverse, pooled by p-value as ``evaluate --folds`` pools: choose there.

A row is a training configuration (``--config`` with the row's changes) and, where the configuration has no
switch for what is left out, another :class:`~ecgmon.model.judge.Judge`. Calibration and threshold are made
anew for each row by the same rules, so that all columns compare. Rows whose autoencoders are the same share
their trainings; what ``--out`` holds already is not trained again. ``--ranking`` trains one autoencoder a row
instead of four: a single patient then calibrates, and what depends on the threshold is not shown.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
import numpy as np
import yaml
from numpy.typing import NDArray

from ecgmon import config
from ecgmon.commands.recordings import folder_name, name_of, patients_of, resolve, truth
from ecgmon.commands.scored_records import run_record, scored
from ecgmon.commands.training_data import TrainSettings, read_recordings
from ecgmon.ecg.frontend import fingerprint
from ecgmon.ecg.types import Beat, Samples
from ecgmon.errors import EcgmonError
from ecgmon.evaluation.statistics import Evaluation, Requested, evaluation
from ecgmon.evaluation.tally import tally
from ecgmon.model import judging, oddness, population, scoring
from ecgmon.model.baseline import Baseline
from ecgmon.model.bundle import Bundle
from ecgmon.model.dataset import RecordBeats, normalise
from ecgmon.model.fitting import Origin, Resume, fit_recordings
from ecgmon.model.judge import Judge, Round
from ecgmon.model.restorer import window_errors
from ecgmon.model.scoring import Scorer
from ecgmon.model.splits import folds

ROOT = Path(__file__).resolve().parents[2]


class WholeError(Judge):
    """The score is the root mean square error of the whole window, whosever it is: one threshold for all."""

    def _round(self, beats: Sequence[Beat], runs: Sequence[tuple[Baseline, int]]) -> Round:
        found = super()._round(beats, runs)
        if self.restorer is None:  # chooses what the autoencoder trains on, which is the same for all rows
            return found
        x = np.stack([normalise(beat.window, beat.scale, self.layout) for beat in beats])
        errors = window_errors(self.restorer, x)
        return replace(found, scores=np.column_stack((errors, found.scores[:, 1])))


class Reference(Judge):
    """No autoencoder: a beat is compared with the patient's reference itself."""

    def _restore(self, x: Samples, reference: Samples, warm: NDArray[np.bool_]) -> Samples:
        del x, warm
        return reference


@dataclass(frozen=True, slots=True)
class Row:
    """One step: what it is called, what it changes in the configuration, and who judges."""

    name: str
    changes: dict[str, Any] = field(default_factory=dict)
    judge: type[Judge] = Judge


NOTHING = {"rhythm": False, "own_spread": False, "second_reference": False, "own_level": False}
COPY = {"augmentation": {"odd": 0.0}}
PLAIN = {"architecture": {"type": "conv", "context": 0}, "training": COPY}


def _steps(*known: str) -> dict[str, Any]:
    return {"score": NOTHING | dict.fromkeys(known, True)}


ROWS = {
    "plain": Row("plain autoencoder, error of the window", PLAIN | _steps(), WholeError),
    "parts": Row("+ error by part of the beat", PLAIN | _steps()),
    "patient": Row("+ relative to the patient's usual error", PLAIN | _steps("own_spread")),
    "reference": Row("+ it sees the patient's reference beat", {"training": COPY} | _steps("own_spread")),
    "restore": Row("+ trained to make odd beats normal", _steps("own_spread")),
    "rhythm": Row("+ rhythm", _steps("own_spread", "rhythm")),
    "second": Row("+ a second reference", _steps("own_spread", "rhythm", "second_reference")),
    "level": Row("+ relative to the patient's usual score: what ships", {}),
    "copy": Row("the same, but trained to copy normal beats", {"training": COPY}),
    "bare": Row("the same without autoencoder: distance to the reference", {}, Reference),
}
"""Each on top of the one before, but for the last two."""

ONE_TRAINING = {"train": 90.0, "validation": 9.0, "calibration": 1.0, "folds": 0}
"""The split of ``--ranking``."""

COLUMNS = ("AUROC", "V", "S", "mean per record", "AUPRC", "F1", "false alerts/h", "episodes")


def figures(result: Evaluation, *, ranking: bool) -> dict[str, float | None]:
    """The columns of the table; None where there is nothing to show."""
    beats, alerts = result.beats, result.alerts
    classes = beats.per_class_auroc or {}
    at_threshold: list[float | None] = [None, None, None]
    if alerts is not None and not ranking:
        at_threshold = [beats.f1, alerts.false_per_hour, alerts.episode_sensitivity]
    values = [beats.auroc, classes.get("V"), classes.get("S"), beats.mean_record_auroc, beats.auprc]
    return dict(zip(COLUMNS, [*values, *at_threshold], strict=True))


def _merged(tree: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """``tree`` with ``changes``, level by level."""
    return tree | {
        key: _merged(tree.get(key, {}), value) if isinstance(value, dict) else value
        for key, value in changes.items()
    }


class Trial:
    """Recordings read once, and the parts that they are divided into: who trains, who is measured."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.data: Path = args.data
        self.out: Path = args.out
        self.ranking: bool = args.ranking
        tree = yaml.safe_load(args.config.read_text()) | {"data": str(args.data), "records": None}
        if self.ranking:
            tree["split"] = ONE_TRAINING
        self.base: dict[str, Any] = tree
        self.settings = config.convert(tree, TrainSettings, where=str(args.config))
        self.pooled = args.on == "ds1-folds"
        learning = resolve(self.data, args.train)
        self.records = learning if self.pooled else [*learning, *resolve(self.data, args.test)]
        names = [name_of(record, self.data) for record in self.records]
        self.patients = patients_of(names, self.settings.patients)
        self.beats = read_recordings(learning, self.data, self.settings, args.config)
        if self.pooled:
            self.groups = folds(sorted({record.patient for record in self.beats}), 2, self.settings.seed)
            self.measured = [[r for r in learning if self._patient(r) in group] for group in self.groups]
        else:
            self.groups = [()]
            self.measured = [resolve(self.data, args.test)]
        self.truth = {record: truth(record) for part in self.measured for record in part}

    def _patient(self, record: Path) -> str:
        return self.patients[name_of(record, self.data)]

    def run(self, row: Row) -> Evaluation:
        """Train, calibrate and measure one row."""
        settings = config.convert(_merged(self.base, row.changes), TrainSettings, where=row.name)
        tallies, requested, hashes = {}, {}, []
        with ExitStack() as stack:
            for module in (scoring, judging, population):
                stack.enter_context(patch.object(module, "Judge", row.judge))
            for group, measured in zip(self.groups, self.measured, strict=True):
                learning = [record for record in self.beats if record.patient not in group]
                bundle = self._fit(settings, learning)
                hashes.append(bundle.hash)
                scorer = Scorer(bundle)
                info = bundle.metadata.calibration
                for record in measured:
                    result = run_record(record, scorer, lead=settings.lead, start_time=0.0)
                    name = name_of(record, self.data)
                    found = scored(name, result, self.truth[record])
                    if self.pooled and not self.ranking:  # scores of two models: only p-values compare
                        found = replace(found, score=-np.log10(found.p))
                    tallies[name] = tally(found)
                    requested[name] = Requested(
                        threshold=scorer.beat_threshold,
                        false_positive_rate=scorer.beat_threshold,
                        alert_threshold=scorer.threshold,
                        false_alerts_per_hour=None if info is None else info.requested,
                    )
        parts = [[name_of(record, self.data) for record in part] for part in self.measured]
        return evaluation(
            tallies,
            requested,
            model={"row": row.name, "hashes": hashes, "settings": msgspec.to_builtins(settings)},
            data={"path": str(self.data), "measured": parts},
        )

    def _fit(self, settings: TrainSettings, learning: Sequence[RecordBeats]) -> Bundle:
        """The model of ``settings``; the trainings are found under what decides them."""
        decides = [
            settings.architecture, settings.training, settings.split, settings.layout, settings.seed,
            settings.lead, settings.beats, fingerprint(), oddness.fingerprint(),
            [record.patient for record in learning],
        ]  # fmt: skip
        key = hashlib.sha256(msgspec.json.encode(decides)).hexdigest()
        resume = Resume(self.out / f"{key[:12]}.training", go_on=True)
        return fit_recordings(
            learning, settings, Origin(folder_name(self.data), settings.lead), resume
        ).bundle


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of MIT-BIH")
    parser.add_argument("--out", type=Path, required=True, help="folder for trainings and results")
    parser.add_argument("--on", choices=("ds2", "ds1-folds"), default="ds2")
    parser.add_argument("--ranking", action="store_true", help="one training a row, no threshold")
    parser.add_argument("--rows", default=",".join(ROWS), help=f"some of {', '.join(ROWS)}; default: all")
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "train.yaml", help="what to train")
    parser.add_argument("--train", default="DS1", metavar="NAMES", help="other records than DS1")
    parser.add_argument("--test", default="DS2", metavar="NAMES", help="other records than DS2")
    args = parser.parse_args()
    rows = args.rows.split(",")
    unknown = [name for name in rows if name not in ROWS]
    if unknown:
        parser.error(f"--rows: there is no row '{unknown[0]}'; there are {', '.join(ROWS)}")
    args.out.mkdir(parents=True, exist_ok=True)
    try:
        tabulate(args, rows)
    except EcgmonError as error:
        sys.exit(f"ablation: {error}")


def tabulate(args: argparse.Namespace, rows: Sequence[str]) -> None:
    """Print the table row by row; every row's figures, and the table, go to ``--out`` as JSON."""
    trial = Trial(args)
    table: dict[str, dict[str, float | None]] = {}
    print(f"| step | {' | '.join(COLUMNS)} |")
    print(f"|---|{'---|' * len(COLUMNS)}")
    for name in rows:
        result = trial.run(ROWS[name])
        stem = f"{args.on}{'-ranking' if args.ranking else ''}"
        (args.out / f"{stem}-{name}.json").write_bytes(msgspec.json.encode(result))
        table[name] = figures(result, ranking=args.ranking)
        (args.out / f"{stem}.json").write_text(json.dumps(table, indent=2) + "\n")
        cells = ["-" if value is None else f"{value:.3f}" for value in table[name].values()]
        print(f"| {ROWS[name].name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
