"""The findings of an alert, in a clinician's words: what its odd beats show, counted and put on one line.

Beside the findings of single beats (:mod:`ecgmon.monitor.findings`) there are three of their order:
``run`` (three or more odd beats in a row, with their rate), ``bigeminy`` and ``trigeminy`` (three or more odd
beats, each the second or third). A beat that was not scored ends all three. What is kept does not grow with
the length of an alert.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from typing import Final

import numpy as np

from ecgmon.ecg.morphology import ready
from ecgmon.ecg.types import Beat, Finding, Score
from ecgmon.monitor.findings import Noted, Rhythm, Shown, shape_of
from ecgmon.monitor.words import ORDER, row, summary, worded

KEPT: Final = 32
"""Beats whose figures the medians are taken from: the last that show a finding."""

LEAST_ROW: Final = 3
"""Odd beats that make a run, bigeminy or trigeminy."""


class Row:
    """The longest row of odd beats with ``between`` calm beats between each two."""

    def __init__(self, between: int) -> None:
        self._between = between
        self._now = 0
        self._rr: deque[float] = deque(maxlen=KEPT)
        self.longest = 0
        self.rate = math.nan
        """Beats a minute in the longest row, from the median RR."""

    def odd(self, calm: int | None, rr: float) -> None:
        """An odd beat, ``calm`` beats behind the odd beat before; None: that cannot be said."""
        if calm == self._between:
            self._now += 1
            self._rr.append(rr)
        else:
            self._now = 1
            self._rr.clear()
        if self._now >= self.longest:
            self.longest = self._now
            self.rate = 60.0 / float(np.median(self._rr)) if self._rr else math.nan


class Tally:
    """The beats of one alert, from its first odd one on."""

    def __init__(self) -> None:
        self.odd = 0
        self.of = 0
        """All scored beats from the first odd one to the last."""
        self.counts: Counter[str] = Counter()
        self.figures: dict[str, deque[tuple[float, float]]] = {}
        self.rows = {"run": Row(0), "bigeminy": Row(1), "trigeminy": Row(2)}
        self._seen = 0
        self._calm: int | None = None

    def broken(self) -> None:
        """Beats are missing here."""
        self._calm = None

    def add(self, noted: Noted) -> None:
        """The next beat."""
        self._seen += 1
        if math.isnan(noted.rr):
            self._calm = None
        if not noted.odd:
            self._calm = None if self._calm is None else self._calm + 1
            return
        self.odd += 1
        self.of = self._seen
        for each in self.rows.values():
            each.odd(self._calm, noted.rr)
        self._calm = 0
        self.show(noted.shown)

    def show(self, shown: Shown) -> None:
        """Findings of an odd beat that was added."""
        for code, figures in shown.items():
            self.counts[code] += 1
            self.figures.setdefault(code, deque(maxlen=KEPT)).append(figures)

    def findings(self) -> list[Finding]:
        """What was found, in a fixed order."""
        rows = [row(code, r.longest, r.rate) for code, r in self.rows.items() if r.longest >= LEAST_ROW]
        return [*rows, *(self._finding(code) for code in ORDER if self.counts[code])]

    def _finding(self, code: str) -> Finding:
        value, usual = np.median(np.array(self.figures[code]), axis=0).tolist()
        return worded(code, self.counts[code], value, usual)


class EpisodeFindings:
    """The findings of one stream's alerts: fed with every beat, asked when an alert changes.

    ``look_back`` is how many scored beats the rule that raises alerts looks back over.
    """

    def __init__(self, look_back: int) -> None:
        ready()
        self._rhythm = Rhythm()
        self._recent: deque[Noted | None] = deque(maxlen=2 * look_back)  # None: some were not scored
        self._tally = Tally()

    def beat(self, beat: Beat, score: Score | None) -> None:
        """The next beat of the stream."""
        before = self._recent[-1] if self._recent else None
        known = set() if before is None else set(before.shown)
        noted = self._rhythm.note(beat, score)
        if before is not None and before.odd:
            self._tally.show({code: before.shown[code] for code in before.shown if code not in known})
        if noted is not None and score is not None and score.odd:
            noted.shown.update(shape_of(beat, score))
        if noted is None:
            self._tally.broken()
        else:
            self._tally.add(noted)
        if noted is not None or before is not None:
            self._recent.append(noted)

    def raised(self, onset: float) -> None:
        """An alert is raised: from now on its beats count, those from ``onset`` (s, stream time) on."""
        self._tally = Tally()
        begun = False
        for noted in self._recent:
            if noted is None:
                self._tally.broken()
            elif begun or noted.r >= onset:
                begun = True
                self._tally.add(noted)

    def told(self) -> tuple[list[Finding], str]:
        """The findings so far, and all on one line."""
        findings = self._tally.findings()
        return findings, summary(self._tally.odd, self._tally.of, findings)
