"""One recording, taken apart into what the statistics count.

A tally holds no rates, only counts and scores, so that recordings are pooled by adding their tallies.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgmon.evaluation.alarms import AlertTally, Raised, judge
from ecgmon.evaluation.matching import Matching, match
from ecgmon.evaluation.reference import Part, Reference, in_part

LEARNING = 300.0
"""The first five minutes, s: ANSI/AAMI EC57 gives them to the detector to learn in and does not score
them."""

TOLERANCES = (0.150, 0.050)
"""How far a detection may lie from its beat, s; the first one decides which score belongs to which
annotation."""


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """What a monitor made of one recording.

    name, hours   the recording and its length
    truth         the annotations
    t             [m] times of the detected R-peaks, s of stream time, ascending
    score         [m] how odd each beat was; NaN where it was not scored because the signal was not good
    p             [m] how probable a score at least as high is for a normal beat; NaN where it was not scored
    odd           [m] whether p was at or under the threshold; False where it was not scored
    alerts        every alert
    """

    name: str
    hours: float
    truth: Reference
    t: NDArray[np.float64]
    score: NDArray[np.float64]
    p: NDArray[np.float64]
    odd: NDArray[np.bool_]
    alerts: Sequence[Raised]


@dataclass(frozen=True, slots=True)
class QrsTally:
    """Beats found, missed and invented at one tolerance."""

    found: int
    missed: int
    invented: int


@dataclass(frozen=True, slots=True, eq=False)
class BeatTally:
    """The beats of one recording.

    label, score, p, odd   [n] the beats that have both an annotation and a score
    missed                 [a] classes of the annotated beats that the detector did not find
    not_good               [b] classes of the annotated beats that it found and did not score
    invented, invented_p, invented_odd
                           [c] its scored beats that no annotation belongs to: scores, p-values, whether
                           flagged
    invented_not_good      number of such beats that were not scored
    """

    label: NDArray[np.str_]
    score: NDArray[np.float64]
    p: NDArray[np.float64]
    odd: NDArray[np.bool_]
    missed: NDArray[np.str_]
    not_good: NDArray[np.str_]
    invented: NDArray[np.float64]
    invented_p: NDArray[np.float64]
    invented_odd: NDArray[np.bool_]
    invented_not_good: int


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """All that is counted of one recording; ``hours`` is what was scored of it."""

    hours: float
    qrs: dict[float, QrsTally] | None
    beats: BeatTally
    alerts: AlertTally | None


def tally(
    record: Scored,
    *,
    learning: float = LEARNING,
    qrs_from: float = LEARNING,
    qrs: bool = True,
    part: Part | None = None,
) -> Tally:
    """Count ``record``; beats and alerts from ``learning`` s on, the detector from ``qrs_from`` s on, and all
    within ``part`` only, where one is given.

    The whole recording is matched first and cut afterwards, so that a beat at the edge of the learning time
    or of flutter keeps its partner. A pair is placed by its annotation, an unmatched beat by itself. With
    ``qrs=False`` the detector is not judged (its R-peaks were given to it).
    """
    matchings = {tolerance: match(record.truth.t, record.t, tolerance) for tolerance in TOLERANCES}
    spans = [
        (max(begin, learning), min(end, 3600 * record.hours))
        for begin, end in ([(0.0, math.inf)] if part is None else part)
    ]
    return Tally(
        hours=sum(max(0.0, end - begin) for begin, end in spans) / 3600,
        qrs={at: _qrs(record, m, qrs_from, part) for at, m in matchings.items()} if qrs else None,
        beats=_beats(record, matchings[TOLERANCES[0]], learning, part),
        alerts=judge(
            record.alerts,
            record.truth,
            learning,
            part,
            scored=spans,
            normal=_normal(record, matchings[TOLERANCES[0]], learning, part),
        ),
    )


def _counted(
    truth: Reference, times: NDArray[np.float64], start: float, part: Part | None
) -> NDArray[np.bool_]:
    return (times >= start) & in_part(times, part) & ~truth.in_flutter(times)


def _qrs(record: Scored, matching: Matching, start: float, part: Part | None) -> QrsTally:
    truth = matching.reference[_counted(record.truth, record.truth.t, start, part)]
    own = matching.detected[_counted(record.truth, record.t, start, part)]
    return QrsTally(
        found=int((truth >= 0).sum()), missed=int((truth < 0).sum()), invented=int((own < 0).sum())
    )


def _normal(record: Scored, matching: Matching, start: float, part: Part | None) -> NDArray[np.float64]:
    """Annotated R-peaks, s, of the normal beats that were found and scored."""
    counted = _counted(record.truth, record.truth.t, start, part) & (record.truth.label == "N")
    partner = matching.reference[counted]
    found = partner >= 0
    found[found] = np.isfinite(record.score[partner[found]])
    times: NDArray[np.float64] = record.truth.t[counted][found]
    return times


def _beats(record: Scored, matching: Matching, start: float, part: Part | None) -> BeatTally:
    counted = _counted(record.truth, record.truth.t, start, part)
    partner = matching.reference[counted]
    label = record.truth.label[counted]
    found = partner >= 0
    scored = found.copy()
    scored[found] = np.isfinite(record.score[partner[found]])
    invented = np.flatnonzero(_counted(record.truth, record.t, start, part) & (matching.detected < 0))
    good = invented[np.isfinite(record.score[invented])]
    return BeatTally(
        label=label[scored],
        score=record.score[partner[scored]],
        p=record.p[partner[scored]],
        odd=record.odd[partner[scored]],
        missed=label[~found],
        not_good=label[found & ~scored],
        invented=record.score[good],
        invented_p=record.p[good],
        invented_odd=record.odd[good],
        invented_not_good=len(invented) - len(good),
    )
