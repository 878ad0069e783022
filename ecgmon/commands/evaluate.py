"""``ecgmon evaluate``: a bundle measured against reference annotations."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ecgmon.commands import folds, given, noise_stress
from ecgmon.commands.noise_stress import NoiseStress
from ecgmon.commands.output import writable_folder
from ecgmon.commands.recordings import name_of, resolve, truth
from ecgmon.commands.report import ReportFolder
from ecgmon.commands.report import folder as report_folder
from ecgmon.commands.scored_records import LEAD_HELP, add_alert_rate, run_record, scored
from ecgmon.ecg.aami import ANOMALOUS
from ecgmon.errors import DataError, UsageError
from ecgmon.evaluation.false_positives import false_positive_rates
from ecgmon.evaluation.noise_parts import noise_parts
from ecgmon.evaluation.statistics import Evaluation, Requested, beat_statistics, evaluation
from ecgmon.evaluation.table import render
from ecgmon.evaluation.tally import LEARNING, BeatTally, tally
from ecgmon.files import write_whole
from ecgmon.model import bundle as bundles
from ecgmon.model import dataset
from ecgmon.model.bundle import Bundle
from ecgmon.model.scoring import Scorer
from ecgmon.sources.windows import Windows, read_windows

log = logging.getLogger(__name__)

STREAM_OPTIONS = (
    "folds", "config", "records", "exclude", "beats", "lead", "false_alerts_per_hour", "from_start", "noise",
    "noise_data",
)  # fmt: skip
"""Options that mean nothing for ready windows, which have neither records nor time."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Measure a bundle against reference annotations. The first five minutes of each record are for "
        "learning and not scored (ANSI/AAMI EC57); detected beats are matched one to one with annotated ones "
        "within 150 ms."
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--model", metavar="MODEL", help="a bundle, or 'default'")
    what.add_argument(
        "--folds", type=folds.count, metavar="K",
        help="cross-validation: divide the patients into K groups, train K models on the others of each",
    )  # fmt: skip
    folds.add_arguments(parser)
    parser.add_argument(
        "--data", required=True, type=Path, metavar="DATA",
        help="folder of WFDB records with .atr annotations, or a CSV of ready windows with labels",
    )  # fmt: skip
    parser.add_argument(
        "--records", metavar="NAMES", help="names by comma, a file of names, DS1 or DS2; default: all"
    )
    parser.add_argument("--exclude", metavar="NAMES", help="records to leave out, named in the same way")
    parser.add_argument(
        "--json", metavar="FILE", help="write all figures there; '-': to stdout, instead of the table"
    )
    parser.add_argument(
        "--report", type=report_folder, metavar="DIR",
        help="write a page with curves, tables and pictures there",
    )  # fmt: skip
    parser.add_argument(
        "--beats",
        choices=("own", "reference"),
        help="R-peaks of the detector (own, the default) or the annotations",
    )
    parser.add_argument("--lead", metavar="LEAD", help=f"{LEAD_HELP}; default: 0")
    add_alert_rate(parser)
    parser.add_argument(
        "--from-start", action="store_true", default=None,
        help="judge the R-peak detector over whole records, the first five minutes too",
    )  # fmt: skip
    noise_stress.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    if not (args.data.is_dir() or args.data.is_file()):
        raise UsageError(
            f"{args.data}: no such file or folder; --data names WFDB records or a CSV of windows"
        )
    result, report = (_records if args.data.is_dir() else _windows)(args)
    target = _json_file(args)
    encoded = msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n"
    if args.json == "-":
        sys.stdout.write(encoded.decode())
    else:
        print(render(result))
    if target is not None:
        write_whole(target, encoded)
        log.info("all figures are in %s", target)
    if report is not None:
        report.write(result)
    return 0


def _json_file(args: argparse.Namespace) -> Path | None:
    return None if args.json in (None, "-") else Path(args.json)


def _targets(args: argparse.Namespace) -> ReportFolder | None:
    """Check what is to be written, and make its folders: when all else is known to be right, before the
    work."""
    target = _json_file(args)
    if target is not None:
        if target.is_dir():
            raise UsageError(f"{target}: is a folder; --json names a file")
        writable_folder(target.parent)
    report = None if args.report is None else ReportFolder(args.report)
    if report is not None and target is not None:
        report.keep_free(target)
    return report


