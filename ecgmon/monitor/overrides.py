"""What is different for some streams: the file's ``streams``, laid over what holds for all.

::

    alerts:
      bradycardia: {below: 45}
    streams:
      icu-*: {alerts: {noise: {raise_seconds: 30}}}
      bed-3: {alerts: {bradycardia: {below: 35}}}    # an athlete

A key is a stream's name, or a pattern as in a shell (``*``, ``?``, ``[...]``). All patterns that fit count,
in the order of the file, a later one over an earlier one; the stream's own name counts last. Only the keys
given are changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from ecgmon.config import Settings, convert
from ecgmon.errors import ConfigError
from ecgmon.monitor.policies import AlertSettings


class StreamSettings(Settings, frozen=True):
    """What is different for the streams of one name or pattern."""

    alerts: dict[str, Any] = msgspec.field(default_factory=dict)
    """Keys of :class:`~ecgmon.monitor.policies.AlertSettings`, as many as are different."""


def alerts_of(stream: str, common: AlertSettings, streams: Mapping[str, StreamSettings]) -> AlertSettings:
    """The alerts of ``stream``; ValueError that names pattern and key where an override does not fit."""
    fitting = [key for key in streams if key != stream and fnmatchcase(stream, key)]
    fitting += [stream] if stream in streams else []
    if not fitting:
        return common
    tree = msgspec.to_builtins(common)
    for key in fitting:
        tree = _over(tree, streams[key].alerts)
    try:
        return convert(tree, AlertSettings, where=f"streams.{fitting[-1]}.alerts")
    except ConfigError as error:
        raise ValueError(str(error)) from None


def _over(base: Any, changes: Any) -> Any:
    """``base`` with ``changes`` laid over, mapping by mapping."""
    if not (isinstance(base, dict) and isinstance(changes, dict)):
        return changes
    return {**base, **{key: _over(base.get(key), value) for key, value in changes.items()}}
