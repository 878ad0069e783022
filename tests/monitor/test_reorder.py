"""Overtaken chunks get their turn; what does not come is waited for a moment and no longer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ecgmon.config import convert
from ecgmon.ecg.types import Chunk, ModelRef
from ecgmon.monitor.arrivals import Arrivals, ArrivalSettings, Follow
from ecgmon.monitor.metrics import Metrics
from ecgmon.monitor.pipeline import Pipeline, PipelineSettings
from ecgmon.monitor.reorder import MOST, REACH, Arrived, Reorder
from ecgmon.sinks.memory import MemorySink
from tests.monitor.killable import SICK, CountingScorer, Daemon

Ward = Callable[..., list[Chunk]]


def chunk(seq: int, *, n: int = 25, end: bool = False) -> Chunk:
    return Chunk("bed-1", 250.0, ("II",), np.zeros((1, n), np.float32), 1e9 + seq * n / 250, seq, end)


class Queue:
    """A reorder whose chunks go to the bookkeeping of one stream."""

    def __init__(self, first: Chunk, seconds: float = 1.0) -> None:
        self.arrivals = Arrivals(first, ArrivalSettings())
        self.put_right: list[int | None] = []
        self.reorder = Reorder(seconds, self.arrivals.missing, lambda each: self.put_right.append(each.seq))
        self.used: list[int] = []

    def _take(self, given: Iterable[Arrived]) -> None:
        for each, _ in given:
            if isinstance(self.arrivals.check(each), Follow) and each.seq is not None:
                self.used.append(each.seq)

    def feed(self, each: Chunk, now: float = 0.0) -> None:
        self._take(self.reorder.feed(each, now))

    def due(self, now: float) -> None:
        self._take(self.reorder.due(now))

    def flush(self) -> None:
        self._take(self.reorder.flush())


@given(st.permutations(range(1, 10)))
def test_within_the_time_any_order_is_put_right(order: list[int]) -> None:
    queue = Queue(chunk(0))
    for seq in order:
        queue.feed(chunk(seq))
    assert queue.used == list(range(1, 10))
    assert queue.reorder.held == 0


@given(
    st.permutations(range(1, 40)), st.sets(st.integers(1, 39)), st.sampled_from([0.0, 0.3, 1.0]),
    st.sampled_from([0.0, 0.1]), st.sampled_from([5, 25, 250]),
)  # fmt: skip
def test_whatever_comes_nothing_waits_beyond_the_bounds_and_all_has_its_turn(
    order: list[int], lost: set[int], seconds: float, every: float, n: int
) -> None:
    queue, given_on = Queue(chunk(0, n=n), seconds), []
    now, waiting = 0.0, {}
    for seq in (seq for seq in order if seq not in lost):
        now += every
        waiting[seq] = now
        came = chunk(seq, n=n)
        for each, at in chain(queue.reorder.due(now), queue.reorder.feed(came, now)):
            queue.arrivals.check(each)
            assert waiting.pop(each.seq or 0) == at
            given_on.append(each.seq or 0)
        assert all(now - at <= seconds + 1e-9 for at in waiting.values())
        assert len(waiting) <= max(1, seconds * 250 / n)
        assert queue.reorder.held == len(waiting) <= MOST
        if waiting:
            assert queue.reorder.wait(10.0, now) <= seconds + 1e-9
    given_on += [each.seq or 0 for each, _ in queue.reorder.flush()]
    assert sorted(given_on) == sorted(set(order) - lost)
    assert queue.reorder.held == 0


def test_what_is_in_order_or_has_no_number_never_waits() -> None:
    queue = Queue(chunk(0))
    for seq in range(1, 50):
        queue.feed(chunk(seq))
        assert queue.reorder.held == 0
    assert queue.reorder.wait(10.0, 0.0) == 10.0
    reorder = Reorder(1.0, Arrivals(replace(chunk(0), seq=None), ArrivalSettings()).missing, print)
    assert len(list(reorder.feed(replace(chunk(5), seq=None), 0.0))) == 1


def test_what_is_lost_is_waited_for_so_long_and_no_longer() -> None:
    queue = Queue(chunk(0))
    queue.feed(chunk(2), 10.0)
    queue.feed(chunk(3), 10.1)
    queue.due(10.9)
    assert queue.used == []
    assert queue.reorder.wait(60.0, 10.9) == pytest.approx(0.1)
    queue.due(11.0)
    assert queue.used == [2, 3]
    assert queue.put_right == []
    assert queue.reorder.wait(60.0, 11.0) == 60.0


def test_behind_a_long_gap_nothing_waits() -> None:
    queue = Queue(chunk(0))
    queue.feed(chunk(REACH + 2))
    assert queue.used == [REACH + 2]


def test_an_end_waits_for_nothing_and_what_waits_goes_before_it() -> None:
    queue = Queue(chunk(0))
    queue.feed(chunk(3))
    queue.feed(chunk(2))
    queue.feed(chunk(5, end=True))
    assert queue.used == [2, 3, 5]


def test_swapped_by_pairs_a_stream_is_seen_whole(ward: Ward) -> None:
    played = [replace(c, end=False) for c in ward(seconds=60.0)]

    def beats(chunks: Sequence[Chunk], **keys: float) -> tuple[list[float], Metrics]:
        metrics = Metrics()
        found: list[float] = []
        metrics.beat = lambda stream, beat, score, latency: found.append(beat.r)  # type: ignore[method-assign] # noqa: ARG005
        settings = convert({"arrivals": keys}, PipelineSettings, where="test")
        pipeline = Pipeline(None, settings, [MemorySink()], [metrics], lambda: 0.0)
        for each in chunks:
            pipeline.feed(each)
        pipeline.flush()
        return found, metrics

    # the first tells where the stream begins
    swapped = [played[0], *(played[1 + (i ^ 1)] for i in range(58)), played[-1]]
    whole, _ = beats(played)
    again, metrics = beats(swapped, reorder_seconds=1.0)
    assert again == whole
    assert sum(metrics.drops.values()) == 0
    assert metrics.registry.get_sample_value("ecgmon_reordered_chunks_total") == 29
    _, metrics = beats(swapped)
    assert metrics.drops["late"] == 29


HOLDING = {"reorder_seconds": 1.0}


@pytest.mark.parametrize("stop", ["kill", "stop"])
def test_ended_while_chunks_wait_it_gives_the_same_to_the_bit(ward: Ward, tmp_path: Path, stop: str) -> None:
    """What waits is not acknowledged, and comes again."""
    pieces = ward(streams=2, seconds=120.0, rates=SICK, seed=3)
    pieces = [replace(c, end=False) for c in pieces if c.seq is not None and c.seq % 41 != 7]
    pairs = [*pieces[:2], *(each for i in range(2, len(pieces) - 4, 4) for each in
             (*pieces[i + 2 : i + 4], *pieces[i : i + 2]))]  # fmt: skip
    undisturbed, daemon = (Daemon(d, CountingScorer(), 5.0, arrivals=HOLDING) for d in (None, tmp_path))
    undisturbed.play(pairs)
    held = 0
    for at, each in enumerate(pairs):
        daemon.play([each])
        if at % 5 == 3:
            held += daemon.pipeline._order.held
            (daemon.kill if stop == "kill" else daemon.stop)()
    assert held > 10
    assert len(undisturbed.alerts) >= 4
    assert daemon.recorder.beats == undisturbed.recorder.beats
    assert daemon.alerts == undisturbed.alerts
    daemon.keep().close()


def small(count: int, lost: Callable[[int], bool], samples: int = 5) -> list[Chunk]:
    """``count`` chunks of 20 ms at 250 Hz, but those that are ``lost``."""
    zeros = np.zeros((1, samples), np.float32)
    chunks = [Chunk("bed", 250.0, ("II",), zeros + i, i * samples / 250.0, i) for i in range(count)]
    return [chunk for chunk in chunks if not lost(chunk.seq or 0)]


@pytest.mark.parametrize("every", [10, 40, 1000])
def test_one_lost_chunk_costs_no_other(every: int) -> None:
    """However many smaller ones come while it is waited for."""
    chunks = small(3000, lambda i: i % every == every - 1)
    now = 0.0
    metrics = Metrics(ModelRef(name="m", hash=""), 0.01, 0.01)
    settings = PipelineSettings(arrivals=ArrivalSettings(reorder_seconds=1.0))
    pipeline = Pipeline(None, settings, observers=[metrics], clock=lambda: now)
    for chunk in chunks:
        now = chunk.t
        pipeline.feed(chunk)
    now += 2.0
    pipeline.tick()
    assert sum(metrics.drops.values()) == 0


def test_a_chunk_that_waits_and_comes_again_ends_no_waiting() -> None:
    taken: list[int | None] = [4]
    order = Reorder(
        1.0, lambda chunk: max(0, (chunk.seq or 0) - max(n or 0 for n in taken) - 1), lambda _: None
    )
    (held,) = small(7, lambda i: i != 6, samples=200)
    assert list(order.feed(held, 0.0)) == []
    assert list(order.feed(held, 0.1)) == [], "twice 0.8 s are not more than a second of signal"
    for chunk, _ in order.due(1.0):
        taken.append(chunk.seq)
    assert taken == [4, 6, 6], "the second is a repeat for whoever takes it"


def test_all_streams_together_hold_up_few_messages() -> None:
    order = Reorder(30.0, lambda _: 1, lambda _: None)
    held = small(2, lambda i: i == 0)[0]
    given = [out for n in range(40) for out in order.feed(replace(held, stream=f"bed-{n}"), float(n))]
    assert order.held == MOST
    assert [chunk.stream for chunk, _ in given] == [f"bed-{n}" for n in range(40 - MOST)], "oldest first"


def test_a_chunk_that_waits_is_not_acknowledged(ward: Ward, tmp_path: Path) -> None:
    pieces = ward(seconds=20.0)
    daemon = Daemon(tmp_path, CountingScorer(), arrivals=HOLDING)
    daemon.play([*pieces[:5], pieces[6]])
    daemon.now += 0.5
    daemon.pipeline.tick()
    assert [key[1] for key in daemon.waiting] == [6]
    daemon.play([pieces[5]])
    daemon.now += 0.5
    daemon.pipeline.tick()
    assert not daemon.waiting
    daemon.play([pieces[8]])
    daemon.now += 1.1
    daemon.pipeline.tick()  # the wait is over,
    daemon.now += 0.1
    daemon.pipeline.tick()  # and it is on disk
    assert not daemon.waiting
    daemon.keep().close()
