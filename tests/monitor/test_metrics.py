"""The page that Prometheus reads, judged by Prometheus's own tool."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable

import pytest

from ecgmon.ecg.types import Chunk, ModelRef
from ecgmon.monitor.metrics import Metrics
from ecgmon.monitor.pipeline import Pipeline, PipelineSettings, Scorer
from ecgmon.sinks.memory import MemorySink

SOURCE_STATS = {
    "received": {"messages": 12, "bytes": 3456},
    "rejected": {"format": 3, "fs": 1},
    "dropped": {"queue-full": 2},
    "now": {"queued": 5, "connected": 1, "attempts": 4},
}
SINK_STATS = {
    "delivered": 7,
    "failed": 0,
    "waiting": 1,
    "shed": 0,
    "disk_errors": 0,
    "connected": 0,
    "attempts": 9,
    "durable": 1,
}


@pytest.fixture
def metrics(ward: Callable[..., list[Chunk]], new_scorer: Callable[[], Scorer]) -> Metrics:
    metrics = Metrics(ModelRef(name="default", hash="abc"), 0.001, 0.01)
    pipeline = Pipeline(new_scorer(), PipelineSettings(), [MemorySink()], [metrics])
    metrics.add_totals(lambda: pipeline.waiting, lambda: SOURCE_STATS, {"mqtt": lambda: SINK_STATS})
    chunks = ward(seconds=60.0, seed=3, rates={"pvc": 900.0, "run": 240.0})
    for chunk in (*chunks[:3], *chunks[2:]):
        pipeline.feed(chunk)
    pipeline.flush()
    return metrics


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_what_went_through_is_counted(metrics: Metrics) -> None:
    assert value(metrics, "ecgmon_chunks_total") == 61
    assert value(metrics, "ecgmon_samples_total") == 61 * 2 * 250
    beats = value(metrics, "ecgmon_beats_total")
    scored = value(metrics, "ecgmon_beats_scored_total")
    bad = value(metrics, "ecgmon_beats_not_good_total")
    assert beats is not None
    assert scored is not None
    assert bad is not None
    assert beats == scored + bad > 50
    assert value(metrics, "ecgmon_p_value_count") == value(metrics, "ecgmon_score_count") == scored
    assert value(metrics, "ecgmon_latency_seconds_count", stage="beat") == beats
    assert value(metrics, "ecgmon_streams") == 0
    assert value(metrics, "ecgmon_alerts_total", kind="anomalous-beats", state="raised") == value(
        metrics, "ecgmon_alerts_total", kind="anomalous-beats", state="cleared"
    )


def test_drops_of_every_stage_stand_in_one_family(metrics: Metrics) -> None:
    assert value(metrics, "ecgmon_drops_total", stage="pipeline", reason="repeat") == 1
    assert value(metrics, "ecgmon_drops_total", stage="pipeline", reason="unusable") == 0
    assert value(metrics, "ecgmon_drops_total", stage="source", reason="format") == 3
    assert value(metrics, "ecgmon_drops_total", stage="source", reason="queue-full") == 2


def test_source_and_sinks_are_read_at_the_scrape(metrics: Metrics) -> None:
    assert value(metrics, "ecgmon_messages_total") == 12
    assert value(metrics, "ecgmon_queue_depth", stage="source") == 5
    assert value(metrics, "ecgmon_queue_depth", stage="mqtt") == 1
    assert value(metrics, "ecgmon_broker_connected", stage="source") == 1
    assert value(metrics, "ecgmon_broker_connected", stage="mqtt") == 0
    assert value(metrics, "ecgmon_sink_alerts_total", stage="mqtt", state="delivered") == 7
    assert value(metrics, "ecgmon_outbox_durable", stage="mqtt") == 1


def test_both_thresholds_are_told(metrics: Metrics) -> None:
    assert value(metrics, "ecgmon_threshold") == 0.001
    assert value(metrics, "ecgmon_beat_threshold") == 0.01


def test_no_metric_names_a_stream(metrics: Metrics) -> None:
    _, page = metrics.page()
    assert b"sim-001" not in page
    assert b'ecgmon_model_info{hash="abc",name="default"} 1.0' in page


def test_promtool_finds_nothing_to_complain_about(metrics: Metrics) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        reason = "promtool is not installed: it comes with prometheus"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=metrics.page()[1], capture_output=True, check=False, timeout=60
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


def test_what_may_come_to_pass_is_shown_as_zero_from_the_start() -> None:
    """Else a rate would not see the first time."""
    metrics = Metrics()
    assert value(metrics, "ecgmon_alerts_total", kind="asystole", state="raised") == 0
    assert value(metrics, "ecgmon_signal_not_good_seconds_total", reason="flat") == 0
    assert value(metrics, "ecgmon_stream_restarts_total", reason="clock-step") == 0
    assert value(metrics, "ecgmon_reloads_total", state="refused") == 0
