"""Acknowledgements in the order of arrival, whatever the order in which messages are done with.

MQTT asks for that (3.1.1, section 4.6: PUBACK in the order of the PUBLISH packets), and Mosquitto 2 delivers
the messages behind it out of order when it is not so: a bad message, acknowledged at once, overtakes a chunk
that is being scored, and the next chunks arrive as 9, 12, 10.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable


class _Slot:
    """One message's place in the line."""

    __slots__ = ("done", "number", "qos")

    def __init__(self, number: int, qos: int) -> None:
        self.number = number
        self.qos = qos
        self.done = False


class Acknowledger:
    """Of one connection; ``send`` takes a message's number and QoS, and is called by one thread at a time.

    Never waits for a lock: ``send`` may take locks that the connection's thread holds while it calls us.
    """

    def __init__(self, send: Callable[[int, int], object]) -> None:
        self._send = send
        self._line: deque[_Slot] = deque()
        self._sending = threading.Lock()

    def arrived(self, number: int, qos: int) -> Callable[[], None]:
        """A message of QoS 1 or 2 has come; what is returned acknowledges it, from any thread."""
        slot = _Slot(number, qos)
        self._line.append(slot)

        def done() -> None:
            slot.done = True
            self._advance()

        return done

    def _advance(self) -> None:
        """Send what is done at the head of the line. Whoever sends already looks again before it leaves."""
        while self._ready() and self._sending.acquire(blocking=False):
            try:
                while self._ready():
                    slot = self._line.popleft()
                    self._send(slot.number, slot.qos)
            finally:
                self._sending.release()

    def _ready(self) -> bool:
        """The head of the line is done; another thread may take it meanwhile."""
        try:
            return self._line[0].done
        except IndexError:
            return False
