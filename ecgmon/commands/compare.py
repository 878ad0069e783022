"""``ecgmon compare``: many methods, trained and measured alike, in tables and pictures."""

from __future__ import annotations

import argparse
import fcntl
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from ecgmon import __version__
from ecgmon.commands.compare_data import prepared
from ecgmon.commands.output import can_draw, writable_folder, write_whole
from ecgmon.comparison import gather, store
from ecgmon.comparison.ecgmon_method import EcgmonSettings
from ecgmon.comparison.plan import Cell, Plan, plan, used
from ecgmon.comparison.progress import Progress, duration
from ecgmon.comparison.quick import hasten
from ecgmon.comparison.report import tables
from ecgmon.comparison.report.material import Experiment
from ecgmon.comparison.report.page import GENERATOR, PAGE_FILE
from ecgmon.comparison.results import CellResult
from ecgmon.comparison.runner import run_cells
from ecgmon.comparison.settings import CompareSettings, load
from ecgmon.errors import DependencyError, UsageError
from ecgmon.model.methods.build import build

log = logging.getLogger(__name__)

RESULTS: Final = "compare.json"
SCHEMA: Final = "ecgmon.compare/1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Train and measure every method that the configuration names, on the same beats, and write tables, "
        "pictures and figures. What is finished is kept: an interrupted run goes on where it was."
    )
    parser.add_argument(
        "--config", required=True, type=Path, metavar="FILE", help="YAML; see configs/compare.yaml"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR",
        help="folder of the results; default: what the configuration says, with -quick behind it for --quick",
    )  # fmt: skip
    parser.add_argument(
        "--quick", action="store_true",
        help="few beats, few epochs, one fit a row: minutes, to see that everything runs",
    )  # fmt: skip
    parser.add_argument(
        "--only", metavar="NAMES", help="experiments by comma, of those in the configuration; default: all"
    )
    parser.add_argument("--workers", type=int, metavar="N", help="instead of the configuration's")


def run(args: argparse.Namespace) -> int:
    settings = _settings(args)
    if not can_draw():
        raise DependencyError(
            "compare draws with matplotlib, which is not here: pip install 'ecgmon[compare]'"
        )
    where = str(args.config)
    datasets = used(settings, where)
    plan(settings, dict.fromkeys(datasets, ""), where, quick=args.quick)  # errors before any reading
    out = _folder(args, settings)
    began = time.monotonic()
    with _alone(out):
        hashes = {name: prepared(name, each, out / "data", where) for name, each in datasets.items()}
        asked = plan(settings, hashes, where, quick=args.quick)
        _check(asked)
        known = gather.finished(asked.cells(), out / "cells")
        failed = _run(asked, known, out, settings.workers)
        known = gather.finished(asked.cells(), out / "cells")
        made = gather.experiments(settings, asked, known, failed)
        seconds = sum(_seconds(result) for result, _ in known.values())
        _write(out, settings, made, asked, failed, seconds, quick=args.quick)
    for experiment in made:
        print(tables.text(experiment), end="\n\n")
    print(
        f"{len(known)} of {len(asked.cells())} cells, {duration(time.monotonic() - began)} in this run; "
        f"page in {out / PAGE_FILE}, figures in {out / RESULTS}"
    )
    if failed:
        log.error("%d of %d cells failed; see above", len(failed), len(asked.cells()))
    return 1 if failed else 0


def _settings(args: argparse.Namespace) -> CompareSettings:
    settings = load(args.config)
    if args.only is not None:
        names = [name.strip() for name in args.only.split(",")]
        unknown = [name for name in names if name not in settings.experiments]
        if unknown:
            raise UsageError(
                f"--only: there is no experiment '{unknown[0]}' in {args.config}; "
                f"it has {', '.join(settings.experiments)}"
            )
        kept = {name: each for name, each in settings.experiments.items() if name in names}
        settings = msgspec.structs.replace(settings, experiments=kept)
    if args.workers is not None:
        if not 1 <= args.workers <= 256:
            raise UsageError(f"--workers {args.workers}: must be from 1 to 256")
        settings = msgspec.structs.replace(settings, workers=args.workers)
    return hasten(settings) if args.quick else settings


