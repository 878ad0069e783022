"""What a connection carries and tells: messages both ways, presence, and the owner's handlers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec


@dataclass(frozen=True, slots=True)
class Message:
    """One message to publish."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False


@dataclass(frozen=True, slots=True)
class Presence:
    """Retained words about ourselves on ``topic``: when we come, go, or are lost (the will)."""

    topic: str
    online: bytes
    offline: bytes
    lost: bytes


class Incoming(msgspec.Struct, frozen=True, gc=False):
    """One message received. ``acknowledge`` may be called from any thread, once.

    ``retained``: the broker had kept it from before our subscription; it is not news.
    """

    topic: str
    payload: bytes
    acknowledge: Callable[[], None]
    retained: bool = False


@dataclass(frozen=True, slots=True)
class Handlers:
    """What the owner wants to hear; all are called on the connection's thread.

    message     one message came
    messages    instead of ``message``, where it is given: these came together, in order
    up          the broker has accepted us, and the subscription if there is one
    down        the connection is gone; nothing that was in flight will be acknowledged any more
    delivered   the broker has acknowledged the message of this number
    refused     it will not pass on the message of this number, and why; only MQTT 5 tells
    unheard     instead of delivered: it has acknowledged the message, and nobody was subscribed; likewise
    """

    message: Callable[[Incoming], None] = lambda _: None
    messages: Callable[[Sequence[Incoming]], None] | None = None
    up: Callable[[], None] = lambda: None
    down: Callable[[], None] = lambda: None
    delivered: Callable[[int], None] = lambda _: None
    refused: Callable[[int, str], None] = lambda _, __: None
    unheard: Callable[[int], None] = lambda _: None
