"""What Home Assistant is told of streams, and what its templates make of their states."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgmon.config import convert
from ecgmon.errors import ConfigError
from ecgmon.monitor.metrics import BAD_SIGNAL
from ecgmon.sinks.home_assistant import Announcements, HomeAssistantSettings, device, identifier
from ecgmon.sinks.mqtt import MqttSinkSettings
from ecgmon.transport.topics import OwnTopics, is_stream_name

TOPICS = OwnTopics()


def announcements(**settings: Any) -> Announcements:
    made = HomeAssistantSettings(**{"enabled": True, **settings})
    return Announcements(made, TOPICS, "5e55")


def told(announcements: Announcements, stream: str, *, last: bool = False) -> str | None:
    """``+`` where a device is announced, ``-`` where it is removed, None where nothing is said."""
    answer = announcements.of(stream, last=last)
    return None if answer is None else "-" if answer[1] is None else "+"


def test_nothing_is_said_unless_asked_for() -> None:
    assert not MqttSinkSettings().home_assistant.enabled
    silent = announcements(enabled=False)
    assert silent.of("bed", last=False) is None
    assert silent.of("bed", last=True) is None


def test_a_stream_is_announced_once_and_removed_at_its_end_on_the_same_topic() -> None:
    ward = announcements()
    first = ward.of("bed 1", last=False)
    assert first is not None
    topic, content = first
    assert re.fullmatch(r"homeassistant/device/ecgmon_bed_1_[0-9a-f]{8}/config", topic)
    assert content is not None
    assert ward.of("bed 1", last=False) is None
    assert ward.of("bed 1", last=True) == (topic, None)
    assert ward.of("bed 1", last=False) == first


def test_a_stream_that_an_earlier_run_announced_is_removed_too() -> None:
    assert told(announcements(), "bed", last=True) == "-"


def test_no_more_than_max_streams_are_announced_and_an_end_makes_room(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ward = announcements(max_streams=2)
    assert [told(ward, name) for name in "abcd"] == ["+", "+", None, None]
    assert [record.getMessage() for record in caplog.records] == [
        "Home Assistant is told of 2 streams and no more: home_assistant.max_streams"
    ]
    assert told(ward, "a", last=True) == "-"
    assert [told(ward, name) for name in "bcd"] == [None, "+", None]


@given(st.lists(st.text(max_size=128).filter(is_stream_name), min_size=2, max_size=2, unique=True))
def test_any_two_streams_have_different_identifiers_that_a_discovery_topic_may_hold(names: list[str]) -> None:
    made = [identifier("ecgmon", name) for name in names]
    assert made[0] != made[1]
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]+", one) for one in made)
    assert identifier("other", names[0]) != made[0]


def test_a_device_has_what_discovery_demands() -> None:
    """Of a device message: device with identifiers, origin with a name, of each component a platform and a
    unique id; state topic and availability may be shared."""
    content = device(TOPICS, "bed", "5e55")
    assert set(content) == {"device", "origin", "state_topic", "availability", "components"}
    assert content["device"]["identifiers"] == [identifier("ecgmon", "bed")]
    assert content["origin"]["name"] == "ecgmon"
    assert content["state_topic"] == "ecgmon/streams/bed/state"
    assert [entry["topic"] for entry in content["availability"]] == ["ecgmon/status"]
    components = content["components"].values()
    assert len({component["unique_id"] for component in components}) == len(components) == 4
    assert {component["platform"] for component in components} == {"binary_sensor", "sensor"}
    assert set(content["components"]["signal"]["options"]) == {"good", *BAD_SIGNAL, "unknown"}
    assert all(component["name"] and component["value_template"] for component in components)


@pytest.mark.parametrize("prefix", ["", "/ha", "ha/", "ha/#", "+", "$SYS"])
def test_a_prefix_that_is_no_topic_is_refused(prefix: str) -> None:
    with pytest.raises(ConfigError, match="prefix"):
        convert({"home_assistant": {"prefix": prefix}}, MqttSinkSettings, where="serve.yaml")
