"""What is counted with each chunk, beat and second: plain numbers, made into Prometheus families at a scrape.

The client library's counters take a lock each time, its histograms three; with a thousand streams that is
20 µs a second of each. Here one thread counts, and a scrape on another reads: a number is whole at any time,
and two of them may be one beat apart.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

INFINITE: Final = "+Inf"


class Count:
    """A counter: add to ``n``."""

    __slots__ = ("n",)

    def __init__(self) -> None:
        self.n = 0


class Spread:
    """A histogram with the upper ``bounds`` of its buckets, ascending; one without end comes on top."""

    __slots__ = ("_bounds", "_buckets", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._buckets = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """One more."""
        self._buckets[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def told(self) -> tuple[list[tuple[str, float]], float]:
        """Buckets with what lies at or under each bound, and the sum."""
        names = [*map(_name, self._bounds), INFINITE]
        total, buckets = 0, []
        for name, n in zip(names, list(self._buckets), strict=True):
            total += n
            buckets.append((name, float(total)))
        return buckets, self._sum


def _name(bound: float) -> str:
    """As the client library writes it."""
    name: str = floatToGoString(bound)  # type: ignore[no-untyped-call]
    return name


class Tallies(Collector):
    """Counters, and histograms by their label (``stage``), by name and help."""

    def __init__(self) -> None:
        self._counts: list[tuple[str, str, Count]] = []
        self._labelled: list[tuple[str, str, str, Mapping[str, Count]]] = []
        self._spreads: list[tuple[str, str, Mapping[str, Spread]]] = []

    def count(self, name: str, text: str) -> Count:
        """A new counter."""
        self._counts.append((name, text, made := Count()))
        return made

    def counts(self, name: str, text: str, label: str, values: Sequence[str]) -> Mapping[str, Count]:
        """A new counter for each of ``values`` of a label."""
        made = {value: Count() for value in values}
        self._labelled.append((name, text, label, made))
        return made

    def spread(self, name: str, text: str, bounds: Sequence[float]) -> Spread:
        """A new histogram."""
        return self.spreads(name, text, bounds, ("",))[""]

    def spreads(
        self, name: str, text: str, bounds: Sequence[float], stages: Sequence[str]
    ) -> Mapping[str, Spread]:
        """A new histogram for each of ``stages``; a single empty one is no label."""
        made = {stage: Spread(bounds) for stage in stages}
        self._spreads.append((name, text, made))
        return made

    def describe(self) -> Iterable[Metric]:
        return self.collect()

    def collect(self) -> Iterable[Metric]:
        for name, text, count in self._counts:
            yield CounterMetricFamily(name, text, value=count.n)
        for name, text, label, counts in self._labelled:
            counters = CounterMetricFamily(name, text, labels=[label])
            for value, count in counts.items():
                counters.add_metric([value], count.n)
            yield counters
        for name, text, spreads in self._spreads:
            labelled = "" not in spreads
            family = HistogramMetricFamily(name, text, labels=["stage"] if labelled else [])
            for stage, spread in spreads.items():
                buckets, total = spread.told()
                family.add_metric([stage] if labelled else [], buckets, total)
            yield family
