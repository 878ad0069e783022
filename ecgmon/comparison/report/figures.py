"""The rows of an experiment: every figure as mean and spread over the cells."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from ecgmon.comparison.report.material import Cell, Experiment, Variant
from ecgmon.comparison.results import AtThreshold, ReadingResult

Shown = Literal["rate", "amount", "count"]
"""rate: 0..1, three decimals; amount and count: three digits, from 100 on whole."""


@dataclass(frozen=True, slots=True)
class Figure:
    """Mean and sample standard deviation of the ``n`` cells that define the figure; the standard deviation
    is None of fewer than two, both are None of none."""

    mean: float | None
    spread: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Column:
    """One figure. ``most`` says that more is better, so that the best is marked."""

    key: str
    group: str
    head: str
    shown: Shown
    most: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """A variant, one of its readings and one of its thresholds ("": it has none).

    cells        those that have this reading and threshold
    reference    the accuracy published elsewhere
    """

    variant: Variant
    reading: str
    threshold: str
    cells: Sequence[Cell]
    figures: dict[str, Figure]
    reference: float | None = None

    @property
    def auroc(self) -> float | None:
        return self.figures["auroc"].mean


RANKING: Final = (
    Column("auroc", "ranking", "AUROC", "rate", most=True),
    Column("auprc", "ranking", "AUPRC", "rate", most=True),
    Column("auroc_V", "ranking", "AUROC V", "rate", most=True),
    Column("auroc_S", "ranking", "AUROC S", "rate", most=True),
)
RANKING_MORE: Final = (
    Column("mean_record_auroc", "ranking", "mean of records", "rate", most=True),
    Column("validation_auroc", "ranking", "validation", "rate", most=True),
)
DECISION: Final = (
    Column("threshold", "at the threshold", "threshold", "amount"),
    Column("threshold_low", "at the threshold", "lower", "amount"),
    Column("accuracy", "at the threshold", "accuracy", "rate", most=True),
    Column("accuracy_normal", "at the threshold", "acc. normals", "rate", most=True),
    Column("accuracy_abnormal", "at the threshold", "acc. abnormals", "rate", most=True),
    Column("precision", "at the threshold", "precision", "rate", most=True),
    Column("recall", "at the threshold", "recall", "rate", most=True),
    Column("f1", "at the threshold", "F1", "rate", most=True),
    Column("f_beta", "at the threshold", "F-beta", "rate", most=True),
)
COST: Final = (
    Column("train_seconds", "cost", "training, s", "amount"),
    Column("parameters", "cost", "parameters", "count"),
    Column("beats_per_second", "cost", "beats/s", "count"),
)
LEARNING: Final = (
    Column("best_epoch", "learning", "best epoch", "amount"),
    Column("at_limit", "learning", "at the limit", "rate"),
)
COLUMNS: Final = (*RANKING, *RANKING_MORE, *DECISION, *COST, *LEARNING)


def rows(experiment: Experiment) -> list[Row]:
    """One row for each variant, reading and threshold that a cell has, best AUROC first and undefined ones
    last; those of a sweep stay in its order."""
    found = [
        _row(experiment, variant, reading, threshold)
        for variant in experiment.variants
        for reading, thresholds in _readings(variant.cells).items()
        for threshold in thresholds
    ]
    if experiment.kind == "sweep":
        return found
    return sorted(found, key=lambda row: -math.inf if row.auroc is None else row.auroc, reverse=True)


def read_rows(found: Iterable[Row]) -> list[Row]:
    """The first row of each variant and reading: what does not depend on the threshold."""
    seen: dict[tuple[int, str], Row] = {}
    for row in found:
        seen.setdefault((id(row.variant), row.reading), row)
    return list(seen.values())


def variants(found: Iterable[Row]) -> list[Variant]:
    """The variants of the rows, in their order."""
    return list({id(row.variant): row.variant for row in found}.values())


def labels(found: Sequence[Row], *, threshold: bool = True) -> list[str]:
    """What each row is called: the variant, and its reading and threshold where rows differ in them."""
    several_readings = len({row.reading for row in found}) > 1
    several_thresholds = threshold and len({row.threshold for row in found}) > 1
    return [
        " \N{MIDDLE DOT} ".join(
            " ".join(part.split())
            for part, wanted in (
                (row.variant.name, True),
                (row.reading, several_readings),
                (row.threshold or "no threshold", several_thresholds),
            )
            if wanted
        )
        for row in found
    ]


def best(found: Sequence[Row], column: Column) -> set[int]:
    """Rows, by number, with the highest mean of a column where more is better; none where there is nothing to
    compare."""
    means = {i: mean for i, row in enumerate(found) if (mean := row.figures[column.key].mean) is not None}
    if not column.most or len(means) < 2 or len(set(means.values())) < 2:
        return set()
    top = max(means.values())
    return {i for i, mean in means.items() if mean == top}


def figure(values: Iterable[float | None]) -> Figure:
    """Mean and spread of the values that are defined and finite."""
    known = [float(value) for value in values if value is not None and math.isfinite(value)]
    if not known:
        return Figure(None, None, 0)
    spread = statistics.stdev(known) if len(known) > 1 else None
    return Figure(statistics.fmean(known), spread, len(known))


def _readings(cells: Iterable[Cell]) -> dict[str, list[str]]:
    """Reading to the names of its thresholds, as they come up; [""] of a reading without any."""
    found: dict[str, dict[str, None]] = {}
    for cell in cells:
        for name, reading in cell.result.readings.items():
            found.setdefault(name, {}).update(dict.fromkeys(reading.thresholds))
    return {name: list(thresholds) or [""] for name, thresholds in found.items()}


def _row(experiment: Experiment, variant: Variant, reading: str, threshold: str) -> Row:
    cells = [
        cell
        for cell in variant.cells
        if (read := cell.result.readings.get(reading)) is not None
        and (not threshold or threshold in read.thresholds)
    ]
    reads = [cell.result.readings[reading] for cell in cells]
    decisions = [read.thresholds[threshold] for read in reads] if threshold else []
    values: dict[str, list[float | None]] = {
        "train_seconds": [cell.result.train_seconds for cell in cells],
        "parameters": [cell.result.parameters for cell in cells],
        "best_epoch": [float(cell.result.best_epoch) if cell.result.losses else None for cell in cells],
        "at_limit": [_at_limit(cell) for cell in cells],
        **{key: [of(read) for read in reads] for key, of in _READINGS.items()},
        **{key: [of(decision) for decision in decisions] for key, of in _DECISIONS.items()},
    }
    figures = {key: figure(found) for key, found in values.items()}
    return Row(variant, reading, threshold, cells, figures, experiment.reference.get(variant.name))


def _at_limit(cell: Cell) -> float | None:
    """1 where the fit was best at its last epoch or the one before, and those were all it had; else 0."""
    limit = _epochs(cell.result.method)
    if limit is None or not cell.result.losses:
        return None
    return float(cell.result.best_epoch >= limit - 1)


def _epochs(settings: Any) -> int | None:
    """How many epochs a method may take, wherever its settings say it."""
    if not isinstance(settings, Mapping):
        return None
    if isinstance(settings.get("epochs"), int):
        return int(settings["epochs"])
    return next((found for each in settings.values() if (found := _epochs(each)) is not None), None)


_READINGS: Final[dict[str, Callable[[ReadingResult], float | None]]] = {
    "auroc": lambda read: read.auroc,
    "auprc": lambda read: read.auprc,
    "auroc_V": lambda read: read.per_class_auroc.get("V"),
    "auroc_S": lambda read: read.per_class_auroc.get("S"),
    "mean_record_auroc": lambda read: read.mean_record_auroc,
    "validation_auroc": lambda read: read.validation_auroc,
    "beats_per_second": lambda read: read.beats_per_second,
}
_DECISIONS: Final[dict[str, Callable[[AtThreshold], float | None]]] = {
    "threshold": lambda at: at.high,
    "threshold_low": lambda at: at.low,
    "accuracy": lambda at: at.accuracy,
    "accuracy_normal": lambda at: at.accuracy_normal,
    "accuracy_abnormal": lambda at: at.accuracy_abnormal,
    "precision": lambda at: at.precision,
    "recall": lambda at: at.recall,
    "f1": lambda at: at.f1,
    "f_beta": lambda at: at.f_beta,
}
