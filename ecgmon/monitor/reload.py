"""A new configuration for a daemon that runs: all of it, or nothing.

What is read, found good and differs in live keys only is taken; otherwise everything stays as it is, and the
log says why. Only keys are named, never values: one may be a secret. Passwords and certificates of brokers
need no reload, since they are read anew at each connection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from ecgmon.errors import ConfigError
from ecgmon.monitor.settings import ServeSettings, load

LIVE: Final = {
    "alerts": "limits; a stream takes them when nothing stands, and counts anew",
    "streams": "likewise, for some streams",
    "arrivals": "what is a gap, a repeat, a new start",
    "batch": "micro-batches",
    "max_streams": "streams beyond it go on until they end",
    "idle_seconds": "when a silent stream ends",
    "state_seconds": "how often a stream's state is told",
    "logging": "level and format",
    "http.token_file": "read anew, whether its name changed or not",
    "http.token_env": "likewise",
    "exit_when_done": "what the end of a finite source means",
    "shutdown_seconds": "time to drain",
    "stall_seconds": "when /healthz fails",
}
"""What can change while we run, and what the change means; everything else needs a restart."""


def reread(path: str | Path, now: ServeSettings) -> tuple[ServeSettings, list[str]]:
    """The settings in ``path``, and the live keys in which they differ from ``now``.

    Raises :class:`~ecgmon.errors.ConfigError` when the file is wrong or changes what needs a restart.
    """
    new = load(path)
    changed = sorted(differences(now, new))
    fixed = [key for key in changed if not _live(key)]
    if fixed:
        raise ConfigError(
            f"{path}: {', '.join(fixed)} cannot change while we run; restart, or change it back"
        )
    return new, changed


def differences(old: ServeSettings, new: ServeSettings) -> set[str]:
    """Dotted keys in which two configurations differ."""
    return set(_differing("", msgspec.to_builtins(old), msgspec.to_builtins(new)))


def _differing(key: str, old: Any, new: Any) -> Iterator[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in old.keys() | new.keys():
            yield from _differing(f"{key}.{name}" if key else str(name), old.get(name), new.get(name))
    elif old != new:
        yield key


def _live(key: str) -> bool:
    return any(key == live or key.startswith(f"{live}.") for live in LIVE)
