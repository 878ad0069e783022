"""The line in which everything that streams produce waits its turn: scored in batches, handed on in order.

What fails costs its own beats their scores, or one item its delivery, and is counted; everything else,
acknowledgements and ends with it, goes its way.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol, cast

from ecgmon.ecg.types import Beat, Layout, ModelRef, Score
from ecgmon.model.baseline import Baseline
from ecgmon.monitor.batcher import Batcher, BatchSettings
from ecgmon.monitor.delivery import Delivery
from ecgmon.monitor.keeper import Keeper
from ecgmon.monitor.kept import Kept
from ecgmon.monitor.observers import Observers
from ecgmon.monitor.sparse import SparseLog
from ecgmon.monitor.state import Item, StreamState

log = logging.getLogger(__name__)

FAILURES: Final = 5
"""After so many batches in a row that failed, the line is said to be :attr:`~Line.failing`."""

FORGIVEN: Final = 60.0
"""And no longer when nothing has failed for so long, s: a ward may have gone quiet meanwhile."""


class Scorer(Protocol):
    """What is asked of :class:`ecgmon.model.scoring.Scorer`."""

    threshold: float
    """p-value at or under which a beat counts towards an alert."""

    @property
    def layout(self) -> Layout:
        """The windows it wants."""

    @property
    def model_ref(self) -> ModelRef:
        """Which bundle scores."""

    def new_baseline(self) -> Baseline:
        """What is known of a patient before the first beat."""

    def score(self, items: Sequence[tuple[Beat, Baseline]]) -> list[Score]:
        """One score for each beat, in order; updates the baselines."""


class Line:
    """Takes items, hands them to ``delivery``. ``strict``: what fails raises."""

    def __init__(
        self,
        scorer: Scorer | None,
        settings: BatchSettings,
        delivery: Delivery,
        observers: Observers,
        clock: Callable[[], float],
        *,
        strict: bool,
        keeper: Keeper | None,
    ) -> None:
        self._scorer = scorer
        self._batch: Batcher[Item] = Batcher(settings)
        self._delivery = delivery
        self._observers = observers
        self._clock = clock
        self._strict = strict
        self._keeper = keeper
        self._sparse = SparseLog(log, clock)
        self._failures = 0
        self._failed_at = 0.0

    @property
    def waiting(self) -> int:
        """Beats that wait to be scored."""
        return self._batch.beats

    @property
    def failing(self) -> bool:
        """Scoring or delivery failed for :data:`FAILURES` batches in a row."""
        return self._failures >= FAILURES and self._clock() - self._failed_at < FORGIVEN

    def configure(self, settings: BatchSettings) -> None:
        """Other batches from here on."""
        self._batch.configure(settings)

    def wait(self, longest: float) -> float:
        """Seconds until :meth:`tick` has something to do, ``longest`` at most."""
        return self._batch.wait(self._clock(), longest)

    def tick(self, now: float) -> None:
        """Score what has waited long enough at ``now`` (monotonic, s).

        While chunks wait in the source's queue that is when the newest that was looked at came: by the clock
        on the wall every beat would be overdue, scored alone, and a monitor once behind would stay behind.
        """
        if self._batch.due(now):
            self.score()

    def push(self, items: Iterable[Item], now: float) -> None:
        """Put ``items`` at the end, and score when that fills a batch."""
        add = self._batch.add
        for item in items:
            if add(item, beat=_wants_score(item), now=now):
                self.score()

    def score(self) -> None:
        """Score what waits, hand everything on in order."""
        items, beats = self._batch.take()
        well = not beats or self._score(beats)
        hand_on = self._delivery.hand_on
        for item in items:
            try:
                hand_on(item)
            except Exception as error:
                if self._strict:
                    raise
                self._undelivered(item, error)
                well = False
        if not well:
            self._failures += 1
            self._failed_at = self._clock()
        elif beats or self._scorer is None:
            self._failures = 0

    def leave(self, kept: Kept) -> None:
        """A stream of an earlier run that nobody watches any more."""
        try:
            self._delivery.leave(kept, self._clock())
        except Exception as error:  # noqa: BLE001 - counted
            self.failed(kept.stream, "delivery-failed", error)

    def failed(self, stream: str, reason: str, error: Exception) -> None:
        """Say and count a failure."""
        self._sparse.warning(reason, "stream %s: %s: %r", stream, reason, error, trace=True)
        self._observers.tell(lambda o: o.dropped(stream, reason))

    def _score(self, items: Sequence[Item]) -> bool:
        """Give each of ``items`` its score, or none where the scorer fails; whether it went well."""
        if self._scorer is None:
            return True
        try:
            began = self._clock()
            scores = self._scorer.score([_pair(item) for item in items])
            seconds = self._clock() - began
            if len(scores) != len(items):
                raise RuntimeError(f"the scorer gave {len(scores)} scores for {len(items)} beats")  # noqa: TRY301
        except Exception as error:
            if self._strict:
                raise
            for item in items:
                if item.state is not None:
                    self.failed(item.state.name, "scoring-failed", error)
            return False
        for item, score in zip(items, scores, strict=True):
            item.score = score
        self._observers.tell(lambda o: o.batch(len(items), seconds))
        return True

    def _undelivered(self, item: Item, error: Exception) -> None:
        name = item.state.name if item.state else ""
        self.failed(name, "delivery-failed", error)
        if self._keeper is not None and item.state is not None:
            self._keeper.anew(name)  # what became of it is in no journal


def _wants_score(item: Item) -> bool:
    what, state = item.what, item.state
    return isinstance(what, Beat) and what.good and state is not None and state.baseline is not None


def _pair(item: Item) -> tuple[Beat, Baseline]:
    """What the scorer needs for an item that wants a score."""
    return cast("tuple[Beat, Baseline]", (item.what, cast("StreamState", item.state).baseline))
