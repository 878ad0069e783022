"""The daemon between a real Mosquitto and devices: alerts, bad messages, shutdown, a broker away."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import msgspec
import pytest
import yaml

from ecgmon.ecg.aami import CLASS_OF
from ecgmon.ecg.types import Alert
from ecgmon.sources.annotations import read_annotations

START = "2024-01-01T00:00:00Z"
START_SECONDS = 1_704_067_200.0
BRIEF = {"anomalous_beats": {"clear_beats": 8, "clear_seconds": 30.0}}
"""Alerts that end soon, so that 208 has several: its ventricular beats are seldom far apart."""


class Broker(Protocol):
    """What the fixture ``mosquitto`` gives."""

    port: int
    url: str

    def start(self) -> None: ...
    def stop(self) -> None: ...


class Daemon:
    """``ecgmon serve`` as a process, with its HTTP port."""

    def __init__(self, folder: Path, url: str, **keys: Any) -> None:
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            self.http = int(probe.getsockname()[1])
        broker = {
            "url": url,
            "reconnect_min_seconds": 0.1,
            "reconnect_max_seconds": 0.5,
            **keys.pop("broker", {}),
        }
        tree = {
            "source": {"type": "mqtt", "broker": broker},
            "sinks": [{"type": "mqtt", "broker": broker}],
            "http": {"port": self.http},
            **keys,
        }
        path = folder / "serve.yaml"
        path.write_text(yaml.safe_dump(tree))
        self.log = folder / "serve.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ecgmon.cli", "serve", "--config", path], stderr=log
            )

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except (urllib.error.URLError, ConnectionError):
            return 0, ""

    def metric(self, name: str) -> float:
        """The value of a series, written as on the page; 0 when it is not there."""
        for line in self.get("/metrics")[1].splitlines():
            if line.startswith(f"{name} "):
                return float(line.rsplit(" ", 1)[1])
        return 0.0

    def wait(self, what: Callable[[], bool], seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not what():
            if self.process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"did not come about (exit {self.process.poll()}):\n{self.log.read_text()}")
            time.sleep(0.05)

    def wait_ready(self) -> None:
        self.wait(lambda: self.get("/readyz")[0] == 200)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)


@contextmanager
def daemon(folder: Path, url: str, **keys: Any) -> Iterator[Daemon]:
    served = Daemon(folder, url, **keys)
    try:
        yield served
    finally:
        served.process.kill()
        served.process.wait()


@contextmanager
def listener(broker: Broker, topic: str, out: Path) -> Iterator[None]:
    """``mosquitto_sub`` writing lines of topic and payload to ``out``."""
    with out.open("wb") as file:
        command = [
            "mosquitto_sub",
            "-h",
            "127.0.0.1",
            "-p",
            str(broker.port),
            "-q",
            "1",
            "-t",
            topic,
            "-F",
            "%t %p",
        ]
        process = subprocess.Popen(command, stdout=file)
        time.sleep(0.5)
        try:
            yield
        finally:
            time.sleep(0.5)
            process.terminate()
            process.wait(10)


def lines(path: Path) -> list[tuple[str, str]]:
    parted = (line.partition(" ") for line in path.read_text().splitlines())
    return [(topic, payload) for topic, _, payload in parted]


def publish(broker: Broker, topic: str, payload: bytes) -> None:
    command = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(broker.port), "-q", "1", "-t", topic]
    command.append("-s" if payload else "-n")
    subprocess.run(command, input=payload, check=True, timeout=20)


def replay(record: Path, broker: Broker, *options: str) -> None:
    command = [sys.executable, "-m", "ecgmon.cli", "replay", str(record), "--broker", broker.url, *options]
    subprocess.run(command, check=True, timeout=180, capture_output=True)


def test_a_replayed_record_gives_valid_alerts_and_those_of_the_file(
    tmp_path: Path, mosquitto: Broker, mitdb: Path
) -> None:
    record = mitdb / "208"
    with (
        listener(mosquitto, "ecgmon/alerts/#", tmp_path / "alerts.txt"),
        daemon(tmp_path, mosquitto.url, alerts=BRIEF) as served,
    ):
        served.wait_ready()
        replay(record, mosquitto, "--speed", "150", "--start-time", START, "--payload", "binary")
        served.wait(lambda: served.metric("ecgmon_chunks_total") >= 1806)
        served.wait(lambda: served.metric('ecgmon_queue_depth{stage="source"}') == 0)
        assert served.metric('ecgmon_drops_total{reason="queue-full",stage="source"}') == 0
        assert served.end() == 0
        assert "stopped: 0 received chunks not processed, 0 alerts not delivered" in served.log.read_text()
    received = lines(tmp_path / "alerts.txt")
    assert {topic for topic, _ in received} == {"ecgmon/alerts/208"}
    alerts = [msgspec.json.decode(payload, type=Alert) for _, payload in received]
    raised = [a for a in alerts if a.state == "raised" and a.kind == "anomalous-beats"]

    annotations = read_annotations(record)
    ventricular = [
        START_SECONDS + sample / annotations.fs
        for sample, symbol in zip(annotations.samples, annotations.symbols, strict=True)
        if CLASS_OF.get(symbol) in {"V", "F"}
    ]
    cleared = {a.id: a for a in alerts if a.state == "cleared"}
    spans = [(a.onset - 0.15, cleared[a.id].end + 0.15) for a in raised]
    true = [any(first <= t <= last for t in ventricular) for first, last in spans]
    assert len(raised) >= 4
    assert sum(true) >= 0.8 * len(raised)
    covered = sum(any(first <= t <= last for first, last in spans) for t in ventricular)
    assert covered >= 0.85 * len(ventricular)

    source = {"type": "wfdb", "records": [str(record)], "start_time": START, "chunk_seconds": 7.3}
    sinks = [{"type": "jsonl", "path": str(tmp_path / "file.jsonl")}]
    path = tmp_path / "file.yaml"
    file_tree = {"source": source, "sinks": sinks, "http": {"enabled": False}, "alerts": BRIEF}
    path.write_text(yaml.safe_dump(file_tree))
    subprocess.run([sys.executable, "-m", "ecgmon.cli", "serve", "--config", path], check=True, timeout=120)
    from_file = [
        msgspec.json.decode(line, type=Alert) for line in (tmp_path / "file.jsonl").read_bytes().splitlines()
    ]
    assert [(a.id, a.kind, a.state) for a in from_file] == [(a.id, a.kind, a.state) for a in alerts]


def test_malformed_messages_of_each_kind_are_counted_and_the_daemon_lives_on(
    tmp_path: Path, mosquitto: Broker, mitdb: Path
) -> None:
    header = struct.pack("<4sBBHIffd", b"ECG1", 0, 1, 360, 0, 360.0, 5.0, START_SECONDS)
    bad = {
        "format": [b'{"fs": 360, "t":', b"\x81\xa2fs", header + b"MLII\0\0\0\0", b"", b"ECG2 is not ours"],
        "fs": [json.dumps({"fs": 1e9, "t": START_SECONDS, "leads": {"I": [0.0]}}).encode()],
        "time": [json.dumps({"fs": 360, "t": 1.7e12, "leads": {"I": [0.0]}}).encode()],
        "samples": [json.dumps({"fs": 360, "t": START_SECONDS, "leads": {"I": [1e9]}}).encode()],
        "leads": [json.dumps({"fs": 360, "t": START_SECONDS, "leads": {}}).encode()],
    }
    with daemon(tmp_path, mosquitto.url) as served:
        served.wait_ready()
        for payloads in bad.values():
            for payload in payloads:
                publish(mosquitto, "ecg/bed-1/samples", payload)
        publish(mosquitto, "ecg/$bed/samples", b"{}")
        count = sum(map(len, bad.values())) + 1
        served.wait(lambda: served.metric("ecgmon_messages_total") == count)
        page = served.get("/metrics")[1]
        drops = [
            line
            for line in page.splitlines()
            if line.startswith("ecgmon_drops_total") and 'stage="source"' in line
        ]
        assert sum(float(line.rsplit(" ", 1)[1]) for line in drops) == count
        for reason, payloads in bad.items():
            assert served.metric(f'ecgmon_drops_total{{reason="{reason}",stage="source"}}') == len(
                payloads
            ), drops
        assert served.metric('ecgmon_drops_total{reason="stream",stage="source"}') == 1
        assert served.metric("ecgmon_chunks_total") == 0
        replay(mitdb / "100", mosquitto, "--speed", "1000", "--start-time", START, "--chunk", "10")
        served.wait(lambda: served.metric("ecgmon_beats_total") > 2000)
        assert served.get("/healthz")[0] == 200
        assert served.end() == 0
    assert "Traceback" not in served.log.read_text()


def test_the_live_metrics_pass_promtool_and_presence_is_told(tmp_path: Path, mosquitto: Broker) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        reason = "promtool is not installed: it comes with prometheus"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    out = tmp_path / "status.txt"
    with listener(mosquitto, "ecgmon/status", out), daemon(tmp_path, mosquitto.url) as served:
        served.wait_ready()
        page = served.get("/metrics")[1]
        checked = subprocess.run(
            [promtool, "check", "metrics"], input=page.encode(), capture_output=True, check=False, timeout=60
        )
        assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")
        assert served.end() == 0
    states = [json.loads(payload) for _, payload in lines(out)]
    assert [state["state"] for state in states] == ["online", "offline"]
    assert len({state["session"] for state in states}) == 1


def test_sigterm_says_what_it_dropped_when_there_is_no_time_to_drain(
    tmp_path: Path, mosquitto: Broker, mitdb: Path
) -> None:
    source = {"type": "mqtt", "broker": {"url": mosquitto.url}, "qos": 0}  # no window keeps the queue short
    with daemon(tmp_path, mosquitto.url, shutdown_seconds=0, source=source) as served:
        served.wait_ready()
        command = [
            sys.executable, "-m", "ecgmon.cli", "replay", str(mitdb / "208"), "--broker", mosquitto.url,
            "--speed", "0", "--streams", "4",
        ]  # fmt: skip
        device = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            served.wait(lambda: served.metric('ecgmon_queue_depth{stage="source"}') > 20)
            began = time.monotonic()
            assert served.end() == 0
            assert time.monotonic() - began < 10
        finally:
            device.kill()
            device.wait()
    (last,) = [line for line in served.log.read_text().splitlines() if "stopped: " in line]
    assert int(last.split("stopped: ")[1].split()[0]) > 0


def test_sigterm_under_traffic_works_off_all_that_was_taken_in(
    tmp_path: Path, mosquitto: Broker, mitdb: Path
) -> None:
    with daemon(tmp_path, mosquitto.url, shutdown_seconds=25) as served:
        served.wait_ready()
        command = [
            sys.executable, "-m", "ecgmon.cli", "replay", str(mitdb / "208"), "--broker", mosquitto.url,
            "--speed", "0", "--streams", "16",
        ]  # fmt: skip
        device = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            served.wait(lambda: served.metric('ecgmon_queue_depth{stage="source"}') > 10)
            assert served.end() == 0
            assert device.poll() is None
        finally:
            device.kill()
            device.wait()
    assert "stopped: 0 received chunks not processed, 0 alerts not delivered" in served.log.read_text()


def test_an_unreachable_broker_is_one_clear_error_when_it_must_be_there(tmp_path: Path) -> None:
    with daemon(tmp_path, "mqtt://127.0.0.1:1", broker={"fail_at_start": True}) as served:
        assert served.process.wait(30) == 1
    last = served.log.read_text().splitlines()[-1]
    assert (
        last == "ecgmon serve: broker mqtt://127.0.0.1:1 cannot be used: connection refused; is it running?"
    )


def test_a_broker_that_comes_later_is_waited_for_and_ready_says_so(tmp_path: Path, mosquitto: Broker) -> None:
    mosquitto.stop()
    with daemon(tmp_path, mosquitto.url) as served:
        served.wait(lambda: "connection refused" in served.get("/readyz")[1])
        status, body = served.get("/readyz")
        parts = json.loads(body)
        assert status == 503
        assert (parts["broker"]["ok"], parts["model"]["ok"], parts["pipeline"]["ok"]) == (False, True, True)
        assert served.get("/healthz")[0] == 200
        assert "ecgmon_ready 0.0" in served.get("/metrics")[1]
        mosquitto.start()
        served.wait_ready()
        assert served.metric("ecgmon_ready") == 1
        assert served.end() == 0
