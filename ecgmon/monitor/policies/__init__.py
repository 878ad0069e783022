"""What a stream is watched for: one small policy per kind of alert, pure, fed in the order of the stream.

A policy takes beats with their scores and the verdicts over each second, and answers with
:class:`~ecgmon.monitor.policies.base.Change`. To add a kind of alert, write a policy and list it in
:class:`Watch`; identity, UTC and the message itself are made in :mod:`ecgmon.monitor.alerting`.

Severity: ``asystole`` is critical, and so are ``anomalous-beats`` with a run; all else is a warning.
"""

from __future__ import annotations

from collections.abc import Mapping

from ecgmon.config import Settings
from ecgmon.ecg.episodes import EpisodeSettings
from ecgmon.errors import DataError
from ecgmon.monitor import snapshot
from ecgmon.monitor.policies.asystole import Asystole, AsystoleSettings, Pause, PauseSettings
from ecgmon.monitor.policies.base import Change, NoBeats, NoSeconds, Policy
from ecgmon.monitor.policies.condition import NOT_ANALYSING, Condition, ConditionSettings, LeadOffSettings
from ecgmon.monitor.policies.line import Line
from ecgmon.monitor.policies.losses import Losses
from ecgmon.monitor.policies.lost import StreamLost, StreamLostSettings
from ecgmon.monitor.policies.odd_beats import OddBeats
from ecgmon.monitor.policies.rate import BradycardiaSettings, TachycardiaSettings, bradycardia, tachycardia
from ecgmon.monitor.policies.silence import SilenceWatch

__all__ = ["AlertSettings", "Change", "ConditionSettings", "LeadOffSettings", "Policy", "Watch"]


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

    Those that only look stand first, what rests on them behind. ``pause`` stands before ``asystole`` and
    both before ``lead-off``: where one makes way for another in a second, it is cleared before the other is
    raised.
    """

    def __init__(self, settings: AlertSettings) -> None:
        self.line = Line(settings.lead_off.quiet_mv)
        self.silence = SilenceWatch(self.line)
        self.renew(settings)

    def renew(self, settings: AlertSettings) -> None:
        """Other limits; to be called while nothing stands. What the line did and when the heart last beat is
        still known, what was counted so far is not."""
        self.line.quiet_mv = settings.lead_off.quiet_mv
        self.lost = StreamLost(settings.stream_lost)
        line, silence = self.line, self.silence
        lead_off = Condition("lead-off", frozenset({"lead-off"}), settings.lead_off, line)
        asystole = Asystole(settings.asystole, line, silence, lead_off)
        self.policies: list[Policy] = [
            line,
            silence,
            OddBeats(settings.anomalous_beats),
            Pause(settings.pause, asystole, silence),
            asystole,
            lead_off,
            Condition("noise", NOT_ANALYSING, settings.noise, line, Losses()),
            self.lost,
        ]
        if settings.bradycardia.enabled:
            self.policies.append(bradycardia(settings.bradycardia, line, silence))
        if settings.tachycardia.enabled:
            self.policies.append(tachycardia(settings.tachycardia, line, silence))
        self.by_beat = [policy for policy in self.policies if not isinstance(policy, NoBeats)]
        self.by_second = [policy for policy in self.policies if not isinstance(policy, NoSeconds)]

    def save(self) -> dict[str, snapshot.Plain]:
        """As :class:`ecgmon.monitor.snapshot.Saveable`; what policies share is saved once, as its own."""
        return {"policies": [snapshot.save_attributes(p, but=self._shared(p)) for p in self.policies]}

    def restore(self, saved: Mapping[str, snapshot.Plain]) -> None:
        """As :class:`ecgmon.monitor.snapshot.Saveable`."""
        if len(saved["policies"]) != len(self.policies):
            raise DataError("the stored alerts are of other policies")
        for policy, each in zip(self.policies, saved["policies"], strict=True):
            snapshot.restore_attributes(policy, each, but=self._shared(policy))

    def _shared(self, policy: Policy) -> frozenset[str]:
        """Attributes of ``policy`` that are policies themselves, or made anew with each second."""
        shared = {n for n, value in vars(policy).items() if any(value is other for other in self.policies)}
        return frozenset(shared | {"known", "slow", "longest"})
