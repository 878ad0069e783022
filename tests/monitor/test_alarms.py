"""Each alarm from samples to message: raised within its time, cleared, and not mistaken for another.

How much signal had been fed when an alarm came is what counts, chunks and all delays inside included.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ecgmon.config import convert
from ecgmon.ecg.simulated_events import EventRates, ScriptedEvent, TrueSpan
from ecgmon.ecg.simulator import simulate
from ecgmon.ecg.types import Alert, Chunk, Samples
from ecgmon.monitor.pipeline import Pipeline, PipelineSettings
from ecgmon.sinks.memory import MemorySink
from ecgmon.sources.memory import chunks_of

CALM: Final = EventRates(pvc=0, pac=0, run=0, pause=0, noise=0, motion=0, lead_off=0)
FS: Final = 250.0
PATIENTS: Final = range(6)
CHUNKS: Final = (0.2, 0.5, 1.0)


@dataclass(frozen=True)
class Came:
    """One alarm; ``fed`` and ``cleared`` say how much signal had been fed, s."""

    kind: str
    onset: float
    fed: float
    cleared: float
    severity: str


def feed(chunks: Sequence[Chunk], **keys: Any) -> list[Came]:
    """All alarms of one stream, joined from raise to clear, by the time they came: time passes as it does for
    a monitor, while chunks are missing too."""
    sink = MemorySink()
    fed = 0.0
    pipeline = Pipeline(
        None, convert(keys, PipelineSettings, where="test"), [sink], clock=lambda: fed, strict=True
    )
    start, came = chunks[0].t, list[tuple[Alert, float]]()
    for chunk in chunks:
        due = chunk.t - start + chunk.samples.shape[1] / chunk.fs
        while fed + 1.0 < due:
            fed += 1.0
            pipeline.tick()
            came += [(alert, fed) for alert in sink.alerts[len(came) :]]
        fed = due
        pipeline.feed(chunk)
        came += [(alert, fed) for alert in sink.alerts[len(came) :]]
    pipeline.flush()
    came += [(alert, fed) for alert in sink.alerts[len(came) :]]
    cleared = {alert.id: at for alert, at in came if alert.state == "cleared"}
    return [
        Came(alert.kind, alert.onset - start, at, cleared[alert.id], alert.severity)
        for alert, at in came
        if alert.state == "raised"
    ]


def simulated(
    kind: str, patient: int, *, seconds: float = 20.0, rate: float | None = None, length: float = 90.0
) -> tuple[Samples, TrueSpan]:
    """A calm patient to whom one thing happens after 40 s."""
    event = ScriptedEvent(kind=kind, at=40.0 + patient / 7, seconds=seconds, rate=rate)  # type: ignore[arg-type]
    x, truth = simulate(length, FS, seed=11, index=patient, rates=CALM, script=[event])
    return x[0], truth.spans[0]


def of(came: Sequence[Came], *kinds: str) -> list[Came]:
    return [one for one in came if one.kind in kinds]


def with_gap(x: Samples, before: int, after: int) -> list[Chunk]:
    """Chunks of ``x`` without the samples from ``before`` to ``after``, told by time alone."""
    parts = [(0, x[:before]), (after, x[after:])]
    pieces = [(first, c) for first, part in parts for c in chunks_of(part, FS)]
    return [replace(c, t=c.t + first / FS, seq=None, end=False) for first, c in pieces]


@pytest.mark.parametrize("patient", PATIENTS)
@pytest.mark.parametrize("kind", ["asystole", "standstill"])
def test_a_heart_that_stops_is_asystole_within_seven_seconds(kind: str, patient: int) -> None:
    x, span = simulated(kind, patient)
    for seconds in CHUNKS:
        came = feed(chunks_of(x, FS, seconds=seconds))
        assert [one.kind for one in came] == ["pause", "asystole"]
        pause, asystole = came
        assert asystole.onset == pytest.approx(span.start, abs=0.05)
        assert asystole.fed <= span.start + 7
        assert asystole.severity == "critical"
        assert pause.cleared <= asystole.fed
        assert span.end < asystole.cleared <= span.end + 6


@pytest.mark.parametrize("patient", PATIENTS)
def test_five_seconds_without_a_beat_are_asystole(patient: int) -> None:
    x, span = simulated("asystole", patient, seconds=5.0)
    (one,) = of(feed(chunks_of(x, FS)), "asystole")
    assert one.fed <= span.start + 7


@pytest.mark.parametrize("patient", PATIENTS)
def test_a_long_interval_is_a_pause(patient: int) -> None:
    x, span = simulated("pause", patient, seconds=3.5)
    (pause,) = feed(chunks_of(x, FS, seconds=0.5))
    assert (pause.kind, pause.severity) == ("pause", "warning")
    assert pause.onset == pytest.approx(span.start, abs=0.05)
    assert pause.fed <= span.start + 7
    assert span.end + 10 < pause.cleared <= span.end + 14


@pytest.mark.parametrize("patient", PATIENTS)
def test_a_lead_that_comes_off_is_lead_off_within_five_seconds(patient: int) -> None:
    x, span = simulated("lead-off", patient)
    for seconds in CHUNKS:
        (one,) = feed(chunks_of(x, FS, seconds=seconds))
        assert one.kind == "lead-off"
        assert span.start < one.fed <= span.start + 5
        assert span.end < one.cleared <= span.end + 6


@pytest.mark.parametrize("patient", PATIENTS)
@pytest.mark.parametrize("value", [0.0, -0.35, 2.5])
def test_a_constant_line_is_lead_off_within_five_seconds(patient: int, value: float) -> None:
    x, _ = simulated("pause", patient, seconds=2.2)
    at = 50.0 + patient / 9
    x[round(at * FS) : round((at + 15) * FS)] = value
    (one,) = of(feed(chunks_of(x, FS, seconds=0.5)), "lead-off", "asystole", "pause")
    assert one.kind == "lead-off"
    assert one.fed <= at + 5
    assert at + 15 < one.cleared < at + 15 + 8


@pytest.mark.parametrize("patient", PATIENTS)
def test_noise_for_long_is_not_analysed(patient: int) -> None:
    x, span = simulated("noise", patient, seconds=30.0)
    (one,) = feed(chunks_of(x, FS))
    assert one.kind == "noise"
    open_now_and_then = patient == 2  # its QRS stand out of this noise; such seconds put the alarm off
    assert span.start + 15 <= one.fed <= span.start + (28 if open_now_and_then else 19)
    assert span.end < one.cleared <= span.end + 12


@pytest.mark.parametrize("patient", PATIENTS)
@pytest.mark.parametrize("kind", ["noise", "motion"])
def test_short_disturbances_raise_nothing(kind: str, patient: int) -> None:
    x, _ = simulated(kind, patient, seconds=8.0)
    assert feed(chunks_of(x, FS)) == []


@pytest.mark.parametrize("patient", PATIENTS)
@pytest.mark.parametrize(("kind", "rate"), [("bradycardia", 36), ("bradycardia", 25), ("tachycardia", 155)])
def test_a_rate_beyond_its_limit_is_told_of_within_ten_seconds(kind: str, rate: float, patient: int) -> None:
    x, span = simulated(kind, patient, seconds=30.0, rate=rate, length=100.0)
    (one,) = feed(chunks_of(x, FS))
    assert one.kind == kind
    assert span.start < one.fed <= span.start + 10
    assert span.end < one.cleared <= span.end + 10


@pytest.mark.parametrize("patient", PATIENTS)
def test_samples_that_are_missing_for_long_are_not_analysed(patient: int) -> None:
    x, _ = simulated("pause", patient, seconds=2.2)
    x[round(50 * FS) : round(70 * FS)] = np.nan
    (one,) = feed(chunks_of(x, FS))
    assert one.kind == "noise"
    assert 65 <= one.fed <= 69


@pytest.mark.parametrize("seconds", [0.3, 1.0, 3.0, 7.0, 20.0, 59.0])
@pytest.mark.parametrize("patient", [0, 1, 2])
def test_a_gap_is_neither_silence_nor_noise_nor_a_beat(patient: int, seconds: float) -> None:
    x, _ = simulated("pause", patient, seconds=2.2, length=130.0)
    before, after = round(50 * FS), round((50 + seconds) * FS)
    pieces = with_gap(x, before, after)
    assert [one.kind for one in feed(pieces)] == (["stream-lost"] if seconds > 10 else [])


@pytest.mark.parametrize("patient", PATIENTS)
def test_a_heart_that_stopped_in_a_gap_is_told_of_behind_it(patient: int) -> None:
    x, span = simulated("asystole", patient, seconds=40.0, length=100.0)
    before, after = round((span.start - 1) * FS), round((span.start + 4) * FS)
    pieces = with_gap(x, before, after)
    (one,) = of(feed(pieces), "asystole")
    assert span.start + 4 + 9 < one.fed <= span.start + 4 + 14


@pytest.mark.parametrize("patient", PATIENTS)
def test_a_stream_begun_anew_is_not_silent(patient: int) -> None:
    x, _ = simulated("pause", patient, seconds=2.2)
    chunks = chunks_of(x, FS)
    again = [c if i < 50 else replace(c, seq=i - 50, end=False) for i, c in enumerate(chunks)]
    assert feed(again) == []


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from(["asystole", "standstill", "lead-off", "noise", "bradycardia"]),
    st.integers(0, 5),
    st.lists(st.integers(1, 1500), min_size=1, max_size=4),
)
def test_alarms_do_not_depend_on_chunks(kind: str, patient: int, sizes: list[int]) -> None:
    x, _ = simulated(kind, patient)

    def lives(pieces: Sequence[Chunk]) -> list[tuple[str, str, float, float]]:
        sink = MemorySink()
        pipeline = Pipeline(None, PipelineSettings(), [sink], clock=lambda: 0.0, strict=True)
        for piece in pieces:
            pipeline.feed(piece)
        pipeline.flush()
        return [(a.id, a.state, a.time, a.end) for a in sink.alerts]

    pieces: list[Chunk] = []
    first = chunks_of(x, FS)[0]
    at = 0
    while at < len(x):
        size = sizes[len(pieces) % len(sizes)]
        samples = x[None, at : at + size]
        pieces.append(replace(first, samples=samples, t=first.t + at / FS, seq=len(pieces)))
        at += size
    assert lives(pieces) == lives(chunks_of(x, FS))
