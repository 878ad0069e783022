"""One cell: draw the beats, fit the method, read its scores, choose thresholds, measure."""

from __future__ import annotations

import importlib.util
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
from ecgmon.comparison.cell import Cell
from ecgmon.comparison.data import Part, Table
from ecgmon.comparison.drawing import Drawn, Rows, draw
from ecgmon.comparison.ecgmon_method import EcgmonFitted, EcgmonSettings
from ecgmon.comparison.measuring import Scored, measured
from ecgmon.comparison.results import CellResult, ReadingResult
from ecgmon.ecg.aami import CLASSES
from ecgmon.ecg.types import WINDOW, Samples
from ecgmon.errors import EcgmonError
from ecgmon.model.epochs import History
from ecgmon.model.methods.autoencoder import AutoencoderSettings
from ecgmon.model.methods.base import Floats, Learning, Method, Reading
from ecgmon.model.methods.build import build
from ecgmon.model.methods.classical import ClassicalSettings
from ecgmon.model.methods.classical_settings import PcaSettings

Arrays = dict[str, NDArray[Any]]

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
    _load_libraries()
    fitted = _fit(cell, table, drawn)
    validation_label, test_label = table.train.label[drawn.validation], table.test.label[drawn.test]
    record = table.test.record[drawn.test] if table.test.names else None
    kept = _drawn_of(len(test_label), MOST_SCORES, cell.seed)
    arrays: Arrays = {"test_label": test_label[kept], "validation_label": validation_label}
    readings: dict[str, ReadingResult] = {}
    for name, reading in cell.method.readings.items():
        validation = None
        if fitted.validation is not None:
            scores = _finite(fitted.validation(reading), f"reading '{name}' of the validation")
            validation = Scored(scores, validation_label)
            arrays[f"validation_score_{name}"] = scores.astype(np.float32)
        began = time.process_time()
        test = _finite(fitted.test(reading, shown), f"reading '{name}' of the test")
        took = max(time.process_time() - began, 1e-9)
        readings[name] = measured(
            validation,
            Scored(test, test_label, record),
            cell.thresholds,
            beta=cell.beta,
            beats_per_second=fitted.judged(len(test)) / took,
        )
        arrays[f"test_score_{name}"] = test[kept].astype(np.float32)
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
        n_train=fitted.n_train,
        n_test={name: int((test_label == name).sum()) for name in CLASSES},
        parameters=fitted.parameters,
        train_seconds=fitted.seconds,
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
    n_train: int | None
    seconds: float | None
    validation: Callable[[Reading], Floats] | None
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
            n_train=model.n_train,
            seconds=model.seconds,
            validation=None if cell.method.bundle is not None else lambda _: model.validation(drawn),
            test=lambda _, shown: model.test(drawn, shown),
            judged=lambda _: int(table.test.good.sum()),
            pictures=lambda shown: _restored_by_model(model, table.test, shown),
        )
    method = build(cell.method)
    learning = learned(table, drawn)
    x_validation, x_test = table.train.x(drawn.validation), table.test.x(drawn.test)
    began = time.process_time()
    method.fit(learning, cell.seed)
    seconds = time.process_time() - began
    return _Fitted(
        parameters=method.parameters,
        history=method.history,
        n_train=len(learning.train),
        seconds=seconds,
        validation=lambda reading: method.score(x_validation, reading, cell.seed),
        test=lambda reading, _: method.score(x_test, reading, cell.seed),
        judged=lambda n: n,
        pictures=lambda shown: _pictures(method, table.test, drawn, shown, cell),
    )


def learned(table: Table, drawn: Drawn) -> Learning:
    """What a method is fitted on: the windows drawn for it, and the normal ones of those held out."""
    normal = drawn.validation[table.train.label[drawn.validation] == "N"]
    return Learning(table.train.x(drawn.train), table.train.x(normal), table.train.layout)


@lru_cache(maxsize=1)
def _load_libraries() -> None:
    """Fit something small of each kind: what a library loads or compiles at its first fit is not what the
    method costs."""
    x = np.random.default_rng(0).random((64, WINDOW)).astype(np.float32)
    build(AutoencoderSettings(epochs=1)).fit(Learning(x, x), 0)
    if importlib.util.find_spec("sklearn") is not None:
        build(ClassicalSettings(detector=PcaSettings(kept=2))).fit(Learning(x, x), 0)


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
