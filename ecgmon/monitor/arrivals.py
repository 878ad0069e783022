"""Do the chunks of one stream follow each other? Pure bookkeeping of sequence numbers, times and format.

Networks repeat, lose and delay; devices restart and set their clocks. For each chunk :class:`Arrivals`
says one of:

* take it as the next piece (``Follow(0.0)``);
* take it after a gap of so many seconds (``Follow(seconds)``);
* drop it: a ``repeat`` was there already, ``late`` is what was missing and comes when time has gone on
  behind its gap (lost on the way and sent again, or overtaken), an ``overlap`` has no number and begins
  in what was there and ends behind it;
* begin the stream anew, with a reason: ``format-changed`` (rate or leads), ``sequence-reset`` (the sender
  began to count again), ``long-gap`` and ``clock-step`` (more than ``max_gap_seconds`` forward or back).

``t`` is compared with the end of the chunk before, not with the start of the stream, so that a device
whose clock drifts is not taken for one that loses samples. ``seq`` decides where there is one: without
missing numbers, small differences in ``t`` (up to ``jitter_seconds``) are the sender's jitter; with
missing numbers every difference counts.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from msgspec import Meta

from ecgmon.config import Settings
from ecgmon.ecg.types import Chunk

RESET_DISTANCE: Final = 256
"""A number so far behind the last one is no repeat from a broker's queue: the sender began anew."""

REMEMBERED: Final = 64
"""Gaps in which a late chunk is known again."""

DropReason = Literal["repeat", "late", "overlap"]
RestartReason = Literal["format-changed", "sequence-reset", "long-gap", "clock-step"]


class ArrivalSettings(Settings, frozen=True):
    """What is taken for jitter, for a gap, and for a new start."""

    jitter_seconds: Annotated[float, Meta(ge=0, le=60, description="t may be off by so much, s")] = 0.25
    max_gap_seconds: Annotated[float, Meta(gt=0, le=3600, description="longer: a new start, s")] = 60.0


@dataclass(frozen=True, slots=True)
class Follow:
    """The chunk is the next one, ``gap`` seconds after the end of the last one."""

    gap: float


@dataclass(frozen=True, slots=True)
class Drop:
    """The chunk is not used."""

    reason: DropReason


@dataclass(frozen=True, slots=True)
class Restart:
    """The chunk is the first of a new stream with the same name."""

    reason: RestartReason


Verdict = Follow | Drop | Restart


class Arrivals:
    """The order of one stream's chunks, from its first one on."""

    def __init__(self, first: Chunk, settings: ArrivalSettings) -> None:
        self._settings = settings
        self._format = (first.fs, first.leads)
        self._seq = first.seq
        self._due = _end(first)
        self._chunk_seconds = _seconds(first)
        self._gaps: deque[tuple[float, float]] = deque(maxlen=REMEMBERED)  # of numbers, or of times

    def configure(self, settings: ArrivalSettings) -> None:
        """Judge the next chunk by other settings."""
        self._settings = settings

    @property
    def due(self) -> float:
        """UTC time at which the next chunk should begin, s."""
        return self._due

    def check(self, chunk: Chunk) -> Verdict:
        """Judge ``chunk``, which arrived after all others; only one that follows changes what is expected."""
        verdict = self._judge(chunk)
        if isinstance(verdict, Follow):
            self._remember(chunk, verdict.gap)
            self._seq = chunk.seq
            self._due = _end(chunk)
            self._chunk_seconds = _seconds(chunk)
        return verdict

    def _judge(self, chunk: Chunk) -> Verdict:
        if (chunk.fs, chunk.leads) != self._format:
            return Restart("format-changed")
        late = chunk.t - self._due
        if chunk.seq is None or self._seq is None:
            return self._by_time(late) if late >= -self._settings.jitter_seconds else self._back(chunk)
        lost = chunk.seq - self._seq - 1
        if lost < 0:
            began_anew = late > -self._chunk_seconds / 2 or -lost > RESET_DISTANCE
            return Restart("sequence-reset") if began_anew else Drop(self._missed(chunk.seq, 1))
        if lost > 0:
            return self._gap(late if late > 0 else lost * self._chunk_seconds)
        return self._by_time(late)

    def _by_time(self, late: float) -> Verdict:
        """No number is missing: only a large difference in time means something."""
        if late < -self._settings.max_gap_seconds:
            return Restart("clock-step")
        return self._gap(late if late > self._settings.jitter_seconds else 0.0)

    def _back(self, chunk: Chunk) -> Verdict:
        """Time went back and no number says why."""
        if chunk.t - self._due < -self._settings.max_gap_seconds:
            return Restart("clock-step")
        if _end(chunk) > self._due + self._settings.jitter_seconds:
            return Drop("overlap")
        return Drop(self._missed(chunk.t, _seconds(chunk)))

    def _remember(self, chunk: Chunk, gap: float) -> None:
        """The gap before ``chunk``: by numbers where there are any, else by time."""
        if (chunk.seq is None) != (self._seq is None):
            self._gaps.clear()
        if chunk.seq is None or self._seq is None:
            if gap > 0:
                self._gaps.append((self._due, chunk.t))
        elif chunk.seq > self._seq + 1:
            self._gaps.append((self._seq + 1, chunk.seq))

    def _missed(self, start: float, width: float) -> DropReason:
        """``late`` where most of a number, or of a time, was passed over; it is known from then on."""
        middle = start + width / 2
        gap = next((gap for gap in self._gaps if gap[0] <= middle < gap[1]), None)
        if gap is None:
            return "repeat"
        self._gaps.remove(gap)
        parts = ((gap[0], start), (start + width, gap[1]))
        self._gaps.extend(part for part in parts if part[1] - part[0] >= width / 2)
        return "late"

    def _gap(self, seconds: float) -> Verdict:
        return Restart("long-gap") if seconds > self._settings.max_gap_seconds else Follow(seconds)


def _seconds(chunk: Chunk) -> float:
    return float(chunk.samples.shape[-1] / chunk.fs)


def _end(chunk: Chunk) -> float:
    return chunk.t + _seconds(chunk)
