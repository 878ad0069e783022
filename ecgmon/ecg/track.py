"""The recent past of a signal, addressed by sample number: rings as long as their readers reach back.

Sample ``k`` stands at place ``k`` modulo the ring's length. Nothing here knows how much has been written; who
reads asks for no sample before the stream's beginning, none older than the ring, none that is still to come.
"""

from __future__ import annotations

from typing import Any, Final

from ecgmon.ecg import filters, rpeaks
from ecgmon.ecg.beats import REACH
from ecgmon.ecg.compiled import compiled
from ecgmon.ecg.quality import BLOCK
from ecgmon.ecg.types import FS, R_INDEX

PIECE: Final = FS
"""Samples at 125 Hz that are handled at a time: each ring below holds so many, beside what is said there."""

LONGEST_RR: Final = 10 * FS
"""A beat that comes later than this after the last one has no RR interval."""

_DECISION: Final = rpeaks.OLDEST + 2 * rpeaks.SEPARATION + 3 * filters.ENVELOPE_DELAY
"""How long after its hump a beat may be decided: by the search-back, and at the stream's end."""

WINDOW_ROOM: Final = PIECE + _DECISION + REACH + R_INDEX + 2
"""Window path: the window of a beat that was decided late."""

MARKS_ROOM: Final = PIECE + _DECISION + REACH + LONGEST_RR
"""Marks: all between such a beat and the one before it."""

SIGNAL_ROOM: Final = PIECE + filters.BASELINE_DELAY + FS + BLOCK
"""Signal: the second whose baseline is measured, as late as the window path is."""

ENVELOPE_ROOM: Final = PIECE + filters.BASELINE_DELAY + BLOCK
"""Envelope: what the judge of quality has not seen, who goes beside the window path."""


@compiled
def write(ring: Any, at: int, values: Any) -> None:
    """Samples ``at`` and on, [n], no more than the ring holds."""
    place = at % len(ring)
    straight = min(len(values), len(ring) - place)
    for i in range(straight):
        ring[place + i] = values[i]
    for i in range(straight, len(values)):
        ring[i - straight] = values[i]


@compiled
def read(ring: Any, first: int, values: Any) -> None:
    """Samples ``first`` and on to ``values`` [n]."""
    place = first % len(ring)
    straight = min(len(values), len(ring) - place)
    for i in range(straight):
        values[i] = ring[place + i]
    for i in range(straight, len(values)):
        values[i] = ring[i - straight]


@compiled
def longest_run(ring: Any, first: int, end: int, bit: int) -> int:
    """Samples of the longest run in ``first`` to ``end`` that have ``bit`` set."""
    longest, run = 0, 0
    place = first % len(ring)
    for _ in range(first, end):
        run = run + 1 if ring[place] & bit else 0
        longest = max(longest, run)
        place += 1
        if place == len(ring):
            place = 0
    return longest
