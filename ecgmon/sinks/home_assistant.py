"""Streams as devices of Home Assistant, by its MQTT discovery.

One retained message a stream, on ``PREFIX/device/{id}/config``, describes a device with four entities
that read the stream's own retained state and the daemon's status; nothing is published twice. When the
stream ends, an empty message takes the device away. What a killed run left behind shows as unavailable,
since its messages name a session that ``ecgmon/status`` no longer names, until a stream of that name
comes, and ends.

Source: https://www.home-assistant.io/integrations/mqtt, "MQTT discovery", "Device discovery payload"
and "Using availability topics". Device discovery came after Home Assistant 2024.6.
"""

from __future__ import annotations

import hashlib
import logging
import re
from typing import Annotated, Any, Final

from msgspec import Meta

from ecgmon import __version__
from ecgmon.config import Settings
from ecgmon.transport.topics import OwnTopics

log = logging.getLogger(__name__)

QUALITIES: Final = ("good", "noisy", "clipped", "flat", "missing", "unknown")
"""What a state may say under ``quality``."""

ORIGIN: Final = {"name": "ecgmon", "sw_version": __version__}

ALERTS: Final = "{{ {'alerts': value_json.alerts} | tojson }}"
"""Attributes of the alert entity."""

HEART_RATE: Final = "{{ value_json.heart_rate if value_json.state == 'live' else None }}"
"""None is Home Assistant's "unknown"."""


class HomeAssistantSettings(Settings, frozen=True, kw_only=True):
    """Streams as devices of Home Assistant. It learns their names."""

    enabled: Annotated[bool, Meta(description="announce streams to Home Assistant")] = False
    prefix: Annotated[
        str, Meta(min_length=1, pattern="^[^+#/$][^+#]*[^+#/]$", description="its discovery prefix")
    ] = "homeassistant"
    max_streams: Annotated[
        int, Meta(ge=1, le=5000, description="announced at a time; the others are watched all the same")
    ] = 100


class Announcements:
    """Which streams Home Assistant was told of, and what to tell it. Pure, but for a line in the log."""

    def __init__(self, settings: HomeAssistantSettings, topics: OwnTopics, session: str) -> None:
        self._settings = settings
        self._topics = topics
        self._session = session
        self._announced: set[str] = set()
        self._full = False

    def of(self, stream: str, *, last: bool) -> tuple[str, dict[str, Any] | None] | None:
        """What to publish, retained, with a new state of ``stream``: topic and content (None: remove it), or
        nothing. ``last``: the stream has ended."""
        if not self._settings.enabled:
            return None
        topic = f"{self._settings.prefix}/device/{identifier(self._topics.prefix, stream)}/config"
        if last:
            # also of a stream that this run did not announce: an earlier one may have
            self._announced.discard(stream)
            return topic, None
        if stream in self._announced:
            return None
        if len(self._announced) >= self._settings.max_streams:
            if not self._full:
                self._full = True
                log.warning(
                    "Home Assistant is told of %d streams and no more: home_assistant.max_streams",
                    self._settings.max_streams,
                )
            return None
        self._announced.add(stream)
        return topic, device(self._topics, stream, self._session)


def identifier(prefix: str, stream: str) -> str:
    """Of a stream's device: letters, digits, ``_`` and ``-``, all that a discovery topic may hold; others for
    other streams and prefixes."""
    readable = re.sub(r"[^a-zA-Z0-9-]+", "_", f"{prefix}_{stream}")[:64]
    return f"{readable}_{hashlib.sha256(f'{prefix}/{stream}'.encode()).hexdigest()[:8]}"


def device(topics: OwnTopics, stream: str, session: str) -> dict[str, Any]:
    """The discovery message of a stream that this run (``session``) watches."""
    name, state = identifier(topics.prefix, stream), topics.state(stream)
    online = f"value_json.state == 'online' and value_json.session == '{session}'"
    return {
        "device": {
            "identifiers": [name],
            "name": f"ECG {stream}",
            "manufacturer": "ecgmon",
            "model": "ECG stream",
            "sw_version": __version__,
        },
        "origin": ORIGIN,
        "state_topic": state,
        "availability": [
            {"topic": topics.status, "value_template": f"{{{{ 'online' if {online} else 'offline' }}}}"}
        ],
        "components": {
            "alert": {
                "platform": "binary_sensor",
                "unique_id": f"{name}_alert",
                "name": "Alert",
                "device_class": "problem",
                "value_template": "{{ 'ON' if value_json.alerts else 'OFF' }}",
                "json_attributes_topic": state,
                "json_attributes_template": ALERTS,
            },
            "data": {
                "platform": "binary_sensor",
                "unique_id": f"{name}_data",
                "name": "Data",
                "device_class": "connectivity",
                "entity_category": "diagnostic",
                "value_template": "{{ 'ON' if value_json.state == 'live' else 'OFF' }}",
            },
            "heart_rate": {
                "platform": "sensor",
                "unique_id": f"{name}_heart_rate",
                "name": "Heart rate",
                "icon": "mdi:heart-pulse",
                "unit_of_measurement": "bpm",
                "state_class": "measurement",
                "suggested_display_precision": 0,
                "value_template": HEART_RATE,
            },
            "signal": {
                "platform": "sensor",
                "unique_id": f"{name}_signal",
                "name": "Signal",
                "device_class": "enum",
                "options": list(QUALITIES),
                "entity_category": "diagnostic",
                "value_template": "{{ value_json.quality }}",
            },
        },
    }
