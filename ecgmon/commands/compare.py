"""``ecgmon compare``: many methods, trained and measured alike, in tables and pictures."""

from __future__ import annotations

import argparse
import fcntl
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np

from ecgmon.commands.compare_data import prepared
from ecgmon.commands.compare_output import RESULTS, ours, write
from ecgmon.commands.output import can_draw, writable_folder
from ecgmon.comparison import gather, store
from ecgmon.comparison.cell import Cell
from ecgmon.comparison.data import Table
from ecgmon.comparison.datasets import DatasetSettings
from ecgmon.comparison.drawing import draw, left_out
from ecgmon.comparison.ecgmon_method import EcgmonSettings
from ecgmon.comparison.plan import Plan, plan, used
from ecgmon.comparison.progress import Progress, duration
from ecgmon.comparison.quick import hasten
from ecgmon.comparison.report import tables
from ecgmon.comparison.report.page import PAGE_FILE
from ecgmon.comparison.results import CellResult
from ecgmon.comparison.runner import run_cells
from ecgmon.comparison.settings import CompareSettings, load
from ecgmon.errors import ConfigError, DataError, DependencyError, UsageError
from ecgmon.model.methods.base import Floats
from ecgmon.model.methods.build import build
from ecgmon.model.thresholds import ThresholdSettings, choose

log = logging.getLogger(__name__)


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
        "--only",
        metavar="NAMES",
        help="experiments by comma, to run no others; what is finished of these stays on the page",
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
    chosen = _chosen(args, settings)
    plan(settings, dict.fromkeys(datasets, ""), where, quick=args.quick)  # errors before any reading
    out: Path = args.out or Path(f"{settings.out}-quick" if args.quick else settings.out)
    ours(out)
    for folder in (out, out / "data", out / "cells"):
        writable_folder(folder)
    began = time.monotonic()
    with _alone(out):
        needed = {settings.experiments[name].dataset for name in chosen}
        hashes = {
            name: prepared(name, each, out / "data", where, make=name in needed)
            for name, each in datasets.items()
        }
        asked = plan(settings, hashes, where, quick=args.quick)
        _check(asked.cells(chosen), out / "data", where)
        failed: dict[str, str] = {}
        try:
            _run(asked, chosen, out, settings.workers, failed)
        finally:  # what is finished is shown, also when the run is interrupted
            known = gather.finished(asked.cells(), out / "cells")
            left_out = {name: _left_out(out / "data", hashes[name], datasets[name]) for name in datasets}
            made = gather.experiments(settings, asked, known, failed, left_out)
            made = [each for each in made if each.variants or each.name in chosen]
            seconds = sum(_seconds(result) for result, _ in known.values())
            write(out, settings, made, asked, _failures(asked, failed), seconds, left_out, quick=args.quick)
    for experiment in made:
        if experiment.name in chosen:
            print(tables.text(experiment), end="\n\n")
    wanted = asked.cells(chosen)
    print(
        f"{len(wanted.keys() & known.keys())} of {len(wanted)} cells, "
        f"{duration(time.monotonic() - began)} in this run; "
        f"page in {out / PAGE_FILE}, figures in {out / RESULTS}"
    )
    if failed:
        log.error("%d of %d cells failed; see above", len(failed), len(wanted))
    return 1 if failed else 0


def _chosen(args: argparse.Namespace, settings: CompareSettings) -> list[str]:
    """The experiments that are run; what is finished of the others stays on the page."""
    if args.only is None:
        return list(settings.experiments)
    names = [name.strip() for name in args.only.split(",")]
    unknown = [name for name in names if name not in settings.experiments]
    if unknown:
        raise UsageError(
            f"--only: there is no experiment '{unknown[0]}' in {args.config}; "
            f"it has {', '.join(settings.experiments)}"
        )
    return [name for name in settings.experiments if name in names]


def _settings(args: argparse.Namespace) -> CompareSettings:
    settings = load(args.config)
    if args.workers is not None:
        if not 1 <= args.workers <= 256:
            raise UsageError(f"--workers {args.workers}: must be from 1 to 256")
        settings = msgspec.structs.replace(settings, workers=args.workers)
    return hasten(settings) if args.quick else settings


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


def _check(cells: Mapping[str, Cell], tables: Path, where: str) -> None:
    """What would fail in every cell fails here, in one line: a package that is missing, beats that cannot be
    drawn, a threshold for which there are too few to choose it by."""
    tried: dict[tuple[object, ...], tuple[int, int]] = {}
    loaded: dict[str, Table] = {}
    for cell in cells.values():
        if not isinstance(cell.method, EcgmonSettings):
            build(cell.method)
        how = (cell.table, cell.dataset.max_test, cell.draw, cell.seed, cell.fold, cell.folds)
        try:
            if how not in tried:
                if cell.table not in loaded:
                    loaded = {cell.table: Table.load(tables / f"{cell.table}.npz")}
                table = loaded[cell.table]
                drawn = draw(table, cell.dataset, cell.draw, seed=cell.seed, fold=cell.fold, count=cell.folds)
                odd = int((table.train.label[drawn.validation] != "N").sum())
                tried[how] = len(drawn.validation) - odd, odd
            for name, threshold in cell.thresholds.items():
                normal, odd = tried[how]
                rng = np.random.default_rng(0)
                _try(name, threshold, rng.normal(size=normal), rng.normal(size=odd))
        except (DataError, UsageError) as error:
            raise ConfigError(f"{where}: {error}") from None


def _try(name: str, settings: ThresholdSettings, normal: Floats, odd: Floats) -> None:
    try:
        choose(settings, normal, odd)
    except DataError as error:
        raise DataError(f"thresholds.{name}: {error}") from None


def _left_out(tables: Path, table: str, dataset: DatasetSettings) -> dict[str, dict[str, int]]:
    path = tables / f"{table}.npz"
    return left_out(Table.load(path).test, dataset) if path.exists() else {}


def _run(asked: Plan, chosen: Sequence[str], out: Path, workers: int, failed: dict[str, str]) -> None:
    """Run what is not finished; what goes wrong is put into ``failed``, by key."""
    cells = asked.cells(chosen)
    known = gather.finished(cells, out / "cells")
    waiting = {key: cell for key, cell in cells.items() if key not in known}
    log.info("%d cells, %d of them finished before", len(cells), len(known))
    kinds = _kinds(asked)
    progress = Progress({key: kinds[key] for key in waiting}, workers)
    for key, (result, _) in known.items():
        progress.learn(kinds[key], _seconds(result))
    try:
        failed |= run_cells(waiting, _names(asked), out, workers, progress)
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
                key = asked.fits[cell.fit].key
                found.setdefault(key, (f"{name}: {row.name}", f"{name}:", _sort(cell)))
    return found


def _sort(cell: Cell) -> str:
    return str(type(cell.method).__name__)


def _names(asked: Plan) -> dict[str, str]:
    return {
        asked.fits[cell.fit].key: f"{name}: {row.name} (seed {cell.seed}, fold {cell.fold})"
        for name, rows in reversed(asked.rows.items())
        for row in rows
        for cell in row.cells
    }


def _failures(asked: Plan, failed: Mapping[str, str]) -> dict[str, str]:
    names = _names(asked)
    return {names[key]: problem for key, problem in failed.items()}


def _seconds(result: CellResult) -> float:
    """About how long a finished cell took."""
    tested = sum(result.n_test.values())
    return (result.train_seconds or 0.0) + sum(tested / r.beats_per_second for r in result.readings.values())
