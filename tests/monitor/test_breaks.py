"""What stands, and what is known of a patient, outlives the faults of a device: reboots, wraps, leads in
another order, clocks, another rate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from ecgmon.ecg.types import Chunk
from ecgmon.monitor.metrics import Metrics
from ecgmon.monitor.offline import Recorder
from ecgmon.monitor.pipeline import Pipeline, PipelineSettings
from ecgmon.sinks.memory import MemorySink
from tests.monitor.killable import CountingScorer, Daemon

Ward = Callable[..., list[Chunk]]
Fault = Callable[[int, Chunk], Chunk]

CALM = {"pvc": 0, "pac": 0, "run": 0, "pause": 0, "noise": 0, "motion": 0, "lead-off": 0}
STOPPED, BROKEN, BEATS, LAST = 40, 60, 80, 130
"""Seconds: the heart stops, the device has its fault, the heart beats again, the end."""


class Bed:
    """A pipeline with a clock that moves a second with each chunk."""

    def __init__(self, scorer: CountingScorer | None = None, **keys: Any) -> None:
        self.now = 0.0
        self.sink, self.metrics, self.recorder = MemorySink(), Metrics(), Recorder()
        self.pipeline = Pipeline(
            scorer, PipelineSettings(**keys), [self.sink], [self.metrics, self.recorder], lambda: self.now
        )

    def feed(self, chunks: Sequence[Chunk], every: float = 1.0) -> None:
        for chunk in chunks:
            self.now += every
            self.pipeline.feed(chunk)

    def told(self, *kinds: str) -> list[tuple[str, str]]:
        return [(a.kind, a.state) for a in self.sink.alerts if not kinds or a.kind in kinds]

    def happened(self, reason: str) -> float:
        labels = {"reason": reason}
        return self.metrics.registry.get_sample_value("ecgmon_stream_restarts_total", labels) or 0.0


@pytest.fixture(scope="module")
def stopped(ward: Ward) -> list[Chunk]:
    """Two leads; the heart stops and beats again."""
    script = [{"kind": "asystole", "at": STOPPED, "seconds": BEATS - STOPPED}]
    made = ward(seconds=float(LAST), seed=4, rates=CALM, script=script)
    return [replace(chunk, end=False) for chunk in made]


def swapped(chunk: Chunk) -> Chunk:
    return replace(chunk, leads=chunk.leads[::-1], samples=chunk.samples[::-1])


def only(chunk: Chunk, lead: int) -> Chunk:
    return replace(chunk, leads=chunk.leads[lead : lead + 1], samples=chunk.samples[lead : lead + 1])


def twice_the_rate(chunk: Chunk) -> Chunk:
    return replace(chunk, fs=2 * chunk.fs, samples=np.repeat(chunk.samples, 2, axis=1))


HARMLESS: dict[str, Fault] = {
    "reboot": lambda i, c: replace(c, seq=i if i < BROKEN else i - BROKEN),
    "reboot without a clock": lambda i, c: c if i < BROKEN else replace(c, seq=i - BROKEN, t=c.t - 1.6e9),
    "one byte": lambda i, c: replace(c, seq=(i + 256 - BROKEN) % 256),
    "two bytes": lambda i, c: replace(c, seq=(i + 2**16 - BROKEN) % 2**16),
    "four bytes": lambda i, c: replace(c, seq=(i + 2**32 - BROKEN) % 2**32),
    "constant number": lambda _, c: replace(c, seq=0),
    "milliseconds for a number": lambda i, c: replace(c, seq=1000 * i),
    "leads by turns": lambda i, c: swapped(c) if i % 2 else c,
    "leads in another order": lambda i, c: swapped(c) if i >= BROKEN else c,
    "one more lead": lambda i, c: c if i >= BROKEN else only(c, 0),
    "one lead less": lambda i, c: only(c, 0) if i >= BROKEN else c,
    "clock set back": lambda i, c: replace(c, seq=None, t=c.t - 50 * (i >= BROKEN)),
    "clock set far back": lambda i, c: replace(c, seq=None, t=c.t - 5000 * (i >= BROKEN)),
    "one chunk from the future": lambda i, c: replace(c, seq=None, t=c.t + 55 * (i == BROKEN)),
    "a long gap": lambda i, c: replace(c, t=c.t + 500 * (i >= BROKEN)),
    "another rate": lambda i, c: twice_the_rate(c) if i >= BROKEN else c,
    "another lead": lambda i, c: only(c, int(i >= BROKEN)),
}


@pytest.mark.parametrize("fault", HARMLESS)
def test_asystole_that_stands_outlives_a_fault_of_the_device_and_is_cleared_by_beats(
    stopped: list[Chunk], fault: str
) -> None:
    broken = [HARMLESS[fault](i, chunk) for i, chunk in enumerate(stopped)]
    bed = Bed()
    bed.feed(broken[: BROKEN - 1])
    assert bed.told("asystole") == [("asystole", "raised")]
    bed.feed(broken[BROKEN - 1 : BEATS])
    assert bed.told("asystole") == [("asystole", "raised")]
    assert "asystole" in [one["kind"] for one in bed.sink.states["sim-001"]["alerts"]]
    bed.feed(broken[BEATS:])
    assert bed.told("asystole") == [("asystole", "raised"), ("asystole", "cleared")]
    raised, cleared = [a for a in bed.sink.alerts if a.kind == "asystole"]
    assert (raised.id, raised.onset) == (cleared.id, cleared.onset)
    assert cleared.end >= cleared.onset
    assert bed.pipeline.streams == 1
    assert bed.sink.states["sim-001"]["state"] == "live"


@pytest.mark.parametrize(
    "fault", ["constant number", "milliseconds for a number", "leads by turns", "one byte", "reboot"]
)
def test_a_fault_that_loses_nothing_changes_no_beat(stopped: list[Chunk], fault: str) -> None:
    def beats(chunks: Sequence[Chunk]) -> list[tuple[float, bytes]]:
        bed = Bed(lead=stopped[0].leads[0])
        bed.feed(chunks)
        return [(b.r, b.window.tobytes()) for s in bed.recorder.results.values() for b in s.beats]

    assert beats([HARMLESS[fault](i, c) for i, c in enumerate(stopped)]) == beats(stopped)


@pytest.mark.parametrize("fault", HARMLESS)
def test_each_second_is_told_once(stopped: list[Chunk], fault: str) -> None:
    bed = Bed()
    bed.feed([HARMLESS[fault](i, chunk) for i, chunk in enumerate(stopped)])
    (result,) = bed.recorder.results.values()
    seconds = [quality.second for quality in result.quality]
    assert seconds == list(range(len(seconds)))
    assert len(seconds) >= LAST - 4


@pytest.mark.parametrize(
    ("fault", "kept"),
    [("reboot", True), ("reboot without a clock", True), ("a long gap", True), ("clock set far back", True),
     ("one more lead", True), ("another rate", False), ("another lead", False)],
)  # fmt: skip
def test_the_baseline_outlives_what_is_the_same_lead_and_rate(
    stopped: list[Chunk], fault: str, *, kept: bool
) -> None:
    bed = Bed(CountingScorer())
    bed.feed([HARMLESS[fault](i, chunk) for i, chunk in enumerate(stopped)][:BROKEN])
    learned = _learned(bed.pipeline)
    assert learned > 20
    bed.feed([HARMLESS[fault](i, chunk) for i, chunk in enumerate(stopped)][BROKEN : BROKEN + 10])
    assert (_learned(bed.pipeline) >= learned) == kept


def test_a_gap_behind_which_another_may_lie_in_the_bed_ends_the_stream(stopped: list[Chunk]) -> None:
    bed = Bed(CountingScorer(), idle_seconds=86_400)
    bed.feed(stopped[:BROKEN])
    bed.now += 7200
    bed.feed([replace(chunk, t=chunk.t + 7200) for chunk in stopped[BROKEN : BROKEN + 2]])
    assert bed.told("asystole") == [("asystole", "raised"), ("asystole", "cleared")]
    assert _learned(bed.pipeline) == 0


def test_a_stream_that_changes_its_lead_again_and_again_is_said_not_to_be_watched(
    stopped: list[Chunk],
) -> None:
    bed = Bed()
    bed.feed([only(chunk, i % 2) for i, chunk in enumerate(stopped[:30])])
    assert bed.told() == [("noise", "raised")]
    assert bed.sink.alerts[0].time <= stopped[0].t + 20
    bed.feed([only(chunk, 0) for chunk in stopped[30:40]])
    assert bed.told() == [("noise", "raised")]
    bed.feed([only(chunk, 0) for chunk in stopped[80:]])
    assert bed.told("noise") == [("noise", "raised"), ("noise", "cleared")]


def test_one_change_of_lead_is_not_said_to_be_noise(ward: Ward) -> None:
    calm = ward(seconds=60.0, seed=4, rates=CALM)
    bed = Bed()
    bed.feed([only(chunk, int(i >= 30)) for i, chunk in enumerate(calm)])
    assert bed.told() == []
    assert bed.happened("format-changed") == 1


@pytest.mark.parametrize("late", [1e-6, 1e-3, 0.1])
def test_a_gap_that_is_no_longer_than_rounding_is_no_pause(ward: Ward, late: float) -> None:
    """The detector begins anew behind it, and tells of no beat for some seconds."""
    calm = ward(seconds=60.0, seed=4, rates=CALM)
    bed = Bed()
    bed.feed([replace(c, seq=i + 3 * (i >= 30), t=c.t + late * (i >= 30)) for i, c in enumerate(calm)])
    assert bed.told() == []


def test_a_lead_that_is_asked_for_and_missing_for_a_while_leaves_standing_what_stands(
    stopped: list[Chunk],
) -> None:
    first = stopped[0].leads[0]
    bed = Bed(lead=first)
    bed.feed([only(chunk, int(50 <= i < 65)) for i, chunk in enumerate(stopped)])
    assert bed.metrics.drops["unusable"] == 15
    assert bed.told("asystole") == [("asystole", "raised"), ("asystole", "cleared")]
    assert [a for a in bed.sink.alerts if a.kind == "asystole"][1].time >= stopped[0].t + BEATS
    assert bed.told("stream-lost") == [("stream-lost", "raised"), ("stream-lost", "cleared")]


@pytest.mark.parametrize("fault", HARMLESS)
def test_a_kill_beside_a_fault_changes_nothing(stopped: list[Chunk], fault: str, tmp_path: Path) -> None:
    broken = [HARMLESS[fault](i, chunk) for i, chunk in enumerate(stopped)]
    undisturbed, daemon = Daemon(None, CountingScorer()), Daemon(tmp_path, CountingScorer(), 7.0)
    undisturbed.play(broken)
    for at, chunk in enumerate(broken):
        daemon.play([chunk])
        if at in {20, BROKEN - 2, BROKEN, BROKEN + 1, BROKEN + 7, BEATS}:
            daemon.kill()
    assert daemon.recorder.beats == undisturbed.recorder.beats
    assert daemon.alerts == undisturbed.alerts
    daemon.keep().close()


def test_a_newcomer_gets_the_place_of_a_name_that_fell_silent_without_a_beat(
    stopped: list[Chunk], caplog: pytest.LogCaptureFixture
) -> None:
    patients = [[replace(chunk, stream=name) for chunk in stopped] for name in ("p", "q")]
    flood = [replace(stopped[0], stream=f"x{i}") for i in range(200)]
    bed = Bed(max_streams=30)
    bed.feed(patients[0][:20])
    bed.feed(flood, every=0.001)
    assert bed.pipeline.streams == 30
    assert bed.metrics.drops["too-many-streams"] == 171
    bed.feed(patients[1][:1], every=0.1)
    assert "q" not in bed.pipeline._streams.live
    bed.feed([each for pair in zip(patients[0][20:35], patients[1][1:16], strict=True) for each in pair], 0.5)
    assert {"p", "q"} <= bed.pipeline._streams.live.keys()
    assert "x0" not in bed.pipeline._streams.live
    assert bed.pipeline.streams == 30
    assert bed.metrics.drops["displaced"] == 1
    assert bed.sink.states["x0"]["state"] == "ended"
    assert "stream x0 has shown no beat and is silent: its place goes to q" in caplog.text
    bed.feed(flood * 2, every=0.01)
    assert {"p", "q"} <= bed.pipeline._streams.live.keys()


def test_a_place_is_kept_by_beats_and_by_whatever_keeps_coming(stopped: list[Chunk]) -> None:
    bed = Bed(max_streams=2)
    quiet = [replace(c, stream="off", samples=np.zeros_like(c.samples)) for c in stopped]
    bed.feed([each for pair in zip(stopped[:20], quiet[:20], strict=True) for each in pair], every=0.5)
    bed.feed(quiet[20:30])  # the one with beats is silent, the other shows none
    bed.feed([replace(stopped[0], stream="new")], every=0.1)
    assert set(bed.pipeline._streams.live) == {"sim-001", "off"}
    unusable = replace(stopped[0], stream="bad", fs=20.0)
    bed.now += 10.0
    bed.feed([unusable])
    assert set(bed.pipeline._streams.live) == {"sim-001", "off"}
    assert bed.metrics.drops["unusable"] == 1
    bed.feed([replace(stopped[0], stream="new")])
    assert set(bed.pipeline._streams.live) == {"sim-001", "new"}


def _learned(pipeline: Pipeline) -> float:
    (state,) = pipeline._streams.live.values()
    assert state.baseline is not None
    return float(state.baseline.state[1])
