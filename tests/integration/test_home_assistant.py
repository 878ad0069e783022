"""Home Assistant's discovery messages through a real broker, read as Home Assistant reads them.

No Home Assistant runs here: its templates are Jinja's, and are evaluated on what the broker holds.
"""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import jinja2

from tests.integration.test_serve_mqtt import Broker, Daemon, daemon

WARD = {
    "type": "simulator", "streams": 3, "speed": 10, "chunk_seconds": 0.5,
    "rates": {"pvc": 0, "pac": 0, "run": 0, "pause": 0, "noise": 0, "motion": 0, "lead-off": 0},
    "script": [{"kind": "lead-off", "at": 20, "seconds": 600, "stream": 1}],
}  # fmt: skip


def retained(broker: Broker, topic: str) -> dict[str, Any]:
    """What the broker keeps under ``topic``: JSON by topic."""
    command = [
        "mosquitto_sub",
        "-p",
        str(broker.port),
        "-t",
        topic,
        "--retained-only",
        "-W",
        "1",
        "-F",
        "%t %p",
    ]
    done = subprocess.run(command, capture_output=True, check=False, timeout=20, text=True)
    return {
        topic: json.loads(payload)
        for topic, _, payload in (line.partition(" ") for line in done.stdout.splitlines())
    }


class Shown:
    """What Home Assistant would show of a device."""

    def __init__(self, broker: Broker, content: dict[str, Any]) -> None:
        kept = retained(broker, "ecgmon/#")
        state = kept[content["state_topic"]]
        (source,) = content["availability"]
        self.available = _made(source["value_template"], kept[source["topic"]])
        parts = content["components"]
        self.values = {name: _made(part["value_template"], state) for name, part in parts.items()}
        assert parts["alert"]["json_attributes_topic"] == content["state_topic"]
        self.alerts = json.loads(_made(parts["alert"]["json_attributes_template"], state))["alerts"]
        self.signals = parts["signal"]["options"]


def _made(template: str, value: Any) -> str:
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701 - no HTML
    return environment.from_string(template).render(value_json=value)


def started(broker: Broker, served: Daemon) -> dict[str, Any]:
    """The devices, when the first bed's lead is off."""
    served.wait(lambda: served.metric('ecgmon_alerts_total{kind="lead-off",state="raised"}') == 1)
    time.sleep(1.0)
    return {content["device"]["name"]: content for content in retained(broker, "homeassistant/#").values()}


def test_streams_are_devices_until_they_end(tmp_path: Path, mosquitto: Broker) -> None:
    sink = {
        "type": "mqtt", "broker": {"url": mosquitto.url},
        "home_assistant": {"enabled": True, "max_streams": 2},
    }  # fmt: skip
    with daemon(tmp_path, mosquitto.url, source=WARD, sinks=[sink]) as served:
        served.wait_ready()
        devices = started(mosquitto, served)
        assert set(devices) == {"ECG sim-001", "ECG sim-002"}
        off, well = (Shown(mosquitto, devices[name]) for name in ("ECG sim-001", "ECG sim-002"))
        assert off.available == well.available == "online"
        assert off.values["alert"] == "ON"
        assert [alert["kind"] for alert in off.alerts] == ["lead-off"]
        assert (well.values["alert"], well.alerts) == ("OFF", [])
        assert off.values["data"] == well.values["data"] == "ON"
        assert 40 < float(well.values["heart_rate"]) < 130
        assert {off.values["signal"], well.values["signal"]} <= set(off.signals)
        assert served.end() == 0
    assert retained(mosquitto, "homeassistant/#") == {}
    assert {state["state"] for state in retained(mosquitto, "ecgmon/streams/#").values()} == {"ended"}


def test_what_a_killed_run_leaves_is_unavailable_and_not_brought_back_by_another(
    tmp_path: Path, mosquitto: Broker
) -> None:
    sink = {"type": "mqtt", "broker": {"url": mosquitto.url}, "home_assistant": {"enabled": True}}
    with daemon(tmp_path, mosquitto.url, source=WARD, sinks=[sink]) as served:
        served.wait_ready()
        devices = started(mosquitto, served)
        assert len(devices) == 3
        served.process.send_signal(signal.SIGKILL)
        served.process.wait(10)
    time.sleep(0.5)
    assert Shown(mosquitto, devices["ECG sim-003"]).available == "offline"
    with daemon(tmp_path, mosquitto.url, source={**WARD, "streams": 1}, sinks=[sink]) as served:
        served.wait_ready()
        again = started(mosquitto, served)
        assert Shown(mosquitto, again["ECG sim-001"]).available == "online"
        assert Shown(mosquitto, again["ECG sim-003"]).available == "offline"
        assert served.end() == 0


def test_nothing_is_announced_by_default(tmp_path: Path, mosquitto: Broker) -> None:
    with daemon(tmp_path, mosquitto.url, source=WARD) as served:
        served.wait_ready()
        assert started(mosquitto, served) == {}
        assert len(retained(mosquitto, "ecgmon/streams/#")) == 3


def test_a_broker_that_has_forgotten_everything_is_told_again(tmp_path: Path, mosquitto: Broker) -> None:
    broker = {"url": mosquitto.url, "reconnect_min_seconds": 0.1, "reconnect_max_seconds": 0.5}
    sink = {"type": "mqtt", "broker": broker, "home_assistant": {"enabled": True}}
    with daemon(tmp_path, mosquitto.url, source=WARD, sinks=[sink]) as served:
        served.wait_ready()
        before = started(mosquitto, served)
        mosquitto.stop()
        for path in (tmp_path / "mosquitto").glob("*.db"):
            path.unlink()
        mosquitto.start()
        served.wait_ready()
        served.wait(lambda: len(retained(mosquitto, "homeassistant/#")) == 3)
        assert started(mosquitto, served) == before
        assert served.end() == 0
