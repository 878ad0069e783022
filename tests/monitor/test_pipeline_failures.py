"""A scorer or a sink that fails harms no other stream, loses no acknowledgement, and is seen from outside."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from ecgmon.ecg.types import Alert, Beat, Chunk, Score
from ecgmon.model.baseline import Baseline
from ecgmon.monitor.batcher import BatchSettings
from ecgmon.monitor.listening import Look
from ecgmon.monitor.metrics import Metrics
from ecgmon.monitor.offline import Recorder
from ecgmon.monitor.pipeline import FAILURES, Pipeline, PipelineSettings, Scorer
from ecgmon.monitor.state import StreamState
from ecgmon.sinks.memory import MemorySink

Ward = Callable[..., list[Chunk]]
NewScorer = Callable[[], Scorer]


class Clock:
    """Time that passes when the test says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def break_at(scorer: Scorer, batches: range) -> list[int]:
    """Make ``scorer`` fail at these batches; returns a list that grows by the beats of each failed one."""
    real, calls = scorer.score, iter(range(1_000_000))
    failed: list[int] = []

    def score(items: Sequence[tuple[Beat, Baseline]]) -> list[Score]:
        if next(calls) in batches:
            failed.append(len(items))
            raise ZeroDivisionError("out of memory")
        return real(items)

    scorer.score = score  # type: ignore[method-assign]
    return failed


def test_a_batch_that_cannot_be_scored_is_handed_on_without_scores(ward: Ward, new_scorer: NewScorer) -> None:
    scorer, recorder, metrics, sink = new_scorer(), Recorder(), Metrics(), MemorySink()
    failed = break_at(scorer, range(1, 3))
    keys = PipelineSettings(batch=BatchSettings(size=20))
    pipeline = Pipeline(scorer, keys, [sink], [recorder, metrics], Clock())
    acks: list[int] = []
    given = ward(streams=2)
    for number, chunk in enumerate(given):
        pipeline.feed(replace(chunk, ack=functools.partial(acks.append, number)))
    pipeline.flush()
    assert sorted(acks) == list(range(len(given)))
    scores = [score for result in recorder.results.values() for score in result.scores]
    scored_all = Recorder()
    whole = Pipeline(new_scorer(), keys, [], [scored_all], Clock())
    for chunk in given:
        whole.feed(chunk)
    whole.flush()
    expected = [score for result in scored_all.results.values() for score in result.scores]
    assert len(scores) == len(expected)
    assert scores.count(None) == expected.count(None) + sum(failed)
    assert metrics.drops["scoring-failed"] == sum(failed)
    assert len(failed) == 2
    assert sink.states["sim-001"]["state"] == "ended"
    assert not pipeline.failing


def test_failures_in_a_row_are_told_and_forgotten_when_it_works_again(
    ward: Ward, new_scorer: NewScorer
) -> None:
    scorer = new_scorer()
    break_at(scorer, range(FAILURES + 20))
    pipeline = Pipeline(scorer, PipelineSettings(batch=BatchSettings(size=1)), [], [], Clock())
    seen = []
    for chunk in ward():
        pipeline.feed(chunk)
        seen.append(pipeline.failing)
    assert True in seen
    assert not seen[0]
    assert not seen[-1]


def test_a_sink_that_raises_loses_no_acknowledgement(ward: Ward, new_scorer: NewScorer) -> None:
    class Broken(MemorySink):
        def state(self, stream: str, state: dict[str, Any]) -> None:
            raise OSError(stream, state)

        def alert(self, alert: Alert) -> None:
            raise OSError(alert)

    metrics = Metrics()
    pipeline = Pipeline(new_scorer(), PipelineSettings(), [Broken()], [metrics], Clock())
    acks: list[int] = []
    given = ward(streams=2)
    for number, chunk in enumerate(given):
        pipeline.feed(replace(chunk, ack=functools.partial(acks.append, number)))
    pipeline.flush()
    assert len(acks) == len(given)
    assert metrics.drops["delivery-failed"] > 0


@pytest.mark.parametrize("broken_first", [True, False])
def test_a_sink_that_raises_keeps_nothing_from_the_others(
    ward: Ward, new_scorer: NewScorer, broken_first: bool
) -> None:
    class Broken(MemorySink):
        def state(self, stream: str, state: dict[str, Any]) -> None:
            raise OSError(stream, state)

    alone, beside = MemorySink(), MemorySink()
    for sinks in ([alone], [Broken(), beside] if broken_first else [beside, Broken()]):
        pipeline = Pipeline(new_scorer(), PipelineSettings(), sinks, [], Clock())
        for chunk in ward(streams=2):
            pipeline.feed(chunk)
        pipeline.flush()
    assert beside.states == alone.states
    assert len(alone.states) == 2


def test_failures_long_ago_do_not_count_as_failing(ward: Ward, new_scorer: NewScorer) -> None:
    scorer, clock = new_scorer(), Clock()
    break_at(scorer, range(1_000_000))
    pipeline = Pipeline(scorer, PipelineSettings(batch=BatchSettings(size=1)), [], [], clock)
    for chunk in ward():
        pipeline.feed(chunk)
    assert pipeline.failing
    clock.now = 61.0
    assert not pipeline.failing


def test_a_stream_that_cannot_end_in_order_ends_all_the_same(
    ward: Ward, new_scorer: NewScorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, sink, metrics = Clock(), MemorySink(), Metrics()
    pipeline = Pipeline(new_scorer(), PipelineSettings(), [sink], [metrics], clock)
    pipeline.feed(ward()[0])

    def end(self: StreamState, *, final: bool) -> list[Any]:
        raise ZeroDivisionError(self, final)

    monkeypatch.setattr(StreamState, "end", end)
    for clock.now in (301.0, 302.0):
        pipeline.tick()
    assert pipeline.streams == 0
    assert metrics.drops["internal-error"] == 1
    assert sink.states["sim-001"]["state"] == "ended"


def test_what_fails_raises_when_strict(ward: Ward, new_scorer: NewScorer) -> None:
    scorer = new_scorer()
    break_at(scorer, range(1000))
    pipeline = Pipeline(scorer, PipelineSettings(), [], [], Clock(), strict=True)
    for chunk in ward(seconds=20.0):
        pipeline.feed(replace(chunk, end=False))
    with pytest.raises(ZeroDivisionError):
        pipeline.flush()


def test_silent_streams_are_looked_for_once_a_second(ward: Ward) -> None:
    clock = Clock()
    pipeline = Pipeline(None, PipelineSettings(), clock=clock)
    pipeline.feed(ward()[0])
    looks: list[Look] = []
    pipeline._streams.look = looks.append  # type: ignore[method-assign, assignment]
    for tenth in range(1, 31):
        clock.now = tenth / 10
        pipeline.tick()
    assert [look.time for look in looks] == [1.0, 2.0, 3.0]
