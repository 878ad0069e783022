"""The last step: items of the line, in order, to the policies; what they say, to sinks and observers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import structs

from ecgmon.ecg.types import Alert, Beat, Quality
from ecgmon.monitor.kept import Kept
from ecgmon.monitor.observers import Observers
from ecgmon.monitor.state import End, Item, Silent, StreamState
from ecgmon.sinks.base import Sink


class Delivery:
    """Hands on beats, seconds, ends and acknowledgements.

    A chunk is acknowledged when its turn comes: everything that stood before it in the line, and so
    everything it completed, was handed to the sinks.
    """

    def __init__(
        self,
        sinks: Sequence[Sink],
        observers: Observers,
        clock: Callable[[], float],
        state_seconds: float,
        changed: Callable[[str], None] | None = None,
    ) -> None:
        """``changed`` is told of streams in which an alert was raised or cleared."""
        self._sinks = tuple(sinks)
        self._observers = observers
        self._clock = clock
        self._state_seconds = state_seconds
        self._changed = changed
        self._error: Exception | None = None

    def configure(self, state_seconds: float) -> None:
        """Tell states so often from here on, s."""
        self._state_seconds = state_seconds

    def hand_on(self, item: Item) -> None:
        """Take one item.

        A sink that raises keeps nothing from the others: the first error is raised when all were told.
        """
        self._error = None
        state, what = item.state, item.what
        if state is None:
            if callable(what):
                what()
        elif isinstance(what, Beat):
            self._beat(item, state, what)
        elif isinstance(what, Quality):
            self._second(item, state, what)
        elif isinstance(what, Silent):
            self._silent(item, state, what)
        elif isinstance(what, End):
            self._end(item, state, what)
        if self._error is not None:
            raise self._error

    def leave(self, kept: Kept, received: float) -> None:
        """Nobody watches a stream of an earlier run any more: clear what stood, and say that it ended."""
        self._error = None
        for alert in kept.standing:
            cleared = structs.replace(alert, state="cleared", time=max(alert.time, alert.end))
            self._alert(cleared, received)
        self._tell(lambda sink: sink.state(kept.stream, kept.last_word))
        if self._error is not None:
            raise self._error

    def _beat(self, item: Item, state: StreamState, beat: Beat) -> None:
        score = item.score
        state.beats += 1
        if score is not None and score.odd:
            state.odd_beats += 1
        alerts = state.alerts.beat(beat, score, item.epoch)
        if alerts:
            self._alerts(item, state, beat.ready, alerts)
        self._observers.beat(state.name, beat, score, self._clock() - item.received)

    def _second(self, item: Item, state: StreamState, quality: Quality) -> None:
        state.verdict = "good" if quality.good else _word(quality)
        t = quality.second + 1.0
        alerts = state.alerts.second(quality, item.epoch)
        if alerts:
            self._alerts(item, state, t, alerts)
        if t - state.spoke >= self._state_seconds:
            self._state(state, t, item.epoch)
        self._observers.quality(state.name, quality)

    def _silent(self, item: Item, state: StreamState, silent: Silent) -> None:
        told = state.alerts
        if silent.seconds:
            alerts = told.silent(silent.t, silent.seconds, item.epoch)
        else:
            alerts = told.back(silent.t, item.epoch)
        self._alerts(item, state, silent.t + silent.seconds, alerts)

    def _end(self, item: Item, state: StreamState, end: End) -> None:
        self._alerts(item, state, end.t, state.alerts.end(end.t, item.epoch))
        self._state(state, end.t, item.epoch, live=False)
        self._observers.tell(lambda o: o.ended(state.name, end.t, state.selector.lead))

    def _alerts(self, item: Item, state: StreamState, t: float, alerts: Sequence[Alert]) -> None:
        if not alerts:
            return
        if self._changed is not None:
            self._changed(state.name)
        for alert in alerts:
            self._alert(alert, item.received)
        self._state(state, t, item.epoch)

    def _alert(self, alert: Alert, received: float) -> None:
        self._tell(lambda sink: sink.alert(alert))
        latency = self._clock() - received
        self._observers.tell(lambda o: o.alert(alert, latency))

    def _state(self, state: StreamState, t: float, epoch: float, *, live: bool = True) -> None:
        state.spoke = t
        summary = state.summary(t, epoch, live=live)
        self._tell(lambda sink: sink.state(state.name, summary))

    def _tell(self, call: Callable[[Sink], None]) -> None:
        for sink in self._sinks:
            try:
                call(sink)
            except Exception as error:  # noqa: BLE001 - raised by hand_on
                self._error = self._error or error


def _word(quality: Quality) -> str:
    """A verdict that is not good in one word, the gravest first."""
    return next(word for word in ("missing", "flat", "clipped", "noisy") if getattr(quality, word))
