"""What every source offers, and what playing recordings has in common: order, pace and numbering.

A source is pulled by one compute thread: ``open``, then ``get`` until ``exhausted``, then ``close``. Each
stream ends with a chunk that has ``end=True``.
"""

from __future__ import annotations

import heapq
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, Protocol

import numpy as np
from msgspec import Meta
from msgspec.structs import replace

from ecgmon.config import Settings
from ecgmon.ecg.types import Chunk, Samples
from ecgmon.errors import DataError, PayloadError, UsageError
from ecgmon.transport.topics import check_stream_name

LATEST: Final = 4_102_444_800.0
"""The year 2100 in s since 1970: a later start is a mistake, or milliseconds."""


class Source(Protocol):
    """Hands on the chunks of one or many streams."""

    def open(self) -> None:
        """Acquire what is needed; raises an ``EcgmonError`` when the input cannot be used."""

    def get(self, timeout: float) -> Chunk | None:
        """The next chunk, or None when there is none within ``timeout`` seconds."""

    @property
    def exhausted(self) -> bool:
        """True when a finite source has handed on everything; False before it was opened."""

    def stop_intake(self) -> None:
        """Take nothing more in; what was taken in can still be had. Nothing to do for a recording."""

    def close(self) -> None:
        """Release everything; may be called twice."""


def chunks(source: Source, *, poll: float = 1.0) -> Iterator[Chunk]:
    """Open ``source``, hand on everything it has, close it: for work that is not live."""
    source.open()
    try:
        while not source.exhausted:
            chunk = source.get(poll)
            if chunk is not None:
                yield chunk
    finally:
        source.close()


