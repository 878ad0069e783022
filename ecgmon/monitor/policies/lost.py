"""``stream-lost``: no data for a while although the stream did not end. The one alarm that time raises: there
is no signal that could."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from ecgmon.config import Settings
from ecgmon.monitor.policies.base import Change, NoBeats, NoSeconds, Standing


class StreamLostSettings(Settings, frozen=True):
    """Nothing comes."""

    enabled: bool = True
    """false: never raised."""
    seconds: Annotated[float, Meta(gt=0, le=86_400, description="without data, s")] = 10.0


class StreamLost(NoBeats, NoSeconds):
    """Raised and cleared by the pipeline, which knows what time it is; beats and seconds play no part."""

    __slots__ = ("_alert", "settings")

    def __init__(self, settings: StreamLostSettings) -> None:
        self.settings = settings
        self._alert = Standing("stream-lost", "warning")

    @property
    def on(self) -> bool:
        """The alert stands."""
        return self._alert.on

    def silent(self, t: float, seconds: float) -> list[Change]:
        """The last sample was for stream time ``t``, s, and came ``seconds`` s ago."""
        if not self.settings.enabled or seconds < self.settings.seconds:
            return []
        return self._alert.begin(t, t, t + seconds)

    def back(self, t: float) -> list[Change]:
        """Data came again; its first sample is for stream time ``t``, s."""
        self._alert.end = max(self._alert.end, t)
        return self._alert.clear(self._alert.end)

    def end(self, t: float) -> list[Change]:
        return self._alert.clear(max(t, self._alert.end))
