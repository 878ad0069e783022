"""The connection against a real Mosquitto: every way in, every refusal, coming back, and the last will."""

from __future__ import annotations

import logging
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client

from ecgmon.errors import TransportError
from ecgmon.transport.broker import BrokerSettings
from ecgmon.transport.connection import Connection
from ecgmon.transport.messages import Handlers, Incoming, Message, Presence

Broker = Any  # the fixture's class lives in conftest.py, which cannot be imported


@contextmanager
def running(connection: Connection) -> Iterator[Connection]:
    connection.start(must_connect=True)
    try:
        yield connection
    finally:
        connection.stop(2.0)


@contextmanager
def reading(url: str, topic: str = "t/#", **options: Any) -> Iterator[queue.Queue[Incoming]]:
    got: queue.Queue[Incoming] = queue.Queue()
    settings = BrokerSettings(
        url=url, reconnect_min_seconds=0.1, reconnect_max_seconds=0.2, client_id="reader"
    )
    options = {"persistent": True} | options
    subscribe = topic, options.pop("qos", 1)
    with running(Connection(settings, "in", Handlers(message=got.put), subscribe=subscribe, **options)):
        yield got


def wait_for(condition: Callable[[], object], timeout: float = 10.0) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def drain(got: queue.Queue[Incoming], quiet: float = 0.3) -> list[bytes]:
    payloads = []
    while True:
        try:
            payloads.append(got.get(timeout=quiet).payload)
        except queue.Empty:
            return payloads


def round_trip(settings: BrokerSettings) -> bytes:
    """Publish and receive one message over ``settings``."""
    got: queue.Queue[bytes] = queue.Queue()
    delivered: queue.Queue[int] = queue.Queue()
    handlers = Handlers(message=lambda message: got.put(message.payload), delivered=delivered.put)
    with running(Connection(settings, "both", handlers, subscribe=("t/#", 1))) as connection:
        number = connection.publish(Message("t/a", b"hello"))
        assert delivered.get(timeout=5) == number
        return got.get(timeout=5)


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_a_message_goes_there_and_back_in_each_protocol(mosquitto: Broker, protocol: Any) -> None:
    assert round_trip(BrokerSettings(url=mosquitto.url, protocol=protocol)) == b"hello"


def test_websockets_and_unix_sockets_work(mosquitto: Broker, free_port: Callable[[], int]) -> None:
    port, path = free_port(), mosquitto.folder / "m.sock"
    mosquitto.stop()
    mosquitto.configure(f"listener {port} 127.0.0.1\nprotocol websockets\nlistener 0 {path}")
    mosquitto.start()
    assert round_trip(BrokerSettings(url=f"ws://127.0.0.1:{port}")) == b"hello"
    assert round_trip(BrokerSettings(url=f"unix://{path}")) == b"hello"


@pytest.fixture
def passwords(mosquitto: Broker) -> Broker:
    file = mosquitto.folder / "passwords"
    subprocess.run(
        ["mosquitto_passwd", "-c", "-b", str(file), "me", "r1ght"], check=True, capture_output=True
    )
    file.chmod(0o644)
    mosquitto.stop()
    mosquitto.configure(f"password_file {file}", anonymous=False)
    mosquitto.start()
    return mosquitto


