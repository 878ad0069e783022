"""Streams that fall silent, come late, twice, or with another clock: said, counted, no alarm of the heart."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ecgmon.ecg.types import Chunk
from ecgmon.monitor.arrivals import ArrivalSettings
from ecgmon.monitor.metrics import Metrics
from ecgmon.monitor.offline import Recorder, StreamResult
from ecgmon.monitor.pipeline import Pipeline, PipelineSettings
from ecgmon.sinks.memory import MemorySink

Ward = Callable[..., list[Chunk]]

CALM = {"pvc": 0, "pac": 0, "run": 0, "pause": 0, "noise": 0, "motion": 0, "lead-off": 0}


class Bedside:
    """A pipeline whose clock stands until a test moves it."""

    def __init__(self, **keys: object) -> None:
        self.now = 0.0
        self.sink, self.metrics, self.recorder = MemorySink(), Metrics(), Recorder()
        given = PipelineSettings(**keys)  # type: ignore[arg-type]
        observers = [self.metrics, self.recorder]
        self.pipeline = Pipeline(None, given, [self.sink], observers, lambda: self.now)

    def feed(self, chunks: Sequence[Chunk], every: float = 1.0) -> None:
        for chunk in chunks:
            self.now += every
            self.pipeline.feed(chunk)

    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:
            self.now += 0.2
            self.pipeline.tick()

    def told(self, *kinds: str) -> list[tuple[str, str]]:
        return [(a.kind, a.state) for a in self.sink.alerts if not kinds or a.kind in kinds]

    def value(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0

    @property
    def result(self) -> StreamResult:
        (one,) = self.recorder.results.values()
        return one


class Recording(list[Chunk]):
    """Chunks, shown in a word where a test fails."""

    def __repr__(self) -> str:
        return f"{len(self)} chunks"


@pytest.fixture(scope="module")
def calm(ward: Ward) -> Recording:
    return Recording(replace(c, end=False) for c in ward(seconds=60.0, seed=4, rates=CALM))


AT_ONCE = ArrivalSettings(reorder_seconds=0.0)

LOST = [("stream-lost", "raised"), ("stream-lost", "cleared")]
NOT_ANALYSED = [("noise", "raised"), ("noise", "cleared")]


def test_a_stream_of_which_nothing_comes_is_lost_and_found_again(calm: list[Chunk]) -> None:
    bed = Bedside()
    bed.feed(calm[:20])
    bed.wait(9.0)
    assert bed.told() == []
    assert bed.sink.states["sim-001"]["state"] == "live"
    bed.wait(3.0)
    assert bed.told() == LOST[:1]
    raised = bed.sink.alerts[0]
    assert raised.onset == pytest.approx(1.7e9 + 20)
    assert 10 <= raised.time - raised.onset <= 11.5
    state = bed.sink.states["sim-001"]
    assert (state["state"], state["last_data"]) == ("lost", 1.7e9 + 20)
    assert [one["kind"] for one in state["alerts"]] == ["stream-lost"]
    bed.wait(20.0)
    bed.feed(calm[50:])  # the device went on meanwhile: a gap of 30 s
    assert bed.told() == LOST
    assert bed.sink.alerts[1].time == pytest.approx(1.7e9 + 50)
    assert bed.sink.states["sim-001"]["state"] == "live"


def test_a_stream_that_kept_its_data_is_found_again_without_a_gap(calm: list[Chunk]) -> None:
    bed = Bedside()
    bed.feed(calm[:20])
    bed.wait(30.0)
    bed.feed(calm[20:], every=0.01)
    assert bed.told() == LOST
    assert bed.value("ecgmon_gaps_total") == 0


def test_repeats_are_no_data(calm: list[Chunk]) -> None:
    bed = Bedside()
    bed.feed(calm[:20])
    bed.feed([calm[19]] * 15)
    assert bed.told() == LOST[:1]
    assert bed.metrics.drops["repeat"] == 15


def test_a_stream_that_is_silent_for_longer_is_discharged(calm: list[Chunk]) -> None:
    bed = Bedside(idle_seconds=60.0)
    bed.feed(calm[:20])
    bed.wait(58.0)
    assert bed.told() == LOST[:1]
    bed.wait(4.0)
    assert bed.told() == LOST
    assert bed.sink.states["sim-001"]["state"] == "ended"
    assert bed.sink.states["sim-001"]["alerts"] == []


def test_a_stream_that_ended_is_not_lost(calm: list[Chunk]) -> None:
    bed = Bedside()
    bed.feed([*calm[:20], replace(calm[20], end=True)])
    bed.wait(100.0)
    assert bed.told() == []


def test_the_state_shows_what_stands_and_what_the_signal_is(ward: Ward) -> None:
    chunks = ward(seconds=60.0, seed=4, rates=CALM, script=[{"kind": "asystole", "at": 30, "seconds": 50}])
    bed = Bedside()
    bed.feed([replace(c, end=False) for c in chunks])
    state = bed.sink.states["sim-001"]
    assert [(one["kind"], one["severity"]) for one in state["alerts"]] == [("asystole", "critical")]
    assert state["signal"] == "quiet"
    assert state["last_data"] == pytest.approx(1.7e9 + 60, abs=5)


def test_late_chunks_and_repeats_are_counted_apart(calm: list[Chunk]) -> None:
    bed = Bedside(arrivals=AT_ONCE)
    swapped = [*calm[:20], calm[21], calm[20], *calm[22:30], calm[25], *calm[30:]]
    bed.feed(swapped)
    assert (bed.metrics.drops["late"], bed.metrics.drops["repeat"]) == (1, 1)
    assert bed.value("ecgmon_gaps_total") == 1
    assert not [b for b in bed.result.beats if 20 < b.r < 21]


def test_a_clock_that_is_set_is_counted_and_makes_no_beats_or_alarms(calm: list[Chunk]) -> None:
    bed = Bedside()
    bed.feed([c if i < 30 else replace(c, t=c.t - 20) for i, c in enumerate(calm)])
    assert bed.value("ecgmon_clock_corrections_total") == 1
    assert bed.told() == []
    plain = Bedside()
    plain.feed(calm)
    assert [b.r for b in bed.result.beats] == [b.r for b in plain.result.beats]
    far = Bedside()
    far.feed([c if i < 30 else replace(c, t=c.t - 2000) for i, c in enumerate(calm)])
    assert far.value("ecgmon_stream_restarts_total", reason="clock-step") == 1
    assert far.told() == []


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.booleans(), min_size=60, max_size=60),
    st.lists(st.tuples(st.integers(0, 59), st.integers(0, 59)), max_size=6),
)
def test_no_disorder_makes_the_heart_stop_or_beat(
    calm: Recording, kept: list[bool], again: list[tuple[int, int]]
) -> None:
    """Chunks are lost, and some come once more or late: no alarm of the heart, no beat where nothing was,
    all are counted."""
    order = [i for i in range(60) if kept[i]]
    for i, at in again:
        order.insert(at, i)
    bed = Bedside(arrivals=AT_ONCE)
    bed.feed([calm[i] for i in order])
    bed.pipeline.flush()
    assert set(bed.told()) <= {*LOST, *NOT_ANALYSED}
    used: list[int] = []
    for i in order:
        if not used or i > used[-1]:
            used.append(i)
    assert bed.metrics.drops["late"] + bed.metrics.drops["repeat"] == len(order) - len(used)
    for beat in [b for stream in bed.recorder.results.values() for b in stream.beats]:
        assert {int(beat.r + used[0] - 0.05), int(beat.r + used[0] + 0.05)} & set(used)
        assert np.isnan(beat.rr) or beat.rr < 1.6


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.booleans(), min_size=59, max_size=59),
    st.lists(st.integers(1, 57), max_size=8),
    st.lists(st.tuples(st.integers(0, 59), st.integers(1, 59)), max_size=6),
    st.sampled_from([2**8, 2**16, 2**32]),
)
def test_what_is_overtaken_lost_or_sent_again_across_a_wrap_invents_nothing(
    calm: Recording, kept: list[bool], swaps: list[int], again: list[tuple[int, int]], modulus: int
) -> None:
    order = list(range(60))
    for i in swaps:
        order[i], order[i + 1] = order[i + 1], order[i]
    order = [i for i in order if i == 0 or kept[i - 1]]
    for i, at in again:
        order.insert(at, i)
    bed = Bedside()
    bed.feed([replace(calm[i], seq=(i + modulus - 30) % modulus) for i in order])
    bed.pipeline.flush()
    assert set(bed.told()) <= {*LOST, *NOT_ANALYSED}
    assert bed.value("ecgmon_stream_restarts_total", reason="sequence-reset") == 0
    for beat in [b for stream in bed.recorder.results.values() for b in stream.beats]:
        assert {int(beat.r - 0.05), int(beat.r + 0.05)} & set(order)
        assert np.isnan(beat.rr) or beat.rr < 1.6
