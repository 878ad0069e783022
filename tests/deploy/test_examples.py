"""The example subscribers hear real alerts of a real daemon through a real broker.

The Node-RED flow is checked as a file everywhere, and runs where a ``node-red`` is on the PATH
(``npm install node-red``); it is no package of Debian's, so its absence is no failure.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ecgmon.bench.broker import Broker, free_port, mosquitto
from ecgmon.ecg.types import Alert
from tests.integration.test_serve_mqtt import daemon

EXAMPLES = Path(__file__).resolve().parents[2] / "deploy" / "examples"
FLOW: list[dict[str, Any]] = json.loads((EXAMPLES / "node-red-flow.json").read_text())
QUIET = {"pvc": 0, "pac": 0, "run": 0, "pause": 0, "noise": 0, "motion": 0, "lead-off": 0}
WARD = {
    "type": "simulator", "streams": 2, "seconds": 60, "speed": 0, "rates": QUIET,
    "script": [
        {"kind": "run", "at": 30, "seconds": 6, "stream": 1},
        {"kind": "lead-off", "at": 30, "seconds": 10, "stream": 2},
    ],
}  # fmt: skip
"""A run of ventricular beats, which is critical, in one bed; an electrode that falls off in the other."""


@pytest.fixture
def broker(program: Callable[[str], str], tmp_path: Path) -> Iterator[Broker]:
    program("mosquitto")
    with mosquitto(tmp_path) as broker:
        yield broker


@contextmanager
def running(*command: str, out: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program with what it says in ``out``, which is appended to; interrupted at the end."""
    with out.open("ab") as file, subprocess.Popen(command, stdout=file, stderr=file) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(10)


def wait_for(text: str, path: Path, times: int = 1) -> None:
    until = time.monotonic() + 30
    while path.read_text().count(text) < times:
        assert time.monotonic() < until, f"{text!r} is not in {path.read_text()!r}"
        time.sleep(0.05)


def watch(tmp_path: Path, broker: Broker) -> None:
    """The ward's minute, watched by a daemon that ends with it."""
    with daemon(tmp_path, broker.url, source=WARD) as served:
        assert served.process.wait(120) == 0, served.log.read_text()


def raised_and_cleared(lines: list[str], stream: str, what: str) -> None:
    mine = [line for line in lines if f" {stream} " in line and what in line]
    assert [line.split(what)[1].split(":")[0].strip() for line in mine] == ["raised", "cleared"]


def test_the_python_subscriber_tells_of_alerts_that_came_while_it_was_away(
    tmp_path: Path, broker: Broker, program: Callable[[str], str]
) -> None:
    program("mosquitto_sub")  # and with it mosquitto_pub
    out = tmp_path / "heard.txt"
    command = (sys.executable, str(EXAMPLES / "subscribe.py"), "--broker", broker.url)
    with running(*command, out=out):
        say_lost(broker)
        wait_for("ecgmon is lost: NOBODY IS WATCHING", out)
    watch(tmp_path, broker)
    with running(*command, out=out):
        wait_for("lead-off cleared", out)
        wait_for("ecgmon is offline: NOBODY IS WATCHING", out)
        time.sleep(0.5)
    lines = out.read_text().splitlines()
    raised_and_cleared(lines, "sim-001", "critical anomalous-beats")
    raised_and_cleared(lines, "sim-002", "lead-off")
    assert any("beats in a row" in line for line in lines)
    assert "Traceback" not in out.read_text()


def say_lost(broker: Broker) -> None:
    """A retained word on the status topic, as the will of a daemon leaves it."""
    message = ["-t", "ecgmon/status", "-r", "-m", '{"state": "lost"}']
    subprocess.run(["mosquitto_pub", "-p", port_of(broker), *message], check=True, timeout=20)


def port_of(broker: Broker) -> str:
    return broker.url.rpartition(":")[2]


def test_the_shell_script_shows_alerts(tmp_path: Path, broker: Broker, program: Callable[[str], str]) -> None:
    program("mosquitto_sub")
    out = tmp_path / "seen.txt"
    with running("sh", str(EXAMPLES / "watch.sh"), "-p", port_of(broker), out=out):
        watch(tmp_path, broker)
        wait_for("/status", out, 2)
    lines = [re.fullmatch(r"\S+ (\S+) (\{.*\})", line) for line in out.read_text().splitlines()]
    told = [(line[1], json.loads(line[2])) for line in lines if line]
    assert len(told) == len(lines)
    alerts = [msgspec.convert(content, Alert) for topic, content in told if "/alerts/" in topic]
    assert {(a.stream, a.kind, a.state) for a in alerts} >= {
        ("sim-001", "anomalous-beats", "raised"), ("sim-002", "lead-off", "cleared"),
    }  # fmt: skip
    assert [content["state"] for topic, content in told if topic == "ecgmon/status"] == ["online", "offline"]


def test_the_node_red_flow_hangs_together() -> None:
    nodes = {node["id"]: node for node in FLOW}
    assert len(nodes) == len(FLOW)
    (tab,) = (node["id"] for node in FLOW if node["type"] == "tab")
    brokers = {node["id"] for node in FLOW if node["type"] == "mqtt-broker"}
    wired = set()
    for node in FLOW:
        if "wires" in node:
            assert node["z"] == tab
            assert len(node["wires"]) == node.get("outputs", len(node["wires"]))
            wired |= {target for output in node["wires"] for target in output}
        if node["type"] == "mqtt in":
            assert node["broker"] in brokers
            assert (node["qos"], node["datatype"]) == ("1", "json")
    assert wired == {node["id"] for node in FLOW if "wires" in node and node["type"] != "mqtt in"}
    (code,) = (node["func"] for node in FLOW if node["type"] == "function")
    used = set(re.findall(r"alert\.(\w+)", code)) - {"evidence"}
    assert used <= set(Alert.__struct_fields__)


def test_the_node_red_flow_runs(tmp_path: Path, broker: Broker) -> None:
    program = shutil.which("node-red")
    if program is None:
        pytest.skip("node-red is not installed: npm install node-red")
    flow = [{**node, "port": port_of(broker)} if node["type"] == "mqtt-broker" else node for node in FLOW]
    (tmp_path / "flow.json").write_text(json.dumps(flow))
    out = tmp_path / "node-red.txt"
    command = (program, "--userDir", str(tmp_path), "--port", str(free_port()), str(tmp_path / "flow.json"))
    with running(*command, out=out):
        wait_for("Connected to broker", out)
        watch(tmp_path, broker)
        wait_for("sim-002 lead-off cleared", out)
        wait_for("'offline'", out)
    text = out.read_text()
    assert re.search(
        r"critical: replace by your pager\]\s*\n?.*sim-001 anomalous-beats raised: 3 beats in a row", text
    )
    assert re.search(r"others\]\s*\n?.*sim-002 lead-off raised", text)
