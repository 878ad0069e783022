"""Which changes of a configuration are taken while we run, and which are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from ecgmon.errors import ConfigError
from ecgmon.monitor.reload import LIVE, differences, reread
from ecgmon.monitor.settings import ServeSettings, load

TREE: dict[str, Any] = {
    "source": {"type": "mqtt", "broker": {"url": "mqtts://u:s3cret@ward.example"}},
    "sinks": [{"type": "console"}],
}


def written(folder: Path, **keys: Any) -> Path:
    path = folder / "serve.yaml"
    path.write_text(yaml.safe_dump({**TREE, **keys}))
    return path


@pytest.fixture
def now(tmp_path: Path) -> ServeSettings:
    return load(written(tmp_path))


@pytest.mark.parametrize(
    ("keys", "changed"),
    [
        ({}, []),
        ({"alerts": {"lead_off": {"raise_seconds": 20}}}, ["alerts.lead_off.raise_seconds"]),
        ({"batch": {"size": 7}, "max_streams": 3}, ["batch.size", "max_streams"]),
        ({"logging": {"level": "debug", "format": "json"}}, ["logging.format", "logging.level"]),
        ({"http": {"token_env": "X"}}, ["http.token_env"]),
        ({"http": {"port": 9464}}, []),
    ],
)
def test_what_can_change_is_taken(
    tmp_path: Path, now: ServeSettings, keys: dict[str, Any], changed: list[str]
) -> None:
    new, found = reread(written(tmp_path, **keys), now)
    assert found == changed
    assert new == load(tmp_path / "serve.yaml")


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"http": {"port": 1}}, "http.port cannot change while we run; restart, or change it back"),
        ({"model": {"path": "x"}, "batch": {"size": 7}}, "model.path cannot change"),
        ({"state_dir": "x", "lead": "II"}, "lead, state_dir cannot change"),
        ({"source": {"type": "simulator"}}, "source.type"),
        (
            {"source": {"type": "mqtt", "broker": {"url": "mqtts://u:0ther@ward.example"}}},
            "source.broker.url",
        ),
        ({"sinks": [{"type": "jsonl", "path": "x"}]}, "sinks cannot change"),
        ({"batch": {"size": "many"}}, "batch.size: Expected `int`"),
        ({"bacth": {}}, "unknown key 'bacth'"),
    ],
)
def test_what_cannot_change_is_said_without_its_value(
    tmp_path: Path, now: ServeSettings, keys: dict[str, Any], told: str
) -> None:
    path = written(tmp_path, **keys)
    with pytest.raises(ConfigError) as caught:
        reread(path, now)
    assert str(caught.value).startswith(f"{path}: ")
    assert told in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert "0ther" not in str(caught.value)


def test_a_file_that_is_gone_or_no_yaml_is_said(tmp_path: Path, now: ServeSettings) -> None:
    path = tmp_path / "serve.yaml"
    path.write_text("source: {")
    with pytest.raises(ConfigError, match="not valid YAML"):
        reread(path, now)
    path.unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        reread(path, now)


def test_every_live_key_exists(now: ServeSettings) -> None:
    tree = msgspec.to_builtins(now)
    for key in LIVE:
        part = tree
        for name in key.split("."):
            assert name in part, key
            part = part[name]


def test_a_part_that_comes_or_goes_is_a_difference(now: ServeSettings) -> None:
    other = msgspec.convert({**TREE, "embedded_broker": {"port": 1}}, ServeSettings)
    assert differences(now, other) == {"embedded_broker"}
