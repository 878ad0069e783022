"""The live streams: how they come, what each chunk does to its own, and how they end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg.types import Chunk, Layout, ModelRef
from ecgmon.errors import ConfigError, DataError
from ecgmon.model.baseline import Baseline
from ecgmon.monitor.alerting import StreamAlerts
from ecgmon.monitor.arrivals import Drop
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
from ecgmon.monitor.state import End, Item, Path, StreamState

log = logging.getLogger(__name__)

NO_MODEL: Final = ModelRef(name="none", hash="")


SILENT: Final = 2.0
"""A stream without a beat gives its place when nothing has come for so long, s, and for two of its chunks:
one that is fed is watched, whatever it shows."""


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

    def missing(self, chunk: Chunk) -> int:
        """How many numbers are missing before ``chunk``, as far as that can be said."""
        state = self.live.get(chunk.stream)
        return 0 if state is None else state.arrivals.missing(chunk)

    def take(self, chunk: Chunk, now: float) -> None:
        """Take a chunk; raises what its samples raise in the frontend."""
        self._accept(chunk, now)
        if chunk.end:
            self.end(chunk.stream)

    def abandon(self, chunk: Chunk, reason: str, why: str, now: float, *, trace: bool = False) -> None:
        """A chunk that cannot be used: counted, and its stream forgotten; the others go on."""
        self._sparse.warning(reason, "stream %s: chunk not used: %s", chunk.stream, why, trace=trace)
        self._observers.tell(lambda o: o.dropped(chunk.stream, reason))
        state = self.live.pop(chunk.stream, None)
        if state is not None:
            self._line.push([Item(state, End(state.frontend.now), state.epoch, now)], now)
            self._forget(chunk.stream, now)
            self._count()

    def look(self, look: Look) -> None:
        """Tell of the streams that fell silent, end those that were silent for long while we listened."""
        idle, now = self._settings.idle_seconds, look.time
        for state in self.live.values():
            items = state.silent(now)
            if items:
                self._line.push(items, now)
        if look.deaf:
            return
        for state in [s for s in self.live.values() if now - max(s.heard, look.since) > idle]:
            text = "stream %s: nothing for %g s, it ends"
            self._sparse.warning("silent", text, state.name, now - state.heard)
            self.end(state.name)
        for name in [name for name, (_, since) in self._known.items() if now - max(since, look.since) > idle]:
            del self._known[name]

    def end(self, name: str) -> None:
        """End a stream: nothing follows under its name for now."""
        now = self._clock()
        state = self.live.pop(name, None)
        self._count()
        if state is None:
            return
        try:
            items = state.end()
        except Exception as error:
            if self._strict:
                raise
            self._line.failed(name, "internal-error", error)
            items = [Item(state, End(state.frontend.now), state.epoch, now)]
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
        path = None
        if not state.fits(chunk):
            try:
                path = state.form(chunk)
            except DataError as error:
                if self._strict:
                    raise
                self._refuse(chunk, "unusable", f"chunk not used: {error}")  # and what stands stands
                return
        quiet = state.resumed or came - state.fed > KNOWN_SECONDS
        away = chunk.t - state.arrivals.due if quiet else 0.0
        verdict = state.arrivals.check(chunk)
        if isinstance(verdict, Drop):
            self._observers.tell(lambda o: o.dropped(chunk.stream, verdict.reason))
            return
        if verdict.event is not None:
            self._happened(chunk.stream, verdict.event)
        if away > KNOWN_SECONDS:
            self.end(chunk.stream)  # another patient may lie in the bed
            self._begin(chunk, now)
            return
        state.fed, state.resumed = came, False
        self._go_on(state, chunk, path, verdict.gap)

    def _go_on(self, state: StreamState, chunk: Chunk, path: Path | None, gap: float) -> None:
        """``chunk`` follows, behind ``gap`` seconds of nothing."""
        if gap > 0:
            self._observers.tell(lambda o: o.gap(state.name, gap))
        before = state.corrections
        if state.lost:
            self._line.push(state.back(gap), state.heard)
        items = state.take(chunk, gap) if path is None else self._renew(state, chunk, path, gap)
        if state.corrections > before:
            self._observers.tell(lambda o: o.corrected(state.name, state.corrected))
        self._line.push(items, state.heard)

    def _renew(self, state: StreamState, chunk: Chunk, path: Path, gap: float) -> list[Item]:
        """Another rate, or what is watched is not there: another signal path and another baseline."""
        self._line.push(state.finish(), state.heard)
        if state.fits(chunk):  # the lead was chosen only now, and is there
            return state.take(chunk, gap)
        self._happened(chunk.stream, "format-changed")
        self._line.score()  # what lies before belongs to the old baseline
        if self._scorer is not None:
            state.baseline = self._scorer.new_baseline()
        return [*state.renew(chunk, path, gap), *state.take(chunk, 0.0)]

    def _happened(self, stream: str, event: str) -> None:
        self._sparse.warning("event", "stream %s: %s; it goes on, and what stands stands", stream, event)
        self._observers.tell(lambda o: o.restarted(stream, event))

    def _refuse(self, chunk: Chunk, reason: str, why: str) -> None:
        self._sparse.warning(reason, "stream %s: %s", chunk.stream, why)
        self._observers.tell(lambda o: o.dropped(chunk.stream, reason))

    def _begin(self, chunk: Chunk, now: float) -> None:
        if len(self.live) >= self._settings.max_streams and not self._make_room(chunk, now):
            self._refuse(chunk, "too-many-streams", "refused: max_streams is reached")
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

    def _make_room(self, chunk: Chunk, now: float) -> bool:
        """End the stream that has been silent longest of those that have never shown a beat."""
        idle = [state for state in self.live.values() if state.never_beat and now - state.fed >= _rest(state)]
        if not idle or len(self.live) > self._settings.max_streams:
            return False
        self._new(chunk)  # raises where the newcomer cannot be used: it takes nobody's place
        oldest = min(idle, key=lambda state: state.fed)
        text = "stream %s has shown no beat and is silent: its place goes to %s"
        self._sparse.warning("displaced", text, oldest.name, chunk.stream)
        self._observers.tell(lambda o: o.dropped(oldest.name, "displaced"))
        self.end(oldest.name)
        return True

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


def _rest(state: StreamState) -> float:
    """Silence, s, behind which a stream without a beat may have to go."""
    return max(SILENT, 2 * state.arrivals.chunk_seconds)
