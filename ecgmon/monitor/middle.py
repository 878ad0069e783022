"""Mean and median of a handful of numbers in plain Python: what numpy gives, to the bit, at a tenth of its
cost for so few."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def median(values: Collection[float]) -> float:
    """Of at least one value; NaN has no place among them. As :func:`numpy.median`."""
    ordered = sorted(values)
    return median_of_sorted(ordered)


def median_of_sorted(ordered: Sequence[float]) -> float:
    """The same of values in their order."""
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def mean(values: Sequence[float] | Collection[float]) -> float:
    """Of one to eight values, added in the order in which :func:`numpy.mean` adds them: one by one below
    eight, eight by pairs."""
    if len(values) == 8:
        a, b, c, d, e, f, g, h = values
        return (((a + b) + (c + d)) + ((e + f) + (g + h))) / 8
    total = 0.0
    for value in values:
        total += value
    return total / len(values)
