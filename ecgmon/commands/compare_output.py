"""What ``ecgmon compare`` leaves behind: figures as JSON, and the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from ecgmon import __version__
from ecgmon.commands.output import writable_folder
from ecgmon.comparison.plan import Plan
from ecgmon.comparison.progress import duration
from ecgmon.comparison.report import tables
from ecgmon.comparison.report.material import Experiment
from ecgmon.comparison.report.page import GENERATOR, PAGE_FILE
from ecgmon.comparison.settings import CompareSettings
from ecgmon.errors import DataError, UsageError
from ecgmon.files import write_whole

RESULTS: Final = "compare.json"
SCHEMA: Final = "ecgmon.compare/"
FORMAT: Final = 2

LeftOut = Mapping[str, Mapping[str, Mapping[str, int]]]
"""Data set to reason to class to beats that are not tested."""


def ours(out: Path) -> None:
    """Raises :class:`UsageError` where somebody else's files would be written over."""
    page, results = out / PAGE_FILE, out / RESULTS
    if page.exists() and f'content="{GENERATOR}"' not in page.read_text(encoding="utf-8", errors="replace"):
        raise UsageError(f"{page}: is no page of ecgmon compare, and is not overwritten; name another folder")
    if results.exists() and not _schema(results).startswith(SCHEMA):
        raise UsageError(
            f"{results}: holds no figures of ecgmon compare, and is not overwritten; name another folder"
        )


def _schema(path: Path) -> str:
    try:
        tree = msgspec.json.decode(path.read_bytes())
    except msgspec.MsgspecError:
        return ""
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    return str(tree.get("schema", "")) if isinstance(tree, dict) else ""


def write(
    out: Path,
    settings: CompareSettings,
    made: Sequence[Experiment],
    asked: Plan,
    failed: Mapping[str, str],
    seconds: float,
    left_out: LeftOut,
    *,
    quick: bool,
) -> None:
    """Write figures, pictures and page; ``seconds`` of processor time were spent on the cells."""
    from ecgmon.comparison.report.page import build as draw  # noqa: PLC0415 - matplotlib takes its time

    results: dict[str, Any] = {
        "schema": f"{SCHEMA}{FORMAT}",
        "version": __version__,
        "quick": quick,
        "core_seconds": seconds,
        "settings": msgspec.to_builtins(settings),
        "not_tested": left_out,
        "experiments": {
            experiment.name: {
                "title": experiment.title,
                "rows": tables.json_rows(experiment),
                "cells": {
                    row.name: [asked.fits[cell.fit].key for cell in row.cells]
                    for row in asked.rows[experiment.name]
                },
            }
            for experiment in made
        },
        "failed": failed,
    }
    write_whole(out / RESULTS, msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
    note = f"{len(asked.cells())} fits, {duration(seconds)} of one processor core."
    if quick:
        note += " Made with --quick: few beats, few epochs, one fit a row. It shows that all runs, no more."
    report = draw(made, note=note)
    for name, content in report.files().items():
        writable_folder((out / name).parent)
        write_whole(out / name, content)
