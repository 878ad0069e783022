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


WARM_UP: Final = 15
"""Seconds of each stream before: the first ones choose a lead and learn."""


def run(paths: Sequence[Path], streams: int, seconds: int, settings: dict[str, Any]) -> Report:
    """Feed ``seconds`` s of ``streams`` streams twice: once for the time, once under the profiler."""
    ward = Ward(paths, streams)
    ward.feed(WARM_UP)
    plain = _timed(lambda: ward.feed(seconds))
    profiler = cProfile.Profile()
    profiled = _timed(lambda: profiler.runcall(ward.feed, seconds))
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
            f"Shares are cProfile's, {profiled / plain:.1f} times as long: Python calls weigh more in them.",
        ],
    )  # fmt: skip


def _timed(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


class Ward:
    """A pipeline and its streams. Time passes by the messages, so that batches fill as they do live."""

    def __init__(self, paths: Sequence[Path], streams: int) -> None:
        self._played = [payloads(path) for path in paths]
        self._streams = streams
        self._at = 0  # messages fed
        self._now = 0.0
        scorer = Scorer(bundle.load("default"), "cpu")
        warm_up(scorer, PipelineSettings())
        metrics = Metrics(scorer.model_ref, scorer.threshold, scorer.beat_threshold)
        settings = PipelineSettings(max_streams=streams)
        self._pipeline = Pipeline(scorer, settings, [MemorySink()], [metrics], lambda: self._now)

    def feed(self, seconds: int) -> None:
        """As the daemon gets it: one message of each stream, then the next of each."""
        for k in range(self._at, self._at + self._streams * seconds):
            second, stream = divmod(k, self._streams)
            played = self._played[stream % len(self._played)]
            payload = played[(stream // len(self._played) * APART + second) % len(played)]
            SEQ.pack_into(payload, 8, second)
            TIME.pack_into(payload, 20, k / self._streams)
            self._now = 1.0 + k / self._streams
            self._pipeline.feed(decode(bytes(payload), stream=name_of(stream)))
        self._at += self._streams * seconds
        if self._pipeline.observer_failures:
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
