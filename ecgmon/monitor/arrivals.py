"""Do the chunks of one stream follow each other? Pure bookkeeping of sequence numbers and times.

Networks repeat, lose and delay; devices restart and set their clocks. For each chunk :class:`Arrivals`
says one of:

* take it as the next piece (``Follow(0.0)``), or after a gap of so many seconds (``Follow(seconds)``);
* take it so, and count what happened (``Follow(seconds, event)``): ``sequence-reset`` (the sender began to
  count again: where the time goes on, nothing is missing), ``clock-step`` (its time went back, and goes on
  from there), ``long-gap`` (longer than ``max_gap_seconds``, of which stream time passes so much),
  ``sequence-ignored`` (see below);
* drop it: a ``repeat`` was there already, ``late`` is what was missing and comes when time has gone on
  behind its gap (lost on the way and sent again, or overtaken), an ``overlap`` is of a time that was there
  already, at least in part, and new.

``t`` is compared with the end of the chunk before, not with the start of the stream, so that a device
whose clock drifts is not taken for one that loses samples. ``seq`` decides where there is one: without
missing numbers, small differences in ``t`` (up to ``jitter_seconds``) are the sender's jitter; with
missing numbers every difference counts that is larger than a quarter of a chunk. Numbers may wrap at one, two
or four bytes.

Neither is believed for ever. Where numbers say three times on end that chunks are missing, or come again, and
the times follow each other, the numbers are of no use (:mod:`ecgmon.monitor.numbers`) and are ignored. Where
time went back and no number says why, the chunk is dropped; when :data:`CONFIRMED` of such follow each other
the last is taken: it is the clock that was set.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Annotated, Final, Literal

import numpy as np
from msgspec import Meta

from ecgmon.config import Settings
from ecgmon.ecg.types import Chunk
from ecgmon.monitor.numbers import Numbers, agree

RESET_DISTANCE: Final = 256
"""A number so far behind the last one is no repeat from a broker's queue: the sender began anew."""

CONFIRMED: Final = 3
"""See above: fewer are strays, or sent again."""

NEAR: Final = 8
"""Numbers that are no further apart stand in one line, whatever their times."""

REMEMBERED: Final = 64
"""Gaps in which a late chunk is known again."""

KNOWN_AGAIN: Final = 512
"""Chunks that are known again by time and content, where numbers do not tell."""

DropReason = Literal["repeat", "late", "overlap"]
Event = Literal["sequence-reset", "clock-step", "long-gap", "sequence-ignored"]


class ArrivalSettings(Settings, frozen=True):
    """What is taken for jitter, for a gap, and for overtaken."""

    jitter_seconds: Annotated[float, Meta(ge=0, le=60, description="t may be off by so much, s")] = 0.25
    max_gap_seconds: Annotated[float, Meta(gt=0, le=3600, description="no longer gap is filled, s")] = 60.0
    reorder_seconds: Annotated[float, Meta(ge=0, le=2, description="wait for overtaken chunks, s; 0: no")] = (
        0.0
    )


@dataclass(frozen=True, slots=True)
class Follow:
    """The chunk is the next one, ``gap`` seconds after the end of the last one; ``event`` happened there."""

    gap: float
    event: Event | None = None


@dataclass(frozen=True, slots=True)
class Drop:
    """The chunk is not used."""

    reason: DropReason


Verdict = Follow | Drop

_NEXT: Final = Follow(0.0)
_TIME: Final = struct.Struct("=d")