def _records(args: argparse.Namespace) -> tuple[Evaluation, ReportFolder | None]:
    """Recordings, through the monitor's own pipeline."""
    records = resolve(args.data, args.records, args.exclude)
    stress = NoiseStress.asked(args)
    trial = given.prepare(args, records) if args.folds is None else folds.prepare(args, records)
    beats, lead = trial.beats, trial.lead
    known = {record: truth(record) for record in records}
    report = _targets(args)
    qrs_from = 0.0 if args.from_start else LEARNING
    tallies, leads, requested, everything = {}, {}, {}, {}
    for bundle, judged in trial.parts():
        scorer = Scorer(bundle, false_alerts_per_hour=args.false_alerts_per_hour)
        for record in tqdm(judged, desc="evaluate", unit="record", disable=None):
            name, r_peaks = name_of(record, args.data), known[record].t if beats == "reference" else None
            mixer = None if stress is None else stress.mixer(record, known[record])
            result = run_record(record, scorer, lead=lead, start_time=0.0, r_peaks=r_peaks, mixer=mixer)
            found = trial.comparable(scored(name, result, known[record]))
            everything[name] = found
            tallies[name] = tally(found, qrs_from=qrs_from, qrs=beats == "own")
            if report is not None:
                report.add_record(found, tallies[name], result, bundle.layout)
            leads[name] = result.lead
            requested[name] = _requested(bundle, scorer, args.false_alerts_per_hour)
            if result.seconds <= LEARNING:
                log.warning("%s is shorter than the five minutes of learning: nothing of it is scored", name)
    names = [name_of(record, args.data) for record in records]
    figures = evaluation(
        {name: tallies[name] for name in names},
        requested,
        model=trial.model(),
        data={
            "path": str(args.data), "kind": "records", "leads": {name: leads[name] for name in names},
            "beats": beats, "learning_s": LEARNING, "qrs_from_s": qrs_from, **trial.described(),
        },
    )  # fmt: skip
    if stress is not None:
        figures = msgspec.structs.replace(
            figures,
            noise=noise_parts(everything, requested, qrs=beats == "own"),
            data=figures.data | {"noise": stress.describe()},
        )
    return figures, report


def _windows(args: argparse.Namespace) -> tuple[Evaluation, ReportFolder | None]:
    """Ready windows: no time, so no detector and no alerts to judge."""
    unfit = [name for name in STREAM_OPTIONS if getattr(args, name) is not None]
    if unfit:
        option = unfit[0].replace("_", "-")
        raise UsageError(f"--{option} is for recordings, and {args.data} is a file of ready windows")
    windows = read_windows(args.data)
    label = _labels(args.data, windows)
    bundle = bundles.load(args.model, layout="kachuee")
    calibration = bundle.metadata.window_calibration
    scorer = Scorer(bundle)
    report = _targets(args)
    x = dataset.normalise(windows.x, 1.0, "kachuee")
    scores, p_values = scorer.score_windows(x)
    if calibration is None:  # score_windows has refused such a bundle; this tells the type checker
        raise UsageError(f"{args.model}: has no calibration for single windows")
    nobody = np.array([], dtype=np.str_)
    nothing = BeatTally(
        label=label, score=scores, p=p_values, odd=p_values <= calibration.threshold, missed=nobody,
        not_good=nobody, invented=np.array([]), invented_p=np.array([]),
        invented_odd=np.array([], dtype=np.bool_), invented_not_good=0,
    )  # fmt: skip
    if report is not None:
        report.add_windows(nothing, x, bundle)
    requested = Requested(
        threshold=calibration.threshold,
        false_positive_rate=calibration.requested,
        alert_threshold=None,
        false_alerts_per_hour=None,
    )
    figures = msgspec.structs.replace(
        beat_statistics([nothing], requested, classes="?" not in label),
        mean_record_auroc=None, false_positive_rates=false_positive_rates([nothing], by_record=False),
    )  # fmt: skip
    result = Evaluation(
        qrs=None, beats=figures, alerts=None, records={}, model=given.described_model(bundle, args.model),
        data={"path": str(args.data), "kind": "windows"},
    )  # fmt: skip
    return result, report


def _labels(path: Path, windows: Windows) -> NDArray[np.str_]:
    """AAMI classes from the numbers of the Kaggle files: 0 N, 1 S, 2 V, 3 F, 4 Q.

    Where only 0 and 1 occur, 1 means no more than "not normal" (as in the PTB file) and becomes ``?``.
    """
    if windows.labels is None:
        raise DataError(f"{path}: has no labels in column 188, so there is nothing to compare with")
    names = np.array(["N", *ANOMALOUS])
    if windows.labels.min() < 0 or windows.labels.max() >= len(names):
        raise DataError(f"{path}: labels must be 0 (normal) to 4, and there is {windows.labels.max()}")
    if windows.labels.max() <= 1:
        names = np.array(["N", "?"])
    label: NDArray[np.str_] = names[windows.labels]
    return label


def _requested(bundle: Bundle, scorer: Scorer, asked: float | None) -> Requested:
    """What the thresholds in force were chosen for; no rates for one of the best F-beta."""
    info = bundle.metadata.calibration
    per_hour = asked if asked is not None or info is None else info.requested
    return Requested(
        threshold=scorer.beat_threshold,
        false_positive_rate=None if info is None or info.requested is None else scorer.beat_threshold,
        alert_threshold=scorer.threshold,
        false_alerts_per_hour=per_hour,
    )
