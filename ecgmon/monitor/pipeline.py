"""The synchronous core: chunks in, alerts out. No threads, no network, no clock but the one it is given.

``serve`` feeds it from its one compute thread, ``scan``, ``train`` and ``evaluate`` feed it from files
(:mod:`ecgmon.monitor.offline`): what is measured is what runs.

A chunk goes, in its turn (:mod:`ecgmon.monitor.reorder`), to its stream (:mod:`ecgmon.monitor.streams`),
which cuts it into beats and seconds; these wait their turn in one line (:mod:`ecgmon.monitor.line`) to be
scored and handed on (:mod:`ecgmon.monitor.delivery`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg.types import Chunk, Layout
from ecgmon.errors import EcgmonError
from ecgmon.monitor.delivery import Delivery
from ecgmon.monitor.keeper import Keeper
from ecgmon.monitor.line import FAILURES, Line, Scorer
from ecgmon.monitor.listening import Listening
from ecgmon.monitor.observers import Observer, Observers
from ecgmon.monitor.pipeline_settings import PipelineSettings
from ecgmon.monitor.reorder import Reorder
from ecgmon.monitor.state import Item, StreamState
from ecgmon.monitor.streams import Streams
from ecgmon.sinks.base import Sink

__all__ = ["DROP_REASONS", "FAILURES", "Pipeline", "PipelineSettings", "Scorer"]

DROP_REASONS: Final = (
    "repeat", "late", "overlap", "too-many-streams", "displaced", "unusable", "internal-error",
    "scoring-failed", "delivery-failed",
)  # fmt: skip
"""Why something was not used. ``unusable`` is a chunk with a rate or lead that the frontend cannot take;
``displaced`` is a stream without a beat whose place was given to another; a beat is counted as
``scoring-failed`` and handed on without a score; ``delivery-failed`` is anything that policies or sinks
raised over."""


class Pipeline:
    """Takes chunks of many streams, hands alerts to the sinks.

    ``scorer`` None: beats are found, none is scored (``layout`` is then asked for). ``strict``: input that
    cannot be used raises, as files should; else it is counted and the pipeline lives on, as a monitor
    should. ``r_peaks``: stream to reference R-peaks in s, to use instead of the detector's. With a
    ``keeper`` the streams outlive the program: :meth:`resume` takes them up, :meth:`suspend` lays them down.
    ``connected`` tells whether chunks can come in: silence of streams is judged by that.
    """

    def __init__(
        self,
        scorer: Scorer | None,
        settings: PipelineSettings,
        sinks: Sequence[Sink] = (),
        observers: Sequence[Observer] = (),
        clock: Callable[[], float] = time.monotonic,
        *,
        strict: bool = False,
        layout: Layout = "centred",
        r_peaks: Mapping[str, NDArray[np.float64]] | None = None,
        keeper: Keeper | None = None,
        connected: Callable[[], bool] = lambda: True,
    ) -> None:
        self._clock = clock
        self._strict = strict
        self._keeper = keeper
        self._observers = Observers(observers)
        # Time alone may raise an alert: no chunk in the journal says so.
        changed = None if keeper is None else keeper.anew
        self._delivery = Delivery(sinks, self._observers, clock, settings.state_seconds, changed)
        self._line = Line(
            scorer, settings.batch, self._delivery, self._observers, clock, strict=strict, keeper=keeper
        )
        self._streams = Streams(
            scorer, settings, self._line, self._observers, clock,
            strict=strict, layout=layout, r_peaks=r_peaks or {}, keeper=keeper,
        )  # fmt: skip
        self._order = Reorder(settings.arrivals.reorder_seconds, self._streams.missing, self._put_right)
        self._resuming = False
        self._anew = False
        self._listening = Listening(connected)

    @property
    def streams(self) -> int:
        """Live streams."""
        return len(self._streams.live)

    @property
    def live(self) -> Mapping[str, StreamState]:
        """The live streams by name; theirs is the thread that feeds the pipeline, others only read."""
        return self._streams.live

    @property
    def waiting(self) -> int:
        """Beats that wait to be scored."""
        return self._line.waiting

    @property
    def observer_failures(self) -> int:
        """What observers raised, so far."""
        return self._observers.failures

    @property
    def failing(self) -> bool:
        """Scoring or delivery failed for :data:`FAILURES` batches in a row: what comes in is not watched."""
        return self._line.failing

    def configure(self, settings: PipelineSettings) -> None:
        """Go on by other settings; no stream and no standing alert is lost. ``lead`` is for new streams.

        :class:`ConfigError`, with everything as it was, where overrides for a live stream do not go together.
        """
        self._streams.configure(settings)
        self._order.configure(settings.arrivals.reorder_seconds)
        self._line.configure(settings.batch)
        self._delivery.configure(settings.state_seconds)

    def feed(self, chunk: Chunk) -> None:
        """Take one chunk; alerts that it completes go out at once or with the next batch."""
        self._observers.chunk(chunk)
        now = self._clock()
        if self._order.idle:
            self._work_off(chunk, now)
        else:
            for each, came in self._order.feed(chunk, now):
                self._work_off(each, came)
        self.tick(behind=0.0 if chunk.received is None else max(0.0, now - chunk.received))

    def _work_off(self, chunk: Chunk, now: float) -> None:
        """It is the turn of ``chunk``, which came at ``now``."""
        done = chunk.ack
        if self._keeper is not None:
            done = self._keeper.begin(chunk, self._streams.live.__contains__)
        try:
            self._streams.take(chunk, now)
        except EcgmonError as error:
            if self._strict:
                raise
            self._streams.abandon(chunk, "unusable", str(error), now)
        except Exception as error:
            if self._strict:
                raise
            self._streams.abandon(chunk, "internal-error", repr(error), now, trace=True)
        if done is not None:
            self._line.push([Item(None, done, 0.0, now)], now)

    def tick(self, behind: float = 0.0) -> None:
        """Time has passed: score what waited long enough, end the streams that fell silent.

        ``behind``: how long ago the newest chunk that was looked at had been received, s.
        """
        now = self._clock()
        if not self._order.idle:
            for chunk, came in self._order.due(now):
                self._work_off(chunk, came)
        look = self._listening.look(now, behind)
        if look is not None and not self._resuming:
            self._streams.look(look)
        self._line.tick(now - behind)
        if self._keeper is not None:
            self._keeper.settle(self._streams.live)

    def stood_still(self) -> None:
        """The caller did nothing for seconds: silence of streams meanwhile was ours."""
        self._listening.stood_still(self._clock())

    def wait(self, longest: float) -> float:
        """Seconds until :meth:`tick` has something to do, ``longest`` at most."""
        longest = longest if self._keeper is None else self._keeper.wait(longest)
        return self._line.wait(self._order.wait(longest, self._clock()))

    def flush(self) -> None:
        """End every stream and hand on everything: no chunk follows."""
        self._give_on()
        for name in list(self._streams.live):
            self._streams.end(name)
        self._line.score()

    def resume(self, go_on: Callable[[], bool] = lambda: True, *, anew: bool = False) -> bool:
        """Take up the streams that an earlier run left to the keeper, and work off its journal.

        Alerts of the journal are handed on again, with the same ids. What stood in a stream that cannot be
        taken up is cleared, and its end told; ``anew``: so with all, for the source begins them anew.
        ``go_on`` is asked between two items. Where it says no the answer is False, and what was not worked
        off stays in the journal, as :meth:`suspend` leaves it, for the next time.
        """
        if self._keeper is None:
            return True
        self._anew, self._resuming = anew, True
        remains = self._keeper.remains()
        for kept in remains.streams():
            if not go_on():
                return False
            if anew:
                self._line.leave(kept)
            else:
                self._streams.restore(kept, remains)
        if anew:
            remains.discard()
        for chunk in remains.chunks():
            if not go_on():
                return False
            self._observers.chunk(chunk)
            self._work_off(chunk, self._clock())
            self.tick()
        self._line.score()
        self._resuming = False
        self._streams.resumed()
        self._keeper.played(remains, self.streams)
        return True

    def suspend(self, cut: Callable[[], bool] = lambda: False) -> None:
        """Hand on what is complete and keep every stream as it stands, for :meth:`resume`, until ``cut`` says
        that the time is up; :meth:`flush` without a keeper, or where the source begins its streams anew.
        Chunks that wait for others stay unacknowledged: the broker sends them again."""
        if self._keeper is None or (self._anew and not self._resuming):
            self.flush()
        else:
            self._line.score()
        if self._keeper is not None:
            self._keeper.suspend(self._streams.live, cut)

    def _put_right(self, chunk: Chunk) -> None:
        self._observers.tell(lambda o: o.reordered(chunk.stream))

    def _give_on(self) -> None:
        """Nothing more comes: what was overtaken is lost, and what waited for it has its turn."""
        for chunk, came in self._order.flush():
            self._work_off(chunk, came)
