"""Devices that send three times what a daemon can take: it sheds raw data, counts it, stays small, recovers.

    python -m tests.integration.pressure --seconds 120

First the daemon's limit is measured, then three times as much is sent for so long, then a third. Prints a
table and exits with 1 when something does not hold.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ecgmon.bench.broker import mosquitto
from tests.integration.load import Cost, Devices, cost, loaded, verdict
from tests.integration.test_serve_mqtt import Daemon

STREAMS: Final = 200
CHUNK_SECONDS: Final = 10.0
"""Long ones: cheap to receive, much to compute, so that the pipeline is what falls behind."""

QUEUE: Final = 500
"""Chunks that may wait."""

MAX_GROWTH: Final = 60.0
"""MB between one quarter of the pressure and its end."""

RECOVERY: Final = 20.0
"""Seconds after which nothing may wait any more."""


@dataclass(frozen=True)
class Outcome:
    """What was seen."""

    limit: float
    offered: float
    taken: float
    shed: float
    alerts_shed: float
    alerts_delivered: float
    shedding_shown: bool
    alive: bool
    early: Cost
    late: Cost
    recovery: float
    calm_after: bool

    def problems(self) -> list[str]:
        checks = {
            "nothing was shed: this was no pressure": self.shed > 0,
            "alerts were shed": self.alerts_shed == 0,
            "no alert was delivered": self.alerts_delivered > 0,
            "/readyz showed no shedding": self.shedding_shown,
            "/healthz failed": self.alive,
            f"memory grew by more than {MAX_GROWTH:g} MB": self.late.megabytes - self.early.megabytes
            < MAX_GROWTH,
            f"it took longer than {RECOVERY:g} s to recover": self.recovery < RECOVERY,
            "something was shed after the pressure": self.calm_after,
        }
        return [text for text, holds in checks.items() if not holds]

    def table(self) -> str:
        rows = {
            "limit": f"{self.limit:.0f} chunks/s of {CHUNK_SECONDS:g} s",
            "offered": f"{self.offered:.0f} chunks/s, {self.offered / self.limit:.1f} times as many",
            "taken under pressure": f"{self.taken:.0f} chunks/s",
            "chunks shed": f"{self.shed:.0f}",
            "alerts shed": f"{self.alerts_shed:.0f}, delivered {self.alerts_delivered:.0f}",
            "shedding in /readyz": str(self.shedding_shown),
            "memory": f"{self.early.megabytes:.0f} MB early, {self.late.megabytes:.0f} MB late",
            "threads, files": f"{self.late.threads}, {self.late.files}",
            "recovery": f"{self.recovery:.1f} s until nothing waits",
        }
        return "\n".join(f"{name:<24}{value}" for name, value in rows.items())


def shed(served: Daemon) -> float:
    return served.metric('ecgmon_drops_total{reason="queue-full",stage="source"}')


def rate(served: Daemon, devices: Devices, seconds: float) -> tuple[float, float]:
    """Chunks that are worked off, and sent, in a second."""
    before, sent, began = served.metric("ecgmon_chunks_total"), devices.sent, time.monotonic()
    time.sleep(seconds)
    took = time.monotonic() - began
    return (served.metric("ecgmon_chunks_total") - before) / took, (devices.sent - sent) / took


def wait_until(what: Callable[[], bool], longest: float) -> float:
    began = time.monotonic()
    while not what() and time.monotonic() - began < longest:
        time.sleep(0.1)
    return time.monotonic() - began


def run(folder: Path, url: str, seconds: float) -> Outcome:
    """Learn the limit, press for ``seconds``, let go."""
    with loaded(folder, url, STREAMS, CHUNK_SECONDS, qos=0, queue_chunks=QUEUE) as (served, devices):
        devices.send_at(20.0)
        served.wait(lambda: served.metric("ecgmon_beats_scored_total") > 0)  # compiled, warm
        devices.send_at(1500.0)
        served.wait(lambda: shed(served) > 0)
        limit, _ = rate(served, devices, max(3.0, seconds / 10))
        devices.send_at(3 * limit)
        time.sleep(seconds / 4)
        early = cost(served.process.pid)
        taken, offered = rate(served, devices, 3 * seconds / 4)
        late = cost(served.process.pid)
        shown = json.loads(served.get("/readyz")[1])["shedding"]
        alive = served.get("/healthz")[0] == 200
        lost = shed(served)
        devices.send_at(limit / 3)
        recovery = wait_until(lambda: served.metric('ecgmon_queue_depth{stage="source"}') < 20, 2 * RECOVERY)
        after = shed(served)
        time.sleep(2.0)
        calm = shed(served) == after
        return Outcome(
            limit, offered, taken, lost,
            served.metric('ecgmon_sink_alerts_total{stage="mqtt",state="shed"}'),
            served.metric('ecgmon_sink_alerts_total{stage="mqtt",state="delivered"}'),
            shown["now"] and shown["chunks"] > 0 and shown["alerts"] == 0,
            alive, early, late, recovery, calm,
        )  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=120.0)
    args = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    with tempfile.TemporaryDirectory() as folder, mosquitto(Path(folder)) as broker:
        outcome = run(Path(folder), broker.url, args.seconds)
    print(outcome.table())
    return verdict(outcome.problems())


if __name__ == "__main__":
    sys.exit(main())
