"""Whose silence is it? A stream is silent only while we listen.

While the broker is away no stream can be heard: each is lost, which is said, but none ends. When our own loop
stood still (a machine that was suspended, a process that was stopped) the chunks of that time still wait in
the network, and get a moment to come in. And where chunks wait in our queue, silence is judged as of the
newest that we have looked at, not as of now.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, NamedTuple

LOOK_EVERY: Final = 1.0
"""Seconds between two looks for streams that fell silent: with a thousand, not after each chunk."""

GRACE: Final = 3.0
"""Seconds after we stood still in which nothing is called silent."""


class Look(NamedTuple):
    """Time to look for silent streams.

    time      monotonic time, s, up to which everything received has been looked at
    since     we have listened without a break since then; -inf: always
    deaf      we do not listen now
    """

    time: float
    since: float
    deaf: bool


class Listening:
    """``connected`` tells whether chunks can come in at all."""

    def __init__(self, connected: Callable[[], bool] = lambda: True) -> None:
        self._connected = connected
        self._looked = -math.inf
        self._quiet_until = -math.inf
        self._since = -math.inf

    def stood_still(self, now: float) -> None:
        """We did nothing for a while, and go on now."""
        self._quiet_until = now + GRACE

    def look(self, now: float, behind: float) -> Look | None:
        """Asked with every round of the loop; ``behind``: how old the chunk at hand is, s, 0 where none is.
        None: not now."""
        if now < self._quiet_until or now - self._looked < LOOK_EVERY:
            return None
        self._looked = now
        deaf = not self._connected()
        if deaf:
            self._since = now
        return Look(now - behind, self._since, deaf)
