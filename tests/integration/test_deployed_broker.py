"""The broker as ``deploy/`` sets it up: exactly its files, TLS, and each role held to its rights."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.test_serve_mqtt import Daemon

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
USERS = ("ecgmon", "display", "208", "bed-2")

Broker = Any  # the fixture's class lives in conftest.py, which cannot be imported


class Deployed:
    """Mosquitto with the files of ``deploy/mosquitto``; only folder, port and user are this test's."""

    def __init__(self, broker: Broker, folder: Path) -> None:
        self.broker = broker
        self.port = int(broker.port)
        self.secrets = folder / "secrets"
        self.make_secrets(*USERS)
        (folder / "config").mkdir()
        (folder / "data").mkdir()
        shutil.copy(DEPLOY / "mosquitto" / "acl", folder / "config" / "acl")
        text = (DEPLOY / "mosquitto" / "mosquitto.conf").read_text()
        assert text.count("listener 8883\n") == 1
        text = text.replace("/mosquitto/", f"{folder}/").replace("listener 8883\n", f"listener {self.port}\n")
        broker.stop()
        (broker.folder / "mosquitto.conf").write_text(f"{text}user root\nlog_dest file {broker.log}\n")
        broker.start()

    def make_secrets(self, *users: str) -> None:
        script = DEPLOY / "mosquitto" / "secrets.sh"
        hosts = "127.0.0.1,localhost"
        subprocess.run(["sh", script, self.secrets, hosts, *users], check=True, timeout=60)

    def password(self, user: str) -> str:
        return (self.secrets / "users" / user / "password").read_text().strip()

    def publish(self, user: str, topic: str, *, password: str | None = None) -> str:
        """What the broker's MQTT 5 says of it; empty when it takes the message."""
        options = self._options(user, password)
        done = subprocess.run(
            ["mosquitto_pub", *options, "-q", "1", "-t", topic, "-m", "x"],
            capture_output=True, text=True, timeout=20, check=False,
        )  # fmt: skip
        return (done.stdout + done.stderr).strip()

    @contextmanager
    def listener(self, user: str, topic: str, out: Path) -> Iterator[None]:
        with out.open("wb") as file:
            command = ["mosquitto_sub", *self._options(user, None), "-q", "1", "-t", topic, "-F", "%t %p"]
            process = subprocess.Popen(command, stdout=file)
            time.sleep(0.5)
            try:
                yield
            finally:
                time.sleep(0.5)
                process.terminate()
                process.wait(10)

    def _options(self, user: str, password: str | None) -> list[str]:
        return [
            "-h", "127.0.0.1", "-p", str(self.port), "-V", "5", "--cafile", str(self.secrets / "ca.pem"),
            "-u", user, "-P", self.password(user) if password is None else password,
        ]  # fmt: skip


@pytest.fixture
def deployed(mosquitto: Broker, tmp_path: Path) -> Deployed:
    return Deployed(mosquitto, tmp_path / "deployed")


REFUSED = "Not authorized"


def test_each_role_publishes_what_it_may_and_nothing_else(deployed: Deployed) -> None:
    may = [("bed-2", "ecg/bed-2/samples"), ("ecgmon", "ecgmon/alerts/bed-2"), ("ecgmon", "ecgmon/status")]
    may_not = [
        ("bed-2", "ecg/208/samples"), ("bed-2", "ecg/bed-2/other"), ("bed-2", "ecgmon/alerts/bed-2"),
        ("bed-2", "ecgmon/status"), ("display", "ecg/display/samples"), ("display", "ecg/bed-2/samples"),
        ("display", "ecgmon/alerts/bed-2"), ("ecgmon", "ecg/ecgmon/samples"), ("ecgmon", "ecg/bed-2/samples"),
    ]  # fmt: skip
    for user, topic in may:
        told = deployed.publish(user, topic)
        assert REFUSED not in told, (user, topic, told)
    for user, topic in may_not:
        assert REFUSED in deployed.publish(user, topic), (user, topic)


def test_each_role_hears_what_it_may_and_nothing_else(deployed: Deployed, tmp_path: Path) -> None:
    hears = {"ecgmon": {"ecg/bed-2/samples"}, "display": {"ecgmon/alerts/bed-2"}, "bed-2": set()}
    for user, topics in hears.items():
        out = tmp_path / f"{user}.txt"
        with deployed.listener(user, "#", out):
            assert deployed.publish("bed-2", "ecg/bed-2/samples") == ""
            deployed.publish("ecgmon", "ecgmon/alerts/bed-2")
        assert {line.split()[0] for line in out.read_text().splitlines()} == topics, user


