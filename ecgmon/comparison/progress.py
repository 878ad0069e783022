"""How long a run will still take. Pure: it is told what was finished, and reads no clock."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from statistics import fmean, median


class Progress:
    """Cells of several kinds, finished one by one.

    ``kinds`` has, for each cell still to be run, its kinds from the narrowest to the widest: a cell is
    expected to take as long as the mean of the narrowest of which one is known, and one of which nothing is
    known as long as the middle one of all.
    """

    def __init__(self, kinds: Mapping[str, tuple[str, ...]], workers: int) -> None:
        self.total = len(kinds)
        self.finished = 0
        self._kinds = dict(kinds)
        self._workers = workers
        self._seconds: defaultdict[str, list[float]] = defaultdict(list)

    def learn(self, kinds: tuple[str, ...], seconds: float) -> None:
        """A cell of these kinds took so long, s, on some run before."""
        for kind in kinds:
            self._seconds[kind].append(seconds)

    def finish(self, key: str, seconds: float) -> None:
        """The cell is finished, after so many seconds of one worker."""
        self.learn(self._kinds.pop(key), seconds)
        self.finished += 1

    def drop(self, key: str) -> None:
        """The cell ended in an error: that says nothing about how long others take."""
        del self._kinds[key]
        self.finished += 1

    def left(self) -> float | None:
        """Seconds until all is finished; None while nothing is known."""
        known = Counter(
            next((kind for kind in kinds if kind in self._seconds), "") for kinds in self._kinds.values()
        )
        blind = known.pop("", 0)
        if not self._seconds:
            return None if blind else 0.0
        widest = median(seconds for every in self._seconds.values() for seconds in every)
        total = sum(n * fmean(self._seconds[kind]) for kind, n in known.items()) + blind * widest
        return total / min(self._workers, max(len(self._kinds), 1))


def duration(seconds: float) -> str:
    """``42 s``, ``5 min``, ``1 h 20 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
