"""What every sink is.

The compute thread hands over alerts and states and goes on; a sink may write to a local disk there and then,
but it never waits for a network and never raises: what it cannot deliver it keeps, or drops and counts.
"""

from __future__ import annotations

from typing import Any, Protocol

from ecgmon.ecg.types import Alert

State = dict[str, Any]
"""State of one stream: plain values that JSON carries. Empty: the stream is gone, forget it."""


class Sink(Protocol):
    """Where alerts and states go. ``open`` first, ``close`` last; all calls come from one thread.

    A sink may have properties that ``/readyz`` asks for: ``connected`` and ``last_error`` where it has a
    broker; ``trouble``, why alerts do not get out for another reason, or None; ``durable``, whether alerts
    are on disk until delivered.
    """

    def open(self) -> None:
        """Make ready; raises an :class:`~ecgmon.errors.EcgmonError` when it can never work."""

    def alert(self, alert: Alert) -> None:
        """Take one alert, durably where the sink has a place on disk."""

    def state(self, stream: str, state: State) -> None:
        """Take the newest state of one stream; only the newest matters."""

    def close(self, deadline: float) -> int:
        """Deliver what is left within ``deadline`` seconds from now and free everything.

        Returns how many alerts were not delivered. A second call changes nothing.
        """

    def stats(self) -> dict[str, int]:
        """Running totals since ``open`` by name (``delivered``, ``failed``, ...) for the metrics."""
