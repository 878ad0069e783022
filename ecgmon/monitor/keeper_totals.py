"""How the keeper fares; read at each scrape."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ecgmon.monitor.keeper import Keeper

COUNTERS: Final = {
    "errors": ("ecgmon_state_errors", "Failures to keep streams on disk."),
    "chunks": ("ecgmon_state_chunks", "Chunks written to the journal."),
    "checkpoints": ("ecgmon_state_checkpoints", "Streams written whole."),
    "bytes": ("ecgmon_state_bytes", "Bytes of both."),
}

GAUGES: Final = {
    "restored": ("ecgmon_state_restored_streams", "Streams taken up from an earlier run at the start."),
    "replayed": ("ecgmon_state_replayed_chunks", "Chunks of its journal worked off again at the start."),
    "unusable": ("ecgmon_state_unusable_streams", "Streams of an earlier run that could not be used whole."),
}


class KeeperTotals(Collector):
    """``ecgmon_state_*``."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        yield GaugeMetricFamily(
            "ecgmon_state_durable",
            "1 while a restart would find every stream, 0 when it would not though it should.",
            value=int(self._keeper.durable),
        )
        for key, (name, text) in COUNTERS.items():
            yield CounterMetricFamily(name, text, value=self._keeper.stats[key])
        for key, (name, text) in GAUGES.items():
            yield GaugeMetricFamily(name, text, value=self._keeper.stats[key])
