"""What the HTTP server wants of a client's socket."""

from __future__ import annotations

import contextlib
import select
import socket
from typing import Final

STREAM_BUFFER: Final = 65_536
"""Bytes of a stream that wait to be sent, before the system's own doubling."""

UNHEARD: Final = 10_000
"""A client of a stream that has taken nothing for so long, ms, is gone: its cable, its power, its phone."""


def cut(client: socket.socket) -> None:
    """Whoever reads or writes there finds it closed."""
    with contextlib.suppress(OSError):  # it is closed already
        client.shutdown(socket.SHUT_RDWR)


def prepare_stream(client: socket.socket) -> None:
    """Little waits in the system for a client that reads slowly, for it would be old when it is read; and
    not for long for one that vanished without a word: it would look as if it were there for a quarter of an
    hour."""
    with contextlib.suppress(OSError):  # the client is gone
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, STREAM_BUFFER)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNHEARD)


def has_left(client: socket.socket) -> bool:
    """Whether the client has closed its end. One that asked for a stream has nothing more to say."""
    try:
        poll = select.poll()
        poll.register(client, select.POLLIN | select.POLLRDHUP)
        return any(event & ~select.POLLIN for _, event in poll.poll(0))
    except (OSError, ValueError):  # closed on our side
        return True
