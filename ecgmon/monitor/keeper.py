"""What a restart must not lose: each stream's state and its position, on disk, and when to acknowledge.

After a kill at any moment the daemon must raise the alerts that it would have raised undisturbed, with their
ids. So a stream must come back to the bit (filters, detector, baseline, the counters of its alerts, the time
that ids are made of), and every chunk must count exactly once. Two ways were weighed:

* hold the acknowledgements until a checkpoint of the streams is on disk, and let the broker play the rest
  again. A stream is 76 to 160 KB, so that checkpoints must be seconds apart, and every chunk of those seconds
  stays unacknowledged: 20 is what Mosquitto lets an MQTT 3.1.1 client have, and the more a broker holds for
  us, the more is lost when it is killed;
* (what is done) a write-ahead log, as databases have: a chunk that was worked off goes into a journal, one
  commit for all of the last 50 ms, and is acknowledged then. A stream is written whole when ``seconds`` of
  signal have come since the last time, each stream at its own moment, which empties its journal. At the start
  the streams are read back and the journal is played through the pipeline.

The order: alerts go to the outbox while a chunk is worked off; then it goes into the journal; then it is
acknowledged. After a kill before the journal has it, the broker sends it again to a stream that has not seen
it; after a later one, to a stream that drops it as a repeat. Either way an alert may be handed on twice, with
one id. A power failure may take the last moments of file and outbox (:mod:`ecgmon.sinks.database`).

A disk that fails stops nothing: chunks are worked off and acknowledged but not kept, the log and
``ecgmon_state_durable`` say so, and every few seconds the file is tried again, with all streams anew.

Bounds: a stream's journal holds ``seconds`` of signal and what comes until the stream is at rest, tenths of a
second; there are ``max_streams``; what ended is removed.
"""

from __future__ import annotations

import logging
import time
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from ecgmon.ecg.types import Chunk
from ecgmon.errors import EcgmonError
from ecgmon.monitor.kept import Terms, added, whole
from ecgmon.monitor.remains import Remains
from ecgmon.monitor.sparse import SparseLog
from ecgmon.monitor.state import StreamState
from ecgmon.monitor.statefile import AddChunk, Change, Forget, PutStream, StateFile
from ecgmon.sinks.database import DISK_ERRORS

log = logging.getLogger(__name__)

PACE: Final = 0.05
"""Seconds between two commits, unless :data:`MANY` chunks wait for one."""

MANY: Final = 10

RETRY_SECONDS: Final = 5.0
"""After a failure the disk is left alone for so long."""

PIECE: Final = 20
"""Streams written in one commit at the end: some tens of milliseconds."""

MISTAKES: Final = (TypeError, ValueError, LookupError, AttributeError, OverflowError)
"""What saving something raises that cannot be saved: ours, and no reason to end."""


