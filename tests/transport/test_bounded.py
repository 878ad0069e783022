"""The client that reads ahead: it works off what it read, and writes meanwhile."""

from __future__ import annotations

import base64
import hashlib
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from ecgmon.transport.bounded import BoundedClient
from ecgmon.transport.publishes import Publish

CONNECT = 0x10
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


def connected(server: socket.socket, keepalive: int = 30) -> tuple[BoundedClient, socket.socket]:
    client = BoundedClient(
        CallbackAPIVersion.VERSION2, largest=1_000_000, client_id="x",
        protocol=MQTTProtocolVersion.MQTTv311, reconnect_on_failure=False,
    )  # fmt: skip
    client.connect("127.0.0.1", server.getsockname()[1], keepalive)
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


@pytest.mark.parametrize("end", [b"\x32\x02\0\0", b"\xf0\0"], ids=["malformed", "unknown"])
def test_nothing_behind_what_ends_the_connection_comes_out(listening: socket.socket, end: bytes) -> None:
    client, peer = connected(listening)
    got: list[Publish] = []
    client.on_publishes = got.extend
    assert client.loop(1.0) == MQTTErrorCode.MQTT_ERR_SUCCESS  # the CONNACK
    peer.sendall(_numbered(1, 10) + end + _numbered(2, 10))
    assert client.loop(1.0) == MQTTErrorCode.MQTT_ERR_PROTOCOL
    peer.close()
    assert [each.number for each in got] == [1]


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


def test_messages_are_a_sign_of_life_though_a_ping_is_not_answered(listening: socket.socket) -> None:
    client, peer = connected(listening, keepalive=1)
    got: list[Publish] = []
    client.on_publishes = got.extend
    began = time.monotonic()
    while time.monotonic() - began < 3.5:
        peer.sendall(_short(10))
        assert client.loop(0.05) == MQTTErrorCode.MQTT_ERR_SUCCESS
        time.sleep(0.05)
    peer.close()
    assert got


def test_a_websocket_loses_no_packet_where_the_socket_takes_part_of_a_frame() -> None:
    with closing(socket.socket()) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        server.bind(("127.0.0.1", 0))
        server.listen()
        peers: list[socket.socket] = []
        accepting = threading.Thread(target=lambda: peers.append(_websocket(server)))
        accepting.start()
        client = BoundedClient(
            CallbackAPIVersion.VERSION2, largest=1_000_000, client_id="x", transport="websockets",
            protocol=MQTTProtocolVersion.MQTTv311, reconnect_on_failure=False,
        )  # fmt: skip
        client.connect("127.0.0.1", server.getsockname()[1], 30)
        accepting.join()
    with closing(peers[0]) as peer:
        client.loop_write()
        assert _frame(peer)[0] == CONNECT
        peer.sendall(b"\x82\x04" + CONNACK)
        client.loop(1.0)
        for number in range(8000):
            assert client.tell("c", struct.pack(">H", number) + bytes(998), retain=False)
        for _ in range(5):
            client.loop(0.01)  # the peer does not read: the socket fills
        frames: list[bytes] = []
        reading = threading.Thread(target=_frames, args=(peer, 8000 * 1006, frames))
        reading.start()
        until = time.monotonic() + 10
        while reading.is_alive() and time.monotonic() < until:
            client.loop(0.05)
        reading.join()
    received = b"".join(frames)
    numbers = [struct.unpack_from(">H", received, at + 6)[0] for at in range(0, len(received), 1006)]
    assert numbers == list(range(8000))


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


def _websocket(server: socket.socket) -> socket.socket:
    """The next client, its handshake (RFC 6455, section 4) answered."""
    peer, _ = server.accept()
    peer.settimeout(5)
    asked = b""
    while not asked.endswith(b"\r\n\r\n"):
        asked += peer.recv(4096)
    fields = (line.split(b": ", 1) for line in asked.split(b"\r\n")[1:] if b": " in line)
    key = next(value for name, value in fields if name.lower() == b"sec-websocket-key")
    digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11", usedforsecurity=False).digest()
    answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    answer += b"Sec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Accept: " + base64.b64encode(digest)
    peer.sendall(answer + b"\r\n\r\n")
    return peer


def _frames(peer: socket.socket, size: int, frames: list[bytes]) -> None:
    """What is in frames up to ``size`` bytes in all, or until the peer falls silent."""
    while size > 0:
        try:
            frames.append(_frame(peer))
        except TimeoutError:
            return
        size -= len(frames[-1])


def _frame(peer: socket.socket) -> bytes:
    """What is in the next frame, unmasked."""
    length = _whole(peer, 2)[1] & 0x7F
    if length >= 126:
        length = int.from_bytes(_whole(peer, 2 if length == 126 else 8), "big")
    mask, data = np.frombuffer(_whole(peer, 4), np.uint8), np.frombuffer(_whole(peer, length), np.uint8)
    return bytes(data ^ np.resize(mask, length))


def _whole(peer: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += peer.recv(size - len(data)) or b"\0" * size  # over: nothing that was sent
    return data[:size]
