"""A ward for long: memory, threads and files stay as they are, and so does the latency.

    python -m tests.integration.soak --streams 200 --minutes 30
    python -m tests.integration.soak --streams 50 --minutes 1     a look whether it works

Devices send chunks of a second at real speed through a real Mosquitto. Prints a line every so often, and what
drifted after the first third; exits with 1 when something did.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ecgmon.bench.broker import mosquitto
from ecgmon.bench.scrape import Page, quantile
from tests.integration.load import Cost, cost, loaded, verdict

WARM: Final = 1 / 3
"""Share of the time that does not count: streams appear, patients are learned, nets are compiled."""

MAX_DRIFT: Final = 0.01
"""Of memory, after the warm part, in a run of ten minutes or more; a short one is not warm so soon."""

SHORT_DRIFT: Final = 0.10
LINES: Final = 12


@dataclass(frozen=True)
class Row:
    """One look at the daemon."""

    minute: float
    cost: Cost
    streams: float
    beats: float
    p50: float
    p99: float
    lost: float

    def text(self) -> str:
        return (
            f"{self.minute:6.1f} {self.cost.megabytes:9.1f} {self.cost.threads:8d} {self.cost.files:6d} "
            f"{self.streams:8.0f} {self.beats:10.0f} {self.p50:8.3f} {self.p99:8.3f} {self.lost:6.0f}"
        )


HEAD: Final = "minute    RSS MB  threads  files  streams      beats  p50 <= s  p99 <= s   lost"


def problems(rows: list[Row], streams: int, minutes: float) -> list[str]:
    """What drifted after the warm part."""
    calm = [row for row in rows if row.minute >= WARM * minutes]
    first, last = calm[0], calm[-1]
    allowed = MAX_DRIFT if minutes >= 10 else SHORT_DRIFT
    drift = last.cost.megabytes / first.cost.megabytes - 1
    found = []
    if drift > allowed:
        found.append(f"memory drifted by {100 * drift:.1f} %")
    if last.cost.threads > first.cost.threads or last.cost.files > first.cost.files:
        found.append("threads or files grew")
    if last.p99 > 2 * first.p99:
        found.append(f"p99 latency went from {first.p99:g} s to {last.p99:g} s")
    if last.lost:
        found.append(f"{last.lost:.0f} chunks were dropped")
    if last.streams != streams:
        found.append(f"{last.streams:.0f} streams, not {streams}")
    print(f"memory {100 * drift:+.2f} % after {first.minute:.1f} minutes")
    return found


def run(folder: Path, url: str, streams: int, minutes: float) -> list[Row]:
    """Rows as they come, also on the terminal."""
    rows: list[Row] = []
    print(HEAD, flush=True)
    with loaded(folder, url, streams, 1.0) as (served, devices):
        devices.send_at(float(streams))
        began, before = time.monotonic(), _latency(served.get("/metrics")[1])
        for number in range(1, LINES + 1):
            time.sleep(max(0.0, began + 60 * minutes * number / LINES - time.monotonic()))
            now = cost(served.process.pid)  # before it is asked, which takes threads of its own
            page = served.get("/metrics")[1]
            counts = _latency(page)
            lost = sum(
                float(line.rsplit(" ", 1)[1])
                for line in page.splitlines()
                if line.startswith("ecgmon_drops_total{")
            )
            rows.append(
                Row(
                    (time.monotonic() - began) / 60,
                    now,
                    served.metric("ecgmon_streams"),
                    served.metric("ecgmon_beats_total"),
                    quantile(before, counts, 0.5).at_most,
                    quantile(before, counts, 0.99).at_most,
                    lost,
                )
            )
            print(rows[-1].text(), flush=True)
            before = counts
    return rows


def _latency(page: str) -> dict[float, float]:
    """Beats at or under each bound, s, of the latency's histogram."""
    return Page.parse(page).buckets("ecgmon_latency_seconds", 'stage="beat"')


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=30.0)
    args = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    with tempfile.TemporaryDirectory() as folder, mosquitto(Path(folder)) as broker:
        found = problems(
            run(Path(folder), broker.url, args.streams, args.minutes), args.streams, args.minutes
        )
    return verdict(found)


if __name__ == "__main__":
    sys.exit(main())
