"""Prometheus metrics: everything worth an alarm or a graph, and no label that grows with patients.

Names begin with ``ecgmon_``, units are base units, counters end in ``_total``; labels are ``stage``,
``reason``, ``kind`` and ``state``, each from a fixed set. The registry is our own: nothing that a library
registers globally leaks in.
"""

from __future__ import annotations

import collections
import itertools
import platform
from collections.abc import Callable, Mapping
from typing import Final, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from ecgmon import __version__
from ecgmon.ecg.types import Alert, AlertKind, AlertState, Beat, Chunk, ModelRef, Quality, Score
from ecgmon.monitor.arrivals import Event
from ecgmon.monitor.drift import ScoreDrift
from ecgmon.monitor.observers import Observer
from ecgmon.monitor.pipeline import DROP_REASONS
from ecgmon.monitor.tallies import Tallies
from ecgmon.monitor.totals import Stats, Totals

# A second series for each counter, with the time it was made, is nothing that anyone asks for.
disable_created_metrics()  # type: ignore[no-untyped-call]

LATENCY: Final = (
    0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0,
)  # fmt: skip
"""Seconds; closest where the targets lie, half of the alerts within 80 ms and 99 % within 300; the last bound
is where a monitor is of no use any more."""

BATCH: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
SCORES: Final = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0)
P_VALUES: Final = (1e-5, 1e-4, 1e-3, 1e-2, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Among normal beats p-values are spread evenly; :mod:`ecgmon.monitor.drift` makes one number of it."""

BAD_SIGNAL: Final = ("flat", "clipped", "noisy", "missing")
RESTARTS: Final = (*get_args(Event), "format-changed")
RELOADS: Final = ("taken", "refused")


class Metrics(Observer):
    """Watches a pipeline and tells Prometheus."""

    def __init__(
        self,
        model: ModelRef | None = None,
        threshold: float | None = None,
        beat_threshold: float | None = None,
    ) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        r = self.registry
        often = Tallies()
        self.chunks = often.count("ecgmon_chunks", "Chunks that reached the pipeline.")
        self.samples = often.count("ecgmon_samples", "Samples in those chunks, all leads.")
        self.beats = often.count("ecgmon_beats", "Beats found.")
        self.scored = often.count("ecgmon_beats_scored", "Beats that were scored.")
        self.odd = often.count("ecgmon_beats_odd", "Scored beats at or under the threshold of beats.")
        self.not_good = often.count("ecgmon_beats_not_good", "Beats too noisy to be scored.")
        self.signal = often.count("ecgmon_signal_seconds", "Signal that was judged.")
        self.bad_seconds = often.counts(
            "ecgmon_signal_not_good_seconds", "Signal that failed the quality gate.", "reason", BAD_SIGNAL
        )
        latency = often.spreads(
            "ecgmon_latency_seconds",
            "From the arrival of the last sample a beat or alert needed until it was handed on.",
            LATENCY, ("beat", "alert"),
        )  # fmt: skip
        self.latency_of_beats, self.latency_of_alerts = latency["beat"], latency["alert"]
        self.score = often.spread("ecgmon_score", "Scores of beats.", SCORES)
        self.p_value = often.spread(
            "ecgmon_p_value", "P-values of scored beats; even when all are normal.", P_VALUES
        )
        r.register(often)
        self.alerts = Counter("ecgmon_alerts", "Alerts handed to the sinks.", ["kind", "state"], registry=r)
        self.drops: collections.Counter[str] = collections.Counter(dict.fromkeys(DROP_REASONS, 0))
        self.restarts = Counter(
            "ecgmon_stream_restarts",
            "Breaks in a stream that goes on: numbers, clock, rate or lead began anew.",
            ["reason"], registry=r,
        )  # fmt: skip
        self.gaps = Counter("ecgmon_gaps", "Gaps between chunks of a stream.", registry=r)
        self.gap_seconds = Counter("ecgmon_gap_seconds", "Signal missing in those gaps.", registry=r)
        self.reorders = Counter(
            "ecgmon_reordered_chunks", "Chunks that waited for one they had overtaken.", registry=r
        )
        self.corrections = Counter(
            "ecgmon_clock_corrections", "Times that a stream followed its device's clock.", registry=r
        )
        self.live = Gauge("ecgmon_streams", "Live streams.", registry=r)
        self.batches = Histogram("ecgmon_batch_beats", "Beats scored together.", buckets=BATCH, registry=r)
        self.scoring = Histogram(
            "ecgmon_scoring_seconds", "Time to score a batch.", buckets=LATENCY, registry=r
        )
        self.observer_failures = Gauge(
            "ecgmon_observer_failures", "Failures inside observers such as these metrics.", registry=r
        )
        self.reloads = Counter("ecgmon_reloads", "Configurations read anew.", ["state"], registry=r)
        self._begin_at_zero()
        self.ready = Gauge("ecgmon_ready", "1 while /readyz says yes, else 0.", registry=r)
        self.build = Info("ecgmon_build", "This program.", registry=r)
        self.build.info({"version": __version__, "python": platform.python_version()})
        self.model = Info("ecgmon_model", "The bundle that makes the scores.", registry=r)
        self.threshold = Gauge(
            "ecgmon_threshold", "P-value at or under which a beat counts towards an alert.", registry=r
        )
        self.beat_threshold = Gauge(
            "ecgmon_beat_threshold", "P-value at or under which a beat is odd.", registry=r
        )
        if model is not None:
            self.model.info({"name": model.name, "hash": model.hash})
        if threshold is not None:
            self.threshold.set(threshold)
        if beat_threshold is not None:
            self.beat_threshold.set(beat_threshold)
        self.drift = ScoreDrift(beat_threshold)
        r.register(self.drift)
        ProcessCollector(registry=r)

    def add_totals(self, batch: Callable[[], int], source: Stats | None, sinks: Mapping[str, Stats]) -> None:
        """Show what batcher, source and sinks count themselves; see :class:`Totals`."""
        self.registry.register(Totals(lambda: dict(self.drops), batch, source, sinks))

    def _begin_at_zero(self) -> None:
        """Show every label from the start: a series that comes with its first event hides it from rates."""
        for kind, state in itertools.product(get_args(AlertKind), get_args(AlertState)):
            self.alerts.labels(kind, state)
        for reason in RESTARTS:
            self.restarts.labels(reason)
        for state in RELOADS:
            self.reloads.labels(state)

    def page(self) -> tuple[str, bytes]:
        """Content type and text for a scrape."""
        return CONTENT_TYPE_LATEST, generate_latest(self.registry)

    # What the pipeline tells.

    def chunk(self, chunk: Chunk) -> None:
        self.chunks.n += 1
        self.samples.n += chunk.samples.size

    def dropped(self, stream: str, reason: str) -> None:  # noqa: ARG002 - no label by patient
        self.drops[reason] += 1

    def gap(self, stream: str, seconds: float) -> None:  # noqa: ARG002 - no label by patient
        self.gaps.inc()
        self.gap_seconds.inc(seconds)

    def reordered(self, stream: str) -> None:  # noqa: ARG002 - no label by patient
        self.reorders.inc()

    def corrected(self, stream: str, seconds: float) -> None:  # noqa: ARG002 - no label by patient
        self.corrections.inc()

    def restarted(self, stream: str, reason: str) -> None:
        self.restarts.labels(reason).inc()
        if reason == "format-changed":
            self.drift.ended(stream)  # with its baseline

    def streams(self, count: int) -> None:
        self.live.set(count)

    def batch(self, beats: int, seconds: float) -> None:
        self.batches.observe(beats)
        self.scoring.observe(seconds)

    def beat(self, stream: str, beat: Beat, score: Score | None, latency: float) -> None:
        self.beats.n += 1
        self.latency_of_beats.observe(latency)
        if not beat.good:
            self.not_good.n += 1
        if score is not None:
            self.scored.n += 1
            self.odd.n += score.odd
            self.score.observe(score.score)
            self.p_value.observe(score.p_value)
            self.drift.beat(stream, beat, score)

    def quality(self, stream: str, quality: Quality) -> None:  # noqa: ARG002 - no label by patient
        self.signal.n += 1
        if quality.good:
            return
        for reason in BAD_SIGNAL:
            if getattr(quality, reason):
                self.bad_seconds[reason].n += 1

    def alert(self, alert: Alert, latency: float) -> None:
        self.alerts.labels(alert.kind, alert.state).inc()
        self.latency_of_alerts.observe(latency)

    def ended(self, stream: str, seconds: float, lead: str | None) -> None:  # noqa: ARG002 - Observer
        self.drift.ended(stream)
