"""What an operator is warned of: brokers, metrics and files that are open to more people than need be."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecgmon.monitor.exposure import warnings
from ecgmon.monitor.settings import ServeSettings, load

MINIMAL = "source: {type: simulator}\nsinks: [{type: console}]\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "c.yaml"
    path.write_text(text)
    return path


def settings(tmp_path: Path, url: str, more: str = "") -> ServeSettings:
    return load(
        write(
            tmp_path, f"source: {{type: mqtt, broker: {{url: '{url}'{more}}}}}\nsinks: [{{type: console}}]\n"
        )
    )


@pytest.mark.parametrize(
    "url", ["mqtt://127.0.0.1:1883", "mqtt://localhost", "mqtts://user:x@ward.example:8883"]
)
def test_a_local_or_protected_broker_needs_no_warning(tmp_path: Path, url: str) -> None:
    assert warnings(settings(tmp_path, url)) == []


def test_a_plaintext_anonymous_broker_elsewhere_is_warned_of_twice(tmp_path: Path) -> None:
    plaintext, anonymous = warnings(settings(tmp_path, "mqtt://ward.example"))
    assert "source: " in plaintext
    assert "plaintext" in plaintext
    assert "lets anyone in" in anonymous


def test_certificates_that_nobody_checks_are_warned_of(tmp_path: Path) -> None:
    (found,) = warnings(settings(tmp_path, "mqtts://u:p@ward.example", ", tls: {verify: false}"))
    assert "tls.verify is off" in found


def test_metrics_for_everyone_are_warned_of(tmp_path: Path) -> None:
    (found,) = warnings(load(write(tmp_path, MINIMAL + "http: {host: 0.0.0.0}\n")))
    assert "0.0.0.0 can be reached from outside" in found


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_metrics_for_this_machine_need_no_warning(tmp_path: Path, host: str) -> None:
    assert warnings(load(write(tmp_path, MINIMAL + f"http: {{host: '{host}'}}\n"))) == []


def test_a_token_over_the_network_is_warned_of_as_plaintext(tmp_path: Path) -> None:
    (found,) = warnings(load(write(tmp_path, MINIMAL + "http: {host: 0.0.0.0, token_env: X}\n")))
    assert "0.0.0.0 can be reached from outside, and the token is sent in plaintext" in found


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o602])
def test_files_with_secrets_that_everyone_can_read_are_warned_of(tmp_path: Path, mode: int) -> None:
    files = {name: tmp_path / name for name in ("password", "key.pem", "token")}
    for file in files.values():
        file.touch(mode=0o600)
    text = (
        f"source: {{type: mqtt, broker: {{url: 'mqtts://localhost', username: u, "
        f"password_file: {files['password']}, tls: {{cert_file: c.pem, key_file: {files['key.pem']}}}}}}}\n"
        f"sinks: [{{type: console}}]\nhttp: {{token_file: {files['token']}}}\n"
    )
    settings = load(write(tmp_path, text))
    assert warnings(settings) == []
    files["password"].chmod(0o640)  # a group may be meant
    assert warnings(settings) == []
    for file in files.values():
        file.chmod(mode)
    found = warnings(settings)
    assert [line.partition(": ")[0] for line in found] == ["source", "source", "http"]
    for line, file in zip(found, files.values(), strict=True):
        assert f"{file} can be read or written by every user here: chmod o= {file}" in line
