"""A ward of recordings, the daemon that watches it through a broker, and a nurse who listens."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

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
BRIEF = {"anomalous_beats": {"clear_beats": 8, "clear_seconds": 15.0}, "stream_lost": {"enabled": False}}
"""Alerts that end soon, so that there are many. But for stream-lost, which the clock on the wall raises: ten
seconds of a fault rightly raise it."""

QUEUES = "max_queued_messages 0\nmax_inflight_messages 1000\n"
LAZY = QUEUES + "autosave_interval 3600\nautosave_on_changes false\n"
"""A ward's broker keeps what comes while we are away. A lazy one writes it down when it is stopped: with
thousands of messages waiting Mosquitto does little else than saving when it has to do so at each change."""

PAUSES = {"reconnect_min_seconds": 0.1, "reconnect_max_seconds": 0.5}


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
