"""``serve`` under a supervisor: SIGHUP, systemd's socket and watchdog, structured logs; real processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

TOKEN = "0123456789abcdef-s3cret"  # noqa: S105 - of this test alone
OTHER = "another-token-s3cret-too"


class Served:
    """A daemon with two simulated patients, and systemd listening."""

    def __init__(self, folder: Path, **keys: Any) -> None:
        self.folder = folder
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.tree: dict[str, Any] = {
            "source": {"type": "simulator", "streams": 2, "speed": 10, "rates": {"pvc": 900, "run": 240}},
            "sinks": [{"type": "jsonl", "path": str(folder / "alerts.jsonl")}],
            "http": {"port": self.port},
            **keys,
        }
        self.write(self.tree)
        self.log = folder / "serve.log"
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(folder / "notify"))
        self.notify.setblocking(False)
        self.told: list[str] = []
        environment = {
            **os.environ, "NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": "1000000",
            "ECGMON_TEST_TOKEN": TOKEN,
        }  # fmt: skip
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ecgmon.cli", "serve", "--config", folder / "serve.yaml"],
                stderr=log, env=environment,
            )  # fmt: skip
        self.wait(lambda: "READY=1\nSTATUS=watching" in self.hear())

    def write(self, tree: dict[str, Any] | str) -> None:
        text = tree if isinstance(tree, str) else yaml.safe_dump(tree)
        (self.folder / "serve.yaml").write_text(text)

    def hear(self) -> list[str]:
        """Everything that systemd was told so far."""
        while True:
            try:
                self.told.append(self.notify.recv(4096).decode())
            except BlockingIOError:
                return self.told

    def wait(self, what: Callable[[], object], seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not what():
            if self.process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"did not come about (exit {self.process.poll()}):\n{self.text()}")
            time.sleep(0.02)

    def text(self) -> str:
        return self.log.read_text()

    def reload(self, tree: dict[str, Any] | str) -> str:
        """The log line that says what became of it."""
        self.write(tree)
        before, told = len(self.text()), len(self.hear())
        self.process.send_signal(signal.SIGHUP)
        self.wait(lambda: any(each.startswith("READY=1") for each in self.hear()[told:]))
        assert next(each for each in self.told[told:] if "WATCHDOG" not in each).startswith(
            "RELOADING=1\nMONO"
        )
        lines = [line for line in self.text()[before:].splitlines() if "configuration" in line]
        assert len(lines) == 1
        return lines[0]

    def get(self, path: str, token: str | None = None) -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - http, as above
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def metric(self, name: str, token: str | None = None) -> float:
        page = self.get("/metrics", token)[1]
        return next(float(line.split()[-1]) for line in page.splitlines() if line.startswith(f"{name} "))

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    running: list[Served] = []

    def start(**keys: Any) -> Served:
        running.append(Served(tmp_path, **keys))
        return running[-1]

    yield start
    for served in running:
        served.process.kill()
        served.process.wait()
        served.notify.close()


def test_systemd_hears_ready_the_watchdog_and_the_end(serve: Callable[..., Served]) -> None:
    served = serve()
    served.wait(lambda: served.hear().count("WATCHDOG=1") >= 4)
    assert served.end() == 0
    states = [each.partition("\n")[0] for each in served.hear() if each != "WATCHDOG=1"]
    assert [state.partition("=")[0] for state in states] == ["EXTEND_TIMEOUT_USEC", "READY", "STOPPING"]


def test_a_loop_that_hangs_feeds_no_watchdog(serve: Callable[..., Served]) -> None:
    served = serve(stall_seconds=0.5)
    served.wait(lambda: served.hear().count("WATCHDOG=1") >= 2)
    pipe = served.folder / "alerts.jsonl"
    served.process.send_signal(signal.SIGSTOP)  # nothing else hangs all of it so surely
    time.sleep(0.2)
    count = served.hear().count("WATCHDOG=1")
    time.sleep(1.5)
    assert served.hear().count("WATCHDOG=1") == count
    served.process.send_signal(signal.SIGCONT)
    served.wait(lambda: served.hear().count("WATCHDOG=1") > count)
    assert pipe.exists()


def test_a_good_configuration_is_taken_without_losing_a_stream(serve: Callable[..., Served]) -> None:
    served = serve()
    served.wait(lambda: served.metric("ecgmon_beats_total") > 20)
    assert "configuration read anew: nothing changed" in served.reload(served.tree)
    tree = {
        **served.tree,
        "alerts": {"lead_off": {"raise_seconds": 9}},
        "batch": {"size": 64},
        "max_streams": 2,
    }
    tree["logging"] = {"format": "json", "level": "debug"}
    line = json.loads(served.reload(tree))
    assert line["message"] == (
        "configuration read anew: alerts.lead_off.raise_seconds, batch.size, logging.format, logging.level, "
        "max_streams"
    )
    before = served.metric("ecgmon_beats_total")
    served.wait(lambda: served.metric("ecgmon_beats_total") > before + 20)
    assert served.metric("ecgmon_streams") == 2
    assert served.metric('ecgmon_reloads_total{state="taken"}') == 2
    restarts = [line for line in served.get("/metrics")[1].splitlines() if "stream_restarts_total{" in line]
    assert restarts
    assert all(line.endswith(" 0.0") for line in restarts)
    assert served.end() == 0


def test_a_configuration_that_cannot_be_taken_changes_nothing(serve: Callable[..., Served]) -> None:
    served = serve()
    limits = {"alerts": {"lead_off": {"raise_seconds": 9}}}
    changes: list[tuple[dict[str, Any] | str, str]] = [
        ({"batch": {"size": 0}}, "batch.size: Expected `int` >= 1"),
        ({**limits, "model": {"device": "cpu"}}, "model.device cannot change while we run; restart"),
        ({**limits, "http": {"port": served.port, "token_file": "/nowhere/token"}}, "token cannot be read"),
        ("source: {", "not valid YAML"),
    ]
    for change, told in changes:
        line = served.reload(change if isinstance(change, str) else {**served.tree, **change})
        assert "ERROR" in line
        assert "the configuration stays as it was: " in line
        assert told in line
        assert any("refused" in each for each in served.hear()[-2:])
    assert served.get("/metrics")[0] == 200
    assert served.metric('ecgmon_reloads_total{state="refused"}') == len(changes)
    assert "nothing changed" in served.reload(served.tree)
    assert served.end() == 0


def test_a_token_can_be_changed_while_running_and_is_never_logged(serve: Callable[..., Served]) -> None:
    served = serve(logging={"level": "debug"})
    file = served.folder / "token"
    file.write_text(OTHER)
    http = served.tree["http"]
    assert served.get("/metrics")[0] == 200
    assert "http.token_env" in served.reload(
        {**served.tree, "http": {**http, "token_env": "ECGMON_TEST_TOKEN"}}
    )
    assert served.get("/metrics")[0] == served.get("/metrics", OTHER)[0] == 401
    assert served.get("/metrics", TOKEN)[0] == 200
    tree = {**served.tree, "http": {**http, "token_file": str(file)}}
    assert "http.token_env, http.token_file" in served.reload(tree)
    assert served.get("/metrics", TOKEN)[0] == 401
    assert served.metric("ecgmon_streams", OTHER) == 2
    file.write_text("short")
    assert "must have 16 characters" in served.reload(tree)
    assert served.get("/metrics", OTHER)[0] == 200
    assert served.get("/readyz")[0] == served.get("/healthz")[0] == 200
    assert served.end() == 0
    assert "s3cret" not in served.text()


def test_json_logs_are_objects_to_the_last_line(serve: Callable[..., Served]) -> None:
    served = serve(logging={"format": "json"})
    assert served.end() == 0
    lines = [json.loads(line) for line in served.text().splitlines()]
    assert any(line["message"].startswith("watching: model") for line in lines)
    assert lines[-1]["message"].startswith("stopped: 0 received chunks")
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
