"""The MQTT source's queue, counters and log, message by message; the network is in tests/integration."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter

import numpy as np
import pytest

from ecgmon.config import convert
from ecgmon.ecg.types import Chunk
from ecgmon.errors import ConfigError, TransportError
from ecgmon.sources.mqtt import MqttSettings, MqttSource
from ecgmon.transport.broker import BrokerSettings
from ecgmon.transport.limits import REASONS
from ecgmon.transport.messages import Incoming
from ecgmon.transport.payloads import encode_binary

NOBODY = BrokerSettings(url="mqtt://127.0.0.1:1")


class Broker:
    """Hands messages to a source as the connection's thread does, and notes what is acknowledged."""

    def __init__(self, source: MqttSource) -> None:
        self.source = source
        self.acknowledged: list[int] = []
        self.sent = 0
        self.together: list[Incoming] | None = None

    def send(
        self,
        payload: bytes | None = None,
        topic: str = "ecg/bed/samples",
        *,
        samples: int = 5,
        retained: bool = False,
    ) -> None:
        number, self.sent = self.sent, self.sent + 1
        chunk = Chunk("bed", 250.0, ("I",), np.zeros((1, samples), np.float32), 1.0, number)
        body = encode_binary(chunk) if payload is None else payload
        message = Incoming(topic, body, lambda: self.acknowledged.append(number), retained)
        if self.together is None:
            self.source._on_messages([message])
        else:
            self.together.append(message)

    def send_together(self) -> None:
        """What was sent since ``together`` was set arrives as one."""
        together, self.together = self.together, None
        self.source._on_messages(together or [])


def test_chunks_come_in_order_and_are_acknowledged_only_by_their_ack() -> None:
    broker = Broker(MqttSource(MqttSettings(broker=NOBODY)))
    broker.send()
    broker.send()
    chunk = broker.source.get(0.0)
    assert chunk is not None
    assert (chunk.stream, chunk.seq, broker.acknowledged) == ("bed", 0, [])
    assert chunk.ack is not None
    chunk.ack()
    assert broker.acknowledged == [0]


def test_a_full_queue_drops_the_oldest_counts_and_acknowledges_it() -> None:
    broker = Broker(MqttSource(MqttSettings(broker=NOBODY, queue_chunks=2)))
    for _ in range(5):
        broker.send()
    got = [broker.source.get(0.0) for _ in range(3)]
    assert [chunk.seq if chunk else None for chunk in got] == [3, 4, None]
    assert broker.acknowledged == [0, 1, 2]
    assert broker.source.stats()["dropped"] == {"queue-full": 3, "retained": 0}


def test_messages_that_come_together_are_each_judged_and_the_oldest_of_them_dropped() -> None:
    broker = Broker(MqttSource(MqttSettings(broker=NOBODY, queue_chunks=2)))
    broker.send()
    broker.together = []
    broker.send()
    broker.send(b"junk")
    broker.send(retained=True)
    broker.send()
    broker.send()
    broker.send_together()
    got = [broker.source.get(0.0) for _ in range(3)]
    assert [chunk.seq if chunk else None for chunk in got] == [4, 5, None]
    assert sorted(broker.acknowledged) == [0, 1, 2, 3]
    stats = broker.source.stats()
    assert stats["dropped"] == {"queue-full": 2, "retained": 1}
    assert (stats["received"]["messages"], stats["rejected"]["format"]) == (6, 1)


def test_the_queue_is_bounded_in_bytes_too() -> None:
    broker = Broker(MqttSource(MqttSettings(broker=NOBODY, queue_bytes=1_000_000)))
    for _ in range(6):
        broker.send(samples=62_500)  # 250 kB
    assert broker.source.stats()["dropped"]["queue-full"] == 2
    assert broker.acknowledged == [0, 1]
    got = [broker.source.get(0.0) for _ in range(5)]
    assert [chunk.seq if chunk else None for chunk in got] == [2, 3, 4, 5, None]


