"""For how long has there been no beat? What ``asystole`` and ``pause`` rest on.

Silence counts only through seconds in which a beat would have been seen: good ones, and quiet ones (see
:mod:`ecgmon.monitor.policies.line`). It begins with the last beat. Where there was none since the line became
usable (a start, a long gap, noise, a lead put back on, a shift), it begins ``RECOVERY`` seconds behind that:
the detector learns, or finds its way back, and tells of no beat meanwhile. So none of these raises an alarm
of itself, and a heart that stopped while nobody could see is still told of.

Short losses, ``BRIDGE`` seconds at most, are bridged: a network that loses every fourth chunk must not hide a
heart that stopped. What was lost is taken off the silence, and a silence of which more than a third was lost
is not known: a slow heart's beats may all lie in it. Behind a loss the detector learns anew; for
``RECOVERY`` seconds a second counts only if nothing in it is as high as a beat, whatever the detector finds,
and one that does not count begins the silence anew.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from ecgmon.ecg.types import Beat, Quality, Score
from ecgmon.monitor.policies.line import LOST, RARE_SECONDS, Line

RECOVERY: Final = 6.0
"""Seconds behind the first usable one that count for nothing: the detector's 5 s of learning, and the windows
of the first beats."""

BRIDGE: Final = 3
"""Seconds on end, lost as a whole or in part, that are bridged: a chunk of 2 s, however it lies."""

KNOWN_SHARE: Final = 2
"""A silence is known where so many times as much of it was seen as was lost."""

SHORT: Final = RARE_SECONDS
"""No alarm is about a stretch shorter than this, or than the limit of ``pause``, s."""

REMEMBERED: Final = 256
"""Lost seconds that are kept in mind; a silence with more was told of long ago."""


class Silence(NamedTuple):
    """A stretch without a beat, stream time, s."""

    start: float
    end: float
    between: bool
    """It lies between two beats; else it goes on, and ``end`` is as much as is known."""
    lost: float = 0.0
    """How much of it was not seen, s."""
    good: bool = False
    """Both beats were good, and next to each other."""

    @property
    def seconds(self) -> float:
        """For how long no beat was seen."""
        return self.end - self.start - self.lost

    @property
    def slow(self) -> bool:
        """An interval of a heart so slow that the quality gate finds its beats not good, all of it seen."""
        return self.between and not self.good and not self.lost and self.seconds >= RARE_SECONDS


class SilenceWatch:
    """Follows one stream; stands behind ``line`` among its policies, before those that read ``known``."""

    __slots__ = (
        "_after_good", "_between", "_from", "_hidden", "_last", "_learned", "_line", "_lost",
        "_run", "known", "longest", "short", "slow", "steady",
    )  # fmt: skip

    def __init__(self, line: Line) -> None:
        self._line = line
        self.short = SHORT
        """Stretches shorter than that are nobody's concern, s."""
        self.steady = False
        """The last beat was a good one of the heart, close behind another such."""
        self._from: float | None = None  # begin of the usable seconds, short losses among them, up to now
        self._lost: list[int] = []  # those losses
        self._run = 0  # seconds of the last one
        self._learned = -math.inf  # until then the detector, begun anew behind a loss, may tell of no beat
        self._hidden = -math.inf  # until then there may have been one that it did not tell of
        self._last = -math.inf
        self._after_good = False
        self._between: list[tuple[float, float, bool]] = []  # neighbouring R-peaks, seconds not all known
        self.known: list[Silence] = []
        """What the last second told: stretches between two beats, and those that go on behind it."""
        self.slow: list[Silence] = []
        """Those of them that are intervals of a slow heart."""
        self.longest = 0.0
        """Seconds of the longest one; 0 of none."""

    def beat(self, beat: Beat, score: Score | None) -> tuple[()]:  # noqa: ARG002 - the protocol's
        heart = self._line.heart
        usable = heart and beat.good
        follows, self._after_good = usable and self._after_good, usable
        good = follows and math.isfinite(beat.rr)
        self.steady = good and beat.r - self._last < self.short
        if heart:
            self._between.append((self._last, beat.r, good))
            self._last = beat.r
        return ()

    @property
    def rests(self) -> bool:
        since, short = self._from, self.short
        if since is None or self._last < since or not self.steady or self._learned > -math.inf:
            return False
        return not any(b - a >= short for a, b, _ in self._between)

    def passes(self, second: int) -> bool:
        """In place of :meth:`second`, for a calm one at rest: beats still come, and what lies between them is
        too short for anyone. False: it is not so, and nothing was done."""
        until = second + 1.0
        if not until - self._last < self.short:
            return False
        between = self._between
        if between:
            self._between = [] if between[-1][1] < until else [pair for pair in between if pair[1] >= until]
        return True

    def second(self, quality: Quality) -> tuple[()]:
        k, signal = quality.second, self._line.signal
        self._run = self._run + 1 if signal in LOST else 0
        bridged = self._from is not None and 0 < self._run <= BRIDGE
        usable = signal == "good" or signal == "quiet"  # noqa: PLR1714 - the commonest first
        self.known, self.slow, self.longest = [], [], 0.0
        self._ended(quality, usable=usable or bridged)
        if bridged:
            self._lost.append(k)
            del self._lost[:-REMEMBERED]
            self._learned = k + 1 + RECOVERY
        elif usable:
            self._go_on(k)
        else:
            self._from = None
        return ()

    def end(self, t: float) -> tuple[()]:  # noqa: ARG002 - the protocol's
        return ()

    def _go_on(self, k: int) -> None:
        """One more usable second, ``k``: what goes on behind it."""
        if self._from is None:
            self._from = float(k)
            self._learned = self._hidden = -math.inf
            self._lost.clear()
        if k >= self._learned:
            self._learned = -math.inf
        elif not self._line.silent and not k <= self._last < k + 1:
            self._hidden = k + 1.0
        until, since = k + 1.0, self._from
        starts = [a for a, _, _ in self._between if since <= a < until] if self._between else []
        starts.append(self._last if self._last >= since else since + RECOVERY)
        for start in starts:
            self._tell(max(start, self._hidden), until, between=False)

    def _ended(self, quality: Quality, *, usable: bool) -> None:
        """Stretches whose second beat lies in this second or before it."""
        ended = [pair for pair in self._between if pair[1] < quality.second + 1.0]
        if not ended:
            return
        self._between = self._between[len(ended) :]
        since = math.inf if self._from is None else self._from
        closed = self._line.signal in {"noise", "closed"}
        for a, b, good in ended:
            # the gate closes for the whole second, often for what lies behind the beat or is its own doing
            if a >= since and (usable or (closed and self._line.quiet_before(quality, b))):
                self._tell(max(a, min(self._hidden, b)), b, between=True, good=good)

    def _tell(self, start: float, end: float, *, between: bool, good: bool = False) -> None:
        lost = sum(start < k + 1 and k < end for k in self._lost) if self._lost else 0
        if lost and KNOWN_SHARE * lost > end - start - lost:
            return
        silence = Silence(start, end, between, float(lost), good)
        self.known.append(silence)
        self.longest = max(self.longest, silence.seconds)
        if silence.slow:
            self.slow.append(silence)
