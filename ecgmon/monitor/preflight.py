"""What would stop a configuration from running here: files, folders and packages that it needs."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec

from ecgmon.ecg.episodes import EpisodeSettings
from ecgmon.errors import EcgmonError
from ecgmon.model.scoring import Scorer
from ecgmon.monitor.settings import ServeSettings
from ecgmon.sinks.jsonl import JsonlSettings
from ecgmon.sinks.mqtt import MqttSinkSettings
from ecgmon.sources.base import SystemClock, start_of
from ecgmon.sources.csv import CsvSettings
from ecgmon.sources.mqtt import MqttSettings
from ecgmon.sources.simulator import SimulatorSettings
from ecgmon.sources.wfdb import WfdbSettings
from ecgmon.sources.wfdb_segment import read_header, record_path
from ecgmon.transport.broker import BrokerSettings


def problems(settings: ServeSettings) -> list[str]:
    """One line for each; nothing is opened for writing, made or connected to."""
    found = [*_source(settings)]
    if settings.http.enabled:
        found += _failing("http", settings.http.token)
    folders = {"state_dir": settings.state_dir}
    for i, sink in enumerate(settings.sinks):
        if isinstance(sink, MqttSinkSettings):
            found += _broker(f"sinks[{i}]", sink.broker)
            folders[f"sinks[{i}].state_directory"] = sink.state_directory
        elif isinstance(sink, JsonlSettings) and sink.path != "-" and not _appendable(Path(sink.path)):
            found.append(f"sinks[{i}]: {sink.path} cannot be written; make its folder, or name another file")
    for key, folder in folders.items():
        if folder is not None and not _makeable(Path(folder)):
            found.append(f"{key}: {folder} cannot be made or written; name another folder")
    if settings.embedded_broker is not None and importlib.util.find_spec("iotcore") is None:
        found.append("embedded_broker needs the package iotcore: pip install 'ecgmon[demo]'")
    return found


def other_rule(settings: ServeSettings, scorer: Scorer) -> list[str]:
    """A warning when alerts are raised by another rule than the one that false alerts were counted with."""
    calibration = scorer.bundle.metadata.calibration
    known = {} if calibration is None else calibration.settings.get("episodes", {})
    rule = msgspec.to_builtins(settings.alerts.anomalous_beats)
    if all(rule[name] == known[name] for name in EpisodeSettings.__struct_fields__ if name in known):
        return []
    calibrated = f"{known.get('raise_beats', '?')} of {known.get('of_beats', '?')} beats"
    text = f"the model's false alerts per hour were calibrated for {calibrated} and its other numbers"
    return [f"alerts.anomalous_beats: {text}; with what is set here they will be more or fewer"]


def _source(settings: ServeSettings) -> Iterator[str]:
    source = settings.source
    if isinstance(source, MqttSettings):
        yield from _broker("source", source.broker)
        return
    yield from _failing("source", lambda: start_of(source, None, SystemClock()))
    match source:
        case WfdbSettings():
            for record in source.records:
                yield from _failing("source", partial(read_header, record_path(record)))
        case CsvSettings():
            for file in source.files:
                if not (os.access(file, os.R_OK) and Path(file).is_file()):
                    yield f"source: {file}: no such file, or it cannot be read"
        case SimulatorSettings():
            pass


def _broker(where: str, broker: BrokerSettings) -> Iterator[str]:
    yield from _failing(where, broker.credentials)
    if broker.address.encrypted:
        yield from _failing(where, broker.tls.context)


def _failing(where: str, attempt: Callable[[], object]) -> Iterator[str]:
    try:
        attempt()
    except EcgmonError as error:
        yield f"{where}: {error}"


def _appendable(path: Path) -> bool:
    if os.path.exists(path):  # noqa: PTH110 - Path.exists raises where a folder may not be entered
        return not path.is_dir() and os.access(path, os.W_OK)
    return os.access(path.parent, os.W_OK | os.X_OK) and path.parent.is_dir()


def _makeable(folder: Path) -> bool:
    parents = [folder, *folder.absolute().parents]
    nearest = next(each for each in parents if os.path.exists(each))  # noqa: PTH110 - as above
    return os.access(nearest, os.W_OK | os.X_OK) and nearest.is_dir()
