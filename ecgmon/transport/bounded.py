"""paho's client with a bound on what one packet may cost.

An MQTT 5 broker is told the largest packet that we take and drops what is larger; one of 3.1.1 sends whatever
somebody published, and paho asks the socket for all of it at once. Here the socket is read in small pieces,
and of a packet beyond the bound only the beginning is kept; the rest is read and thrown away. So its message
still comes out, with its topic and number and too much payload for any limit of ours, and is counted and
acknowledged like any other that is too large. To break off instead would bring it back at each reconnection.

A websocket's frames are buffered whole below this, so that there the bound is the broker's alone.

Read is what there is, up to one piece a turn of the loop, for paho asks for single bytes first: four calls of
the system a message, and each gives up the interpreter's lock to the thread that computes.
"""

from __future__ import annotations

import socket
from typing import Any, Final, SupportsIndex

from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTErrorCode

PIECE: Final = 65_536
"""Bytes read from the socket at once, at most."""


class BoundedClient(Client):
    """``largest`` is the number of bytes kept of one packet."""

    def __init__(self, *args: Any, largest: int, **options: Any) -> None:
        super().__init__(*args, **options)
        self._largest = largest
        self._ahead = b""  # read from the socket
        self._taken = 0  # bytes of it that paho has
        self._turn_read = False

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        """As paho's, until what was read ahead is worked off: nobody wakes us for that. A packet whose end is
        not there goes on in the next turn: however fast a broker sends, there is writing in between."""
        self._turn_read = False
        code = super().loop_read(max_packets)
        while code == MQTTErrorCode.MQTT_ERR_SUCCESS and self._taken < len(self._ahead):
            code = super().loop_read(max_packets)
        return code

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
            self._turn_read = True
            self._ahead, self._taken = b"", 0
            self._ahead = super()._sock_recv(PIECE)
        piece = self._ahead[self._taken : self._taken + bufsize]
        self._taken += len(piece)
        return piece


class _Head(bytearray):
    """Takes no more than ``most`` bytes and forgets the rest."""

    def __init__(self, most: SupportsIndex) -> None:
        super().__init__()
        self._most = int(most)

    def __iadd__(self, more: Any) -> _Head:  # type: ignore[misc]
        self.extend(more[: max(0, self._most - len(self))])
        return self
