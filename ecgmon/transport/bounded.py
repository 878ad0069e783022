"""paho's client with a bound on what one packet may cost, reading and writing many packets at a time.

Bounds: an MQTT 5 broker is told the largest packet that we take and drops what is larger; one of 3.1.1 sends
whatever somebody published, and paho asks the socket for all of it at once. Here the socket is read in small
pieces, and of a packet beyond the bound only the beginning is kept; the rest is read and thrown away. So its
message still comes out, with its topic and number and too much payload for any limit of ours, and is counted
and acknowledged like any other that is too large. To break off instead would bring it back at each
reconnection. A websocket's frames are buffered whole below this, so that there the bound is the broker's
alone.

Many at a time: read is what there is, up to one piece a turn of the loop, and ordinary messages in it are
handed on together (:mod:`ecgmon.transport.publishes`); packets that wait to be written go out in one call of
the system; and whoever queues one wakes the loop once, not again before it has written. paho does each of
these for every packet, and each call of the system gives up the interpreter's lock to the thread that
computes.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, SupportsIndex

from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTErrorCode, MQTTProtocolVersion

from ecgmon.transport.publishes import PUBLISH, Publish, take

PIECE: Final = 65_536
"""Bytes read from the socket or written to it at once, at most."""

PUBACK: Final = 0x40
DISCONNECT: Final = 0xE0


class BoundedClient(Client):
    """``largest`` is the number of bytes kept of one packet.

    on_publishes     is given ordinary messages, several at a time; others come by ``on_message``. While it is
                     None all come by that
    before_writing   is called on the loop's thread after :meth:`wake`, and may queue packets
    """

    def __init__(self, *args: Any, largest: int, **options: Any) -> None:
        super().__init__(*args, **options)
        self.on_publishes: Callable[[list[Publish]], None] | None = None
        self.before_writing: Callable[[], None] = _nothing
        self._largest = largest
        self._ahead = b""  # read from the socket
        self._taken = 0  # bytes of it that are worked off
        self._turn_read = False
        self._woken = False

    @property
    def hurried(self) -> bool:
        """There may be more to read than the last turn read."""
        return len(self._ahead) >= PIECE or not isinstance(self._sock, socket.socket)

    def acknowledge(self, numbers: Sequence[int]) -> None:
        """Queue the PUBACK of each of ``numbers``, in order (the same four bytes in MQTT 3.1.1 and 5)."""
        packets = b"".join(b"\x40\x02" + number.to_bytes(2, "big") for number in numbers)
        self._packet_queue(PUBACK, packets, 0, 1)

    def tell(self, topic: str, payload: bytes, *, retain: bool) -> bool:
        """Publish at QoS 0 what nobody follows: no callback says that it is written. Whether it could be."""
        code = self._send_publish(0, topic.encode(), payload, 0, retain)
        return code == MQTTErrorCode.MQTT_ERR_SUCCESS

    def wake(self) -> None:
        """Let the loop write soon; from any thread."""
        if self._woken:
            return
        self._woken, wire = True, self._sockpairW
        if wire is not None:
            with contextlib.suppress(OSError):  # full: it wakes anyhow; closed: there is nothing to wake
                wire.send(b"\0")

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        """As paho's, until what was read ahead is worked off: nobody wakes us for that. A packet whose end is
        not there goes on in the next turn: however fast a broker sends, there is writing in between."""
        self._turn_read = False
        if not self._in_packet["command"] and isinstance(self._sock, socket.socket):
            with contextlib.suppress(OSError):  # paho will meet it, too, and knows what to do
                self._read_ahead()
            self._hand_on()
        code, nothing_read = MQTTErrorCode.MQTT_ERR_SUCCESS, not self._turn_read
        while code == MQTTErrorCode.MQTT_ERR_SUCCESS and (nothing_read or self._taken < len(self._ahead)):
            code, nothing_read = super().loop_read(max_packets), False
            self._hand_on()
        return code

    def _hand_on(self) -> None:
        """Ordinary messages at the beginning of what was read ahead; none once the connection has ended."""
        if self.on_publishes is None or self._in_packet["command"] or self._sock is None:
            return
        if self._taken == len(self._ahead):
            return
        found, self._taken = take(
            self._ahead, self._taken, largest=self._largest,
            properties=self._protocol == MQTTProtocolVersion.MQTTv5,
        )  # fmt: skip
        if found:
            self.on_publishes(found)
            if not self._manual_ack and any(each.qos for each in found):
                self.acknowledge([each.number for each in found if each.qos])

    def _read_ahead(self) -> None:
        """What there is, up to one piece. TLS gives a record at a time, often no more than one message."""
        self._ahead, self._taken = b"", 0
        encrypted = isinstance(self._sock, ssl.SSLSocket)
        pieces: list[bytes] = []
        left = PIECE
        while left > 0:
            try:
                pieces.append(super()._sock_recv(left))
            except OSError:
                if not pieces:
                    raise
                break
            got = len(pieces[-1])
            if not got or (got < left and not encrypted):
                break
            left -= got
        self._ahead = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._turn_read = bool(self._ahead)
        if self._ahead:  # a sign of life, also where paho sees none of it
            self._last_bytes_received = time.monotonic()

    def _sock_recv(self, bufsize: int) -> bytes:
        packet = self._in_packet
        too_large = packet["to_process"] > 0 and packet["remaining_length"] > self._largest
        if too_large and not isinstance(packet["packet"], _Head):
            packet["packet"] = _Head(self._largest)
        if not isinstance(self._sock, socket.socket):  # a websocket's
            return super()._sock_recv(min(bufsize, PIECE))
        if self._taken == len(self._ahead):
            if self._turn_read:
                raise BlockingIOError
            self._read_ahead()
        piece = self._ahead[self._taken : self._taken + bufsize]
        self._taken += len(piece)
        return piece

    def _sock_send(self, buf: bytes | bytearray) -> int:
        """As paho's, which forgets a packet of which a websocket could not take the whole frame."""
        sent = super()._sock_send(buf)
        if not sent and buf:
            raise BlockingIOError  # it stays at the head of the line, and the frame's rest goes first
        return sent

    def _packet_queue(
        self, command: int, packet: bytes | bytearray, mid: int, qos: int, info: Any = None
    ) -> MQTTErrorCode:
        """As paho's, which wakes the loop for each packet, or writes on the thread that calls."""
        followed = command & 0xF0 == PUBLISH and info is not None
        self._out_packet.append({
            "command": command, "mid": mid, "qos": qos if followed else 1,  # of QoS 0: paho calls back
            "pos": 0, "to_process": len(packet), "packet": packet, "info": info,
        })  # fmt: skip
        self.wake()
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _packet_write(self) -> MQTTErrorCode:
        self._woken = False
        self.before_writing()
        self._join()
        return super()._packet_write()

    def _join(self) -> None:
        """Make one packet, of one piece at most, of those at the head of the line whose writing paho tells
        nobody."""
        line, small, size = self._out_packet, [], 0
        while line and not _followed(line[0]) and size + line[0]["to_process"] <= PIECE:
            small.append(line.popleft())  # others only put more at the end
            size += small[-1]["to_process"]
        if small:
            joined = b"".join([packet["packet"][packet["pos"] :] for packet in small])
            line.appendleft({
                "command": PUBACK, "mid": 0, "qos": 1, "pos": 0, "to_process": size,
                "packet": joined, "info": None,
            })  # fmt: skip


def _followed(packet: Any) -> bool:
    """paho calls back when it is written."""
    kind: int = packet["command"] & 0xF0
    return kind == DISCONNECT or (kind == PUBLISH and not packet["qos"])


def _nothing() -> None:
    """Nothing is to be done before writing."""


class _Head(bytearray):
    """Takes no more than ``most`` bytes and forgets the rest."""

    def __init__(self, most: SupportsIndex) -> None:
        super().__init__()
        self._most = int(most)

    def __iadd__(self, more: Any) -> _Head:  # type: ignore[misc]
        self.extend(more[: max(0, self._most - len(self))])
        return self
