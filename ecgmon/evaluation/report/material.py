"""What the report is made of, gathered recording by recording; nothing is drawn here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg.types import Quality
from ecgmon.evaluation.alarms import AlertTally, Raised
from ecgmon.evaluation.alarms import counted as is_counted
from ecgmon.evaluation.reference import Reference, Span
from ecgmon.evaluation.report.ec57 import Row, row
from ecgmon.evaluation.report.examples import UNCOUNTED, Example, Group, classes, collect
from ecgmon.evaluation.tally import LEARNING, BeatTally, Scored, Tally

PACED: Final = frozenset({"102", "104", "107", "217"})
"""Recordings of the MIT-BIH Arrhythmia Database from patients with pacemakers."""


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """What the timeline of one recording shows. Times are stream time, s.

    alerts    of kind ``anomalous-beats``; true, false, or None where it was raised in the learning time
    odd       [k] R-peaks of the flagged beats that are counted
    wrong     [k] which of them are normal, or no beat at all
    bad       spans in which the signal was not good
    learning  length of the learning time
    """

    name: str
    lead: str
    seconds: float
    truth: Reference
    alerts: Sequence[tuple[Raised, bool | None]]
    odd: NDArray[np.float64]
    wrong: NDArray[np.bool_]
    bad: Sequence[Span]
    learning: float = LEARNING

    @property
    def paced(self) -> bool:
        """Whether this is one of :data:`PACED`: by its name, and because most beats are of class Q, where
        paced ones are counted; another database may have the same names."""
        return self.name.rpartition("/")[2] in PACED and float(np.mean(self.truth.label == "Q")) > 0.5


@dataclass(slots=True)
class Material:
    """Everything that the page shows beside the figures themselves."""

    beats: list[BeatTally] = field(default_factory=list)
    rows: dict[str, Row] = field(default_factory=dict)
    traces: list[Trace] = field(default_factory=list)
    groups: dict[str, Group] = field(default_factory=dict)

    def add_record(
        self,
        record: Scored,
        counted: Tally,
        *,
        lead: str,
        quality: Iterable[Quality],
        example: Callable[[int], Example],
        learning: float = LEARNING,
    ) -> None:
        """Take one recording and what was counted of it; ``example`` makes its beat i ready to be drawn."""
        label = classes(record, learning)
        self.beats.append(counted.beats)
        self.rows[record.name] = row(counted)
        collect(self.groups, record.name, label, record.score, record.odd, example)
        flagged = record.odd & (label != UNCOUNTED)
        self.traces.append(
            Trace(
                name=record.name,
                lead=lead,
                seconds=3600 * record.hours,
                truth=record.truth,
                alerts=judged_alerts(record.alerts, counted.alerts, learning),
                odd=record.t[flagged],
                wrong=(label[flagged] == "N") | (label[flagged] == ""),
                bad=bad_spans(quality),
                learning=learning,
            )
        )

    def add_windows(self, counted: BeatTally, example: Callable[[int], Example]) -> None:
        """Take a file of ready windows, which has neither recordings nor time."""
        self.beats.append(counted)
        collect(self.groups, "", counted.label, counted.score, counted.odd, example)


def judged_alerts(
    alerts: Iterable[Raised], counted: AlertTally | None, learning: float = LEARNING
) -> list[tuple[Raised, bool | None]]:
    """Each alert of kind ``anomalous-beats`` with its verdict in ``counted``, which was made of the same
    ones."""
    verdicts = iter([] if counted is None else counted.true.tolist())
    ours = (alert for alert in alerts if alert.kind == "anomalous-beats")
    return [(alert, next(verdicts, None) if is_counted(alert, learning) else None) for alert in ours]


def bad_spans(quality: Iterable[Quality]) -> list[Span]:
    """Spans of seconds that are not good, ascending; neighbours are joined."""
    spans: list[Span] = []
    for second in sorted(q.second for q in quality if not q.good):
        if spans and second <= spans[-1][1]:
            spans[-1] = (spans[-1][0], second + 1.0)
        else:
            spans.append((float(second), second + 1.0))
    return spans
