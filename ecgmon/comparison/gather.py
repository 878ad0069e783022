"""Finished cells, gathered into what the report is made of."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from ecgmon.comparison import store
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
    settings: CompareSettings, plan: Plan, found: Found, failed: Mapping[str, str]
) -> list[Experiment]:
    """What is known, by experiment; a row without a finished cell is left out, and counted among the failed
    ones."""
    gathered = []
    for name, rows in plan.rows.items():
        said = settings.experiments[name]
        variants = []
        for row in rows:
            cells = [Cell(*found[cell.key]) for cell in row.cells if cell.key in found]
            if cells:
                variants.append(Variant(row.name, cells, row.parts))
        wrong = {cell.key for row in rows for cell in row.cells if cell.key in failed}
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
            )
        )
    return gathered
