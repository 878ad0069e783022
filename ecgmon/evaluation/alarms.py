"""Alerts against annotations: which were true, which episodes raised one, and how long it took."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg.types import Alert
from ecgmon.evaluation.reference import EPISODE_BEATS, Part, Reference, in_part

MARGIN = 0.150
"""How far outside an alert's span an annotated beat still belongs to it, s (EC57's tolerance)."""


@dataclass(frozen=True, slots=True)
class Raised:
    """One alert from raise to clear, in stream time, s: first odd R-peak, last odd R-peak, moment of the
    decision."""

    kind: str
    onset: float
    end: float
    time: float


@dataclass(frozen=True, slots=True, eq=False)
class AlertTally:
    """The alerts of one recording, judged.

    true    [alerts] whether each counted alert of kind ``anomalous-beats`` was true
    delay   [episodes] from the third R-peak of each episode to the alert, s; NaN where none was raised
    other   number of alerts of each other kind, which are about rhythm or technique: beat annotations cannot
            judge them
    """

    true: NDArray[np.bool_]
    delay: NDArray[np.float64]
    other: dict[str, int]


def raised(messages: Iterable[Alert], start: float) -> list[Raised]:
    """Join ``raised`` and ``cleared`` messages by id; ``start`` is the UTC time of the stream's first sample,
    s.

    The clearing message knows the alert's last beat; an alert that was never cleared keeps the end it was
    raised with.
    """
    first: dict[str, Alert] = {}
    end: dict[str, float] = {}
    for message in messages:
        first.setdefault(message.id, message)
        end[message.id] = max(message.end, end.get(message.id, message.end))
    return [
        Raised(alert.kind, alert.onset - start, end[key] - start, alert.time - start)
        for key, alert in first.items()
    ]


def judge(
    alerts: Sequence[Raised], truth: Reference, learning: float, part: Part | None = None
) -> AlertTally:
    """Compare alerts with the annotations, from ``learning`` s of stream time on.

    With ``part`` only what falls into it counts: alerts by the moment they are raised, episodes by their
    first beat.

    An alert counts when it is raised after the learning time. It is true when an annotated anomalous beat
    lies within its span, 150 ms either way. Flutter counts as anomalous here: EC57 excludes it where beats
    are compared one by one, and an alert that stands during ventricular flutter is no false alarm.

    An episode counts when it begins after the learning time; it is found when an alert's span, 150 ms either
    way, touches it. Its delay is never negative: 0 when the alert already stood because of earlier beats.
    """
    anomalous = truth.t[truth.label != "N"]
    ours = [alert for alert in alerts if alert.kind == "anomalous-beats"]

    def counts(t: float) -> bool:
        return t >= learning and bool(in_part(np.array([t]), part)[0])

    other: dict[str, int] = {}
    for alert in alerts:
        if alert.kind != "anomalous-beats" and counts(alert.time):
            other[alert.kind] = other.get(alert.kind, 0) + 1
    episodes = [run for run in truth.episodes() if counts(run[0]) and not truth.in_flutter(run).any()]
    return AlertTally(
        true=np.array([_true(a, anomalous, truth) for a in ours if counts(a.time)], dtype=np.bool_),
        delay=np.array([_delay(run, ours) for run in episodes], dtype=np.float64),
        other=other,
    )


def _true(alert: Raised, anomalous: NDArray[np.float64], truth: Reference) -> bool:
    first, last = alert.onset - MARGIN, alert.end + MARGIN
    beats = np.searchsorted(anomalous, last, "right") - np.searchsorted(anomalous, first, "left")
    return bool(beats > 0) or any(a <= last and first <= b for a, b in truth.flutter)


def _delay(run: NDArray[np.float64], alerts: Sequence[Raised]) -> float:
    times = [a.time for a in alerts if a.onset - MARGIN <= run[-1] and run[0] <= a.end + MARGIN]
    return max(0.0, min(times) - float(run[EPISODE_BEATS - 1])) if times else float("nan")
