"""Hearts that beat rarely, stop for long or change their size: told of, and watched again within seconds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from msgspec.structs import replace

from ecgmon.ecg.simulator import simulate
from ecgmon.ecg.types import Beat, Chunk, Samples
from ecgmon.monitor.offline import Recorder
from ecgmon.monitor.pipeline import Pipeline, PipelineSettings
from ecgmon.sinks.memory import MemorySink
from ecgmon.sources.memory import chunks_of
from tests.monitor.test_alarms import CALM, FS, feed, of, simulated

PATIENTS = range(3)


def watched(chunks: Sequence[Chunk]) -> tuple[list[Beat], MemorySink]:
    """The beats of one stream, and what the sinks were told before it ended."""
    sink, recorder = MemorySink(), Recorder()
    pipeline = Pipeline(None, PipelineSettings(), [sink], [recorder], lambda: 0.0, strict=True)
    for chunk in chunks:
        pipeline.feed(replace(chunk, end=False))
    (result,) = recorder.results.values()
    return result.beats, sink


def good_from(chunks: Sequence[Chunk], t: float) -> float:
    """From when on, behind ``t``, every beat is good, and with it scored, s."""
    beats, _ = watched(chunks)
    later = [beat for beat in beats if t < beat.r < beats[-1].r - 1.5]  # what the end cuts is not good
    assert len(later) > 30
    bad = [beat.r for beat in later if not beat.good]
    return max(bad, default=t)


def calm(patient: int, seconds: float) -> Samples:
    x: Samples = simulate(seconds, FS, seed=11, index=patient, rates=CALM)[0][0]
    return x


@pytest.mark.parametrize("patient", range(6))
@pytest.mark.parametrize("rate", range(13, 25))
def test_a_very_slow_heart_is_told_of_once_and_until_it_is_over(rate: int, patient: int) -> None:
    x, span = simulated("bradycardia", patient, seconds=60.0, rate=float(rate), length=135.0)
    came = feed(chunks_of(x, FS, seconds=0.5))
    kinds = [one.kind for one in came]
    expected = {"bradycardia"}
    expected |= {"pause"} if rate <= 20 else set()  # 20/min is the limit of a pause, 15/min of asystole
    expected |= {"asystole"} if rate <= 15 else set()
    assert sorted(kinds) == sorted(expected)  # each once: none comes and goes
    slow, pauses = of(came, "bradycardia")[0], of(came, "pause")
    rr = 60.0 / rate
    assert span.start < slow.fed <= span.start + max(10.0, 2.02 * rr + 3.1)
    assert span.end - rr < slow.cleared <= span.end + 11
    for pause in pauses:
        at_the_limit = rate in {15, 20}  # intervals vary by a hundredth
        assert span.start < pause.fed <= span.start + (7 + rr if at_the_limit else 7)
        assert rate <= 15 or span.end < pause.cleared <= span.end + 18
    for asystole in of(came, "asystole"):
        assert asystole.fed <= span.start + (7 + rr if rate == 15 else 7)
        assert span.end - rr < asystole.cleared <= span.end + 9


@pytest.mark.parametrize("rate", [15, 18, 21, 23])
def test_the_rate_of_a_very_slow_heart_is_known(rate: int) -> None:
    x, span = simulated("bradycardia", 1, seconds=80.0, rate=float(rate), length=140.0)
    _, sink = watched(chunks_of(x[: round((span.end - 2) * FS)], FS))
    (state,) = sink.states.values()
    assert state["heart_rate"] == pytest.approx(rate, rel=0.03)
    assert "bradycardia" in {alert["kind"] for alert in state["alerts"]}


@pytest.mark.parametrize("patient", PATIENTS)
@pytest.mark.parametrize("seconds", [20.0, 35.0, 60.0, 90.0])
@pytest.mark.parametrize("kind", ["asystole", "standstill"])
def test_a_long_standstill_is_over_when_the_heart_beats_again(
    kind: str, seconds: float, patient: int
) -> None:
    x, span = simulated(kind, patient, seconds=seconds, length=40.0 + seconds + 60.0)
    chunks = chunks_of(x, FS)
    came = feed(chunks)
    assert [one.kind for one in came] == ["pause", "asystole"]
    assert came[1].fed <= span.start + 7
    p_waves = kind == "standstill" and seconds > 30  # by then the gate has learned their size
    assert span.end < came[1].cleared <= span.end + (12 if p_waves else 6)
    assert good_from(chunks, span.end - 0.1) <= span.end + (8 if p_waves else 3)


@pytest.mark.parametrize("patient", PATIENTS)
@pytest.mark.parametrize("gain", [4.0, 8.0, 20.0])
def test_a_signal_that_grows_is_scored_again_within_some_seconds(gain: float, patient: int) -> None:
    x = calm(patient, 180.0)
    x[: round(100 * FS)] /= gain
    chunks = chunks_of(x, FS)
    assert good_from(chunks, 100.0) <= 110.0
    assert feed(chunks) == []


@pytest.mark.parametrize("patient", PATIENTS)
def test_a_signal_that_shrinks_is_scored_on_and_said_to_be_asystole_for_two_minutes(patient: int) -> None:
    """P waves of a standstill look the same: the safe side, until no heart could stand still so long."""
    x = calm(patient, 280.0)
    x[round(60 * FS) :] *= 0.1
    chunks = chunks_of(x, FS)
    assert good_from(chunks, 60.0) <= 63.0
    came = feed(chunks)
    assert [one.kind for one in came] == ["pause", "asystole"]
    assert 60 + 115 < came[1].cleared < 60 + 130


@pytest.mark.parametrize("patient", PATIENTS)
@pytest.mark.parametrize("seconds", [25.0, 45.0, 80.0])
def test_poor_contact_for_a_while_blinds_nobody_afterwards(seconds: float, patient: int) -> None:
    x = calm(patient, 60.0 + seconds + 60.0)
    x[round(60 * FS) : round((60 + seconds) * FS)] *= 0.1
    chunks = chunks_of(x, FS)
    assert good_from(chunks, 60 + seconds + 0.5) <= 60 + seconds + 10
    came = feed(chunks)
    assert [one.kind for one in came] == ["pause", "asystole"]
    assert came[1].cleared <= 60 + seconds + 13


def test_noise_behind_a_standstill_is_not_taken_for_the_heart() -> None:
    x, span = simulated("standstill", 0, seconds=60.0, length=160.0)
    end = round(span.end * FS)
    noise = np.random.default_rng(3).standard_normal(len(x) - end)
    x[end:] += np.convolve(noise, np.ones(20) / 20, "same").astype(np.float32) * 4
    beats, sink = watched(chunks_of(x, FS))
    assert not any(beat.good for beat in beats if beat.r > span.end + 2)
    assert [(a.kind, a.state) for a in sink.alerts][-1] == ("noise", "raised")
