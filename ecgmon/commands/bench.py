"""``ecgmon bench``: what ecgmon costs, beside what others cost, in one run."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import to_builtins
from msgspec.structs import replace

from ecgmon.bench import live, material, profile, scorer, train
from ecgmon.bench import scan as scan_part
from ecgmon.bench.live import LiveSettings
from ecgmon.bench.machine import machine
from ecgmon.bench.report import Report
from ecgmon.commands import scan
from ecgmon.commands.numbers import number, whole
from ecgmon.commands.output import can_draw
from ecgmon.commands.recordings import CHUNK_SECONDS, folder_name, resolve
from ecgmon.commands.training_data import TrainSettings
from ecgmon.config import convert, load
from ecgmon.errors import DependencyError, UsageError
from ecgmon.files import write_whole
from ecgmon.model.devices import pick

SCANNED: Final = ("100", "119", "207")
PLAYED: Final = ("100", "105", "106", "119", "200", "207", "208", "222", "223", "231")
QUICK_EPOCHS: Final = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Measure what ecgmon costs, beside what others cost that are installed (extra 'bench'), by turns in "
        "one run: CPU seconds, their median and spread, and how many times ours."
    )
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    common.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    common.add_argument("--repeat", type=whole, metavar="N", help="runs of each")
    common.add_argument("--quick", action="store_true", help="little of all, to see that everything runs")
    data = argparse.ArgumentParser(add_help=False)
    data.add_argument(
        "--data", type=Path, metavar="DIR",
        help="folder of WFDB records; default: mitdb in the folder of ECGMON_DATA, else simulated patients",
    )  # fmt: skip
    data.add_argument("--records", metavar="NAMES", help="names by comma, a file of names, DS1 or DS2")
    parts = parser.add_subparsers(dest="part", metavar="PART", required=True)

    def part(name: str, text: str, *parents: argparse.ArgumentParser) -> argparse.ArgumentParser:
        return parts.add_parser(
            name, help=text, description=f"{text[0].upper()}{text[1:]}.", parents=[common, *parents],
            allow_abbrev=False,
        )  # fmt: skip

    part("scan", "an hour of one lead, from the file to scored beats; others: to R-peaks", data)
    _live_arguments(part("live", "the daemon behind a real Mosquitto, at numbers of streams", data))
    each = part("scorer", "beats per second of the autoencoders, and of all that scoring does")
    each.add_argument("--device", choices=["auto", "cpu", "cuda"], default="cpu")
    each = part("train", "a training from reading to the bundle", data)
    each.add_argument(
        "--config", type=Path, metavar="FILE",
        help="of ecgmon train; default: what configs/train.yaml says, the default model on DS1",
    )  # fmt: skip


def _live_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--streams", default="10,1000", metavar="N,N", help="default 10,1000")
    parser.add_argument("--seconds", type=number, metavar="S", help="measured; default 12")
    parser.add_argument(
        "--warm-up", type=number, metavar="S", help="before, default 10; in its first half the streams come"
    )
    parser.add_argument("--qos", type=int, choices=[0, 1], default=1, help="of samples; default 1")
    parser.add_argument(
        "--peer-streams", type=whole, metavar="N", help="of the straightforward loop; 0: without"
    )
    parser.add_argument(
        "--plot", type=Path, metavar="FILE", help="growth with the streams as a picture, .png"
    )
    parser.add_argument(
        "--profile", action="store_true",
        help="instead: the daemon's pipeline without broker and threads, under cProfile, by what it does",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    if args.repeat is not None and not 1 <= args.repeat <= 1000:
        raise UsageError(f"--repeat {args.repeat}: must be from 1 to 1000")
    where = machine()
    part = {"scan": _scan, "live": _live, "scorer": _scorer, "train": _train}[args.part]
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C, children with it
    try:
        with tempfile.TemporaryDirectory(prefix="ecgmon-bench-") as folder:
            report = part(args, Path(folder))
    finally:
        signal.signal(signal.SIGTERM, before)
        _progress("")
    print(report.text(where))
    if args.json is not None:
        report.write(args.json, where)
    return 0


def _progress(said: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{said}")
        sys.stderr.flush()


def _scan(args: argparse.Namespace, folder: Path) -> Report:
    names = SCANNED[:1] if args.quick else SCANNED
    paths, settings = _records(args, folder, names, seconds=60.0 if args.quick else 600.0)
    parser = argparse.ArgumentParser()
    scan.add_arguments(parser)

    def scan_all(records: Sequence[Path]) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            scan.run(parser.parse_args([*map(str, records), "--out", str(folder / "out")]))

    repeat = args.repeat or (1 if args.quick else 3)
    return scan_part.run(paths, scan_all, CHUNK_SECONDS, repeat, settings, _progress)


def _live(args: argparse.Namespace, folder: Path) -> Report:
    paths, settings = _records(args, folder, PLAYED, seconds=120.0)
    if args.profile:
        streams = max(_counts("20" if args.quick else args.streams))
        return profile.run(paths, streams, 5 if args.quick else 20, settings)
    if args.plot is not None:
        if not can_draw():
            raise DependencyError(
                "--plot draws with matplotlib, which is not here: pip install 'ecgmon[report]'"
            )
        if args.plot.suffix != ".png":
            raise UsageError(f"--plot {args.plot}: name a .png")
    given = {
        "streams": _counts("2,20" if args.quick and args.streams == "10,1000" else args.streams),
        "seconds": args.seconds or (3.0 if args.quick else 12.0),
        "warm_up": args.warm_up or (4.0 if args.quick else 10.0),
        "qos": args.qos,
        "repetitions": args.repeat or (1 if args.quick else 2),
        "peer_streams": (2 if args.quick else 10) if args.peer_streams is None else args.peer_streams,
    }
    report, found = live.run(
        paths, convert(given, LiveSettings, where="bench live"), folder, settings, _progress
    )
    if args.plot is not None:
        from ecgmon.bench.growth import growth  # noqa: PLC0415 - matplotlib is optional

        write_whole(args.plot, growth(found).png)
    return report


def _counts(text: str) -> list[int]:
    try:
        return [int(word) for word in text.split(",")]
    except ValueError:
        raise UsageError(f"--streams {text}: must be whole numbers by comma, such as 10,100,1000") from None


def _scorer(args: argparse.Namespace, _: Path) -> Report:
    batches = scorer.BATCHES[:3] if args.quick else scorer.BATCHES
    clock = time.perf_counter if pick(args.device).type == "cuda" else time.process_time
    beats = 200 if args.quick else 10_000
    repeat = args.repeat or (1 if args.quick else 5)
    return scorer.run(args.device, batches, repeat, beats, {}, _progress, clock)


def _train(args: argparse.Namespace, _: Path) -> Report:
    given = None if args.config is None else load(args.config, TrainSettings)
    data = args.data or _default_data() or (Path(given.data) if given is not None else None)
    if data is None:
        raise UsageError("bench train needs recordings with annotations: name their folder with --data")
    settings = given or TrainSettings(data="", records="DS1")
    settings = replace(settings, data=str(data), records=args.records or settings.records)
    notes = []
    if args.quick:
        settings = replace(settings, training=replace(settings.training, epochs=QUICK_EPOCHS))
        notes = [f"--quick: {QUICK_EPOCHS} epochs; no figure for a whole training"]
    said = {"data": folder_name(data), "records": settings.records, "epochs": settings.training.epochs}
    return train.run(to_builtins(settings), args.repeat or 1, said, _progress, notes)


def _records(
    args: argparse.Namespace, folder: Path, usual: Sequence[str], *, seconds: float
) -> tuple[list[Path], dict[str, Any]]:
    """Recordings, and what the report says of them: those named, else the ``usual`` ones of the folder or as
    many others, else simulated ones of ``seconds``."""
    data = args.data or _default_data()
    if data is None:
        if args.records is not None:
            raise UsageError(f"--records {args.records}: of which folder? Name it with --data")
        paths = material.simulated(folder, len(usual), seconds)
        return paths, {"data": "simulated", "patients": len(paths)}
    paths = resolve(data, args.records)
    if args.records is None:
        paths = [path for path in paths if path.name in usual] or paths[: len(usual)]
    return paths, {"data": folder_name(data), "records": [path.name for path in paths]}


def _default_data() -> Path | None:
    named = os.environ.get("ECGMON_DATA")
    folder = Path(named) / "mitdb" if named else None
    return folder if folder is not None and folder.is_dir() else None
