"""``ecgmon windows``: recordings' beats as a CSV of windows with labels, like the public heartbeat files."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ecgmon.commands.output import writable_folder
from ecgmon.commands.recordings import BeatsFrom, labelled, resolve, truth
from ecgmon.commands.scored_records import LEAD_HELP
from ecgmon.ecg.aami import CLASSES
from ecgmon.ecg.types import Samples
from ecgmon.errors import DataError, UsageError
from ecgmon.evaluation.tally import LEARNING
from ecgmon.files import whole
from ecgmon.model.dataset import RecordBeats

DECIMALS: Final = 6


@dataclass(slots=True)
class Written:
    """What went into a file, by class, and what did not, by reason."""

    classes: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Write the beats of recordings as windows of the layout 'kachuee', one a row: 187 values from 0 to 1 "
        "at 125 Hz, from the R-peak on, and the label: 0 N, 1 S, 2 V, 3 F, 4 Q. A beat that no annotation "
        "knows, one in bad signal and one within flutter is left out, and counted."
    )
    parser.add_argument(
        "--data", required=True, type=Path, metavar="DATA", help="folder of WFDB records with annotations"
    )
    parser.add_argument(
        "--records", metavar="NAMES", help="names by comma, a file of names, DS1 or DS2; default: all"
    )
    parser.add_argument("--exclude", metavar="NAMES", help="records to leave out, named in the same way")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="the CSV to write")
    parser.add_argument("--lead", default="0", metavar="LEAD", help=f"{LEAD_HELP}; default: 0")
    parser.add_argument(
        "--beats", choices=("own", "reference"), default="own",
        help="R-peaks of the detector (own, the default) or the annotations",
    )  # fmt: skip
    parser.add_argument(
        "--skip-learning", action="store_true",
        help="leave out the first five minutes of each record, which an evaluation does not score",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    out: Path = args.out
    if out.is_dir():
        raise UsageError(f"{out}: is a folder; --out names a file, such as {out / 'windows.csv'}")
    records = resolve(args.data, args.records, args.exclude)
    writable_folder(out.parent)
    written = write_windows(
        records, out, lead=args.lead, beats=args.beats, start=LEARNING if args.skip_learning else 0.0
    )
    print(_summary(written, len(records), out))
    return 0


def write_windows(
    records: Sequence[Path], out: Path, *, lead: str = "0", beats: BeatsFrom = "own", start: float = 0.0
) -> Written:
    """Write the windows of ``records`` to ``out``, whole or not at all; beats before ``start``, s of stream
    time, are left out.

    Raises :class:`DataError` for a record that cannot be read, and where there is nothing to write.
    """
    written = Written()
    with whole(out) as file:
        for path in tqdm(records, desc="windows", unit="record", disable=None):
            record = labelled(path, lead, "kachuee", beats)
            known = truth(path)
            found = Counter(label for label in record.labels if label)
            written.left_out["not found by the detector"] += len(known.t) - found.total()
            _write(record, file.write, written, start)
        if not written.classes:
            raise DataError(f"{out}: there is no beat to write; name other records")
    return written


def _write(record: RecordBeats, write: Callable[[bytes], object], written: Written, start: float) -> None:
    kept = []
    for beat, label in zip(record.beats, record.labels, strict=True):
        reason = ""
        if beat.r < start:
            reason = "in the first five minutes"
        elif any(first <= beat.r <= last for first, last in record.flutter):
            reason = "within flutter"
        elif not label:
            reason = "without annotation"
        elif not beat.good:
            reason = "in bad signal"
        if reason:
            written.left_out[reason] += 1
            continue
        kept.append((beat.window, CLASSES.index(label)))
        written.classes[label] += 1
    if kept:
        write(_rows(np.stack([window for window, _ in kept]), np.array([label for _, label in kept])))


def _rows(windows: Samples, labels: NDArray[np.int64]) -> bytes:
    """Windows [n, 187] and labels [n] as lines: all of one length, so that they are made at once."""
    millionths = np.rint(np.clip(windows, 0.0, 1.0).astype(np.float64) * 10**DECIMALS).astype(np.int64)
    text = np.empty((*windows.shape, DECIMALS + 3), np.uint8)
    text[..., 1], text[..., -1] = ord("."), ord(",")
    text[..., 0] = ord("0") + millionths // 10**DECIMALS
    for place in range(DECIMALS):
        text[..., 2 + place] = ord("0") + millionths // 10 ** (DECIMALS - 1 - place) % 10
    ends = np.tile(np.frombuffer(b"0.0\n", np.uint8), (len(labels), 1))
    ends[:, 0] += labels.astype(np.uint8)
    return np.hstack([text.reshape(len(windows), -1), ends]).tobytes()


def _summary(written: Written, records: int, out: Path) -> str:
    classes = ", ".join(f"{written.classes[name]} {name}" for name in CLASSES)
    left_out = ", ".join(f"{n} {reason}" for reason, n in written.left_out.items() if n)
    return (
        f"windows   {written.classes.total()} of {records} records: {classes}\n"
        f"left out  {left_out or 'none'}\n"
        f"file      {out}"
    )
