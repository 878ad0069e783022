"""Silence of a stream and silence of ours are told apart."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from ecgmon.ecg.types import Chunk
from ecgmon.monitor.listening import GRACE, LOOK_EVERY, Listening
from ecgmon.monitor.pipeline import Pipeline, PipelineSettings
from ecgmon.sinks.memory import MemorySink
from ecgmon.sources.base import chunks
from ecgmon.sources.simulator import SimulatorSettings, SimulatorSource


class Ward:
    """One patient in seconds, a clock, and a broker that may be away."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.connected = True
        self.sink = MemorySink()
        self.pipeline = Pipeline(
            None,
            PipelineSettings(idle_seconds=30.0),
            [self.sink],
            clock=lambda: self.now,
            connected=lambda: self.connected,
        )
        source = SimulatorSource(
            SimulatorSettings(streams=1, seconds=200, speed=0, chunk_seconds=1.0, start_time=0.0)
        )
        self._chunks: Iterator[Chunk] = chunks(source)

    def hear(self, seconds: int, *, received: float | None = None) -> None:
        for _ in range(seconds):
            self.now += 1.0 if received is None else 0.01
            self.pipeline.feed(replace(next(self._chunks), received=received))

    def wait(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1.0
            self.pipeline.tick()

    @property
    def lost(self) -> list[str]:
        return [alert.state for alert in self.sink.alerts if alert.kind == "stream-lost"]


@pytest.fixture
def ward() -> Ward:
    return Ward()


def test_a_silent_stream_is_lost_and_ends_while_we_listen(ward: Ward) -> None:
    ward.hear(5)
    ward.wait(12)
    assert ward.lost == ["raised"]
    ward.wait(20)
    assert (ward.lost, ward.pipeline.streams) == (["raised", "cleared"], 0)


def test_a_broker_that_is_away_loses_streams_but_ends_none(ward: Ward) -> None:
    ward.hear(5)
    ward.connected = False
    ward.wait(300)
    assert (ward.lost, ward.pipeline.streams) == (["raised"], 1)
    ward.connected = True
    ward.wait(25)
    assert ward.pipeline.streams == 1, "it gets the whole time again to come back"
    ward.hear(5)
    assert ward.lost == ["raised", "cleared"]
    ward.connected = False
    ward.wait(5)
    ward.connected = True
    ward.wait(35)
    assert ward.pipeline.streams == 0, "it ends when it stays away though the broker is there"


def test_a_loop_that_stood_still_does_not_call_streams_lost_before_their_chunks_came_in(ward: Ward) -> None:
    ward.hear(5)
    ward.now += 60.0
    ward.pipeline.stood_still()
    ward.pipeline.tick()
    ward.wait(math.floor(GRACE) - 1)
    assert ward.lost == []
    ward.hear(5)
    ward.wait(2)
    assert ward.lost == []
    ward.wait(12)
    assert ward.lost == ["raised"], "and later as ever"


def test_chunks_that_waited_in_our_queue_are_no_silence(ward: Ward) -> None:
    ward.hear(1)
    came = ward.now
    ward.now += 60.0  # of work on other streams, and chunks came all the time
    for second in range(1, 61):
        ward.hear(1, received=came + second)
    assert ward.lost == []


def test_a_lost_stream_is_noticed_though_others_keep_the_queue_full() -> None:
    listening = Listening()
    assert listening.look(100.0, behind=20.0) == (80.0, -math.inf, False)
    assert listening.look(100.0 + LOOK_EVERY / 2, behind=20.0) is None
