"""A real Mosquitto on loopback for the time of a benchmark."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ecgmon.errors import DependencyError, TransportError

ROOM: Final = "max_queued_messages 0\nmax_inflight_messages 0\n"
"""No bound of the broker's own: with the stock ones (20 in flight, 1000 waiting) it drops, silently, what a
ward of hundreds sends at QoS 1 while a batch of beats waits for its acknowledgement."""


@dataclass(frozen=True, slots=True)
class Broker:
    """A running one."""

    pid: int
    url: str


@contextmanager
def mosquitto(folder: Path) -> Iterator[Broker]:
    """Start one in ``folder``; :class:`DependencyError` where there is none to start."""
    program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None:
        raise DependencyError("bench live needs Mosquitto, which is not here: apt-get install mosquitto")
    port = free_port()
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nlog_type error\n{ROOM}")
    with subprocess.Popen([program, "-c", str(config)], stderr=subprocess.DEVNULL) as process:  # noqa: S603
        try:
            _wait(process, port)
            yield Broker(process.pid, f"mqtt://127.0.0.1:{port}")
        finally:
            process.terminate()


def free_port() -> int:
    """A port on loopback that nobody listens on."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + 10
    while time.monotonic() < until and process.poll() is None:
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise TransportError(f"mosquitto does not listen (exit {process.poll()})")
