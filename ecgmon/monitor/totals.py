"""Totals that source and sinks keep themselves, on their own threads; read at each scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

Stats = Callable[[], Mapping[str, Any]]

ALERT_STATES: Final = ("delivered", "failed", "shed", "refused", "unheard")


class Totals(Collector):
    """``ecgmon_drops_total`` of every stage, queues, brokers and deliveries.

    ``pipeline`` gives drops by reason; ``batch`` the beats that wait; ``source`` what
    :meth:`ecgmon.sources.mqtt.MqttSource.stats` gives, or nothing; ``sinks`` name to their ``stats``.
    """

    def __init__(
        self,
        pipeline: Callable[[], Mapping[str, int]],
        batch: Callable[[], int],
        source: Stats | None,
        sinks: Mapping[str, Stats],
    ) -> None:
        self._pipeline = pipeline
        self._batch = batch
        self._source = source
        self._sinks = dict(sinks)

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        source: Mapping[str, Mapping[str, int]] = self._source() if self._source else {}
        sinks = {name: stats() for name, stats in self._sinks.items()}
        yield self._drops(source)
        yield from self._received(source.get("received", {}))
        yield self._queues(source, sinks)
        yield from self._brokers(source, sinks)
        yield from self._deliveries(sinks)

    def _drops(self, source: Mapping[str, Mapping[str, int]]) -> Metric:
        drops = CounterMetricFamily(
            "ecgmon_drops", "Messages and chunks that were not used, and why.", labels=["stage", "reason"]
        )
        for reason, count in self._pipeline().items():
            drops.add_metric(["pipeline", reason], count)
        for part in ("rejected", "dropped"):
            for reason, count in source.get(part, {}).items():
                drops.add_metric(["source", reason], count)
        return drops

    @staticmethod
    def _received(received: Mapping[str, int]) -> Iterable[Metric]:
        if received:
            yield CounterMetricFamily(
                "ecgmon_messages", "Messages from the broker.", value=received.get("messages", 0)
            )
            yield CounterMetricFamily(
                "ecgmon_message_bytes", "Bytes in those messages.", value=received.get("bytes", 0)
            )

    def _queues(
        self, source: Mapping[str, Mapping[str, int]], sinks: Mapping[str, Mapping[str, int]]
    ) -> Metric:
        depth = GaugeMetricFamily(
            "ecgmon_queue_depth",
            "What waits: chunks (source), beats (batch), alerts (a sink's name).",
            labels=["stage"],
        )
        depth.add_metric(["batch"], self._batch())
        if "now" in source:
            depth.add_metric(["source"], source["now"].get("queued", 0))
        for name, stats in sinks.items():
            if "waiting" in stats:
                depth.add_metric([name], stats["waiting"])
        return depth

    @staticmethod
    def _brokers(
        source: Mapping[str, Mapping[str, int]], sinks: Mapping[str, Mapping[str, int]]
    ) -> Iterable[Metric]:
        connected = GaugeMetricFamily(
            "ecgmon_broker_connected", "1 while the broker has accepted us.", labels=["stage"]
        )
        attempts = CounterMetricFamily(
            "ecgmon_broker_connection_attempts", "Attempts to connect.", labels=["stage"]
        )
        for name, stats in (("source", source.get("now", {})), *sinks.items()):
            if "connected" in stats:
                connected.add_metric([name], stats["connected"])
                attempts.add_metric([name], stats.get("attempts", 0))
        yield connected
        yield attempts

    @staticmethod
    def _deliveries(sinks: Mapping[str, Mapping[str, int]]) -> Iterable[Metric]:
        alerts = CounterMetricFamily(
            "ecgmon_sink_alerts",
            "What became of alerts in a sink; refused ones are tried again.",
            labels=["stage", "state"],
        )
        errors = CounterMetricFamily(
            "ecgmon_sink_disk_errors", "Failures to keep alerts on disk.", labels=["stage"]
        )
        durable = GaugeMetricFamily(
            "ecgmon_outbox_durable",
            "1 while undelivered alerts are on disk, 0 when they are not though they should be.",
            labels=["stage"],
        )
        for name, stats in sinks.items():
            for state in ALERT_STATES:
                if state in stats:
                    alerts.add_metric([name, state], stats[state])
            if "disk_errors" in stats:
                errors.add_metric([name], stats["disk_errors"])
            if "durable" in stats:
                durable.add_metric([name], stats["durable"])
        yield alerts
        yield errors
        yield durable
