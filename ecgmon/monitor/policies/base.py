"""What every policy is: fed with beats and seconds of one stream in their order, it answers with changes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ecgmon.ecg.types import AlertKind, AlertState, Beat, Finding, Quality, Score, Severity


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """What a policy has to say. Times are stream times, s; ``beats`` counts those that the alert is about."""

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
    :mod:`ecgmon.monitor.snapshot`: its attributes are plain values, components of such, or other policies.
    """

    @property
    def rests(self) -> bool:
        """Asked behind a calm second (:class:`ecgmon.monitor.policies.Watch`): the next calm one would change
        nothing here, and need not be told."""

    def beat(self, beat: Beat, score: Score | None) -> Sequence[Change]:
        """The next beat; ``score`` is None when it was not good enough to be scored."""

    def second(self, quality: Quality) -> Sequence[Change]:
        """The verdict over the next second of signal."""

    def end(self, t: float) -> Sequence[Change]:
        """The stream ends at ``t``: clear what stands."""


Steady = tuple[float, float]
"""A beat like nearly all: RR interval and R-peak, stream time, s."""


class ByInterval(Protocol):
    """What looks at RR intervals alone need not be told of each steady beat while all is at rest."""

    def passed(self, beats: Sequence[Steady]) -> None:
        """These came since the last beat or second that was told, or more than eight of which these are the
        last: good ones of the heart, each next to the one before, at intervals within every limit."""


class NoBeats:
    """Of policies in which beats play no part: they are not called with any."""

    __slots__ = ()

    def beat(self, beat: Beat, score: Score | None) -> tuple[()]:  # noqa: ARG002 - the protocol's
        return ()


class NoSeconds:
    """Of policies in which seconds play no part; likewise."""

    __slots__ = ()

    @property
    def rests(self) -> bool:
        return True

    def second(self, quality: Quality) -> tuple[()]:  # noqa: ARG002 - the protocol's
        return ()


class Standing:
    """One alert that stands or does not. Raise and clear come by turns, whatever a policy asks for, and no
    two begin at one moment: what was cleared is not raised again.
    """

    __slots__ = ("_kind", "_severity", "end", "on", "onset", "time")

    def __init__(self, kind: AlertKind, severity: Severity) -> None:
        self._kind: AlertKind = kind
        self._severity: Severity = severity
        self.onset = -math.inf
        """Of the last one, stream time, s."""
        self.on = False
        """Raised and not cleared."""
        self.end = -math.inf
        """Up to where the condition is known to have held, stream time, s."""
        self.time = -math.inf
        """When the last one was raised, stream time, s; it is not cleared before."""

    def begin(self, onset: float, end: float, time: float, beats: int = 0) -> list[Change]:
        """Raise it, unless it stands; in that case it goes on until ``end``."""
        if self.on:
            self.end = end
        if self.on or onset <= self.onset:
            return []
        self.on, self.onset, self.end, self.time = True, onset, end, time
        return [Change(self._kind, "raised", self._severity, onset, end, time, beats)]

    def clear(self, time: float, beats: int = 0) -> list[Change]:
        """Clear it if it stands."""
        if not self.on:
            return []
        self.on = False
        when = max(time, self.time)
        return [Change(self._kind, "cleared", self._severity, self.onset, self.end, when, beats)]
