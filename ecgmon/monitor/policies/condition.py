"""``lead-off`` and ``noise``: conditions of the signal, judged second by second."""

from __future__ import annotations

from collections.abc import Set
from typing import Annotated, Final

from msgspec import Meta

from ecgmon.config import Settings
from ecgmon.ecg.types import AlertKind, Quality
from ecgmon.monitor.policies.base import Change, NoBeats, Standing
from ecgmon.monitor.policies.line import LOST, Line, Signal
from ecgmon.monitor.policies.losses import Losses

NOT_ANALYSING: Final[Set[Signal]] = frozenset({"noise", "missing"})


class ConditionSettings(Settings, frozen=True):
    """A condition of the signal."""

    enabled: bool = True
    """false: never raised."""
    raise_seconds: Annotated[int, Meta(ge=1, le=3600, description="such seconds that raise")] = 15
    clear_seconds: Annotated[int, Meta(ge=1, le=3600, description="seconds in a row that clear")] = 5


class LeadOffSettings(ConditionSettings, frozen=True):
    """The line is at rest."""

    raise_seconds: Annotated[int, Meta(ge=1, le=3600, description="such seconds that raise")] = 1
    clear_seconds: Annotated[int, Meta(ge=1, le=3600, description="seconds in a row that clear")] = 3
    quiet_mv: Annotated[float, Meta(ge=0, le=1, description="a line that moves less is at rest, mV")] = 0.01


class Condition(NoBeats):
    """Raised after some seconds of ``kinds``, each other one between taking one back; cleared by some others
    in a row.

    A gap, and missing samples where ``kinds`` does not name them, say nothing either way, but where
    ``losses`` are watched and heavy; beats play no part.
    """

    __slots__ = ("_alert", "_bad", "_calm", "_kinds", "_line", "_losses", "_settings", "_since")

    def __init__(
        self,
        kind: AlertKind,
        kinds: Set[Signal],
        settings: ConditionSettings,
        line: Line,
        losses: Losses | None = None,
    ) -> None:
        self._kinds = kinds
        self._settings = settings
        self._line = line
        self._losses = losses
        self._since = 0.0
        self._bad = 0
        self._calm = 0
        self._alert = Standing(kind, "warning")

    @property
    def on(self) -> bool:
        """The alert stands."""
        return self._alert.on

    @property
    def rests(self) -> bool:
        at_rest = not (self._bad or self._alert.on) and (self._losses is None or self._losses.rests)
        return at_rest or not self._settings.enabled

    def second(self, quality: Quality) -> list[Change]:
        signal = self._line.signal
        if not self._settings.enabled or signal is None:
            return []
        now = quality.second + 1.0
        heavy = self._losses is not None and self._losses.second(quality, signal)
        if self._losses is not None and heavy:
            self._calm = 0
            return self._alert.begin(max(self._losses.since, self._alert.end), now, now)
        if signal in self._kinds:
            self._calm = 0
            self._since = self._since if self._bad else float(quality.second)
            self._bad += 1
            if self._alert.on or self._bad >= self._settings.raise_seconds:
                return self._alert.begin(self._since, now, now)
        elif signal not in LOST and (self._bad or self._alert.on):
            self._bad = max(0, self._bad - 1)
            self._calm += 1
            if self._calm >= self._settings.clear_seconds:
                self._bad = 0
                return self._alert.clear(now)
        return []

    def end(self, t: float) -> list[Change]:
        return self._alert.clear(t)
