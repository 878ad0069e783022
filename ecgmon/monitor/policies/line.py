"""What a second of signal is to an alarm: the quality gate tells whether beats can be judged, this more.

The gate (:mod:`ecgmon.ecg.quality`) compares a signal with itself, and so it closes when the heart stops:
what is left is all noise, or flat beside the QRS complexes before. Sizes tell what such a line is: the range
in each fifth of a second (``Quality.extents``), how far the baseline moves (``Quality.wander``), and the
stream's usual QRS. By the first that holds, a second is

gap        no samples came.
missing    some were missing.
lead-off   the line lay within ``quiet_mv`` for 1.6 s on end: no more than a converter's own noise, which a
           patient's skin never is. A flat line is lead-off where it is so quiet, and only there.
quiet      the gate says flat or noisy, and nothing in the second is as high as a fifth of the usual QRS, but
           a beat that comes 2 s or more behind the one before, and its T wave. There is a patient on the
           lead, and no beat (this is what asystole looks like) or a rare one: the gate looks back 2 s, and
           below 24/min finds no QRS there to compare the line with.
noise      the gate says noisy or clipped, and a beat could hide in it.
closed     the gate says flat: the change from one to another.
good       the gate is open.

A good or quiet second is a ``shift`` where the baseline moved by about as much as a QRS: an electrode was
pulled or knocked. What follows, often an amplifier that finds back for seconds without a beat to be seen, is
not the heart's doing.

Where the line is not known (verdicts without extents), flat is lead-off.
"""

from __future__ import annotations

import math
from collections.abc import Set
from typing import Final, Literal

from ecgmon.ecg.latest import Latest
from ecgmon.ecg.types import Beat, Quality, Score

QUIET_SHARE: Final = 0.2
"""Of the usual QRS size. A second that stays below it holds no beat; nor is what the detector finds below it:
when beats fail to come it searches back and takes what there is, noise or the P waves of a standstill. Of
110 000 beats of MIT-BIH, four in good signal are smaller beside the usual one, none next to another."""

USUAL_BEATS: Final = 32
KNOWN_BEATS: Final = 8
"""The usual QRS size is the median of the last good beats; it is not known of fewer."""

FORGET_SECONDS: Final = 120.0
"""So long without one of its beats, and good beats of another size are taken for the new usual ones."""

REST_BLOCKS: Final = 8
"""Fifths of a second on end within ``quiet_mv`` that are lead-off: longer than the line between two beats of
a slow heart, short enough for an alert within 5 s behind the frontend's delay."""

ECHO_SECONDS: Final = 0.4
ECHO_SHARE: Final = 0.5
"""What comes so soon behind a beat and is so much smaller than usual is its T wave, found by search-back."""

SHIFT_SHARE: Final = 0.75
"""Of the usual QRS size: the baseline's move that is a shift. In MIT-BIH the lines that fell silent because
an electrode moved (116, 203 and 208) began with 1.1 to 1.6, breathing moves it by a tenth."""

RARE_SECONDS: Final = 2.0
"""A beat so long behind the one before is one of a slow heart: what the gate looks back on."""

RARE_SHARE: Final = 3.0
"""Nothing about such a beat is so many times as high as the usual QRS."""

BEFORE_R, BEHIND_R = 0.1, 0.5
"""Seconds about an R-peak that a beat takes up, its T wave included."""

Signal = Literal["gap", "missing", "lead-off", "quiet", "noise", "closed", "good", "shift"]

LOST: Final[Set[Signal]] = frozenset({"gap", "missing"})
"""Seconds of which a part did not come."""


