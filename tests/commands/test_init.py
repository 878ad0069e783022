"""``ecgmon init``: what it writes loads, is the defaults, and explains every key."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from ecgmon import cli, config
from ecgmon.commands.init import FILES
from ecgmon.commands.key_types import structs_in
from ecgmon.commands.keys import Key, about, keys_of
from ecgmon.commands.training_data import TrainSettings
from ecgmon.config import Settings
from ecgmon.monitor.settings import ServeSettings

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
REQUIRED = {"wfdb": {"records": ["mitdb/208"]}, "csv": {"files": ["bed-3.csv"]}}


def groups(kind: type[Settings]) -> Iterator[type[Settings]]:
    """``kind`` and all settings within it."""
    seen, waiting = {kind}, [kind]
    while waiting:
        group = waiting.pop()
        yield group
        inner = [each for key in keys_of(group) for each in structs_in(key.type) if each not in seen]
        seen.update(inner)
        waiting += dict.fromkeys(inner)


def every_key() -> list[tuple[type[Settings], Key]]:
    kinds = dict.fromkeys(group for file in FILES.values() for group in groups(file))
    return [(kind, key) for kind in kinds for key in keys_of(kind)]


@pytest.mark.parametrize("source", ["mqtt", "simulator", "wfdb", "csv"])
@pytest.mark.parametrize("sink", ["mqtt", "jsonl", "console"])
def test_a_configuration_loads_and_equals_the_defaults(tmp_path: Path, source: str, sink: str) -> None:
    file = tmp_path / "new.yaml"
    assert cli.run(["init", str(file), "--source", source, "--sink", sink]) == 0
    plain = {"source": {"type": source, **REQUIRED.get(source, {})}, "sinks": [{"type": sink}]}
    assert config.load(file, ServeSettings) == config.convert(plain, ServeSettings, where="")


def test_a_training_configuration_loads_and_equals_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "new.yaml"
    assert cli.run(["init", str(file), "--for", "train"]) == 0
    assert config.load(file, TrainSettings) == TrainSettings(data="mitdb")


def test_every_key_stands_in_the_file_also_those_without_a_value(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["init", "--source", "mqtt", "--sink", "mqtt", "--sink", "console"]) == 0
    text = capsys.readouterr().out
    written = set(re.findall(r"^[\s#-]*([a-z_]+):", text, re.MULTILINE))
    defaults = config.convert(yaml.safe_load(text), ServeSettings, where="")
    assert written >= names(defaults)
    assert {"state_dir", "password_file", "embedded_broker", "token_file"} <= written


def names(settings: Any) -> set[str]:
    found: set[str] = set()
    for field in type(settings).__struct_fields__:
        found.add(field)
        value = getattr(settings, field)
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, msgspec.Struct):
                found |= names(inner)
    return found


def test_uncommented_lines_load_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is commented out is a key at the right place, with nothing behind it."""
    assert cli.run(["init"]) == 0
    text = re.sub(r"^( *)# ([a-z_]+:) ", r"\1\2 ", capsys.readouterr().out, flags=re.MULTILINE)
    file = tmp_path / "all.yaml"
    file.write_text(text)
    assert "\nstate_dir: " in text
    assert config.load(file, ServeSettings).state_dir is None


def test_a_file_is_replaced_only_by_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("mine")
    assert cli.run(["init", str(file)]) == 2
    assert file.read_text() == "mine"
    assert "--force" in capsys.readouterr().err
    assert cli.run(["init", str(file), "--force"]) == 0
    assert file.read_text().startswith("# ecgmon check")


def test_a_missing_folder_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["init", str(tmp_path / "nowhere" / "x.yaml")]) == 2
    assert "there is no folder" in capsys.readouterr().err


def test_every_key_is_explained() -> None:
    unexplained = [f"{kind.__name__}.{key.name}" for kind, key in every_key() if not key.text]
    assert unexplained == []
    assert len(every_key()) > 150
    assert all(about(kind) for file in FILES.values() for kind in groups(file))


def test_the_page_of_all_keys_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["init", "--reference"]) == 0
    page = capsys.readouterr().out
    stale = "write it anew: ecgmon init --reference configs/REFERENCE.md --force"
    assert (CONFIGS / "REFERENCE.md").read_text() == page, stale
    for kind, key in every_key():
        assert re.search(rf"^\| `{key.name}` \| .+ \| .+ \| .+ \|$", page, re.MULTILINE), (kind, key.name)


def test_links_on_the_page_lead_to_its_headings() -> None:
    page = (CONFIGS / "REFERENCE.md").read_text()
    titles = re.findall(r"^##+ (.+)$", page, re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 _-]", "", title.lower()).replace(" ", "-") for title in titles}
    assert len(anchors) == len(titles)
    links = set(re.findall(r"\]\(#([^)]+)\)", page))
    assert links
    assert links <= anchors
