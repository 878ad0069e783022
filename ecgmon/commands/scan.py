"""``ecgmon scan``: recordings in, WFDB annotations and JSON lines of beats and alerts out."""

from __future__ import annotations

import argparse
import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from tqdm import tqdm

from ecgmon import __version__
from ecgmon.commands.output import writable_folder
from ecgmon.commands.recordings import resolve
from ecgmon.commands.scored_records import LEAD_HELP, add_alert_rate, run_record, stream_bundle
from ecgmon.ecg.types import Beat, ModelRef, Score
from ecgmon.errors import DataError, UsageError
from ecgmon.evaluation.table import columns
from ecgmon.files import write_whole
from ecgmon.model.scoring import Scorer
from ecgmon.monitor.offline import StreamResult
from ecgmon.sinks.annotations import write_annotations
from ecgmon.sources.wfdb_record import Record
from ecgmon.transport.payloads import encode_alert

log = logging.getLogger(__name__)

ANNOTATOR = "ecgmon"
"""Suffix of the annotation files, which is how WFDB names an annotator."""


@dataclass(frozen=True, slots=True)
class Took:
    """Time that something took, s: of the clock on the wall, and of all processor cores together."""

    wall: float
    cpu: float

    def __add__(self, other: Took) -> Took:
        return Took(self.wall + other.wall, self.cpu + other.cpu)


class Stopwatch:
    """Measures from its making on."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def took(self) -> Took:
        return Took(time.perf_counter() - self._wall, time.process_time() - self._cpu)


@dataclass(frozen=True, slots=True)
class Line:
    """One record's line of the summary."""

    name: str
    result: StreamResult
    scan: Took
    xqrs: Took | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Score recordings. For each, DIR gets NAME.ecgmon (WFDB annotations at the record's own rate: "
        "N not odd, Q odd, ? not scored for bad signal), NAME.beats.jsonl and NAME.alerts.jsonl."
    )
    parser.add_argument(
        "records", nargs="+", metavar="RECORD", help="path of a WFDB record, or a folder of them"
    )
    parser.add_argument("--model", default="default", metavar="MODEL", help="a bundle, or 'default'")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder to write to")
    parser.add_argument("--lead", default="auto", metavar="LEAD", help=f"{LEAD_HELP} (default)")
    add_alert_rate(parser)
    parser.add_argument(
        "--compare-xqrs",
        action="store_true",
        help="time the detector XQRS of the package wfdb on the same leads",
    )


def run(args: argparse.Namespace) -> int:
    records = _named(args.records)
    scorer = Scorer(stream_bundle(args.model), false_alerts_per_hour=args.false_alerts_per_hour)
    out = writable_folder(args.out)
    lines: list[Line] = []
    for path in tqdm(records, desc="scan", unit="record", disable=None):
        try:
            lines.append(_scan(path, scorer, out, args.lead, compare=args.compare_xqrs))
        except DataError as error:
            if len(records) == 1:
                raise
            log.error("%s", error)  # noqa: TRY400 - one line; the other records go on
    if lines:
        print(_table(lines))
    if len(lines) < len(records):
        raise DataError(
            f"{len(records) - len(lines)} of {len(records)} records could not be scanned; see above"
        )
    return 0


def _named(names: Sequence[str]) -> list[Path]:
    """The records that the command line names, each once."""
    found: dict[str, Path] = {}
    for name in names:
        path = Path(name.removesuffix(".hea"))
        if Path(name).is_dir():
            paths = resolve(Path(name))
        elif path.with_name(f"{path.name}.hea").is_file():
            paths = [path]
        else:
            raise UsageError(f"{path}: no such record (there is no {path.name}.hea) and no folder of records")
        for each in paths:
            if each.name in found:
                raise UsageError(
                    f"{each} and {found[each.name]}: two records of one name; scan them separately"
                )
            found[each.name] = each
    return list(found.values())


def _scan(path: Path, scorer: Scorer, out: Path, lead: str, *, compare: bool) -> Line:
    watch = Stopwatch()
    result = run_record(path, scorer, lead=lead)
    comment = _comment(scorer.model_ref, result.lead)
    write_annotations(
        out / f"{path.name}.{ANNOTATOR}", result.beats, result.scores, fs=result.fs, comment=comment
    )
    write_whole(out / f"{path.name}.beats.jsonl", beat_lines(result.beats, result.scores))
    write_whole(
        out / f"{path.name}.alerts.jsonl", b"".join(encode_alert(alert) + b"\n" for alert in result.alerts)
    )
    took = watch.took()
    return Line(path.name, result, took, _xqrs(path, result.lead) if compare else None)


def _xqrs(path: Path, lead: str) -> Took:
    """How long XQRS takes for the same lead, its samples already in memory."""
    from wfdb import processing  # noqa: PLC0415 - heavy, and only needed on request

    record = Record(path)
    samples = np.concatenate([block[record.leads.index(lead)] for block in record.blocks()])
    signal = np.nan_to_num(samples.astype(np.float64))
    watch = Stopwatch()
    processing.XQRS(sig=signal, fs=record.fs).detect(verbose=False)
    return watch.took()


def _comment(model: ModelRef, lead: str) -> str:
    return f"ecgmon {__version__}, model {model.name} {model.hash[:12]}, lead {lead}; Q: odd, ?: not scored"


class _Row(msgspec.Struct, gc=False):
    """One beat as a line of JSON; times in s from the record's first sample, null where unknown."""

    index: int
    t: float
    rr: float | None
    good: bool
    score: float | None = None
    p_value: float | None = None
    odd: bool | None = None
    alarming: bool | None = None
    parts: dict[str, float] | None = None


def beat_lines(beats: Sequence[Beat], scores: Sequence[Score | None]) -> bytes:
    """The beats as JSON lines; ``scores`` [beats] holds None where one was not scored."""
    rows = []
    for beat, score in zip(beats, scores, strict=True):
        row = _Row(
            beat.index, round(beat.r, 4), round(beat.rr, 4) if math.isfinite(beat.rr) else None, beat.good
        )
        if score is not None:
            row.score, row.p_value, row.parts = score.score, score.p_value, score.parts
            row.odd, row.alarming = score.odd, score.alarming
        rows.append(row)
    return msgspec.json.Encoder().encode_lines(rows)


def _table(lines: Sequence[Line]) -> str:
    title = ["record", "lead", "hours", "beats", "odd", "not scored", "alerts", "wall s", "CPU s"]
    rows = [_cells(line.name, line.result.lead, [line]) for line in lines]
    rows.append(_cells("total", "", lines))
    if lines[0].xqrs is not None:
        title += ["XQRS wall s", "XQRS CPU s"]
    return columns([title, *rows])


def _cells(name: str, lead: str, lines: Sequence[Line]) -> list[str]:
    results = [line.result for line in lines]
    counts = (
        sum(len(result.beats) for result in results),
        sum(score is not None and score.odd for result in results for score in result.scores),
        sum(score is None for result in results for score in result.scores),
        sum(alert.state == "raised" for result in results for alert in result.alerts),
    )
    times = [sum((line.scan for line in lines), Took(0, 0))]
    compared = [line.xqrs for line in lines if line.xqrs is not None]
    if compared:
        times.append(sum(compared, Took(0, 0)))
    hours = sum(result.seconds for result in results) / 3600
    seconds = [f"{value:.2f}" for took in times for value in (took.wall, took.cpu)]
    return [name, lead, f"{hours:.2f}", *(str(count) for count in counts), *seconds]
