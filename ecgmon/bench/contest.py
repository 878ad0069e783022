"""Contenders do the same work by turns; what each took, and how the others compare with ours.

By turns, for machines change their speed within a run: a slow minute then meets all of them. What counts is
CPU time of this process, all threads together: wall time also measures who else computes.
"""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

NOT_INSTALLED: Final = "not installed"


@dataclass(frozen=True, slots=True)
class Contender:
    """``run`` does the work once and returns how many units it was; None: it is ``missing``, and why.

    scope      what of the way from a file to an alert it goes
    warm_up    what compiles and loads, done once and not counted
    """

    name: str
    scope: str
    run: Callable[[], float] | None
    warm_up: Callable[[], object] | None = None
    missing: str = NOT_INSTALLED


@dataclass(slots=True)
class Row:
    """One contender's seconds per unit, of each run."""

    name: str
    scope: str
    missing: str | None = None
    runs: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.runs)

    def tree(self, ours: Row | None = None) -> dict[str, Any]:
        """For JSON; ``ratio`` to ``ours``, above 1 where this one takes longer."""
        if not self.runs:
            return {"name": self.name, "scope": self.scope, "missing": self.missing}
        return {
            "name": self.name, "scope": self.scope, "runs": self.runs, "median": self.median,
            "min": min(self.runs), "max": max(self.runs),
            "ratio": None if ours is None or not ours.runs else self.median / ours.median,
        }  # fmt: skip


def contest(
    contenders: Sequence[Contender],
    repetitions: int,
    progress: Callable[[str], object] = lambda _: None,
    clock: Callable[[], float] = time.process_time,
) -> list[Row]:
    """Let ``contenders`` run by turns, ``repetitions`` times each; ``progress`` hears whose turn it is.

    Warnings of others' packages are theirs and not shown.
    """
    rows = [Row(each.name, each.scope, None if each.run else each.missing) for each in contenders]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for each in contenders:
            if each.run is not None and each.warm_up is not None:
                progress(f"{each.name}: warm-up")
                each.warm_up()
        for repetition in range(repetitions):
            for each, row in zip(contenders, rows, strict=True):
                if each.run is None:
                    continue
                progress(f"{each.name}: {repetition + 1} of {repetitions}")
                began = clock()
                units = each.run()
                row.runs.append((clock() - began) / units)
    return rows
