"""The synchronous core: chunks in, alerts out. No threads, no network, no clock but the one it is given.

``serve`` feeds it from its one compute thread, ``scan``, ``train`` and ``evaluate`` feed it from files
(:mod:`ecgmon.monitor.offline`): what is measured is what runs.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Annotated, Final, Protocol

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from ecgmon.config import Settings
from ecgmon.ecg.types import Alert, Beat, Chunk, Layout, ModelRef, Score
from ecgmon.errors import ConfigError, EcgmonError
from ecgmon.model.baseline import Baseline
from ecgmon.monitor.alerting import StreamAlerts
from ecgmon.monitor.arrivals import ArrivalSettings, Drop, Restart
from ecgmon.monitor.batcher import Batcher, BatchSettings
from ecgmon.monitor.delivery import Delivery
from ecgmon.monitor.keeper import Keeper
from ecgmon.monitor.kept import KNOWN_SECONDS, UNREADABLE, Kept
from ecgmon.monitor.observers import Observer, Observers
from ecgmon.monitor.overrides import StreamSettings, alerts_of
from ecgmon.monitor.policies import AlertSettings
from ecgmon.monitor.sparse import SparseLog
from ecgmon.monitor.state import End, Item, StreamState
from ecgmon.sinks.base import Sink

log = logging.getLogger(__name__)

NO_MODEL: Final = ModelRef(name="none", hash="")

DROP_REASONS: Final = (
    "repeat", "late", "overlap", "too-many-streams", "unusable", "internal-error", "scoring-failed",
    "delivery-failed",
)  # fmt: skip
"""Why something was not used. ``unusable`` is a chunk with a rate or lead that the frontend cannot take; a
beat is counted as ``scoring-failed`` and handed on without a score; ``delivery-failed`` is anything that
policies or sinks raised over."""

FAILURES: Final = 5
"""After so many batches in a row that failed, the pipeline is said to be :attr:`~Pipeline.failing`."""

FORGIVEN: Final = 60.0
"""And no longer when nothing has failed for so long, s: a ward may have gone quiet meanwhile."""

LOOK_EVERY: Final = 1.0
"""Seconds between two looks for streams that fell silent: with a thousand, not after each chunk."""


class Scorer(Protocol):
    """What the pipeline asks of :class:`ecgmon.model.scoring.Scorer`."""

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


class PipelineSettings(Settings, frozen=True):
    """What becomes of the chunks."""

    lead: Annotated[str, Meta(min_length=1, description="name or index of the lead, or auto")] = "auto"
    alerts: AlertSettings = AlertSettings()
    streams: dict[str, StreamSettings] = msgspec.field(default_factory=dict)
    """What is different for some streams, by name or pattern (``icu-*``)."""
    batch: BatchSettings = BatchSettings()
    arrivals: ArrivalSettings = ArrivalSettings()
    max_streams: Annotated[int, Meta(ge=1, le=100_000, description="more are refused, and counted")] = 1000
    idle_seconds: Annotated[float, Meta(gt=0, le=86_400, description="then a silent stream ends, s")] = 300.0
    state_seconds: Annotated[
        float, Meta(ge=1, le=3600, description="a stream's state is told so often, s")
    ] = 5.0

    def __post_init__(self) -> None:
        for pattern in self.streams:
            alerts_of(pattern, self.alerts, {pattern: self.streams[pattern]})


class Pipeline:
    """Takes chunks of many streams, hands alerts to the sinks.

    ``scorer`` None: beats are found, none is scored (``layout`` is then asked for). ``strict``: input that
    cannot be used raises, as files should; else it is counted and the pipeline lives on, as a monitor
    should. ``r_peaks``: stream to reference R-peaks in s, to use instead of the detector's. With a
    ``keeper`` the streams outlive the program: :meth:`resume` takes them up, :meth:`suspend` lays them down.
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
    ) -> None:
        self._keeper = keeper
        # of streams that were, and since when (monotonic, s), for those of the same name to come
        self._known: dict[str, tuple[Baseline, float]] = {}
        self._resuming = False
        self._scorer = scorer
        self._settings = settings
        self._observers = Observers(observers)
        self._delivery = Delivery(sinks, self._observers, clock, settings.state_seconds)
        self._clock = clock
        self._strict = strict
        self._layout: Layout = scorer.layout if scorer else layout
        self._r_peaks = r_peaks or {}
        self._batch: Batcher[Item] = Batcher(settings.batch)
        self._streams: dict[str, StreamState] = {}
        self._sparse = SparseLog(log, clock)
        self._failures = 0
        self._failed_at = 0.0
        self._looked = -math.inf

    @property
    def streams(self) -> int:
        """Live streams."""
        return len(self._streams)

    @property
    def waiting(self) -> int:
        """Beats that wait to be scored."""
        return self._batch.beats

    @property
    def observer_failures(self) -> int:
        """What observers raised, so far."""
        return self._observers.failures

    @property
    def failing(self) -> bool:
        """Scoring or delivery failed for :data:`FAILURES` batches in a row: what comes in is not watched."""
        return self._failures >= FAILURES and self._clock() - self._failed_at < FORGIVEN

    def configure(self, settings: PipelineSettings) -> None:
        """Go on by other settings; no stream and no standing alert is lost. ``lead`` is for new streams.

        :class:`ConfigError`, with everything as it was, where overrides for a live stream do not go together.
        """
        try:
            alerts = {name: alerts_of(name, settings.alerts, settings.streams) for name in self._streams}
        except ValueError as error:
            raise ConfigError(str(error)) from None
        self._settings = settings
        self._batch.configure(settings.batch)
        self._delivery.configure(settings.state_seconds)
        for state in self._streams.values():
            state.arrivals.configure(settings.arrivals)
            state.alerts.configure(alerts[state.name])

    def feed(self, chunk: Chunk) -> None:
        """Take one chunk; alerts that it completes go out at once or with the next batch."""
        now = self._clock()
        self._observers.tell(lambda o: o.chunk(chunk))
        done = chunk.ack if self._keeper is None else self._keeper.begin(chunk, self._streams.__contains__)
        try:
            self._push(self._accept(chunk, now), now)
            if chunk.end:
                self._push(self._end(chunk.stream, final=True), now)
        except EcgmonError as error:
            if self._strict:
                raise
            self._abandon(chunk, "unusable", str(error), now)
        except Exception as error:
            if self._strict:
                raise
            self._abandon(chunk, "internal-error", repr(error), now, trace=True)
        if done is not None:
            self._push([Item(None, done, 0.0, now)], now)
        self.tick()

    def tick(self) -> None:
        """Time has passed: score what waited long enough, end the streams that fell silent."""
        now = self._clock()
        if now - self._looked >= LOOK_EVERY and not self._resuming:
            self._looked = now
            self._tell_silent(now)
            self._end_silent(now)
        if self._batch.due(now):
            self._score()
        if self._keeper is not None:
            self._keeper.settle(self._streams)

    def _tell_silent(self, now: float) -> None:
        for state in self._streams.values():
            self._push(state.silent(now), now)

    def _end_silent(self, now: float) -> None:
        silent = [s.name for s in self._streams.values() if now - s.heard > self._settings.idle_seconds]
        for name in silent:
            self._sparse.warning(
                "silent", "stream %s: nothing for %g s, it ends", name, now - self._streams[name].heard
            )
            self._push(self._end(name, final=True), now)
        idle = self._settings.idle_seconds
        for name in [name for name, (_, since) in self._known.items() if now - since > idle]:
            del self._known[name]

    def wait(self, longest: float) -> float:
        """Seconds until :meth:`tick` has something to do, ``longest`` at most."""
        longest = longest if self._keeper is None else self._keeper.wait(longest)
        return self._batch.wait(self._clock(), longest)

    def flush(self) -> None:
        """End every stream and hand on everything: no chunk follows."""
        now = self._clock()
        for name in list(self._streams):
            self._push(self._end(name, final=True), now)
        self._score()

    def resume(self) -> None:
        """Take up the streams that an earlier run left to the keeper, and work off its journal.

        Alerts of the journal are handed on again, with the same ids. What stood in a stream that cannot be
        taken up is cleared.
        """
        keeper = self._keeper
        if keeper is None:
            return
        for kept in keeper.load():
            if not self._take_up(kept):
                self._clear(kept.standing)
                if kept.baseline is not None:
                    self._known[kept.chunk.stream] = kept.baseline, self._clock()
        self._resuming = True
        for chunk in keeper.journal():
            self.feed(chunk)
        self._score()
        self._resuming = False
        for state in self._streams.values():
            state.resumed = True
            state.heard = state.fed = self._clock()
        keeper.played(len(self._streams))
        self._observers.tell(lambda o: o.streams(len(self._streams)))

    def suspend(self) -> None:
        """Hand on what is complete and keep every stream as it stands, for :meth:`resume`; without a keeper
        :meth:`flush`."""
        if self._keeper is None:
            self.flush()
            return
        self._score()
        self._keeper.settle(self._streams, everything=True)
        self._keeper.close()

    def _clear(self, standing: Iterable[Alert]) -> None:
        for alert in standing:
            try:
                self._delivery.clear(alert, self._clock())
            except Exception as error:  # noqa: BLE001 - counted
                self._failed(alert.stream, "delivery-failed", error)

    def _take_up(self, kept: Kept) -> bool:
        if kept.saved is None or self._keeper is None:
            return False
        if len(self._streams) >= self._settings.max_streams:
            self._keeper.refuse(kept, "max_streams is reached")
            return False
        try:
            state = self._new_state(kept.chunk)
            state.restore(kept.saved)
        except UNREADABLE as error:
            self._keeper.refuse(kept, error)
            return False
        state.heard = state.fed = self._clock()
        self._streams[state.name] = state
        return True

    # The way of a chunk: accepted, cut into beats, scored in batches, handed on in order.

    def _accept(self, chunk: Chunk, now: float) -> Iterable[Item]:
        state = self._streams.get(chunk.stream)
        if state is None:
            return self._begin(chunk, now)
        state.heard = now
        verdict = state.arrivals.check(chunk)
        if not isinstance(verdict, Drop):
            state.fed = now
        if isinstance(verdict, Drop):
            self._observers.tell(lambda o: o.dropped(chunk.stream, verdict.reason))
            return []
        if isinstance(verdict, Restart):
            self._sparse.warning("restart", "stream %s begins anew: %s", chunk.stream, verdict.reason)
            self._observers.tell(lambda o: o.restarted(chunk.stream, verdict.reason))
            away = chunk.t - state.arrivals.due
            if state.resumed and verdict.reason == "long-gap" and away <= KNOWN_SECONDS and state.baseline:
                self._known[chunk.stream] = state.baseline, now  # it was we who were away, not the patient
            self._push(self._end(chunk.stream, final=False), now)
            return self._begin(chunk, now)
        state.resumed = False
        if verdict.gap > 0:
            self._observers.tell(lambda o: o.gap(chunk.stream, verdict.gap))
        before = state.corrections
        items = [*state.back(verdict.gap), *state.take(chunk, verdict.gap)]
        if state.corrections > before:
            self._observers.tell(lambda o: o.corrected(chunk.stream, state.corrected))
        return items

    def _begin(self, chunk: Chunk, now: float) -> Iterable[Item]:
        if len(self._streams) >= self._settings.max_streams:
            self._sparse.warning("streams", "stream %s is refused: max_streams is reached", chunk.stream)
            self._observers.tell(lambda o: o.dropped(chunk.stream, "too-many-streams"))
            return []
        state = self._new_state(chunk)
        state.heard = state.fed = now
        self._streams[chunk.stream] = state
        self._observers.tell(lambda o: o.streams(len(self._streams)))
        items = state.take(chunk, 0.0)
        if self._keeper is not None and state.name in self._known:
            state.baseline, _ = self._known.pop(state.name)
            items.insert(0, Item(None, partial(self._keeper.anew, state.name), 0.0, now))
        return items

    def _new_state(self, chunk: Chunk) -> StreamState:
        scorer, settings = self._scorer, self._settings
        model, threshold = (scorer.model_ref, scorer.threshold) if scorer else (NO_MODEL, None)
        return StreamState(
            chunk,
            lead=settings.lead,
            layout=self._layout,
            arrivals=settings.arrivals,
            alerts=StreamAlerts(chunk.stream, self._alerts_of(chunk.stream), model, threshold),
            baseline=scorer.new_baseline() if scorer else None,
            r_peaks=self._r_peaks.get(chunk.stream),
        )

    def _alerts_of(self, name: str) -> AlertSettings:
        """What holds for a stream. Overrides that each are right may not go together: then none counts."""
        settings = self._settings
        try:
            return alerts_of(name, settings.alerts, settings.streams)
        except ValueError as error:
            self._sparse.warning(
                "overrides", "stream %s: its overrides do not go together, none is used: %s", name, error
            )
            return settings.alerts

    def _end(self, name: str, *, final: bool) -> Iterable[Item]:
        state = self._streams.pop(name, None)
        self._observers.tell(lambda o: o.streams(len(self._streams)))
        if state is None:
            return []
        try:
            return state.end(final=final) + self._forgetting(name)
        except Exception as error:
            if self._strict:
                raise
            self._failed(name, "internal-error", error)
            end = Item(state, End(state.frontend.now, final), state.epoch, self._clock())
            return [end, *self._forgetting(name)]

    def _forgetting(self, name: str) -> list[Item]:
        """The end of a stream on disk, in its place behind all that it completed."""
        if self._keeper is None:
            return []
        return [Item(None, partial(self._keeper.forget, name), 0.0, self._clock())]

    def _abandon(self, chunk: Chunk, reason: str, why: str, now: float, *, trace: bool = False) -> None:
        """A chunk that cannot be used: counted, and its stream forgotten; the others go on."""
        self._sparse.warning(reason, "stream %s: chunk not used: %s", chunk.stream, why, trace=trace)
        self._observers.tell(lambda o: o.dropped(chunk.stream, reason))
        state = self._streams.pop(chunk.stream, None)
        if state is not None:
            end = Item(state, End(state.frontend.now, final=True), state.epoch, now)
            self._push([end, *self._forgetting(chunk.stream)], now)
            self._observers.tell(lambda o: o.streams(len(self._streams)))

    def _push(self, items: Iterable[Item], now: float) -> None:
        for item in items:
            self._batch.add(item, beat=self._wants(item) is not None, now=now)
            if self._batch.full:
                self._score()

    def _score(self) -> None:
        """Score what waits, hand everything on in order.

        What fails costs its own beats their scores, or one item its delivery, and is counted; everything
        else, acknowledgements and ends with it, goes its way.
        """
        items = self._batch.take()
        wanted = [pair for pair in map(self._wants, items) if pair is not None]
        given = iter(self._scores(items, wanted))
        well = True
        for item in items:
            score = None if self._wants(item) is None else next(given)
            well = well and (score is not None or self._wants(item) is None)
            well = self._hand_on(item, score) and well
        if not well:
            self._failures += 1
            self._failed_at = self._clock()
        elif wanted or self._scorer is None:
            self._failures = 0

    def _scores(self, items: Sequence[Item], wanted: Sequence[tuple[Beat, Baseline]]) -> list[Score | None]:
        """One for each of ``wanted``; None for all of them when the scorer fails."""
        if self._scorer is None or not wanted:
            return []
        try:
            began = self._clock()
            scores = self._scorer.score(wanted)
            seconds = self._clock() - began
            if len(scores) != len(wanted):
                raise RuntimeError(f"the scorer gave {len(scores)} scores for {len(wanted)} beats")  # noqa: TRY301
        except Exception as error:
            if self._strict:
                raise
            for item in items:
                if item.state is not None and self._wants(item) is not None:
                    self._failed(item.state.name, "scoring-failed", error)
            return [None] * len(wanted)
        self._observers.tell(lambda o: o.batch(len(wanted), seconds))
        return [*scores]

    def _hand_on(self, item: Item, score: Score | None) -> bool:
        """Whether it went well."""
        stood = self._standing(item)
        try:
            self._delivery.hand_on(item, score)
            if self._keeper is not None and item.state is not None and self._standing(item) != stood:
                self._keeper.anew(
                    item.state.name
                )  # time alone may have done it: no chunk in the journal says so
        except Exception as error:
            if self._strict:
                raise
            self._failed(item.state.name if item.state else "", "delivery-failed", error)
            return False
        return True

    def _standing(self, item: Item) -> set[str]:
        """Ids of what stands in the stream of ``item``, where streams are kept."""
        if self._keeper is None or item.state is None:
            return set()
        return {alert.id for alert in item.state.alerts.standing.values()}

    def _failed(self, stream: str, reason: str, error: Exception) -> None:
        self._sparse.warning(reason, "stream %s: %s: %r", stream, reason, error, trace=True)
        self._observers.tell(lambda o: o.dropped(stream, reason))

    def _wants(self, item: Item) -> tuple[Beat, Baseline] | None:
        """What the scorer needs for ``item``; None when it is nothing to be scored."""
        if item.state is None or item.state.baseline is None or not isinstance(item.what, Beat):
            return None
        return (item.what, item.state.baseline) if item.what.good else None
