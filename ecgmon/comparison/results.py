"""What is known of a cell, that is one method, data set, seed and fold, when it is finished."""

from __future__ import annotations

from typing import Any

import msgspec


class AtThreshold(msgspec.Struct, frozen=True, kw_only=True):
    """What one threshold gives on the test windows; rates 0..1, None where there is nothing to divide by.

    A window is called odd when its score is at or above ``high``, or at or below ``low`` (None: one-sided).
    """

    high: float
    low: float | None
    accuracy: float | None
    accuracy_normal: float | None
    """Share of normal windows not called odd (specificity)."""
    accuracy_abnormal: float | None
    """Share of windows that are not normal called odd (sensitivity, recall)."""
    precision: float | None
    recall: float | None
    f1: float | None
    f_beta: float | None


class ReadingResult(msgspec.Struct, frozen=True, kw_only=True):
    """One reading of the fitted method's scores on the test windows."""

    auroc: float | None
    auprc: float | None
    per_class_auroc: dict[str, float]
    """AAMI class, against N."""
    mean_record_auroc: float | None
    validation_auroc: float | None
    """On the validation patients: what choices are made by; None of a finished model, which may have learned
    from them."""
    beats_per_second: float
    thresholds: dict[str, AtThreshold]
    """Chosen on the validation patients: none of a finished model."""


class CellResult(msgspec.Struct, frozen=True, kw_only=True):
    """A finished cell. The arrays for plots stand beside it in an ``.npz``."""

    key: str
    """Hash of all that decides the result."""
    method: dict[str, Any]
    dataset: dict[str, Any]
    seed: int
    fold: int
    n_train: int | None
    """Windows learned from; None of a finished model, of which it is not known here."""
    n_test: dict[str, int]
    """Test windows by AAMI class."""
    parameters: int
    train_seconds: float | None
    """Processor time of the fit alone: libraries are loaded and windows normalised before. None of a finished
    model."""
    losses: dict[str, list[float]]
    """``train`` and ``validation`` by epoch; empty where nothing is learned by epochs."""
    best_epoch: int
    readings: dict[str, ReadingResult]
