"""The route of alerts about the monitor: judged by amtool, and at work in a real Alertmanager."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from ecgmon.bench.broker import free_port
from tests.deploy.test_rules import ROOT, alerts

CONFIG = ROOT / "deploy" / "alertmanager" / "alertmanager.yml"


def amtool(program: str, *words: str) -> str:
    done = subprocess.run([program, *words], capture_output=True, check=False, timeout=60, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_amtool_takes_the_configuration(program: Callable[[str], str]) -> None:
    assert "SUCCESS" in amtool(program("amtool"), "check-config", str(CONFIG))


@pytest.mark.parametrize(("severity", "receiver"), [("critical", "night"), ("warning", "daylight")])
def test_critical_alerts_wake_someone_and_others_wait(
    severity: str, receiver: str, program: Callable[[str], str]
) -> None:
    told = amtool(
        program("amtool"), "config", "routes", "test", f"--config.file={CONFIG}", f"severity={severity}"
    )
    assert told.strip() == receiver


def test_inhibitions_name_alerts_that_there_are() -> None:
    names = {alert["alert"] for alert in alerts()}
    named = set(re.findall(r"Ecgmon\w+", json.dumps(yaml.safe_load(CONFIG.read_text()))))
    assert named <= names


def test_a_dead_daemon_is_told_of_once_and_what_follows_from_it_is_not(
    program: Callable[[str], str], tmp_path: Path
) -> None:
    with (
        receiver() as (url, received),
        alertmanager(program("prometheus-alertmanager"), tmp_path, url) as root,
    ):
        same = {"job": "ecgmon", "instance": "a", "severity": "critical"}
        sent = [
            {"alertname": "EcgmonNoData", **same},
            {"alertname": "EcgmonDown", **same},
            {"alertname": "EcgmonNoData", **same, "instance": "b"},
        ]
        post(f"{root}/api/v2/alerts", [{"labels": labels} for labels in sent])
        until = time.monotonic() + 30
        while len(received) < 2 and time.monotonic() < until:
            time.sleep(0.1)
        time.sleep(1.0)
        told = {(path, alert["labels"]["alertname"], alert["labels"]["instance"])
                for path, body in received for alert in body["alerts"]}  # fmt: skip
    assert told == {("/night", "EcgmonDown", "a"), ("/night", "EcgmonNoData", "b")}


@contextmanager
def receiver() -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    """A webhook: its address, and what came so far as path and JSON."""
    received: list[tuple[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((self.path, json.loads(body)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def alertmanager(program: str, folder: Path, receivers: str) -> Iterator[str]:
    """One that runs with the shipped configuration and other addresses of receivers; its own address."""
    config = folder / "alertmanager.yml"
    config.write_text(CONFIG.read_text().replace("http://127.0.0.1:8080", receivers))
    root = f"http://127.0.0.1:{free_port()}"
    command = [
        program, f"--config.file={config}", f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address={root.removeprefix('http://')}", "--cluster.listen-address=",
    ]  # fmt: skip
    log = folder / "alertmanager.log"
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        try:
            until = time.monotonic() + 20
            while not answers(f"{root}/-/ready"):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < until, log.read_text()
                time.sleep(0.1)
            yield root
        finally:
            process.terminate()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - http, ours
            return True
    except OSError:
        return False


def post(url: str, value: Any) -> None:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(value).encode(), headers)  # noqa: S310 - http, ours
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - http, ours
        assert answer.status == 200