class Line:
    """Tells seconds, and what the detector found in them, apart. Stands first among a stream's policies;
    those behind it read ``signal`` and ``heart``.

    ``quiet_mv``: a line that moves less is at rest, mV.
    """

    __slots__ = ("_last", "_rare", "_rest", "_sizes", "_usual", "heart", "quiet_mv", "signal", "silent")

    def __init__(self, quiet_mv: float) -> None:
        self.quiet_mv = quiet_mv
        self._sizes = Latest(USUAL_BEATS)
        self._usual = 0.0
        self._last = -math.inf
        self._rare: list[float] = []  # the last two beats of a slow heart
        self._rest = 0
        self.signal: Signal | None = None
        """What the last second was; None before the first."""
        self.silent = False
        """Nothing in the last second was as high as a fifth of the usual QRS, whatever the gate says."""
        self.heart = False
        """Whether the last beat was one of the heart, and not what a detector makes of a line without any."""

    def beat(self, beat: Beat, score: Score | None) -> tuple[()]:  # noqa: ARG002 - the protocol's
        r, size, usual = beat.r, beat.size, self._usual
        since = r - self._last
        if since > FORGET_SECONDS and beat.good:
            self._sizes.clear()
            usual = self._usual = 0.0
        ghost = size < QUIET_SHARE * usual  # never where the size is NaN, not known
        echo = since < ECHO_SECONDS and size < ECHO_SHARE * usual
        self.heart = not (ghost or echo)
        if self.heart:
            if since >= RARE_SECONDS:
                self._rare = [*self._rare[-1:], r]
            self._last = r
            if beat.good and not math.isnan(size):
                self._sizes.append(size)
                self._usual = self._sizes.median if self._sizes.size >= KNOWN_BEATS else 0.0
        return ()

    @property
    def rests(self) -> bool:
        return True

    def calm(self, quality: Quality) -> bool:
        """A good second with a QRS complex in it, as nearly all are: :meth:`second` finds it ``good``, not
        silent, and its end not at rest."""
        extents, usual = quality.extents, self._usual
        if not extents or quality.flat or quality.clipped or quality.noisy or quality.missing:
            return False
        if extents[-1] < self.quiet_mv or 0 < SHIFT_SHARE * usual < quality.wander:
            return False
        return not 0 < max(extents) < QUIET_SHARE * usual

    def second(self, quality: Quality) -> tuple[()]:
        self.silent = not quality.missing and self._is_silent(quality)
        self.signal = self._judge(quality)
        return ()

    def end(self, t: float) -> tuple[()]:  # noqa: ARG002 - the protocol's
        return ()

    def forget(self) -> None:
        """Another lead: what was usual says nothing of it."""
        self._sizes.clear()
        self._usual = 0.0
        self._rest = 0

    def quiet_before(self, quality: Quality, t: float) -> bool:
        """Whether no beat lies in this second before one at stream time ``t``, by its whole fifths."""
        whole = int((t - BEFORE_R - quality.second) * len(quality.extents))
        return all(extent < QUIET_SHARE * self._usual for extent in quality.extents[: max(0, whole)])

    def _is_silent(self, quality: Quality) -> bool:
        extents = quality.extents
        return bool(extents) and 0 < max(extents) < QUIET_SHARE * self._usual and not quality.clipped

    def _is_quiet(self, quality: Quality) -> bool:
        """Silent, or so beside the beats of a slow heart."""
        if self.silent or quality.clipped or not quality.extents:
            return self.silent
        length = 1.0 / len(quality.extents)
        beside = [
            extent
            for i, extent in enumerate(quality.extents)
            if not any(
                r - BEFORE_R < quality.second + (i + 1) * length
                and quality.second + i * length < r + BEHIND_R
                for r in self._rare
            )
        ]
        return len(beside) < len(quality.extents) and (
            max(quality.extents) < RARE_SHARE * self._usual
            and all(extent < QUIET_SHARE * self._usual for extent in beside)
        )

    def _resting(self, quality: Quality) -> int:
        """Fifths of a second on end, up to the last of this one, in which the line was at rest."""
        extents = quality.extents
        if quality.missing or not extents or not extents[-1] < self.quiet_mv:
            return 0
        rest = self._rest
        for extent in extents:
            rest = rest + 1 if extent < self.quiet_mv else 0
        return rest

    def _judge(self, quality: Quality) -> Signal:
        self._rest = self._resting(quality)
        if quality.missing:
            return "missing" if quality.extents else "gap"
        if self._rest >= REST_BLOCKS or (quality.flat and not quality.extents):
            return "lead-off"
        if not (quality.good or self._is_quiet(quality)):
            return "noise" if quality.noisy or quality.clipped else "closed"
        if 0 < SHIFT_SHARE * self._usual < quality.wander:
            return "shift"
        return "good" if quality.good else "quiet"
