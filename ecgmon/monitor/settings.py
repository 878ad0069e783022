"""Everything that ``ecgmon serve`` can be told, gathered from the components that declare it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from ecgmon.config import Settings
from ecgmon.config import load as load_settings
from ecgmon.model.devices import Device
from ecgmon.monitor.http import HttpSettings
from ecgmon.monitor.keeper import Keeper
from ecgmon.monitor.kept import terms_of
from ecgmon.monitor.line import Scorer
from ecgmon.monitor.logs import LoggingSettings
from ecgmon.monitor.pipeline_settings import PipelineSettings
from ecgmon.monitor.statefile import STATE_FILE
from ecgmon.monitor.web.settings import PageSettings
from ecgmon.sinks.base import Sink
from ecgmon.sinks.console import ConsoleSettings, ConsoleSink
from ecgmon.sinks.jsonl import JsonlSettings, JsonlSink
from ecgmon.sinks.mqtt import MqttSink, MqttSinkSettings
from ecgmon.sources.base import Source
from ecgmon.sources.csv import CsvSettings, CsvSource
from ecgmon.sources.mqtt import MqttSettings, MqttSource
from ecgmon.sources.simulator import SimulatorSettings, SimulatorSource
from ecgmon.sources.wfdb import WfdbSettings, WfdbSource

SourceSettings = WfdbSettings | CsvSettings | SimulatorSettings | MqttSettings
SinkSettings = MqttSinkSettings | JsonlSettings | ConsoleSettings


class ModelSettings(Settings, frozen=True):
    """Which bundle scores, where, and how often it may be wrong."""

    path: Annotated[str, Meta(min_length=1, description="file, or default: the shipped one")] = "default"
    device: Device = "auto"
    """auto: the GPU where there is one."""
    false_alerts_per_hour: (
        Annotated[float, Meta(gt=0, le=3600, description="per stream; default: as calibrated")] | None
    ) = None


class EmbeddedBrokerSettings(Settings, frozen=True):
    """A broker of our own on 127.0.0.1, for demonstrations (extra ``demo``)."""

    port: Annotated[int, Meta(ge=1, le=65535, description="of 127.0.0.1")] = 1883


class ServeSettings(PipelineSettings, frozen=True, kw_only=True):
    """The configuration file of ``serve``.

    The keys of :class:`PipelineSettings` stand at the top level.
    """

    source: SourceSettings
    """Where samples come from."""
    sinks: Annotated[list[SinkSettings], Meta(min_length=1, description="where alerts go, each to all")]
    model: ModelSettings = ModelSettings()
    http: HttpSettings = HttpSettings()
    page: PageSettings = PageSettings()
    embedded_broker: EmbeddedBrokerSettings | None = None
    state_dir: (
        Annotated[
            str, Meta(min_length=1, description="where streams and undelivered alerts survive a restart")
        ]
        | None
    ) = None
    checkpoint_seconds: Annotated[
        float, Meta(ge=1, le=3600, description="a stream is written whole after so much signal, s")
    ] = 20.0
    logging: LoggingSettings = LoggingSettings()
    exit_when_done: Annotated[bool, Meta(description="a finite source that ends, ends the service")] = True
    shutdown_seconds: Annotated[float, Meta(ge=0, le=600, description="time to drain, s")] = 10.0
    stall_seconds: Annotated[float, Meta(gt=0, le=3600, description="then /healthz fails, s")] = 30.0

    def __post_init__(self) -> None:
        super().__post_init__()
        shared = [s for s in self.sinks if isinstance(s, MqttSinkSettings) and s.state_directory is None]
        if self.state_dir is not None and len(shared) > 1:
            raise ValueError("state_dir holds the alerts of one mqtt sink; give each its own state_directory")


def load(path: str | Path) -> ServeSettings:
    """Read a configuration file; :class:`~ecgmon.errors.ConfigError` with file and key when it is wrong."""
    return load_settings(path, ServeSettings)


def make_source(settings: ServeSettings) -> Source:
    """The source, not yet opened."""
    match settings.source:
        case WfdbSettings() as wfdb:
            return WfdbSource(wfdb)
        case CsvSettings() as csv:
            return CsvSource(csv)
        case SimulatorSettings() as simulator:
            return SimulatorSource(simulator)
        case MqttSettings() as mqtt:
            return MqttSource(mqtt)


def make_sinks(settings: ServeSettings) -> dict[str, Sink]:
    """The sinks by name (``mqtt``, ``mqtt-2``, ...), not yet opened."""
    sinks: dict[str, Sink] = {}
    for each in settings.sinks:
        kind, sink = _sink(each, settings.state_dir)
        same = sum(name.partition("-")[0] == kind for name in sinks)
        sinks[f"{kind}-{same + 1}" if same else kind] = sink
    return sinks


def make_keeper(settings: ServeSettings, scorer: Scorer, clock: Callable[[], float]) -> Keeper | None:
    """What keeps the streams in ``state_dir``; ``EcgmonError`` when it cannot be used."""
    if settings.state_dir is None:
        return None
    path = Path(settings.state_dir) / STATE_FILE
    terms = terms_of(scorer.model_ref.hash, settings.lead, scorer.layout)
    return Keeper(path, terms, settings.checkpoint_seconds, clock)


def _sink(settings: SinkSettings, state_dir: str | None) -> tuple[str, Sink]:
    match settings:
        case MqttSinkSettings() as mqtt:
            if mqtt.state_directory is None and state_dir is not None:
                mqtt = msgspec.structs.replace(mqtt, state_directory=state_dir)
            return "mqtt", MqttSink(mqtt)
        case JsonlSettings() as jsonl:
            return "jsonl", JsonlSink(jsonl)
        case ConsoleSettings() as console:
            return "console", ConsoleSink(console)
