"""What a stream is watched for: one small policy per kind of alert, pure, fed in the order of the stream.

A policy takes beats with their scores and the verdicts over each second, and answers with
:class:`~ecgmon.monitor.policies.base.Change`. To add a kind of alert, write a policy and list it in
:class:`Watch`; identity, UTC and the message itself are made in :mod:`ecgmon.monitor.alerting`.

Severity: ``asystole`` is critical, and so are ``anomalous-beats`` with a run; all else is a warning.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from ecgmon.config import Settings
from ecgmon.ecg.episodes import EpisodeSettings
from ecgmon.ecg.types import Beat, Quality, Score
from ecgmon.errors import DataError
from ecgmon.monitor import snapshot
from ecgmon.monitor.policies.asystole import Asystole, AsystoleSettings, Pause, PauseSettings
from ecgmon.monitor.policies.base import ByInterval, Change, NoBeats, NoSeconds, Policy, Steady
from ecgmon.monitor.policies.condition import NOT_ANALYSING, Condition, ConditionSettings, LeadOffSettings
from ecgmon.monitor.policies.heart_rate import RATE_BEATS, HeartRate
from ecgmon.monitor.policies.line import Line
from ecgmon.monitor.policies.losses import Losses
from ecgmon.monitor.policies.lost import StreamLost, StreamLostSettings
from ecgmon.monitor.policies.odd_beats import OddBeats
from ecgmon.monitor.policies.rate import (
    FAST_BEATS,
    SLOW_BEATS,
    BradycardiaSettings,
    TachycardiaSettings,
    bradycardia,
    tachycardia,
)
from ecgmon.monitor.policies.silence import SHORT, SilenceWatch

__all__ = ["AlertSettings", "Change", "ConditionSettings", "LeadOffSettings", "Policy", "Watch"]


MOST_BEATS: Final = max(SLOW_BEATS, FAST_BEATS, RATE_BEATS)
"""No policy looks back on more intervals."""


class AlertSettings(Settings, frozen=True):
    """Which alerts are raised, and when."""

    anomalous_beats: EpisodeSettings = EpisodeSettings()
    asystole: AsystoleSettings = AsystoleSettings()
    pause: PauseSettings = PauseSettings()
    bradycardia: BradycardiaSettings = BradycardiaSettings()
    tachycardia: TachycardiaSettings = TachycardiaSettings()
    lead_off: LeadOffSettings = LeadOffSettings()
    noise: ConditionSettings = ConditionSettings()
    """Not analysing: too much noise, or too much lost."""
    stream_lost: StreamLostSettings = StreamLostSettings()


class Watch:
    """Everything that one stream is watched for.

    Nearly all seconds are calm: the signal is good and has its QRS complexes. Once such a second has found
    every policy at rest (``resting``), and while steady beats come, the next ones change nothing, and the
    watch lets them pass. The first that is not calm, or that follows a beat out of the ordinary, is told to
    all. Likewise, at rest, a steady beat within all limits is told only to those that look at more than its
    interval; the others hear of it when something else happens (:class:`ByInterval`).

    Those that only look stand first, what rests on them behind. ``pause`` stands before ``asystole`` and
    both before ``lead-off``: where one makes way for another in a second, it is cleared before the other is
    raised.
    """

    __slots__ = (
        "_by_interval", "_longest", "_passed", "_shortest", "by_beat", "by_second", "heart_rate",
        "line", "lost", "odd_beats", "policies", "resting", "silence",
    )  # fmt: skip

    def __init__(self, settings: AlertSettings) -> None:
        self.line = Line(settings.lead_off.quiet_mv)
        self.silence = SilenceWatch(self.line)
        self.heart_rate = HeartRate()
        self.resting = False
        """A calm second would change nothing of any policy."""
        self._passed: list[Steady] = []
        self.renew(settings)

    def renew(self, settings: AlertSettings) -> None:
        """Other limits; to be called while nothing stands. What the line did and when the heart last beat is
        still known, what was counted so far is not."""
        self._catch_up()
        self.resting = False
        self.line.quiet_mv = settings.lead_off.quiet_mv
        self.silence.short = min(SHORT, settings.pause.seconds)
        self.lost = StreamLost(settings.stream_lost)
        line, silence = self.line, self.silence
        lead_off = Condition("lead-off", frozenset({"lead-off"}), settings.lead_off, line)
        asystole = Asystole(settings.asystole, line, silence, lead_off)
        self.odd_beats = OddBeats(settings.anomalous_beats)
        self.policies: list[Policy] = [
            line,
            silence,
            self.odd_beats,
            Pause(settings.pause, asystole, silence),
            asystole,
            lead_off,
            Condition("noise", NOT_ANALYSING, settings.noise, line, Losses()),
            self.lost,
        ]
        self._by_interval: list[ByInterval] = [asystole, self.heart_rate]
        self._shortest, self._longest = 0.0, math.inf
        if settings.bradycardia.enabled:
            slow = bradycardia(settings.bradycardia, line, silence)
            self.policies.append(slow)
            self._by_interval.append(slow)
            self._longest = slow.safe
        if settings.tachycardia.enabled:
            fast = tachycardia(settings.tachycardia, line, silence)
            self.policies.append(fast)
            self._by_interval.append(fast)
            self._shortest = fast.safe
        behind = self.policies[2:]
        self.by_beat = [policy for policy in behind if not isinstance(policy, NoBeats)]
        self.by_second = [policy for policy in self.policies if not isinstance(policy, NoSeconds)]

    def beat(self, beat: Beat, score: Score | None) -> Sequence[Change]:
        """The next beat."""
        silence = self.silence
        self.line.beat(beat, score)
        silence.beat(beat, score)
        if self.resting:
            if silence.steady and self._shortest < beat.rr < self._longest:
                passed = self._passed
                passed.append((beat.rr, beat.r))
                if len(passed) > MOST_BEATS:
                    del passed[0]
                return self.odd_beats.beat(beat, score)
            self._catch_up()
            self.resting = False
        self.heart_rate.beat(beat)
        found: list[Change] = []
        for policy in self.by_beat:
            changes = policy.beat(beat, score)
            if changes:
                found += changes
        return found

    def passes(self, quality: Quality) -> bool:
        """Whether the next second changes nothing, but perhaps that ``odd_beats`` are over."""
        return self.resting and self.line.calm(quality) and self.silence.passes(quality.second)

    def second(self, quality: Quality) -> list[Change]:
        """The next second, which does not pass; :meth:`over` follows."""
        self._catch_up()
        found: list[Change] = []
        for policy in self.by_second:
            changes = policy.second(quality)
            if changes:
                found += changes
        return found

    def over(self, quality: Quality) -> None:
        """What a second brought has been told, with the rate as it was before."""
        self.heart_rate.second(quality, self.silence.slow)
        calm = self.line.calm(quality) and self.heart_rate.rests
        self.resting = calm and all(policy.rests for policy in self.by_second)

    def rate(self, t: float) -> float | None:
        """The heart rate at stream time ``t``, beats/min; None where it is not known."""
        return self.heart_rate.at(t, self._passed)

    def _catch_up(self) -> None:
        """Tell of the beats that passed."""
        if self._passed:
            for each in self._by_interval:
                each.passed(self._passed)
            self._passed = []

    def save(self) -> dict[str, snapshot.Plain]:
        """As :class:`ecgmon.monitor.snapshot.Saveable`; what policies share is saved once, as its own."""
        self._catch_up()
        return {
            "policies": [snapshot.save_attributes(p, but=self._shared(p)) for p in self.policies],
            "heart_rate": snapshot.save(self.heart_rate),
        }

    def restore(self, saved: Mapping[str, snapshot.Plain]) -> None:
        """As :class:`ecgmon.monitor.snapshot.Saveable`."""
        if len(saved["policies"]) != len(self.policies):
            raise DataError("the stored alerts are of other policies")
        for policy, each in zip(self.policies, saved["policies"], strict=True):
            snapshot.restore_attributes(policy, each, but=self._shared(policy))
        snapshot.restore(self.heart_rate, saved["heart_rate"])

    def _shared(self, policy: Policy) -> frozenset[str]:
        """Attributes of ``policy`` that are policies themselves, or made anew with each second."""
        parts = snapshot.attributes(policy).items()
        shared = {n for n, value in parts if any(value is other for other in self.policies)}
        return frozenset(shared | {"known", "slow", "longest"})
