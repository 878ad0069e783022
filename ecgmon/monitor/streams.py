"""The live streams: how they come, what each chunk does to its own, and how they end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg.types import Chunk, Layout, ModelRef
from ecgmon.errors import ConfigError
from ecgmon.model.baseline import Baseline
from ecgmon.monitor.alerting import StreamAlerts
from ecgmon.monitor.arrivals import Drop, Restart
from ecgmon.monitor.keeper import Keeper
from ecgmon.monitor.kept import KNOWN_SECONDS, UNREADABLE, Kept
from ecgmon.monitor.line import Line, Scorer
from ecgmon.monitor.listening import Look
from ecgmon.monitor.observers import Observers
from ecgmon.monitor.overrides import alerts_of
from ecgmon.monitor.pipeline_settings import PipelineSettings
from ecgmon.monitor.policies import AlertSettings
from ecgmon.monitor.remains import Remains
from ecgmon.monitor.sparse import SparseLog
from ecgmon.monitor.state import End, Item, StreamState

log = logging.getLogger(__name__)

NO_MODEL: Final = ModelRef(name="none", hash="")


class Streams:
    """Takes chunks, pushes what they complete into ``line``; the arguments are those of the pipeline."""

    def __init__(
        self,
        scorer: Scorer | None,
        settings: PipelineSettings,
        line: Line,
        observers: Observers,
        clock: Callable[[], float],
        *,
        strict: bool,
        layout: Layout,
        r_peaks: Mapping[str, NDArray[np.float64]],
        keeper: Keeper | None,
    ) -> None:
        self._scorer = scorer
        self._settings = settings
        self._line = line
        self._observers = observers
        self._clock = clock
        self._strict = strict
        self._layout: Layout = scorer.layout if scorer else layout
        self._r_peaks = r_peaks
        self._keeper = keeper
        self._sparse = SparseLog(log, clock)
        self.live: dict[str, StreamState] = {}
        # of streams that were, and since when (monotonic, s), for those of the same name to come
        self._known: dict[str, tuple[Baseline, float]] = {}

    def configure(self, settings: PipelineSettings) -> None:
        """Go on by other settings, or :class:`ConfigError` and all as it was."""
        try:
            alerts = {name: alerts_of(name, settings.alerts, settings.streams) for name in self.live}
        except ValueError as error:
            raise ConfigError(str(error)) from None
        self._settings = settings
        for state in self.live.values():
            state.arrivals.configure(settings.arrivals)
            state.alerts.configure(alerts[state.name])

    def take(self, chunk: Chunk, now: float) -> None:
        """Take a chunk; raises what its samples raise in the frontend."""
        self._accept(chunk, now)
        if chunk.end:
            self.end(chunk.stream, final=True)

    def abandon(self, chunk: Chunk, reason: str, why: str, now: float, *, trace: bool = False) -> None:
        """A chunk that cannot be used: counted, and its stream forgotten; the others go on."""
        self._sparse.warning(reason, "stream %s: chunk not used: %s", chunk.stream, why, trace=trace)
        self._observers.tell(lambda o: o.dropped(chunk.stream, reason))
        state = self.live.pop(chunk.stream, None)
        if state is not None:
            self._line.push([Item(state, End(state.frontend.now, final=True), state.epoch, now)], now)
            self._forget(chunk.stream, now)
            self._count()

    def look(self, look: Look) -> None:
        """Tell of the streams that fell silent, end those that were silent for long while we listened."""
        idle, now = self._settings.idle_seconds, look.time
        for state in self.live.values():
            self._line.push(state.silent(now), now)
        if look.deaf:
            return
        for state in [s for s in self.live.values() if now - max(s.heard, look.since) > idle]:
            text = "stream %s: nothing for %g s, it ends"
            self._sparse.warning("silent", text, state.name, now - state.heard)
            self.end(state.name, final=True)
        for name in [name for name, (_, since) in self._known.items() if now - max(since, look.since) > idle]:
            del self._known[name]

    def end(self, name: str, *, final: bool) -> None:
        """End a stream. ``final``: nothing follows under its name for now."""
        now = self._clock()
        state = self.live.pop(name, None)
        self._count()
        if state is None:
            return
        try:
            items = state.end(final=final)
        except Exception as error:
            if self._strict:
                raise
            self._line.failed(name, "internal-error", error)
            items = [Item(state, End(state.frontend.now, final), state.epoch, now)]
        self._line.push(items, now)
        self._forget(name, now)

    def restore(self, kept: Kept, remains: Remains) -> None:
        """Take up a stream of an earlier run. Where that cannot be, its end is told, and only its baseline is
        kept in mind, for a stream of its name."""
        if self._restored(kept, remains):
            return
        self._line.leave(kept)
        if kept.baseline is not None:
            self._known[kept.stream] = kept.baseline, self._clock()

    def resumed(self) -> None:
        """All that an earlier run left is taken up: from now on it counts what comes, and what does not."""
        for state in self.live.values():
            state.resumed = True
            state.heard = state.fed = self._clock()
        self._count()

    def _restored(self, kept: Kept, remains: Remains) -> bool:
        if kept.chunk is None or kept.saved is None:
            return False
        if len(self.live) >= self._settings.max_streams:
            remains.refuse(kept, "max_streams is reached")
            return False
        try:
            state = self._new(kept.chunk)
            state.restore(kept.saved)
        except UNREADABLE as error:
            remains.refuse(kept, error)
            return False
        state.heard = state.fed = self._clock()
        self.live[state.name] = state
        return True

    def _accept(self, chunk: Chunk, now: float) -> None:
        state = self.live.get(chunk.stream)
        if state is None:
            self._begin(chunk, now)
            return
        came = state.heard = now if chunk.received is None else chunk.received
        verdict = state.arrivals.check(chunk)
        if isinstance(verdict, Drop):
            self._observers.tell(lambda o: o.dropped(chunk.stream, verdict.reason))
            return
        state.fed = came
        if isinstance(verdict, Restart):
            self._restart(state, chunk, verdict, now)
            return
        state.resumed = False
        if verdict.gap > 0:
            self._observers.tell(lambda o: o.gap(chunk.stream, verdict.gap))
        before = state.corrections
        items = [*state.back(verdict.gap), *state.take(chunk, verdict.gap)]
        if state.corrections > before:
            self._observers.tell(lambda o: o.corrected(chunk.stream, state.corrected))
        self._line.push(items, now)

    def _restart(self, state: StreamState, chunk: Chunk, verdict: Restart, now: float) -> None:
        self._sparse.warning("restart", "stream %s begins anew: %s", chunk.stream, verdict.reason)
        self._observers.tell(lambda o: o.restarted(chunk.stream, verdict.reason))
        away = chunk.t - state.arrivals.due
        if state.resumed and verdict.reason == "long-gap" and away <= KNOWN_SECONDS and state.baseline:
            self._known[chunk.stream] = state.baseline, now  # it was we who were away, not the patient
        self.end(chunk.stream, final=False)
        self._begin(chunk, now)

    def _begin(self, chunk: Chunk, now: float) -> None:
        if len(self.live) >= self._settings.max_streams:
            self._sparse.warning("streams", "stream %s is refused: max_streams is reached", chunk.stream)
            self._observers.tell(lambda o: o.dropped(chunk.stream, "too-many-streams"))
            return
        state = self._new(chunk)
        state.heard = state.fed = now if chunk.received is None else chunk.received
        self.live[chunk.stream] = state
        self._count()
        items = state.take(chunk, 0.0)
        if self._keeper is not None and state.name in self._known:
            state.baseline, _ = self._known.pop(state.name)
            items.insert(0, Item(None, partial(self._keeper.anew, state.name), 0.0, now))
        self._line.push(items, now)

    def _new(self, chunk: Chunk) -> StreamState:
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

    def _forget(self, name: str, now: float) -> None:
        """The end of a stream on disk, in its place behind all that it completed."""
        if self._keeper is not None:
            self._line.push([Item(None, partial(self._keeper.forget, name), 0.0, now)], now)

    def _count(self) -> None:
        self._observers.tell(lambda o: o.streams(len(self.live)))
