"""PUBLISH packets read from bytes, many at a time: those of which nothing is in doubt.

paho takes a packet apart in some hundred steps of Python, with three locks and four objects for each; a ward
of a thousand streams sends as many in a second. What a broker sends to a monitor is nearly always the same
kind of packet, whole, of QoS 0 or 1, without properties, and that kind is simple. Everything else, whether
unusual or malformed, is left where it lies, for paho to judge.
"""

from __future__ import annotations

from typing import Final, NamedTuple

PUBLISH: Final = 0x30
_KIND: Final = 0xF4
"""Kind of packet, and the bit that QoS 2 has and QoS 0 and 1 have not."""


class Publish(NamedTuple):
    """One message as it came; ``number`` is 0 at QoS 0."""

    topic: bytes
    payload: bytes
    number: int
    qos: int
    retained: bool


def take(data: bytes, at: int, *, properties: bool, largest: int) -> tuple[list[Publish], int]:
    """The packets that follow each other in ``data`` from ``at`` on, and where the rest begins.

    ``properties``: of MQTT 5, where a packet has a field for them. The first packet that is not whole, has
    more than ``largest`` bytes behind its header, or is in any way out of the ordinary begins the rest
    (MQTT 3.1.1 and 5, sections 2 and 3.3).
    """
    found: list[Publish] = []
    size = len(data)
    while at + 2 <= size and data[at] & _KIND == PUBLISH:
        kind, length, begin = data[at], data[at + 1], at + 2
        if length >= 128:  # in two bytes, or three; longer ones are not ordinary
            if begin + 2 > size:
                break
            length, begin = length - 128 + (data[begin] << 7), begin + 1
            if data[begin - 1] >= 128:
                length, begin = length - (128 << 7) + (data[begin] << 14), begin + 1
                if data[begin - 1] >= 128:
                    break
        end = begin + length
        if end > size or not 2 <= length <= largest:
            break
        topic = begin + 2
        behind = topic + (data[begin] << 8) + data[begin + 1]
        qos = kind >> 1 & 1
        payload = behind + 2 * qos + properties
        if behind == topic or payload > end or (properties and data[payload - 1]):
            break
        number = (data[behind] << 8) + data[behind + 1] if qos else 0
        found.append(Publish(data[topic:behind], data[payload:end], number, qos, bool(kind & 1)))
        at = end
    return found, at
