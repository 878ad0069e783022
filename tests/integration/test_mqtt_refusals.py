"""What a real Mosquitto refuses, drops and is too large for us: nothing of it goes by in silence."""

from __future__ import annotations

import json
import queue
import resource
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from msgspec.structs import replace

from ecgmon.ecg.types import Alert, ModelRef
from ecgmon.errors import TransportError
from ecgmon.sinks import window
from ecgmon.sinks.mqtt import MqttSink, MqttSinkSettings
from ecgmon.sources.mqtt import MqttSettings, MqttSource
from ecgmon.transport.broker import BrokerSettings
from ecgmon.transport.connection import SHORT_ONES, Connection
from ecgmon.transport.limits import Limits
from ecgmon.transport.messages import Handlers, Incoming, Message
from ecgmon.transport.sender import Sender

Broker = Any  # the fixture's class lives in conftest.py, which cannot be imported

HUGE: Final = 64_000_000
ALERT: Final = Alert(
    id="a0", stream="bed", kind="asystole", state="raised", severity="critical", onset=1.0, end=2.0, time=2.0,
    beats=0, score=None, p_value=None, threshold=None, heart_rate=None, evidence=None,
    model=ModelRef(name="m", hash="h"),
)  # fmt: skip


def wait_for(condition: Callable[[], object], timeout: float = 20.0) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def reach(broker: Broker, **options: Any) -> BrokerSettings:
    return BrokerSettings(
        url=broker.url, reconnect_min_seconds=0.05, reconnect_max_seconds=0.1, fail_at_start=True, **options
    )


def listener(broker: Broker, topic: str) -> tuple[Connection, queue.Queue[Incoming]]:
    got: queue.Queue[Incoming] = queue.Queue()
    connection = Connection(reach(broker), "reader", Handlers(message=got.put), subscribe=(topic, 1))
    connection.start()
    return connection, got


def test_alerts_that_the_broker_refuses_are_kept_said_and_delivered_when_it_may(
    mosquitto: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rights = tmp_path / "rights"
    rights.write_text("topic read #\ntopic write ecgmon/status\ntopic write ecgmon/alerts/other\n")
    mosquitto.stop()
    mosquitto.configure(f"acl_file {rights}")
    mosquitto.start()
    monkeypatch.setattr(window, "REFUSED_SECONDS", 0.3)
    reader, got = listener(mosquitto, "ecgmon/alerts/#")
    sink = MqttSink(
        MqttSinkSettings(broker=reach(mosquitto, protocol="5"), state_directory=str(tmp_path / "s"))
    )
    sink.open()
    sink.alert(ALERT)
    sink.alert(replace(ALERT, id="a1", stream="other"))
    assert json.loads(got.get(timeout=10).payload)["stream"] == "other", "one topic holds up no other"
    wait_for(lambda: sink.stats()["refused"] >= 2)
    assert sink.trouble is not None
    assert "not authorized" in sink.trouble
    assert (sink.stats()["delivered"], sink.stats()["waiting"]) == (1, 1)
    rights.write_text("topic readwrite #\n")
    mosquitto.reload()
    assert json.loads(got.get(timeout=10).payload)["id"] == "a0"
    wait_for(lambda: sink.trouble is None)
    assert sink.close(5.0) == 0
    reader.stop(1.0)


def test_alerts_that_nobody_hears_are_counted(mosquitto: Broker, caplog: pytest.LogCaptureFixture) -> None:
    sink = MqttSink(MqttSinkSettings(broker=reach(mosquitto, protocol="5")))
    sink.open()
    sink.alert(ALERT)
    wait_for(lambda: sink.stats()["unheard"])
    assert "nobody is subscribed" in caplog.text
    reader, got = listener(mosquitto, "ecgmon/alerts/#")
    sink.alert(replace(ALERT, id="a1"))
    assert json.loads(got.get(timeout=10).payload)["id"] == "a1"
    wait_for(lambda: sink.stats()["delivered"] == 2)
    assert sink.stats()["unheard"] == 1
    assert sink.close(5.0) == 0
    reader.stop(1.0)


def test_a_replay_that_the_broker_refuses_ends_with_its_reason(mosquitto: Broker, tmp_path: Path) -> None:
    rights = tmp_path / "rights"
    rights.write_text("topic read #\n")
    mosquitto.stop()
    mosquitto.configure(f"acl_file {rights}")
    mosquitto.start()
    sender = Sender(reach(mosquitto, protocol="5"), qos=1)
    sender.open()
    with pytest.raises(TransportError, match="refuses what we publish: not authorized"):
        _send_much(sender)
    sender.close()


def _send_much(sender: Sender) -> None:
    for _ in range(1000):
        sender.send(Message("ecg/bed/samples", b"x"), 0)
        time.sleep(0.01)


@pytest.mark.parametrize(("protocol", "rejected"), [("3.1.1", 2), ("5", 0)])
def test_a_huge_message_costs_no_memory_and_those_behind_it_arrive(
    mosquitto: Broker, protocol: Any, rejected: int
) -> None:
    """A broker of MQTT 5 does not even send it; from one of 3.1.1 we keep no more than the limit."""
    source = MqttSource(
        MqttSettings(
            broker=reach(mosquitto, protocol=protocol, client_id="monitor"), persistent_session=True,
            limits=Limits(max_bytes=10_000),
        )
    )  # fmt: skip
    source.open()
    sender = Sender(reach(mosquitto), qos=1)
    sender.open()
    huge = bytes(HUGE)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    kept: list[int] = []

    def seen(messages: Sequence[Incoming]) -> None:
        kept.extend(len(message.payload) for message in messages)
        source._on_messages(messages)

    source._connection._handlers = Handlers(messages=seen)
    sender.send(Message("ecg/bed/samples", huge), 0)
    sender.send(Message("ecg/bed/samples", huge, qos=0), 0)
    sender.send(Message("ecg/bed/samples", b"no chunk"), 0)
    sender.drain(30.0)
    wait_for(lambda: source.stats()["rejected"]["format"] == 1)
    assert source.stats()["rejected"]["size"] == rejected
    assert max(kept) < 100_000, "no more of it is kept than message, topic and properties may take"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 4 * HUGE / 1024, "what sending costs"
    assert source.connected
    sender.close()
    source.close()
    time.sleep(0.2)  # Mosquitto reads a packet a turn: a newcomer of the same name could overtake them
    again = MqttSource(
        MqttSettings(broker=reach(mosquitto, protocol=protocol, client_id="monitor"), persistent_session=True)
    )
    again.open()
    time.sleep(0.5)
    assert again.stats()["received"]["messages"] == 0, "it was acknowledged and does not come back"
    again.close()


def test_a_broker_that_hangs_is_said_to_give_no_answer(mosquitto: Broker) -> None:
    mosquitto.signal(signal.SIGSTOP)
    try:
        connection = Connection(reach(mosquitto, connect_timeout_seconds=1.0), "out")
        with pytest.raises(TransportError, match="does not answer"):
            connection.start()
    finally:
        mosquitto.signal(signal.SIGCONT)


def test_a_namesake_that_takes_the_connection_is_suspected(mosquitto: Broker) -> None:
    settings = reach(mosquitto, client_id="ward")
    connections = [Connection(settings, "in"), Connection(settings, "in")]
    for connection in connections:
        connection.start(must_connect=False)
    wait_for(lambda: any("call itself ward-in" in str(c.last_error) for c in connections), 10 + SHORT_ONES)
    for connection in connections:
        connection.stop(1.0)
