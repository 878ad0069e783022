"""The daemon on one screen: startup, run, shutdown.

Threads: the source's network thread fills a bounded queue, this one thread computes, the sinks publish
from a bounded outbox on threads of their own, HTTP answers on its own. Signals only set state.

The order of shutdown and its reason: first no more intake, but what was already taken in is worked off (it
may hold an alert); then the streams end, which clears what stands, or with a ``state_dir`` are kept as they
stand, for the next start; then the source goes, its last chunks acknowledged; then the sinks deliver; HTTP
goes last, so that a scraper can see us drain. All of it under one deadline, which a further signal cuts
short, and what did not make it is logged. A source that fails in mid-course is no reason to skip any of
this: its error is raised when the alerts are out.

Recordings and the simulator begin anew at each start, with the same patients from the same moment on: their
streams are not kept, whatever the ``state_dir``, and what a kill left standing is cleared at the next start.

SIGHUP reads the configuration anew, between two chunks; see :mod:`ecgmon.monitor.reload`.
"""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from http import HTTPStatus
from pathlib import Path
from types import FrameType
from typing import Any, Final

from ecgmon.errors import EcgmonError
from ecgmon.model import bundle
from ecgmon.model.scoring import Scorer
from ecgmon.monitor.answers import Page, text_page
from ecgmon.monitor.exposure import warnings
from ecgmon.monitor.health import Health
from ecgmon.monitor.http import HttpServer
from ecgmon.monitor.keeper_totals import KeeperTotals
from ecgmon.monitor.logs import LoggingSettings
from ecgmon.monitor.metrics import Metrics
from ecgmon.monitor.observers import Observer
from ecgmon.monitor.pipeline import Pipeline
from ecgmon.monitor.preflight import other_rule
from ecgmon.monitor.reload import reread
from ecgmon.monitor.settings import ServeSettings, make_keeper, make_sinks, make_source
from ecgmon.monitor.signals import embedded, handling
from ecgmon.monitor.systemd import Notifier
from ecgmon.monitor.warm_up import warm_up
from ecgmon.monitor.web.looking import Looking
from ecgmon.sinks.base import Sink
from ecgmon.sources.base import Playback, Source

log = logging.getLogger(__name__)

POLL: Final = 0.2
"""The longest wait for a chunk, s: how soon a signal is noticed."""

STOOD_STILL: Final = 3.0
"""A round of the loop that took longer, s, is no time in which a stream was silent."""

FAREWELL: Final = 1.0
"""Time for a sink to close once its alerts are out, s: the last states, the goodbye."""


def load_scorer(settings: ServeSettings) -> Scorer:
    """The bundle at work; :class:`~ecgmon.errors.BundleError` when it cannot be used."""
    model = settings.model
    return Scorer(bundle.load(model.path), model.device, model.false_alerts_per_hour)


