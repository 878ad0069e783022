"""Which alerts are on their way to the broker, and what it said to them. Pure bookkeeping of one thread."""

from __future__ import annotations

import logging
import math
from typing import Final, NamedTuple

log = logging.getLogger(__name__)

SIZE: Final = 20
"""Alerts sent and not yet acknowledged, at most: what paho itself sends at once."""

REFUSED_SECONDS: Final = 30.0
"""What the broker refused is tried again after so long."""

COMPLAIN_EVERY: Final = 60.0
"""Seconds between two log lines about alerts that nobody heard."""


class Answer(NamedTuple):
    """What the broker says to an alert: taken (and heard by a subscriber), or refused for a reason."""

    refused: str | None = None
    heard: bool = True


class Window:
    """A number of alerts in flight, by the number of the message and that of the outbox.

    last        number of the last alert sent; what comes next lies beyond it
    delivered, refused, unheard    totals; a refused alert counts each time that it is
    """

    def __init__(self) -> None:
        self._in_flight: dict[int, int] = {}
        self._refusals: dict[int, str] = {}
        self._again_at = math.inf
        self._said_unheard = -math.inf
        self.last = 0
        self.delivered = self.refused = self.unheard = 0

    @property
    def free(self) -> int:
        """How many more may be sent."""
        return SIZE - len(self._in_flight)

    @property
    def refusal(self) -> str | None:
        """Why the broker refuses an alert that waits; None when it refuses none."""
        return next(iter(self._refusals.values()), None)

    def begin(self) -> None:
        """A new connection: everything not acknowledged is sent again."""
        self._in_flight.clear()
        self.last = 0

    def sent(self, message: int, number: int) -> None:
        self._in_flight[message] = number
        self.last = number

    def answered(self, message: int, answer: Answer, now: float) -> int | None:
        """The outbox number of an alert that is done with; None of a refused one, or of no alert of ours."""
        number = self._in_flight.pop(message, None)
        if number is None:
            return None
        if answer.refused is not None:
            self._keep(number, answer.refused, now)
            return None
        self.delivered += 1
        self._refusals.pop(number, None)
        if not answer.heard:
            self._complain(now)
        return number

    def wait(self, now: float) -> float | None:
        """Seconds until refused alerts are due again; None while there are none, or an answer is awaited."""
        return None if self._in_flight or self._again_at == math.inf else max(0.0, self._again_at - now)

    def try_again(self, now: float, oldest: int | None) -> None:
        """Begin at the oldest again when it is time for what was refused and nothing is on its way.

        ``oldest`` is the first number in the outbox, None of an empty one: what was shed is forgotten.
        """
        if self._in_flight or now < self._again_at:
            return
        self._again_at = math.inf
        self.last = 0
        kept = {} if oldest is None else {n: why for n, why in self._refusals.items() if n >= oldest}
        self._refusals = kept

    def _keep(self, number: int, reason: str, now: float) -> None:
        if not self._refusals:
            log.error(
                "the broker refuses alerts: %s; they are kept and tried again every %g s",
                reason, REFUSED_SECONDS,
            )  # fmt: skip
        self.refused += 1
        self._refusals[number] = reason
        self._again_at = min(self._again_at, now + REFUSED_SECONDS)

    def _complain(self, now: float) -> None:
        self.unheard += 1
        if now - self._said_unheard >= COMPLAIN_EVERY:
            self._said_unheard = now
            log.warning("nobody is subscribed to an alert that went out; %d so far", self.unheard)
