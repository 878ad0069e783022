"""The daemon, the devices and the straightforward loop behind a real Mosquitto, small and short."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from ecgmon.bench import live
from ecgmon.bench.growth import growth
from ecgmon.bench.live import LiveSettings
from ecgmon.bench.live_run import Latency, LiveRun

SETTINGS = LiveSettings(
    streams=[10], seconds=2.0, warm_up=6.0, qos=1, repetitions=1, peer_streams=1
)  # fmt: skip


@pytest.mark.usefixtures("needs_mosquitto")
def test_everything_that_is_sent_is_accounted_for(patients: list[Path], tmp_path: Path) -> None:
    said: list[str] = []
    report, found = live.run(patients, SETTINGS, tmp_path, {}, said.append)
    for n, (run,) in found.items():
        assert run.stream_seconds == pytest.approx(n * SETTINGS.seconds, abs=n + 1)
        assert (run.lost, run.refused, run.shed) == (0, 0, 0)
        assert run.messages > 5 * n
        assert 0 < run.compute <= run.daemon + 0.01
        assert run.beat.n > 0
        assert 0 < run.beat.p50 <= run.beat.p99
        assert run.bytes_loaded > 50_000_000
    (loop,) = report.result["straightforward"]
    assert loop["stream_seconds"] + loop["behind"] >= 1  # two busy cores may leave all of it waiting
    assert loop["loop"] > 0
    assert loop["failures"] == 0
    assert [row[1] for row in report.tables[0][1:]] == ["10", "1"]
    assert msgspec.json.decode(msgspec.json.encode(report.result))["runs"][0]["streams"] == 10
    assert growth(found).png.startswith(b"\x89PNG")


def made(streams: int, late: float = 0.004, waiting: int = 3, shed: int = 0) -> LiveRun:
    latency = Latency(p50=0.06, p99=0.2, bounds=[(0.05, 0.1), (0.1, 0.2)], n=100)
    return LiveRun(
        streams=streams, stream_seconds=10.0 * streams, daemon=500e-6, compute=400e-6, broker=40e-6,
        generator=60e-6, beat=latency, alert=latency, heard=Latency(p50=float("nan"), p99=float("nan")),
        bytes_ready=400_000_000, bytes_loaded=410_000_000 + 65_536 * streams, ready_seconds=2.0,
        ready_cpu=1.5, messages=10 * streams, lost=0, refused=0, shed=shed, late=late, waiting=waiting,
    )  # fmt: skip


def test_memory_of_a_stream_is_what_grew_beyond_the_smallest_run() -> None:
    table = live.service_table({10: [made(10)], 1000: [made(1000)]})
    column = table[0].index("KB/stream")
    assert [row[column] for row in table] == ["KB/stream", "-", "64"]


def test_a_generator_that_does_not_keep_up_is_named() -> None:
    slow = live.notes({10: [made(10)], 1000: [made(1000, late=0.7, waiting=1500)]}, [], (3.0, 2.0))
    assert any("LAG" in note and "700 ms at 1000" in note for note in slow)
    assert any("LAG" in note and "1500 at 1000" in note for note in slow)
    assert not any("LAG" in note for note in live.notes({10: [made(10)]}, [], (3.0, 2.0)))


def test_a_daemon_that_does_not_keep_up_is_named() -> None:
    said = live.notes({10: [made(10)], 1000: [made(1000, shed=70)]}, [], (3.0, 2.0))
    (note,) = (note for note in said if "OVERLOAD" in note)
    assert "70 of 10000 messages at 1000 streams" in note
