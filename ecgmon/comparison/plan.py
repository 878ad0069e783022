"""From a configuration to the cells that it asks for: every variant by every seed and fold, each once."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from ecgmon import config
from ecgmon.comparison.cell import Cell, together
from ecgmon.comparison.datasets import CsvData, DatasetSettings
from ecgmon.comparison.drawing import DrawSettings
from ecgmon.comparison.ecgmon_method import EcgmonSettings, bundle_hash
from ecgmon.comparison.quick import hastened
from ecgmon.comparison.settings import AnyMethod, CompareSettings, ExperimentSettings, Tree
from ecgmon.errors import ConfigError
from ecgmon.model import oddness


@dataclass(frozen=True, slots=True)
class Row:
    """A variant of an experiment; ``parts`` are its names by axis, ``cells`` what it asks for itself."""

    name: str
    parts: tuple[str, ...]
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Rows by experiment, and what is run for them, by :attr:`Cell.fit`: the first fit of all rows, then the
    second, so that early on there is something of everything. In each turn type ecgmon is first: it takes
    longest, and the other workers would wait for it at the end."""

    rows: dict[str, list[Row]]
    fits: dict[str, Cell]

    def cells(self, experiments: Iterable[str] | None = None) -> dict[str, Cell]:
        """What is run for ``experiments``, or for all, by :attr:`Cell.key`."""
        names = self.rows if experiments is None else experiments
        asked = {cell.fit for name in names for row in self.rows[name] for cell in row.cells}
        return {cell.key: cell for fit, cell in self.fits.items() if fit in asked}


def plan(settings: CompareSettings, tables: Mapping[str, str], where: str, *, quick: bool = False) -> Plan:
    """The rows and cells of all experiments; ``tables`` has the hash of the beats by data set.

    Raises :class:`ConfigError`, which begins with ``where``, for a method that is none, a data set that is
    not there, an experiment without rows, or two rows of one name. ``quick``: see :mod:`.quick`.
    """
    rows = {
        name: list(_rows(settings, experiment, tables, f"{where}: experiments.{name}", quick=quick))
        for name, experiment in settings.experiments.items()
    }
    everything = [row.cells for those in rows.values() for row in those]
    everything.sort(key=lambda cells: not isinstance(cells[0].method, EcgmonSettings))
    turns = itertools.zip_longest(*everything)
    return Plan(rows, together(cell for turn in turns for cell in turn if cell is not None))


def used(settings: CompareSettings, where: str) -> dict[str, DatasetSettings]:
    """The data sets that some experiment names."""
    for name, experiment in settings.experiments.items():
        if experiment.dataset not in settings.datasets:
            raise ConfigError(
                f"{where}: experiments.{name}.dataset: there is no data set '{experiment.dataset}'; "
                f"datasets has {', '.join(settings.datasets) or 'none'}"
            )
    names = {experiment.dataset for experiment in settings.experiments.values()}
    return {name: dataset for name, dataset in settings.datasets.items() if name in names}


def _rows(
    settings: CompareSettings,
    experiment: ExperimentSettings,
    tables: Mapping[str, str],
    where: str,
    *,
    quick: bool,
) -> Iterator[Row]:
    found: dict[str, Row] = {}
    for parts, tree, draw in _variants(experiment, where):
        name = ", ".join(part for part in parts if part) or "base"
        here = f"{where} '{name}'"
        if name in found:
            raise ConfigError(f"{here}: two rows have this name")
        method: AnyMethod = config.convert(tree, AnyMethod, where=here)  # type: ignore[arg-type]
        if not method.readings:
            raise ConfigError(f"{here}: readings: names none")
        drawn = config.convert(draw, DrawSettings, where=f"{here} draw")
        _check(method, settings.datasets[experiment.dataset], drawn, here)
        cells = tuple(
            Cell(
                method=hastened(method) if quick else method,
                model=_model(method),
                dataset=settings.datasets[experiment.dataset],
                table=tables[experiment.dataset],
                draw=drawn,
                thresholds=experiment.thresholds or settings.thresholds,
                beta=settings.beta,
                seed=seed,
                fold=fold,
                folds=settings.folds if experiment.folds is None else experiment.folds,
            )
            for seed, fold in _fits(settings, experiment, method, here, quick=quick)
        )
        found[name] = Row(name, parts, cells)
    yield from found.values()


def _variants(experiment: ExperimentSettings, where: str) -> Iterator[tuple[tuple[str, ...], Tree, Tree]]:
    """Names by axis, the method and the drawing of every row, as plain data."""
    if not (experiment.base or experiment.vary or experiment.methods):
        raise ConfigError(f"{where}: has no rows; name a base to vary, or methods")
    empty = next((i for i, axis in enumerate(experiment.vary) if not axis), None)
    if empty is not None:
        raise ConfigError(f"{where}.vary[{empty}]: an axis without variants leaves no row")
    draw = msgspec.to_builtins(experiment.draw)
    if experiment.base or experiment.vary:
        for variants in itertools.product(*(axis.items() for axis in experiment.vary)):
            tree, drawn = experiment.base, draw
            for _, changes in variants:
                changed = dict(changes or {})
                drawn = merged(drawn, changed.pop("draw", None) or {})
                tree = merged(tree, changed)
            yield tuple(name for name, _ in variants), tree, drawn
    for name, tree in experiment.methods.items():
        changed = dict(tree)
        yield (name,), changed, merged(draw, changed.pop("draw", None) or {})


def merged(tree: Any, changes: Any) -> Any:
    """``tree`` with ``changes``, level by level; what changes its type begins anew."""
    if not (isinstance(tree, dict) and isinstance(changes, dict)):
        return changes
    if changes.get("type", tree.get("type")) != tree.get("type"):
        return changes
    return tree | {key: merged(tree.get(key), value) for key, value in changes.items()}


def _fits(
    settings: CompareSettings, experiment: ExperimentSettings, method: AnyMethod, where: str, *, quick: bool
) -> list[tuple[int, int]]:
    """Seeds and folds."""
    seeds = settings.seeds if experiment.seeds is None else experiment.seeds
    folds = settings.folds if experiment.folds is None else experiment.folds
    cross = settings.cross if experiment.cross is None else experiment.cross
    if len(set(seeds)) < len(seeds):
        raise ConfigError(f"{where}: seeds: one is named twice; equal fits would make the spread smaller")
    if 1 < len(seeds) < folds and not (cross or quick):
        raise ConfigError(
            f"{where}: seeds: {len(seeds)} by turns leave some of the {folds} folds unused; name as many "
            "seeds, one for a single fit, fewer folds, or cross: true"
        )
    if isinstance(method, EcgmonSettings) and method.bundle is not None:
        return [(seeds[0], 0)]  # nothing is fitted, and nothing spreads
    if cross:
        return list(itertools.product(seeds, range(folds)))
    return [(seed, i % folds) for i, seed in enumerate(seeds)]


def _model(method: AnyMethod) -> str:
    return f"{oddness.fingerprint()} {bundle_hash(method)}" if isinstance(method, EcgmonSettings) else ""


def _check(method: AnyMethod, dataset: DatasetSettings, draw: DrawSettings, where: str) -> None:
    """What goes together."""
    if not isinstance(method, EcgmonSettings):
        return
    if isinstance(dataset, CsvData):
        raise ConfigError(f"{where}: type ecgmon learns from recordings, and the data set is a CSV")
    if draw.contamination:
        raise ConfigError(f"{where}: draw.contamination: type ecgmon learns from whole recordings")
