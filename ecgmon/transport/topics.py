"""Names of streams and topics.

A stream's name comes from outside: from a topic, a file name or a command line. It goes on into topics, file
names, log lines and labels, so it is checked once, here, before it goes anywhere.
"""

from __future__ import annotations

from typing import Final

from ecgmon.errors import ConfigError, PayloadError

MAX_STREAM: Final = 128
"""Characters in a stream's name, at most."""

MAX_TOPIC_BYTES: Final = 65_535
"""Bytes in a topic, at most (MQTT 3.1.1, section 1.5.3)."""

SAMPLES_TEMPLATE: Final = "ecg/{stream}/samples"
PREFIX: Final = "ecgmon"

_FORBIDDEN: Final = frozenset("/\\+#")


def is_stream_name(name: str) -> bool:
    """Whether ``name`` may name a stream.

    1 to 128 printable characters; no ``/`` or ``\\`` (a path's), no ``+`` or ``#`` (MQTT's wildcards), no
    leading ``.`` (``..`` and hidden files), no leading ``$`` (the broker's own topics), no space at either
    end. "Printable" is Unicode's: control and format characters, separators other than the space, and lone
    surrogates are not.
    """
    return (
        0 < len(name) <= MAX_STREAM
        and name.isprintable()
        and _FORBIDDEN.isdisjoint(name)
        and name[0] not in ". $"
        and name[-1] != " "
    )


def check_stream_name(name: str) -> str:
    """Return ``name``, or raise :class:`PayloadError` (reason ``stream``) when it may not name a stream."""
    if not is_stream_name(name):
        raise PayloadError(
            "stream",
            f"{name[:MAX_STREAM]!a} may not name a stream: use 1 to {MAX_STREAM} printable characters "
            "without / \\ + # and without . $ or a space in front",
        )
    return name


class SampleTopics:
    """Where chunks arrive: from the template with ``{stream}`` to filter, to topic, and back to the stream.

    ``{stream}`` stands once and fills a whole level, since that is what a broker can match; anything else
    raises :class:`ConfigError`.
    """

    filter: str
    """What to subscribe to: the template with ``+`` for the stream."""

    def __init__(self, template: str = SAMPLES_TEMPLATE) -> None:
        levels = template.split("/")
        rest = [level for level in levels if level != "{stream}"]
        if len(levels) - len(rest) != 1 or not all(_is_fixed_level(level) for level in rest):
            raise ConfigError(
                f"topic template {template!a}: needs '{{stream}}' as one whole level between slashes, "
                f"and no wildcard, as in '{SAMPLES_TEMPLATE}'"
            )
        self._before, self._behind = template.split("{stream}")
        self.filter = "/".join(["+" if level == "{stream}" else level for level in levels])

    def topic(self, stream: str) -> str:
        """The topic on which ``stream`` is published."""
        return f"{self._before}{check_stream_name(stream)}{self._behind}"

    def stream(self, topic: str) -> str:
        """The stream that ``topic`` speaks of.

        Raises :class:`PayloadError` (reason ``stream``) when it fits the template or the rules of names not.
        """
        end = len(topic) - len(self._behind)
        name = topic[len(self._before) : end]
        if topic != f"{self._before}{name}{self._behind}" or "/" in name:
            raise PayloadError("stream", f"topic {topic[:200]!a} does not fit {self.filter}")
        return check_stream_name(name)


class OwnTopics:
    """Where ecgmon speaks: alerts, the state of each stream, and its own status, all under one prefix."""

    def __init__(self, prefix: str = PREFIX) -> None:
        if not all(_is_fixed_level(level) for level in prefix.split("/")):
            raise ConfigError(f"topic prefix {prefix!a}: needs plain levels, as in '{PREFIX}'")
        self.prefix = prefix
        self.status = f"{prefix}/status"

    def alert(self, stream: str) -> str:
        """Alerts of one stream."""
        return f"{self.prefix}/alerts/{check_stream_name(stream)}"

    def state(self, stream: str) -> str:
        """The retained state of one stream."""
        return f"{self.prefix}/streams/{check_stream_name(stream)}/state"


def _is_fixed_level(level: str) -> bool:
    return is_stream_name(level) and "{" not in level and "}" not in level
