"""Chunks that were overtaken on the way get their turn: a chunk behind a short gap of numbers waits a moment.

Only what follows such a gap waits; a stream in order, and one without numbers, is passed on as it comes. What
waits is not acknowledged: after a kill the broker sends it again.

Bounds: a chunk waits ``seconds`` at most, of more than one of a stream no more than ``seconds`` of signal
wait, and of all streams no more than :data:`MOST` chunks: a broker sends only so many messages ahead of our
acknowledgements (Mosquitto: 20), and those go in the order of arrival. Then the first of them goes on, and
what it waited for is lost.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Final

from ecgmon.ecg.types import Chunk

REACH: Final = 16
"""Behind a gap of more numbers nothing begins to wait: that was no overtaking."""

MOST: Final = 10

Arrived = tuple[Chunk, float]
"""A chunk, and when it came (monotonic, s)."""


class Reorder:
    """``missing`` tells how many numbers are missing before a chunk, as things stand. So each chunk that is
    given on has to be worked off before the next is asked for. ``put_right`` hears of each chunk that waited,
    and for which what it waited for came."""

    def __init__(
        self, seconds: float, missing: Callable[[Chunk], int], put_right: Callable[[Chunk], None]
    ) -> None:
        self._seconds = seconds
        self._missing = missing
        self._put_right = put_right
        self._held: dict[str, list[Arrived]] = {}
        self._next = math.inf  # not before then has any waited for long enough

    def configure(self, seconds: float) -> None:
        """Let chunks wait so long from here on, s; 0: not at all."""
        self._seconds = seconds
        self._next = -math.inf

    @property
    def idle(self) -> bool:
        """No chunk is to wait and none does: each has its turn as it comes."""
        return self._seconds <= 0 and not self._held

    @property
    def held(self) -> int:
        """Chunks that wait."""
        return sum(map(len, self._held.values()))

    def feed(self, chunk: Chunk, now: float) -> Iterator[Arrived]:
        """``chunk`` came: what has its turn now, in order."""
        if self._waits(chunk):
            self._held.setdefault(chunk.stream, []).append((chunk, now))
            self._next = min(self._next, now + self._seconds)
        else:
            if chunk.end:
                yield from self._release(chunk.stream)
            yield chunk, now
        if chunk.stream in self._held:
            yield from self._ready(chunk.stream, now)
        while self.held > MOST:
            yield from self._release(min(self._held, key=lambda name: self._held[name][0][1]))

    def _waits(self, chunk: Chunk) -> bool:
        """It follows a gap, or others that wait."""
        missing = self._missing(chunk)
        if self._seconds <= 0 or chunk.end or missing <= 0:
            return False
        return missing <= REACH or chunk.stream in self._held

    def due(self, now: float) -> Iterator[Arrived]:
        """Time has passed: what has waited for long enough."""
        if now < self._next:
            return
        for stream in list(self._held):
            yield from self._ready(stream, now)
        oldest = min((came for held in self._held.values() for _, came in held), default=math.inf)
        self._next = oldest + self._seconds

    def wait(self, longest: float, now: float) -> float:
        """Seconds until :meth:`due` has something to do, ``longest`` at most."""
        return max(0.0, min(longest, self._next - now))

    def flush(self) -> Iterator[Arrived]:
        """No chunk follows: everything that waits."""
        for stream in list(self._held):
            yield from self._release(stream)

    def _ready(self, stream: str, now: float) -> Iterator[Arrived]:
        """Give on the first, as long as nothing is missing before it or a bound is reached."""
        held, given_up = self._held[stream], False
        while held:
            first = min(range(len(held)), key=lambda i: self._missing(held[i][0]))
            lasting = {
                each.seq: each.samples.shape[1] / each.fs for each, _ in held
            }  # some may be there twice
            full = len(lasting) > 1 and sum(lasting.values()) > self._seconds
            overdue = now - min(came for _, came in held) >= self._seconds
            missing = self._missing(held[first][0])
            if missing > 0 and not (full or overdue):
                return
            given_up |= missing > 0
            if not given_up:
                self._put_right(held[first][0])
            yield held.pop(first)
        del self._held[stream]

    def _release(self, stream: str) -> Iterator[Arrived]:
        held = self._held.pop(stream, [])
        while held:
            yield held.pop(min(range(len(held)), key=lambda i: self._missing(held[i][0])))
