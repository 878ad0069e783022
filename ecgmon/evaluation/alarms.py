"""Alerts against annotations: which were true, which episodes raised one, and how long it took."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg.types import Alert
from ecgmon.evaluation.reference import EPISODE_BEATS, Part, Reference, Span, in_part

MARGIN = 0.150
"""How far outside an alert's span an annotated beat still belongs to it, s (EC57's tolerance)."""


NOBODY: NDArray[np.float64] = np.array([], dtype=np.float64)


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
    stood   [episodes] whether the alert that found it was raised before its first beat, because of others
    inside  s of scored time within the spans of alerts
    normal, normal_inside
            scored normal beats, and those within the spans of alerts
    other   number of alerts of each other kind, which are about rhythm or technique: beat annotations cannot
            judge them
    """

    true: NDArray[np.bool_]
    delay: NDArray[np.float64]
    stood: NDArray[np.bool_]
    inside: float
    normal: int
    normal_inside: int
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
    alerts: Sequence[Raised],
    truth: Reference,
    learning: float,
    part: Part | None = None,
    *,
    scored: Sequence[Span] = (),
    normal: NDArray[np.float64] = NOBODY,
) -> AlertTally:
    """Compare alerts with the annotations, from ``learning`` s of stream time on.

    With ``part`` only what falls into it counts: alerts by the moment they are raised, episodes by their
    first beat. ``scored`` are the spans that are scored and ``normal`` [n] the R-peaks of the scored normal
    beats, s: how much of both lies within alerts is counted, for an alert that always stands finds every
    episode, and helps nobody.

    An alert counts when it is raised after the learning time. One that still stands when that ends (its last
    odd beat comes later) counts as raised there. An alert is true when an annotated anomalous beat lies
    within its span, 150 ms either way, learning time or not. Flutter counts as anomalous here: EC57 excludes
    it where beats are compared one by one, and an alert that stands during ventricular flutter is no false
    alarm.

    An episode counts when it begins after the learning time; it is found when an alert's span, 150 ms either
    way, touches it. The alert that counts is the first that begins with the episode or in it, if there is
    one: a run raises an alert of its own where a lesser one stands. The delay is never negative: 0 when the
    alert was raised before the episode's third R-peak. Where it was raised before the first, the episode has
    raised nothing: it is found, and marked in ``stood``.
    """
    anomalous = truth.t[truth.label != "N"]
    ours = [alert for alert in alerts if alert.kind == "anomalous-beats"]
    late = [alert for alert in ours if counted(alert, learning)]

    def counts(t: float) -> bool:
        return t >= learning and bool(in_part(np.array([t]), part)[0])

    other: dict[str, int] = {}
    for alert in alerts:
        if alert.kind != "anomalous-beats" and counts(alert.time):
            other[alert.kind] = other.get(alert.kind, 0) + 1
    episodes = [run for run in truth.episodes() if counts(run[0]) and not truth.in_flutter(run).any()]
    raised_at = [_raised_at(run, ours) for run in episodes]
    spans = _joined(late)
    return AlertTally(
        true=np.array(
            [_true(a, anomalous, truth) for a in late if counts(max(a.time, learning))], dtype=np.bool_
        ),
        delay=np.array(
            [
                np.maximum(0.0, at - run[EPISODE_BEATS - 1])
                for at, run in zip(raised_at, episodes, strict=True)
            ],
            dtype=np.float64,
        ),
        stood=np.array([at < run[0] for at, run in zip(raised_at, episodes, strict=True)], dtype=np.bool_),
        inside=float(sum(max(0.0, min(b, d) - max(a, c)) for a, b in spans for c, d in scored)),
        normal=len(normal),
        normal_inside=int(sum(((normal >= a) & (normal <= b)).sum() for a, b in spans)),
        other=other,
    )


def counted(alert: Raised, learning: float) -> bool:
    """Whether ``alert`` is raised, or still stands, when the learning time is over."""
    return max(alert.time, alert.end) >= learning


def _joined(alerts: Sequence[Raised]) -> list[Span]:
    """The spans of ``alerts``, those that overlap made one."""
    spans: list[Span] = []
    for onset, end in sorted((alert.onset, alert.end) for alert in alerts):
        if spans and onset <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
        else:
            spans.append((onset, end))
    return spans


def _true(alert: Raised, anomalous: NDArray[np.float64], truth: Reference) -> bool:
    first, last = alert.onset - MARGIN, alert.end + MARGIN
    beats = np.searchsorted(anomalous, last, "right") - np.searchsorted(anomalous, first, "left")
    return bool(beats > 0) or any(a <= last and first <= b for a, b in truth.flutter)


def _raised_at(run: NDArray[np.float64], alerts: Sequence[Raised]) -> float:
    """When the first alert that begins in the episode ``run`` was raised, s, or else the first that touches
    it; NaN where none does."""
    touching = [a for a in alerts if a.onset - MARGIN <= run[-1] and run[0] <= a.end + MARGIN]
    own = [a for a in touching if a.onset >= run[0] - MARGIN]
    return min((a.time for a in own or touching), default=math.nan)
