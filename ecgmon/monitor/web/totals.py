"""Who looks, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ecgmon.monitor.web.feed import Feed


class PageTotals(Collector):
    """What the feed counts itself."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("ecgmon_page_viewers", "Browsers that look now.", self._feed.viewers)
        yield CounterMetricFamily(
            "ecgmon_page_skipped_samples",
            "Samples not shown to a viewer that was too slow.",
            self._feed.skipped,
        )
