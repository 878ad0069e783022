"""Publishes read many at a time are what paho reads one by one; what is in doubt is left to it."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt._packet import decode_publish
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.exception import MQTTException

from ecgmon.transport.publishes import Publish, take

LARGEST = 40_000


def packet(
    topic: bytes, payload: bytes, *, qos: int = 0, number: int = 1, flags: int = 0, properties: bytes = b""
) -> bytes:
    """A PUBLISH as the standard has it; ``properties``: the field of MQTT 5 with its length."""
    body = struct.pack(">H", len(topic)) + topic
    body += struct.pack(">H", number) if qos else b""
    return (
        bytes([0x30 | qos << 1 | flags])
        + length_of(body + properties + payload)
        + body
        + properties
        + payload
    )


def length_of(body: bytes) -> bytes:
    left, field = len(body), b""
    while True:
        left, low = left >> 7, left & 127
        field += bytes([low | (128 if left else 0)])
        if not left:
            return field


def paho_takes(data: bytes, version: MQTTProtocolVersion) -> list[Publish]:
    """What paho makes of the same bytes, up to the first packet that is no whole PUBLISH of QoS 0 or 1."""
    found: list[Publish] = []
    at = 0
    while at < len(data):
        length, shift, begin = 0, 0, at + 1
        while begin < len(data):
            length |= (data[begin] & 127) << shift
            shift, begin = shift + 7, begin + 1
            if data[begin - 1] < 128:
                break
        else:
            return found
        if data[at] & 0xF0 != 0x30 or shift > 28 or begin + length > len(data):
            return found
        try:
            read = decode_publish(data[at], data[begin : begin + length], version)
        except (MQTTException, struct.error, IndexError):
            return found
        if read.qos > 1:
            return found
        found.append(Publish(read.topic, bytes(read.payload), read.mid, read.qos, read.retain))
        at = begin + length
    return found


packets = st.builds(
    packet,
    st.binary(min_size=1, max_size=40),
    st.one_of(st.binary(max_size=200), st.integers(0, 30_000).map(bytes)),
    qos=st.integers(0, 1), number=st.integers(1, 65_535), flags=st.sampled_from([0, 1, 8, 9]),
)  # fmt: skip


@given(st.lists(packets, max_size=8), st.integers(0, 60))
def test_whole_packets_come_out_as_paho_reads_them_and_a_cut_one_stays(sent: list[bytes], cut: int) -> None:
    data = b"".join(sent)
    whole = len(data) - min(cut, len(sent[-1]) - 1 if sent else 0)
    found, rest = take(data[:whole], 0, properties=False, largest=LARGEST)
    assert found == paho_takes(data[:whole], MQTTProtocolVersion.MQTTv311)
    assert rest == len(b"".join(sent if whole == len(data) else sent[:-1]))


@given(st.lists(packets, max_size=4), st.data())
def test_damaged_bytes_never_come_out_as_something_else_than_paho_reads(
    sent: list[bytes], data: st.DataObject
) -> None:
    """It may stop early, and then leaves off at the beginning of a packet."""
    raw = bytearray(b"".join(sent))
    for _ in range(data.draw(st.integers(0, 4)) if raw else 0):
        raw[data.draw(st.integers(0, min(len(raw), 80) - 1))] = data.draw(st.integers(0, 255))
    for properties, version in ((False, MQTTProtocolVersion.MQTTv311), (True, MQTTProtocolVersion.MQTTv5)):
        found, rest = take(bytes(raw), 0, properties=properties, largest=LARGEST)
        read = paho_takes(bytes(raw), version)
        assert found == read[: len(found)]
        after, _ = take(bytes(raw), rest, properties=properties, largest=LARGEST)
        assert after == []


@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_an_error(raw: bytes) -> None:
    for properties in (False, True):
        _, rest = take(raw, 0, properties=properties, largest=LARGEST)
        assert 0 <= rest <= len(raw)


def test_a_packet_of_mqtt_5_without_properties_is_taken_and_one_with_them_is_left() -> None:
    plain = packet(b"a/b", b"x", qos=1, number=7, properties=b"\0")
    special = packet(b"a/b", b"y", qos=1, number=8, properties=b"\x02\x01\x01")
    found, rest = take(plain + special + plain, 0, properties=True, largest=LARGEST)
    assert (found, rest) == ([Publish(b"a/b", b"x", 7, 1, retained=False)], len(plain))


@pytest.mark.parametrize(
    "left",
    [
        b"\x20\x02\0\0",  # CONNACK
        packet(b"a/b", b"x", qos=2),
        b"\x36\x07\0\x03a/b\0\x01",  # both bits of QoS
        packet(b"", b"x"),
        packet(b"a", bytes(LARGEST)),
        b"\x30\x01\0",
        b"\x30\x03\0\x05a",  # the topic's end lies beyond the packet's
        b"\x32\x04\0\x01a\0",  # so does the number's
        b"\x30\x80\x80\x80\x01" + bytes(2**21),  # a length in four bytes
        b"\x30",
        b"\x30\xff",
        b"\x30\xff\xff",
    ],
)
def test_what_is_out_of_the_ordinary_is_left_where_it_lies(left: bytes) -> None:
    first = packet(b"a/b", b"x")
    found, rest = take(first + left, 0, properties=False, largest=LARGEST)
    assert (len(found), rest) == (1, len(first))
