"""``ecgmon calibrate``: the same model, with p-values and threshold taken from other recordings."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any, get_args

import numpy as np
from tqdm import tqdm

from ecgmon import config
from ecgmon.commands.numbers import number
from ecgmon.commands.output import writable_folder
from ecgmon.commands.recordings import folder_name, labelled, name_of, patients_of, resolve, trained_on
from ecgmon.commands.scored_records import LEAD_HELP, stream_bundle
from ecgmon.commands.summary import calibration_lines
from ecgmon.errors import UsageError
from ecgmon.model import bundle as bundles
from ecgmon.model.bundle import Bundle
from ecgmon.model.calibration import MOST_ALERTS, CalibrationSettings, Method
from ecgmon.model.judging import calibrated, calibrated_windows, from_elsewhere, judge_with
from ecgmon.sources.windows import read_windows

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Calibrate a bundle anew and write another. The recordings should be of patients that the model "
        "was not trained on, from the monitors that it will watch."
    )
    parser.add_argument("--model", required=True, metavar="MODEL", help="a bundle, or 'default'")
    parser.add_argument(
        "--data",
        required=True,
        type=Path,
        metavar="DATA",
        help="folder of WFDB records with .atr annotations, or a CSV of ready windows",
    )
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="the bundle to write")
    parser.add_argument(
        "--false-alerts-per-hour",
        type=number,
        metavar="R",
        help="false alerts per stream and hour that are acceptable; default: as in the model",
    )
    parser.add_argument(
        "--false-positive-rate",
        type=number,
        metavar="R",
        help="for single windows: share of normal ones that may be called odd; default: as in the model",
    )
    parser.add_argument("--records", metavar="NAMES", help="names by comma, a file, DS1 or DS2; default: all")
    parser.add_argument("--exclude", metavar="NAMES", help="records to leave out, named in the same way")
    parser.add_argument("--lead", metavar="LEAD", help=f"{LEAD_HELP}; default: 0")
    parser.add_argument("--method", choices=get_args(Method), help="default: the model's")


def run(args: argparse.Namespace) -> int:
    out: Path = args.out
    if out.is_dir():
        raise UsageError(f"{out}: is a folder; --out names a file")
    if not (args.data.is_dir() or args.data.is_file()):
        raise UsageError(f"{args.data}: no such file or folder; name WFDB records or a CSV")
    bundle = stream_bundle(args.model) if args.data.is_dir() else bundles.load(args.model)
    settings = _settings(bundle, args)
    result = (_recordings if args.data.is_dir() else _windows)(bundle, args, settings)
    result.save(out)
    metadata = result.metadata
    for line in calibration_lines(
        metadata.window_calibration if args.data.is_file() else metadata.calibration
    ):
        print(line)
    print(f"bundle {out} ({result.hash[:12]})")
    return 0


def _settings(bundle: Bundle, args: argparse.Namespace) -> CalibrationSettings:
    """The model's own calibration settings with what the command line changes."""
    per_hour, share = args.false_alerts_per_hour, args.false_positive_rate
    if per_hour is not None and not 0 < per_hour <= MOST_ALERTS:
        raise UsageError(f"--false-alerts-per-hour {per_hour:g}: must be above 0 and at most {MOST_ALERTS:g}")
    if share is not None and not 0 < share < 1:
        raise UsageError(f"--false-positive-rate {share:g}: must be above 0 and below 1")
    info = bundle.metadata.calibration or bundle.metadata.window_calibration
    tree: dict[str, Any] = dict(info.settings) if info is not None else {}
    for name in ("false_alerts_per_hour", "false_positive_rate", "method"):
        if getattr(args, name) is not None:
            tree[name] = getattr(args, name)
    return config.convert(tree, CalibrationSettings, where=f"calibration settings of {args.model}")


def _recordings(bundle: Bundle, args: argparse.Namespace, settings: CalibrationSettings) -> Bundle:
    paths = resolve(args.data, args.records, args.exclude)
    writable_folder(args.out.parent)
    known = trained_on(bundle.metadata.data, args.data, paths)
    if known:
        log.warning(
            "the model was trained on patients of %s: its scores there are low, and new patients will raise "
            "more false alerts than requested",
            ", ".join(known),
        )
    patients = patients_of([name_of(path, args.data) for path in paths], {})
    records = [
        labelled(path, args.lead or "0", bundle.layout, patient=patients[name_of(path, args.data)])
        for path in tqdm(paths, desc="reading", unit="record", disable=None)
    ]
    result = calibrated(bundle, [judge_with(bundle, records)], settings)
    beats = sum(len(record.beats) for record in records)
    return from_elsewhere(result, folder_name(args.data), [record.patient for record in records], beats)


def _windows(bundle: Bundle, args: argparse.Namespace, settings: CalibrationSettings) -> Bundle:
    for name in ("records", "exclude", "lead", "false_alerts_per_hour"):
        if getattr(args, name) is not None:
            option = name.replace("_", "-")
            raise UsageError(f"--{option} is for recordings, and {args.data} is a file of ready windows")
    if bundle.layout != "kachuee":
        raise UsageError(
            f"{args.model}: made for windows of layout '{bundle.layout}', and those of a CSV have 'kachuee'"
        )
    writable_folder(args.out.parent)
    windows = read_windows(args.data)
    odd = np.zeros(len(windows.x), np.bool_) if windows.labels is None else windows.labels != 0
    result = calibrated_windows(bundle, windows.x, odd, settings)
    if bundle.metadata.calibration is not None:
        return result  # the metadata tell of the streams' calibration, which is still the old one
    return from_elsewhere(result, args.data.name, (), int((~odd).sum()))
