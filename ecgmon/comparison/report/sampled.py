"""The arrays of a cell, as far as they are there and fit together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecgmon.comparison.report.material import Cell

Floats = NDArray[np.float64]
Labels = NDArray[np.str_]


class Scores(NamedTuple):
    """Finite scores of the normal windows and of all others."""

    normal: Floats
    odd: Floats


class Examples(NamedTuple):
    """Windows [k, 187], what was restored of them, and their classes."""

    x: Floats
    restored: Floats
    label: Labels


class Points(NamedTuple):
    """Embeddings [e, 2] and their classes."""

    at: Floats
    label: Labels


def scores_of(cell: Cell, reading: str) -> Scores | None:
    """Scores of the test windows; None where they or their labels are missing."""
    score, label = cell.arrays.get(f"test_score_{reading}"), cell.arrays.get("test_label")
    if score is None or label is None or len(score) != len(label):
        return None
    values, known = np.asarray(score, dtype=np.float64), np.isfinite(score)
    normal = label_of(label) == "N"
    return Scores(values[normal & known], values[~normal & known])


def examples(cells: Iterable[Cell]) -> Examples | None:
    """Of the first cell that has any."""
    for cell in cells:
        x, restored, label = (cell.arrays.get(f"example_{key}") for key in ("x", "restored", "label"))
        if x is None or restored is None or label is None or not len(x):
            continue
        if x.ndim == 2 and x.shape == restored.shape and len(x) == len(label):
            return Examples(x.astype(np.float64), restored.astype(np.float64), label_of(label))
    return None


def embedding(cells: Iterable[Cell]) -> Points | None:
    """Of the first cell that has one."""
    for cell in cells:
        at, label = cell.arrays.get("embedding"), cell.arrays.get("embedding_label")
        if at is not None and label is not None and at.shape == (len(label), 2) and len(label):
            finite = np.isfinite(at).all(axis=1)
            return Points(at[finite].astype(np.float64), label_of(label)[finite])
    return None


def label_of(label: NDArray[np.generic]) -> Labels:
    """Letters, be they stored as text or as bytes."""
    return np.asarray(label).astype(np.str_)
