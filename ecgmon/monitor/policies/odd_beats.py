"""``anomalous-beats``: several odd beats among few, by the rule that false alerts were calibrated with.

``critical`` where there was a run (:mod:`ecgmon.ecg.episodes`), else ``warning``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec.structs import replace

from ecgmon.ecg.episodes import EpisodeRule, EpisodeSettings, Event
from ecgmon.ecg.types import Beat, Quality, Score
from ecgmon.monitor.evidence import EpisodeFindings
from ecgmon.monitor.policies.base import Change

EVIDENCE_BEATS: Final = 32
"""R-peaks that an alert carries at most."""


class OddBeats:
    """``anomalous-beats``: the episode rule of :mod:`ecgmon.ecg.episodes` over the scored beats."""

    __slots__ = ("_findings", "_look_back", "_odd", "_oddest", "_peaks", "_recent", "_rule")

    def __init__(self, settings: EpisodeSettings) -> None:
        self._rule = EpisodeRule(settings)
        look_back = max(settings.of_beats, settings.run_beats)
        self._findings = EpisodeFindings(look_back)
        self._look_back = look_back
        self._odd = 0  # beats so far
        # Of the odd beats that an onset can lie back those that may be the oddest behind it, with their
        # numbers: none that an odder one follows. Of the others the R-peak alone is kept: a beat with its
        # score is 3 KB.
        self._recent: list[tuple[int, Beat, Score]] = []
        self._peaks: list[float] = []
        self._oddest: tuple[Beat, Score] | None = None

    @property
    def rests(self) -> bool:
        """Always, but that time clears an alert: while ``on``, seconds are told all the same."""
        return True

    @property
    def on(self) -> bool:
        """The alert stands."""
        return self._rule.active

    def beat(self, beat: Beat, score: Score | None) -> Sequence[Change]:
        rule = self._rule
        changes = self._changes(rule.tick(beat.r)) if rule.active else []
        if score is None:
            rule.unknown()
            self._findings.beat(beat, score)
            return changes
        alarming = score.alarming
        events = rule.feed(beat.r, alarming)
        if not (events or alarming):
            self._findings.beat(beat, score)
            return changes
        # Decided at the R-peak, known when the beat was ready. What ends does not contain this beat, which
        # may begin something worse.
        decided = [event._replace(time=beat.ready) for event in events]
        changes += self._changes(event for event in decided if event.state == "cleared")
        self._findings.beat(beat, score)
        if alarming:
            kept = self._keep(beat, score)
            self._peaks.append(beat.r)
            del self._peaks[: -max(EVIDENCE_BEATS, self._look_back)]
            if rule.active:
                self._note(beat, kept)
        return changes + self._changes(event for event in decided if event.state == "raised")

    def second(self, quality: Quality) -> Sequence[Change]:
        return self._changes(self._rule.tick(quality.second + 1.0)) if self._rule.active else ()

    def end(self, t: float) -> Sequence[Change]:
        if not self._rule.active:
            return []
        event = self._rule.tick(math.inf)[0]
        return self._changes([event._replace(time=min(event.time, t))])

    def _keep(self, beat: Beat, score: Score) -> Score:
        """Keep an odd beat in mind; its score without what no alert shows."""
        score = replace(score, reference=None)
        recent = self._recent
        while recent and _oddness(score) > _oddness(recent[-1][2]):
            recent.pop()
        recent.append((self._odd, beat, score))
        self._odd += 1
        if recent[0][0] < self._odd - self._look_back:
            del recent[0]
        return score

    def _note(self, beat: Beat, score: Score) -> None:
        if self._oddest is None or _oddness(score) > _oddness(self._oddest[1]):
            self._oddest = (beat, score)

    def _changes(self, events: Iterable[Event]) -> list[Change]:
        return [self._change(event) for event in events] if events else []

    def _change(self, event: Event) -> Change:
        if event.state == "raised":
            self._findings.raised(event.onset)
            self._oddest = None
            for _, beat, score in self._recent:
                if beat.r >= event.onset:
                    self._note(beat, score)
        findings, summary = self._findings.told()
        if event.state == "cleared":
            self._findings.cleared()
        peaks = [r for r in self._peaks if event.onset <= r <= event.end]
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


def _oddness(score: Score) -> tuple[float, float]:
    """What beats are ranked by."""
    return -score.p_value, score.score
