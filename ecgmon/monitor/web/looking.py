"""The live page's parts, put together for the service."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from ecgmon.ecg.types import ModelRef
from ecgmon.monitor.http import HttpSettings
from ecgmon.monitor.web.feed import Facts, Feed
from ecgmon.monitor.web.settings import PageSettings
from ecgmon.monitor.web.site import LivePage
from ecgmon.monitor.web.store import Live, RecentStore, StoreSink
from ecgmon.monitor.web.totals import PageTotals
from ecgmon.monitor.web.trace import warm


class Wanted(Protocol):
    """What is read of the service's settings."""

    @property
    def http(self) -> HttpSettings: ...
    @property
    def page(self) -> PageSettings: ...


class Model(Protocol):
    """What the page says of the scorer."""

    threshold: float
    beat_threshold: float

    @property
    def model_ref(self) -> ModelRef: ...


class Looking:
    """``store`` observes the pipeline, ``sink`` is among its sinks, ``site`` is served, ``totals`` counts.

    ``amiss`` names the parts of the monitor that are why it is not ready."""

    def __init__(
        self,
        settings: Wanted,
        model: Model,
        live: Callable[[], Mapping[str, Live]],
        amiss: Callable[[], list[str]],
        clock: Callable[[], float],
    ) -> None:
        warm()
        self.store = RecentStore(live, clock, settings.page.alerts)
        self.sink = StoreSink(self.store)
        self._feed = Feed(
            self.store,
            Facts(model.model_ref.name, model.threshold, model.beat_threshold),
            settings.page.viewers,
            amiss,
        )
        self.site = LivePage(self.store, self._feed, settings.http.host, settings.page.hosts)
        self.totals = PageTotals(self._feed)

    def close(self) -> None:
        """Send all viewers away."""
        self._feed.close()