def test_a_retained_message_is_counted_and_acknowledged_but_not_fed() -> None:
    broker = Broker(MqttSource(MqttSettings(broker=NOBODY)))
    broker.send(retained=True)
    assert broker.source.get(0.0) is None
    assert broker.source.stats()["dropped"] == {"queue-full": 0, "retained": 1}
    assert broker.acknowledged == [0]


def test_every_reason_is_a_counter_from_the_start() -> None:
    stats = MqttSource(MqttSettings(broker=NOBODY)).stats()
    assert stats["rejected"] == dict.fromkeys(REASONS, 0)


def test_a_malformed_message_is_counted_by_reason_and_acknowledged() -> None:
    broker = Broker(MqttSource(MqttSettings(broker=NOBODY)))
    broker.send(b"junk")
    broker.send(b"{}")
    broker.send(topic="ecg/../samples")
    broker.send(topic="")
    assert Counter(broker.source.stats()["rejected"]) == Counter(format=1, field=1, stream=2)
    assert broker.source.stats()["received"]["messages"] == 4
    assert broker.acknowledged == [0, 1, 2, 3]
    assert broker.source.get(0.0) is None


def test_a_flood_of_malformed_messages_is_one_line_a_minute_for_each_reason(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    broker = Broker(MqttSource(MqttSettings(broker=NOBODY)))
    with caplog.at_level(logging.WARNING):
        for _ in range(100):
            broker.send(b"junk\nforged line", topic="ecg/bed/samples")
        clock[0] = 61.0
        broker.send(b"junk")
    assert len(caplog.records) == 2
    assert "99 more" in caplog.records[1].getMessage()
    assert all(record.getMessage().isprintable() for record in caplog.records)


def test_get_waits_for_a_message_and_no_longer_than_told() -> None:
    broker = Broker(MqttSource(MqttSettings(broker=NOBODY)))
    began = time.monotonic()
    assert broker.source.get(0.05) is None
    assert time.monotonic() - began < 2
    timer = threading.Timer(0.05, broker.send)
    timer.start()
    assert broker.source.get(10.0) is not None
    timer.join()


def test_after_the_intake_stopped_the_queue_can_be_worked_off_and_nothing_is_added() -> None:
    broker = Broker(MqttSource(MqttSettings(broker=NOBODY)))
    broker.send()
    broker.source.stop_intake()
    broker.send()
    broker.send(b"junk")
    chunk = broker.source.get(0.0)
    assert chunk is not None
    assert chunk.ack is not None
    chunk.ack()
    assert broker.source.get(0.0) is None
    assert broker.acknowledged == [0]


def test_it_is_exhausted_only_when_closed() -> None:
    source = MqttSource(MqttSettings(broker=NOBODY))
    before = source.exhausted
    source.close()
    assert (before, source.exhausted, source.get(10.0)) == (False, True, None)


def test_an_unreachable_broker_is_an_error_at_the_start_only_when_asked_for() -> None:
    with pytest.raises(TransportError, match="connection refused; is it running"):
        MqttSource(MqttSettings(broker=BrokerSettings(url=NOBODY.url, fail_at_start=True))).open()
    source = MqttSource(MqttSettings(broker=NOBODY))
    source.open()
    deadline = time.monotonic() + 5
    while source.last_error is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not source.connected
    assert source.last_error == "connection refused; is it running?"
    source.close()


@pytest.mark.parametrize(
    ("tree", "told"),
    [
        ({"persistent_session": True}, "client_id"),
        ({"qos": 2}, "qos"),
        ({"queue_chunks": 0}, "queue_chunks"),
        ({"broker": {"url": "http://x"}}, "broker"),
        ({"limits": {"max_leads": 300}}, "max_leads"),
    ],
)
def test_wrong_settings_name_their_key(tree: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        convert({"type": "mqtt", **tree}, MqttSettings, where="serve.yaml")
