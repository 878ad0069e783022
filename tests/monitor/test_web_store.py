"""What is kept of the streams for those who look."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

from ecgmon.ecg.types import Alert, Beat, Chunk, Evidence, ModelRef, Quality, Score
from ecgmon.monitor.pipeline import Pipeline, PipelineSettings, Scorer
from ecgmon.monitor.web.history import AlertHistory
from ecgmon.monitor.web.shapes import status_of
from ecgmon.monitor.web.store import ENDED_MOST, ENDED_SECONDS, RecentStore, StoreSink
from ecgmon.monitor.web.strip import BEATS, WATCHED_BEATS

START = 1.7e9


class Ward:
    """A store with streams and a clock of our own."""

    def __init__(self) -> None:
        self.now = 100.0
        self.live: dict[str, Any] = {}
        self.store = RecentStore(lambda: self.live, lambda: self.now, 10)

    def join(self, name: str, lead: str | None = "II") -> None:
        self.live[name] = SimpleNamespace(epoch=START, selector=SimpleNamespace(lead=lead))

    def chunk(self, name: str, k: float, value: float = 0.0, *, after: float = 1.0) -> None:
        """The ``k``-th second, ``after`` s behind the one before; lead V1 is the negative of II."""
        self.now += after
        samples = np.full((2, 250), value, np.float32)
        samples[1] *= -1
        self.store.chunk(Chunk(name, 250.0, ("II", "V1"), samples, START + k, received=self.now))


@pytest.fixture
def room() -> Ward:
    return Ward()


def beat(r: float, rr: float = 0.8, *, good: bool = True) -> Beat:
    return Beat(0, r, r + 1.0, np.full(187, r, np.float32), 1.0, rr, rr, good)


def score(p: float, *, odd: bool = False) -> Score:
    return Score(2.0, p, odd, odd, {"qrs": 1.0}, np.zeros(187, np.float32))


def alert(number: int, state: str = "raised", stream: str = "a") -> Alert:
    evidence = Evidence(window=[1.0] * 187, reconstruction=[0.0] * 187, error=1.0, r_peaks=[START], parts={})
    return Alert(
        id=f"id-{number}", stream=stream, kind="anomalous-beats", state=state, severity="warning",  # type: ignore[arg-type]
        onset=START, end=START, time=START, beats=3, score=2.0, p_value=0.001, threshold=0.01,
        heart_rate=80.0, evidence=evidence, model=ModelRef(name="m", hash="h"),
    )  # fmt: skip


def test_a_stream_that_the_pipeline_refuses_is_never_known(room: Ward) -> None:
    for k in range(5):
        room.chunk("refused", k)
    assert room.store.strips() == []
    room.join("a")
    room.chunk("a", 0)
    assert [strip.name for strip in room.store.strips()] == ["a"]


@pytest.mark.parametrize(("lead", "drawn"), [("V1", -1.0), ("II", 1.0), (None, 1.0)])
def test_the_watched_lead_is_drawn_and_the_first_until_one_is_chosen(
    room: Ward, lead: str | None, drawn: float
) -> None:
    room.join("a", lead)
    room.chunk("a", 0, 1.0)
    strip = room.store.named("a")
    assert strip is not None
    assert strip.trace is not None
    np.testing.assert_allclose(strip.trace.read(0)[1] * 0.005, drawn)
    assert strip.lead == (lead or "II")


def test_a_stream_is_live_stale_delayed_or_ended_by_our_own_clock(room: Ward) -> None:
    room.join("a")
    for k in range(5):
        room.chunk("a", k)

    def condition() -> str:
        strip = room.store.named("a")
        assert strip is not None
        return status_of(room.store, strip).stream.condition

    assert condition() == "live"
    room.now += 3.9
    assert condition() == "live", "a chunk of one second is late by less than three"
    room.now += 0.2
    assert condition() == "stale"
    room.chunk("a", 5, after=600.0)
    assert condition() == "delayed", "it comes now, but is ten minutes old"
    for k in range(6, 615):
        room.chunk("a", k, after=0.01)
    assert condition() == "live", "it has caught up"
    room.store.ended("a", 615.0, "II")
    assert condition() == "ended"
    room.now += ENDED_SECONDS
    assert room.store.named("a") is None


@pytest.mark.parametrize("step", [-7200.0, 86_400.0, 40.0])
def test_a_stream_whose_clock_is_set_and_set_again_is_live(room: Ward, step: float) -> None:
    room.join("a")
    for clock in (0.0, step, 0.0):
        for k in range(20):
            room.chunk("a", k + clock)
        strip = room.store.named("a")
        assert strip is not None
        assert status_of(room.store, strip).stream.condition == "live"


def test_a_clock_that_runs_slow_for_hours_makes_nothing_late_and_a_backlog_stays_late(room: Ward) -> None:
    room.join("a")
    for k in range(20_000):
        room.chunk("a", k, after=1.0005)
    strip = room.store.named("a")
    assert strip is not None
    assert status_of(room.store, strip).stream.condition == "live", "10 s have come together in 6 hours"
    room.now += 600.0
    for k in range(20_000, 30_000):
        room.chunk("a", k)
    assert status_of(room.store, strip).stream.condition == "delayed", "for three hours it has not caught up"


def test_streams_that_ended_do_not_add_up(room: Ward) -> None:
    for n in range(ENDED_MOST + 50):
        room.join(f"s{n}")
        room.chunk(f"s{n}", 0, after=0.01)
        room.store.ended(f"s{n}", 1.0, "II")
    assert len(room.store.strips()) == ENDED_MOST
    room.join("s3")
    room.chunk("s3", 0)
    assert room.store.strips()[-1].name == "s3", "one of its name may come again"
    assert room.store.strips()[-1].ended is None


def test_many_that_end_at_once_cost_each_of_them_the_same(room: Ward) -> None:
    def seconds(n: int) -> float:
        """CPU of ``n`` ends."""
        for k in range(n):
            room.join(f"s{k}")
            room.chunk(f"s{k}", 0, after=0.0)
        began = time.process_time()
        for k in range(n):
            room.store.ended(f"s{k}", 1.0, "II")
        return time.process_time() - began

    few, many = (min(seconds(n) for _ in range(3)) for n in (500, 4000))
    assert many < 8 * 3 * few
    room.now += ENDED_SECONDS
    room.join("last")
    for _ in range(ENDED_MOST):
        room.chunk("last", 0)
        room.store.ended("last", 1.0, "II")
    assert len(room.store._strips) == len(room.store._ended) == 1, "all of long ago are forgotten"


def test_beats_are_kept_in_figures_and_whole_only_while_somebody_looks(room: Ward) -> None:
    room.join("a")
    room.chunk("a", 0)
    strip = room.store.named("a")
    assert strip is not None
    for n in range(BEATS + 10):
        room.store.beat("a", beat(0.8 * n), score(0.5, odd=n % 5 == 0) if n % 2 else None, 0.1)
    figures = strip.figures()
    assert [one.number for one in figures] == list(range(11, BEATS + 10))
    assert figures[-1].r == pytest.approx(0.8 * (BEATS + 9))
    assert {one.number % 5 == 0 for one in figures if one.flags & 2} == {True}
    assert all(np.isnan(one.score) for one in figures if not one.flags & 8)
    assert strip.latest is not None
    assert strip.latest[0] == BEATS + 9
    assert strip.watched is None
    assert WATCHED_BEATS < BEATS


def test_a_flat_line_has_no_heart_rate_though_one_was_published(room: Ward) -> None:
    room.join("a")
    room.chunk("a", 0)
    strip = room.store.named("a")
    assert strip is not None
    StoreSink(room.store).state("a", {"heart_rate": 164.0, "beats": 20, "odd_beats": 0, "alerts": []})
    for n in range(10):
        room.store.beat("a", beat(0.1 * n, 0.4), None, 0.0)
    shown = []
    for k in range(1, 13):
        room.chunk("a", k)
        shown.append(status_of(room.store, strip).stream.heart_rate)
    assert shown[:4] == [150.0] * 4
    assert shown[7:] == [None] * 5, "no beat for more than six seconds"


def test_the_heart_rate_is_that_of_the_last_good_beats_and_ends_where_the_published_one_does(
    room: Ward,
) -> None:
    room.join("a")
    room.chunk("a", 0)
    strip = room.store.named("a")
    assert strip is not None
    assert strip.heart_rate() is None
    for n in range(20):
        room.store.beat("a", beat(n, 2.0 if n < 12 else 0.75, good=n != 15), None, 0.1)
    assert strip.heart_rate() == 80.0
    sink = StoreSink(room.store)
    sink.state("a", {"heart_rate": 79.0, "beats": 20, "odd_beats": 3, "alerts": []})
    assert strip.heart_rate() == 80.0, "newer than what was published"
    sink.state("a", {"heart_rate": None, "beats": 20, "odd_beats": 3, "alerts": []})
    assert strip.heart_rate() is None, "asystole: the last beats tell nothing of now"


def test_the_last_verdict_is_a_word(room: Ward) -> None:
    room.join("a")
    room.chunk("a", 0)
    strip = room.store.named("a")
    assert strip is not None
    for quality, told in (
        (Quality(0), "good"),
        (Quality(1, noisy=True), "noisy"),
        (Quality(2, flat=True, noisy=True), "flat"),
    ):
        room.store.quality("a", quality)
        assert strip.quality == told


def test_an_alert_is_kept_once_as_it_was_last_told_and_those_that_stand_longest() -> None:
    history = AlertHistory(3)
    history.add(alert(0))
    for n in range(1, 4):
        history.add(alert(n))
        history.add(alert(n, "cleared"))
    assert [(told.id, told.state) for told in history.newest()] == [
        ("id-3", "cleared"), ("id-2", "cleared"), ("id-0", "raised"),
    ]  # fmt: skip
    assert [told.id for told in history.since(5)] == ["id-3"]
    whole, brief = (msgspec.json.decode(raw, type=Alert) for raw in next(history.newest())[-2:])
    assert whole.evidence is not None
    assert brief.evidence is not None
    assert (len(whole.evidence.window), brief.evidence.window) == (187, [])
    for n in range(4, 8):
        history.add(alert(n))
    assert [told.id for told in history.newest()] == ["id-7", "id-6", "id-5"]


def test_it_hears_what_a_real_pipeline_tells(pieces: list[Chunk], new_scorer: Callable[[], Scorer]) -> None:
    now = 0.0
    store = RecentStore(lambda: pipeline.live, lambda: now, 10)
    pipeline = Pipeline(new_scorer(), PipelineSettings(lead="II"), [StoreSink(store)], [store], lambda: now)
    for chunk in pieces:
        now += 0.5
        pipeline.feed(chunk)
    now += 0.5
    pipeline.tick()
    strip = store.named("sim-002")
    assert strip is not None
    assert strip.trace is not None
    assert strip.n_beats > 40
    epoch = store.epoch(strip.name)
    assert epoch is not None
    first, found = strip.trace.read(0)
    peaks = [round(strip.trace.at(epoch + one.r)) - first for one in strip.figures()]
    near = [found[at - 12 : at + 12] for at in peaks if 12 <= at < len(found) - 12]
    assert len(near) >= 5
    assert all(abs(int(np.argmax(np.abs(window - np.median(found)))) - 12) <= 3 for window in near), (
        "marks stand where the R-peaks are drawn"
    )
    assert {told.kind for told in store.alerts.newest()} >= {"lead-off"}
    assert pipeline.observer_failures == 0
