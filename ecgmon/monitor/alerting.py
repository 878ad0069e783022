"""From beats and quality to alerts: pure, no clock, no I/O; one :class:`StreamAlerts` per stream.

What is watched for stands in :mod:`ecgmon.monitor.policies`. Here is what all kinds share: identity, UTC,
heart rate and the message. The id of an alert depends on stream, kind, onset and model alone, so that the
same signal gives the same ids however it arrived.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec
import numpy as np
from msgspec.structs import replace

from ecgmon.ecg.types import Alert, AlertKind, Beat, Evidence, ModelRef, Quality, Samples, Score
from ecgmon.monitor import snapshot
from ecgmon.monitor.policies import AlertSettings, Change, Watch


@dataclass(slots=True, eq=False)
class StreamAlerts:
    """All alerts of one stream, as messages."""

    stream: str
    settings: AlertSettings
    model: ModelRef
    threshold: float | None
    standing: dict[AlertKind, Alert] = field(default_factory=dict)
    """What was raised and is not cleared, without its evidence."""
    _evidence: dict[AlertKind, bytes] = field(default_factory=dict)
    """What that rests on, packed: as lists of floats it is several times as large."""
    watch: Watch = field(init=False)
    _next: AlertSettings = field(init=False)

    def __post_init__(self) -> None:
        self.watch = Watch(self.settings)
        self._next = self.settings

    def configure(self, settings: AlertSettings) -> None:
        """Other limits, from the next moment on in which nothing stands: what stands ends by its own."""
        self._next = settings
        self._renew()

    def _renew(self) -> None:
        if self._next != self.settings and not self.standing:
            self.settings = self._next
            self.watch.renew(self.settings)

    def beat(self, beat: Beat, score: Score | None, epoch: float) -> list[Alert]:
        """Take a beat with its score; ``epoch`` is the UTC time of stream time 0, s."""
        changes = self.watch.beat(beat, score)
        return [self._alert(change, epoch) for change in changes] if changes else []

    def second(self, quality: Quality, epoch: float) -> list[Alert]:
        """Take the verdict over a second."""
        if self._next is not self.settings:
            self._renew()
        watch = self.watch
        if watch.passes(quality):
            odd = watch.odd_beats
            return [self._alert(change, epoch) for change in odd.second(quality)] if odd.on else []
        alerts = [self._alert(change, epoch) for change in watch.second(quality)]
        watch.over(quality)
        return alerts

    def silent(self, t: float, seconds: float, epoch: float) -> list[Alert]:
        """Nothing came for ``seconds`` s behind stream time ``t``, and the stream did not end."""
        return [self._alert(c, epoch) for c in self.watch.lost.silent(t, seconds)]

    def back(self, t: float, epoch: float) -> list[Alert]:
        """Data comes again, from stream time ``t`` on."""
        return [self._alert(c, epoch) for c in self.watch.lost.back(t)]

    def end(self, t: float, epoch: float) -> list[Alert]:
        """The stream ends at stream time ``t``: everything that stands is cleared."""
        return [self._alert(c, epoch) for policy in self.watch.policies for c in policy.end(t)]

    def save(self) -> dict[str, snapshot.Plain]:
        """As :class:`ecgmon.monitor.snapshot.Saveable`."""
        return {
            "settings": msgspec.msgpack.encode(self.settings),
            "standing": {kind: msgspec.msgpack.encode(alert) for kind, alert in self.standing.items()},
            "evidence": dict(self._evidence),
            "watch": snapshot.save(self.watch),
        }

    def restore(self, saved: Mapping[str, snapshot.Plain]) -> None:
        """As :class:`ecgmon.monitor.snapshot.Saveable`. The limits are those that were saved, until nothing
        stands."""
        self.settings = msgspec.msgpack.decode(saved["settings"], type=AlertSettings)
        self.watch = Watch(self.settings)
        self.standing = {alert.kind: alert for alert in _standing(saved)}
        self._evidence = dict(saved["evidence"])
        snapshot.restore(self.watch, saved["watch"])
        self._renew()

    def _alert(self, change: Change, epoch: float) -> Alert:
        before = self.standing.pop(change.kind, None)
        self._evidence.pop(change.kind, None)
        onset = epoch + change.onset if before is None else before.onset
        score = change.oddest[1] if change.oddest else None
        alert = Alert(
            id=alert_id(self.stream, change.kind, onset, self.model.hash) if before is None else before.id,
            stream=self.stream,
            kind=change.kind,
            state=change.state,
            severity=change.severity,
            onset=onset,
            end=max(epoch + change.end, onset),
            time=epoch + change.time,
            beats=change.beats,
            score=None if score is None else score.score,
            p_value=None if score is None else score.p_value,
            threshold=None if score is None else self.threshold,
            heart_rate=self.watch.rate(change.time),
            evidence=_evidence(change, epoch),
            model=self.model,
        )
        if change.state == "raised":
            self.standing[change.kind] = replace(alert, evidence=None)
            if alert.evidence is not None:
                self._evidence[change.kind] = msgspec.msgpack.encode(alert.evidence)
        return alert


def standing(saved: Mapping[str, snapshot.Plain]) -> list[Alert]:
    """What stood when :meth:`StreamAlerts.save` gave ``saved``."""
    packed = {kind: msgspec.msgpack.decode(raw, type=Evidence) for kind, raw in saved["evidence"].items()}
    return [replace(alert, evidence=packed.get(alert.kind)) for alert in _standing(saved)]


def _standing(saved: Mapping[str, snapshot.Plain]) -> list[Alert]:
    return [msgspec.msgpack.decode(raw, type=Alert) for raw in saved["standing"].values()]


def alert_id(stream: str, kind: AlertKind, onset: float, model_hash: str) -> str:
    """20 hexadecimal digits from stream, kind, onset (UTC, to the millisecond) and model."""
    text = "\0".join((stream, kind, str(round(onset * 1000)), model_hash))
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _evidence(change: Change, epoch: float) -> Evidence | None:
    if change.oddest is None:
        return None
    beat, score = change.oddest
    error = beat.window.astype(np.float64) - score.reconstruction.astype(np.float64)
    return Evidence(
        window=_rounded(beat.window),
        reconstruction=_rounded(score.reconstruction),
        error=round(float(np.sqrt(np.mean(np.square(error)))), 5),
        r_peaks=[round(epoch + r, 4) for r in change.r_peaks],
        parts={name: round(value, 4) for name, value in score.parts.items()},
        findings=list(change.findings),
        summary=change.summary,
    )


def _rounded(window: Samples) -> list[float]:
    """To 0.1 µV: what a person can see, in a third of the bytes."""
    return [round(float(x), 4) for x in window]
