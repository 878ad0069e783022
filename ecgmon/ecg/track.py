"""The recent past of a signal, addressed by sample number."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg.resample import Flags, Signal
from ecgmon.ecg.types import FS

PIECE: Final = 16 * FS
KEEP: Final = 24 * FS
"""Samples handled at a time, and samples kept behind them: longer than any decision takes."""


class Track:
    """The last samples of one signal on the 125 Hz grid, by their index."""

    def __init__(self, kind: type[np.float64] | type[np.uint8]) -> None:
        self._values: NDArray[Any] = np.zeros(2 * KEEP + 4 * PIECE, dtype=kind)
        self._used = 0
        self.end = 0
        """Index behind the last sample."""

    @property
    def start(self) -> int:
        """Index of the first sample still known."""
        return self.end - self._used

    def restart(self, at: int) -> None:
        """Forget everything; the next sample is number ``at``."""
        self._used = 0
        self.end = at

    def add(self, values: Signal | Flags) -> None:
        """Append [n] samples, ``PIECE`` at most."""
        if self._used + len(values) > len(self._values):
            kept = self._values[self._used - KEEP : self._used].copy()
            self._values[:KEEP] = kept
            self._used = KEEP
        self._values[self._used : self._used + len(values)] = values
        self._used += len(values)
        self.end += len(values)

    def get(self, first: int, end: int) -> NDArray[Any]:
        """Samples ``first`` to ``end``, cut off where nothing is known."""
        start = self.start
        return self._values[max(0, first - start) : max(0, end - start)]
