"""What systemd wants to hear from a service of ``Type=notify`` or ``notify-reload``: sd_notify(3).

One datagram a message to the socket that ``NOTIFY_SOCKET`` names, a path or, with ``@`` in front, an abstract
name. Without that variable nothing is sent. The watchdog is fed by the pipeline's loop, at most every half of
``WATCHDOG_USEC``: a loop that hangs, or a pipeline that only fails, is killed and started anew.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Final

log = logging.getLogger(__name__)

PATIENCE: Final = 30.0
"""Seconds that we ask for while we start, again and again."""


class Notifier:
    """Tells systemd how we are; a failure to do so is logged once and stops nothing."""

    def __init__(
        self, environment: Mapping[str, str] | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        environment = os.environ if environment is None else environment
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self._clock = clock
        self._every = _watchdog_seconds(environment) / 2
        self._fed: float | None = None
        self._asked: float | None = None
        self._complained = False

    def ready(self, status: str) -> None:
        """We are up, or have loaded our configuration anew."""
        self._send("READY=1", f"STATUS={status}")

    def starting(self) -> None:
        """The start goes on, and may take longer than systemd would wait: asks for more time, seldom enough
        to be called often."""
        now = self._clock()
        if self._asked is None or now - self._asked >= PATIENCE / 3:
            self._asked = now
            self._send(f"EXTEND_TIMEOUT_USEC={round(PATIENCE * 1e6)}", "STATUS=starting")

    def reloading(self) -> None:
        """The configuration is being loaded; :meth:`ready` follows, whether it was taken or not."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """We drain, and end."""
        self._send("STOPPING=1", "STATUS=shutting down")

    def alive(self) -> None:
        """The loop made progress."""
        if not self._every:
            return
        now = self._clock()
        if self._fed is None or now - self._fed >= self._every:
            self._fed = now
            self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> None:
        if self._address is None:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)  # the loop waits for nobody
                sender.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            if not self._complained:
                self._complained = True
                log.warning("systemd cannot be told how we are: %s", error)


def _address(name: str) -> str | None:
    if name[:1] == "@":
        return "\0" + name[1:]
    if name[:1] == "/":
        return name
    if name:
        log.warning("NOTIFY_SOCKET is neither a path nor an abstract name: systemd is told nothing")
    return None


def _watchdog_seconds(environment: Mapping[str, str]) -> float:
    """0 where the watchdog is off, or not meant for this process."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    text = environment.get("WATCHDOG_USEC", "0")
    return int(text) / 1e6 if text.isdecimal() else 0.0
