"""What a part of the benchmark found: a table for a person, a tree for JSON, and notes on how to read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from ecgmon.bench.contest import Row
from ecgmon.bench.machine import Machine
from ecgmon.evaluation.table import columns
from ecgmon.files import write_whole


@dataclass(frozen=True, slots=True)
class Report:
    """One part's findings. ``tables``: rows of cells, the first of each its title."""

    part: str
    settings: dict[str, Any]
    tables: list[list[list[str]]]
    result: dict[str, Any]
    notes: list[str] = field(default_factory=list)

    def text(self, where: Machine) -> str:
        """For a terminal."""
        said = ", ".join(f"{name} {_shown(value)}" for name, value in self.settings.items())
        blocks = [f"bench {self.part}: {said}\non {where.line()}"]
        blocks += [columns(table) for table in self.tables]
        if self.notes:
            blocks.append("\n".join(self.notes))
        return "\n\n".join(blocks)

    def write(self, path: Path, where: Machine) -> None:
        """As JSON; :class:`~ecgmon.errors.DataError` where it cannot be written."""
        tree = {
            "schema": "ecgmon.bench/1", "part": self.part, "machine": where, "settings": self.settings,
            **self.result, "notes": self.notes,
        }  # fmt: skip
        write_whole(path, msgspec.json.format(msgspec.json.encode(tree), indent=1) + b"\n")


def _shown(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def spread(runs: Sequence[float], digits: int, factor: float = 1.0) -> list[str]:
    """Median and "from-to" of all runs as two cells; "-" where there are none, or none that is known."""
    known = sorted(run * factor for run in runs if run == run)  # noqa: PLR0124 - NaN differs from itself
    if not known:
        return ["-", "-"]
    return [f"{median(known):.{digits}f}", f"{known[0]:.{digits}f}-{known[-1]:.{digits}f}"]


def cost_table(unit: str, rows: Sequence[Row], ours: Row, digits: int = 3) -> list[list[str]]:
    """Seconds per unit: median, spread, and how many times ours."""
    lines = [["", unit, "from-to", "x ours", "what it does"]]
    for row in rows:
        if not row.runs:
            lines.append([row.name, row.missing or "-", "", "", row.scope])
            continue
        ratio = f"{row.median / ours.median:.2f}" if ours.runs else "-"
        lines.append([row.name, *spread(row.runs, digits), ratio, row.scope])
    return lines
