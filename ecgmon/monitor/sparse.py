"""Log lines that a flood of bad input cannot multiply."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

PERIOD: Final = 30.0
"""One line of a kind in so many seconds."""

MAX_KINDS: Final = 256


class SparseLog:
    """Logs the first line of each kind, then at most one a period, which says how many were left out."""

    def __init__(self, log: logging.Logger, clock: Callable[[], float], period: float = PERIOD) -> None:
        self._log = log
        self._clock = clock
        self._period = period
        self._kinds: dict[str, tuple[float, int]] = {}

    def warning(self, kind: str, text: str, *args: object, trace: bool = False) -> None:
        """Log ``text % args`` unless a line of this ``kind`` was logged within the period."""
        now = self._clock()
        last, left_out = self._kinds.get(kind, (-self._period, 0))
        if now - last < self._period:
            self._kinds[kind] = (last, left_out + 1)
            return
        if len(self._kinds) >= MAX_KINDS:
            self._kinds.clear()
        self._kinds[kind] = (now, 0)
        more = f" ({left_out} more of the kind were not logged)" if left_out else ""
        self._log.warning(text + "%s", *args, more, exc_info=trace)