def _folder(args: argparse.Namespace, settings: CompareSettings) -> Path:
    """The folder of the results, which is ours: what somebody else made is not written over."""
    out: Path = args.out or Path(f"{settings.out}-quick" if args.quick else settings.out)
    page = out / PAGE_FILE
    if page.exists() and f'content="{GENERATOR}"' not in page.read_text(encoding="utf-8", errors="replace"):
        raise UsageError(f"{page}: is no page of ecgmon compare, and is not overwritten; name another folder")
    for folder in (out, out / "data", out / "cells"):
        writable_folder(folder)
    return out


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Nobody else compares in this folder meanwhile; :class:`UsageError` where somebody does."""
    with (out / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"{out}: another ecgmon compare is writing there; wait, or name another --out"
            ) from None
        store.sweep_up(out / "cells")
        store.sweep_up(out / "data")
        yield


def _check(asked: Plan) -> None:
    """What would fail in every cell, such as a package that is missing, fails here."""
    for cell in asked.cells().values():
        if not isinstance(cell.method, EcgmonSettings):
            build(cell.method)


def _run(asked: Plan, known: gather.Found, out: Path, workers: int) -> dict[str, str]:
    """Run what is not finished; returns what went wrong, by key."""
    cells = asked.cells()
    waiting = {key: cell for key, cell in cells.items() if key not in known}
    log.info("%d cells, %d of them finished before", len(cells), len(known))
    kinds = _kinds(asked)
    progress = Progress({key: kinds[key] for key in waiting}, workers)
    for key, (result, _) in known.items():
        progress.learn(kinds[key], _seconds(result))
    try:
        return run_cells(waiting, _names(asked), out, workers, progress)
    except KeyboardInterrupt:
        log.warning(
            "interrupted; %d of %d cells are finished and kept: the same command goes on with the others",
            len(known) + progress.finished, len(cells),
        )  # fmt: skip
        raise


def _kinds(asked: Plan) -> dict[str, tuple[str, ...]]:
    """What cells have in common that decides how long they take, from the narrowest to the widest."""
    found: dict[str, tuple[str, ...]] = {}
    for name, rows in asked.rows.items():
        for row in rows:
            for cell in row.cells:
                found.setdefault(cell.key, (f"{name}: {row.name}", f"{name}:", _sort(cell)))
    return found


def _sort(cell: Cell) -> str:
    return str(type(cell.method).__name__)


def _names(asked: Plan) -> dict[str, str]:
    return {
        cell.key: f"{name}: {row.name} (seed {cell.seed}, fold {cell.fold})"
        for name, rows in reversed(asked.rows.items())
        for row in rows
        for cell in row.cells
    }


def _seconds(result: CellResult) -> float:
    """About how long a finished cell took."""
    tested = sum(result.n_test.values())
    return result.train_seconds + sum(tested / r.beats_per_second for r in result.readings.values())


def _write(
    out: Path,
    settings: CompareSettings,
    made: Sequence[Experiment],
    asked: Plan,
    failed: Mapping[str, str],
    seconds: float,
    *,
    quick: bool,
) -> None:
    from ecgmon.comparison.report.page import build as draw  # noqa: PLC0415 - matplotlib takes its time

    names = _names(asked)
    results = {
        "schema": SCHEMA,
        "version": __version__,
        "quick": quick,
        "core_seconds": seconds,
        "settings": msgspec.to_builtins(settings),
        "experiments": {
            experiment.name: {
                "title": experiment.title,
                "rows": tables.json_rows(experiment),
                "cells": {row.name: [cell.key for cell in row.cells] for row in asked.rows[experiment.name]},
            }
            for experiment in made
        },
        "failed": {names[key]: problem for key, problem in failed.items()},
    }
    write_whole(out / RESULTS, msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
    note = f"{len(asked.cells())} fits, {duration(seconds)} of one processor core."
    if quick:
        note += " Made with --quick: few beats, few epochs, one fit a row. It shows that all runs, no more."
    report = draw(made, note=note)
    for name, content in report.files().items():
        writable_folder((out / name).parent)
        write_whole(out / name, content)
