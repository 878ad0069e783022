"""``asystole`` and ``pause``: the heart does not beat.

Every stretch without a beat raises one of the two, never both: ``asystole`` (critical) from its limit on, a
``pause`` (warning) when it is shorter. While such a stretch goes on it is a pause first, and where it becomes
asystole the pause is cleared in the same second.
"""

from __future__ import annotations

import math
from typing import Annotated

from msgspec import Meta

from ecgmon.config import Settings
from ecgmon.ecg.types import Beat, Quality, Score
from ecgmon.monitor.policies.base import Change, Standing
from ecgmon.monitor.policies.line import Line
from ecgmon.monitor.policies.silence import SilenceWatch


class AsystoleSettings(Settings, frozen=True):
    """No beat for long."""

    enabled: bool = True
    seconds: Annotated[float, Meta(ge=2, le=60, description="without a beat, s")] = 4.0


class PauseSettings(Settings, frozen=True):
    """No beat for a while."""

    enabled: bool = True
    seconds: Annotated[float, Meta(ge=1, le=60, description="without a beat, s")] = 3.0
    clear_seconds: Annotated[float, Meta(ge=0, le=3600, description="after the last pause, s")] = 10.0


class Asystole:
    """Raised when silence reaches the limit, also where a beat has ended it meanwhile; cleared by the next
    good beat. Noise and missing samples leave it standing; where the lead is off nothing is known any more,
    and it is cleared.
    """

    def __init__(self, settings: AsystoleSettings, line: Line, silence: SilenceWatch) -> None:
        self._settings = settings
        self._line = line
        self._silence = silence
        self._alert = Standing("asystole", "critical")

    def beat(self, beat: Beat, score: Score | None) -> list[Change]:  # noqa: ARG002 - the protocol's
        if not (self._alert.on and self._line.heart and beat.good):
            return []
        self._alert.end = max(self._alert.end, beat.r)
        return self._alert.clear(beat.ready)

    def second(self, quality: Quality) -> list[Change]:
        if not self._settings.enabled:
            return []
        now = quality.second + 1.0
        if self._line.signal == "lead-off":
            return self._alert.clear(now)
        changes = []
        for silence in self._silence.known:
            if silence.seconds >= self._settings.seconds:
                changes += self._alert.begin(silence.start, silence.end, now)
        return changes

    def end(self, t: float) -> list[Change]:
        return self._alert.clear(t)


class Pause:
    """Raised when silence reaches the limit, or a beat tells how long it was; cleared when there was no other
    for ``clear_seconds``. ``asystole`` is None where there is no such alarm.
    """

    def __init__(
        self, settings: PauseSettings, asystole: AsystoleSettings | None, silence: SilenceWatch
    ) -> None:
        self._settings = settings
        self._longest = math.inf if asystole is None else asystole.seconds
        self._silence = silence
        self._alert = Standing("pause", "warning")

    def beat(self, beat: Beat, score: Score | None) -> list[Change]:  # noqa: ARG002 - the protocol's
        return []

    def second(self, quality: Quality) -> list[Change]:
        if not self._settings.enabled:
            return []
        now = quality.second + 1.0
        changes: list[Change] = []
        for silence in self._silence.known:
            if silence.seconds >= self._longest:
                changes += self._alert.clear(now)
            elif silence.seconds >= self._settings.seconds:
                changes += self._alert.begin(silence.start, silence.end, now)
        if now - self._alert.end >= self._settings.clear_seconds:
            changes += self._alert.clear(now)
        return changes

    def end(self, t: float) -> list[Change]:
        return self._alert.clear(t)
