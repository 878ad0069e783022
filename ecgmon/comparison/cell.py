"""What decides one result, and how rows that ask the same fit for different things share it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeVar

import msgspec

from ecgmon.comparison.datasets import DatasetSettings
from ecgmon.comparison.drawing import DrawSettings
from ecgmon.comparison.settings import AnyMethod
from ecgmon.model.thresholds import ThresholdSettings

VERSION: Final = 3
"""Raised when the same settings give other results than before: finished cells are then not gone on with."""

Value = TypeVar("Value")


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """All that decides one result; :attr:`key` is its name."""

    method: AnyMethod
    model: str = ""
    """Of type ecgmon: which code scores, and the hash of a finished model."""
    dataset: DatasetSettings
    table: str
    """Hash of the beats."""
    draw: DrawSettings
    thresholds: dict[str, ThresholdSettings]
    beta: float
    seed: int
    fold: int
    folds: int
    version: int = VERSION

    @property
    def key(self) -> str:
        return _hash(self._tree())

    @property
    def fit(self) -> str:
        """The same of cells that differ in what is read off the fit only."""
        tree = self._tree()
        del tree["method"]["readings"], tree["thresholds"]
        return _hash(tree)

    def _tree(self) -> dict[str, Any]:
        tree: dict[str, Any] = msgspec.to_builtins(self)
        for place in ("data", "train", "make"):  # ``table`` knows the content
            tree["dataset"].pop(place, None)
        tree["dataset"]["test"] = tree["dataset"]["test"] is None  # whether it is a part of the same file
        return tree


def together(cells: Iterable[Cell]) -> dict[str, Cell]:
    """One cell for each fit, which has all readings and thresholds that any of ``cells`` asks for, by
    :attr:`Cell.fit`, in the order in which the fits come up."""
    found: dict[str, Cell] = {}
    for cell in cells:
        fit = cell.fit
        found[fit] = _joined(found[fit], cell) if fit in found else cell
    return found


def _joined(one: Cell, other: Cell) -> Cell:
    readings = _union(one.method.readings, other.method.readings)
    return msgspec.structs.replace(
        one,
        method=msgspec.structs.replace(one.method, readings=readings),
        thresholds=_union(one.thresholds, other.thresholds),
    )


def names_in(own: Mapping[str, Value], all_of_fit: Mapping[str, Value]) -> dict[str, str]:
    """What a row calls readings or thresholds, to what the cell of its fit calls the same ones."""
    return {
        name: next(other for other, there in all_of_fit.items() if there == value)
        for name, value in own.items()
    }


def _union(first: Mapping[str, Value], second: Mapping[str, Value]) -> dict[str, Value]:
    found = dict(first)
    for wanted, value in second.items():
        if value in found.values():
            continue
        name, n = wanted, 1
        while name in found:
            n += 1
            name = f"{wanted} {n}"
        found[name] = value
    return found


def _hash(tree: Any) -> str:
    return hashlib.sha256(msgspec.json.encode(tree, order="sorted")).hexdigest()[:20]
