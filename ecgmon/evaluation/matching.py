"""One-to-one pairing of detected beats with annotated ones.

ANSI/AAMI EC57 counts a detection as true when it lies within 150 ms of an annotation, and pairs each with one
at most: two detections of one beat are one hit and one invention. Greedy pairing, as many programs do it,
depends on the order of the input and loses pairs in bursts; here the pairing is the best there is: as many
pairs as can be made, and among those the one with the smallest sum of distances.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

SLACK = 1e-9
"""Added to the tolerance, s: sample times are quotients, and 54 / 360 s is meant to lie within 150 ms."""


@dataclass(frozen=True, slots=True, eq=False)
class Matching:
    """Who belongs to whom, by index into the two arrays that were matched.

    reference   [n_reference] index of the paired detection, -1 where the beat was missed
    detected    [n_detected] index of the paired annotation, -1 where the beat was invented
    """

    reference: NDArray[np.int64]
    detected: NDArray[np.int64]


def match(reference: NDArray[np.float64], detected: NDArray[np.float64], tolerance: float) -> Matching:
    """Pair two sorted arrays of times, s, so that no pair is further apart than ``tolerance``, s.

    The pairing has the largest possible number of pairs and, among all such, the smallest sum of distances.
    Because exchanging the partners of two crossing pairs never lengthens either beyond the longer of the two,
    one of the best pairings has no crossing pairs, so that dynamic programming over the two sorted lists
    finds it. Only detections within the tolerance of an annotation are visited: time and memory are O(n +
    number of possible pairs).

    Raises ValueError when an array is not sorted, not finite, or the tolerance is negative.
    """
    for name, times in (("reference", reference), ("detected", detected)):
        if times.ndim != 1 or not np.isfinite(times).all() or (np.diff(times) < 0).any():
            raise ValueError(f"{name} times must be one finite, ascending sequence")
    if not tolerance >= 0:
        raise ValueError(f"tolerance {tolerance} must not be negative")
    pairs = np.array(list(_pairs(reference, detected, tolerance + SLACK)), dtype=np.int64).reshape(-1, 2)
    by_reference = np.full(len(reference), -1, dtype=np.int64)
    by_detected = np.full(len(detected), -1, dtype=np.int64)
    by_reference[pairs[:, 0]] = pairs[:, 1]
    by_detected[pairs[:, 1]] = pairs[:, 0]
    return Matching(by_reference, by_detected)


Best = tuple[int, float]
"""How good a pairing is: number of pairs, minus the sum of their distances; larger is better."""


def _pairs(
    reference: NDArray[np.float64], detected: NDArray[np.float64], reach: float
) -> Iterator[tuple[int, int]]:
    """The pairs (annotation, detection) of the best pairing, last first.

    Row i holds, for j from low[i] to high[i], the best pairing of the first i annotations with the first j
    detections. Outside that band nothing new can happen: left of it annotation i - 1 has no partner, and
    right of it the later detections have none among the first i annotations.
    """
    low = np.searchsorted(detected, reference - reach, side="left").tolist()
    high = np.searchsorted(detected, reference + reach, side="right").tolist()
    times, marks = detected.tolist(), reference.tolist()
    bands: list[tuple[int, int]] = [(0, 0), *zip(low, high, strict=True)]
    rows: list[list[Best]] = [[(0, 0.0)]]
    for mark, (before, band) in zip(marks, pairwise(bands), strict=True):
        last = rows[-1]
        row = [_at(last, before, band[0])]
        for j in range(band[0], band[1]):
            count, closeness = _at(last, before, j)
            paired = (count + 1, closeness - abs(times[j] - mark))
            row.append(max(row[-1], _at(last, before, j + 1), paired))
        rows.append(row)

    i, j = len(marks), len(times)
    while i:
        here = _at(rows[i], bands[i], j)
        j = min(j, bands[i][1])
        if here == _at(rows[i - 1], bands[i - 1], j):
            i -= 1
        elif here == _at(rows[i], bands[i], j - 1):
            j -= 1
        else:
            i, j = i - 1, j - 1
            yield i, j


def _at(row: list[Best], band: tuple[int, int], j: int) -> Best:
    return row[min(j, band[1]) - band[0]]
