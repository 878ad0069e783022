"""What is odd about one beat, by name: only what was measured, and against this patient's own usual beat.

Here and in :mod:`ecgmon.monitor.evidence` an odd beat is one that counts towards an alert (``alarming``).

====================== ==========================================================================
``wide-qrs``           QRS at least 100 ms in this lead, 32 ms longer than usual, and of a correlation under
                       0.95 with the usual one: a T wave that begins early widens nothing
``inverted-qrs``       the QRS correlates with the usual one at -0.6 or less
``abnormal-qrs``       the QRS correlates with the usual one at less than 0.8
``large-qrs``          the QRS is more than 1.5 times as large as usual
``small-qrs``          the QRS is less than 0.67 times as large as usual
``pause``              late as below, and an RR of 2 s or more
``early-beat``         RR under 0.85 of the usual, and shorter than all but one of the last 16 usual ones
``late-beat``          RR over 1.5 of the usual, and not behind an early beat
``compensatory-pause`` an early beat's RR and the next one make two usual ones, within 10 %
``no-p-wave``          a P-like wave of 5 % of the QRS size is usual, here is less than 0.3 of it
``abnormal-st-t``      ST-T departs from the usual by more than 10 % of the QRS size; only said where the
                       QRS is as usual, since a wide QRS brings an abnormal ST-T with it
====================== ==========================================================================

The usual RR is the median of the last 16 intervals between two beats that were not odd: no interval before or
after an extrasystole is among them, and the rhythm before a run stays the usual one. That early beats must be
shorter than nearly all of them keeps atrial fibrillation from being a row of early beats. 100 ms in one lead
stands for the 120 ms of twelve. The limits were chosen on DS1 so that no finding is said of more than 2 % of
its normal beats; ``tests/benchmarks/findings.py`` prints what is said of which class.
"""

from __future__ import annotations

import math
from typing import Final, Literal

import msgspec

from ecgmon.ecg.latest import Latest
from ecgmon.ecg.morphology import Morphology, compare
from ecgmon.ecg.types import Beat, Score

Code = Literal[
    "wide-qrs",
    "inverted-qrs",
    "abnormal-qrs",
    "large-qrs",
    "small-qrs",
    "pause",
    "early-beat",
    "late-beat",
    "compensatory-pause",
    "no-p-wave",
    "abnormal-st-t",
]
"""What a single beat may show."""

Shown = dict[Code, tuple[float, float]]
"""What a beat shows, by code: its figure and the usual one. Durations in ms, intervals in s, sizes in mV;
else a correlation or a share, with 1 or 0 for usual."""

WIDE_MS: Final = 100.0
WIDER_MS: Final = 32.0
SAME_QRS: Final = 0.95
UNLIKE: Final = 0.8
OPPOSITE: Final = -0.6
LARGE: Final = 1.5
SMALL: Final = 0.67
EARLY: Final = 0.85
LATE: Final = 1.5
PAUSE: Final = 2.0
COMPENSATES: Final = 0.1
CLEAR_P: Final = 0.05
ABSENT_P: Final = 0.3
ODD_ST_T: Final = 0.1
USUAL_QRS: Final = 0.9
"""A QRS complex of at least this correlation with the usual one, and not wide, is as usual."""

INTERVALS: Final = 16
LEAST_INTERVALS: Final = 8
"""Usual RR intervals that must be known before one is called early or late."""


_NOTHING: Final[Shown] = {}
"""What most beats show: one for all of them, for each stream keeps sixteen in mind. Never written to."""


class Noted(msgspec.Struct, eq=False, gc=False):
    """A beat that was scored, and what it shows; a compensatory pause is added when the next beat comes.

    rr   RR interval, s; NaN where it is not known or the beat before was not scored
    """

    r: float
    rr: float
    odd: bool
    shown: Shown = msgspec.field(default_factory=lambda: _NOTHING)

    def show(self, shown: Shown) -> None:
        """It shows this, too."""
        if shown:
            self.shown = self.shown | shown


class Rhythm:
    """The RR intervals of one stream, and what is odd about each."""

    __slots__ = ("_before", "_usual")

    def __init__(self) -> None:
        self._usual = Latest(INTERVALS)
        self._before: Noted | None = None

    def note(self, beat: Beat, score: Score | None) -> Noted | None:
        """Take the next beat; None for one that was not scored, which may be an artefact, and so may the
        interval behind it."""
        before, self._before = self._before, None
        if score is None:
            return None
        rr, odd = beat.rr, score.alarming
        if before is None or not rr > 0:  # also where it is NaN
            noted = Noted(beat.r, math.nan, odd)
        else:
            noted = Noted(beat.r, rr, odd)
            if self._usual.size >= LEAST_INTERVALS:
                self._judge(noted, before)
            if not (before.odd or odd):
                self._usual.append(rr)
        self._before = noted
        return noted

    def go_on_from(self, before: Noted | None) -> None:
        """The last beat, as :meth:`note` gave it: one object with the caller's, which changes once more."""
        self._before = before

    def _judge(self, noted: Noted, before: Noted) -> None:
        rr, usual = noted.rr, self._usual.median
        if "early-beat" in before.shown:
            if rr > usual and abs(before.rr + rr - 2.0 * usual) <= COMPENSATES * 2.0 * usual:
                before.show({"compensatory-pause": (rr, usual)})
        elif rr > LATE * usual:
            noted.show({"pause" if rr >= PAUSE else "late-beat": (rr, usual)})
        if rr < EARLY * usual and rr < self._usual.smallest(1):
            noted.show({"early-beat": (rr, usual)})


def shape_of(beat: Beat, score: Score) -> Shown:
    """What is odd about the shape of a beat. Empty where there is no reference beat or too much noise."""
    if score.reference is None:
        return {}
    found = compare(beat.window, score.reference, beat.rr)
    return {} if found is None else _named(found)


def _named(m: Morphology) -> Shown:
    shown: Shown = {}
    wide = m.qrs_ms >= WIDE_MS and m.qrs_ms - m.usual_qrs_ms >= WIDER_MS and m.correlation < SAME_QRS
    if wide:
        shown["wide-qrs"] = (m.qrs_ms, m.usual_qrs_ms)
    if m.correlation < UNLIKE:
        if m.opposition <= OPPOSITE:
            shown["inverted-qrs"] = (m.opposition, 1.0)
        else:
            shown["abnormal-qrs"] = (m.correlation, 1.0)
    if m.size > LARGE * m.usual_size:
        shown["large-qrs"] = (m.size, m.usual_size)
    elif m.size < SMALL * m.usual_size:
        shown["small-qrs"] = (m.size, m.usual_size)
    if m.usual_p >= CLEAR_P and m.p < ABSENT_P:  # false where p could not be measured
        shown["no-p-wave"] = (m.p, 1.0)
    if m.correlation >= USUAL_QRS and not wide and m.st_t > ODD_ST_T:
        shown["abnormal-st-t"] = (m.st_t, 0.0)
    return shown