class Clock(Protocol):
    """The three things that pacing asks of time, so that a test need not wait."""

    def monotonic(self) -> float:
        """Seconds from any origin, never running backwards."""

    def wall(self) -> float:
        """UTC seconds since 1970."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """The computer's own clock."""

    def monotonic(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class PlaybackSettings(Settings, frozen=True, kw_only=True):
    """Options that all recordings share."""

    speed: Annotated[
        float, Meta(ge=0, le=10_000, description="0: as fast as possible; 1: real time; x: x times real time")
    ] = 0.0
    start_time: Annotated[
        datetime | float | None,
        Meta(
            description="UTC time of the first sample, as ISO 8601 with zone or as seconds since 1970; "
            "default: the recording's own date, else the moment of opening when paced, else 0"
        ),
    ] = None
    chunk_seconds: Annotated[float, Meta(gt=0, le=3600, description="length of a chunk, s")] = 1.0


def start_of(settings: PlaybackSettings, recorded: float | None, clock: Clock) -> float:
    """UTC time of a stream's first sample, s: as set, else as recorded, else now when paced, else 0."""
    if isinstance(settings.start_time, datetime):
        if settings.start_time.tzinfo is None:
            raise UsageError(
                f"start_time: {settings.start_time} has no time zone; write 2024-01-31T12:00:00Z"
            )
        return _plausible(settings.start_time.timestamp())
    if settings.start_time is not None:
        return _plausible(settings.start_time)
    if recorded is not None:
        return recorded
    return clock.wall() if settings.speed > 0 else 0.0


def _plausible(seconds: float) -> float:
    if not 0.0 <= seconds <= LATEST:  # nan is neither
        raise UsageError(f"start_time: {seconds:g} is no time between 1970 and 2100 in seconds since 1970")
    return seconds


def check_names(paths: Iterable[str | Path], names: Iterable[str]) -> None:
    """Whether each of ``names`` may name a stream; :class:`DataError` with the file of one that may not."""
    for path, name in zip(paths, names, strict=True):
        try:
            check_stream_name(name)
        except PayloadError as error:
            raise DataError(f"{path}: {error}; rename the file") from None


class Pacer:
    """Says when a moment of stream time has come, at ``speed`` times real time."""

    def __init__(self, speed: float, clock: Clock) -> None:
        self._speed = speed
        self._clock = clock
        self._began = 0.0

    def start(self) -> None:
        """Stream time 0 is now."""
        self._began = self._clock.monotonic()

    def wait(self, due: float, timeout: float) -> bool:
        """Wait for stream time ``due`` (s), at most ``timeout`` s; True when it has come.

        Due times are counted from the start, so a late reader catches up and nothing drifts.
        """
        if self._speed == 0:
            return True
        ahead = self._began + due / self._speed - self._clock.monotonic()
        if ahead <= 0:
            return True
        self._clock.sleep(min(ahead, max(timeout, 0.0)))
        return ahead <= timeout


class Playback(ABC):
    """A source made of one iterator of chunks per stream, merged in time order and paced.

    Streams start together, whatever dates they bear. A chunk is due when its last sample would have been
    taken, as from a device; with equal times the order of the streams decides.
    """

    def __init__(self, speed: float, clock: Clock | None = None) -> None:
        self._clock: Clock = clock or SystemClock()
        self._pacer = Pacer(speed, self._clock)
        self._heads: list[tuple[float, int, float, Chunk]] | None = None
        self._streams: list[Iterator[Chunk]] = []

    @abstractmethod
    def _open_streams(self) -> Iterable[Iterator[Chunk]]:
        """One iterator of chunks per stream; the last chunk of each has ``end=True``."""

    def open(self) -> None:
        self._streams = list(self._open_streams())
        self._heads = []
        for index in range(len(self._streams)):
            self._advance(index, None)
        self._pacer.start()

    def get(self, timeout: float) -> Chunk | None:
        if not self._heads:
            return None
        due, index, start, chunk = self._heads[0]
        if not self._pacer.wait(due, timeout):
            return None
        heapq.heappop(self._heads)
        self._advance(index, start)
        return chunk

    @property
    def exhausted(self) -> bool:
        return self._heads is not None and not self._heads

    def stop_intake(self) -> None:  # noqa: B027 - nothing to do, and nothing to be done by heirs
        """Nothing is taken in ahead of being asked for."""

    def close(self) -> None:
        self._streams = []
        self._heads = []

    def _advance(self, index: int, start: float | None) -> None:
        chunk = next(self._streams[index], None)
        if chunk is None or self._heads is None:
            return
        start = chunk.t if start is None else start
        due = chunk.t - start + chunk.samples.shape[1] / chunk.fs
        heapq.heappush(self._heads, (due, index, start, chunk))


def cut(
    blocks: Iterable[Samples], *, stream: str, fs: float, leads: tuple[str, ...], start: float, seconds: float
) -> Iterator[Chunk]:
    """Cut blocks of any length into numbered chunks of ``seconds``, the last shorter and marked as the end.

    ``blocks`` are [leads, n]. ``t`` is ``start + k / fs`` for a chunk whose first sample is the stream's
    k-th, so it does not depend on how the blocks were cut. A stream without samples is one empty chunk.
    """
    size = max(1, round(seconds * fs))
    rest = np.empty((len(leads), 0), np.float32)
    held: Chunk | None = None
    seq = 0

    def chunk_of(samples: Samples) -> Chunk:
        return Chunk(stream, fs, leads, samples, start + seq * size / fs, seq)

    for block in blocks:
        rest = np.concatenate([rest, block], axis=1) if rest.shape[1] else block
        whole = rest.shape[1] - rest.shape[1] % size
        for at in range(0, whole, size):
            if held is not None:
                yield held
            held = chunk_of(np.ascontiguousarray(rest[:, at : at + size]))
            seq += 1
        rest = rest[:, whole:]
    if rest.shape[1] or held is None:
        if held is not None:
            yield held
        held = chunk_of(np.ascontiguousarray(rest))
    yield replace(held, end=True)


def unique_names(names: Iterable[str | None]) -> tuple[str, ...]:
    """Names without doubles: unnamed leads become ``lead0``, ``lead1`` by position, repeats get ``-2``."""
    taken: set[str] = set()
    result = []
    for index, given in enumerate(names):
        name = (given or "").strip() or f"lead{index}"
        candidate, count = name, 1
        while candidate in taken:
            count += 1
            candidate = f"{name}-{count}"
        taken.add(candidate)
        result.append(candidate)
    return tuple(result)