@pytest.mark.parametrize(
    ("protocol", "told"), [("3.1.1", "it refused us: not authorized"), ("5", "it refused us: not authorized")]
)
def test_a_wrong_password_is_an_error_with_its_reason_and_not_a_connection(
    passwords: Broker, protocol: Any, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings = BrokerSettings(url=passwords.url.replace("//", "//me:wr0ng@"), protocol=protocol)
    connection = Connection(settings, "in")
    with caplog.at_level(logging.DEBUG), pytest.raises(TransportError, match=told) as caught:
        connection.start(must_connect=True)
    assert not connection.connected
    assert "wr0ng" not in caplog.text + str(caught.value)


def test_the_right_password_from_a_file_gets_in(passwords: Broker, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("r1ght\n")
    settings = BrokerSettings(url=passwords.url, username="me", password_file=str(file))
    assert round_trip(settings) == b"hello"


def test_a_password_mended_while_running_gets_in_without_a_restart(passwords: Broker, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("wr0ng\n")
    settings = BrokerSettings(
        url=passwords.url,
        username="me",
        password_file=str(file),
        reconnect_min_seconds=0.05,
        reconnect_max_seconds=0.1,
    )
    connection = Connection(settings, "in")
    connection.start()
    wait_for(lambda: connection.last_error)
    assert not connection.connected
    file.write_text("r1ght\n")
    wait_for(lambda: connection.connected)
    assert connection.last_error is None
    connection.stop(1)


def test_nobody_listening_is_an_error_with_its_reason(free_port: Callable[[], int]) -> None:
    url = f"mqtt://127.0.0.1:{free_port()}"
    with pytest.raises(TransportError, match=f"broker {url} .*connection refused; is it running"):
        Connection(BrokerSettings(url=url), "in").start(must_connect=True)


@pytest.mark.parametrize(
    ("protocol", "code", "told"),
    [
        ("5", 0x84, "it refused us: unsupported protocol version; see broker.protocol"),
        ("3.1.1", 1, "it does not speak MQTT 3.1.1; see broker.protocol"),
        ("3.1.1", 2, "it refused us: client identifier not valid; see broker.client_id"),
        ("3.1.1", 3, "it refused us: server unavailable"),
        ("3.1.1", 4, "it refused us: bad user name or password; see username and password"),
        ("3.1.1", 5, "it refused us: not authorized; see username and password"),
        ("5", 0x86, "it refused us: bad user name or password; see username and password"),
        ("5", 0x88, "it refused us: server unavailable"),
        ("5", 0x8A, "it refused us: banned"),
        ("5", 0x9F, "it refused us: connection rate exceeded"),
    ],
)
def test_each_refusal_is_an_error_with_its_reason(protocol: Any, code: int, told: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def refuse() -> None:
            accepted, _ = server.accept()
            with accepted:
                accepted.recv(1000)
                accepted.sendall(
                    bytes([0x20, 2, 0, code]) if protocol == "3.1.1" else bytes([0x20, 3, 0, code, 0])
                )
                accepted.recv(1000)

        thread = threading.Thread(target=refuse)
        thread.start()
        settings = BrokerSettings(url=f"mqtt://127.0.0.1:{server.getsockname()[1]}", protocol=protocol)
        connection = Connection(settings, "in")
        with pytest.raises(TransportError, match=told):
            connection.start(must_connect=True)
        thread.join()
    assert not connection.connected
    assert connection.generation == 0


def test_a_connection_that_is_half_open_is_noticed_by_keepalive(mosquitto: Broker) -> None:
    with Relay(mosquitto.port) as relay:
        news: queue.Queue[str] = queue.Queue()
        settings = BrokerSettings(
            url=f"mqtt://127.0.0.1:{relay.port}", keepalive_seconds=2, reconnect_min_seconds=0.05
        )
        handlers = Handlers(up=lambda: news.put("up"), down=lambda: news.put("down"))
        with running(Connection(settings, "out", handlers)):
            assert news.get(timeout=5) == "up"
            with pytest.raises(queue.Empty):
                news.get(timeout=3)  # pings are answered: it stays
            relay.deaf.set()
            began = time.monotonic()
            assert news.get(timeout=10) == "down"
            assert time.monotonic() - began <= 2 * 2 + 1
            relay.deaf.clear()
            assert news.get(timeout=10) == "up"


class Relay:
    """Passes bytes to a broker and back; while ``deaf`` it takes them and passes none, and closes nothing."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self.deaf = threading.Event()
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Relay:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for each in [self._server, *self._sockets]:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                broker = socket.create_connection(("127.0.0.1", self._to))
                self._sockets += [client, broker]
                for pair in ((client, broker), (broker, client)):
                    threading.Thread(target=self._pass, args=pair, daemon=True).start()

    def _pass(self, source: socket.socket, to: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if not self.deaf.is_set():
                    to.sendall(data)
            to.close()


def test_pauses_double_from_shortest_to_longest_and_are_jittered() -> None:
    settings = BrokerSettings(reconnect_min_seconds=0.5, reconnect_max_seconds=15)
    connection = Connection(settings, "out")
    for failures, longest in ((0, 0.5), (1, 0.5), (2, 1.0), (3, 2.0), (5, 8.0), (6, 15.0), (1000, 15.0)):
        pauses = {connection._pause(failures) for _ in range(200)}
        assert all(longest / 2 <= pause <= longest for pause in pauses)
        assert max(pauses) - min(pauses) > longest / 4
    other = Connection(settings, "out")
    assert [connection._pause(9) for _ in range(5)] != [other._pause(9) for _ in range(5)]


def test_a_listener_that_says_nothing_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"mqtt://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(TransportError, match="does not answer"):
            Connection(BrokerSettings(url=url, connect_timeout_seconds=0.5), "in").start(must_connect=True)


def test_something_that_is_no_broker_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        connection = Connection(BrokerSettings(url=f"mqtt://127.0.0.1:{other.getsockname()[1]}"), "in")
        connection.start()
        accepted, _ = other.accept()
        accepted.recv(1000)
        accepted.close()
        wait_for(lambda: connection.last_error)
        assert "is this its MQTT port" in str(connection.last_error)
        connection.stop(1)


def test_a_subscription_refused_is_an_error(mosquitto: Broker) -> None:
    connection = Connection(BrokerSettings(url=mosquitto.url), "in", subscribe=("a/#/b", 1))
    with pytest.raises(TransportError):
        connection.start(must_connect=True)


def test_publishing_without_a_connection_keeps_nothing(mosquitto: Broker) -> None:
    connection = Connection(BrokerSettings(url=mosquitto.url), "out")
    assert connection.publish(Message("t/a", b"x")) is None
    with running(connection):
        assert connection.publish(Message("t/a", b"y")) is not None
    assert connection.publish(Message("t/a", b"z")) is None


def test_only_the_connections_own_thread_writes_and_it_is_woken_at_once(
    mosquitto: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    writers: set[str] = set()
    send = Client._sock_send

    def noting(client: Client, data: bytes) -> int:
        writers.add(threading.current_thread().name)
        return send(client, data)

    monkeypatch.setattr(Client, "_sock_send", noting)
    out = Connection(BrokerSettings(url=mosquitto.url), "out")
    with reading(mosquitto.url, manual_ack=True) as got, running(out) as publisher:
        began = time.monotonic()
        for number in range(20):
            publisher.publish(Message("t/a", str(number).encode()))
            message = got.get(timeout=5)
            assert message.payload == str(number).encode()
            message.acknowledge()
        took = time.monotonic() - began
        large = [Message("t/a", b"x" * 5000)] * 50
        threads = [
            threading.Thread(target=lambda: [publisher.publish(message) for message in large])
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for _ in range(200):
            message = got.get(timeout=5)
            assert message.payload == b"x" * 5000
            message.acknowledge()
        assert publisher.generation == 1
    assert writers == {"mqtt-in", "mqtt-out"}
    assert took < 2.5, "each waited for the loop's half second"


def test_a_retained_message_is_known_as_such(mosquitto: Broker) -> None:
    with running(Connection(BrokerSettings(url=mosquitto.url), "out")) as publisher:
        with reading(mosquitto.url) as got:
            publisher.publish(Message("t/a", b"x", retain=True))
            assert not got.get(timeout=5).retained
        with reading(mosquitto.url, persistent=False) as late:
            assert late.get(timeout=5).retained


def test_a_broker_of_mqtt_5_sends_no_packet_beyond_our_maximum(mosquitto: Broker) -> None:
    got: queue.Queue[Incoming] = queue.Queue()
    settings = BrokerSettings(url=mosquitto.url, protocol="5")
    reader = Connection(settings, "in", Handlers(message=got.put), subscribe=("t/#", 1), max_packet=1000)
    with running(reader), running(Connection(BrokerSettings(url=mosquitto.url), "out")) as publisher:
        publisher.publish(Message("t/a", b"x" * 1100))
        publisher.publish(Message("t/a", b"small"))
        assert got.get(timeout=5).payload == b"small"


def test_it_comes_back_after_the_broker_was_killed(mosquitto: Broker) -> None:
    news: queue.Queue[str] = queue.Queue()
    settings = BrokerSettings(url=mosquitto.url, reconnect_min_seconds=0.1, reconnect_max_seconds=0.2)
    handlers = Handlers(up=lambda: news.put("up"), down=lambda: news.put("down"))
    with running(Connection(settings, "out", handlers)) as connection:
        assert news.get(timeout=5) == "up"
        mosquitto.kill()
        assert news.get(timeout=5) == "down"
        wait_for(lambda: connection.last_error and "refused" in connection.last_error)
        mosquitto.start()
        assert news.get(timeout=5) == "up"
        assert connection.generation == 2


def test_what_was_not_acknowledged_is_delivered_again_and_the_rest_is_not(mosquitto: Broker) -> None:
    with running(Connection(BrokerSettings(url=mosquitto.url), "out")) as publisher:
        with reading(mosquitto.url, manual_ack=True) as got:
            for number in range(4):
                publisher.publish(Message("t/a", str(number).encode()))
            messages = [got.get(timeout=5) for _ in range(4)]
            for message in messages[:2]:
                message.acknowledge()
            time.sleep(0.2)
        with reading(mosquitto.url, manual_ack=True) as got:
            assert drain(got) == [b"2", b"3"]
            messages[3].acknowledge()  # of the earlier connection: must acknowledge nothing
            time.sleep(0.2)
        with reading(mosquitto.url, manual_ack=True) as got:
            assert drain(got) == [b"2", b"3"]


def test_what_was_acknowledged_just_before_the_end_is_not_delivered_again(mosquitto: Broker) -> None:
    with running(Connection(BrokerSettings(url=mosquitto.url), "out")) as publisher:
        with reading(mosquitto.url, manual_ack=True, pace=0.2) as got:
            for number in range(4):
                publisher.publish(Message("t/a", str(number).encode()))
            for message in [got.get(timeout=5) for _ in range(4)]:
                message.acknowledge()
        time.sleep(0.2)  # Mosquitto reads a packet a turn: a newcomer of the same name could overtake them
        with reading(mosquitto.url, manual_ack=True) as got:
            assert drain(got) == []


def test_messages_of_all_qualities_are_acknowledged_together_and_none_comes_again(mosquitto: Broker) -> None:
    """More than the broker sends ahead of our acknowledgements; those of QoS 2 are paho's."""
    with running(Connection(BrokerSettings(url=mosquitto.url), "out")) as publisher:
        with reading(mosquitto.url, manual_ack=True, pace=0.01, qos=2) as got:
            for number in range(60):
                publisher.publish(Message("t/a", str(number).encode(), qos=number % 3))
            seen = []
            for _ in range(60):
                message = got.get(timeout=5)
                seen.append(int(message.payload))
                message.acknowledge()
            assert sorted(seen) == list(range(60))
        time.sleep(0.2)
        with reading(mosquitto.url, manual_ack=True, qos=2) as got:
            assert drain(got) == []


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_with_a_pace_messages_are_handed_on_together_and_in_order(mosquitto: Broker, protocol: Any) -> None:
    batches: list[list[bytes]] = []
    handlers = Handlers(messages=lambda came: batches.append([each.payload for each in came]))
    settings = BrokerSettings(url=mosquitto.url, protocol=protocol)
    with (
        running(Connection(settings, "in", handlers, subscribe=("t/#", 0), pace=0.2)),
        running(Connection(BrokerSettings(url=mosquitto.url), "out")) as publisher,
    ):
        for number in range(200):
            publisher.publish(Message("t/a", str(number).encode()))
        wait_for(lambda: sum(map(len, batches)) == 200)
    assert [payload for batch in batches for payload in batch] == [str(n).encode() for n in range(200)]
    assert len(batches) < 20


def test_a_persistent_session_needs_a_name_that_stays() -> None:
    with pytest.raises(TransportError, match="client_id"):
        Connection(BrokerSettings(), "in", persistent=True)


PRESENT = Presence("t/status", b"online", b"offline", b"lost")


def test_birth_is_retained_and_a_clean_end_says_goodbye(mosquitto: Broker) -> None:
    with reading(mosquitto.url) as got:
        with running(Connection(BrokerSettings(url=mosquitto.url), "out", presence=PRESENT)):
            assert got.get(timeout=5).payload == b"online"
        assert drain(got) == [b"offline"]
    with reading(mosquitto.url, persistent=False) as late:
        assert drain(late) == [b"offline"]


def test_a_killed_program_leaves_its_will(mosquitto: Broker) -> None:
    code = (
        "import sys, time\n"
        "from ecgmon.transport.broker import BrokerSettings\n"
        "from ecgmon.transport.connection import Connection, Presence\n"
        "presence = Presence('t/status', b'online', b'offline', b'lost')\n"
        "Connection(BrokerSettings(url=sys.argv[1]), 'out', presence=presence).start(must_connect=True)\n"
        "time.sleep(60)"
    )
    with reading(mosquitto.url) as got:
        program = subprocess.Popen([sys.executable, "-c", code, mosquitto.url])
        assert got.get(timeout=20).payload == b"online"
        program.kill()
        program.wait(5)
        assert got.get(timeout=5).payload == b"lost"
    with reading(mosquitto.url, persistent=False) as late:
        assert drain(late) == [b"lost"]
