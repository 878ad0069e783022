"""A real Mosquitto on loopback, for every test that talks to a broker."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest


class Mosquitto:
    """One broker in a folder of its own; it can be stopped, killed and started again on the same port."""

    def __init__(self, folder: Path, executable: str, extra: str = "") -> None:
        self.folder = folder
        self.port = _free_port()
        self.url = f"mqtt://127.0.0.1:{self.port}"
        self._executable = executable
        self._process: subprocess.Popen[bytes] | None = None
        self.log = folder / "mosquitto.log"
        self.configure(extra)

    def configure(self, extra: str, *, listener: str | None = None, anonymous: bool = True) -> None:
        """Write the configuration for the next start."""
        lines = [
            listener or f"listener {self.port} 127.0.0.1",
            f"allow_anonymous {str(anonymous).lower()}",
            "persistence true",
            f"persistence_location {self.folder}/",
            "autosave_interval 1",
            "autosave_on_changes true",
            f"log_dest file {self.log}",
            *([f"user {os.environ.get('USER', 'root')}"] if os.geteuid() == 0 else []),
            extra,
        ]
        (self.folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")

    def start(self) -> None:
        self._process = subprocess.Popen([self._executable, "-c", str(self.folder / "mosquitto.conf")])
        config = (self.folder / "mosquitto.conf").read_text()
        ports = [int(port) for port in re.findall(r"^listener (\d+)", config, re.MULTILINE) if port != "0"]
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                text = self.log.read_text() if self.log.exists() else ""
                pytest.fail(f"mosquitto ended with {self._process.returncode}: {text}")
            if all(_listens(port) for port in ports):
                return
            time.sleep(0.02)
        pytest.fail("mosquitto does not listen")

    def stop(self) -> None:
        self._end(subprocess.Popen.terminate)

    def kill(self) -> None:
        self._end(subprocess.Popen.kill)

    def reload(self) -> None:
        """Read passwords and rights anew."""
        self.signal(signal.SIGHUP)

    def signal(self, number: int) -> None:
        """Stop it, wake it, and so on."""
        assert self._process is not None
        self._process.send_signal(number)

    def _end(self, how: Callable[[subprocess.Popen[bytes]], None]) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for _ in range(5):  # Mosquitto forgets a SIGTERM that comes between its listening and its loop
            how(process)
            with suppress(subprocess.TimeoutExpired):
                process.wait(3)
                return
        pytest.fail("mosquitto does not end")


def _listens(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Gives a port on loopback that nobody listens on."""
    return _free_port


def mosquitto_or_skip(folder: Path) -> Mosquitto:
    executable = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if executable is None:
        reason = "mosquitto is not installed: apt install mosquitto mosquitto-clients"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return Mosquitto(folder, executable)


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A running broker without passwords; ``configure``, ``stop``, ``kill`` and ``start`` change that."""
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    broker = mosquitto_or_skip(folder)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def new_mosquitto(tmp_path: Path) -> Iterator[Callable[[str, str], Mosquitto]]:
    """Makes running brokers: by a name, and lines of configuration."""
    brokers = []

    def make(name: str, extra: str) -> Mosquitto:
        folder = tmp_path / f"mosquitto-{name}"
        folder.mkdir()
        broker = mosquitto_or_skip(folder)
        broker.configure(extra)
        broker.start()
        brokers.append(broker)
        return broker

    yield make
    for broker in brokers:
        broker.stop()
