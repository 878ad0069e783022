"""Alarms on real recordings: what is in them, and what is done to them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import wfdb

from ecgmon.ecg.aami import CLASS_OF
from ecgmon.ecg.types import Alert, Samples
from ecgmon.monitor.pipeline import Pipeline, PipelineSettings
from ecgmon.sinks.memory import MemorySink
from ecgmon.sources.memory import chunks_of

FS = 360.0
BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "alarms.py"


def read(
    mitdb: Path, name: str, first: float, seconds: float
) -> tuple[Samples, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """First lead, mV, and annotated beats, s, of a part of a record."""
    begin, end = round(first * FS), round((first + seconds) * FS)
    x = wfdb.rdrecord(str(mitdb / name), sampfrom=begin, sampto=end).p_signal[:, 0].astype(np.float32)
    marks = wfdb.rdann(str(mitdb / name), "atr", sampfrom=begin, sampto=end)
    beats = [s for s, symbol in zip(marks.sample, marks.symbol, strict=True) if symbol in CLASS_OF]
    return x, (np.array(beats) - begin) / FS


def feed(x: Samples, seconds: float = 1.0) -> list[tuple[Alert, float]]:
    """Every alert and how much signal had been fed when it came, s."""
    sink = MemorySink()
    pipeline = Pipeline(None, PipelineSettings(), [sink], clock=lambda: 0.0, strict=True)
    came: list[tuple[Alert, float]] = []
    fed = 0.0
    for chunk in chunks_of(x, FS, seconds=seconds):
        fed += chunk.samples.shape[1] / FS
        pipeline.feed(chunk)
        came += [(alert, fed) for alert in sink.alerts[len(came) :]]
    return came


def stopped(
    x: Samples, beats: np.ndarray[tuple[int], np.dtype[np.float64]], at: float, seconds: float, noise: float
) -> float:
    """Takes the beats out of ``x`` from behind the one before ``at`` on; returns the time of that one, s.

    What is left is a breathing baseline and ``noise`` mV of the skin; nothing at all where that is 0.
    """
    last = float(beats[beats < at][-1])
    begin = round((last + 0.45) * FS)
    n = round(seconds * FS)
    t = np.arange(n) / FS
    rng = np.random.default_rng(5)
    breath = 0.05 * np.sin(2 * np.pi * 0.25 * t) if noise else np.zeros(n)
    x[begin : begin + n] = x[begin] + breath + noise * rng.standard_normal(n)
    return last


@pytest.mark.parametrize("name", ["100", "103", "105", "113", "119", "122", "209", "213", "231"])
@pytest.mark.parametrize("noise", [0.006, 0.015, 0.03])
def test_a_heart_that_stops_in_a_real_recording_is_asystole_within_seven_seconds(
    mitdb: Path, name: str, noise: float
) -> None:
    x, beats = read(mitdb, name, 300, 90)
    last = stopped(x, beats, 45.0, 20.0, noise)
    came = [(a, fed) for a, fed in feed(x) if a.kind in {"asystole", "lead-off"}]
    assert [(a.kind, a.state) for a, _ in came] == [("asystole", "raised"), ("asystole", "cleared")]
    assert came[0][0].onset == pytest.approx(last, abs=0.15)
    assert came[0][1] <= last + 7.2  # onset by annotation
    assert last + 20 < came[1][1] <= last + 30


@pytest.mark.parametrize("name", ["100", "103", "105", "113", "119", "122", "209", "213", "231"])
def test_a_real_recording_whose_line_goes_dead_is_lead_off_within_five_seconds(
    mitdb: Path, name: str
) -> None:
    x, beats = read(mitdb, name, 300, 90)
    last = stopped(x, beats, 45.0, 20.0, 0.0)
    came = [(a, fed) for a, fed in feed(x) if a.kind in {"asystole", "pause", "lead-off"}]
    assert [(a.kind, a.state) for a, _ in came] == [("lead-off", "raised"), ("lead-off", "cleared")]
    assert came[0][1] <= last + 0.45 + 5
    assert last + 20 < came[1][1] <= last + 28


@pytest.mark.parametrize(("name", "at"), [("116", 1354.0), ("208", 1383.0), ("203", 1488.0)])
def test_an_electrode_that_is_knocked_off_for_seconds_is_no_asystole(
    mitdb: Path, name: str, at: float
) -> None:
    x, _ = read(mitdb, name, at - 60, 90)
    assert {a.kind for a, _ in feed(x)} <= {"tachycardia", "noise"}


def test_the_pauses_of_232_are_told_of_and_nothing_else_is(mitdb: Path) -> None:
    x, beats = read(mitdb, "232", 1040, 100)
    came = [a for a, _ in feed(x) if a.state == "raised"]
    long = [(float(b), float(d)) for b, d in zip(beats, np.diff(beats), strict=False) if d >= 3.0]
    assert len(long) == 3
    for begin, length in long:
        kinds = {a.kind for a in came if abs(a.onset - begin) < 0.15}
        assert kinds == ({"pause", "asystole"} if length >= 4 else {"pause"})
    assert {a.kind for a in came} == {"pause", "asystole", "bradycardia"}
    rates = 240.0 / (beats[4:] - beats[:-4])  # of four annotated intervals
    for a in came:
        during = (beats[4:] > a.onset) & (beats[:-4] < a.end)
        assert a.kind != "bradycardia" or rates[during].min() < 40


def test_the_benchmark_says_which_alarms_are_true(mitdb: Path) -> None:
    """Sinus rhythm raises none; the electrode of 116 none; the arrest of 232 is borne out."""
    command = [sys.executable, str(BENCHMARK), "--data", str(mitdb), "--records", "100,116,232"]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=240)
    rows = [line.split() for line in run.stdout.splitlines()]
    counts = {row[0]: row[1:6] for row in rows[1:4]}
    assert counts["100"] == counts["116"] == ["-"] * 5
    assert int(counts["232"][0]) >= 12
    assert counts["232"][4] == "-"
    told = [row for row in rows if len(row) == 7 and row[1] in {"asystole", "pause", "lead-off"}]
    assert len(told) >= 40
    assert {row[5] for row in told} == {"yes"}
    assert all(float(row[6]) <= 7.0 for row in told)
