"""The synchronous core on simulated wards: same results however it is cut, and bad input harms nobody."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ecgmon.ecg.episodes import EpisodeSettings
from ecgmon.ecg.types import Alert, Beat, Chunk, Score
from ecgmon.errors import DataError
from ecgmon.monitor.batcher import BatchSettings
from ecgmon.monitor.metrics import Metrics
from ecgmon.monitor.observers import Observer
from ecgmon.monitor.offline import Recorder, StreamResult
from ecgmon.monitor.pipeline import Pipeline, PipelineSettings, Scorer
from ecgmon.monitor.policies import AlertSettings
from ecgmon.sinks.memory import MemorySink

Ward = Callable[..., list[Chunk]]
NewScorer = Callable[[], Scorer]

SICK = {"pvc": 900.0, "run": 240.0, "lead-off": 0.0}


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def play(
    chunks: Sequence[Chunk],
    scorer: Scorer | None,
    *,
    flush: bool = True,
    **keys: object,
) -> tuple[dict[str, StreamResult], MemorySink, Metrics]:
    recorder, sink, metrics = Recorder(), MemorySink(), Metrics()
    pipeline = Pipeline(scorer, PipelineSettings(**keys), [sink], [recorder, metrics], Clock())  # type: ignore[arg-type]
    for chunk in chunks:
        pipeline.feed(chunk)
    if flush:
        pipeline.flush()
    return recorder.results, sink, metrics


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(name, labels) or 0.0


def essence(result: StreamResult) -> list[tuple[float, float | None]]:
    return [(b.r, None if s is None else s.score) for b, s in zip(result.beats, result.scores, strict=True)]


def lives(alerts: Sequence[Alert]) -> list[tuple[str, str, str, float, int]]:
    return [(a.stream, a.id, a.state, a.time, a.beats) for a in alerts]


def recut(chunks: Sequence[Chunk], sizes: Sequence[int]) -> list[Chunk]:
    """The same samples of one stream in pieces of these sizes, over and over."""
    first = chunks[0]
    samples = np.concatenate([chunk.samples for chunk in chunks], axis=1)
    pieces: list[Chunk] = []
    at = 0
    while at < samples.shape[1]:
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(
            replace(
                first,
                samples=samples[:, at : at + size],
                t=first.t + at / first.fs,
                seq=len(pieces),
                end=False,
            )
        )
        at += size
    pieces[-1] = replace(pieces[-1], end=True)
    return pieces


@pytest.fixture(scope="module")
def sick(ward: Ward) -> list[Chunk]:
    return ward(seconds=90.0, seed=3, rates=SICK)


def test_odd_beats_of_a_sick_patient_raise_alerts_with_the_streams_time(
    sick: list[Chunk], new_scorer: NewScorer
) -> None:
    results, sink, _ = play(sick, new_scorer())
    (result,) = results.values()
    assert result.seconds == pytest.approx(90.0, abs=0.1)
    assert sum(s is not None and s.odd for s in result.scores) > 10
    raised = [a for a in sink.alerts if a.state == "raised"]
    assert raised
    for alert in raised:
        assert 1.7e9 < alert.onset <= alert.end <= alert.time < 1.7e9 + 90
        onset = alert.onset - 1.7e9
        odd = [b.r for b, s in zip(result.beats, result.scores, strict=True) if s is not None and s.odd]
        assert min(abs(r - onset) for r in odd) < 1e-6


def test_each_alert_is_raised_once_and_cleared_once(sick: list[Chunk], new_scorer: NewScorer) -> None:
    _, sink, _ = play(sick, new_scorer())
    for state in ("raised", "cleared"):
        ids = [a.id for a in sink.alerts if a.state == state]
        assert len(ids) == len(set(ids))
    assert {a.id for a in sink.alerts if a.state == "raised"} == {
        a.id for a in sink.alerts if a.state == "cleared"
    }


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.integers(1, 3000), min_size=1, max_size=5).filter(lambda sizes: sum(sizes) > 50),
    st.integers(1, 64),
)
def test_beats_scores_and_alerts_do_not_depend_on_chunks_or_batches(
    sick: list[Chunk], new_scorer: NewScorer, sizes: list[int], batch: int
) -> None:
    whole, whole_sink, _ = play(sick, new_scorer())
    cut, cut_sink, _ = play(recut(sick, sizes), new_scorer(), batch=BatchSettings(size=batch))
    assert [essence(r) for r in cut.values()] == [essence(r) for r in whole.values()]
    assert lives(cut_sink.alerts) == lives(whole_sink.alerts)


def test_streams_do_not_mix(ward: Ward, new_scorer: NewScorer) -> None:
    together = ward(streams=3, seed=5, rates=SICK)
    results, _, _ = play(together, new_scorer(), batch=BatchSettings(size=7))
    assert len(results) == 3
    for stream, result in results.items():
        alone, _, _ = play([c for c in together if c.stream == stream], new_scorer())
        assert essence(result) == essence(alone[stream])


def test_beats_of_several_streams_share_a_batch(ward: Ward, new_scorer: NewScorer) -> None:
    _, _, metrics = play(ward(streams=8, seed=1), new_scorer(), batch=BatchSettings(size=16))
    count, beats = value(metrics, "ecgmon_batch_beats_count"), value(metrics, "ecgmon_batch_beats_sum")
    assert beats / count > 8
    assert beats == value(metrics, "ecgmon_beats_scored_total")


def test_without_a_scorer_beats_are_found_and_none_is_scored(sick: list[Chunk]) -> None:
    results, sink, metrics = play(sick, None)
    (result,) = results.values()
    assert len(result.beats) > 80
    assert set(result.scores) == {None}
    assert [a.kind for a in sink.alerts if a.kind == "anomalous-beats"] == []
    assert value(metrics, "ecgmon_beats_total") == len(result.beats)


def test_a_repeated_chunk_changes_nothing_and_is_counted(sick: list[Chunk], new_scorer: NewScorer) -> None:
    plain, _, _ = play(sick, new_scorer())
    doubled = [c for chunk in sick[:-1] for c in (chunk, chunk)]
    twice, _, metrics = play([*doubled, sick[-1]], new_scorer())
    assert [essence(r) for r in twice.values()] == [essence(r) for r in plain.values()]
    assert metrics.drops["repeat"] == len(sick) - 1


def test_a_lost_chunk_is_a_gap_and_no_beat_lies_in_it(sick: list[Chunk], new_scorer: NewScorer) -> None:
    lost = [chunk for chunk in sick if chunk.seq not in range(30, 35)]
    results, _, metrics = play(lost, new_scorer())
    (result,) = results.values()
    assert value(metrics, "ecgmon_gaps_total") == 1
    assert value(metrics, "ecgmon_gap_seconds_total") == pytest.approx(5.0)
    assert not [b for b in result.beats if 30.0 < b.r < 35.0]
    assert result.seconds == pytest.approx(90.0, abs=0.1)
    assert all(np.isnan(b.rr) or b.rr < 5.0 for b in result.beats)


def test_another_rate_in_mid_stream_is_another_signal_path_in_the_same_stream(
    ward: Ward, new_scorer: NewScorer
) -> None:
    before = [replace(c, end=False) for c in ward(seconds=30.0)]
    after = ward(seconds=30.0, fs=500.0, start_time=1.7e9 + 30)
    results, _, metrics = play(before + after, new_scorer())
    assert value(metrics, "ecgmon_stream_restarts_total", reason="format-changed") == 1
    (result,) = results.values()
    assert result.seconds == pytest.approx(60.0, abs=0.1)
    assert [each.second for each in result.quality] == list(range(60))
    assert min(b.r for b in result.beats) < 10
    assert max(b.r for b in result.beats) > 50
    assert all(np.isnan(b.rr) or b.rr < 1.6 for b in result.beats)


def test_more_streams_than_allowed_are_refused_and_counted(ward: Ward, new_scorer: NewScorer) -> None:
    chunks = [replace(c, end=False) for c in ward(streams=3, seconds=30.0)]
    results, _, metrics = play(chunks, new_scorer(), max_streams=2)
    assert list(results) == ["sim-001", "sim-002"]
    assert metrics.drops["too-many-streams"] == 30


def test_a_stream_that_cannot_be_used_is_counted_and_harms_no_other(
    ward: Ward, new_scorer: NewScorer
) -> None:
    good = ward(seconds=30.0)
    bad = [replace(c, stream="bad", leads=("V5",), samples=c.samples[:1]) for c in good]
    mixed = [c for pair in zip(bad, good, strict=True) for c in pair]
    results, _, metrics = play(mixed, new_scorer(), lead="II")
    assert metrics.drops["unusable"] == len(bad)
    alone, _, _ = play(good, new_scorer(), lead="II")
    assert essence(results["sim-001"]) == essence(alone["sim-001"])


def test_what_cannot_be_used_raises_when_strict(ward: Ward) -> None:
    pipeline = Pipeline(None, PipelineSettings(lead="V5"), strict=True)
    with pytest.raises(DataError, match="no lead 'V5'"):
        pipeline.feed(ward(seconds=2.0)[0])


def test_a_chunk_is_acknowledged_once_and_after_its_beats_were_handed_on(
    ward: Ward, new_scorer: NewScorer
) -> None:
    seen: list[str | int] = []

    class Order(Observer):
        def beat(self, stream: str, beat: Beat, score: Score | None, latency: float) -> None:  # noqa: ARG002
            seen.append(f"beat {beat.index}")

    chunks = [replace(c, ack=lambda i=i: seen.append(i)) for i, c in enumerate(ward(seconds=30.0))]
    pipeline = Pipeline(
        new_scorer(), PipelineSettings(batch=BatchSettings(size=9, seconds=1e1)), (), [Order()], Clock()
    )
    for chunk in chunks:
        pipeline.feed(chunk)
    pipeline.flush()
    acks = [each for each in seen if isinstance(each, int)]
    assert acks == list(range(len(chunks)))
    assert seen.index("beat 10") < seen.index(20)


def test_dropped_chunks_are_acknowledged_too(ward: Ward) -> None:
    acks: list[int] = []
    first = replace(ward(seconds=2.0)[0], ack=lambda: acks.append(1))
    pipeline = Pipeline(None, PipelineSettings(), (), [], Clock())
    pipeline.feed(first)
    pipeline.feed(first)
    assert acks == [1, 1]


def test_beats_wait_no_longer_than_the_deadline(ward: Ward, new_scorer: NewScorer) -> None:
    clock, metrics = Clock(), Metrics()
    pipeline = Pipeline(
        new_scorer(), PipelineSettings(batch=BatchSettings(size=4096, seconds=0.1)), (), [metrics], clock
    )
    for chunk in ward(seconds=20.0):
        pipeline.feed(replace(chunk, end=False))
    assert pipeline.waiting > 5
    assert value(metrics, "ecgmon_beats_total") == 0
    clock.now = 0.05
    pipeline.tick()
    assert value(metrics, "ecgmon_beats_total") == 0
    assert pipeline.wait(1.0) == pytest.approx(0.05)
    clock.now = 0.11
    pipeline.tick()
    assert pipeline.waiting == 0
    assert value(metrics, "ecgmon_beats_total") > 5


def test_a_silent_stream_ends_and_a_later_chunk_begins_it_anew(ward: Ward, new_scorer: NewScorer) -> None:
    clock, sink = Clock(), MemorySink()
    pipeline = Pipeline(new_scorer(), PipelineSettings(idle_seconds=30.0), [sink], [], clock)
    chunks = ward(seconds=20.0)
    for chunk in chunks[:10]:
        pipeline.feed(chunk)
    clock.now = 29.0
    pipeline.tick()
    assert pipeline.streams == 1
    clock.now = 31.0
    pipeline.tick()
    assert pipeline.streams == 0
    clock.now = 32.0  # its last beats waited for company
    pipeline.tick()
    assert sink.states["sim-001"]["state"] == "ended"
    pipeline.feed(chunks[10])
    assert pipeline.streams == 1


def test_the_state_of_a_stream_says_what_a_dashboard_needs(sick: list[Chunk], new_scorer: NewScorer) -> None:
    live = [replace(c, end=False) for c in sick]
    _, sink, _ = play(live, new_scorer(), flush=False, batch=BatchSettings(size=1))
    state = sink.states["sim-001"]
    assert state["schema"] == "ecgmon.stream/1"
    assert state["state"] == "live"
    assert state["quality"] == "good"
    assert 30 < state["heart_rate"] < 200
    assert state["beats"] > 50
    assert 1.7e9 + 80 < state["time"] <= 1.7e9 + 90


def test_an_observer_that_fails_does_not_stop_the_others(
    sick: list[Chunk], caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Observer):
        def beat(self, stream: str, beat: Beat, score: Score | None, latency: float) -> None:  # noqa: ARG002
            raise ZeroDivisionError

    metrics = Metrics()
    pipeline = Pipeline(None, PipelineSettings(), (), [Broken(), metrics], Clock())
    for chunk in sick:
        pipeline.feed(chunk)
    beats = value(metrics, "ecgmon_beats_total")
    assert beats > 80
    assert pipeline.observer_failures == beats
    assert sum("an observer failed" in record.message for record in caplog.records) == 1


def test_a_device_clock_that_drifts_is_followed_without_gaps(ward: Ward) -> None:
    drifting = [replace(c, t=1.7e9 + (c.t - 1.7e9) * 1.05) for c in ward(seconds=60.0)]
    results, sink, metrics = play(drifting, None)
    assert value(metrics, "ecgmon_gaps_total") == 0
    assert results["sim-001"].seconds == pytest.approx(60.0, abs=0.1)
    assert sink.states["sim-001"]["time"] == pytest.approx(1.7e9 + 63.0, abs=1.2)


def test_missing_samples_and_a_constant_signal_are_quality_not_errors(
    ward: Ward, new_scorer: NewScorer
) -> None:
    holes = []
    for chunk in ward(seconds=60.0):
        samples = chunk.samples.copy()
        if chunk.seq in range(20, 25):
            samples[:] = np.nan
        if chunk.seq is not None and chunk.seq >= 40:
            samples[:] = 0.25
        holes.append(replace(chunk, samples=samples))
    _, sink, metrics = play(holes, new_scorer())
    assert value(metrics, "ecgmon_signal_not_good_seconds_total", reason="missing") >= 5
    assert value(metrics, "ecgmon_signal_not_good_seconds_total", reason="flat") >= 15
    (raised,) = [a for a in sink.alerts if a.kind == "lead-off" and a.state == "raised"]
    assert 1.7e9 + 39 <= raised.onset <= raised.time <= 1.7e9 + 46


def test_other_settings_while_running_lose_no_stream_and_no_standing_alert(
    ward: Ward, new_scorer: NewScorer
) -> None:
    chunks = ward(streams=3, seconds=120.0, rates=SICK)
    brief = AlertSettings(anomalous_beats=EpisodeSettings(clear_beats=4))
    _, undisturbed, _ = play(chunks, new_scorer(), alerts=brief)
    sink, metrics = MemorySink(), Metrics()
    pipeline = Pipeline(new_scorer(), PipelineSettings(alerts=brief), [sink], [metrics], Clock())
    half = len(chunks) // 2
    for chunk in chunks[:half]:
        pipeline.feed(chunk)
    before = list(sink.alerts)
    pipeline.configure(
        PipelineSettings(
            alerts=AlertSettings(anomalous_beats=EpisodeSettings(raise_beats=1, of_beats=1, clear_beats=4)),
            batch=BatchSettings(size=7), max_streams=2, idle_seconds=5.0, state_seconds=1.0,
        )
    )  # fmt: skip
    assert pipeline.streams == 3
    for chunk in chunks[half:]:
        pipeline.feed(chunk)
    pipeline.flush()
    assert before == undisturbed.alerts[: len(before)]
    assert value(metrics, "ecgmon_beats_total") > 300
    assert value(metrics, "ecgmon_stream_restarts_total", reason="long-gap") == 0
    raised = {a.id: a for a in sink.alerts if a.state == "raised"}
    assert raised.keys() == {a.id for a in sink.alerts if a.state == "cleared"}
    odd = [a for a in undisturbed.alerts if a.kind == "anomalous-beats"]
    assert {a.beats >= 3 for a in odd} == {True}
    assert any(a.beats == 1 for a in raised.values() if a.kind == "anomalous-beats")


def test_the_same_settings_again_change_nothing(ward: Ward, new_scorer: NewScorer) -> None:
    chunks = ward(streams=2, rates=SICK)
    sink = MemorySink()
    pipeline = Pipeline(new_scorer(), PipelineSettings(), [sink], [], Clock())
    for chunk in chunks:
        pipeline.configure(PipelineSettings())
        pipeline.feed(chunk)
    pipeline.flush()
    _, undisturbed, _ = play(chunks, new_scorer())
    assert [(a.id, a.state) for a in sink.alerts] == [(a.id, a.state) for a in undisturbed.alerts]
    assert sink.alerts
