"""What the annotators of a recording said, in the terms of the evaluation: beats, flutter, episodes.

Times are stream time, s: an annotation at sample k of a recording of rate fs stands at k / fs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg.aami import CLASS_OF

EPISODE_BEATS = 3
"""Ventricular beats in a row that make an episode."""

Span = tuple[float, float]
"""First and last moment, s, both included."""

Part = Sequence[tuple[float, float]]
"""Spans of a recording that are judged by themselves: first moment, first moment behind, s."""


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """The annotated truth of one recording.

    t         [n] times of the annotated beats, s, ascending
    label     [n] their AAMI classes, each one of N S V F Q
    flutter   spans of ventricular flutter or fibrillation, ascending: there are no beats to find in them, and
              ANSI/AAMI EC57 takes them out of the beat-by-beat comparison
    """

    t: NDArray[np.float64]
    label: NDArray[np.str_]
    flutter: tuple[Span, ...]

    def in_flutter(self, times: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which of ``times`` [m] lie in a span of flutter: [m]."""
        inside = np.zeros(times.shape, dtype=np.bool_)
        for first, last in self.flutter:
            inside |= (times >= first) & (times <= last)
        return inside

    def episodes(self) -> list[NDArray[np.float64]]:
        """R-peak times of each run of three or more V beats with no other beat and no flutter between
        them."""
        runs: list[list[float]] = [[]]
        last = -math.inf
        for t, label in zip(self.t.tolist(), self.label.tolist(), strict=True):
            if label != "V" or any(last < first < t for first, _ in self.flutter):
                runs.append([])
            if label == "V":
                runs[-1].append(t)
            last = t
        return [np.array(run) for run in runs if len(run) >= EPISODE_BEATS]


def in_part(times: NDArray[np.float64], part: Part | None) -> NDArray[np.bool_]:
    """Which of ``times`` [n], s, lie in ``part``: [n]; all of them where it is None."""
    inside = np.full(times.shape, part is None, dtype=np.bool_)
    for begin, end in part or ():
        inside |= (times >= begin) & (times < end)
    return inside


def reference(samples: NDArray[np.int64], symbols: Sequence[str], fs: float) -> Reference:
    """Sort annotations (sample numbers and symbols of the MIT-BIH code, rate in Hz) into beats and flutter.

    Flutter runs from ``[`` to ``]``. A ``[`` that is never closed holds to the end of the recording, a ``]``
    that was never opened from its beginning, unless there was flutter before, when it says nothing. Beats
    annotated within flutter are left in ``t``: what the statistics leave out, they leave out by
    :meth:`Reference.in_flutter`, detections and annotations alike.
    """
    times = samples / fs
    order = np.argsort(times, kind="stable")
    beats = [int(i) for i in order if symbols[i] in CLASS_OF]
    return Reference(
        t=times[beats],
        label=np.array([CLASS_OF[symbols[i]] for i in beats], dtype=np.str_),
        flutter=tuple(_flutter([(float(times[i]), symbols[i]) for i in order])),
    )


def _flutter(marks: Sequence[tuple[float, str]]) -> list[Span]:
    spans: list[Span] = []
    opened: float | None = None
    for t, symbol in marks:
        if symbol == "[" and opened is None:
            opened = t
        elif symbol == "]" and (opened is not None or not spans):
            spans.append((opened or 0.0, t))
            opened = None
    if opened is not None:
        spans.append((opened, math.inf))
    return spans
