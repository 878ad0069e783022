"""Alerts and states to an MQTT broker, and our own presence.

An alert is written to the outbox on the caller's thread and leaves it when the broker has acknowledged it
(QoS 1, PUBACK); a lost connection sends again whatever was not acknowledged. Ids are deterministic, so a
repeat is harmless. A thread of its own does the publishing: the caller never waits for the network.

A broker of MQTT 5 says in its PUBACK when it does not pass an alert on, for want of a right, say. Such an
alert stays in the outbox, is tried again every half minute and is :attr:`MqttSink.trouble` meanwhile; the
others go on. It says, too, when nobody was subscribed: that is counted and logged. A broker of 3.1.1 says
neither, and none tells that a subscriber's queue was full; whoever must not miss an alert subscribes with QoS
1 and a persistent session, on a broker with room for it (``max_queued_messages``).

Of states only the newest of each stream is kept, published retained; all of them again after a reconnection,
since the broker may have forgotten them. The last state of a stream that ended is published once and then
forgotten here; at the broker it stays until someone removes it.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import deque
from pathlib import Path
from typing import Annotated, Any, Final

from msgspec import Meta

from ecgmon import __version__
from ecgmon.config import Settings
from ecgmon.ecg.types import Alert
from ecgmon.errors import PayloadError
from ecgmon.sinks.base import State
from ecgmon.sinks.home_assistant import Announcements, HomeAssistantSettings
from ecgmon.sinks.outbox import Outbox
from ecgmon.sinks.retained import MOST_STATES, RetainedStates
from ecgmon.sinks.window import Answer, Window
from ecgmon.transport.broker import BrokerSettings
from ecgmon.transport.connection import Connection
from ecgmon.transport.messages import Handlers, Message, Presence
from ecgmon.transport.payloads import encode_alert, encode_map
from ecgmon.transport.topics import PREFIX, OwnTopics

log = logging.getLogger(__name__)

PACE: Final = 0.02
"""Seconds from one turn of the publisher to the next: what comes meanwhile goes out together."""

RETRY_SECONDS: Final = 1.0
"""Pause of the publisher after a failure inside."""

OUTBOX_FILE: Final = "outbox.sqlite"


class MqttSinkSettings(Settings, frozen=True, kw_only=True, tag_field="type", tag="mqtt"):
    """Alerts, states and presence on an MQTT broker."""

    broker: BrokerSettings = BrokerSettings()
    prefix: Annotated[str, Meta(description="topics: PREFIX/alerts/{stream}, PREFIX/status, ...")] = PREFIX
    state_directory: (
        Annotated[str, Meta(min_length=1, description="where undelivered alerts survive a restart")] | None
    ) = None
    outbox_alerts: Annotated[int, Meta(ge=1, le=10_000_000, description="undelivered alerts kept")] = 10_000
    home_assistant: HomeAssistantSettings = HomeAssistantSettings()


class MqttSink:
    """Publishes what it is given; keeps alerts while the broker is away."""

    def __init__(self, settings: MqttSinkSettings) -> None:
        self._settings = settings
        self._topics = OwnTopics(settings.prefix)
        self.session = secrets.token_hex(8)
        """Names this run in ``PREFIX/status`` and in every state: a subscriber can tell a restart from a
        reconnection, and a state that a killed run has left from one of ours."""
        self._connection = Connection(
            settings.broker,
            "out",
            Handlers(
                up=self._on_up,
                down=self._wake,
                delivered=self._on_delivered,
                refused=self._on_refused,
                unheard=self._on_unheard,
            ),
            presence=Presence(self._topics.status, *(self._status(s) for s in ("online", "offline", "lost"))),
            pace=PACE / 2,
        )
        self._outbox: Outbox | None = None
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()
        self._work = False
        self._new_alerts = False  # the outbox may hold alerts beyond the last one sent
        self._closing = False
        self._answers: deque[tuple[int, Answer]] = deque()
        self._window = Window()  # the publisher's thread alone uses it
        self._generation = 0
        self._states = RetainedStates(MOST_STATES + settings.home_assistant.max_streams)
        self._announcements = Announcements(settings.home_assistant, self._topics, self.session)
        self._trouble: str | None = None
        self._refused = False
        self._failed = 0

    @property
    def connected(self) -> bool:
        return self._connection.connected

    @property
    def last_error(self) -> str | None:
        return self._connection.last_error

    @property
    def trouble(self) -> str | None:
        """Why alerts do not get out, other than that there is no connection; None when all is well."""
        thread = self._thread
        if thread is not None and not thread.is_alive() and not self._closing:
            return "the publisher has ended"
        refusal = self._window.refusal
        return self._trouble or (None if refusal is None else f"the broker refuses alerts: {refusal}")

    @property
    def durable(self) -> bool | None:
        """Whether alerts are on disk until delivered; None where that was not asked for."""
        if self._settings.state_directory is None or self._outbox is None:
            return None
        return self._outbox.durable

    def open(self) -> None:
        """Open the outbox and connect.

        Raises EcgmonError when ``state_directory`` cannot be used or is in use, TransportError when the
        broker cannot be reached and ``broker.fail_at_start`` is set.
        """
        directory = self._settings.state_directory
        path = None if directory is None else Path(directory) / OUTBOX_FILE
        self._outbox = Outbox(path, self._settings.outbox_alerts)
        waiting = len(self._outbox)
        if waiting:
            log.info("%d alerts of an earlier run wait to be delivered", waiting)
        try:
            self._connection.start()
        except Exception:
            self._outbox.close()
            raise
        self._thread = threading.Thread(target=self._publish_all, name="mqtt-publisher", daemon=True)
        self._thread.start()

    def alert(self, alert: Alert) -> None:
        try:
            topic = self._topics.alert(alert.stream)
        except PayloadError as error:
            self._failed += 1
            self._refuse(error)
            return
        key = f"{alert.id}/{alert.state}"
        self._box.put(key, topic, encode_alert(alert), cleared=alert.state == "cleared")
        self._new_alerts = True
        self._wake()

    def state(self, stream: str, state: State) -> None:
        try:
            topic = self._topics.state(stream)
        except PayloadError as error:
            self._refuse(error)
            return
        # An empty retained message takes the old one away.
        payload = encode_map({**state, "session": self.session}) if state else b""
        last = not state or state.get("state") == "ended"
        self._states.put(topic, payload, last=last)
        announcement = self._announcements.of(stream, last=last)
        if announcement is not None:
            topic, content = announcement
            self._states.put(topic, b"" if content is None else encode_map(content), last=last)
        self._wake()

    def close(self, deadline: float) -> int:
        """Wait at most ``deadline`` s for the outbox to empty, say goodbye; what is left stays on disk.

        Alerts that were given up or fit no topic count as undelivered too. States are waited for only while
        there is a connection. A second call changes nothing and gives the same number.
        """
        if self._outbox is None:
            return 0
        if not self._closing:
            self._end(self._outbox, time.monotonic() + deadline)
        return len(self._outbox) + self._outbox.shed + self._failed

    def _end(self, outbox: Outbox, until: float) -> None:
        with self._changed:
            while not self._drained() and (left := until - time.monotonic()) > 0:
                self._changed.wait(min(left, 0.2))  # a lost connection may be what there is to notice
            self._closing = True
        self._wake()
        if self._thread is not None:
            self._thread.join(max(0.1, until - time.monotonic()))
        self._connection.stop(max(0.1, until - time.monotonic()))
        outbox.close()
        if len(outbox):
            kept = "kept on disk for the next start" if outbox.durable else "lost: they are not on disk"
            log.warning("%d alerts were not delivered in time: %s", len(outbox), kept)

    def stats(self) -> dict[str, int]:
        """Totals ``delivered``, ``failed`` (the stream's name fits no topic), ``shed`` (the outbox was full),
        ``refused`` (by the broker, each time), ``unheard`` (delivered, to nobody), ``disk_errors``,
        ``attempts`` to connect; and as they are now ``waiting`` alerts, ``connected`` 0 or
        1, and ``durable`` 0 or 1 where a ``state_directory`` was asked for.
        """
        outbox = self._outbox
        durable = self.durable
        return {
            "delivered": self._window.delivered,
            "failed": self._failed,
            "refused": self._window.refused,
            "unheard": self._window.unheard,
            "waiting": len(outbox) if outbox is not None else 0,
            "shed": outbox.shed if outbox is not None else 0,
            "disk_errors": outbox.disk_errors if outbox is not None else 0,
            "connected": int(self._connection.connected),
            "attempts": self._connection.attempts,
            **({} if durable is None else {"durable": int(durable)}),
        }

    @property
    def _box(self) -> Outbox:
        if self._outbox is None:
            raise RuntimeError("the sink is not open")
        return self._outbox

    def _refuse(self, error: PayloadError) -> None:
        if not self._refused:
            self._refused = True
            log.error("not published: %s", error)

    def _status(self, state: str) -> bytes:
        content: dict[str, Any] = {"schema": "ecgmon.status/1", "state": state, "session": self.session}
        return encode_map({**content, "version": __version__, "started": round(time.time(), 3)})

    def _drained(self) -> bool:
        return not len(self._box) and not (self._connection.connected and self._states.unsent)

    def _wake(self) -> None:
        if not self._work:  # else the publisher has been told, and has not looked yet
            with self._changed:
                self._work = True
                self._changed.notify_all()

    def _on_up(self) -> None:
        self._states.send_all_again()
        self._wake()

    def _on_delivered(self, mid: int) -> None:
        self._answers.append((mid, Answer()))
        self._wake()

    def _on_refused(self, mid: int, reason: str) -> None:
        self._answers.append((mid, Answer(refused=reason)))
        self._wake()

    def _on_unheard(self, mid: int) -> None:
        self._answers.append((mid, Answer(heard=False)))
        self._wake()

    def _publish_all(self) -> None:
        """The publisher's thread. A failure is said, and what waits is tried again a little later."""
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._work or self._closing,
                    self._window.wait(time.monotonic()) if self._connection.connected else None,
                )
                self._work = False
                if self._closing:
                    return
            try:
                self._publish()
            except Exception as error:
                if self._trouble is None:
                    log.exception("alerts cannot be published; trying again")
                self._trouble = f"alerts cannot be published: {error!r}"
                with self._changed:
                    self._changed.wait_for(lambda: self._closing, RETRY_SECONDS)
                    self._work = True
            else:
                self._trouble = None
                time.sleep(PACE)

    def _publish(self) -> None:
        if self._connection.generation != self._generation:  # begin again with all that is not acknowledged
            self._generation = self._connection.generation
            self._window.begin()
            self._answers.clear()
            self._new_alerts = True
        self._settle()
        self._send_alerts()
        self._send_states()
        with self._changed:
            self._changed.notify_all()

    def _settle(self) -> None:
        """Take what was delivered out of the outbox; what was refused stays."""
        now, done = time.monotonic(), []
        while self._answers:
            number = self._window.answered(*self._answers.popleft(), now)
            if number is not None:
                done.append(number)
        if done:
            self._box.remove(done)
        if self._window.wait(now) == 0:
            oldest = self._box.after(0, 1)
            self._window.try_again(now, oldest[0].number if oldest else None)
            self._new_alerts = True

    def _send_alerts(self) -> None:
        """Fill the window with the oldest alerts beyond the last one sent."""
        free = self._window.free
        if not (self._new_alerts and free and self._connection.connected):
            return
        self._new_alerts = False  # before we look: one may come meanwhile
        entries = self._box.after(self._window.last, free)
        if len(entries) == free:
            self._new_alerts = True
        for entry in entries:
            message = self._connection.publish(Message(entry.topic, entry.payload))
            if message is None:
                self._new_alerts = True
                break
            self._window.sent(message, entry.number)

    def _send_states(self) -> None:
        while self._connection.connected and (waiting := self._states.take()) is not None:
            if not self._connection.tell(*waiting):
                self._states.give_back(*waiting)
                return
