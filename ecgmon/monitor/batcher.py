"""Micro-batches: what waits for the scorer, until there is enough of it or the first has waited long enough.

Everything that must stay in the order of its stream goes through the same line: beats, verdicts over seconds,
acknowledgements, the end. Only beats that are to be scored count towards the size and start the clock;
while none is waiting, the rest need not wait either.
"""

from __future__ import annotations

from typing import Annotated, Generic, TypeVar

from msgspec import Meta

from ecgmon.config import Settings

T = TypeVar("T")


class BatchSettings(Settings, frozen=True):
    """How many beats are scored together, and how long the first of them may wait for the others."""

    size: Annotated[int, Meta(ge=1, le=4096, description="beats scored together at most")] = 128
    seconds: Annotated[float, Meta(ge=0, le=10, description="the first one waits at most so long, s")] = 0.1


class Batcher(Generic[T]):
    """One line of items with a size and a deadline; time is what the caller says it is (monotonic, s)."""

    def __init__(self, settings: BatchSettings) -> None:
        self._settings = settings
        self._items: list[T] = []
        self._beats: list[T] = []
        self._deadline = 0.0

    def configure(self, settings: BatchSettings) -> None:
        """Another size and deadline; what waits is due by those that it began with, or sooner."""
        self._settings = settings

    def add(self, item: T, *, beat: bool, now: float) -> bool:
        """Put ``item`` at the end of the line; ``beat`` says that it is one to be scored. True: it filled the
        batch."""
        self._items.append(item)
        if not beat:
            return False
        if not self._beats:
            self._deadline = now + self._settings.seconds
        self._beats.append(item)
        return self.full

    @property
    def beats(self) -> int:
        """Beats that wait to be scored."""
        return len(self._beats)

    @property
    def full(self) -> bool:
        return len(self._beats) >= self._settings.size

    def due(self, now: float) -> bool:
        """Whether something waits that should not wait longer."""
        return bool(self._items) and (not self._beats or now >= self._deadline or self.full)

    def wait(self, now: float, longest: float) -> float:
        """Seconds until the line is due, ``longest`` at most."""
        if not self._items:
            return longest
        return 0.0 if self.due(now) else min(longest, self._deadline - now)

    def take(self) -> tuple[list[T], list[T]]:
        """Empty the line: everything in order, and of that the beats to be scored."""
        taken = self._items, self._beats
        self._items, self._beats = [], []
        return taken
