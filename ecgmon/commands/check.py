"""``ecgmon check``: read a configuration as ``serve`` would, say what would run, start nothing.

With ``--warm-up`` what ``serve`` computes with is compiled, too, for an image.
"""

from __future__ import annotations

import argparse
import sys
import time

from ecgmon.ecg.compiled import cache_folder
from ecgmon.errors import UsageError
from ecgmon.monitor.exposure import warnings
from ecgmon.monitor.preflight import other_rule, problems
from ecgmon.monitor.service import load_scorer
from ecgmon.monitor.settings import ServeSettings, load, make_sinks, make_source
from ecgmon.monitor.warm_up import warm_up
from ecgmon.sinks.console import ConsoleSettings
from ecgmon.sinks.jsonl import JsonlSettings
from ecgmon.sinks.mqtt import MqttSinkSettings
from ecgmon.sources.csv import CsvSettings
from ecgmon.sources.mqtt import MqttSettings
from ecgmon.sources.simulator import SimulatorSettings
from ecgmon.sources.wfdb import WfdbSettings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", required=True, metavar="FILE", help="YAML, see configs/serve.yaml")
    parser.add_argument("--warm-up", action="store_true", help="also compile what serve computes with")


def run(args: argparse.Namespace) -> int:
    settings = load(args.config)
    found = problems(settings)
    if found:
        for problem in found:
            sys.stderr.write(f"ecgmon check: {problem}\n")
        return UsageError.exit_code
    scorer = load_scorer(settings)
    make_source(settings)
    make_sinks(settings)
    for name, value in _rows(settings):
        print(f"{name:<10}{value}")
    reference = scorer.model_ref
    print(f"{'model':<10}{reference.name} ({reference.hash[:12]}), {scorer.layout}, on {scorer.device}")
    print(
        f"{'threshold':<10}p <= {scorer.threshold:.3g} for alerts, {scorer.beat_threshold:.3g} for odd beats"
    )
    if args.warm_up:
        began = time.monotonic()
        warm_up(scorer, settings)
        print(f"{'warm-up':<10}{time.monotonic() - began:.1f} s; compiled functions are in {cache_folder()}")
    for warning in [*warnings(settings), *other_rule(settings, scorer)]:
        print(f"warning: {warning}", file=sys.stderr)
    print(f"{args.config}: good")
    return 0


def _rows(settings: ServeSettings) -> list[tuple[str, str]]:
    rows = [("source", _source(settings)), ("lead", settings.lead)]
    rows += [("sink", _sink(sink)) for sink in settings.sinks]
    beats = settings.alerts.anomalous_beats
    rows.append(("alert", f"{beats.raise_beats} odd of {beats.of_beats} beats"))
    rows.append(("batch", f"{settings.batch.size} beats or {settings.batch.seconds:g} s"))
    http = settings.http
    rows.append(("http", f"http://{http.host}:{http.port}/metrics" if http.enabled else "off"))
    shown = http.enabled and settings.page.enabled
    rows.append(("page", f"http://{http.host}:{http.port}/" if shown else "off"))
    if settings.embedded_broker is not None:
        rows.append(("broker", f"embedded, mqtt://127.0.0.1:{settings.embedded_broker.port}"))
    return rows


def _source(settings: ServeSettings) -> str:
    match settings.source:
        case MqttSettings() as mqtt:
            return f"mqtt, {mqtt.broker.address.shown}, {mqtt.topic}, QoS {mqtt.qos}"
        case WfdbSettings() as wfdb:
            return f"wfdb, {', '.join(wfdb.records)}, {_speed(wfdb.speed)}"
        case CsvSettings() as csv:
            return f"csv, {_speed(csv.speed)}"
        case SimulatorSettings() as simulator:
            return f"simulator, {simulator.streams} streams, {_speed(simulator.speed)}"


def _sink(sink: MqttSinkSettings | JsonlSettings | ConsoleSettings) -> str:
    match sink:
        case MqttSinkSettings():
            return f"mqtt, {sink.broker.address.shown}, {sink.prefix}/alerts/{{stream}}"
        case JsonlSettings():
            return f"jsonl, {'standard output' if sink.path == '-' else sink.path}"
        case ConsoleSettings():
            return "console"


def _speed(speed: float) -> str:
    return "as fast as possible" if speed == 0 else f"{speed:g} x real time"