class Arrivals:
    """The order of one stream's chunks, from its first one on."""

    __slots__ = ("_aside", "_at", "_chunk_seconds", "_due", "_gaps", "_numbers", "_seen", "_settings")

    def __init__(self, first: Chunk, settings: ArrivalSettings) -> None:
        self._settings = settings
        self._numbers = Numbers(first.seq)
        self._due = _end(first)
        self._chunk_seconds = _seconds(first)
        self._gaps: list[tuple[float, float]] = []  # of numbers, or of times
        self._seen = np.zeros(KNOWN_AGAIN, dtype=np.uint32)  # a ring of digests
        self._at = 0
        # dropped though new, in a row: how many, length in s, time that the next should have, number
        self._aside: tuple[int, float, float, int | None] | None = None
        self._note(first)

    def configure(self, settings: ArrivalSettings) -> None:
        """Judge the next chunk by other settings."""
        self._settings = settings

    @property
    def due(self) -> float:
        """UTC time at which the next chunk should begin, s."""
        return self._due

    @property
    def chunk_seconds(self) -> float:
        """Length of the last chunk, s."""
        return self._chunk_seconds

    def missing(self, chunk: Chunk) -> int:
        """How many numbers are missing before ``chunk``; 0 also where that cannot be said, or its time
        follows."""
        late = chunk.t - self._due
        return 0 if self._in_line(late) else max(0, (self._ahead(chunk, late) or 0) - 1)

    def _in_line(self, late: float) -> bool:
        """Its time says that nothing is missing, whatever its number says (a counter may be shared)."""
        return abs(late) <= min(self._settings.jitter_seconds, self._chunk_seconds / 4)

    def check(self, chunk: Chunk) -> Verdict:
        """Judge ``chunk``, which arrived after all others; only one that follows changes what is expected."""
        late = chunk.t - self._due
        numbers = self._numbers
        if numbers.next_is(chunk.seq) and self._in_time(late):  # as nearly all are
            numbers.follow(chunk.seq, 1, reset=False, doubtful=False)
            numbers.seq = chunk.seq
            self._go_on(chunk)
            return _NEXT
        ahead = self._ahead(chunk, late)
        verdict = self._by_time(chunk, late) if ahead is None else self._by_number(chunk, late, ahead)
        return self._accept(chunk, late, ahead, verdict) if isinstance(verdict, Follow) else verdict

    def _in_time(self, late: float) -> bool:
        """Of a chunk with the next number: no gap before it, and no clock that was set."""
        settings = self._settings
        return -settings.max_gap_seconds <= late <= min(settings.jitter_seconds, settings.max_gap_seconds)

    def _ahead(self, chunk: Chunk, late: float) -> int | None:
        return self._numbers.ahead(chunk.seq, late, self._chunk_seconds, self._settings.jitter_seconds)

    def _by_number(self, chunk: Chunk, late: float, ahead: int) -> Verdict:
        lost, seconds = ahead - 1, self._chunk_seconds
        jitter, longest = self._settings.jitter_seconds, self._settings.max_gap_seconds
        if lost < 0:
            return self._behind(chunk, late, ahead)
        if lost == 0:
            return Follow(0.0, "clock-step") if late < -longest else self._gap(late)
        if self._in_line(late):
            return Follow(0.0)
        if late > 0:
            return self._gap(late, 0.0)
        if late < -max(jitter, seconds):
            return self._unsure(chunk, self._numbers.count + ahead, "overlap", "clock-step")
        return Follow(lost * seconds) if lost * seconds <= longest else Follow(0.0, "sequence-reset")

    def _behind(self, chunk: Chunk, late: float, ahead: int) -> Verdict:
        """The number is the last one or lies before it."""
        seconds, number = self._chunk_seconds, self._numbers.count + ahead
        if late > -seconds / 2:
            return Follow(self._gap(late).gap, "sequence-reset")
        numbers, slack = (1 - ahead) * seconds, self._settings.jitter_seconds + seconds
        as_before = numbers / 8 - slack <= -late <= 2 * numbers + slack + self._settings.max_gap_seconds
        if as_before and -ahead <= RESET_DISTANCE:
            return Drop(self._missed(number, 1))
        return self._unsure(chunk, number, "repeat", "sequence-reset")

    def _by_time(self, chunk: Chunk, late: float) -> Verdict:
        """No number says anything."""
        jitter = self._settings.jitter_seconds
        if late >= -jitter:
            return self._gap(late)
        if self._is_known(chunk):
            return Drop("repeat")
        if _end(chunk) > self._due + jitter:
            return Drop("overlap")
        missed = self._missed(chunk.t, _seconds(chunk)) == "late"
        return self._unsure(chunk, None, "late" if missed else "overlap", "clock-step")

    def _gap(self, seconds: float, jitter: float | None = None) -> Follow:
        """A gap, unless it is as short as jitter."""
        shortest = self._settings.jitter_seconds if jitter is None else jitter
        longest = self._settings.max_gap_seconds
        if seconds > longest:
            return Follow(longest, "long-gap")
        return Follow(seconds) if seconds > shortest else _NEXT

    def _unsure(self, chunk: Chunk, number: int | None, reason: DropReason, event: Event) -> Verdict:
        """Time went back: drop the chunk, unless enough others stood in one line before it."""
        if self._is_known(chunk):
            return Drop("repeat")
        count, seconds, due, last = self._aside or (0, 0.0, 0.0, None)
        in_line = number is not None and last is not None and 0 < number - last <= NEAR
        if not in_line and abs(chunk.t - due) > self._settings.jitter_seconds:
            count, seconds = 0, 0.0
        if count + 1 >= CONFIRMED:
            return Follow(min(seconds, self._settings.max_gap_seconds), event)
        self._aside = (count + 1, seconds + _seconds(chunk), _end(chunk), number)
        self._note(chunk)
        return Drop(reason)

    def _accept(self, chunk: Chunk, late: float, ahead: int | None, verdict: Follow) -> Follow:
        numbers = self._numbers
        if ahead is not None:
            verdict = self._count(chunk, late, ahead, verdict)
        elif (chunk.seq is None) != (numbers.seq is None):
            self._gaps.clear()  # by numbers, or by times
        by_time = ahead is None and (chunk.seq is None or numbers.ignored)
        if by_time and verdict.gap > 0 and verdict.event is None:
            self._keep_gaps((self._due, chunk.t))
        numbers.seq = chunk.seq
        self._go_on(chunk)
        return verdict

    def _go_on(self, chunk: Chunk) -> None:
        """The next is expected behind ``chunk``."""
        self._note(chunk)
        self._chunk_seconds = _seconds(chunk)
        self._due = chunk.t + self._chunk_seconds
        self._aside = None

    def _count(self, chunk: Chunk, late: float, ahead: int, verdict: Follow) -> Follow:
        """Go on in the numbers, as long as they are of any use."""
        numbers, jitter = self._numbers, self._settings.jitter_seconds
        reset = verdict.event == "sequence-reset"
        if ahead > 1 and not reset:
            self._keep_gaps((numbers.count + 1, numbers.count + ahead))
        agreed = ahead > 0 and agree(late, ahead - 1, self._chunk_seconds, jitter)
        doubtful = abs(late) <= jitter and ahead != 1 and not agreed
        numbers.follow(chunk.seq, ahead, reset=reset, doubtful=doubtful)
        if not numbers.ignored:
            return verdict
        self._gaps.clear()
        return Follow(0.0, "sequence-ignored")

    def _note(self, chunk: Chunk) -> None:
        self._seen[self._at % KNOWN_AGAIN] = _digest(chunk)
        self._at += 1

    def _is_known(self, chunk: Chunk) -> bool:
        return bool((self._seen == _digest(chunk)).any())

    def _missed(self, start: float, width: float) -> DropReason:
        """``late`` where most of a number, or of a time, was passed over; it is known from then on."""
        middle = start + width / 2
        gap = next((gap for gap in self._gaps if gap[0] <= middle < gap[1]), None)
        if gap is None:
            return "repeat"
        self._gaps.remove(gap)
        parts = ((gap[0], start), (start + width, gap[1]))
        self._keep_gaps(*(part for part in parts if part[1] - part[0] >= width / 2))
        return "late"

    def _keep_gaps(self, *gaps: tuple[float, float]) -> None:
        self._gaps += gaps
        del self._gaps[:-REMEMBERED]


def _seconds(chunk: Chunk) -> float:
    return float(chunk.samples.shape[-1] / chunk.fs)


def _end(chunk: Chunk) -> float:
    return chunk.t + _seconds(chunk)


def _digest(chunk: Chunk) -> int:
    """Of its samples and its time."""
    return zlib.crc32(np.ascontiguousarray(chunk.samples).data, zlib.crc32(_TIME.pack(chunk.t)))
