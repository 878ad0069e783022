"""What becomes of the chunks: every setting of the pipeline."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from ecgmon.config import Settings
from ecgmon.monitor.arrivals import ArrivalSettings
from ecgmon.monitor.batcher import BatchSettings
from ecgmon.monitor.overrides import StreamSettings, alerts_of
from ecgmon.monitor.policies import AlertSettings


class PipelineSettings(Settings, frozen=True):
    """What becomes of the chunks."""

    lead: Annotated[str, Meta(min_length=1, description="name or index of the lead, or auto")] = "auto"
    alerts: AlertSettings = AlertSettings()
    streams: dict[str, StreamSettings] = msgspec.field(default_factory=dict)
    """What is different for some streams, by name or pattern (``icu-*``)."""
    batch: BatchSettings = BatchSettings()
    arrivals: ArrivalSettings = ArrivalSettings()
    max_streams: Annotated[int, Meta(ge=1, le=100_000, description="more are refused, and counted")] = 1000
    idle_seconds: Annotated[float, Meta(gt=0, le=86_400, description="then a silent stream ends, s")] = 300.0
    state_seconds: Annotated[
        float, Meta(ge=1, le=3600, description="a stream's state is told so often, s")
    ] = 5.0

    def __post_init__(self) -> None:
        for pattern in self.streams:
            alerts_of(pattern, self.alerts, {pattern: self.streams[pattern]})
