"""``asystole`` and ``pause``: the heart does not beat.

Every stretch without a beat is one of the two: ``asystole`` (critical) from its limit on, ``pause`` (warning)
where it is shorter. While such a stretch goes on it is a pause first; where it becomes asystole the pause is
cleared in the same second, and none is raised while asystole stands.

Whether the line is quiet is not asked: ventricular fibrillation that shows the detector no QRS complex is
asystole here, which is as bad, and no other policy can see it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Final

from msgspec import Meta

from ecgmon.config import Settings
from ecgmon.ecg.types import Beat, Quality, Score
from ecgmon.monitor.policies.base import Change, NoBeats, Standing, Steady
from ecgmon.monitor.policies.condition import Condition
from ecgmon.monitor.policies.line import Line
from ecgmon.monitor.policies.silence import Silence, SilenceWatch

CLEAR_SHARE: Final = 0.75
"""Of the limit of asystole: two beats no further apart end it. At rates where every interval is about as long
as the limit it stands, and does not come and go."""

HOLD_SHARE: Final = 0.9
"""Of the limit of a pause: silence as long as that, while a pause stands, is another one."""


class AsystoleSettings(Settings, frozen=True):
    """No beat for long."""

    enabled: bool = True
    """false: never raised."""
    seconds: Annotated[float, Meta(ge=2, le=60, description="without a beat, s")] = 4.0


class PauseSettings(Settings, frozen=True):
    """No beat for a while."""

    enabled: bool = True
    """false: never raised."""
    seconds: Annotated[float, Meta(ge=1, le=60, description="without a beat, s")] = 3.0
    clear_seconds: Annotated[float, Meta(ge=0, le=3600, description="after the last pause, s")] = 10.0


class Asystole:
    """Raised when silence reaches the limit, also where a beat has ended it meanwhile; cleared by two beats,
    good or of a slow heart, one no more than :data:`CLEAR_SHARE` of the limit behind the other. Noise and
    missing samples leave it standing; where the lead is off nothing is known any more, and it is cleared;
    while ``lead_off`` stands none is raised.
    """

    __slots__ = ("_alert", "_good", "_lead_off", "_line", "_settings", "_silence", "limit")

    def __init__(
        self, settings: AsystoleSettings, line: Line, silence: SilenceWatch, lead_off: Condition
    ) -> None:
        self._settings = settings
        self.limit = settings.seconds if settings.enabled else math.inf
        """From so many seconds on silence is asystole."""
        self._line = line
        self._silence = silence
        self._lead_off = lead_off
        self._alert = Standing("asystole", "critical")
        self._good = -math.inf  # the last good beat

    @property
    def on(self) -> bool:
        """The alert stands."""
        return self._alert.on

    @property
    def rests(self) -> bool:
        return not self._alert.on

    def beat(self, beat: Beat, score: Score | None) -> Sequence[Change]:  # noqa: ARG002 - the protocol's
        if not (beat.good and self._line.heart):
            return ()
        before, self._good = self._good, beat.r
        if not self._alert.on:
            return ()
        near = beat.r - before <= CLEAR_SHARE * self._settings.seconds
        if before <= self._alert.onset or not near:
            return ()
        self._alert.end = max(self._alert.end, before)
        return self._alert.clear(beat.ready)

    def passed(self, beats: Sequence[Steady]) -> None:
        """As :meth:`ecgmon.monitor.policies.base.ByInterval.passed`."""
        self._good = beats[-1][1]

    def second(self, quality: Quality) -> list[Change]:
        if not self._settings.enabled:
            return []
        now = quality.second + 1.0
        if self._line.signal == "lead-off" or self._lead_off.on:
            return self._alert.clear(now)
        if self._silence.longest < self._settings.seconds and not self._silence.slow:
            return []
        changes = []
        for silence in self._silence.known:
            if silence.seconds >= self._settings.seconds:
                changes += self._alert.begin(silence.start, silence.end, now)
            elif self._is_back(silence):
                self._alert.end = max(self._alert.end, silence.start)
                changes += self._alert.clear(now)
        return changes

    def end(self, t: float) -> list[Change]:
        return self._alert.clear(t)

    def _is_back(self, silence: Silence) -> bool:
        """Two beats near each other, which need not be good: the heart beats slowly."""
        near = silence.seconds <= CLEAR_SHARE * self._settings.seconds
        return near and silence.slow and silence.start > self._alert.onset


class Pause(NoBeats):
    """Raised when silence reaches the limit, or a beat tells how long it was; cleared when there was no other
    for ``clear_seconds``, where :data:`HOLD_SHARE` of the limit is one more. Without
    ``asystole`` in use a pause has no upper limit.
    """

    __slots__ = ("_alert", "_asystole", "_settings", "_silence")

    def __init__(self, settings: PauseSettings, asystole: Asystole, silence: SilenceWatch) -> None:
        self._settings = settings
        self._asystole = asystole
        self._silence = silence
        self._alert = Standing("pause", "warning")

    @property
    def rests(self) -> bool:
        return not self._alert.on

    def second(self, quality: Quality) -> list[Change]:
        if not self._settings.enabled:
            return []
        if not self._alert.on and self._silence.longest < self._settings.seconds:
            return []
        now = quality.second + 1.0
        changes: list[Change] = []
        for silence in self._silence.known:
            if self._asystole.on or silence.seconds >= self._asystole.limit:
                changes += self._alert.clear(now)
            elif silence.seconds >= self._settings.seconds * (HOLD_SHARE if self._alert.on else 1.0):
                changes += self._alert.begin(silence.start, max(silence.end, self._alert.end), now)
        if now - self._alert.end >= self._settings.clear_seconds:
            changes += self._alert.clear(now)
        return changes

    def end(self, t: float) -> list[Change]:
        return self._alert.clear(t)
