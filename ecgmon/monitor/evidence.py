"""The findings of an alert, in a clinician's words: what its odd beats show, counted and put on one line.

Beside the findings of single beats (:mod:`ecgmon.monitor.findings`) there are those of their order: ``run``
(three or more odd beats in a row, with their rate), and ``bigeminy`` and ``trigeminy`` (three or more odd
beats, each the second or third). Those two names are for extrasystoles, and only used where most of the beats
concerned are early or wide; else it is ``every-second-beat`` and ``every-third-beat``. A beat that was not
scored ends them all. What is kept does not grow with the length of an alert.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg.morphology import ready
from ecgmon.ecg.types import Beat, Finding, Score
from ecgmon.monitor import snapshot
from ecgmon.monitor.findings import Code, Noted, Rhythm, Shown, shape_of
from ecgmon.monitor.middle import median
from ecgmon.monitor.words import ORDER, pattern, run, summary, worded

KEPT: Final = 32
"""Beats whose figures the medians are taken from: the last that show a finding."""

LEAST_ROW: Final = 3
"""Odd beats that make a run, bigeminy or trigeminy."""

ECTOPIC: Final[frozenset[Code]] = frozenset({"early-beat", "wide-qrs"})
"""What an extrasystole shows, one or the other."""


class Row:
    """The longest row of odd beats with ``between`` calm beats between each two."""

    __slots__ = ("_between", "_ectopic", "_now", "_rr", "ectopic", "longest", "rate")

    def __init__(self, between: int) -> None:
        self._between = between
        self._now = 0
        self._ectopic = 0
        self._rr: list[float] = []
        self.longest = 0
        self.rate = math.nan
        """Beats a minute in the longest row, from the median RR."""
        self.ectopic = False
        """Whether most beats of the longest row are early or wide."""

    def odd(self, calm: int | None, rr: float, ectopic: bool) -> None:
        """An odd beat, early or wide if ``ectopic``, and ``calm`` beats behind the odd beat before; None:
        that cannot be said."""
        if calm == self._between:
            self._now += 1
            self._rr.append(rr)
            del self._rr[:-KEPT]
        else:
            self._now, self._ectopic = 1, 0
            self._rr.clear()
        self._ectopic += ectopic
        if self._now >= self.longest:
            self.longest = self._now
            self.ectopic = 2 * self._ectopic > self._now
            self.rate = 60.0 / median(self._rr) if self._rr else math.nan


class Tally:
    """The beats of one alert, from its first odd one on."""

    __slots__ = ("_calm", "_seen", "counts", "figures", "odd", "of", "rows")

    def __init__(self) -> None:
        self.odd = 0
        self.of = 0
        """All scored beats from the first odd one to the last."""
        self.counts: Counter[Code] = Counter()
        self.figures: dict[Code, NDArray[np.float64]] = {}
        """[KEPT, 2] each, a ring that is whole from the start: a fifth of what a full row of pairs takes."""
        self.rows = (Row(0), Row(1), Row(2))
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
        for each in self.rows:
            each.odd(self._calm, noted.rr, bool(ECTOPIC & noted.shown.keys()))
        self._calm = 0
        self.show(noted.shown)

    def show(self, shown: Shown) -> None:
        """Findings of an odd beat that was added."""
        for code, figures in shown.items():
            ring = self.figures.setdefault(code, np.zeros((KEPT, 2)))
            ring[self.counts[code] % KEPT] = figures
            self.counts[code] += 1

    def findings(self) -> list[Finding]:
        """What was found, in a fixed order."""
        together, second, third = self.rows
        rows = [run(together.longest, together.rate)] if together.longest >= LEAST_ROW else []
        for row, name, plain in (
            (second, "bigeminy", "every-second-beat"),
            (third, "trigeminy", "every-third-beat"),
        ):
            if row.longest >= LEAST_ROW:
                rows.append(pattern(name if row.ectopic else plain, row.longest))
        return [*rows, *(self._finding(code) for code in ORDER if self.counts[code])]

    def _finding(self, code: Code) -> Finding:
        value, usual = np.median(self.figures[code][: self.counts[code]], axis=0).tolist()
        return worded(code, self.counts[code], value, usual)


class EpisodeFindings:
    """The findings of one stream's alerts: fed with every beat, asked when an alert changes.

    ``look_back`` is how many scored beats the rule that raises alerts looks back over.
    """

    __slots__ = ("_kept", "_recent", "_rhythm", "_tally")

    def __init__(self, look_back: int) -> None:
        ready()
        self._rhythm = Rhythm()
        self._kept = 2 * look_back
        self._recent: list[Noted | None] = []  # None: some were not scored
        self._tally: Tally | None = None  # of the alert that stands

    def beat(self, beat: Beat, score: Score | None) -> None:
        """The next beat of the stream."""
        recent, tally = self._recent, self._tally
        before = recent[-1] if recent else None
        known = before.shown if before is not None and before.odd else None
        noted = self._rhythm.note(beat, score)
        if noted is None or score is None:
            if before is not None:
                self._remember(None)
            if tally is not None:
                tally.broken()
            return
        if score.alarming:
            noted.show(shape_of(beat, score))
        self._remember(noted)
        if tally is not None:
            if before is not None and known is not None:
                tally.show({code: before.shown[code] for code in before.shown if code not in known})
            tally.add(noted)

    def _remember(self, noted: Noted | None) -> None:
        recent = self._recent
        recent.append(noted)
        if len(recent) > self._kept:
            del recent[0]

    def raised(self, onset: float) -> None:
        """An alert is raised: from now on its beats count, those from ``onset`` (s, stream time) on."""
        tally = self._tally = Tally()
        begun = False
        for noted in self._recent:
            if noted is None:
                tally.broken()
            elif begun or noted.r >= onset:
                begun = True
                tally.add(noted)

    def told(self) -> tuple[list[Finding], str]:
        """The findings so far of the alert that stands, and all on one line."""
        tally = self._tally or Tally()
        findings = tally.findings()
        return findings, summary(tally.odd, tally.of, findings)

    def cleared(self) -> None:
        """None stands any more: nothing is counted until the next."""
        self._tally = None

    def save(self) -> dict[str, snapshot.Plain]:
        """As :class:`ecgmon.monitor.snapshot.Saveable`."""
        return snapshot.save_attributes(self)

    def restore(self, saved: Mapping[str, snapshot.Plain]) -> None:
        """As :class:`ecgmon.monitor.snapshot.Saveable`."""
        self._tally = None if saved.get("_tally") is None else Tally()
        snapshot.restore_attributes(self, saved)
        self._rhythm.go_on_from(self._recent[-1] if self._recent else None)
