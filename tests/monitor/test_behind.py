"""A monitor that fell behind works off what waits in batches as large as ever, and so catches up."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from ecgmon.ecg.types import Chunk
from ecgmon.monitor.observers import Observer
from ecgmon.monitor.pipeline import Pipeline, PipelineSettings, Scorer
from ecgmon.sinks.memory import MemorySink


class Batches(Observer):
    def __init__(self) -> None:
        self.sizes: list[int] = []

    def batch(self, beats: int, seconds: float) -> None:  # noqa: ARG002 - Observer
        self.sizes.append(beats)


def sizes(chunks: list[Chunk], scorer: Scorer, behind: float) -> list[int]:
    """Of batches, when each chunk is worked off ``behind`` s after it came, 16 of them a second."""
    batches, now = Batches(), [0.0]
    pipeline = Pipeline(scorer, PipelineSettings(), [MemorySink()], [batches], lambda: now[0])
    for i, chunk in enumerate(chunks):
        now[0] = i / 16 + behind
        pipeline.feed(replace(chunk, received=i / 16))
    return batches.sizes


def test_batches_are_as_large_behind_as_in_time(
    ward: Callable[..., list[Chunk]], new_scorer: Callable[[], Scorer]
) -> None:
    chunks = ward(seconds=60.0, seed=3)
    assert max(sizes(chunks, new_scorer(), 0.0)) > 2
    assert sizes(chunks, new_scorer(), 32.0) == sizes(chunks, new_scorer(), 0.0)
