"""The MQTT sink and a real Mosquitto that is killed and restarted under it."""

from __future__ import annotations

import json
import queue
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ecgmon.ecg.types import Alert, ModelRef
from ecgmon.sinks.mqtt import MqttSink, MqttSinkSettings
from ecgmon.transport.broker import BrokerSettings
from ecgmon.transport.connection import Connection
from ecgmon.transport.messages import Handlers, Incoming
from ecgmon.transport.payloads import decode_alert

Broker = Any  # the fixture's class lives in conftest.py, which cannot be imported

ALERT = Alert(
    id="a0",
    stream="bed",
    kind="asystole",
    state="raised",
    severity="critical",
    onset=1.0,
    end=2.0,
    time=2.0,
    beats=0,
    score=None,
    p_value=None,
    threshold=None,
    heart_rate=None,
    evidence=None,
    model=ModelRef(name="m", hash="h"),
)


def settings_for(broker: Broker, **options: Any) -> MqttSinkSettings:
    reach = BrokerSettings(url=broker.url, reconnect_min_seconds=0.05, reconnect_max_seconds=0.1)
    return MqttSinkSettings(broker=reach, **options)


@contextmanager
def subscriber(
    broker: Broker, topic: str = "ecgmon/#", *, late: bool = False
) -> Iterator[queue.Queue[Incoming]]:
    """All messages on ``topic``, also those of a reader's absence; ``late``: retained ones first."""
    got: queue.Queue[Incoming] = queue.Queue()
    reach = BrokerSettings(
        url=broker.url,
        client_id=None if late else "reader",
        reconnect_min_seconds=0.05,
        reconnect_max_seconds=0.1,
    )
    connection = Connection(reach, "in", Handlers(message=got.put), subscribe=(topic, 1), persistent=not late)
    connection.start(must_connect=True)
    yield got
    connection.stop(1)


def wait_for(condition: Callable[[], object], timeout: float = 20.0) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def retained(broker: Broker, topic: str) -> list[Any]:
    with subscriber(broker, topic, late=True) as got:
        time.sleep(0.3)
        payloads = [got.get().payload for _ in range(got.qsize())]
    return [json.loads(payload) for payload in payloads if payload]  # empty: it was taken away just now


def test_alerts_arrive_as_they_were_and_leave_the_outbox_when_acknowledged(mosquitto: Broker) -> None:
    with subscriber(mosquitto, "ecgmon/alerts/#") as got:
        sink = MqttSink(settings_for(mosquitto))
        sink.open()
        sink.alert(ALERT)
        message = got.get(timeout=5)
        assert (message.topic, decode_alert(message.payload)) == ("ecgmon/alerts/bed", ALERT)
        wait_for(lambda: sink.stats()["delivered"] == 1)
        assert sink.stats()["waiting"] == 0
        assert sink.close(5.0) == 0


def test_every_alert_arrives_though_the_broker_is_killed_again_and_again(
    mosquitto: Broker, tmp_path: Path
) -> None:
    chance = random.Random(7)
    sent = {f"a{number}" for number in range(300)}
    with subscriber(mosquitto, "ecgmon/alerts/#") as got:
        sink = MqttSink(settings_for(mosquitto, state_directory=str(tmp_path / "state")))
        sink.open()
        for number in range(300):
            sink.alert(replace(ALERT, id=f"a{number}"))
            if number % 75 == 40:
                mosquitto.kill()
            if number % 75 == 60:
                mosquitto.start()
            time.sleep(chance.uniform(0, 0.01))
        assert sink.close(20.0) == 0
        arrived: set[str] = set()
        while arrived != sent:
            arrived.add(decode_alert(got.get(timeout=10).payload).id)


def test_alerts_raised_while_there_was_no_broker_arrive_after_a_restart_of_both(
    mosquitto: Broker, tmp_path: Path
) -> None:
    settings = settings_for(mosquitto, state_directory=str(tmp_path))
    with subscriber(mosquitto, "ecgmon/alerts/#") as got:
        mosquitto.stop()
        first = MqttSink(settings)
        first.open()
        first.alert(ALERT)
        first.alert(replace(ALERT, state="cleared"))
        assert first.close(0.1) == 2
        mosquitto.start()
        second = MqttSink(settings)
        second.open()
        assert [decode_alert(got.get(timeout=10).payload).state for _ in range(2)] == ["raised", "cleared"]
        assert second.close(5.0) == 0


def test_status_is_retained_with_the_session_and_says_goodbye(mosquitto: Broker) -> None:
    sink = MqttSink(settings_for(mosquitto))
    sink.open()
    wait_for(lambda: sink.connected)
    time.sleep(0.1)
    online = retained(mosquitto, "ecgmon/status")
    assert [(status["state"], status["session"]) for status in online] == [("online", sink.session)]
    assert sink.close(5.0) == 0
    offline = retained(mosquitto, "ecgmon/status")
    assert [(status["state"], status["session"]) for status in offline] == [("offline", sink.session)]


def test_the_newest_state_is_retained_survives_a_broker_without_memory_and_can_be_removed(
    mosquitto: Broker,
) -> None:
    sink = MqttSink(settings_for(mosquitto))
    sink.open()
    for rate in (60, 61, 62):
        sink.state("bed", {"heart_rate": rate})
    newest = [{"heart_rate": 62, "session": sink.session}]
    wait_for(lambda: retained(mosquitto, "ecgmon/streams/bed/state") == newest)
    mosquitto.kill()
    for file in mosquitto.folder.glob("*.db"):
        file.unlink()
    mosquitto.start()
    wait_for(lambda: retained(mosquitto, "ecgmon/streams/bed/state") == newest)
    sink.state("bed", {})
    wait_for(lambda: not retained(mosquitto, "ecgmon/streams/bed/state"))
    sink.close(5.0)


def test_a_topic_prefix_moves_everything(mosquitto: Broker) -> None:
    with subscriber(mosquitto, "ward/#") as got:
        sink = MqttSink(settings_for(mosquitto, prefix="ward/3"))
        sink.open()
        sink.alert(ALERT)
        sink.state("bed", {"x": 1})
        assert sink.close(5.0) == 0
        topics = {got.get(timeout=5).topic for _ in range(4)}
    assert topics == {"ward/3/status", "ward/3/alerts/bed", "ward/3/streams/bed/state"}


@pytest.mark.parametrize("count", [1000])
def test_handing_over_takes_no_time_of_the_network(mosquitto: Broker, tmp_path: Path, count: int) -> None:
    sink = MqttSink(settings_for(mosquitto, state_directory=str(tmp_path)))
    sink.open()
    mosquitto.stop()
    began = time.monotonic()
    for number in range(count):
        sink.alert(replace(ALERT, id=str(number)))
    assert (time.monotonic() - began) / count < 0.005
    sink.close(0.0)
