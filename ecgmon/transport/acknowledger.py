"""Acknowledgements in the order of arrival, whatever the order in which messages are done with.

MQTT asks for that (3.1.1, section 4.6: PUBACK in the order of the PUBLISH packets), and Mosquitto 2 delivers
the messages behind it out of order when it is not so: a bad message, acknowledged at once, overtakes a chunk
that is being scored, and the next chunks arrive as 9, 12, 10.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable


class Slot:
    """One message's place in the line; to call it, from any thread, acknowledges the message."""

    __slots__ = ("_wake", "done", "number", "qos")

    def __init__(self, number: int, qos: int, wake: Callable[[], object]) -> None:
        self.number = number
        self.qos = qos
        self.done = False
        self._wake = wake

    def __call__(self) -> None:
        self.done = True
        self._wake()


class Acknowledger:
    """Of one connection. Its thread calls :meth:`arrived` and :meth:`take`; ``wake``, called on the thread
    that is done with a message, asks it to take what is ready, soon.

    No locks: a slot is marked done before the wake, and :meth:`take` looks after it was woken.
    """

    def __init__(self, wake: Callable[[], object]) -> None:
        self._wake = wake
        self._line: deque[Slot] = deque()

    def arrived(self, number: int, qos: int) -> Slot:
        """A message of QoS 1 or 2 has come."""
        slot = Slot(number, qos, self._wake)
        self._line.append(slot)
        return slot

    def take(self) -> list[Slot]:
        """What is done at the head of the line: it can be acknowledged now."""
        line, ready = self._line, []
        while line and line[0].done:
            ready.append(line.popleft())
        return ready
