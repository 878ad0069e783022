"""Daemon or broker are killed while a ward is being watched; the alerts must be those of an undisturbed run.

::

    python -m tests.integration.faults --long

Prints a table and exits with 1 when alerts are lost or invented. Short forms are in ``test_faults.py``.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import pytest

from tests.integration.conftest import mosquitto_or_skip
from tests.integration.watched_ward import LAZY, QUEUES, START, Broker, Daemon, Devices, Listener, Plan

Fault = Literal["none", "daemon", "broker", "broker-kill"]
FAULTS: Final[tuple[Fault, ...]] = ("none", "daemon", "broker", "broker-kill")
"""What is done to whom: SIGKILL to the daemon; SIGTERM to the broker, which then saves what it holds; SIGKILL
to the broker, which may forget the last messages that it had acknowledged: those then show as gaps."""


@dataclass
class Outcome:
    """What came of a run."""

    kills: int = 0
    alerts: list[tuple[str, str, str]] = field(default_factory=list)
    """(stream, id, state), repeats and all."""
    ready: list[float] = field(default_factory=list)
    """From the start of a daemon to /readyz, s."""
    restored: list[int] = field(default_factory=list)
    """Streams that each restart found."""
    messages: int = 0
    gaps: float = 0.0
    restarts: float = 0.0

    @property
    def ids(self) -> set[str]:
        return {alert for _, alert, _ in self.alerts}

    @property
    def changes(self) -> set[tuple[str, str, str]]:
        return set(self.alerts)

    @property
    def repeats(self) -> int:
        return len(self.alerts) - len(self.changes)


def watch(plan: Plan, fault: Fault, broker: Broker, folder: Path) -> Outcome:
    """Play the plan past a daemon, with ``fault`` happening ``plan.kills`` times at random moments."""
    outcome = Outcome()
    devices, daemon = Devices(plan, broker.url), Daemon(folder, broker.url, plan.streams)
    try:
        with Listener(broker.url) as listener:
            outcome.ready.append(daemon.start())
            devices.start()
            if fault != "none":
                _harm(plan, fault, broker, daemon, outcome)
            devices.finish()
            _wait_for_the_end(plan, devices.streams, listener, daemon)
            outcome.gaps = daemon.metric("ecgmon_gaps_total")
            outcome.restarts = daemon.metric("ecgmon_stream_restarts_total")
            daemon.end(signal.SIGTERM)
            time.sleep(1.0)
            outcome.alerts, outcome.messages = list(listener.alerts), devices.messages
    finally:
        daemon.end(signal.SIGKILL)
    assert "Traceback" not in daemon.log.read_text()
    return outcome


def _harm(plan: Plan, fault: Fault, broker: Broker, daemon: Daemon, outcome: Outcome) -> None:
    moments = random.Random(plan.seed)
    began, length = time.monotonic(), plan.seconds / plan.speed
    for at in sorted(moments.uniform(0.1, 0.95) * length for _ in range(plan.kills)):
        time.sleep(max(0.0, began + at - time.monotonic()))
        outcome.kills += 1
        if fault == "daemon":
            daemon.end(signal.SIGKILL)
            outcome.ready.append(daemon.start())
            outcome.restored.append(int(daemon.metric("ecgmon_state_restored_streams")))
        else:
            (broker.stop if fault == "broker" else broker.kill)()
            time.sleep(moments.uniform(0.0, 1.0))
            broker.start()


def _wait_for_the_end(plan: Plan, streams: list[str], listener: Listener, daemon: Daemon) -> None:
    """Until every stream has come to its last seconds, and nothing waits."""

    def there() -> bool:
        return all(listener.times.get(name, 0.0) >= START + plan.seconds - 4.0 for name in streams)

    until = time.monotonic() + 60 + plan.seconds / plan.speed
    while not (there() and daemon.metric("ecgmon_queue_depth") == 0):
        if time.monotonic() > until:
            late = {name: listener.times.get(name, 0.0) - START for name in streams}
            pytest.fail(f"the streams did not come to their end: {late}\n{daemon.log.read_text()[-3000:]}")
        time.sleep(0.2)
    time.sleep(2.0)


def compare(undisturbed: Outcome, disturbed: Outcome) -> None:
    assert undisturbed.ids
    assert disturbed.ids - undisturbed.ids == set(), "invented"
    assert undisturbed.ids - disturbed.ids == set(), "lost"
    assert disturbed.changes == undisturbed.changes


def table(plan: Plan, outcomes: dict[Fault, Outcome]) -> str:
    """What the long form prints."""
    reference = outcomes["none"].ids
    title = "{} streams, {:g} s of MIT-BIH at {:g}x, seed {}"
    form = "{:11} {:>5} {:>7} {:>6} {:>5} {:>9} {:>8} {:>5} {:>9} {:>9} {:>16} {:>6}".format
    lines = [
        title.format(plan.streams, plan.seconds, plan.speed, plan.seed),
        form("fault", "kills", "chunks", "alerts", "lost", "invented", "repeats", "gaps", "restarts",
             "restored", "ready, median s", "worst"),
    ]  # fmt: skip
    for fault, o in outcomes.items():
        ready = sorted(o.ready[1:]) or o.ready
        lost, invented = len(reference - o.ids), len(o.ids - reference)
        restored = f"{min(o.restored)}/{plan.streams}" if o.restored else "-"
        times = f"{ready[len(ready) // 2]:.1f}", f"{ready[-1]:.1f}"
        lines.append(form(fault, o.kills, o.messages, len(o.ids), lost, invented, o.repeats, round(o.gaps),
                          round(o.restarts), restored, *times))  # fmt: skip
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--long", action="store_true", help="50 streams, 10 kills of the daemon")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("ECGMON_DATA", "data")) / "mitdb")
    parser.add_argument("--streams", type=int)
    parser.add_argument("--seconds", type=float, help="of signal")
    parser.add_argument("--speed", type=float, default=10.0)
    parser.add_argument("--kills", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", nargs="+", choices=FAULTS[1:], default=FAULTS[1:])
    args = parser.parse_args()
    streams, seconds, kills = (
        (50, 900.0, {"daemon": 10, "broker": 20, "broker-kill": 20}) if args.long else (6, 240.0, {})
    )
    outcomes: dict[Fault, Outcome] = {}
    for fault in ("none", *args.faults):
        plan = Plan(
            args.data, args.streams or streams, args.seconds or seconds, args.speed,
            args.kills or kills.get(fault, 2), args.seed,
        )  # fmt: skip
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "mosquitto").mkdir()
            broker = mosquitto_or_skip(folder / "mosquitto")
            broker.configure(QUEUES if fault == "broker-kill" else LAZY)
            broker.start()
            try:
                outcomes[fault] = watch(plan, fault, broker, folder)
            finally:
                broker.stop()
        print(table(plan, outcomes), flush=True)
    kept = [o for fault, o in outcomes.items() if fault != "broker-kill"]
    return int(any(o.changes != kept[0].changes for o in kept))


if __name__ == "__main__":
    sys.exit(main())
