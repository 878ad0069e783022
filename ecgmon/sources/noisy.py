"""A recording with noise added on its way: for the noise stress test."""

from __future__ import annotations

from msgspec.structs import replace

from ecgmon.ecg.noise import Mixer
from ecgmon.ecg.types import Chunk
from ecgmon.sources.base import Source


class NoisySource:
    """Hands on what ``source``, of one stream, has to give, with the mixer's noise added to each chunk."""

    def __init__(self, source: Source, mixer: Mixer) -> None:
        self._source = source
        self._mixer = mixer

    def open(self) -> None:
        self._source.open()

    def get(self, timeout: float) -> Chunk | None:
        chunk = self._source.get(timeout)
        return None if chunk is None else replace(chunk, samples=self._mixer.feed(chunk.samples))

    @property
    def exhausted(self) -> bool:
        return self._source.exhausted

    def stop_intake(self) -> None:
        self._source.stop_intake()

    def close(self) -> None:
        self._source.close()