class Service:
    """Runs one configuration until a signal, or the end of a finite source.

    ``config`` is the file that SIGHUP reads anew, ``set_logging`` what then sets the logging.
    """

    def __init__(
        self,
        settings: ServeSettings,
        clock: Callable[[], float] = time.monotonic,
        *,
        config: str | Path | None = None,
        set_logging: Callable[[LoggingSettings], None] | None = None,
    ) -> None:
        self.settings = settings
        self._clock = clock
        self._config = config
        self._set_logging = set_logging
        self._reload_wanted = False
        self._notifier = Notifier(clock=clock)
        self._server: HttpServer | None = None
        self._signals = 0
        self._heeded = 0  # signals that had come when the shutdown began
        self._stack = ExitStack()

    def run(self) -> int:
        """Returns 0 after a clean end, 1 when a finite source ended and alerts of it could not be delivered.

        What is wrong at startup raises its EcgmonError; so does a source that fails, after the shutdown.
        """
        with (
            self._stack,
            handling([signal.SIGTERM, signal.SIGINT], self._on_signal),
            handling([signal.SIGHUP], self._on_hangup),
        ):
            self._startup()
            try:
                self._watch()
            except Exception:
                self._shutdown()
                raise
            return self._shutdown()

    def stop(self) -> None:
        """Ask for the end, as SIGTERM does; from any thread."""
        self._signals += 1

    def _startup(self) -> None:
        settings = self.settings
        self._scorer = scorer = load_scorer(settings)
        for warning in other_rule(settings, scorer):
            log.warning("%s", warning)
        if settings.embedded_broker is not None:
            self._stack.enter_context(embedded(settings.embedded_broker.port))
        self.sinks: dict[str, Sink] = make_sinks(settings)
        self.source: Source = make_source(settings)
        self.metrics = Metrics(scorer.model_ref, scorer.threshold, scorer.beat_threshold)
        self.keeper = make_keeper(settings, scorer, self._clock)
        if self.keeper is not None:
            self._stack.callback(self.keeper.close)
            self.metrics.registry.register(KeeperTotals(self.keeper))
        self.health = Health(scorer.model_ref, self.source, self.sinks, self._clock, settings.stall_seconds)
        if self.keeper is not None:
            keeper = self.keeper
            self.health.durable = lambda: keeper.durable
        observers: list[Observer] = [self.metrics]
        sinks = list(self.sinks.values())
        looking = None
        if settings.http.enabled and settings.page.enabled:
            looking = Looking(settings, scorer, lambda: self.pipeline.live, self.health.amiss, self._clock)
            observers.append(looking.store)
            sinks.append(looking.sink)
            self.metrics.registry.register(looking.totals)
            self._stack.callback(looking.close)
        self.pipeline = Pipeline(
            scorer, settings, sinks, observers, self._clock, keeper=self.keeper,
            connected=lambda: bool(getattr(self.source, "connected", True)),
        )  # fmt: skip
        self.metrics.ready.set_function(lambda: float(self.health.ready().status == HTTPStatus.OK))
        self.metrics.observer_failures.set_function(lambda: self.pipeline.observer_failures)
        self.metrics.add_totals(
            lambda: self.pipeline.waiting,
            getattr(self.source, "stats", None),
            {name: sink.stats for name, sink in self.sinks.items()},
        )
        if settings.http.enabled:
            pages = {
                "/metrics": self._metrics_page,
                "/healthz": self.health.alive,
                "/readyz": self.health.ready,
            }
            self._server = HttpServer(settings.http, pages, None if looking is None else looking.site)
            self._server.start()
            self._stack.callback(self._server.stop)
            log.info("metrics and health on http://%s:%d", *self._server.address)
            if looking is not None:
                log.info("live page: http://%s:%d/", *self._server.address)
        self._notifier.starting()
        warm_up(scorer, settings)
        for sink in self.sinks.values():
            sink.open()
            self._stack.callback(sink.close, 0.0)  # for a startup that fails; closing twice does no harm
        if not self.pipeline.resume(self._go_on, anew=isinstance(self.source, Playback)):
            log.warning("stopped while the streams were taken up: what is left waits for the next start")
            return
        self.source.open()
        self._stack.callback(self.source.close)
        log.info(
            "watching: model %s, beats odd at p <= %.3g, alerts at p <= %.3g",
            scorer.model_ref.name,
            scorer.beat_threshold,
            scorer.threshold,
        )
        self._notifier.ready("watching")

    def _go_on(self) -> bool:
        """The streams are being taken up: no signal has come, and whoever waits for us shall wait on."""
        self._notifier.starting()
        return not self._signals

    def _watch(self) -> None:
        """The compute thread's loop."""
        last = self._clock()
        while not self._signals:
            self._beat()
            if self._reload_wanted:
                self._reload()
            chunk = self.source.get(0.0)  # most come together, and how long to wait takes time to find out
            if chunk is None:
                chunk = self.source.get(self.pipeline.wait(POLL))
            last, before = self._clock(), last
            if last - before > STOOD_STILL:
                log.warning("the loop stood still for %.1f s", last - before)
                self.pipeline.stood_still()
            if chunk is not None:
                self.pipeline.feed(chunk)
                continue
            self.pipeline.tick()
            if self.source.exhausted:
                if self.settings.exit_when_done:
                    log.info("the source has ended")
                    return
                time.sleep(POLL)

    def _beat(self) -> None:
        """The loop went round; a pipeline that fails again and again does not count as alive."""
        if not self.pipeline.failing:
            self.health.beat()
            self._notifier.alive()

    def _reload(self) -> None:
        """Take the configuration file as it is now, or leave all as it is and say why."""
        self._reload_wanted = False
        if self._config is None:
            return
        self._notifier.reloading()
        try:
            new, changed = reread(self._config, self.settings)
            token = new.http.token() if new.http.enabled else None
            self.pipeline.configure(new)
        except EcgmonError as error:
            self.metrics.reloads.labels("refused").inc()
            log.error("the configuration stays as it was: %s", error)  # noqa: TRY400 - one line says it
            self._notifier.ready("watching; a new configuration was refused, see the log")
            return
        for warning in [*warnings(new), *other_rule(new, self._scorer)]:
            log.warning("%s", warning)
        self.settings = new
        if self._set_logging is not None:
            self._set_logging(new.logging)
        if self._server is not None:
            self._server.use(token)
        self.health.stall_seconds = new.stall_seconds
        self.metrics.reloads.labels("taken").inc()
        log.info("configuration read anew: %s", ", ".join(changed) or "nothing changed")
        self._notifier.ready("watching")

    def _shutdown(self) -> int:
        self._heeded = self._signals
        deadline = self._clock() + self.settings.shutdown_seconds
        self.health.draining = True
        self._notifier.stopping()
        self.source.stop_intake()
        unread = self._drain(deadline)
        self.pipeline.suspend(partial(self._cut, deadline))
        self.source.close()
        alerts = self._deliver(deadline)
        log.log(
            logging.WARNING if unread or alerts else logging.INFO,
            "stopped: %d received chunks not processed, %d alerts not delivered", unread, alerts,
        )  # fmt: skip
        return 1 if alerts and not self._heeded else 0

    def _drain(self, deadline: float) -> int:
        """Work off the chunks that wait in the source's queue; returns how many are left."""
        while self._queued():
            if self._cut(deadline):
                return self._queued()
            self._beat()
            chunk = self.source.get(0.0)
            if chunk is not None:
                self.pipeline.feed(chunk)
        return 0

    def _deliver(self, deadline: float) -> int:
        """Wait for the sinks to deliver, then close them; returns how many alerts were not delivered."""
        while any(sink.stats().get("waiting") for sink in self.sinks.values()) and not self._cut(deadline):
            self._beat()
            time.sleep(POLL / 10)
        left = 0.0 if self._cut(deadline) else min(FAREWELL, deadline - self._clock())
        return sum(sink.close(max(0.0, left)) for sink in self.sinks.values())

    def _cut(self, deadline: float) -> bool:
        """No more waiting: the time is up, or another signal came."""
        return self._clock() >= deadline or self._signals > self._heeded

    def _queued(self) -> int:
        stats: Callable[[], Mapping[str, Any]] | None = getattr(self.source, "stats", None)
        return int(stats().get("now", {}).get("queued", 0)) if stats else 0

    def _metrics_page(self) -> Page:
        return text_page(*self.metrics.page())

    def _on_hangup(self, _number: int, _frame: FrameType | None) -> None:
        self._reload_wanted = True

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._signals += 1
