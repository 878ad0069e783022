"""The client that reads ahead: it works off what it read, and writes meanwhile."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from ecgmon.transport.bounded import BoundedClient

CONNACK = b"\x20\x02\x00\x00"
PINGRESP = b"\xd0\x00"
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
    peer.settimeout(10)
    client.loop_write()  # only the loop writes
    peer.recv(4096)
    peer.sendall(CONNACK)
    return client, peer


@pytest.mark.parametrize("together", [False, True])
def test_every_packet_comes_out_however_the_stream_was_cut(
    listening: socket.socket, *, together: bool
) -> None:
    client, peer = connected(listening)
    sizes = [0, 1, 3000, 12_000, 64, 16_000, 5] * 20
    got: list[int] = []
    client.on_message = lambda _client, _data, message: got.append(len(message.payload))
    if together:
        client.on_publishes = lambda publishes: got.extend(len(each.payload) for each in publishes)
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


def test_packets_of_all_kinds_come_in_the_order_in_which_they_were_sent(listening: socket.socket) -> None:
    """Those read together and those that paho reads; a packet beyond the bound is cut and its place kept."""
    client, peer = connected(listening)
    got: list[tuple[int, int]] = []
    client.on_publishes = lambda publishes: got.extend((p.number, len(p.payload)) for p in publishes)
    client.on_message = lambda _client, _data, message: got.append((message.mid, len(message.payload)))
    large = _numbered(3, 1_100_000)
    sent = _numbered(1, 10) + PINGRESP + _numbered(2, 20) + large + _numbered(4, 40) + _numbered(5, 5000)
    thread = threading.Thread(target=peer.sendall, args=(sent,))
    thread.start()
    until = time.monotonic() + 20
    while len(got) < 5 and time.monotonic() < until:
        assert client.loop(0.2) == MQTTErrorCode.MQTT_ERR_SUCCESS
    thread.join()
    peer.close()
    assert got == [(1, 10), (2, 20), (3, 1_000_000 - 7), (4, 40), (5, 5000)]


def test_many_threads_queue_packets_and_all_go_out_whole_and_in_order(
    listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, peer = connected(listening)
    calls: list[int] = []
    send = Client._sock_send

    def counting(self: Client, data: bytes) -> int:
        calls.append(len(data))
        return send(self, data)

    monkeypatch.setattr(Client, "_sock_send", counting)
    assert client.loop(1.0) == MQTTErrorCode.MQTT_ERR_SUCCESS  # the CONNACK
    client.acknowledge(range(1, 1001))
    client.acknowledge(range(1001, 2001))
    assert client.tell("a/b", b"told", retain=True)
    threads = [
        threading.Thread(target=lambda: [client.tell("c", bytes(500), retain=False) for _ in range(100)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls == []
    expected = b"".join(b"\x40\x02" + struct.pack(">H", number) for number in range(1, 2001))
    expected += b"\x31\x09\0\x03a/btold" + _told(500) * 400
    received = b""
    while len(received) < len(expected):
        assert client.loop(0.2) == MQTTErrorCode.MQTT_ERR_SUCCESS
        received += peer.recv(len(expected))
    peer.close()
    assert received == expected
    assert max(calls) >= 8000, "the acknowledgements did not go out together"


def test_a_wake_lets_the_loop_write_at_once_and_only_the_first_before_it_does(
    listening: socket.socket,
) -> None:
    client, peer = connected(listening)
    assert client.loop(1.0) == MQTTErrorCode.MQTT_ERR_SUCCESS  # the CONNACK
    written: list[float] = []
    client.before_writing = lambda: written.append(time.monotonic())
    for _ in range(2):
        began = time.monotonic()
        for _ in range(3):
            client.wake()
        client.loop(10.0)
        assert time.monotonic() - began < 5
    client.loop(0.05)
    peer.close()
    assert len(written) == 2


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


def _numbered(number: int, size: int) -> bytes:
    """A QoS 1 PUBLISH to ``a/b``."""
    body = struct.pack(">H", 3) + b"a/b" + struct.pack(">H", number) + b"x" * size
    length, left = b"", len(body)
    while left >= 128:
        length, left = length + bytes([left % 128 | 128]), left // 128
    return b"\x32" + length + bytes([left]) + body


def _told(size: int) -> bytes:
    body = struct.pack(">H", 1) + b"c" + bytes(size)
    return bytes([0x30, len(body) % 128 | 128, len(body) // 128]) + body