def test_nobody_gets_in_without_the_right_password(deployed: Deployed) -> None:
    assert deployed.publish("bed-2", "ecg/bed-2/samples", password="guess") != ""  # noqa: S106
    options = [
        "-h",
        "127.0.0.1",
        "-p",
        str(deployed.port),
        "-V",
        "5",
        "--cafile",
        str(deployed.secrets / "ca.pem"),
    ]
    anonymous = subprocess.run(
        ["mosquitto_pub", *options, "-t", "a", "-m", "x"], capture_output=True, timeout=20, check=False
    )
    assert anonymous.returncode != 0
    hashed = (deployed.secrets / "broker" / "passwords").read_text()
    assert not any(deployed.password(user) in hashed for user in USERS)


def test_the_port_speaks_tls_of_today_and_nothing_else(deployed: Deployed) -> None:
    plain = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(deployed.port), "-t", "a", "-m", "x"]
    assert subprocess.run(plain, capture_output=True, timeout=20, check=False).returncode != 0
    spoken = {}
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = ssl.create_default_context(cafile=str(deployed.secrets / "ca.pem"))
        context.minimum_version = context.maximum_version = version
        with (
            socket.create_connection(("127.0.0.1", deployed.port), timeout=5) as raw,
            context.wrap_socket(raw, server_hostname="127.0.0.1") as wrapped,
        ):
            spoken[version] = wrapped.version()
    assert list(spoken.values()) == ["TLSv1.2", "TLSv1.3"]


def test_a_new_device_is_let_in_after_a_reload_and_old_secrets_stay(deployed: Deployed) -> None:
    before = deployed.password("bed-2"), (deployed.secrets / "ca.pem").read_bytes()
    deployed.make_secrets("bed-2", "bed-3")
    assert (deployed.password("bed-2"), (deployed.secrets / "ca.pem").read_bytes()) == before
    assert deployed.publish("bed-3", "ecg/bed-3/samples") != ""
    deployed.broker.reload()
    time.sleep(0.5)
    assert REFUSED not in deployed.publish("bed-3", "ecg/bed-3/samples")


def test_secrets_are_for_their_owners(deployed: Deployed) -> None:
    files = [file for file in deployed.secrets.rglob("*") if file.is_file() and file.name != "ca.pem"]
    assert len(files) >= 5 + len(USERS)
    assert {file.stat().st_mode & 0o077 for file in files} == {0}


def test_the_daemon_watches_a_device_through_this_broker(
    deployed: Deployed, tmp_path: Path, mitdb: Path
) -> None:
    """With the configuration of the compose file, to the letter but for places."""
    text = (DEPLOY / "compose" / "serve.yaml").read_text()
    places = {
        "mosquitto:8883": f"127.0.0.1:{deployed.port}",
        "/run/ecgmon/": f"{deployed.secrets}/",
        "/var/lib/ecgmon": str(tmp_path / "state"),
    }
    for place, here in places.items():
        assert place in text
        text = text.replace(place, here)
    tree = yaml.safe_load(text)
    http = tree.pop("http")
    assert http == {"host": "0.0.0.0"}  # noqa: S104 - as it is in the container
    broker = tree["source"].pop("broker")
    source, (sink,) = tree.pop("source"), tree.pop("sinks")
    source["broker"] = sink["broker"] = broker
    served = Daemon(tmp_path, broker["url"], source=source, sinks=[sink], **tree)
    try:
        with deployed.listener("display", "ecgmon/alerts/#", tmp_path / "alerts.txt"):
            served.wait_ready()
            replay = subprocess.run(
                [
                    sys.executable, "-m", "ecgmon.cli", "replay", str(mitdb / "208"),
                    "--broker", broker["url"], "--username", "208",
                    "--password-file", str(deployed.secrets / "users" / "208" / "password"),
                    "--ca-file", str(deployed.secrets / "ca.pem"), "--speed", "150", "--payload", "binary",
                ],
                capture_output=True, text=True, timeout=180, check=False,
            )  # fmt: skip
            assert replay.returncode == 0, replay.stderr
            served.wait(lambda: served.metric("ecgmon_chunks_total") >= 1806)
        assert served.end() == 0
    finally:
        served.process.kill()
        served.process.wait()
    logged = [json.loads(line) for line in served.log.read_text().splitlines()]
    assert logged[-1]["message"] == "stopped: 0 received chunks not processed, 0 alerts not delivered"
    heard = [line.partition(" ") for line in (tmp_path / "alerts.txt").read_text().splitlines()]
    assert {topic for topic, _, _ in heard} == {"ecgmon/alerts/208"}
    assert "anomalous-beats" in {json.loads(payload)["kind"] for _, _, payload in heard}
    assert (tmp_path / "state").stat().st_mode & 0o077 == 0
