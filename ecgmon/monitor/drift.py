"""Do running streams still score as the calibration says? A few numbers for it that name no patient.

P-values are right while unsuspicious beats spread them evenly: of the beats that are not odd, a known share
then has one of at most :data:`LEVEL`. A lead, a device or a population that the model was not calibrated for
shifts that share long before anyone can tell which alerts were false. For each stream it is followed by a
slowly forgetting mean. What is shown is the logarithm to base 2 of the share over the one that is due: 0 as
calibrated, 1 twice as many low p-values (expect more false alerts), -1 half as many (expect missed beats).

The calibration promises the mean of the share over patients, and so ``mean`` is the figure that should be 0.
Patients differ, and the percentiles say by how much; the median (``p50``) is the one that a few sick patients
do not move. ``tests/benchmarks/drift.py`` prints what both were on DS1 as recorded and spoilt on purpose.

A stream of which nearly every beat is odd has no such share. How many there are is shown apart: where they
are many the calibration does not fit, and the drift cannot say so.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

import numpy as np
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ecgmon.ecg.types import Beat, Score

LEVEL: Final = 0.2
"""High enough that a stream shows its share within minutes, low enough that it may rise to five times."""

LEARNING: Final = 300.0
"""The first five minutes of a stream, s, in which its baseline settles, are left out; as in calibration."""

LEAST: Final = 100
"""Beats that a stream must have brought before it counts."""

MEMORY: Final = 1000.0
"""Beats that the mean of a stream looks back over: about a quarter of an hour."""

PERCENTILES: Final = (10, 50, 90)

HELP: Final = (
    "How far p-values of beats that are not odd depart from the calibration: log2 of the share at or under "
    "0.2 over the share that is due. 0: as calibrated, 1: twice as many, -1: half as many. Over the streams "
    "of ecgmon_score_drift_streams; those of ecgmon_score_drift_odd_streams are left out."
)


class ScoreDrift(Collector):
    """Follows every live stream; read at each scrape. Shows nothing while no stream has enough beats."""

    def __init__(self, threshold: float | None) -> None:
        odd = threshold or 0.0
        self._due = (LEVEL - odd) / (1.0 - odd) if odd < LEVEL else math.nan
        self._streams: dict[str, tuple[int, float]] = {}
        self._odd: dict[str, int] = {}

    def beat(self, stream: str, beat: Beat, score: Score) -> None:
        """The next scored beat of ``stream``."""
        if beat.r < LEARNING:
            return
        if score.odd:
            self._odd[stream] = self._odd.get(stream, 0) + 1
            return
        n, share = self._streams.get(stream, (0, 0.0))
        low = 1.0 if score.p_value <= LEVEL else 0.0
        self._streams[stream] = n + 1, share + (low - share) / min(n + 1, MEMORY)

    def ended(self, stream: str) -> None:
        """Forget ``stream``."""
        self._streams.pop(stream, None)
        self._odd.pop(stream, None)

    def drifts(self) -> dict[str, float]:
        """By statistic over the streams with enough beats; none where there is no such stream.

        A stream without a single low p-value counts as if it had half a one. Empty also where the threshold
        is so high that beats at :data:`LEVEL` are odd.
        """
        known = [(n, share) for n, share in list(self._streams.values()) if n >= LEAST]
        if not known or math.isnan(self._due):
            return {}
        shares = np.array([max(share, 0.5 / min(n, MEMORY)) for n, share in known]) / self._due
        percentiles = {f"p{p}": float(np.log2(np.percentile(shares, p))) for p in PERCENTILES}
        return {"mean": float(np.log2(shares.mean()))} | percentiles

    @property
    def streams(self) -> int:
        """Streams with enough beats."""
        return sum(n >= LEAST for n, _ in list(self._streams.values()))

    @property
    def odd_streams(self) -> int:
        """Streams with enough odd beats to count, and not enough others."""
        known = [(self._streams.get(stream, (0, 0.0))[0], odd) for stream, odd in list(self._odd.items())]
        return sum(odd >= LEAST > n for n, odd in known)

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        drift = GaugeMetricFamily("ecgmon_score_drift", HELP, labels=["statistic"])
        for name, value in self.drifts().items():
            drift.add_metric([name], value)
        yield drift
        yield GaugeMetricFamily(
            "ecgmon_score_drift_streams", "Live streams that ecgmon_score_drift rests on.", value=self.streams
        )
        yield GaugeMetricFamily(
            "ecgmon_score_drift_odd_streams",
            "Live streams that ecgmon_score_drift leaves out because nearly every beat is odd: "
            f"{LEAST} odd ones and more, fewer than {LEAST} others. Many of them: the calibration is wrong.",
            value=self.odd_streams,
        )
