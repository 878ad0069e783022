"""What systemd hears, over real datagram sockets."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecgmon.monitor.systemd import Notifier


class Systemd:
    """The other end of ``NOTIFY_SOCKET``."""

    def __init__(self, name: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + name[1:] if name.startswith("@") else name)
        self.socket.setblocking(False)
        self.environment = {"NOTIFY_SOCKET": name}

    def heard(self) -> list[str]:
        messages = []
        while True:
            try:
                messages.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return messages


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Systemd]:
    name = str(tmp_path / "notify") if request.param == "path" else f"@ecgmon-test-{os.getpid()}"
    systemd = Systemd(name)
    yield systemd
    systemd.socket.close()


def test_each_state_is_told(systemd: Systemd) -> None:
    notifier = Notifier(systemd.environment)
    notifier.ready("watching")
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notifier.reloading()
    notifier.ready("watching")
    notifier.stopping()
    first, reloading, second, stopping = systemd.heard()
    assert first == second == "READY=1\nSTATUS=watching"
    word, stamp = reloading.split("\nMONOTONIC_USEC=")
    assert word == "RELOADING=1"
    assert before <= int(stamp) <= before + 5_000_000
    assert stopping.startswith("STOPPING=1")


def test_the_watchdog_is_fed_twice_in_its_time(systemd: Systemd) -> None:
    now = [0.0]
    environment = {**systemd.environment, "WATCHDOG_USEC": "10000000", "WATCHDOG_PID": str(os.getpid())}
    notifier = Notifier(environment, lambda: now[0])
    for _ in range(300):  # thirty seconds in steps of a tenth
        notifier.alive()
        now[0] += 0.1
    assert systemd.heard() == ["WATCHDOG=1"] * 6


def test_a_long_start_asks_for_more_time_again_and_again(systemd: Systemd) -> None:
    now = [0.0]
    notifier = Notifier(systemd.environment, lambda: now[0])
    for _ in range(250):  # twenty-five seconds in steps of a tenth
        notifier.starting()
        now[0] += 0.1
    heard = systemd.heard()
    assert len(heard) == 3
    assert all(text.startswith("EXTEND_TIMEOUT_USEC=30000000\nSTATUS=") for text in heard)


@pytest.mark.parametrize(
    "more", [{}, {"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "soon"}]
)
def test_a_watchdog_that_is_off_or_anothers_is_not_fed(systemd: Systemd, more: dict[str, str]) -> None:
    Notifier({**systemd.environment, **more}).alive()
    assert systemd.heard() == []


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:1"}])
def test_without_systemd_nothing_is_sent(
    environment: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    notifier = Notifier(environment)
    notifier.ready("watching")
    notifier.alive()
    assert ("neither a path" in caplog.text) == bool(environment.get("NOTIFY_SOCKET"))


def test_a_socket_that_nobody_reads_is_complained_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")})
    notifier.ready("watching")
    notifier.stopping()
    assert caplog.text.count("systemd cannot be told") == 1
