"""The client that reads ahead: it works off what it read, and writes meanwhile."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from paho.mqtt.client import MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from ecgmon.transport.bounded import BoundedClient

CONNACK = b"\x20\x02\x00\x00"
DISCONNECT = 0xE0


def publish(size: int) -> bytes:
    """A QoS 0 PUBLISH of ``size`` bytes of payload to ``a/b``."""
    body = struct.pack(">H", 3) + b"a/b" + b"x" * size
    return bytes([0x30, len(body) % 128 | 128, len(body) // 128]) + body


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        server.settimeout(10)
        yield server


def connected(server: socket.socket) -> tuple[BoundedClient, socket.socket]:
    client = BoundedClient(
        CallbackAPIVersion.VERSION2, largest=1_000_000, client_id="x",
        protocol=MQTTProtocolVersion.MQTTv311, reconnect_on_failure=False,
    )  # fmt: skip
    client.connect("127.0.0.1", server.getsockname()[1], 30)
    peer, _ = server.accept()
    peer.recv(4096)
    peer.sendall(CONNACK)
    return client, peer


def test_every_packet_comes_out_however_the_stream_was_cut(listening: socket.socket) -> None:
    client, peer = connected(listening)
    sizes = [0, 1, 3000, 12_000, 64, 16_000, 5] * 20
    got: list[int] = []
    client.on_message = lambda _client, _data, message: got.append(len(message.payload))
    sent = b"".join(publish(size) if size > 120 else _short(size) for size in sizes)

    def send() -> None:
        at, step = 0, 1
        while at < len(sent):
            peer.sendall(sent[at : at + step])
            at, step = at + step, step * 3 % 70_001 + 1

    thread = threading.Thread(target=send)
    thread.start()
    until = time.monotonic() + 20
    while len(got) < len(sizes) and time.monotonic() < until:
        assert client.loop(0.2) == MQTTErrorCode.MQTT_ERR_SUCCESS
    thread.join()
    peer.close()
    assert got == sizes


class Flood:
    """Sends without end, and notes what kinds of packets come back, until one is a DISCONNECT."""

    def __init__(self, peer: socket.socket) -> None:
        self.peer = peer
        self.kinds: list[int] = []
        self.over = threading.Event()
        for work in (self._hear, self._send):
            threading.Thread(target=work, daemon=True).start()

    def _hear(self) -> None:
        while not self.over.is_set():
            data = self.peer.recv(4096)
            self.kinds.extend(data[:1])
            if not data or data[0] == DISCONNECT:
                self.over.set()

    def _send(self) -> None:
        many = publish(700) * 200
        while not self.over.is_set():
            try:
                self.peer.sendall(many)
            except OSError:
                return


def slowly(_client: object, _data: object, _message: MQTTMessage) -> None:
    time.sleep(2e-4)  # in which the flood fills the socket


def test_there_is_writing_while_a_broker_sends_without_end(listening: socket.socket) -> None:
    client, peer = connected(listening)
    client.on_message = slowly
    flood = Flood(peer)
    began, longest = time.monotonic(), 0.0
    while not flood.over.is_set() and time.monotonic() - began < 15:
        before = time.monotonic()
        client.loop(0.1)
        longest = max(longest, time.monotonic() - before)
        if time.monotonic() - began > 1.0 and client.is_connected():
            client.disconnect()
    flood.over.set()
    peer.close()
    assert DISCONNECT in flood.kinds
    assert longest < 1.0


def _short(size: int) -> bytes:
    body = struct.pack(">H", 3) + b"a/b" + b"x" * size
    return bytes([0x30, len(body)]) + body
