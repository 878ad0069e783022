"""Configurations: the shipped ones load, wrong ones say where and what."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecgmon.errors import ConfigError
from ecgmon.monitor.settings import load, make_sinks, make_source
from ecgmon.sinks.mqtt import MqttSink
from ecgmon.sources.mqtt import MqttSettings
from ecgmon.sources.simulator import SimulatorSettings

CONFIGS = Path(__file__).resolve().parents[2] / "configs"

MINIMAL = "source: {type: simulator}\nsinks: [{type: console}]\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "c.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", ["demo.yaml", "serve.yaml"])
def test_a_shipped_configuration_loads_and_makes_its_parts(name: str) -> None:
    settings = load(CONFIGS / name)
    make_source(settings)
    assert make_sinks(settings)


def test_the_shipped_configurations_are_what_they_say() -> None:
    demo, serve = load(CONFIGS / "demo.yaml"), load(CONFIGS / "serve.yaml")
    assert isinstance(demo.source, SimulatorSettings)
    assert demo.embedded_broker is not None
    assert isinstance(serve.source, MqttSettings)
    assert serve.source.broker.address.port == 1883


def test_serve_yaml_shows_the_defaults(tmp_path: Path) -> None:
    serve = load(CONFIGS / "serve.yaml")
    plain = load(write(tmp_path, "source: {type: mqtt}\nsinks: [{type: mqtt}]\n"))
    assert serve == plain


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sinks: [{type: console}]\n", "key 'source' is missing"),
        ("source: {type: simulator}\nsinks: []\n", "sinks: Expected `array` of length >= 1"),
        (MINIMAL + "htttp: {}\n", "unknown key 'htttp'; did you mean 'http'?"),
        (MINIMAL + "http: {port: 99999}\n", "http.port"),
        (MINIMAL + "batch: {size: many}\n", "batch.size: Expected `int`, got `str`"),
        (
            MINIMAL + "alerts: {anomalous_beats: {raise_beats: 9}}\n",
            "raise_beats (9) is more than of_beats (8)",
        ),
        ("source: {type: kafkaesque}\nsinks: [{type: console}]\n", "Invalid value 'kafkaesque'"),
        ("source: {type: mqtt, broker: {url: 'http://x'}}\nsinks: [{type: console}]\n", "source.broker"),
    ],
)
def test_a_wrong_configuration_names_file_and_key(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_sinks_of_one_kind_have_names_of_their_own(tmp_path: Path) -> None:
    text = "source: {type: simulator}\nsinks: [{type: console}, {type: jsonl}, {type: console}]\n"
    assert list(make_sinks(load(write(tmp_path, text)))) == ["console", "jsonl", "console-2"]


def test_state_dir_is_where_the_mqtt_sink_keeps_its_alerts(tmp_path: Path) -> None:
    text = f"source: {{type: simulator}}\nsinks: [{{type: mqtt}}]\nstate_dir: {tmp_path}\n"
    sink = make_sinks(load(write(tmp_path, text)))["mqtt"]
    assert isinstance(sink, MqttSink)
    assert sink._settings.state_directory == str(tmp_path)


def test_state_dir_cannot_serve_two_mqtt_sinks(tmp_path: Path) -> None:
    text = f"source: {{type: simulator}}\nsinks: [{{type: mqtt}}, {{type: mqtt}}]\nstate_dir: {tmp_path}\n"
    with pytest.raises(ConfigError, match="give each its own state_directory"):
        load(write(tmp_path, text))
