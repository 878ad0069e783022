"""What the live page costs the compute thread and each stream while nobody looks, and what one viewer costs.

    python tests/benchmarks/page.py

CPU time per second of a stream: 360 Hz, two leads, chunks of a second, 75 beats a minute; the smallest and
the median of the rounds. A viewer: of a wall of 300 streams, 72 in sight, per second.
"""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from ecgmon.ecg.types import Beat, Chunk, Quality, Score
from ecgmon.monitor.web.asked import Query
from ecgmon.monitor.web.feed import Facts, Feed, Wish
from ecgmon.monitor.web.statuses import Statuses
from ecgmon.monitor.web.store import RecentStore, StoreSink

STREAMS = 300
SEEN = 72
ROUNDS = 60
FS = 360.0
LEADS = ("II", "V1")
RANDOM = np.random.default_rng(1)
NAMES = [f"bed-{n:03d}" for n in range(STREAMS)]


def window() -> Any:
    return RANDOM.normal(size=187).astype(np.float32)


def a_beat(k: int) -> tuple[Beat, Score]:
    r = float(k * 0.8 + RANDOM.random())
    rr = 0.8 + float(RANDOM.random()) / 9
    parts = {name: float(RANDOM.random()) for name in ("pre_qrs", "qrs", "st_t", "rhythm")}
    score = Score(float(RANDOM.random()), float(RANDOM.random()), False, False, parts, window(), window())
    return Beat(k, r, r + 1.0, window(), 1.0, rr, rr, True), score


def a_chunk(name: str, k: int) -> Chunk:
    samples = RANDOM.normal(0, 0.3, (2, int(FS))).astype(np.float32)
    return Chunk(name, FS, LEADS, samples, 1.7e9 + k, k, received=time.monotonic())


def a_state(name: str, k: int) -> dict[str, Any]:
    known = {"schema": "ecgmon.stream/1", "stream": name, "state": "live", "time": 1.7e9 + k}
    return {**known, "quality": "good", "heart_rate": 75.0 + k / 99, "beats": k, "odd_beats": 0, "alerts": []}


def a_round(store: RecentStore, sink: StoreSink, k: int) -> float:
    """CPU seconds for one second of all streams."""
    chunks = [a_chunk(name, k) for name in NAMES]
    beats = [(name, *a_beat(k)) for name in [*NAMES, *NAMES[::4]]]
    seconds = [(name, Quality(k, extents=(0.1, 0.2, 0.3, 0.4, 0.5))) for name in NAMES]
    states = [(name, a_state(name, k)) for name in NAMES[k % 5 :: 5]]
    gc.disable()
    began = time.process_time()
    for chunk in chunks:
        store.chunk(chunk)
    for name, beat, score in beats:
        store.beat(name, beat, score, 0.1)
    for name, second in seconds:
        store.quality(name, second)
    for name, state in states:
        sink.state(name, state)
    took = time.process_time() - began
    gc.enable()
    return took


def a_store() -> tuple[RecentStore, StoreSink]:
    selector = SimpleNamespace(lead="II")
    live: dict[str, Any] = {name: SimpleNamespace(epoch=1.7e9, selector=selector) for name in NAMES}
    store = RecentStore(lambda: live, time.monotonic, 500)
    return store, StoreSink(store)


def shown(name: str, values: list[float], unit: float, what: str) -> None:
    print(f"{name:<28}{min(values) * unit:8.2f} {np.median(values) * unit:8.2f}  {what}")


def a_viewer(store: RecentStore, sink: StoreSink, more: Callable[[], int]) -> list[float]:
    """CPU seconds for a second of looking."""
    feed = Feed(store, Facts("m", 0.009, 0.01), 1, list)
    see = ",".join(str(n + 1) for n in range(SEEN))
    view = feed.view(Wish.of(Query(f"run={store.run}&see={see}", ("run", "see")), store.run))
    took = []
    for _ in range(20):
        a_round(store, sink, more())
        strips = {strip.id: strip for strip in store.strips()}
        began = time.process_time()
        feed.statuses = Statuses(store)  # nobody else looks
        size = len(view._status())
        for _ in range(5):
            size += sum(map(len, view._news(strips)))
        took.append(time.process_time() - began)
    print(f"{size / 1e3:.0f} KB a second")
    return took


def main() -> None:
    warm = a_store()
    for k in range(3):
        a_round(*warm, k)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    store, sink = a_store()
    for k in range(70):  # until everything that is kept is full
        a_round(store, sink, k)
    gc.collect()
    kept = (tracemalloc.get_traced_memory()[0] - before) / STREAMS
    tracemalloc.stop()
    print(f"{'':<28}{'least':>8} {'median':>8}")
    took = [a_round(store, sink, k) for k in range(70, 70 + ROUNDS)]
    shown("nobody looks", took, 1e6 / STREAMS, "us CPU per stream-second")
    print(f"{'':<28}{kept / 1024:8.2f} {'':>8}  KB per stream")
    count = iter(range(70 + ROUNDS, 10**6))
    shown("one viewer", a_viewer(store, sink, lambda: next(count)), 1e3, "ms CPU a second")


if __name__ == "__main__":
    main()
