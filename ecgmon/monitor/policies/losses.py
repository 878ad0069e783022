"""Is too much of the signal lost to be watched? Each loss is harmless alone, many are not.

Behind every gap detector and quality gate begin anew, and the beats beside it are not scored. So where a
quarter of the last 30 s was lost, in pieces, the stream is not analysed, and that is said (``noise``); it is
again where less than a sixth was. One gap alone, however long, is none of this: of seconds on end of which
nothing came no more than ``RUN`` count, and while nothing comes at all ``stream-lost`` speaks.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from ecgmon.ecg.types import Quality
from ecgmon.monitor.policies.line import Signal

SPAN: Final = 30
"""Seconds looked back on, those of a gap beyond ``RUN`` left out."""

RUN: Final = 3
HEAVY: Final = 8
LIGHT: Final = 5
"""Seconds: of one gap that count; lost ones of ``SPAN`` that are too many; that are few enough again, less
than so many."""


class Losses:
    """Follows one stream, second by second. A second counts as lost if there was a gap in it, or nothing but
    missing samples."""

    def __init__(self) -> None:
        self.heavy = False
        """Too much was lost."""
        self.since = 0.0
        """Stream time from which on it was, s."""
        self._run = 0
        self._seconds: deque[int] = deque(maxlen=SPAN)  # each that was lost, -1 for others

    def second(self, quality: Quality, signal: Signal) -> bool:
        """Take the next second; returns ``heavy``."""
        lost = signal == "gap" or (signal == "missing" and not quality.partial)
        self._run = self._run + 1 if lost and not quality.partial else 0
        if self._run <= RUN:
            self._seconds.append(quality.second if lost else -1)
        seconds = [second for second in self._seconds if second >= 0]
        if not self.heavy and len(seconds) >= HEAVY:
            self.since = float(seconds[0])
        self.heavy = len(seconds) >= (LIGHT if self.heavy else HEAVY)
        return self.heavy
