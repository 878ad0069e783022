"""Reading a page of Prometheus metrics: series, and quantiles between two pages."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Page:
    """Series, as they are written on the page, to their values."""

    series: Mapping[str, float]

    @classmethod
    def parse(cls, text: str) -> Page:
        """From the text format; comments are passed over."""
        lines = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
        return cls({name: float(value) for name, _, value in lines})

    def value(self, name: str) -> float:
        """Of one series; 0 where it is not there."""
        return self.series.get(name, 0.0)

    def total(self, name: str) -> float:
        """Of all series of a name, whatever their labels."""
        return sum(value for _, value in self._of(name))

    def buckets(self, name: str, label: str) -> dict[float, float]:
        """Counts at or under each bound of a histogram whose labels hold ``label``."""
        counts = {}
        for series, value in self._of(f"{name}_bucket"):
            if label in series:
                counts[float(series.split('le="')[1].split('"')[0])] = value
        return counts

    def _of(self, name: str) -> Iterator[tuple[str, float]]:
        return ((s, v) for s, v in self.series.items() if s == name or s.startswith(f"{name}{{"))


@dataclass(frozen=True, slots=True)
class Quantile:
    """Where it lies: between two bounds of the histogram, ``value`` where its observations are spread evenly
    between them; NaN without observations."""

    value: float
    above: float
    at_most: float


def quantile(before: Mapping[float, float], after: Mapping[float, float], q: float) -> Quantile:
    """Of what was observed between two pages."""
    bounds = sorted(after)
    counts = [after[bound] - before.get(bound, 0.0) for bound in bounds]
    if not counts or counts[-1] <= 0:
        return Quantile(math.nan, math.nan, math.nan)
    wanted = q * counts[-1]
    place = next(i for i, count in enumerate(counts) if count >= wanted)
    low, under = (bounds[place - 1], counts[place - 1]) if place else (0.0, 0.0)
    high = bounds[place]
    if math.isinf(high):
        return Quantile(low, low, high)
    share = (wanted - under) / (counts[place] - under) if counts[place] > under else 1.0
    return Quantile(low + share * (high - low), low, high)
