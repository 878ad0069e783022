"""Is too much of the signal lost to be watched? Each loss is harmless alone, many are not.

Behind every gap detector and quality gate begin anew, and the beats beside it are not scored. So where a
quarter of the last 30 s was lost, in pieces, the stream is not analysed, and that is said (``noise``); it is
again where less than a sixth was. So it is, too, where two thirds were lost or lay in less than ``LEARN``
seconds between two losses, too few for the detector to learn in; until less than a third did. One gap alone,
however long, is none of this: of seconds on end of which nothing came no more than ``RUN`` count, and while
nothing comes at all ``stream-lost`` speaks.
"""

from __future__ import annotations

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

BLIND_HEAVY: Final = 20
BLIND_LIGHT: Final = 10
"""The same of those that were lost or lay between losses too close to each other."""

LEARN: Final = 6
"""Seconds between two losses of which enough is told: the detector's 5 s of learning, and the windows of the
first beats."""


class Losses:
    """Follows one stream, second by second. A second counts as lost if there was a gap in it, or nothing but
    missing samples."""

    __slots__ = ("_blind", "_left", "_lost", "_run", "_whole", "heavy", "since")

    def __init__(self) -> None:
        self.heavy = False
        """Too much was lost."""
        self.since = 0.0
        """Stream time from which on it was, s."""
        self._run = 0
        self._whole = LEARN  # seconds since the last loss, as far as they matter
        self._left = 0  # seconds until none that was lost is looked back on
        self._lost: list[bool] = []  # of the last SPAN seconds; empty where none was lost
        self._blind: list[int] = []  # each of those that was, -1 for others

    @property
    def rests(self) -> bool:
        """Nothing was lost in the seconds that are looked back on."""
        return not self._left

    def second(self, quality: Quality, signal: Signal) -> bool:
        """Take the next second; returns ``heavy``."""
        lost = signal == "gap" or (signal == "missing" and not quality.partial)
        if not (lost or self._left):
            return False
        self._run = self._run + 1 if lost and not quality.partial else 0
        if lost and self._whole < LEARN:
            for i in range(1, min(self._whole, len(self._blind)) + 1):
                self._blind[-i] = quality.second - i
        self._whole = 0 if lost else min(self._whole + 1, LEARN)
        if self._run <= RUN:
            self._left = SPAN if lost else self._left - 1
            self._lost.append(lost)
            self._blind.append(quality.second if lost else -1)
            del self._lost[:-SPAN], self._blind[:-SPAN]
        if not self._left:
            self._lost, self._blind = [], []
        if not (lost or self.heavy):
            return False  # no more were lost than before
        blind = [second for second in self._blind if second >= 0]
        many, half = (LIGHT, BLIND_LIGHT) if self.heavy else (HEAVY, BLIND_HEAVY)
        heavy = sum(self._lost) >= many or len(blind) >= half
        if heavy and not self.heavy:
            self.since = float(blind[0])
        self.heavy = heavy
        return heavy
