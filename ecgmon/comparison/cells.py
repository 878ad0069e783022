"""One cell: draw the beats, fit the method, read its scores, choose thresholds, measure."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from ecgmon.comparison import ecgmon_method
from ecgmon.comparison.data import Part, Table
from ecgmon.comparison.drawing import Drawn, Rows, draw
from ecgmon.comparison.ecgmon_method import EcgmonFitted, EcgmonSettings
from ecgmon.comparison.plan import Cell
from ecgmon.comparison.results import AtThreshold, CellResult, ReadingResult
from ecgmon.ecg.aami import ANOMALOUS
from ecgmon.ecg.types import Samples
from ecgmon.errors import EcgmonError
from ecgmon.evaluation.ranking import auroc, average_precision
from ecgmon.model.epochs import History
from ecgmon.model.methods.base import Floats, Learning, Method, Reading
from ecgmon.model.methods.build import build
from ecgmon.model.thresholds import Threshold, choose

Arrays = dict[str, NDArray[Any]]
Labels = NDArray[np.str_]

MOST_SCORES: Final = 20_000
"""Test scores that are kept for pictures; more are drawn from."""
EXAMPLES: Final = 8
"""Normal beats, and beats that are not, that are kept with what was made of them."""
EMBEDDINGS: Final = 3000


def run_cell(cell: Cell, tables: Path) -> tuple[CellResult, Arrays]:
    """Everything that is known of ``cell``, and the arrays for pictures; ``tables`` is the folder with the
    beats. Raises :class:`EcgmonError` when it cannot be had."""
    table = _table(tables / f"{cell.table}.npz")
    drawn = draw(table, cell.dataset, cell.draw, seed=cell.seed, fold=cell.fold, count=cell.folds)
    shown = _examples(table.test, drawn.test, cell) if cell.fold == 0 else drawn.test[:0]
    began = time.process_time()
    fitted = _fit(cell, table, drawn)
    seconds = time.process_time() - began
    validation_label, test_label = table.train.label[drawn.validation], table.test.label[drawn.test]
    kept = _drawn_of(len(test_label), MOST_SCORES, cell.seed)
    arrays: Arrays = {"test_label": test_label[kept], "validation_label": validation_label}
    readings: dict[str, ReadingResult] = {}
    for name, reading in cell.method.readings.items():
        validation = _finite(fitted.validation(reading), f"reading '{name}' of the validation")
        began = time.process_time()
        test = _finite(fitted.test(reading, shown), f"reading '{name}' of the test")
        took = max(time.process_time() - began, 1e-9)
        record = table.test.record[drawn.test] if table.test.names else None
        readings[name] = _reading(
            cell, validation, validation_label, test, test_label, record, fitted.judged(len(test)) / took
        )
        arrays[f"test_score_{name}"] = test[kept].astype(np.float32)
        arrays[f"validation_score_{name}"] = validation.astype(np.float32)
    arrays |= fitted.pictures(shown)
    history = fitted.history
    result = CellResult(
        key=cell.key,
        method=msgspec.to_builtins(cell.method),
        dataset={
            "settings": msgspec.to_builtins(cell.dataset),
            "draw": msgspec.to_builtins(cell.draw),
            "table": cell.table,
            "folds": cell.folds,
            "held_out": list(drawn.held_out),
        },
        seed=cell.seed,
        fold=cell.fold,
        n_train=len(drawn.train),
        n_test={name: int((test_label == name).sum()) for name in ("N", *ANOMALOUS)},
        parameters=fitted.parameters,
        train_seconds=seconds,
        losses={} if history is None else {"train": history.train, "validation": history.validation},
        best_epoch=0 if history is None else history.best,
        readings=readings,
    )
    return result, arrays


@dataclass(frozen=True, slots=True)
class _Fitted:
    """A fitted method of either kind: one that sees windows, and one that sees recordings."""

    parameters: int
    history: History | None
    validation: Callable[[Reading], Floats]
    test: Callable[[Reading, Rows], Floats]
    judged: Callable[[int], int]
    """How many beats were scored for so many that were asked for."""
    pictures: Callable[[Rows], Arrays]


def _fit(cell: Cell, table: Table, drawn: Drawn) -> _Fitted:
    if isinstance(cell.method, EcgmonSettings):
        model = ecgmon_method.fit(cell.method, table, drawn, cell.seed)
        return _Fitted(
            parameters=model.parameters,
            history=model.history,
            validation=lambda _: model.validation(drawn),
            test=lambda _, shown: model.test(drawn, shown),
            judged=lambda _: int(table.test.good.sum()),
            pictures=lambda shown: _restored_by_model(model, table.test, shown),
        )
    method = build(cell.method)
    learned = table.train.x(drawn.train)
    normal = drawn.validation[table.train.label[drawn.validation] == "N"]
    method.fit(Learning(learned, table.train.x(normal)), cell.seed)
    x_validation, x_test = table.train.x(drawn.validation), table.test.x(drawn.test)
    return _Fitted(
        parameters=method.parameters,
        history=method.history,
        validation=lambda reading: method.score(x_validation, reading, cell.seed),
        test=lambda reading, _: method.score(x_test, reading, cell.seed),
        judged=lambda n: n,
        pictures=lambda shown: _pictures(method, table.test, drawn, shown, cell),
    )


def _reading(
    cell: Cell,
    validation: Floats,
    validation_label: Labels,
    test: Floats,
    test_label: Labels,
    record: Rows | None,
    beats_per_second: float,
) -> ReadingResult:
    normal, odd = test[test_label == "N"], test[test_label != "N"]
    of_validation = validation[validation_label == "N"], validation[validation_label != "N"]
    classes = {name: auroc(test[test_label == name], normal) for name in ANOMALOUS}
    return ReadingResult(
        auroc=auroc(odd, normal),
        auprc=average_precision(odd, normal),
        per_class_auroc={name: value for name, value in classes.items() if value is not None},
        mean_record_auroc=None if record is None else _mean_of_records(test, test_label, record),
        validation_auroc=auroc(of_validation[1], of_validation[0]),
        beats_per_second=beats_per_second,
        thresholds={
            name: at_threshold(choose(settings, *of_validation), normal, odd, cell.beta)
            for name, settings in cell.thresholds.items()
        },
    )


def at_threshold(threshold: Threshold, normal: Floats, odd: Floats, beta: float) -> AtThreshold:
    """What ``threshold`` makes of scores of normal and of odd windows."""
    false, true = (int(threshold.odd(scores).sum()) for scores in (normal, odd))
    missed = len(odd) - true
    weighted = (1 + beta**2) * true
    return AtThreshold(
        high=threshold.high,
        low=threshold.low,
        accuracy=_ratio(true + len(normal) - false, len(normal) + len(odd)),
        accuracy_normal=_ratio(len(normal) - false, len(normal)),
        accuracy_abnormal=_ratio(true, len(odd)),
        precision=_ratio(true, true + false),
        recall=_ratio(true, len(odd)),
        f1=_ratio(2 * true, 2 * true + false + missed),
        f_beta=_ratio(weighted, weighted + beta**2 * missed + false),
    )


def _mean_of_records(scores: Floats, label: Labels, record: Rows) -> float | None:
    known = []
    for i in np.unique(record):
        own = record == i
        value = auroc(scores[own & (label != "N")], scores[own & (label == "N")])
        if value is not None:
            known.append(value)
    return float(np.mean(known)) if known else None


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None


def _finite(scores: Floats, what: str) -> Floats:
    wrong = int((~np.isfinite(scores)).sum())
    if wrong:
        raise EcgmonError(f"{what}: {wrong} of {len(scores)} scores are no finite numbers")
    return scores


def _examples(part: Part, test: Rows, cell: Cell) -> Rows:
    """Tested beats to be shown, drawn by seed: the same of every method."""
    normal, odd = (test[part.label[test] == "N"], test[part.label[test] != "N"])
    return np.concatenate([rows[_drawn_of(len(rows), EXAMPLES, cell.seed)] for rows in (normal, odd)])


def _drawn_of(n: int, most: int, seed: int) -> Rows:
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng([seed, 0xD1A]).choice(n, most, replace=False))


def _restored_by_model(model: EcgmonFitted, part: Part, shown: Rows) -> Arrays:
    if not shown.size:
        return {}
    x, restored = model.restored(shown)
    return {"example_x": x, "example_restored": restored, "example_label": part.label[shown]}


def _pictures(method: Method, part: Part, drawn: Drawn, shown: Rows, cell: Cell) -> Arrays:
    if not shown.size:
        return {}
    found: Arrays = {}
    x = part.x(shown)
    restored = method.restore(x)
    if restored is not None:
        found |= {"example_x": x, "example_restored": restored, "example_label": part.label[shown]}
    rows = drawn.test[_drawn_of(len(drawn.test), EMBEDDINGS, cell.seed)]
    latent = method.embed(part.x(rows))
    if latent is not None:
        found |= {"embedding": _two_dimensions(latent), "embedding_label": part.label[rows]}
    return found


def _two_dimensions(latent: Floats) -> Samples:
    """[n, 2] the first two principal components; what is missing of a narrower latent is 0."""
    centred = latent - latent.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    flat = centred @ axes[:2].T
    return np.pad(flat, ((0, 0), (0, 2 - flat.shape[1]))).astype(np.float32)


@lru_cache(maxsize=2)
def _table(path: Path) -> Table:
    return Table.load(path)
