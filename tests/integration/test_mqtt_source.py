"""The MQTT source fed by a real Mosquitto."""

from __future__ import annotations

import queue
import time
from collections import Counter
from typing import Any

import numpy as np
import pytest

from ecgmon.ecg.types import Chunk
from ecgmon.sources.mqtt import MqttSettings, MqttSource
from ecgmon.transport.broker import BrokerSettings
from ecgmon.transport.connection import Connection
from ecgmon.transport.messages import Handlers, Message
from ecgmon.transport.payloads import Form, encode
from ecgmon.transport.topics import SampleTopics

Broker = Any  # the fixture's class lives in conftest.py, which cannot be imported

TOPICS = SampleTopics()


def chunk_of(seq: int) -> Chunk:
    samples = np.array([[seq / 200, -0.5, np.nan]], np.float32)
    return Chunk("bed", 360.0, ("MLII",), samples, 1000.0 + seq, seq)


def open_source(broker: Broker, **options: Any) -> MqttSource:
    reach = BrokerSettings(
        url=broker.url,
        client_id="monitor",
        reconnect_min_seconds=0.05,
        reconnect_max_seconds=0.1,
        fail_at_start=True,
    )
    source = MqttSource(MqttSettings(broker=reach, persistent_session=True, **options))
    source.open()
    return source


def publish(broker: Broker, *messages: Message) -> None:
    """Publish and wait until the broker has everything."""
    delivered: queue.Queue[int] = queue.Queue()
    connection = Connection(BrokerSettings(url=broker.url), "out", Handlers(delivered=delivered.put))
    connection.start(must_connect=True)
    numbers = {connection.publish(message) for message in messages}
    assert {delivered.get(timeout=5) for _ in messages} == numbers
    connection.stop(2.0)


def chunks_in(source: MqttSource, *, acknowledge: bool = True, wait: float = 1.0) -> list[Chunk]:
    chunks = []
    while (chunk := source.get(wait)) is not None:
        chunks.append(chunk)
        if acknowledge and chunk.ack is not None:
            chunk.ack()
    return chunks


@pytest.mark.parametrize("form", ["json", "msgpack", "binary"])
@pytest.mark.parametrize("qos", [0, 1])
def test_each_payload_arrives_to_the_bit(mosquitto: Broker, form: Form, qos: int) -> None:
    source = open_source(mosquitto, qos=qos)
    publish(mosquitto, *[Message(TOPICS.topic("bed"), encode(chunk_of(seq), form), qos) for seq in range(3)])
    got = chunks_in(source)
    source.close()
    assert [(chunk.stream, chunk.seq, chunk.t) for chunk in got] == [
        ("bed", seq, 1000.0 + seq) for seq in range(3)
    ]
    np.testing.assert_array_equal(got[2].samples, chunk_of(2).samples)


def test_more_than_the_broker_sends_ahead_arrives_when_acknowledged(mosquitto: Broker) -> None:
    source = open_source(mosquitto)
    publish(mosquitto, *[Message(TOPICS.topic("bed"), encode(chunk_of(seq), "binary")) for seq in range(200)])
    got = chunks_in(source)
    source.close()
    assert [chunk.seq for chunk in got] == list(range(200))


def test_what_was_not_acknowledged_before_a_restart_comes_again(mosquitto: Broker) -> None:
    source = open_source(mosquitto)
    publish(mosquitto, *[Message(TOPICS.topic("bed"), encode(chunk_of(seq), "json")) for seq in range(4)])
    first = [source.get(2.0) for _ in range(2)]
    assert first[0] is not None
    assert first[0].ack is not None
    first[0].ack()
    time.sleep(0.2)
    source.close()
    publish(mosquitto, Message(TOPICS.topic("bed"), encode(chunk_of(4), "json")))
    source = open_source(mosquitto)
    got = chunks_in(source)
    source.close()
    assert [chunk.seq for chunk in got] == [1, 2, 3, 4]


def test_what_came_after_the_intake_stopped_comes_at_the_next_start(mosquitto: Broker) -> None:
    source = open_source(mosquitto)
    publish(mosquitto, Message(TOPICS.topic("bed"), encode(chunk_of(0), "json")))
    first = source.get(2.0)
    source.stop_intake()
    publish(mosquitto, Message(TOPICS.topic("bed"), encode(chunk_of(1), "json")))
    assert first is not None
    assert first.ack is not None
    first.ack()
    assert chunks_in(source, wait=0.3) == []
    source.close()
    source = open_source(mosquitto)
    got = chunks_in(source)
    source.close()
    assert [chunk.seq for chunk in got] == [1]


def test_a_malformed_message_is_counted_and_does_not_come_back(mosquitto: Broker) -> None:
    source = open_source(mosquitto)
    publish(mosquitto, Message("ecg/bed/samples", b"junk"), Message("ecg/.bed/samples", b"junk"))
    assert chunks_in(source, wait=0.5) == []
    assert Counter(source.stats()["rejected"]) == Counter(format=1, stream=1)
    source.close()
    source = open_source(mosquitto)
    assert chunks_in(source, wait=0.5) == []
    assert source.stats()["received"]["messages"] == 0
    source.close()


def test_it_goes_on_after_the_broker_was_killed(mosquitto: Broker) -> None:
    source = open_source(mosquitto)
    mosquitto.kill()
    deadline = time.monotonic() + 10
    while source.connected and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not source.connected
    mosquitto.start()
    while not source.connected and time.monotonic() < deadline:
        time.sleep(0.01)
    publish(mosquitto, Message(TOPICS.topic("bed"), encode(chunk_of(7), "json")))
    assert [chunk.seq for chunk in chunks_in(source)] == [7]
    assert source.stats()["now"]["connected"] == 1
    source.close()