class Keeper:
    """Between pipeline and :class:`StateFile`, on the compute thread.

    ``seconds`` of signal between two checkpoints of a stream. ``EcgmonError`` when the file cannot be used.
    """

    def __init__(
        self,
        path: Path,
        terms: Terms,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._file = StateFile(path)
        self._path = path
        self._terms = terms
        self._limit = seconds
        self._clock = clock
        self._wall = wall
        self._sparse = SparseLog(log, clock)
        self._open: Counter[str] = Counter()  # chunks begun and not done
        self._changes: list[Chunk | Forget] = []
        self._acks: list[Callable[[], None]] = []
        self._seconds: dict[str, float] = {}  # of signal since the last checkpoint
        self._due: set[str] = set()  # streams to be written whole
        self._unsaved: set[str] = set()  # streams that the file does not know: no use in journalling
        self._playing = False
        self._settled = self._retry_at = 0.0
        self._well = self._file.usable  # the disk was, when it was last used
        self._missing: set[str] = set()  # streams to be written since it is again
        self.stats: Counter[str] = Counter(
            errors=0, chunks=0, checkpoints=0, bytes=0, restored=0, replayed=0, unusable=0
        )
        """Running totals, for the metrics."""

    @property
    def durable(self) -> bool:
        """Whether a restart would find everything."""
        return self._well and not self._missing

    def begin(self, chunk: Chunk, live: Callable[[str], bool]) -> Callable[[], None]:
        """``chunk`` is about to be worked off; call the answer when everything it completed was handed on.
        ``live`` then tells whether its stream goes on."""
        self._open[chunk.stream] += 1
        return partial(self._done, chunk, live)

    def forget(self, stream: str) -> None:
        """``stream`` has ended and everything of it was handed on."""
        self._changes.append(Forget(stream))
        self._seconds.pop(stream, None)
        self._due.discard(stream)
        self._unsaved.discard(stream)
        self._missing.discard(stream)

    def anew(self, stream: str) -> None:
        """``stream`` was begun anew, perhaps with what is only in memory: write it soon."""
        self._due.add(stream)

    def wait(self, longest: float) -> float:
        """Seconds until :meth:`settle` has something to do, ``longest`` at most."""
        if not (self._acks or self._changes):
            return longest
        return max(0.0, min(longest, self._settled + PACE - self._clock()))

    def settle(self, streams: Mapping[str, StreamState]) -> None:
        """Commit what was done since the last time, then acknowledge it."""
        now = self._clock()
        waiting = self._acks or self._changes or self._due or not self._well
        early = now - self._settled < PACE and max(len(self._acks), len(self._changes)) < MANY
        if waiting and not self._playing and not early:
            self._write(streams, None, now, wait=not self._well and now < self._retry_at)

    def suspend(self, streams: Mapping[str, StreamState], cut: Callable[[], bool]) -> None:
        """The last thing before the end: commit what was done and the streams that are due, then write the
        others whole, those with the longest journal first, until ``cut`` says that the time is up. Closes
        the file.

        After a start that was cut short (:meth:`played` was not called) the file stays as it was found.
        """
        if not self._playing:
            due = set(self._due) if self._well else set[str]()  # what no journal tells of may be among them
            self._write(streams, due, self._clock(), wait=False)
            journal = self._seconds
            todo = sorted(streams.keys() - due, key=lambda n: (n not in self._missing, -journal.get(n, 0.0)))
            while todo and self._well and not cut():
                self._write(streams, todo[:PIECE], self._clock(), wait=False)
                todo = todo[PIECE:]
            if todo and self._well:
                self._say_cut(todo)
        self.close()

    def close(self) -> None:
        self._file.close()

    def remains(self) -> Remains:
        """What an earlier run left. The file stays as it is until :meth:`played`."""
        self._playing = True
        return Remains(self._file, self._path, self._terms, self._wall, self.stats, self._sparse)

    def played(self, remains: Remains, streams: int) -> None:
        """What could be used of ``remains`` lives again, so many streams; the rest can go."""
        self._playing = False
        self._changes += remains.gone
        self.stats["restored"] = streams

    def _done(self, chunk: Chunk, live: Callable[[str], bool]) -> None:
        name = chunk.stream
        self._open[name] -= 1
        if not self._open[name]:
            del self._open[name]
        if chunk.ack is not None:
            self._acks.append(chunk.ack)
        if not live(name):
            return
        self._seconds[name] = self._seconds.get(name, self._offset(name)) + chunk.samples.shape[1] / chunk.fs
        if self._seconds[name] >= self._limit:
            self._due.add(name)
        if self._well and not self._playing and name not in self._unsaved:
            self._changes.append(chunk)

    def _offset(self, name: str) -> float:
        """Streams that begin together shall not be written together."""
        return zlib.crc32(name.encode()) % 1000 / 1000 * self._limit

    def _write(
        self, streams: Mapping[str, StreamState], names: Collection[str] | None, now: float, *, wait: bool
    ) -> None:
        """Commit what was done, and ``names`` (None: those due) as they are now; then acknowledge. ``wait``:
        leave the disk alone."""
        self._settled = now
        done, self._changes = self._changes, []
        try:
            if not wait:
                self._commit(done, streams, names)
        except (*DISK_ERRORS, EcgmonError, *MISTAKES) as error:
            self._lose(error, len(streams), now)
        acks, self._acks = self._acks, []
        for ack in acks:
            try:
                ack()
            except Exception as error:  # noqa: BLE001 - the broker sends it again, and it is a repeat
                self._sparse.warning("acknowledge", "a chunk could not be acknowledged: %r", error)

    def _commit(
        self, done: list[Chunk | Forget], streams: Mapping[str, StreamState], names: Collection[str] | None
    ) -> None:
        changes: list[Change] = [each if isinstance(each, Forget) else added(each) for each in done]
        again = not self._well
        if again:
            self._file.reopen()
            self._unsaved, self._due, self._missing = set(streams), set(streams), set(streams)
            changes = [Forget(None)]
        at_rest = [name for name in (self._due if names is None else names) if not self._open[name]]
        changes += [self._whole(streams[name]) for name in at_rest if name in streams]
        if changes:
            self._file.write(changes)
        self._due.difference_update(at_rest)
        self._missing.difference_update(at_rest)
        self.stats["chunks"] += sum(isinstance(change, AddChunk) for change in changes)
        self.stats["checkpoints"] += sum(isinstance(change, PutStream) for change in changes)
        self.stats["bytes"] += sum(len(c.content) for c in changes if not isinstance(c, Forget))
        if again:
            self._well = True
            log.warning("%s can be used again: %d streams are on disk", self._path, len(at_rest))

    def _whole(self, state: StreamState) -> Change:
        """The row of a stream."""
        self._seconds[state.name] = 0.0
        try:
            row = whole(state, self._terms, self._wall())
        except MISTAKES as error:
            text = "stream %s cannot be kept: %r; a restart would learn it anew"
            self._sparse.warning("unsaved", text, state.name, error, trace=True)
            self.stats["errors"] += 1
            self._unsaved.add(state.name)
            return Forget(state.name)
        self._unsaved.discard(state.name)
        return row

    def _say_cut(self, left: list[str]) -> None:
        """The time was up before these streams were written whole."""
        anew = len(self._missing.intersection(left))
        log.warning(
            "%s: %d streams were not written whole in time: %d are taken up from their journal at the next "
            "start%s",
            self._path, len(left), len(left) - anew, f", {anew} are learned anew" if anew else "",
        )  # fmt: skip

    def _lose(self, error: Exception, streams: int, now: float) -> None:
        self.stats["errors"] += 1
        self._well = False
        self._retry_at = now + RETRY_SECONDS
        self._sparse.warning(
            "disk",
            "%s: the disk failed (%s); monitoring goes on, but until it can be used again a restart would "
            "miss what came since, and may learn %d streams anew",
            self._path, error, streams,
        )  # fmt: skip
