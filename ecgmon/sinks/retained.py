"""The newest state of each stream, and which of them the broker has yet to be told."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final

MOST_STATES: Final = 10_000
"""Streams whose state is kept; beyond that the one that was silent longest is forgotten."""

MOST_ENDED: Final = 1000
"""Ended streams whose last state is sent again after a reconnection."""


class RetainedStates:
    """States by topic; all methods may be called from any thread.

    A state that is the last of its stream stays retained at the broker, where a reader can see that the
    stream ended. At QoS 0 a message can vanish with a connection that is dead and not yet known to be; so
    the last states are sent again too after a reconnection, those of the last ``MOST_ENDED`` streams.
    """

    def __init__(self, limit: int = MOST_STATES) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._current: OrderedDict[str, bytes] = OrderedDict()
        self._ended: OrderedDict[str, bytes] = OrderedDict()
        self._unsent: OrderedDict[str, bytes] = OrderedDict()

    @property
    def unsent(self) -> int:
        """How many wait to be sent."""
        return len(self._unsent)

    @property
    def current(self) -> int:
        """How many live streams are remembered for the next connection."""
        return len(self._current)

    def put(self, topic: str, payload: bytes, *, last: bool) -> None:
        """Take the newest state of a stream; ``last``: there will be no other."""
        with self._lock:
            for states, wanted, limit in (
                (self._current, not last, self._limit),
                (self._ended, last, min(self._limit, MOST_ENDED)),
                (self._unsent, True, self._limit),
            ):
                states.pop(topic, None)
                if wanted:
                    states[topic] = payload
                if len(states) > limit:
                    states.popitem(last=False)

    def take(self) -> tuple[str, bytes] | None:
        """The topic and state that has waited longest, no longer waiting."""
        with self._lock:
            return self._unsent.popitem(last=False) if self._unsent else None

    def give_back(self, topic: str, payload: bytes) -> None:
        """It could not be sent: let it wait again, unless a newer one does."""
        with self._lock:
            self._unsent.setdefault(topic, payload)

    def send_all_again(self) -> None:
        """The broker may have forgotten them."""
        with self._lock:
            for topic, payload in (*self._ended.items(), *self._current.items()):
                self._unsent.setdefault(topic, payload)
