"""Nothing is lost and nothing invented when daemon or broker are killed while a ward is being watched.

The alerts delivered must be those of an undisturbed run, by id. Short here; the long form prints a table::

    python tests/integration/test_faults.py --long
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, Protocol

import pytest
import yaml

from ecgmon.config import convert
from ecgmon.ecg.types import Chunk
from ecgmon.sources.wfdb import WfdbSettings, WfdbSource
from ecgmon.transport.broker import BrokerSettings
from ecgmon.transport.connection import Connection
from ecgmon.transport.messages import Handlers, Incoming, Message
from ecgmon.transport.payloads import encode
from ecgmon.transport.sender import Sender

START = 1.7e9
BRIEF = {"anomalous_beats": {"clear_beats": 8, "clear_seconds": 15.0}}
"""Alerts that end soon, so that there are many."""

QUEUES = "max_queued_messages 0\nmax_inflight_messages 1000\n"
LAZY = QUEUES + "autosave_interval 3600\nautosave_on_changes false\n"
"""A ward's broker keeps what comes while we are away. A lazy one writes it down when it is stopped: with
thousands of messages waiting Mosquitto does little else than saving when it has to do so at each change."""

PAUSES = {"reconnect_min_seconds": 0.1, "reconnect_max_seconds": 0.5}

READY_SECONDS = 5.0

Fault = Literal["none", "daemon", "broker", "broker-kill"]
FAULTS: Final[tuple[Fault, ...]] = ("none", "daemon", "broker", "broker-kill")
"""What is done to whom: SIGKILL to the daemon; SIGTERM to the broker, which then saves what it holds; SIGKILL
to the broker, which may forget the last messages that it had acknowledged: those then show as gaps."""


class Broker(Protocol):
    """What the fixture ``mosquitto`` gives."""

    url: str

    def configure(self, extra: str) -> None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...


@dataclass
class Plan:
    """What is played, and what goes wrong."""

    data: Path
    streams: int
    seconds: float
    speed: float
    kills: int
    seed: int = 0


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


class Daemon:
    """``ecgmon serve`` on a configuration that keeps everything; can be killed and started again."""

    def __init__(self, folder: Path, url: str, streams: int) -> None:
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            self.http = int(probe.getsockname()[1])
        broker = {"url": url, "protocol": "5", "client_id": "ward", **PAUSES}
        tree = {
            "source": {"type": "mqtt", "broker": broker, "persistent_session": True, "queue_chunks": 100_000},
            "sinks": [{"type": "mqtt", "broker": broker}],
            "http": {"port": self.http},
            "state_dir": str(folder / "state"),
            "state_seconds": 1.0,
            "max_streams": streams,
            "alerts": BRIEF,
        }
        self._path = folder / "serve.yaml"
        self._path.write_text(yaml.safe_dump(tree))
        self.log = folder / "serve.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Seconds until it was ready."""
        began = time.monotonic()
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "ecgmon.cli", "serve", "--config", str(self._path)]
            self.process = subprocess.Popen(command, stderr=log)
        while self.page("/readyz")[0] != 200:
            if self.process.poll() is not None or time.monotonic() - began > 60:
                pytest.fail(f"not ready:\n{self.log.read_text()[-4000:]}")
            time.sleep(0.02)
        return time.monotonic() - began

    def end(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(60)
            self.process = None

    def page(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, ""
        except (urllib.error.URLError, OSError):
            return 0, ""

    def metric(self, name: str) -> float:
        """The sum over the series of this name."""
        lines = self.page("/metrics")[1].splitlines()
        return sum(
            float(line.rsplit(" ", 1)[1]) for line in lines if line.partition(" ")[0].split("{")[0] == name
        )


class Listener:
    """A subscriber with a session of its own: alerts, and how far each stream has come."""

    def __init__(self, url: str) -> None:
        settings = convert({"url": url, "client_id": "nurse", **PAUSES}, BrokerSettings, where="test")
        told = Handlers(message=self._on_alert)
        self._alerts = Connection(settings, "alerts", told, subscribe=("ecgmon/alerts/#", 1), persistent=True)
        self._states = Connection(
            settings, "states", Handlers(message=self._on_state), subscribe=("ecgmon/streams/+/state", 0)
        )
        self.alerts: list[tuple[str, str, str]] = []
        self.times: dict[str, float] = {}

    def __enter__(self) -> Listener:
        for connection in (self._alerts, self._states):
            connection.start(must_connect=True)
        return self

    def __exit__(self, *_: object) -> None:
        for connection in (self._alerts, self._states):
            connection.stop(1.0)

    def _on_alert(self, message: Incoming) -> None:
        alert = json.loads(message.payload)
        self.alerts.append((alert["stream"], alert["id"], alert["state"]))

    def _on_state(self, message: Incoming) -> None:
        if message.payload:
            state = json.loads(message.payload)
            self.times[state["stream"]] = state["time"]


class Devices(threading.Thread):
    """Plays ``plan.streams`` recordings, each under a name of its own."""

    def __init__(self, plan: Plan, url: str) -> None:
        super().__init__(daemon=True)
        self._plan = plan
        self._sender = Sender(convert({"url": url, **PAUSES}, BrokerSettings, where="test"), 1)
        self.messages = 0
        self.error: Exception | None = None
        names = sorted(path.stem for path in plan.data.glob("*.hea"))[: plan.streams]
        self.copies = {
            name: [name, *(f"{name}-{n}" for n in range(2, 9) if len(names) * (n - 1) + i < plan.streams)]
            for i, name in enumerate(names)
        }

    @property
    def streams(self) -> list[str]:
        return [name for names in self.copies.values() for name in names]

    def run(self) -> None:
        try:
            self._sender.open()
            self._play()
            self._sender.drain(60.0)
            self._sender.close()
        except Exception as error:  # noqa: BLE001 - raised in finish
            self.error = error

    def finish(self) -> None:
        self.join(600)
        if self.error is not None:
            raise self.error
        assert self._sender.done == self._sender.messages

    def _play(self) -> None:
        records = [str(self._plan.data / name) for name in self.copies]
        source = WfdbSource(WfdbSettings(records=records, speed=self._plan.speed, start_time=START))
        source.open()
        left = set(self.copies)
        while left:
            chunk = source.get(1.0)
            if chunk is None:
                continue
            if chunk.t - START >= self._plan.seconds:
                left.discard(chunk.stream)
            elif chunk.stream in left:
                self._send(chunk)
        source.close()

    def _send(self, chunk: Chunk) -> None:
        payload = encode(chunk, "binary")
        for name in self.copies[chunk.stream]:
            self._sender.send(Message(f"ecg/{name}/samples", payload, 1), chunk.samples.shape[1])
            self.messages += 1


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


def test_the_same_alerts_come_of_a_ward_whose_daemon_or_broker_is_killed(
    new_mosquitto: Callable[[str, str], Broker], mitdb: Path, tmp_path: Path
) -> None:
    plan = Plan(mitdb, streams=6, seconds=240.0, speed=40.0, kills=2, seed=5)
    outcomes: dict[Fault, Outcome] = {}
    for fault in FAULTS[:3]:
        folder = tmp_path / fault
        folder.mkdir()
        outcomes[fault] = watch(plan, fault, new_mosquitto(fault, LAZY), folder)
    compare(outcomes["none"], outcomes["daemon"])
    compare(outcomes["none"], outcomes["broker"])
    assert outcomes["daemon"].restored == [6, 6]
    assert [outcome.restarts for outcome in outcomes.values()] == [0, 0, 0]
    assert [outcome.gaps for outcome in outcomes.values()] == [0, 0, 0]
    fresh, *again = outcomes["daemon"].ready
    assert min(again) < max(READY_SECONDS, 3 * fresh)  # the machine may be busy with other tests


def test_a_full_disk_stops_nothing_and_is_used_again_when_there_is_room(
    new_mosquitto: Callable[[str, str], Broker], mitdb: Path, tmp_path: Path
) -> None:
    """The kernel refuses the daemon to make files longer: what is left of a full disk, without being root."""
    plan = Plan(mitdb, streams=3, seconds=1200.0, speed=40.0, kills=0)
    broker = new_mosquitto("full", LAZY)
    devices, daemon = Devices(plan, broker.url), Daemon(tmp_path, broker.url, plan.streams)

    def wait(name: str, value: float) -> None:
        until = time.monotonic() + 30
        while daemon.metric(name) != value:
            assert time.monotonic() < until, f"{name} is not {value}\n{daemon.log.read_text()}"
            time.sleep(0.1)

    try:
        daemon.start()
        assert daemon.process is not None
        pid = daemon.process.pid
        devices.start()
        wait("ecgmon_streams", plan.streams)
        room = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (20_000, room[1]))
        wait("ecgmon_state_durable", 0.0)
        before = daemon.metric("ecgmon_chunks_total")
        assert daemon.metric("ecgmon_state_errors_total") > 0
        assert daemon.page("/readyz")[0] == 200
        assert json.loads(daemon.page("/readyz")[1])["state"] == {"durable": False}
        wait("ecgmon_queue_depth", 0.0)
        time.sleep(1.0)
        assert daemon.metric("ecgmon_chunks_total") > before + 20
        resource.prlimit(pid, resource.RLIMIT_FSIZE, room)
        wait("ecgmon_state_durable", 1.0)
        daemon.end(signal.SIGKILL)
        daemon.start()
        assert daemon.metric("ecgmon_state_restored_streams") == plan.streams
    finally:
        daemon.end(signal.SIGKILL)
    text = daemon.log.read_text()
    assert text.count("monitoring goes on, but until it can be used again a restart would miss") == 1
    assert "can be used again: " in text
    assert "Traceback" not in text


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
    # As a script this folder is on the path.
    mosquitto_or_skip = importlib.import_module("conftest").mosquitto_or_skip

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
