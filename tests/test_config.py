"""YAML to settings: every mistake is named with file and key."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
from msgspec import Meta

from ecgmon.config import Settings, load
from ecgmon.errors import ConfigError


class Inner(Settings, frozen=True):
    size: Annotated[int, Meta(ge=1, le=10)] = 3


class Outer(Settings, frozen=True):
    name: str
    inner: Inner = Inner()


def write(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "x.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_values_and_defaults_are_taken(tmp_path: Path) -> None:
    assert load(write(tmp_path, "name: a\n"), Outer) == Outer(name="a", inner=Inner(size=3))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: a\ninner: {sise: 4}\n", r"x\.yaml: inner: unknown key 'sise'; did you mean 'size'\?"),
        ("name: a\ninner: {size: 11}\n", r"x\.yaml: inner\.size: .*<= 10"),
        ("name: a\ninner: {size: big}\n", r"x\.yaml: inner\.size: .*int.*str"),
        ("inner: {}\n", r"x\.yaml: key 'name' is missing"),
        ("", r"x\.yaml: key 'name' is missing"),
        ("name: a\nname: b\n", r"x\.yaml: not valid YAML: line 2, column 1: key 'name' stands twice"),
        ("name: [a\n", r"x\.yaml: not valid YAML"),
        ("- a\n- b\n", r"x\.yaml: .*object.*array"),
        ("name: !!python/object:os.system {}\n", r"x\.yaml: not valid YAML"),
        (b"\xff\xfe\x00\x00", r"x\.yaml: "),
        ("? [a]\n: b\n", r"x\.yaml: not valid YAML: line 1, column 3: a key must be a plain value"),
    ],
)
def test_mistakes_are_named_with_file_and_key(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load(write(tmp_path, text), Outer)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "name: {url: mqtt://me:s3cret@h:1, x: [}\n",
        "name: 'mqtt://me:s3cret@h\n",
        "name: mqtt://me:s3cret@h: x: y\n",
        "name: mqtt://me:s3cret@h\n\tx: 1\n",
        "name: a\nurl: mqtt://me:s3cret@h\n",
        b"name: mqtt://me:s3cret@h\n\x80",
    ],
)
def test_a_mistake_beside_a_password_does_not_show_it(tmp_path: Path, text: str | bytes) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, text), Outer)
    assert "s3cret" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: cannot be read"):
        load(tmp_path / "nowhere.yaml", Outer)


def test_a_huge_file_is_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="larger than"):
        load(write(tmp_path, "#" * 1_000_001), Outer)
