"""One run of the daemon, or of the straightforward loop, under load: what each process took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from ecgmon.bench.broker import Broker
from ecgmon.bench.daemon import Daemon, serving
from ecgmon.bench.generator import Load, Sent, generate
from ecgmon.bench.listener import Listener, listening
from ecgmon.bench.processes import Helper, cpu_seconds, main_thread_seconds, resident_bytes
from ecgmon.bench.scrape import Page, Quantile, quantile
from ecgmon.bench.straightforward import Done, watch

STAGES: Final = ("beat", "alert")
SETTLES: Final = 10.0
"""Seconds at most for what was sent to arrive."""


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds; of a histogram each with the bounds between which it lies."""

    p50: float
    p99: float
    bounds: list[tuple[float, float]] = []
    n: int = 0


class LiveRun(msgspec.Struct, frozen=True, kw_only=True):
    """CPU in s a stream-second, that is a chunk of one second, worked off in the time measured.

    compute        the daemon's first thread, which computes; a part of ``daemon``
    beat, alert    of the daemon's own histogram: from the arrival of the last sample until handed on
    heard          from the moment a device should have sent the deciding message until a subscriber had the
                   alert; lateness of the generator and both ways through the broker are in it
    bytes_ready, bytes_loaded    resident memory when ready, and at the end
    lost           messages that the broker had taken and the daemon never saw
    shed           chunks and messages that the daemon did not use
    """

    streams: int
    stream_seconds: float
    daemon: float
    compute: float
    broker: float
    generator: float
    beat: Latency
    alert: Latency
    heard: Latency
    bytes_ready: int
    bytes_loaded: int
    ready_seconds: float
    ready_cpu: float
    messages: int
    lost: int
    refused: int
    shed: int
    late: float
    waiting: int


class LoopRun(msgspec.Struct, frozen=True, kw_only=True):
    """The same for the straightforward loop. ``behind``: messages sent and not worked off at the end."""

    streams: int
    stream_seconds: float
    loop: float
    broker: float
    generator: float
    beats: int
    failures: int
    behind: int
    late: float


@contextmanager
def helper(target: Callable[..., None], *args: Any) -> Iterator[Helper]:
    """One for the time of a block."""
    process = Helper(target, *args)
    try:
        yield process
    finally:
        process.stop()


def run_daemon(folder: Path, broker: Broker, load: Load, warm_up: float, seconds: float) -> LiveRun:
    """``ecgmon serve`` under ``load``."""
    with (
        serving(folder, broker.url, load.streams, load.qos) as daemon,
        listening(broker.url) as listener,
        helper(generate, load) as devices,
    ):
        ready = resident_bytes(daemon.pid)
        devices.ask("start")
        time.sleep(warm_up)
        devices.ask("sent")
        before, pids = daemon.page(), (daemon.pid, broker.pid, devices.pid)
        cpu, compute, began = [cpu_seconds(pid) for pid in pids], main_thread_seconds(daemon.pid), time.time()
        time.sleep(seconds)
        took = [cpu_seconds(pid) - then for pid, then in zip(pids, cpu, strict=True)]
        compute = main_thread_seconds(daemon.pid) - compute
        after, loaded = daemon.page(), resident_bytes(daemon.pid)
        sent: Sent = devices.ask("stop")
        last = _settled(daemon, sent)
        chunks = after.total("ecgmon_chunks_total") - before.total("ecgmon_chunks_total")
        each = max(chunks, 1.0)
        beat, alert = (_latency(before, after, stage) for stage in STAGES)
        return LiveRun(
            streams=load.streams, stream_seconds=chunks,
            daemon=took[0] / each, compute=compute / each, broker=took[1] / each, generator=took[2] / each,
            beat=beat, alert=alert, heard=_heard(listener, sent.start, load.streams, began),
            bytes_ready=ready, bytes_loaded=loaded,
            ready_seconds=daemon.ready_seconds, ready_cpu=daemon.ready_cpu,
            messages=sent.messages, refused=sent.refused,
            lost=sent.messages - sent.refused - round(last.total("ecgmon_messages_total")),
            shed=round(last.total("ecgmon_drops_total")), late=sent.late, waiting=sent.waiting,
        )  # fmt: skip


def run_loop(broker: Broker, load: Load, warm_up: float, seconds: float) -> LoopRun:
    """The straightforward loop under ``load``."""
    with helper(watch, broker.url, load.qos) as loop, helper(generate, load) as devices:
        loop.ask("ready")
        devices.ask("start")
        time.sleep(warm_up)
        devices.ask("sent")
        pids = (loop.pid, broker.pid, devices.pid)
        before: Done = loop.ask("done")
        cpu = [cpu_seconds(pid) for pid in pids]
        time.sleep(seconds)
        took = [cpu_seconds(pid) - then for pid, then in zip(pids, cpu, strict=True)]
        after: Done = loop.ask("done")
        sent: Sent = devices.ask("stop")
        chunks = after.chunks - before.chunks
        each = max(chunks, 1)
        return LoopRun(
            streams=load.streams, stream_seconds=chunks,
            loop=took[0] / each, broker=took[1] / each, generator=took[2] / each,
            beats=after.beats - before.beats, failures=after.failures,
            behind=sent.messages - after.chunks, late=sent.late,
        )  # fmt: skip


def _settled(daemon: Daemon, sent: Sent) -> Page:
    """The daemon's page when all that was sent has arrived, or nothing more comes."""
    until, seen = time.monotonic() + SETTLES, -1.0
    while True:
        page = daemon.page()
        came = page.total("ecgmon_messages_total")
        if came >= sent.messages - sent.refused or time.monotonic() > until:
            return page
        if came == seen:
            until = min(until, time.monotonic() + 2.0)
        seen = came
        time.sleep(0.25)


def _latency(before: Page, after: Page, stage: str) -> Latency:
    label = f'stage="{stage}"'
    early, late = (page.buckets("ecgmon_latency_seconds", label) for page in (before, after))
    p50, p99 = (quantile(early, late, q) for q in (0.5, 0.99))
    n = round(max(late.values(), default=0.0) - max(early.values(), default=0.0))
    return Latency(p50=p50.value, p99=p99.value, bounds=[_bounds(p50), _bounds(p99)] if n else [], n=n)


def _bounds(q: Quantile) -> tuple[float, float]:
    return q.above, q.at_most


def _heard(listener: Listener, start: float, streams: int, after: float) -> Latency:
    delays = listener.delays(start, streams, after)
    if not delays:
        return Latency(p50=float("nan"), p99=float("nan"))
    p50, p99 = np.quantile(delays, [0.5, 0.99]).tolist()
    return Latency(p50=p50, p99=p99, n=len(delays))
