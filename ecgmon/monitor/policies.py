"""What a stream is watched for: one small policy per kind of alert, pure, fed in the order of the stream.

A policy takes beats with their scores and the verdicts over each second, and answers with :class:`Change`.
To add a kind of alert, write a policy and list it in :func:`policies`; identity, UTC and the message
itself are made in :mod:`ecgmon.monitor.alerting`.

Severity of ``anomalous-beats``: ``critical`` where there was a run (:mod:`ecgmon.ecg.episodes`), else
``warning``. Technical alerts (``lead-off``, ``noise``) are ``warning``.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Final, Protocol

from msgspec import Meta

from ecgmon.config import Settings
from ecgmon.ecg.episodes import EpisodeRule, EpisodeSettings, Event
from ecgmon.ecg.types import AlertKind, AlertState, Beat, Finding, Quality, Score, Severity
from ecgmon.monitor.evidence import EpisodeFindings

EVIDENCE_BEATS: Final = 32
"""R-peaks that an alert carries at most."""


class ConditionSettings(Settings, frozen=True):
    """A condition of the signal, judged second by second."""

    enabled: bool = True
    raise_seconds: Annotated[int, Meta(ge=1, le=3600, description="seconds in a row that raise")] = 3
    clear_seconds: Annotated[int, Meta(ge=1, le=3600, description="seconds in a row that clear")] = 3


class AlertSettings(Settings, frozen=True):
    """Which alerts are raised, and when."""

    anomalous_beats: EpisodeSettings = EpisodeSettings()
    lead_off: ConditionSettings = ConditionSettings()
    noise: ConditionSettings = ConditionSettings(raise_seconds=15, clear_seconds=5)


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """What a policy has to say. Times are stream times, s; ``beats`` counts the odd ones."""

    kind: AlertKind
    state: AlertState
    severity: Severity
    onset: float
    end: float
    time: float
    beats: int = 0
    oddest: tuple[Beat, Score] | None = None
    r_peaks: tuple[float, ...] = ()
    findings: tuple[Finding, ...] = ()
    summary: str = ""


class Policy(Protocol):
    """One kind of alert of one stream.

    Where streams are kept on disk, a policy is saved and restored with its stream by
    :mod:`ecgmon.monitor.snapshot`. One whose attributes are plain values, or components of such, needs
    nothing for it; any other has ``save`` and ``restore``, see :class:`ecgmon.monitor.snapshot.Saveable`.
    """

    def beat(self, beat: Beat, score: Score | None) -> Iterable[Change]:
        """The next beat; ``score`` is None when it was not good enough to be scored."""

    def second(self, quality: Quality) -> Iterable[Change]:
        """The verdict over the next second of signal."""

    def end(self, t: float) -> Iterable[Change]:
        """The stream ends at ``t``: clear what stands."""


class OddBeats:
    """``anomalous-beats``: the episode rule of :mod:`ecgmon.ecg.episodes` over the scored beats."""

    def __init__(self, settings: EpisodeSettings) -> None:
        self._rule = EpisodeRule(settings)
        look_back = max(settings.of_beats, settings.run_beats)
        self._findings = EpisodeFindings(look_back)
        self._recent: deque[tuple[Beat, Score]] = deque(maxlen=max(EVIDENCE_BEATS, look_back))
        self._oddest: tuple[Beat, Score] | None = None

    def beat(self, beat: Beat, score: Score | None) -> Iterable[Change]:
        changes = self._changes(self._rule.tick(beat.r))
        if score is None:
            self._rule.unknown()
            self._findings.beat(beat, score)
            return changes
        # Decided at the R-peak, known when the beat was ready. What ends does not contain this beat, which
        # may begin something worse.
        decided = [event._replace(time=beat.ready) for event in self._rule.feed(beat.r, score.alarming)]
        changes += self._changes(event for event in decided if event.state == "cleared")
        self._findings.beat(beat, score)
        if score.alarming:
            self._recent.append((beat, score))
            if self._rule.active:
                self._note(beat, score)
        return changes + self._changes(event for event in decided if event.state == "raised")

    def second(self, quality: Quality) -> Iterable[Change]:
        return self._changes(self._rule.tick(float(quality.second + 1)))

    def end(self, t: float) -> Iterable[Change]:
        if not self._rule.active:
            return []
        event = self._rule.tick(math.inf)[0]
        return self._changes([event._replace(time=min(event.time, t))])

    def _note(self, beat: Beat, score: Score) -> None:
        if self._oddest is None or (-score.p_value, score.score) > (
            -self._oddest[1].p_value,
            self._oddest[1].score,
        ):
            self._oddest = (beat, score)

    def _changes(self, events: Iterable[Event]) -> list[Change]:
        return [self._change(event) for event in events]

    def _change(self, event: Event) -> Change:
        if event.state == "raised":
            self._findings.raised(event.onset)
            self._oddest = None
            for beat, score in self._recent:
                if beat.r >= event.onset:
                    self._note(beat, score)
        findings, summary = self._findings.told()
        peaks = [beat.r for beat, _ in self._recent if event.onset <= beat.r <= event.end]
        return Change(
            kind="anomalous-beats",
            state=event.state,
            severity="critical" if event.critical else "warning",
            onset=event.onset,
            end=event.end,
            time=event.time,
            beats=event.odd,
            oddest=self._oddest,
            r_peaks=tuple(peaks[-EVIDENCE_BEATS:]),
            findings=tuple(findings),
            summary=summary,
        )


class Condition:
    """A technical alert: raised when ``holds`` for some seconds in a row, cleared when it has not for some.

    A second with missing samples says nothing either way; beats play no part.
    """

    def __init__(
        self, kind: AlertKind, holds: Callable[[Quality], bool], settings: ConditionSettings
    ) -> None:
        self._kind = kind
        self._holds = holds
        self._settings = settings
        self._since: int | None = None
        self._last = 0
        self._calm = 0
        self._count = 0
        self._raised = False

    def beat(self, beat: Beat, score: Score | None) -> Iterable[Change]:  # noqa: ARG002 - the protocol's
        return ()

    def second(self, quality: Quality) -> Iterable[Change]:
        if not self._settings.enabled or quality.missing:
            return ()
        if self._holds(quality):
            return self._bad(quality.second)
        return self._good(quality.second)

    def end(self, t: float) -> Iterable[Change]:
        if not self._raised:
            return ()
        self._raised = False
        return (self._change("cleared", t),)

    def _bad(self, second: int) -> Iterable[Change]:
        self._calm = 0
        self._count += 1
        self._since = second if self._since is None else self._since
        self._last = second
        if self._raised or self._count < self._settings.raise_seconds:
            return ()
        self._raised = True
        return (self._change("raised", second + 1.0),)

    def _good(self, second: int) -> Iterable[Change]:
        self._calm += 1
        if self._raised and self._calm < self._settings.clear_seconds:
            return ()
        changes = (self._change("cleared", second + 1.0),) if self._raised else ()
        self._raised = False
        self._since, self._count = None, 0
        return changes

    def _change(self, state: AlertState, time: float) -> Change:
        onset = float(self._last if self._since is None else self._since)
        return Change(self._kind, state, "warning", onset=onset, end=self._last + 1.0, time=time)


def policies(settings: AlertSettings) -> list[Policy]:
    """Every alert that a stream is watched for.

    ``lead-off`` is a flat line. ``noise`` means "not analysing": the quality gate is closed by noise or
    clipping. A flat second is never noise and a noisy one never lead-off, so the two are not mistaken for
    one another.
    """
    return [
        OddBeats(settings.anomalous_beats),
        Condition("lead-off", lambda q: q.flat, settings.lead_off),
        Condition("noise", lambda q: (q.noisy or q.clipped) and not q.flat, settings.noise),
    ]
