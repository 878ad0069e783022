"""Finished cells, gathered into what the report is made of."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import msgspec

from ecgmon.comparison import store
from ecgmon.comparison.cell import Cell as Asked
from ecgmon.comparison.cell import names_in
from ecgmon.comparison.cells import Arrays
from ecgmon.comparison.plan import Plan
from ecgmon.comparison.report.material import Cell, Experiment, Variant
from ecgmon.comparison.results import CellResult
from ecgmon.comparison.settings import CompareSettings

log = logging.getLogger(__name__)

Found = dict[str, tuple[CellResult, Arrays]]


def finished(keys: Mapping[str, object], folder: Path) -> Found:
    """The cells that are finished, by key; a damaged one is told of, and counts as not finished."""
    found: Found = {}
    for key in keys:
        try:
            cell = store.load(folder, key)
        except store.DamagedError as error:
            log.warning("damaged, and run again: %s", error)
            continue
        if cell is not None:
            found[key] = cell
    return found


def experiments(
    settings: CompareSettings,
    plan: Plan,
    found: Found,
    failed: Mapping[str, str],
    left_out: Mapping[str, Mapping[str, Mapping[str, int]]],
) -> list[Experiment]:
    """What is known, by experiment; a row without a finished cell is left out, and counted among the failed
    ones. ``left_out`` has the beats that are not tested, by data set."""
    gathered = []
    for name, rows in plan.rows.items():
        said = settings.experiments[name]
        variants = []
        for row in rows:
            shared = [(cell, plan.fits[cell.fit]) for cell in row.cells]
            cells = [_own(cell, whole, *found[whole.key]) for cell, whole in shared if whole.key in found]
            if cells:
                variants.append(Variant(row.name, cells, row.parts))
        wrong = {key for row in rows for cell in row.cells if (key := plan.fits[cell.fit].key) in failed}
        gathered.append(
            Experiment(
                name=name,
                title=said.title or name,
                variants=variants,
                note=said.note,
                kind=said.kind,
                reference=said.reference,
                reference_name=said.reference_name,
                failed=len(wrong),
                left_out=left_out.get(said.dataset, {}),
            )
        )
    return gathered


def _own(asked: Asked, whole: Asked, result: CellResult, arrays: Arrays) -> Cell:
    """Of a fit that several rows share, what one of them asked for, under its own names."""
    readings = names_in(asked.method.readings, whole.method.readings)
    thresholds = names_in(asked.thresholds, whole.thresholds)
    method = result.method | {
        "readings": {own: result.method["readings"][there] for own, there in readings.items()}
    }
    reads = {}
    for own, there in readings.items():
        read = result.readings[there]
        kept = {name: read.thresholds[at] for name, at in thresholds.items() if at in read.thresholds}
        reads[own] = msgspec.structs.replace(read, thresholds=kept)
    named = {name: array for name, array in arrays.items() if "_score_" not in name}
    for own, there in readings.items():
        for part in ("test_score", "validation_score"):
            if f"{part}_{there}" in arrays:
                named[f"{part}_{own}"] = arrays[f"{part}_{there}"]
    return Cell(msgspec.structs.replace(result, method=method, readings=reads), named)
