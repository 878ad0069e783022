"""``bench live --profile``: where a stream-second goes. Not the daemon itself: its decoding and its pipeline,
with its observers, in one thread, fed from memory as fast as it goes; no broker, no sockets, no outbox."""

from __future__ import annotations

import cProfile
import pstats
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from ecgmon.bench.generator import APART, SEQ, TIME, name_of, payloads
from ecgmon.bench.report import Report
from ecgmon.model import bundle
from ecgmon.model.scoring import Scorer
from ecgmon.monitor.metrics import Metrics
from ecgmon.monitor.pipeline import Pipeline
from ecgmon.monitor.pipeline_settings import PipelineSettings
from ecgmon.monitor.warm_up import warm_up
from ecgmon.sinks.memory import MemorySink
from ecgmon.transport.payloads import decode

Function = tuple[str, int, str]

SECTIONS: Final = (
    ("decode", ("ecgmon/transport/",)),
    ("frontend", ("ecgmon/ecg/",)),
    ("score", ("ecgmon/model/",)),
    ("policies", ("ecgmon/monitor/policies/", "ecgmon/monitor/alerting", "ecgmon/monitor/findings",
                  "ecgmon/monitor/evidence")),
    ("metrics", ("ecgmon/monitor/metrics", "ecgmon/monitor/drift", "ecgmon/monitor/observers")),
    ("publish", ("ecgmon/monitor/delivery", "ecgmon/sinks/")),
    ("pipeline", ("ecgmon/monitor/",)),
)  # fmt: skip
"""Of the way, and the files whose functions are on it; what numpy and torch do counts for who calls them."""

ROUNDS: Final = 60
"""Calls between others' functions that are followed up to one of ours."""


def run(paths: Sequence[Path], streams: int, seconds: int, settings: dict[str, Any]) -> Report:
    """Feed ``seconds`` s of ``streams`` streams twice: once for the time, once under the profiler."""
    played = [payloads(path) for path in paths]
    scorer = Scorer(bundle.load("default"), "cpu")
    warm_up(scorer, PipelineSettings())
    plain = _timed(lambda: _drive(played, scorer, streams, seconds))
    profiler = cProfile.Profile()
    profiled = _timed(lambda: profiler.runcall(_drive, played, scorer, streams, seconds))
    times = sections(pstats.Stats(profiler))
    total, each = sum(times.values()), streams * seconds
    us = {name: t / total * plain / each * 1e6 for name, t in sorted(times.items(), key=lambda x: -x[1])}
    table = [["", "us a stream-second", "share"]]
    table += [[name, f"{value:.0f}", f"{times[name] / total:.0%}"] for name, value in us.items()]
    table.append(["all", f"{plain / each * 1e6:.0f}", ""])
    return Report(
        "live --profile", settings | {"streams": streams, "seconds": seconds}, [table],
        {"unit": "CPU us a stream-second", "all": plain / each * 1e6, "sections": us},
        [
            "The daemon's pipeline offline: decode, feed, sinks in memory, metrics; one thread, no broker.",
            f"Shares are cProfile's, which took {profiled / plain:.1f} times as long: Python calls weigh more.",
        ],
    )  # fmt: skip


def _timed(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _drive(played: Sequence[Sequence[bytearray]], scorer: Scorer, streams: int, seconds: int) -> None:
    """As the daemon gets it: one message of each stream, then the next of each. Time passes by the messages,
    so that batches fill as they do live."""
    now = [0.0]
    metrics = Metrics(scorer.model_ref, scorer.threshold, scorer.beat_threshold)
    settings = PipelineSettings(max_streams=streams)
    pipeline = Pipeline(scorer, settings, [MemorySink()], [metrics], lambda: now[0])
    for k in range(streams * seconds):
        second, stream = divmod(k, streams)
        of = played[stream % len(played)]
        payload = of[(stream // len(played) * APART + second) % len(of)]
        SEQ.pack_into(payload, 8, second)
        TIME.pack_into(payload, 20, k / streams)
        now[0] = 1.0 + k / streams
        pipeline.feed(decode(bytes(payload), stream=name_of(stream)))
    pipeline.flush()
    if pipeline.observer_failures:
        raise RuntimeError("the metrics failed: see the log")


def sections(stats: pstats.Stats) -> dict[str, float]:
    """Seconds by :data:`SECTIONS`: own time of their functions, and of others' by who called them."""
    table: dict[Function, Any] = stats.stats  # type: ignore[attr-defined]
    found: dict[str, float] = defaultdict(float)
    waiting = {function: own for function, (_, _, own, _, _) in table.items()}
    for _ in range(ROUNDS):
        passed: dict[Function, float] = defaultdict(float)
        for function, seconds in waiting.items():
            section, callers = _section(function), table[function][4]
            if section is not None or not callers:
                found[section or "other"] += seconds
                continue
            weights = {caller: max(calls[3], 1e-9) for caller, calls in callers.items()}
            for caller, weight in weights.items():
                passed[caller] += seconds * weight / sum(weights.values())
        waiting = passed
    found["other"] += sum(waiting.values())
    return {name: seconds for name, seconds in found.items() if seconds > 0}


def _section(function: Function) -> str | None:
    path = function[0].replace("\\", "/")
    return next((name for name, parts in SECTIONS if any(part in path for part in parts)), None)
