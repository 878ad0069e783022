"""Chunks from memory: the twin of every other source, for tests and for programs with samples at hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import ArrayLike

from ecgmon.ecg.types import Chunk
from ecgmon.sources.base import cut


class MemorySource:
    """Plays given chunks in the given order, as fast as they are asked for."""

    def __init__(self, chunks: Iterable[Chunk]) -> None:
        self._given = chunks
        self._left: Iterator[Chunk] | None = None
        self._next: Chunk | None = None

    def open(self) -> None:
        self._left = iter(self._given)
        self._next = next(self._left, None)

    def get(self, timeout: float) -> Chunk | None:  # noqa: ARG002 - part of the interface; memory never waits
        if self._left is None:
            return None
        chunk, self._next = self._next, next(self._left, None)
        return chunk

    @property
    def exhausted(self) -> bool:
        return self._left is not None and self._next is None

    def stop_intake(self) -> None:
        """Nothing is taken in ahead of being asked for."""

    def close(self) -> None:
        self._left = iter(())
        self._next = None


def chunks_of(
    samples: ArrayLike,
    fs: float,
    *,
    stream: str = "memory",
    leads: tuple[str, ...] | None = None,
    start: float = 0.0,
    seconds: float = 1.0,
) -> list[Chunk]:
    """Chunks of an array in mV, [n] or [leads, n]; ``start`` is the UTC time of the first sample."""
    array = np.atleast_2d(np.asarray(samples, np.float32))
    names = leads if leads is not None else tuple(f"lead{index}" for index in range(len(array)))
    return list(cut([array], stream=stream, fs=fs, leads=names, start=start, seconds=seconds))
