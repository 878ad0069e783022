"""What an earlier run left in the state file, read once at the start."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from ecgmon.ecg.types import Chunk
from ecgmon.monitor.kept import Kept, Terms, chunk_of, read
from ecgmon.monitor.sparse import SparseLog
from ecgmon.monitor.statefile import Forget, StateFile

log = logging.getLogger(__name__)


class Remains:
    """The streams first, then the chunks behind them. Changes nothing in the file: what is of no use to a
    later run either is collected in ``gone``."""

    def __init__(
        self,
        file: StateFile,
        path: Path,
        terms: Terms,
        wall: Callable[[], float],
        stats: Counter[str],
        sparse: SparseLog,
    ) -> None:
        self._file = file
        self._path = path
        self._terms = terms
        self._wall = wall
        self._stats = stats
        self._sparse = sparse
        self.gone: list[Forget] = []

    def streams(self) -> Iterator[Kept]:
        """What there is, and a log line for each reason why something cannot be used whole."""
        reasons: Counter[str] = Counter()
        for name, raw in self._file.streams():
            kept, reason = read(name, raw, self._terms, self._wall())
            if reason is not None:
                reasons[reason] += 1
                self.gone.append(Forget(name))
            yield kept
        for reason, count in reasons.items():
            log.warning("%s: %d streams of an earlier run %s", self._path, count, reason)
        self._stats["unusable"] += reasons.total()

    def refuse(self, kept: Kept, why: object) -> None:
        """The pipeline does not take what :meth:`streams` gave."""
        self._sparse.warning("refused", "stream %s of an earlier run is not taken up: %s", kept.stream, why)
        self._stats["unusable"] += 1
        self.gone.append(Forget(kept.stream))

    def discard(self) -> None:
        """Nothing of it is of any use: the source begins its streams anew."""
        self.gone.append(Forget(None))

    def chunks(self) -> Iterator[Chunk]:
        """The chunks behind the streams' checkpoints, to be worked off again."""
        gone = {each.stream for each in self.gone}
        if None in gone:
            return
        damaged = 0
        for name, raw in self._file.chunks():
            chunk = None if name in gone else chunk_of(name, raw)
            damaged += chunk is None and name not in gone
            if chunk is not None:
                self._stats["replayed"] += 1
                yield chunk
        if damaged:
            log.warning("%s: %d damaged chunks of the journal are left out", self._path, damaged)
