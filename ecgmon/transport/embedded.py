"""A broker of our own for the demo: iotcore, on 127.0.0.1 alone.

It runs as a child process and ends with this one. Measured with paho and the Mosquitto clients: QoS 1,
retained messages and their removal, wills, persistent sessions while it runs, payloads of 300 kB. It speaks
MQTT 3.1.1 and refuses 5, knows no passwords, and keeps nothing on disk: for a ward use Mosquitto.
"""

from __future__ import annotations

import logging
import socket
from contextlib import closing
from typing import Any, Final

from ecgmon.errors import DependencyError, TransportError

log = logging.getLogger(__name__)

HOST: Final = "127.0.0.1"
MAX_PAYLOAD: Final = 1_000_000


class EmbeddedBroker:
    """``with EmbeddedBroker() as broker: ... broker.url``. Port 0 takes any free one."""

    def __init__(self, port: int = 0) -> None:
        self._asked = port
        self._broker: Any = None
        self.port = port

    @property
    def url(self) -> str:
        return f"mqtt://{HOST}:{self.port}"

    def start(self) -> None:
        """Start and wait until it takes connections.

        Raises :class:`DependencyError` when iotcore is not installed, :class:`TransportError` when the port
        is taken or the broker does not come up.
        """
        try:
            from iotcore import Broker  # noqa: PLC0415 - optional: only the demo needs it
        except ImportError:
            raise DependencyError(
                "the embedded broker needs the package iotcore: pip install 'ecgmon[demo]'"
            ) from None
        self.port = self._asked or _free_port()
        broker = Broker(port=self.port, listen=HOST, max_payload_size=MAX_PAYLOAD)
        try:
            broker.start()
        except OSError:
            raise TransportError(f"embedded broker: port {self.port} is taken; choose another") from None
        except RuntimeError as error:
            raise TransportError(f"embedded broker: {error}") from None
        self._broker = broker
        log.info("embedded broker on %s", self.url)

    def stop(self) -> None:
        """End the child process; may be called twice."""
        broker, self._broker = self._broker, None
        if broker is not None:
            broker.stop(0.5)  # it may be deaf to SIGTERM and is killed then: it has nothing to save

    def __enter__(self) -> EmbeddedBroker:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
