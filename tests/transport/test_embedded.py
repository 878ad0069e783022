"""The demo's broker is a real one, on loopback alone."""

from __future__ import annotations

import queue
import socket
import sys

import pytest

from ecgmon.errors import DependencyError, TransportError
from ecgmon.transport.broker import BrokerSettings
from ecgmon.transport.connection import Connection
from ecgmon.transport.embedded import EmbeddedBroker
from ecgmon.transport.messages import Handlers, Message


def test_it_delivers_retained_messages_to_those_who_come_later() -> None:
    pytest.importorskip("iotcore")
    got: queue.Queue[bytes] = queue.Queue()
    delivered: queue.Queue[int] = queue.Queue()
    with EmbeddedBroker() as broker:
        settings = BrokerSettings(url=broker.url)
        publisher = Connection(settings, "pub", Handlers(delivered=delivered.put))
        publisher.start(must_connect=True)
        number = publisher.publish(Message("a/b", b"kept", retain=True))
        assert delivered.get(timeout=5) == number
        reader = Connection(
            settings, "sub", Handlers(message=lambda m: got.put(m.payload)), subscribe=("a/#", 1)
        )
        reader.start(must_connect=True)
        assert got.get(timeout=5) == b"kept"
        reader.stop(1)
        publisher.stop(1)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", broker.port), 1)


def test_a_taken_port_is_said() -> None:
    pytest.importorskip("iotcore")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(TransportError, match="taken"):
            EmbeddedBroker(taken.getsockname()[1]).start()


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "iotcore", None)
    with pytest.raises(DependencyError, match=r"ecgmon\[demo\]"):
        EmbeddedBroker().start()
